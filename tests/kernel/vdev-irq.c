// SPDX-License-Identifier: GPL-2.0-only
/*
 * lkvm_vdev's interrupts: each kind, ten thousand of them, and every way of VFIO_DEVICE_SET_IRQS to ask for them.
 * usage: vdev-irq lkvm_vdev.N. A TAP producer; tests/lab/kernel-vdev.t runs it.
 *
 * links: vdev-user.c
 */
#include "vdev-user.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { MANY = 10000, INTX = VFIO_PCI_INTX_IRQ_INDEX, MSI = VFIO_PCI_MSI_IRQ_INDEX, MSIX = VFIO_PCI_MSIX_IRQ_INDEX };
enum { TRIGGER = VFIO_IRQ_SET_ACTION_TRIGGER, MASK = VFIO_IRQ_SET_ACTION_MASK, UNMASK = VFIO_IRQ_SET_ACTION_UNMASK };

static int event[LKVM_VDEV_MSIX_VECTORS];

/* Index @index with @count vectors; the eventfds are event[]. */
static int setup(unsigned int index, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		event[i] = new_event();
	return set_irqs(index, TRIGGER, 0, count, event, NULL);
}

static int teardown(unsigned int index, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		close(event[i]);
	return disable_irqs(index);
}

static struct vfio_irq_info irq_info(unsigned int index)
{
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = index };

	if (ioctl(dev.fd, VFIO_DEVICE_GET_IRQ_INFO, &info))
		info.flags = ~0u;
	return info;
}

TEST(irq_infos)
{
	struct vfio_irq_info beyond = { .argsz = sizeof(beyond), .index = VFIO_PCI_NUM_IRQS };

	CHECK_EQ(irq_info(INTX).count, 1);
	CHECK_EQ(irq_info(INTX).flags, VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED);
	CHECK_EQ(irq_info(MSI).count, LKVM_VDEV_MSI_VECTORS);
	CHECK_EQ(irq_info(MSI).flags, VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE);
	CHECK_EQ(irq_info(MSIX).count, LKVM_VDEV_MSIX_VECTORS);
	CHECK_EQ(irq_info(MSIX).flags & VFIO_IRQ_INFO_EVENTFD, VFIO_IRQ_INFO_EVENTFD);
	CHECK_EQ(irq_info(VFIO_PCI_ERR_IRQ_INDEX).count, 1);
	CHECK_EQ(irq_info(VFIO_PCI_REQ_IRQ_INDEX).count, 1);
	CHECK_EQ(ioctl(dev.fd, VFIO_DEVICE_GET_IRQ_INFO, &beyond), -1);
}

/* Fires MANY, each vector in its turn. All arrive, at the right one. */
static void fire_many(unsigned int index, unsigned int vectors)
{
	long long before = counter("irqs");
	uint32_t sent = reg_read(LKVM_VDEV_IRQ_SENT);
	unsigned int i;

	CHECK_EQ(setup(index, vectors), 0);
	CHECK_EQ(reg_read(LKVM_VDEV_IRQ_STATUS) >> 8, index);
	for (i = 0; i < MANY; i++)
		reg_write(LKVM_VDEV_IRQ_FIRE, i % vectors);
	for (i = 0; i < vectors; i++)
		CHECK_EQ(event_take(event[i]), MANY / vectors);
	CHECK_EQ(counter("irqs") - before, MANY);
	CHECK_EQ(reg_read(LKVM_VDEV_IRQ_SENT) - sent, MANY);
	CHECK_EQ(teardown(index, vectors), 0);
}

TEST(ten_thousand_msix) { fire_many(MSIX, LKVM_VDEV_MSIX_VECTORS); }
TEST(ten_thousand_msi) { fire_many(MSI, LKVM_VDEV_MSI_VECTORS); }

