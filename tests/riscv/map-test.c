/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The map and what hangs on the choice of the interrupt controller: RAM, the 64 bit window, the parts of the map beside each other,
 * routes, messages.
 * links: riscv/map.c riscv/irqchip.c
 */
#include "tests/tap.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "riscv/riscv.h"
#include "vmm/arch.h"
#include "vmm/irq.h"
#include "vmm/vm.h"

enum { VM_FD = 5000 };

static struct arch_vm arch;
static struct vm vm;
static struct msi_msg sent;
static struct { u32 gsi; bool level; } set;
static bool has_aia;

static int fake_set_line(struct vm *v, u32 gsi, bool level)
{
	set.gsi = gsi;
	set.level = level;
	return -EINVAL;
}

const struct irqchip_ops aia_irqchip = { .name = "aia", .set_line = fake_set_line, .msi = true, .irqfd = true };
const struct irqchip_ops plic_irqchip = { .name = "plic", .set_line = fake_set_line };

int irq_kvm_msi(struct vm *v, const struct msi_msg *msg, u64 addr)
{
	sent = *msg;
	return 7;
}

void irq_kvm_msi_route(const struct vm *v, const struct msi_msg *msg, u64 addr, struct kvm_irq_routing_entry *e)
{
	e->u.msi.data = msg->data;
}

int error_set(struct error *err, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	return code;
}

/* KVM, asked whether it could make an AIA: it must not make one. */
int ioctl(int fd, unsigned long req, ...)
{
	struct kvm_create_device *dev;
	va_list ap;

	va_start(ap, req);
	dev = va_arg(ap, struct kvm_create_device *);
	va_end(ap);
	if (fd != VM_FD)
		return (int)syscall(SYS_ioctl, fd, req, dev);
	if (req == KVM_CREATE_DEVICE && dev->flags == KVM_CREATE_DEVICE_TEST && dev->type == 11 && has_aia)
		return 0;
	errno = ENODEV;
	return -1;
}

static void make(const char *irqchip, bool aia)
{
	memset(&vm, 0, sizeof(vm));
	memset(&arch, 0, sizeof(arch));
	vm.arch = &arch;
	vm.vm_fd = VM_FD;
	vm.cfg.machine.irqchip = irqchip;
	has_aia = aia;
}

TEST(ram_is_one_piece)
{
	const struct vm_config cfg = { .mem_size = 5 * GIB };
	struct ram_layout layout;

	arch_ram_layout(&cfg, &layout);
	CHECK_EQ(layout.nr, 1);
	CHECK_EQ(layout.range[0].gpa, 0x80000000);
	CHECK_EQ(layout.range[0].size, 5 * GIB);
}

TEST(window_is_above_ram_and_below_the_end)
{
	static const struct { u64 ram_end; unsigned int bits; u64 base, size; } t[] = {
		{ RAM_BASE + 256 * MIB, 41, TIB, TIB },
		{ RAM_BASE + 256 * MIB, 56, TIB, (1ULL << 56) - TIB },
		{ RAM_BASE + 256 * MIB, 40, 4 * GIB, TIB - 4 * GIB },
		{ RAM_BASE + 256 * MIB, 34, 4 * GIB, 12 * GIB },
		{ 6 * GIB + MIB, 34, 7 * GIB, 9 * GIB },
		{ 16 * GIB, 34, 0, 0 },
		{ 16 * GIB - MIB, 34, 0, 0 },
		{ TIB + MIB, 41, TIB + GIB, TIB - GIB },
		{ RAM_BASE + 256 * MIB, 32, 0, 0 },
	};
	struct pci_window w;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		w = riscv_mem64_window(t[i].ram_end, t[i].bits);
		CHECK_EQ(w.base, t[i].base);
		CHECK_EQ(w.size, t[i].size);
	}
}

/* What riscv.h draws, in order: no part reaches into the next. */
TEST(parts_of_the_map_are_beside_each_other)
{
	static const struct { u64 base, size; } part[] = {
		{ PORTS_BASE, 0x10000 }, { IRQCHIP_BASE, IRQCHIP_SIZE }, { UART_BASE, 4 * UART_STRIDE }, { RTC_BASE, 2 },
		{ VIRTIO_MMIO_BASE, VIRTIO_MMIO_SLOTS * VIRTIO_MMIO_STRIDE }, { DEBUG_EXIT_BASE, 0x1000 }, { FLASH_BASE, 16 * MIB },
		{ PCI_ECAM_BASE, PCI_ECAM_BUSES * MIB }, { PCI_MEM32_BASE, PCI_MEM32_SIZE }, { RAM_BASE, 0 },
	};
	unsigned int i;

	for (i = 1; i < ARRAY_SIZE(part); i++)
		CHECK(part[i - 1].base + part[i - 1].size <= part[i].base);
	CHECK(GSI_VIRTIO_MMIO + VIRTIO_MMIO_SLOTS <= IRQ_SOURCES);
	CHECK(GSI_PCI + PCI_INTX_LINES <= GSI_VIRTIO_MMIO && GSI_RTC < GSI_PCI && GSI_UART + 4 <= GSI_RTC);
}

