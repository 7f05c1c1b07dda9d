/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KVM's AIA: what it is told, in which order, and what becomes of its refusals. The KVM device is played: it keeps what it was given and
 * judges it as the real one does.
 * links: riscv/aia.c dt/tree.c util/str.c util/error.c util/cleanup.c
 */
#include "tests/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <libfdt.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "riscv/riscv.h"
#include "vmm/vm.h"

enum { VM_FD = 5000, MAX_CPUS = 512 };

static struct kvm {
	int fd;			/* the device's; -1: none */
	u32 ids, sources, hart_bits;
	u64 aplic, imsic[MAX_CPUS];
	bool inited;
	u32 aplic_reg[0x1000];		/* by word; 0xabababab: untouched */
	unsigned long imsic_reg[MAX_CPUS][256];
	struct { u32 gsi; bool level; } wire;
	unsigned int attrs, fail_at;	/* the n-th KVM_SET_DEVICE_ATTR from now on fails; 0: none */
	bool no_device, no_ids;
	unsigned int wrong;
} kvm;

static struct arch_vm arch;
static struct vm vm;

static int config_attr(const struct kvm_device_attr *a, bool set)
{
	u32 *val = (u32 *)(uintptr_t)a->addr;

	if (kvm.no_ids && !set)
		return ENXIO;
	kvm.wrong += set && kvm.inited;
	switch (a->attr) {
	case 1:
		kvm.wrong += set;
		*val = kvm.ids;
		return 0;
	case 2:
		kvm.sources = *val;
		return 0;
	case 5:
		kvm.hart_bits = *val;
		return 0;
	}
	return ENXIO;
}

/* As KVM judges: sources have identities, all IMSICs are one aligned block and can be told apart. */
static int init(void)
{
	u64 base = kvm.imsic[0];
	unsigned int i;

	if (kvm.ids < kvm.sources || !kvm.aplic || !base || base & ((0x1000ULL << kvm.hart_bits) - 1))
		return EINVAL;
	for (i = 0; i < vm.cfg.cpus; i++)
		if (kvm.imsic[i] >> 12 != (base >> 12 | i) || i >> kvm.hart_bits)
			return EINVAL;
	kvm.inited = true;
	return 0;
}

static int set_attr(const struct kvm_device_attr *a)
{
	if (++kvm.attrs == kvm.fail_at)
		return EBUSY;
	switch (a->group) {
	case 0:
		return config_attr(a, true);
	case 1:
		if (a->attr > vm.cfg.cpus || kvm.inited)
			return EINVAL;
		*(a->attr ? &kvm.imsic[a->attr - 1] : &kvm.aplic) = *(u64 *)(uintptr_t)a->addr;
		return 0;
	case 2:
		return a->attr ? ENXIO : init();
	case 3:
		if (!kvm.inited || a->attr & 3 || a->attr >= 0x4000)
			return EINVAL;
		kvm.aplic_reg[a->attr / 4] = *(u32 *)(uintptr_t)a->addr;
		return 0;
	case 4:
		if (!kvm.inited || a->attr >> 12 >= vm.cfg.cpus || (a->attr & 0xfff) > 0xff || ((a->attr & 0x80) && (a->attr & 1)))
			return EINVAL;
		kvm.imsic_reg[a->attr >> 12][a->attr & 0xff] = *(unsigned long *)(uintptr_t)a->addr;
		return 0;
	}
	return ENXIO;
}

static int vm_ioctl(unsigned long req, void *arg)
{
	struct kvm_create_device *dev = arg;
	struct kvm_irq_level *irq = arg;

	switch (req) {
	case KVM_CREATE_DEVICE:
		if (kvm.no_device || dev->type != 11 || dev->flags || kvm.fd >= 0)
			return ENODEV;
		dev->fd = (u32)(kvm.fd = open("/dev/null", O_RDWR | O_CLOEXEC));
		return 0;
	case KVM_IRQ_LINE:
		kvm.wire.gsi = irq->irq;
		kvm.wire.level = irq->level;
		return 0;
	}
	return ENOTTY;
}

int ioctl(int fd, unsigned long req, ...)
{
	va_list ap;
	void *arg;
	int e;

	va_start(ap, req);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (fd == VM_FD)
		e = vm_ioctl(req, arg);
	else if (fd == kvm.fd && req == KVM_SET_DEVICE_ATTR)
		e = set_attr(arg);
	else if (fd == kvm.fd && req == KVM_GET_DEVICE_ATTR)
		e = ((struct kvm_device_attr *)arg)->group ? ENXIO : config_attr(arg, false);
	else
		return (int)syscall(SYS_ioctl, fd, req, arg);
	errno = e;
	return e ? -1 : 0;
}