/* One by one, each acknowledged, which sends the next. */
static void train(unsigned int index)
{
	unsigned int i;

	CHECK_EQ(setup(index, 2), 0);
	reg_write(LKVM_VDEV_IRQ_TRAIN, MANY << 8 | 1);
	for (i = 0; i < MANY; i++) {
		if (event_take(event[1]) != 1)
			break;
		reg_write(LKVM_VDEV_IRQ_ACK, 1);
	}
	CHECK_EQ(i, MANY);
	CHECK_EQ(event_take(event[1]), 0);
	CHECK_EQ(event_take(event[0]), 0);
	CHECK_EQ(reg_read(LKVM_VDEV_IRQ_ACK), 0);
	CHECK_EQ(teardown(index, 2), 0);
}

TEST(train_of_msix) { train(MSIX); }
TEST(train_of_msi) { train(MSI); }

TEST(ten_thousand_intx)
{
	unsigned int i;

	CHECK_EQ(setup(INTX, 1), 0);
	reg_write(LKVM_VDEV_IRQ_TRAIN, MANY << 8);
	for (i = 0; i < MANY; i++) {
		if (event_take(event[0]) != 1)
			break;
		reg_write(LKVM_VDEV_IRQ_ACK, 1);	/* the next one rises, and waits: it is masked */
		if (event_take(event[0]) || set_irqs(INTX, UNMASK, 0, 1, NULL, NULL))
			break;
	}
	CHECK_EQ(i, MANY);
	CHECK_EQ(event_take(event[0]), 0);
	CHECK_EQ(teardown(INTX, 1), 0);
}

/* Unmasked by an eventfd, as KVM's resampling does */
TEST(ten_thousand_intx_by_eventfd)
{
	uint64_t one = 1;
	unsigned int i;
	int unmask = new_event();

	CHECK_EQ(setup(INTX, 1), 0);
	CHECK_EQ(set_irqs(INTX, UNMASK, 0, 1, &unmask, NULL), 0);
	reg_write(LKVM_VDEV_IRQ_TRAIN, MANY << 8);
	for (i = 0; i < MANY; i++) {
		if (event_wait(event[0]) != 1)
			break;
		reg_write(LKVM_VDEV_IRQ_ACK, 1);
		if (write(unmask, &one, sizeof(one)) != sizeof(one))
			break;
	}
	CHECK_EQ(i, MANY);
	CHECK_EQ(set_irqs(INTX, UNMASK, 0, 1, (int[]){ -1 }, NULL), 0);
	CHECK_EQ(event_take(event[0]), 0);
	close(unmask);
	CHECK_EQ(teardown(INTX, 1), 0);
}

TEST(intx_level_stays)
{
	CHECK_EQ(setup(INTX, 1), 0);
	reg_write(LKVM_VDEV_IRQ_FIRE, 0);
	CHECK_EQ(event_take(event[0]), 1);
	CHECK_EQ(config_read(PCI_STATUS, 2) & PCI_STATUS_INTERRUPT, PCI_STATUS_INTERRUPT);
	CHECK_EQ(reg_read(LKVM_VDEV_IRQ_STATUS), 1);
	CHECK_EQ(set_irqs(INTX, UNMASK, 0, 1, NULL, NULL), 0);	/* not acknowledged: it comes again */
	CHECK_EQ(event_take(event[0]), 1);
	reg_write(LKVM_VDEV_IRQ_ACK, 1);
	CHECK_EQ(set_irqs(INTX, UNMASK, 0, 1, NULL, (uint8_t[]){ 1 }), 0);
	CHECK_EQ(event_take(event[0]), 0);
	CHECK_EQ(config_read(PCI_STATUS, 2) & PCI_STATUS_INTERRUPT, 0);
	CHECK_EQ(teardown(INTX, 1), 0);
}

