/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interrupt controllers on hosts that offer more or less, what reaches KVM of lines and messages, the frame of a GICv2m, and restart in
 * place: each register as at power on. ioctl() is ours here, with the registers of a controller behind it.
 *
 * links: arm/gic.c arm/gic-state.c arm/gic-v2m.c arm/map.c device.c state.c util/str.c util/error.c util/log.c
 */
#include "arm/arm.h"
#include "tests/hw/hw-fake.h"

#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "arm/gic-abi.h"
#include "vmm/arch.h"
#include "vmm/irq.h"

enum { GIC_FD = 1000, ITS_FD = 1001, REGS = 8192, HAS_V2 = 1, HAS_V3 = 2, HAS_ITS = 4 };

static struct arch_vm arch;
static struct vcpu vcpus[8];
static struct arch_vcpu arch_vcpus[8];
static struct error err;

struct reg { u32 group; u64 attr, val; };

static struct {
	unsigned int offers;
	struct reg reg[REGS];		/* as written, or first read */
	unsigned int regs;
	u32 intids;
	u64 addr[8];			/* by VGIC_ADDR_* */
	unsigned int gic_inits, its_inits, its_resets;
	struct kvm_irq_level line[4];
	unsigned int lines;
	struct kvm_msi msi;
	unsigned int msis;
	u32 fail_group;			/* an access of it fails so */
	int fail;
	unsigned long no_create;	/* making a device of this type fails */
} kvm;

static struct reg *reg_at(u32 group, u64 attr)
{
	unsigned int i;

	for (i = 0; i < kvm.regs; i++)
		if (kvm.reg[i].group == group && kvm.reg[i].attr == attr)
			return &kvm.reg[i];
	if (kvm.regs == REGS)
		abort();
	/* At power on each register has a value that tells it from others. */
	kvm.reg[kvm.regs] = (struct reg){ group, attr, (u32)(attr * 2654435761u) ^ group };
	return &kvm.reg[kvm.regs++];
}

/* ICC_AP0R1..3_EL1 and ICC_AP1R1..3_EL1: there are five bits of priority. Linux 6.1 says EINVAL, others ENXIO. */
static int absent(const struct kvm_device_attr *a)
{
	u32 reg = (u32)a->attr;

	if (a->group != VGIC_GRP_CPU_SYSREGS)
		return 0;
	return reg > 0xc644 && reg <= 0xc647 ? -EINVAL : reg > 0xc648 && reg <= 0xc64b ? -ENXIO : 0;
}

static int attr_access(int fd, const struct kvm_device_attr *a, bool set)
{
	void *p = (void *)(uintptr_t)a->addr;
	bool wide = a->group == VGIC_GRP_CPU_SYSREGS;
	struct reg *r;

	if (kvm.fail && a->group == kvm.fail_group)
		return -kvm.fail;
	switch (a->group) {
	case VGIC_GRP_ADDR:
		memcpy(&kvm.addr[a->attr], p, 8);
		return 0;
	case VGIC_GRP_NR_IRQS:
		memcpy(&kvm.intids, p, 4);
		return 0;
	case VGIC_GRP_CTRL:
		kvm.gic_inits += fd == GIC_FD && a->attr == VGIC_CTRL_INIT;
		kvm.its_inits += fd == ITS_FD && a->attr == VGIC_CTRL_INIT;
		kvm.its_resets += fd == ITS_FD && a->attr == VGIC_CTRL_ITS_RESET;
		return 0;
	}
	if (absent(a))
		return absent(a);
	r = reg_at(a->group, a->attr);
	if (set && wide)
		memcpy(&r->val, p, 8);
	else if (set)
		r->val = *(u32 *)p;
	else
		memcpy(p, &r->val, wide ? 8 : 4);
	return 0;
}

