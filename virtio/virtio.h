/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What virtio devices and transports see of each other. Two const tables: the
 * device's and the transport's. What every device must check (queue number,
 * feature subset, config bounds, frozen queue addresses, status order) is
 * checked once, in core.c. [virtio-1.2 2, 3]
 *
 * Threads: transport registers are written on vCPU threads and serialised by
 * vdev->lock (taken by core.c). Queue handlers run on the device's loop
 * thread, one at a time, without that lock, and never take it: of the functions below they call only those marked
 * "any thread" or "loop's thread". core.c takes the kick sources off the loop before it calls stop or queue_stop, and
 * frees a ring only after that; sources of the device's own (a back end's file descriptor) are the device's to remove in stop.
 */
#ifndef VIRTIO_VIRTIO_H
#define VIRTIO_VIRTIO_H

#include <pthread.h>
#include <stdatomic.h>

#include "util/counter.h"
#include "util/error.h"
#include "util/log.h"
#include "virtio/ring.h"
#include "vmm/device.h"
#include "vmm/event.h"
#include "vmm/vm.h"

struct virtio_dev;

enum {
	VIRTIO_ID_NET = 1, VIRTIO_ID_BLOCK = 2, VIRTIO_ID_CONSOLE = 3, VIRTIO_ID_RNG = 4, VIRTIO_ID_BALLOON = 5,
};

/* [virtio-1.2 6] */
enum {
	VIRTIO_F_NOTIFY_ON_EMPTY = 24, VIRTIO_F_ANY_LAYOUT = 27,	/* legacy only */
	VIRTIO_F_INDIRECT_DESC = 28, VIRTIO_F_EVENT_IDX = 29, VIRTIO_F_VERSION_1 = 32, VIRTIO_F_ACCESS_PLATFORM = 33,
	VIRTIO_F_RING_PACKED = 34, VIRTIO_F_IN_ORDER = 35, VIRTIO_F_ORDER_PLATFORM = 36, VIRTIO_F_SR_IOV = 37,
	VIRTIO_F_NOTIFICATION_DATA = 38, VIRTIO_F_NOTIF_CONFIG_DATA = 39, VIRTIO_F_RING_RESET = 40,
};

/* [virtio-1.2 2.1] */
enum {
	VIRTIO_S_ACKNOWLEDGE = 1, VIRTIO_S_DRIVER = 2, VIRTIO_S_DRIVER_OK = 4, VIRTIO_S_FEATURES_OK = 8,
	VIRTIO_S_NEEDS_RESET = 64, VIRTIO_S_FAILED = 128,
};

enum { VIRTIO_NO_VECTOR = 0xffff, VIRTIO_MAX_QUEUES = 64, VIRTIO_MAX_CONFIG = 256 };

struct virtio_queue {
	struct virtq vq;
	struct virtio_dev *vdev;
	u16 index;
	struct event_source kick;	/* on the device's loop while the queue runs */
	_Atomic int kick_fd;		/* owned; -1 until the queue first runs, then the same until free */

	/* as the driver wrote them; frozen while enabled */
	u16 size, max_size;
	u64 desc, driver, device;
	bool enabled;
	bool external;			/* vhost serves it, from the device's start() to its stop() */
	_Atomic u16 vector;		/* MSI-X vector or VIRTIO_NO_VECTOR */

	_Atomic u64 kicks, interrupts;	/* counted where lkvm sees them: not those between the guest and vhost */
};

struct virtio_ops {
	u16 id;
	u32 pci_class;			/* 24 bits */
	u16 legacy_pci_id;		/* transitional PCI device id, 0x1000.. */
	/* As device_ops.prepare: the loop thread, what of the back end a vCPU thread may not open. Main thread, no lock. May be NULL. */
	int (*prepare)(struct virtio_dev *vdev, struct error *err);
	/*
	 * The device's config space as it is now: @len bytes at @off are inside config_size. vdev->lock held.
	 * config_write only for what the device lets be written; others ignore it. May be NULL.
	 */
	void (*config_read)(struct virtio_dev *vdev, unsigned int off, void *buf, unsigned int len);
	void (*config_write)(struct virtio_dev *vdev, unsigned int off, const void *buf, unsigned int len);
	/* May refuse a combination of offered features [virtio-1.2 2.2.1]. lock held. May be NULL. */
	bool (*features_valid)(struct virtio_dev *vdev, u64 features);
	/* Features were accepted (FEATURES_OK, or legacy first DRIVER_OK). lock held. May be NULL. */
	void (*features_ok)(struct virtio_dev *vdev);
	/*
	 * DRIVER_OK, or again after each stop: queues are about to run on @vdev->loop, which it may choose here. lock held. Each running
	 * queue is notified once soon after. It may mark enabled queues external: their kick_fd is then for others to watch. 0, or -errno: NEEDS_RESET. May be NULL.
	 */
	int (*start)(struct virtio_dev *vdev);
	/*
	 * Queue handlers are kept out already. Completes every popped request (or puts it back with virtq_unpop) and returns when none
	 * is in flight and the device touches no guest memory. lock held. A vCPU's thread, or the main thread while vCPUs
	 * are paused: it must not need the main loop to go round. May be NULL.
	 */
	void (*stop)(struct virtio_dev *vdev);
	/*
	 * The same for one queue, which is about to be disabled [2.6.1]; handlers of all queues are out meanwhile, and what else the
	 * device has on its loop must leave this queue alone until queue_notify comes for it. NULL: the device stops and starts for it.
	 */
	void (*queue_stop)(struct virtio_dev *vdev, unsigned int queue);
	/*
	 * The interrupt of an external queue is another now: its vector, or whether MSI-X is on. lock held. Needed by a device that
	 * has such queues.
	 */
	void (*queue_irq_changed)(struct virtio_dev *vdev, unsigned int queue);
	/* Driver kicked queue @queue. Loop's thread. */
	void (*queue_notify)(struct virtio_dev *vdev, unsigned int queue);
	/* Back to power on, after stop. lock held. May be NULL. */
	void (*reset)(struct virtio_dev *vdev);
	/* The device's own state; between stop and start. On load features and rings are there already. May be NULL when it has none. */
	void (*save)(struct virtio_dev *vdev, struct state_writer *w);
	int (*load)(struct virtio_dev *vdev, struct state_reader *r);
	void (*free)(struct virtio_dev *vdev);
	/* Counters of its own, as members of the JSON object open in @b. Main thread; the device may run. May be NULL. */
	void (*stats)(struct virtio_dev *vdev, struct strbuf *b);
};