TEST(intx_masks)
{
	CHECK_EQ(set_irqs(INTX, MASK, 0, 1, NULL, NULL), -EINVAL);	/* not on */
	CHECK_EQ(setup(INTX, 1), 0);
	CHECK_EQ(set_irqs(INTX, MASK, 0, 1, NULL, (uint8_t[]){ 1 }), 0);
	reg_write(LKVM_VDEV_IRQ_FIRE, 0);
	CHECK_EQ(event_take(event[0]), 0);
	CHECK_EQ(set_irqs(INTX, UNMASK, 0, 1, NULL, (uint8_t[]){ 0 }), 0);	/* not meant */
	CHECK_EQ(event_take(event[0]), 0);
	CHECK_EQ(set_irqs(INTX, UNMASK, 0, 1, NULL, NULL), 0);
	CHECK_EQ(event_take(event[0]), 1);
	CHECK_EQ(set_irqs(INTX, MASK, 0, 1, event, NULL), -ENOTTY);
	reg_write(LKVM_VDEV_IRQ_ACK, 1);
	/* by COMMAND */
	enable(PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE);
	CHECK_EQ(set_irqs(INTX, UNMASK, 0, 1, NULL, NULL), 0);
	reg_write(LKVM_VDEV_IRQ_FIRE, 0);
	CHECK_EQ(event_take(event[0]), 0);
	CHECK_EQ(set_irqs(INTX, TRIGGER, 0, 1, NULL, NULL), 0);	/* not by the loopback either */
	CHECK_EQ(event_take(event[0]), 0);
	enable(PCI_COMMAND_MEMORY);
	CHECK_EQ(event_take(event[0]), 1);
	enable(PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE);
	enable(PCI_COMMAND_MEMORY);	/* which unmasks */
	CHECK_EQ(event_take(event[0]), 1);
	reg_write(LKVM_VDEV_IRQ_ACK, 1);
	CHECK_EQ(teardown(INTX, 1), 0);
}

/* The level that rose while nothing was set up is there when INTx is. */
TEST(intx_waits_for_user)
{
	reg_write(LKVM_VDEV_IRQ_FIRE, 0);
	CHECK_EQ(setup(INTX, 1), 0);
	CHECK_EQ(event_take(event[0]), 1);
	reg_write(LKVM_VDEV_IRQ_ACK, 1);
	CHECK_EQ(teardown(INTX, 1), 0);
}

static uint32_t table(unsigned int vector, unsigned int word, const uint32_t *set)
{
	uint32_t val = set ? *set : 0, off = LKVM_VDEV_MSIX_TABLE + 16 * vector + 4 * word;

	if (set)
		region_write(4, off, &val, 4);
	else
		region_read(4, off, &val, 4);
	return val;
}

static uint32_t pending(void)
{
	uint64_t val = 0;

	region_read(4, LKVM_VDEV_MSIX_PBA, &val, 8);
	return val;
}

TEST(msix_table)
{
	const uint32_t address = 0xfee00000, masked = 1, open = 0;

	CHECK_EQ(table(3, 3, NULL), 1);
	CHECK_EQ(setup(MSIX, 4), 0);
	CHECK_EQ(config_read(find_cap(PCI_CAP_ID_MSIX) + PCI_MSIX_FLAGS, 2), PCI_MSIX_FLAGS_ENABLE | (LKVM_VDEV_MSIX_VECTORS - 1));
	CHECK_EQ(table(3, 3, NULL), 0);		/* as the host's kernel would */
	CHECK_EQ(table(4, 3, NULL), 1);
	table(3, 0, &address);
	CHECK_EQ(table(3, 0, NULL), address);
	table(3, 3, &masked);
	reg_write(LKVM_VDEV_IRQ_FIRE, 3);
	CHECK_EQ(event_take(event[3]), 0);
	CHECK_EQ(pending(), 1 << 3);
	table(3, 3, &open);
	CHECK_EQ(event_take(event[3]), 1);
	CHECK_EQ(pending(), 0);
	/* a vector without eventfd, all of them by the function's mask, and one that is none */
	reg_write(LKVM_VDEV_IRQ_FIRE, 5);
	CHECK_EQ(pending(), 1 << 5);
	config_write(find_cap(PCI_CAP_ID_MSIX) + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_MASKALL);
	reg_write(LKVM_VDEV_IRQ_FIRE, 2);
	CHECK_EQ(event_take(event[2]), 0);
	config_write(find_cap(PCI_CAP_ID_MSIX) + PCI_MSIX_FLAGS, 2, 0);
	CHECK_EQ(event_take(event[2]), 1);
	reg_write(LKVM_VDEV_IRQ_FIRE, LKVM_VDEV_MSIX_VECTORS);
	CHECK_EQ(pending(), 1 << 5);
	CHECK_EQ(teardown(MSIX, 4), 0);
	CHECK_EQ(pending(), 0);
}

