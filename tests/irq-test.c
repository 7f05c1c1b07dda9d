/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Wires that are shared, routes that KVM takes as one table, irqfds: what reaches KVM. ioctl() is ours here.
 * links: irq.c util/log.c
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdarg.h>

#include "tests/tap.h"
#include "vmm/arch.h"
#include "vmm/irq.h"
#include "vmm/vm.h"

enum { FIRST = 24, CAP_ROUTES = 27 };	/* room for three MSI routes */
enum { NO_ROUTE = 0xbad };	/* the data of a message that the arch refuses as a route */

static struct vm vm;

/* What KVM saw last, and how often. */
static struct {
	unsigned int line, msi, routing, irqfd, ioeventfd;
	struct kvm_irq_level level;
	struct kvm_msi message;
	struct kvm_irqfd fd;
	struct kvm_ioeventfd ioevent;
	unsigned int nr;
	struct kvm_irq_routing_entry entry[8];
	bool has_devid;
	int fail;		/* the next routing table is refused with this */
} kvm;

int ioctl(int fd, unsigned long request, ...)
{
	const struct kvm_irq_routing *table;
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	switch (request) {
	case KVM_IRQ_LINE:
		kvm.line++;
		kvm.level = *(struct kvm_irq_level *)arg;
		return 0;
	case KVM_SIGNAL_MSI:
		kvm.msi++;
		kvm.message = *(struct kvm_msi *)arg;
		return 1;
	case KVM_SET_GSI_ROUTING:
		if (kvm.fail) {
			errno = kvm.fail;
			kvm.fail = 0;
			return -1;
		}
		table = arg;
		kvm.routing++;
		kvm.nr = table->nr;
		memcpy(kvm.entry, table->entries, MIN(table->nr, 8U) * sizeof(kvm.entry[0]));
		return 0;
	case KVM_IRQFD:
		kvm.irqfd++;
		kvm.fd = *(struct kvm_irqfd *)arg;
		return 0;
	case KVM_IOEVENTFD:
		kvm.ioeventfd++;
		kvm.ioevent = *(struct kvm_ioeventfd *)arg;
		return 0;
	}
	errno = ENOTTY;
	return -1;
}

int vm_check_cap(const struct vm *v, unsigned int cap)
{
	return cap == KVM_CAP_IRQ_ROUTING ? CAP_ROUTES : cap == KVM_CAP_MSI_DEVID ? kvm.has_devid : 0;
}

unsigned int arch_irq_routes(struct vm *v, struct kvm_irq_routing_entry *entries, unsigned int room)
{
	entries[0] = (struct kvm_irq_routing_entry){ .gsi = 3, .type = KVM_IRQ_ROUTING_IRQCHIP };
	return 1;
}

u32 arch_irq_first_msi_gsi(const struct vm *v)
{
	return FIRST;
}

int arch_irq_set(struct vm *v, u32 gsi, bool level)
{
	struct kvm_irq_level irq = { .irq = gsi, .level = level };

	return ioctl(0, KVM_IRQ_LINE, &irq);
}

int arch_msi_send(struct vm *v, const struct msi_msg *msg)
{
	return irq_kvm_msi(v, msg, msg->addr | 1ULL << 40);	/* what an arch may change arrives */
}

int arch_msi_route(struct vm *v, const struct msi_msg *msg, struct kvm_irq_routing_entry *e)
{
	if (msg->data == NO_ROUTE)
		return -EINVAL;
	irq_kvm_msi_route(v, msg, msg->addr | 1ULL << 40, e);
	return 0;
}

static void setup(void)
{
	memset(&kvm, 0, sizeof(kvm));
	irq_free(&vm);
	if (irq_init(&vm) < 0)
		abort();
}

TEST(a_shared_wire_is_high_while_any_end_is)
{
	struct irq_line *a = NULL, *b = NULL;

	setup();
	CHECK_EQ(irq_line_get(&vm, 17, &a), 0);
	CHECK_EQ(irq_line_get(&vm, 17, &b), 0);
	irq_line_set(a, true);
	CHECK(kvm.line == 1 && kvm.level.irq == 17 && kvm.level.level == 1);
	irq_line_set(b, true);
	irq_line_set(a, false);
	CHECK_EQ(kvm.line, 1);
	irq_line_set(b, false);
	CHECK(kvm.line == 2 && kvm.level.level == 0);
	irq_line_put(a);
	irq_line_put(b);
	CHECK_EQ(kvm.line, 2);
}