static void make(unsigned int cpus)
{
	memset(&vm, 0, sizeof(vm));
	memset(&arch, 0, sizeof(arch));
	memset(&kvm, 0, sizeof(kvm));
	memset(kvm.aplic_reg, 0xab, sizeof(kvm.aplic_reg));
	memset(kvm.imsic_reg, 0xab, sizeof(kvm.imsic_reg));
	kvm.fd = -1;
	kvm.ids = 255;
	vm.arch = &arch;
	vm.vm_fd = VM_FD;
	vm.cfg.cpus = cpus;
}

static int up(struct error *err)
{
	int r = aia_irqchip.create(&vm, err);

	return r < 0 ? r : aia_irqchip.init(&vm, err);
}

TEST(kvm_is_told_where_all_of_it_is)
{
	static const struct { unsigned int cpus; u32 bits; } t[] = { { 1, 0 }, { 2, 1 }, { 3, 2 }, { 4, 2 }, { 5, 3 }, { 512, 9 } };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		make(t[i].cpus);
		CHECK_EQ(up(NULL), 0);
		CHECK(kvm.inited && !kvm.wrong);
		CHECK_EQ(kvm.hart_bits, t[i].bits);
		CHECK_EQ(kvm.sources, IRQ_SOURCES - 1);
		CHECK_EQ(arch.sources, IRQ_SOURCES - 1);
		CHECK_EQ(kvm.aplic, IRQCHIP_BASE);
		CHECK(kvm.imsic[t[i].cpus - 1] + 0x1000 <= IRQCHIP_BASE + IRQCHIP_SIZE);
		aia_irqchip.free(&vm);
		CHECK(!arch.chip && fcntl(kvm.fd, F_GETFD) < 0);
	}
}

/* An IMSIC of 63 identities, the fewest there can be: as many wires. */
TEST(few_identities_mean_few_wires)
{
	make(1);
	kvm.ids = 63;
	CHECK_EQ(up(NULL), 0);
	CHECK_EQ(arch.sources, 63);
	CHECK_EQ(aia_irqchip.set_line(&vm, 63, true), 0);
	CHECK_EQ(aia_irqchip.set_line(&vm, 64, true), -EINVAL);
	aia_irqchip.free(&vm);
}

TEST(wires_are_those_of_the_sources)
{
	make(1);
	CHECK_EQ(up(NULL), 0);
	CHECK_EQ(aia_irqchip.set_line(&vm, 0, true), -EINVAL);
	CHECK_EQ(aia_irqchip.set_line(&vm, IRQ_SOURCES, true), -EINVAL);
	CHECK_EQ(aia_irqchip.set_line(&vm, 12, true), 0);
	CHECK(kvm.wire.gsi == 12 && kvm.wire.level);
	CHECK_EQ(aia_irqchip.set_line(&vm, 12, false), 0);
	CHECK(kvm.wire.gsi == 12 && !kvm.wire.level);
	aia_irqchip.free(&vm);
}

TEST(each_refusal_is_told_and_leaks_nothing)
{
	struct error err;
	unsigned int n, all;

	make(3);
	kvm.no_device = true;
	CHECK_EQ(up(&err), -ENODEV);
	CHECK(strstr(err.msg, "--irqchip aia"));
	aia_irqchip.free(&vm);	/* nothing there: fine */

	make(3);
	kvm.no_ids = true;
	CHECK_EQ(up(&err), -ENXIO);
	CHECK(strstr(err.msg, "AIA"));
	aia_irqchip.free(&vm);

	make(3);
	CHECK_EQ(up(&err), 0);
	all = kvm.attrs;
	aia_irqchip.free(&vm);
	for (n = 1; n <= all; n++) {
		make(3);
		kvm.fail_at = n;
		err.msg[0] = '\0';
		CHECK_EQ(up(&err), -EBUSY);
		CHECK(strstr(err.msg, "AIA"));
		aia_irqchip.free(&vm);
		CHECK(fcntl(kvm.fd, F_GETFD) < 0);
	}
}

/* --- reset --- */

TEST(first_start_has_nothing_to_reset)
{
	make(2);
	CHECK_EQ(up(NULL), 0);
	kvm.attrs = 0;
	CHECK_EQ(aia_irqchip.reset(&vm, NULL), 0);
	CHECK_EQ(kvm.attrs, 0);
	aia_irqchip.free(&vm);
}