struct virtio_transport_ops {
	/* Any thread. */
	void (*queue_interrupt)(struct virtio_dev *vdev, unsigned int queue);
	void (*config_interrupt)(struct virtio_dev *vdev);
	/* vdev->lock held: have kicks of this queue arrive at its kick_fd / stop that. -errno: kicks come as exits. */
	int (*queue_started)(struct virtio_dev *vdev, unsigned int queue);
	void (*queue_stopping)(struct virtio_dev *vdev, unsigned int queue);
	/* An eventfd that interrupts for @queue without lkvm, for vhost; or -errno: there is none, and queue_interrupt() is the way. */
	int (*queue_irqfd)(struct virtio_dev *vdev, unsigned int queue);
	/* Device went through reset: ISR, config vector, selectors. lock held. */
	void (*reset)(struct virtio_dev *vdev);
};

struct virtio_dev {
	struct vm *vm;
	const struct virtio_ops *ops;
	const struct virtio_transport_ops *tops;	/* set by the transport */
	void *transport;		/* owned by the transport */
	char name[24];			/* "virtio-blk0" */
	struct event_loop *loop;	/* where queues run; the VM's main loop unless start() chose another */
	pthread_mutex_t lock;		/* guards everything below but the rings in use */
	bool legacy;			/* legacy interface: native (little) endian, no FEATURES_OK */

	u64 offered;			/* features the device and core offer */
	u64 accepted;			/* what the driver took; frozen at FEATURES_OK */
	_Atomic u8 status;
	bool features_beyond;		/* the driver accepted bits above 63 */
	bool live;			/* the driver uses it: DRIVER_OK, or a legacy driver's first kick */
	bool running;			/* live, started and not stopped by the VM */
	u8 config_generation;
	unsigned int config_size;
	bool config_seen;		/* the driver read it: config_shown is what it last saw */
	u8 config_shown[VIRTIO_MAX_CONFIG];
	struct virtio_queue *queue;	/* owned */
	unsigned int nr_queues;
	struct log_rate rate, debug_rate;	/* for what its driver does wrong */
};

/* ---- for devices ---- */

/*
 * Fills @vdev (embedded in the device) and puts it on the transport that vm->cfg names. Core adds the ring features
 * (INDIRECT_DESC, EVENT_IDX, VERSION_1, RING_RESET, RING_PACKED and IN_ORDER as vm->cfg says and @in_order_ok allows).
 * @queue_sizes: maximal size of each queue. The VM owns the device on success, and ops->free() frees it.
 */
struct virtio_init {
	const struct virtio_ops *ops;
	u64 features;			/* device type's own bits */
	unsigned int config_size;
	unsigned int nr_queues;
	const u16 *queue_sizes;
	bool in_order_ok;
	unsigned int index;		/* n-th of its kind, for the name */
	const char *kind;		/* "blk" */
};
int virtio_dev_create(struct vm *vm, struct virtio_dev *vdev, const struct virtio_init *init, struct error *err);

static inline bool virtio_has(const struct virtio_dev *vdev, unsigned int feature)
{
	return vdev->accepted >> feature & 1;
}
/* After pushes: interrupts if the driver wants it. Loop's thread. */
void virtio_queue_interrupt(struct virtio_dev *vdev, unsigned int queue);
/* The device changed its config space: an interrupt; the generation follows what config_read() gives. Any thread. */
void virtio_config_changed(struct virtio_dev *vdev);
/* Any thread: this device is broken until reset [2.1.2]. Ignored while no driver is there. */
void virtio_needs_reset(struct virtio_dev *vdev, const char *why);
struct virtq *virtio_queue(struct virtio_dev *vdev, unsigned int queue);
/* Have queue_notify called (again) soon for this queue. Any thread. */
void virtio_queue_kick(struct virtio_dev *vdev, unsigned int queue);