TEST(a_level_that_stays_costs_nothing)
{
	struct irq_line *a = NULL;

	setup();
	CHECK_EQ(irq_line_get(&vm, 4, &a), 0);
	irq_line_set(a, false);
	CHECK_EQ(kvm.line, 0);
	irq_line_set(a, true);
	irq_line_set(a, true);
	CHECK_EQ(kvm.line, 1);
	irq_line_pulse(a);	/* it was high: ends low */
	CHECK(kvm.line == 2 && kvm.level.level == 0);
	irq_line_pulse(a);
	CHECK_EQ(kvm.line, 4);
	irq_line_put(a);
}

TEST(putting_an_end_lowers_it)
{
	struct irq_line *a = NULL;

	setup();
	CHECK_EQ(irq_line_get(&vm, 4, &a), 0);
	irq_line_set(a, true);
	irq_line_put(a);
	CHECK(kvm.line == 2 && kvm.level.level == 0);
	irq_line_put(NULL);
	CHECK_EQ(irq_line_get(&vm, 100000, &a), -EINVAL);
}

TEST(a_message_goes_out_as_the_arch_has_it)
{
	struct msi_msg msg = { .addr = 0xfee01000, .data = 0x41, .devid = 9 };

	setup();
	CHECK_EQ(irq_msi_send(&vm, &msg), 0);
	CHECK(kvm.message.address_lo == 0xfee01000 && kvm.message.address_hi == 0x100 && kvm.message.data == 0x41);
	CHECK_EQ(kvm.message.flags, 0);
	irq_free(&vm);
	kvm.has_devid = true;
	CHECK_EQ(irq_init(&vm), 0);
	CHECK_EQ(irq_msi_send(&vm, &msg), 0);
	CHECK(kvm.message.flags == KVM_MSI_VALID_DEVID && kvm.message.devid == 9);
}

TEST(routes_follow_the_archs_own)
{
	struct msi_msg one = { .addr = 0xfee00000, .data = 1 }, two = { .addr = 0xfee02000, .data = 2 };
	u32 a = 0, b = 0;

	setup();
	CHECK_EQ(irq_route_add(&vm, &one, &a), 0);
	CHECK_EQ(irq_route_add(&vm, &two, &b), 0);
	CHECK(a == FIRST && b == FIRST + 1);
	CHECK_EQ(kvm.nr, 3);
	CHECK(kvm.entry[0].gsi == 3 && kvm.entry[2].gsi == b && kvm.entry[2].type == KVM_IRQ_ROUTING_MSI);
	CHECK(kvm.entry[2].u.msi.data == 2 && kvm.entry[2].u.msi.address_lo == 0xfee02000 &&
	      kvm.entry[2].u.msi.address_hi == 0x100);
	one.data = 7;
	CHECK_EQ(irq_route_update(&vm, a, &one), 0);
	CHECK_EQ(kvm.entry[1].u.msi.data, 7);
	irq_route_del(&vm, a);
	CHECK(kvm.nr == 2 && kvm.entry[1].gsi == b);
	CHECK_EQ(irq_route_add(&vm, &one, &a), 0);
	CHECK_EQ(a, FIRST);
}

TEST(routes_run_out_and_come_back)
{
	struct msi_msg msg = { .addr = 0xfee00000 };
	u32 gsi = 0;
	int i;

	setup();
	for (i = 0; i < CAP_ROUTES - FIRST; i++)
		CHECK_EQ(irq_route_add(&vm, &msg, &gsi), 0);
	CHECK_EQ(irq_route_add(&vm, &msg, &gsi), -ENOSPC);
	for (i = 0; i < 10000; i++) {	/* a guest may go on for ever */
		irq_route_del(&vm, FIRST + 1);
		CHECK_EQ(irq_route_add(&vm, &msg, &gsi), 0);
		CHECK_EQ(gsi, FIRST + 1);
	}
}