TEST(restart_writes_every_register)
{
	unsigned int i;

	make(2);
	CHECK_EQ(up(NULL), 0);
	arch.booted = true;
	CHECK_EQ(aia_irqchip.reset(&vm, NULL), 0);
	CHECK_EQ(kvm.aplic_reg[0], 0);
	for (i = 1; i <= arch.sources; i++) {
		CHECK_EQ(kvm.aplic_reg[i], 0);			/* sourcecfg */
		CHECK_EQ(kvm.aplic_reg[0x3000 / 4 + i], 0);	/* target */
	}
	for (i = 0; i < 3; i++) {
		CHECK_EQ(kvm.aplic_reg[0x1d00 / 4 + i], ~0U);	/* in_clrip */
		CHECK_EQ(kvm.aplic_reg[0x1f00 / 4 + i], ~0U);	/* clrie */
	}
	for (i = 0; i < 2; i++) {
		CHECK_EQ(kvm.imsic_reg[i][0x70], 0);
		CHECK_EQ(kvm.imsic_reg[i][0x72], 0);
		CHECK(!kvm.imsic_reg[i][0x80] && !kvm.imsic_reg[i][0x82] && !kvm.imsic_reg[i][0x84] && !kvm.imsic_reg[i][0x86]);
		CHECK(!kvm.imsic_reg[i][0xc0] && !kvm.imsic_reg[i][0xc2] && !kvm.imsic_reg[i][0xc4] && !kvm.imsic_reg[i][0xc6]);
		CHECK(kvm.imsic_reg[i][0x88] && kvm.imsic_reg[i][0xc8]);	/* beyond 255 identities */
	}
	aia_irqchip.free(&vm);
}

TEST(refusals_of_a_reset_are_told)
{
	struct error err;
	unsigned int n, all;

	make(2);
	CHECK_EQ(up(NULL), 0);
	arch.booted = true;
	kvm.attrs = 0;
	CHECK_EQ(aia_irqchip.reset(&vm, NULL), 0);
	all = kvm.attrs;
	for (n = 1; n <= all; n++) {
		kvm.attrs = 0;
		kvm.fail_at = n;
		err.msg[0] = '\0';
		CHECK_EQ(aia_irqchip.reset(&vm, &err), -EBUSY);
		CHECK(strstr(err.msg, "AIA"));
	}
	aia_irqchip.free(&vm);
}

/* --- the tree --- */

static u32 cell(const void *fdt, int node, const char *name, unsigned int n)
{
	int len;
	const fdt32_t *p = fdt_getprop(fdt, node, name, &len);

	return p && len >= (int)(4 * (n + 1)) ? fdt32_to_cpu(p[n]) : ~0U;
}

TEST(tree_says_what_kvm_was_told)
{
	const u32 intc[] = { 11, 12, 13 };
	struct dt_interrupts irq;
	u32 spec[2];
	struct dt t;
	int n;

	make(3);
	CHECK_EQ(up(NULL), 0);
	CHECK_EQ(dt_begin(&t), 0);
	t.last_phandle = 20;
	aia_irqchip.dt(&vm, &t, intc, &irq);
	CHECK_EQ(dt_finish(&t, NULL), 0);
	CHECK(irq.phandle != irq.msi_phandle && irq.phandle > 20 && irq.msi_phandle > 20);
	CHECK(irq.cells == 2 && !irq.address_cells && !irq.msi_map);
	irq.specifier(9, true, spec);
	CHECK(spec[0] == 9 && spec[1] == 4);
	irq.specifier(10, false, spec);
	CHECK(spec[0] == 10 && spec[1] == 1);

	n = fdt_node_offset_by_phandle(t.buf, irq.phandle);
	CHECK(n > 0 && !fdt_node_check_compatible(t.buf, n, "riscv,aplic"));
	CHECK_EQ(cell(t.buf, n, "reg", 1), kvm.aplic);
	CHECK_EQ(cell(t.buf, n, "reg", 3), 0x4000);
	CHECK_EQ(cell(t.buf, n, "riscv,num-sources", 0), kvm.sources);
	CHECK_EQ(cell(t.buf, n, "msi-parent", 0), irq.msi_phandle);
	CHECK_EQ(cell(t.buf, n, "#interrupt-cells", 0), 2);

	n = fdt_node_offset_by_phandle(t.buf, irq.msi_phandle);
	CHECK(n > 0 && !fdt_node_check_compatible(t.buf, n, "riscv,imsics"));
	CHECK_EQ(cell(t.buf, n, "reg", 1), kvm.imsic[0]);
	CHECK_EQ(cell(t.buf, n, "reg", 3), 3 * 0x1000);
	CHECK_EQ(cell(t.buf, n, "riscv,num-ids", 0), 255);
	CHECK_EQ(cell(t.buf, n, "riscv,hart-index-bits", 0), 2);
	CHECK_EQ(cell(t.buf, n, "interrupts-extended", 4), 13);
	CHECK_EQ(cell(t.buf, n, "interrupts-extended", 5), 9);
	CHECK_EQ(cell(t.buf, n, "interrupts-extended", 6), ~0U);
	dt_free(&t);
	aia_irqchip.free(&vm);
}

int main(void)
{
	RUN(kvm_is_told_where_all_of_it_is);
	RUN(few_identities_mean_few_wires);
	RUN(wires_are_those_of_the_sources);
	RUN(each_refusal_is_told_and_leaks_nothing);
	RUN(first_start_has_nothing_to_reset);
	RUN(restart_writes_every_register);
	RUN(refusals_of_a_reset_are_told);
	RUN(tree_says_what_kvm_was_told);
	return tap_done();
}