/* ---- for transports: all take vdev->lock themselves; vCPU threads ---- */

u32 virtio_get_features(struct virtio_dev *vdev, u32 select);	/* offered, 32-bit word @select; 0 beyond */
u32 virtio_get_accepted(struct virtio_dev *vdev, u32 select);
void virtio_set_accepted(struct virtio_dev *vdev, u32 select, u32 val);
u8 virtio_get_status(struct virtio_dev *vdev);
/* The whole status machine: order, FEATURES_OK check, DRIVER_OK start, 0 = reset (returns when done). */
void virtio_set_status(struct virtio_dev *vdev, u8 status);
u8 virtio_get_generation(struct virtio_dev *vdev);
/* Bounds are checked here: bytes outside read as ones, a write that is not wholly inside is dropped. */
void virtio_config_read(struct virtio_dev *vdev, unsigned int off, void *buf, unsigned int len);
void virtio_config_write(struct virtio_dev *vdev, unsigned int off, const void *buf, unsigned int len);
/* NULL when there is no such queue: the one place where queue numbers are checked. Takes no lock. */
struct virtio_queue *virtio_queue_get(struct virtio_dev *vdev, u32 queue);
enum virtio_queue_reg { VIRTIO_Q_SIZE, VIRTIO_Q_ENABLE, VIRTIO_Q_DESC, VIRTIO_Q_DRIVER, VIRTIO_Q_DEVICE, VIRTIO_Q_VECTOR };
/* 0 for a queue that does not exist; NO_VECTOR for its vector. */
u64 virtio_queue_read(struct virtio_dev *vdev, u32 queue, enum virtio_queue_reg reg);
/*
 * All of the following are ignored for a queue that does not exist, and (but the vector) while the queue is enabled. Size:
 * also for 0, beyond the maximum, or not a power of two when the ring is split.
 */
void virtio_queue_set_size(struct virtio_dev *vdev, u32 queue, u16 size);
enum virtio_area { VIRTIO_AREA_DESC, VIRTIO_AREA_DRIVER, VIRTIO_AREA_DEVICE };
/* Replaces the low or high 32 bits of an area's address. Ignored while enabled. */
void virtio_queue_set_addr(struct virtio_dev *vdev, u32 queue, enum virtio_area area, bool high, u32 val);
/*
 * Needs FEATURES_OK. A ring that is misaligned or not wholly in RAM leaves the queue disabled and the device in NEEDS_RESET.
 * After DRIVER_OK the queue runs at once.
 */
void virtio_queue_set_enable(struct virtio_dev *vdev, u32 queue);
/* The queue stands still when it returns, and its registers may be written again. [4.2.2.2] */
void virtio_queue_set_disable(struct virtio_dev *vdev, u32 queue);
/* The queue as at power on; returns when that is done. Needs RING_RESET. [2.6.1.1] */
void virtio_queue_set_reset(struct virtio_dev *vdev, u32 queue);
void virtio_queue_set_vector(struct virtio_dev *vdev, u32 queue, u16 vector);
/* MSI-X went on or off. */
void virtio_irqs_changed(struct virtio_dev *vdev);
/* A kick that came as an exit. Dropped while the queue does not run. */
void virtio_queue_kicked(struct virtio_dev *vdev, u32 queue);
/*
 * Legacy: the ring's one block is at @addr, its used ring at the next multiple of @align, a power of two; 0 disables. Ignored while
 * enabled, but for 0. [4.1.5.1.3.1, 4.2.4, 2.7.2]
 */
void virtio_queue_set_legacy(struct virtio_dev *vdev, u32 queue, gpa_t addr, u32 align);
static inline void virtio_queue_set_legacy_pfn(struct virtio_dev *vdev, u32 queue, u32 pfn, u32 page_size)
{
	virtio_queue_set_legacy(vdev, queue, (gpa_t)pfn * page_size, page_size);
}

/* VM-level stop, start, reset, save, load, for the transport's device_ops. Main thread, vCPUs paused. */
void virtio_dev_stop(struct virtio_dev *vdev);
void virtio_dev_start(struct virtio_dev *vdev);
void virtio_dev_reset(struct virtio_dev *vdev);
void virtio_dev_save(struct virtio_dev *vdev, struct state_writer *w);
int virtio_dev_load(struct virtio_dev *vdev, struct state_reader *r);
/* Status, features and queues, and what the device itself counts, as members of the JSON object open in @b. Main thread. */
void virtio_dev_stats(struct virtio_dev *vdev, struct strbuf *b);
/* After stop, when the transport's registers are gone; ops->free() frees @vdev's memory. The transport then frees itself. */
void virtio_dev_free(struct virtio_dev *vdev);

/* The transports' constructors, for virtio_dev_create(). */
int virtio_pci_create(struct vm *vm, struct virtio_dev *vdev, struct error *err);
int virtio_mmio_create(struct vm *vm, struct virtio_dev *vdev, struct error *err);

#endif