static int create_device(struct kvm_create_device *dev)
{
	unsigned int want = dev->type == KVM_DEV_TYPE_ARM_VGIC_V2 ? HAS_V2 : dev->type == KVM_DEV_TYPE_ARM_VGIC_V3 ? HAS_V3 : HAS_ITS;

	if (!(kvm.offers & want))
		return -ENODEV;
	if (dev->flags & KVM_CREATE_DEVICE_TEST)
		return 0;
	if (kvm.no_create == dev->type)
		return -ENOMEM;
	dev->fd = want == HAS_ITS ? ITS_FD : GIC_FD;
	return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
	int r = -ENOTTY;
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (request == KVM_CREATE_DEVICE) {
		r = create_device(arg);
	} else if (request == KVM_SET_DEVICE_ATTR || request == KVM_GET_DEVICE_ATTR) {
		r = attr_access(fd, arg, request == KVM_SET_DEVICE_ATTR);
	} else if (request == KVM_IRQ_LINE) {
		kvm.line[kvm.lines++ % ARRAY_SIZE(kvm.line)] = *(struct kvm_irq_level *)arg;
		r = 0;
	}
	if (r >= 0)
		return r;
	errno = -r;
	return -1;
}

int irq_kvm_msi(struct vm *v, const struct msi_msg *msg, u64 addr)
{
	kvm.msis++;
	kvm.msi = (struct kvm_msi){ .address_lo = (u32)addr, .data = msg->data, .devid = msg->devid };
	return 0;
}

void irq_kvm_msi_route(const struct vm *v, const struct msi_msg *msg, u64 addr, struct kvm_irq_routing_entry *e)
{
	e->type = KVM_IRQ_ROUTING_MSI;
	e->u.msi.address_lo = (u32)addr;
	e->u.msi.devid = msg->devid;
}

static void setup(unsigned int offers, unsigned int cpus, const char *irqchip)
{
	unsigned int i;

	if (vm.arch)
		gic_free(&vm);
	fake_vm();
	memset(&kvm, 0, sizeof(kvm));
	memset(&arch, 0, sizeof(arch));
	memset(&err, 0, sizeof(err));
	kvm.offers = offers;
	kvm.no_create = ~0UL;
	arch.gic_fd = arch.its_fd = -1;
	vm.arch = &arch;
	vm.cfg.cpus = cpus;
	vm.cfg.machine.irqchip = irqchip;
	vm.vcpu = vcpus;
	for (i = 0; i < ARRAY_SIZE(vcpus); i++) {
		vcpus[i].arch = &arch_vcpus[i];
		arch_vcpus[i].mpidr = 0x100000200ULL | i;	/* affinity 3 is 1, 1 is 2 */
	}
}

static int start(unsigned int offers, unsigned int cpus, const char *irqchip)
{
	int r;

	setup(offers, cpus, irqchip);
	r = gic_create(&vm, &err);
	return r < 0 ? r : gic_init(&vm, &err);
}

/* --- which one --- */

TEST(best_of_the_host_is_taken)
{
	static const struct { unsigned int offers, cpus; enum gic_kind kind; } t[] = {
		{ HAS_V2 | HAS_V3 | HAS_ITS, 1, GIC_V3_ITS }, { HAS_V2 | HAS_V3, 1, GIC_V3 }, { HAS_V2, 8, GIC_V2M },
		{ HAS_V3 | HAS_ITS, 300, GIC_V3_ITS },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		CHECK_EQ(start(t[i].offers, t[i].cpus, NULL), 0);
		CHECK_EQ(arch.gic, t[i].kind);
	}
}

TEST(what_is_asked_for_is_taken_or_refused_by_name)
{
	static const struct { const char *name, *says; unsigned int offers; int r; enum gic_kind kind; } t[] = {
		{ "gicv2", "", HAS_V2 | HAS_V3 | HAS_ITS, 0, GIC_V2 },
		{ "gicv2m", "", HAS_V2 | HAS_V3, 0, GIC_V2M },
		{ "gicv3", "", HAS_V3 | HAS_ITS, 0, GIC_V3 },
		{ "gicv3-its", "", HAS_V3 | HAS_ITS, 0, GIC_V3_ITS },
		{ "gicv3-its", "--irqchip gicv3-its: KVM on this host has its GIC, but no ITS", HAS_V3, -EOPNOTSUPP, GIC_V3_ITS },
		{ "gicv3", "--irqchip gicv3: KVM on this host has no such GIC", HAS_V2, -EOPNOTSUPP, GIC_V3 },
		{ "gicv2m", "--irqchip gicv2m: KVM on this host has no such GIC", HAS_V3 | HAS_ITS, -EOPNOTSUPP, GIC_V2M },
		{ NULL, "KVM on this host has no interrupt controller for 2 vCPUs", 0, -EOPNOTSUPP, GIC_NONE },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		CHECK_EQ(start(t[i].offers, 2, t[i].name), t[i].r);
		CHECK_EQ(arch.gic, t[i].kind);
		CHECK_STR(err.msg, t[i].says);
	}
	CHECK_EQ(start(HAS_V2, 9, NULL), -EOPNOTSUPP);	/* too many for the only one */
}