TEST(best_controller_is_chosen)
{
	struct error err;

	make(NULL, true);
	CHECK_EQ(riscv_irqchip_choose(&vm, &err), 0);
	CHECK(arch.irqchip == &aia_irqchip);
	make("auto", false);
	CHECK_EQ(riscv_irqchip_choose(&vm, &err), 0);
	CHECK(arch.irqchip == &plic_irqchip);
	make("plic", true);
	CHECK_EQ(riscv_irqchip_choose(&vm, &err), 0);
	CHECK(arch.irqchip == &plic_irqchip);
	make("aia", true);
	CHECK_EQ(riscv_irqchip_choose(&vm, &err), 0);
	CHECK(arch.irqchip == &aia_irqchip);
}

TEST(aia_that_is_not_there_is_refused_by_name)
{
	struct error err;

	make("aia", false);
	CHECK_EQ(riscv_irqchip_choose(&vm, &err), -EOPNOTSUPP);
	CHECK(strstr(err.msg, "--irqchip aia"));
}

TEST(names_are_the_two_and_auto)
{
	CHECK_EQ(riscv_irqchip_kind(NULL), IRQCHIP_NONE);
	CHECK_EQ(riscv_irqchip_kind("auto"), IRQCHIP_NONE);
	CHECK_EQ(riscv_irqchip_kind("aia"), IRQCHIP_AIA);
	CHECK_EQ(riscv_irqchip_kind("plic"), IRQCHIP_PLIC);
	CHECK_EQ(riscv_irqchip_kind("gicv3"), -1);
	CHECK_EQ(riscv_irqchip_kind(""), -1);
}

TEST(aia_has_a_route_for_each_pin)
{
	struct kvm_irq_routing_entry e[256];
	unsigned int i;

	make(NULL, true);
	arch.irqchip = &aia_irqchip;
	arch.sources = 95;
	CHECK_EQ(arch_irq_routes(&vm, e, ARRAY_SIZE(e)), 96);
	for (i = 0; i < 96; i++)
		CHECK(e[i].gsi == i && e[i].type == KVM_IRQ_ROUTING_IRQCHIP && !e[i].u.irqchip.irqchip && e[i].u.irqchip.pin == i);
	CHECK_EQ(arch_irq_routes(&vm, e, 10), 10);
	CHECK_EQ(arch_irq_first_msi_gsi(&vm), 96);
}

TEST(plic_has_neither_routes_nor_messages)
{
	const struct msi_msg msg = { .addr = 0x1000, .data = 5 };
	struct kvm_irq_routing_entry e = { .gsi = 1 };

	make(NULL, false);
	arch.irqchip = &plic_irqchip;
	arch.sources = 95;
	CHECK_EQ(arch_irq_routes(&vm, &e, 1), 0);
	CHECK_EQ(arch_msi_send(&vm, &msg), -EOPNOTSUPP);
	CHECK_EQ(arch_msi_route(&vm, &msg, &e), -EOPNOTSUPP);
}

TEST(aia_messages_go_to_kvm_as_they_are)
{
	const struct msi_msg msg = { .addr = 0xc000000, .data = 9 };
	struct kvm_irq_routing_entry e = { .gsi = 1 };

	make(NULL, true);
	arch.irqchip = &aia_irqchip;
	CHECK_EQ(arch_msi_send(&vm, &msg), 7);
	CHECK(sent.addr == msg.addr && sent.data == msg.data);
	CHECK_EQ(arch_msi_route(&vm, &msg, &e), 0);
	CHECK_EQ(e.u.msi.data, 9);
}

TEST(wires_go_to_the_chosen_one)
{
	make(NULL, true);
	arch.irqchip = &aia_irqchip;
	CHECK_EQ(arch_irq_set(&vm, 12, true), -EINVAL);
	CHECK(set.gsi == 12 && set.level);
}

int main(void)
{
	RUN(ram_is_one_piece);
	RUN(window_is_above_ram_and_below_the_end);
	RUN(parts_of_the_map_are_beside_each_other);
	RUN(best_controller_is_chosen);
	RUN(aia_that_is_not_there_is_refused_by_name);
	RUN(names_are_the_two_and_auto);
	RUN(aia_has_a_route_for_each_pin);
	RUN(plic_has_neither_routes_nor_messages);
	RUN(aia_messages_go_to_kvm_as_they_are);
	RUN(wires_go_to_the_chosen_one);
	return tap_done();
}