TEST(msi_capability)
{
	unsigned int cap = find_cap(PCI_CAP_ID_MSI);

	CHECK(cap);
	CHECK_EQ(setup(MSI, 2), 0);
	CHECK_EQ(config_read(cap + PCI_MSI_FLAGS, 2) & (PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE), PCI_MSI_FLAGS_ENABLE | 1 << 4);
	reg_write(LKVM_VDEV_IRQ_FIRE, 3);	/* two for four: shared */
	CHECK_EQ(event_take(event[1]), 1);
	config_write(cap + PCI_MSI_MASK_64, 4, 1);
	reg_write(LKVM_VDEV_IRQ_FIRE, 0);
	CHECK_EQ(event_take(event[0]), 0);
	CHECK_EQ(config_read(cap + PCI_MSI_PENDING_64, 4), 1);
	config_write(cap + PCI_MSI_MASK_64, 4, 0);
	CHECK_EQ(event_take(event[0]), 1);
	CHECK_EQ(config_read(cap + PCI_MSI_PENDING_64, 4), 0);
	CHECK_EQ(teardown(MSI, 2), 0);
	CHECK_EQ(config_read(cap + PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_ENABLE, 0);
}

TEST(set_irqs_by_bool_and_none)
{
	unsigned int i;

	CHECK_EQ(setup(MSIX, 4), 0);
	CHECK_EQ(set_irqs(MSIX, TRIGGER, 0, 4, NULL, (uint8_t[]){ 0, 1, 0, 1 }), 0);
	for (i = 0; i < 4; i++)
		CHECK_EQ(event_take(event[i]), i & 1);
	CHECK_EQ(set_irqs(MSIX, TRIGGER, 1, 2, NULL, NULL), 0);
	for (i = 0; i < 4; i++)
		CHECK_EQ(event_take(event[i]), i == 1 || i == 2);
	/* one taken away, another put in its place; what fired meanwhile is not lost */
	CHECK_EQ(set_irqs(MSIX, TRIGGER, 2, 1, (int[]){ -1 }, NULL), 0);
	reg_write(LKVM_VDEV_IRQ_FIRE, 2);
	CHECK_EQ(event_take(event[2]), 0);
	CHECK_EQ(set_irqs(MSIX, TRIGGER, 2, 1, &event[2], NULL), 0);
	CHECK_EQ(event_take(event[2]), 1);
	CHECK_EQ(teardown(MSIX, 4), 0);
}

TEST(set_irqs_refusals)
{
	bool fixed = irq_info(MSIX).flags & VFIO_IRQ_INFO_NORESIZE;

	CHECK_EQ(setup(MSIX, 2), 0);
	CHECK_EQ(set_irqs(MSI, TRIGGER, 0, 1, event, NULL), -EINVAL);	/* one kind at a time */
	CHECK_EQ(set_irqs(INTX, TRIGGER, 0, 1, event, NULL), -EINVAL);
	CHECK_EQ(set_irqs(MSIX, TRIGGER, 3, 1, event, NULL), fixed ? -EINVAL : 0);
	CHECK_EQ(set_irqs(MSIX, TRIGGER, LKVM_VDEV_MSIX_VECTORS, 1, event, NULL), -EINVAL);
	CHECK_EQ(set_irqs(MSIX, TRIGGER, 1, 1, (int[]){ 0x7fff }, NULL), -EBADF);
	CHECK_EQ(set_irqs(MSIX, TRIGGER, 1, 1, (int[]){ dev.container }, NULL), -EINVAL);
	CHECK_EQ(set_irqs(MSIX, MASK, 0, 1, NULL, NULL), -ENOTTY);
	CHECK_EQ(set_irqs(MSIX, UNMASK, 0, 1, NULL, NULL), -ENOTTY);
	CHECK_EQ(set_irqs(MSIX, TRIGGER, 15, 1, NULL, NULL), -EINVAL);	/* not set up */
	reg_write(LKVM_VDEV_IRQ_FIRE, 0);
	CHECK_EQ(event_take(event[0]), 1);	/* all this changed nothing */
	CHECK_EQ(teardown(MSIX, 2), 0);
	/* the first set-up fails as a whole */
	CHECK_EQ(set_irqs(MSIX, TRIGGER, 0, 2, (int[]){ -1, 0x7fff }, NULL), -EBADF);
	CHECK_EQ(setup(MSI, 1), 0);
	CHECK_EQ(teardown(MSI, 1), 0);
	CHECK_EQ(disable_irqs(MSI), -EINVAL);
	CHECK_EQ(set_irqs(VFIO_PCI_NUM_IRQS, TRIGGER, 0, 0, NULL, NULL), -EINVAL);
}

/* Flags that vfio-pci refuses, or makes nothing of */
TEST(set_irqs_odd_flags)
{
	enum { NONE = VFIO_IRQ_SET_DATA_NONE, BOOL = VFIO_IRQ_SET_DATA_BOOL, EVENTFD = VFIO_IRQ_SET_DATA_EVENTFD };
	static const struct {
		unsigned int flags, index, start, count;
		int want;
	} odd[] = {
		{ NONE | TRIGGER | MASK, INTX, 0, 1, -ENOTTY },		/* one action, not two or none */
		{ NONE | MASK | UNMASK, INTX, 0, 1, -ENOTTY },
		{ NONE | TRIGGER | UNMASK, MSIX, 0, 1, -ENOTTY },
		{ NONE, INTX, 0, 1, -ENOTTY },
		{ NONE | TRIGGER | MASK, VFIO_PCI_ERR_IRQ_INDEX, 0, 1, -ENOTTY },
		{ TRIGGER, INTX, 0, 1, -EINVAL },			/* one kind of data */
		{ NONE | BOOL | TRIGGER, INTX, 0, 1, -EINVAL },
		{ BOOL | EVENTFD | TRIGGER, INTX, 0, 1, -EINVAL },
		{ 1 << 6 | NONE | TRIGGER, INTX, 0, 1, -EINVAL },	/* nobody's */
		{ BOOL | TRIGGER, INTX, 0, 0, -EINVAL },		/* only NONE switches off */
		{ EVENTFD | TRIGGER, INTX, 0, 0, -EINVAL },
		{ NONE | MASK, INTX, 0, 0, -EINVAL },
		{ NONE | UNMASK, INTX, 0, 0, -EINVAL },
		{ NONE | TRIGGER, INTX, 1, 0, -EINVAL },		/* there is no second one */
		{ NONE | MASK, INTX, 0, 2, -EINVAL },
		{ NONE | TRIGGER, INTX, 1, ~0u, -EINVAL },
		{ BOOL | TRIGGER, VFIO_PCI_REQ_IRQ_INDEX, 0, 0, -EINVAL },
		{ EVENTFD | TRIGGER, VFIO_PCI_REQ_IRQ_INDEX, 0, 0, -EINVAL },
		{ NONE | TRIGGER, VFIO_PCI_REQ_IRQ_INDEX, 0, 0, -EINVAL },	/* it has none */
		{ NONE | TRIGGER, VFIO_PCI_REQ_IRQ_INDEX, 0, 1, -EINVAL },
	};
	struct {
		struct vfio_irq_set set;
		uint32_t data[2];
	} s;
	unsigned int i, wrong = 0;
	int r;

	CHECK_EQ(setup(INTX, 1), 0);
	for (i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		s.set = (struct vfio_irq_set){ sizeof(s), odd[i].flags, odd[i].index, odd[i].start, odd[i].count };
		s.data[0] = s.data[1] = ~0u;
		r = ioctl(dev.fd, VFIO_DEVICE_SET_IRQS, &s) ? -errno : 0;
		if (r != odd[i].want)
			printf("# flags %#x index %u start %u count %u: %d\n", odd[i].flags, odd[i].index, odd[i].start, odd[i].count, r);
		wrong += r != odd[i].want;
	}
	CHECK_EQ(wrong, 0);
	reg_write(LKVM_VDEV_IRQ_FIRE, 0);
	CHECK_EQ(event_take(event[0]), 1);	/* all this changed nothing */
	reg_write(LKVM_VDEV_IRQ_ACK, 1);
	CHECK_EQ(teardown(INTX, 1), 0);
}

/* A second eventfd to unmask by is refused while there is one. */
TEST(unmask_eventfd_is_one)
{
	int unmask[2] = { new_event(), new_event() };

	CHECK_EQ(setup(INTX, 1), 0);
	CHECK_EQ(set_irqs(INTX, UNMASK, 0, 1, &unmask[0], NULL), 0);
	CHECK_EQ(set_irqs(INTX, UNMASK, 0, 1, &unmask[1], NULL), -EBUSY);
	CHECK_EQ(set_irqs(INTX, UNMASK, 0, 1, (int[]){ -1 }, NULL), 0);
	CHECK_EQ(set_irqs(INTX, UNMASK, 0, 1, &unmask[1], NULL), 0);
	CHECK_EQ(teardown(INTX, 1), 0);		/* takes it away, too */
	CHECK_EQ(setup(INTX, 1), 0);
	CHECK_EQ(set_irqs(INTX, UNMASK, 0, 1, &unmask[0], NULL), 0);
	CHECK_EQ(teardown(INTX, 1), 0);
	close(unmask[0]);
	close(unmask[1]);
}

TEST(error_and_request_notices)
{
	int err = new_event(), req = new_event();

	CHECK_EQ(set_irqs(VFIO_PCI_ERR_IRQ_INDEX, TRIGGER, 0, 1, &err, NULL), 0);
	CHECK_EQ(set_irqs(VFIO_PCI_REQ_IRQ_INDEX, TRIGGER, 0, 1, &req, NULL), 0);
	write_attribute("inject_error", "1");
	CHECK_EQ(event_take(err), 1);
	CHECK_EQ(event_take(req), 0);
	CHECK_EQ(set_irqs(VFIO_PCI_REQ_IRQ_INDEX, TRIGGER, 0, 1, NULL, NULL), 0);
	CHECK_EQ(event_take(req), 1);
	CHECK_EQ(set_irqs(VFIO_PCI_ERR_IRQ_INDEX, MASK, 0, 1, NULL, NULL), -ENOTTY);
	CHECK_EQ(disable_irqs(VFIO_PCI_ERR_IRQ_INDEX), 0);
	write_attribute("inject_error", "1");
	CHECK_EQ(event_take(err), 0);
	close(err);
	close(req);
	CHECK_EQ(disable_irqs(VFIO_PCI_REQ_IRQ_INDEX), 0);
}

int main(int argc, char **argv)
{
	user_start(argc, argv);
	RUN(irq_infos);
	RUN(ten_thousand_msix);
	RUN(ten_thousand_msi);
	RUN(train_of_msix);
	RUN(train_of_msi);
	RUN(ten_thousand_intx);
	RUN(ten_thousand_intx_by_eventfd);
	RUN(intx_level_stays);
	RUN(intx_masks);
	RUN(intx_waits_for_user);
	RUN(msix_table);
	RUN(msi_capability);
	RUN(set_irqs_by_bool_and_none);
	RUN(set_irqs_refusals);
	RUN(set_irqs_odd_flags);
	RUN(unmask_eventfd_is_one);
	RUN(error_and_request_notices);
	return tap_done();
}