TEST(parts_are_told_to_kvm)
{
	CHECK_EQ(start(HAS_V3 | HAS_ITS, 4, NULL), 0);
	CHECK_EQ(kvm.addr[VGIC_ADDR_V3_DIST], 0x3fff0000);
	CHECK_EQ(kvm.addr[VGIC_ADDR_V3_REDIST_REGION], 0x3ff70000 | 4ULL << 52);
	CHECK_EQ(kvm.addr[VGIC_ADDR_ITS], 0x3ff50000);
	CHECK(kvm.intids == 256 && kvm.gic_inits == 1 && kvm.its_inits == 1);
	CHECK_EQ(start(HAS_V3, 4, NULL), 0);
	CHECK(kvm.gic_inits == 1 && !kvm.its_inits);
	CHECK_EQ(start(HAS_V2, 4, NULL), 0);
	CHECK_EQ(kvm.addr[VGIC_ADDR_V2_DIST], 0x3fff0000);
	CHECK_EQ(kvm.addr[VGIC_ADDR_V2_CPU], 0x3ffd0000);
	CHECK(!kvm.addr[VGIC_ADDR_V3_REDIST_REGION] && kvm.intids == 256 && kvm.gic_inits == 1);
}

TEST(a_kvm_that_refuses_is_named)
{
	static const struct { u32 group; const char *says; } t[] = {
		{ VGIC_GRP_ADDR, "GIC distributor at 0x3fff0000: File exists" },
		{ VGIC_GRP_NR_IRQS, "GIC of 256 interrupts: File exists" },
		{ VGIC_GRP_CTRL, "starting the GIC: File exists" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		setup(HAS_V3, 1, NULL);
		kvm.fail_group = t[i].group;
		kvm.fail = EEXIST;
		CHECK(gic_create(&vm, &err) < 0 || gic_init(&vm, &err) < 0);
		CHECK_STR(err.msg, t[i].says);
	}
	setup(HAS_V3 | HAS_ITS, 1, NULL);
	kvm.no_create = KVM_DEV_TYPE_ARM_VGIC_ITS;
	CHECK_EQ(gic_create(&vm, &err), -ENOMEM);
	CHECK_STR(err.msg, "making the ITS: Cannot allocate memory");
	setup(HAS_V3 | HAS_ITS, 1, NULL);
	kvm.no_create = KVM_DEV_TYPE_ARM_VGIC_V3;
	CHECK_EQ(gic_create(&vm, &err), -ENOMEM);
	CHECK_STR(err.msg, "making gicv3-its: Cannot allocate memory");
}

/* --- lines and messages --- */

TEST(a_line_is_an_spi)
{
	CHECK_EQ(start(HAS_V3, 1, NULL), 0);
	CHECK_EQ(arch_irq_set(&vm, 5, true), 0);
	CHECK(kvm.lines == 1 && kvm.line[0].irq == (1 << 24 | 37) && kvm.line[0].level == 1);
	CHECK_EQ(arch_irq_set(&vm, GSI_LINES - 1, false), 0);
	CHECK(kvm.line[1].irq == (1 << 24 | 255) && !kvm.line[1].level);
	CHECK_EQ(arch_irq_set(&vm, GSI_LINES, true), -EINVAL);
	CHECK_EQ(kvm.lines, 2);
}

TEST(an_its_takes_messages_with_their_sender)
{
	const struct msi_msg msg = { .addr = 0x3ff60040, .data = 3, .devid = 8 };
	struct kvm_irq_routing_entry e = { 0 };

	CHECK_EQ(start(HAS_V3 | HAS_ITS, 1, NULL), 0);
	CHECK_EQ(arch_msi_send(&vm, &msg), 0);
	CHECK(kvm.msis == 1 && kvm.msi.address_lo == 0x3ff60040 && kvm.msi.data == 3 && kvm.msi.devid == 8);
	CHECK_EQ(arch_msi_route(&vm, &msg, &e), 0);
	CHECK(e.type == KVM_IRQ_ROUTING_MSI && e.u.msi.devid == 8);
}

TEST(without_its_or_frame_there_are_no_messages)
{
	static const char *const kinds[] = { "gicv3", "gicv2" };
	const struct msi_msg msg = { .addr = V2M_BASE + 0x40, .data = 160 };
	struct kvm_irq_routing_entry e = { 0 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		CHECK_EQ(start(HAS_V2 | HAS_V3, 1, kinds[i]), 0);
		CHECK_EQ(arch_msi_send(&vm, &msg), -EOPNOTSUPP);
		CHECK_EQ(arch_msi_route(&vm, &msg, &e), -EOPNOTSUPP);
		CHECK_EQ(kvm.lines + kvm.msis, 0);
	}
}

TEST(a_message_to_the_frame_is_an_edge)
{
	const struct msi_msg first = { .addr = V2M_BASE + 0x40, .data = 160 }, last = { .addr = V2M_BASE + 0x40, .data = 223 };
	struct kvm_irq_routing_entry e = { 0 };

	CHECK_EQ(start(HAS_V2, 1, "gicv2m"), 0);
	CHECK_EQ(arch_msi_send(&vm, &first), 0);
	CHECK(kvm.lines == 2 && kvm.line[0].irq == (1 << 24 | 160) && kvm.line[0].level && kvm.line[1].irq == (1 << 24 | 160) &&
	      !kvm.line[1].level);
	CHECK_EQ(arch_msi_route(&vm, &last, &e), 0);
	CHECK(e.type == KVM_IRQ_ROUTING_IRQCHIP && e.u.irqchip.pin == 191);
}

TEST(messages_that_are_not_the_frames_go_nowhere)
{
	static const struct msi_msg bad[] = {
		{ .addr = V2M_BASE, .data = 160 }, { .addr = V2M_BASE + 0x44, .data = 160 }, { .addr = 1ULL << 32 | (V2M_BASE + 0x40), .data = 160 },
		{ .addr = V2M_BASE + 0x40, .data = 159 }, { .addr = V2M_BASE + 0x40, .data = 224 }, { .addr = V2M_BASE + 0x40, .data = 0 },
		{ .addr = V2M_BASE + 0x40, .data = 0x3ff }, { .addr = 0, .data = 160 },
	};
	struct kvm_irq_routing_entry e = { 0 };
	unsigned int i;

	CHECK_EQ(start(HAS_V2, 1, "gicv2m"), 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_EQ(arch_msi_send(&vm, &bad[i]), -EINVAL);
		CHECK_EQ(arch_msi_route(&vm, &bad[i], &e), -EINVAL);
	}
	CHECK_EQ(kvm.lines, 0);
}

TEST(the_frame_tells_what_it_has_and_pulses)
{
	u64 off;

	CHECK_EQ(start(HAS_V2, 1, "gicv2m"), 0);
	CHECK_EQ(gic_v2m_create(&vm, &err), 0);
	CHECK_EQ(in_n(V2M_BASE + 0x008, 4), 160 << 16 | 64);
	CHECK_EQ(in_n(V2M_BASE + 0xfcc, 4), 0x04c0043b);
	for (off = 0; off < V2M_SIZE; off += 4) {
		if (off != 0x008 && off != 0xfcc)
			CHECK_EQ(in_n(V2M_BASE + off, 4), 0);
		if (off != 0x040)
			out_n(V2M_BASE + off, 160, 4);
	}
	CHECK_EQ(kvm.lines, 0);
	out_n(V2M_BASE + 0x040, 161, 4);
	CHECK(kvm.lines == 2 && kvm.line[0].irq == (1 << 24 | 161));
	out_n(V2M_BASE + 0x040, 0xffffffff, 4);
	CHECK_EQ(kvm.lines, 2);
	CHECK_EQ(region[0]->ops->sizes, 4);
	devices_free(&vm);
	map_fails_at = 1;
	CHECK_EQ(gic_v2m_create(&vm, &err), -ENOMEM);
	CHECK(list_empty(&vm.devices));
}

TEST(the_frame_has_no_state_to_lose)
{
	struct state_writer w = { { 0 } };
	struct state_reader r;
	struct device *dev;

	CHECK_EQ(start(HAS_V2, 1, "gicv2m"), 0);
	CHECK_EQ(gic_v2m_create(&vm, &err), 0);
	dev = list_entry(vm.devices.next, struct device, node);
	CHECK_EQ(dev->ops->save(dev, &w, NULL), 0);
	state_reader_init(&r, w.buf.s, w.buf.len);
	CHECK_EQ(dev->ops->load(dev, &r), 0);
	strbuf_free(&w.buf);
	devices_free(&vm);
}

/* --- restart in place --- */

/* The guest has been at every register. */
static void scribble(void)
{
	unsigned int i;

	for (i = 0; i < kvm.regs; i++)
		kvm.reg[i].val = ~kvm.reg[i].val & (kvm.reg[i].group == VGIC_GRP_CPU_SYSREGS ? ~0ULL : UINT32_MAX);
}

static bool wrote(u32 group, u64 attr, u64 val)
{
	return reg_at(group, attr)->val == val;
}

static u64 first(u32 group, u64 attr)
{
	return (u32)(attr * 2654435761u) ^ group;
}

TEST(a_gicv3_restarts_as_it_was)
{
	static const struct reg cleared[] = {
		{ VGIC_GRP_DIST_REGS, 0x184, 0xffffffff }, { VGIC_GRP_DIST_REGS, 0x19c, 0xffffffff }, { VGIC_GRP_DIST_REGS, 0x204, 0 },
		{ VGIC_GRP_DIST_REGS, 0x21c, 0 }, { VGIC_GRP_DIST_REGS, 0x384, 0xffffffff },
		{ VGIC_GRP_REDIST_REGS, 0x0100020000010180, 0xffffffff }, { VGIC_GRP_REDIST_REGS, 0x0100020100010200, 0 },
		{ VGIC_GRP_REDIST_REGS, 0x0100020100010380, 0xffffffff },
	};
	static const struct reg kept[] = {
		{ VGIC_GRP_DIST_REGS, 0 }, { VGIC_GRP_DIST_REGS, 0x4fc }, { VGIC_GRP_DIST_REGS, 0x67fc }, { VGIC_GRP_DIST_REGS, 0xc3c },
		{ VGIC_GRP_REDIST_REGS, 0x0100020100000000 }, { VGIC_GRP_REDIST_REGS, 0x010002010000007c },
		{ VGIC_GRP_CPU_SYSREGS, 0x010002000000c230 }, { VGIC_GRP_CPU_SYSREGS, 0x010002010000c667 },
		{ VGIC_GRP_CPU_SYSREGS, 0x010002010000c648 },
	};
	unsigned int i, before;

	CHECK_EQ(start(HAS_V3 | HAS_ITS, 2, NULL), 0);
	CHECK_EQ(gic_reset(&vm, &err), 0);
	CHECK(!kvm.its_resets && kvm.regs > 500);
	before = kvm.regs;
	scribble();
	CHECK_EQ(gic_reset(&vm, &err), 0);
	CHECK_EQ(kvm.its_resets, 1);
	for (i = 0; i < before; i++)	/* what was read at first is what was written back */
		CHECK_EQ(kvm.reg[i].val, first(kvm.reg[i].group, kvm.reg[i].attr));
	for (i = 0; i < ARRAY_SIZE(kept); i++)
		CHECK(reg_at(kept[i].group, kept[i].attr) < &kvm.reg[before]);
	for (i = 0; i < ARRAY_SIZE(cleared); i++)
		CHECK(wrote(cleared[i].group, cleared[i].attr, cleared[i].val));
	scribble();
	CHECK_EQ(gic_reset(&vm, &err), 0);	/* and again */
	CHECK(kvm.its_resets == 2 && wrote(VGIC_GRP_DIST_REGS, 0, first(VGIC_GRP_DIST_REGS, 0)));
}

TEST(a_gicv2_restarts_as_it_was)
{
	static const struct reg cleared[] = {
		{ VGIC_GRP_DIST_REGS, 0x184, 0xffffffff }, { VGIC_GRP_DIST_REGS, 0x29c, 0xffffffff }, { VGIC_GRP_DIST_REGS, 0x384, 0xffffffff },
		{ VGIC_GRP_DIST_REGS, 0x0000000100000180, 0xffffffff }, { VGIC_GRP_DIST_REGS, 0x0000000100000f1c, 0xffffffff },
	};
	unsigned int i, before;

	CHECK_EQ(start(HAS_V2, 2, NULL), 0);
	CHECK_EQ(gic_reset(&vm, &err), 0);
	before = kvm.regs;
	scribble();
	CHECK_EQ(gic_reset(&vm, &err), 0);
	CHECK_EQ(kvm.its_resets, 0);
	for (i = 0; i < before; i++)
		CHECK_EQ(kvm.reg[i].val, first(kvm.reg[i].group, kvm.reg[i].attr));
	CHECK(reg_at(VGIC_GRP_CPU_REGS, 1ULL << 32 | 4) < &kvm.reg[before]);
	CHECK(reg_at(VGIC_GRP_DIST_REGS, 0x8fc) < &kvm.reg[before]);
	for (i = 0; i < ARRAY_SIZE(cleared); i++)
		CHECK(wrote(cleared[i].group, cleared[i].attr, cleared[i].val));
}

TEST(a_register_kvm_refuses_is_named)
{
	CHECK_EQ(start(HAS_V3, 2, NULL), 0);
	kvm.fail_group = VGIC_GRP_REDIST_REGS;
	kvm.fail = EBUSY;
	CHECK_EQ(gic_reset(&vm, &err), -EBUSY);
	CHECK_STR(err.msg, "GIC: group 5, register 0x0 of vCPU 0: Device or resource busy");
	CHECK_EQ(start(HAS_V3, 2, NULL), 0);
	kvm.fail_group = VGIC_GRP_CPU_SYSREGS;
	kvm.fail = EINVAL;	/* of one that is always there */
	CHECK_EQ(gic_reset(&vm, &err), -EINVAL);
	CHECK_STR(err.msg, "GIC: group 6, register 0xc665 of vCPU 0: Invalid argument");
	CHECK_EQ(start(HAS_V3 | HAS_ITS, 2, NULL), 0);
	CHECK_EQ(gic_reset(&vm, &err), 0);
	kvm.fail_group = VGIC_GRP_CTRL;
	kvm.fail = EBUSY;
	CHECK_EQ(gic_reset(&vm, &err), -EBUSY);
	CHECK_STR(err.msg, "resetting the ITS: Device or resource busy");
}

int main(void)
{
	RUN(best_of_the_host_is_taken);
	RUN(what_is_asked_for_is_taken_or_refused_by_name);
	RUN(parts_are_told_to_kvm);
	RUN(a_kvm_that_refuses_is_named);
	RUN(a_line_is_an_spi);
	RUN(an_its_takes_messages_with_their_sender);
	RUN(without_its_or_frame_there_are_no_messages);
	RUN(a_message_to_the_frame_is_an_edge);
	RUN(messages_that_are_not_the_frames_go_nowhere);
	RUN(the_frame_tells_what_it_has_and_pulses);
	RUN(the_frame_has_no_state_to_lose);
	RUN(a_gicv3_restarts_as_it_was);
	RUN(a_gicv2_restarts_as_it_was);
	RUN(a_register_kvm_refuses_is_named);
	gic_free(&vm);
	return tap_done();
}