TEST(a_table_kvm_refuses_changes_nothing)
{
	struct msi_msg msg = { .addr = 0xfee00000, .data = 1 };
	u32 gsi = 77;

	setup();
	kvm.fail = EINVAL;
	CHECK_EQ(irq_route_add(&vm, &msg, &gsi), -EINVAL);
	CHECK_EQ(gsi, 77);
	CHECK_EQ(irq_route_add(&vm, &msg, &gsi), 0);
	CHECK_EQ(gsi, FIRST);
	msg.data = 2;
	kvm.fail = EINVAL;
	CHECK_EQ(irq_route_update(&vm, gsi, &msg), -EINVAL);
	CHECK_EQ(irq_route_add(&vm, &msg, &gsi), 0);
	CHECK_EQ(kvm.entry[1].u.msi.data, 1);
}

TEST(a_message_the_arch_cannot_route_changes_nothing)
{
	struct msi_msg msg = { .addr = 0xfee00000, .data = NO_ROUTE };
	u32 gsi = 77;

	setup();
	CHECK_EQ(irq_route_add(&vm, &msg, &gsi), -EINVAL);
	CHECK(gsi == 77 && !kvm.routing);
	msg.data = 1;
	CHECK_EQ(irq_route_add(&vm, &msg, &gsi), 0);
	msg.data = NO_ROUTE;
	CHECK_EQ(irq_route_update(&vm, gsi, &msg), -EINVAL);
	CHECK(kvm.routing == 1 && kvm.nr == 2 && kvm.entry[1].u.msi.data == 1);
}

TEST(ports_in_memory_are_watched_there)
{
	setup();
	vm.port_window.base = 0x3f000000;
	vm.port_window.mapped = true;
	CHECK_EQ(ioeventfd_add(&vm, IO_PORT, 0x6210, 2, false, 0, 8), 0);
	CHECK(!kvm.ioevent.flags && kvm.ioevent.addr == 0x3f006210);
	vm.port_window.mapped = false;
}

TEST(eventfds_carry_their_flags)
{
	setup();
	CHECK_EQ(irq_irqfd_add(&vm, 30, 5, -1), 0);
	CHECK(kvm.fd.gsi == 30 && kvm.fd.fd == 5 && !kvm.fd.flags);
	CHECK_EQ(irq_irqfd_add(&vm, 30, 5, 6), 0);
	CHECK(kvm.fd.flags == KVM_IRQFD_FLAG_RESAMPLE && kvm.fd.resamplefd == 6);
	irq_irqfd_del(&vm, 30, 5);
	CHECK_EQ(kvm.fd.flags, KVM_IRQFD_FLAG_DEASSIGN);
	CHECK_EQ(ioeventfd_add(&vm, IO_PORT, 0x6210, 2, true, 3, 8), 0);
	CHECK(kvm.ioevent.flags == (KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DATAMATCH) && kvm.ioevent.datamatch == 3 &&
	      kvm.ioevent.len == 2 && kvm.ioevent.addr == 0x6210);
	CHECK_EQ(ioeventfd_add(&vm, IO_MMIO, 0xd0000000, 0, false, 0, 8), 0);
	CHECK_EQ(kvm.ioevent.flags, 0);
	ioeventfd_del(&vm, IO_MMIO, 0xd0000000, 0, false, 0, 8);
	CHECK_EQ(kvm.ioevent.flags, KVM_IOEVENTFD_FLAG_DEASSIGN);
}

int main(void)
{
	RUN(a_shared_wire_is_high_while_any_end_is);
	RUN(a_level_that_stays_costs_nothing);
	RUN(putting_an_end_lowers_it);
	RUN(a_message_goes_out_as_the_arch_has_it);
	RUN(routes_follow_the_archs_own);
	RUN(routes_run_out_and_come_back);
	RUN(a_table_kvm_refuses_changes_nothing);
	RUN(a_message_the_arch_cannot_route_changes_nothing);
	RUN(eventfds_carry_their_flags);
	RUN(ports_in_memory_are_watched_there);
	irq_free(&vm);
	return tap_done();
}
