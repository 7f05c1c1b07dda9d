/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lkvm_vdev: a PCI device in software, given to user space through VFIO. What its files share:
 *
 *	main.c		module, parameters, platform devices
 *	device.c	one device: VFIO's operations, stop, start, reset
 *	sysfs.c		its counters
 *	region.c	BARs and other regions: what they are, accesses, mmap
 *	config.c	config space
 *	irq.c		INTx, MSI, MSI-X, by eventfds
 *	irq-set.c	which of them user space wants, and where
 *	dma.c		reading and writing the user's memory; which pages are pinned
 *	plain.c plain-dma.c serial.c dsa.c dsa-portal.c	personalities: BARs and what they do
 *	migration.c migration-file.c	v2's states and data file; migration-v1.c the region;
 *					state.c the stream of both
 *	dirty.c		the device's log of what it wrote
 *
 * Locks, outer first: state_lock (resets, migration's transitions), lock (registers), pin_lock,
 * irq_lock (a spinlock). User memory may be touched under the mutexes, so mmap takes none of them.
 */
#ifndef LKVM_VDEV_INTERNAL_H
#define LKVM_VDEV_INTERNAL_H

#include <linux/atomic.h>
#include <linux/eventfd.h>
#include <linux/mutex.h>
#include <linux/pci_regs.h>
#include <linux/spinlock.h>
#include <linux/vfio.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "../compat.h"

enum {
	VDEV_BARS = 6,
	VDEV_CONFIG_SIZE = 4096,
	VDEV_MAX_VECTORS = 32,
	VDEV_STATE_MAX = 256 * 1024,
};

/* Parameter mig= */
enum {
	VDEV_MIG_STOP_COPY = 1,
	VDEV_MIG_PRE_COPY = 2,
	VDEV_MIG_P2P = 4,
	VDEV_MIG_V1 = 8,
	VDEV_MIG_LOG = 16,
};

/* Parameter irq= */
enum {
	VDEV_IRQ_INTX = 1,
	VDEV_IRQ_MSI = 2,
	VDEV_IRQ_MSIX = 4,
	VDEV_IRQ_DYNAMIC = 8,	/* MSI-X vectors may be added while it is on: not NORESIZE */
};

/* Parameter faults=, of migration; may change at any time */
enum {
	VDEV_FAULT_STREAM = 1,		/* what is saved has a wrong byte in it */
	VDEV_FAULT_SLOW = 2,		/* the stream comes and is taken slowly, in small pieces */
	VDEV_FAULT_TRANSITION = 4,	/* the next change of state fails, and clears this bit */
	VDEV_FAULT_ERROR = 8,		/* as that, but the device is in ERROR then */
	VDEV_FAULT_TRUNCATE = 16,	/* what is saved ends too early */
};
extern unsigned int vdev_faults;

struct vdev;

struct vdev_bar {
	u64 size;		/* 0: none; a power of two */
	u32 flags;		/* PCI_BASE_ADDRESS_* type bits */
	void *mem;		/* NULL, or memory at [mem_off, mem_off + mem_size): region.c's */
	u64 mem_off, mem_size;
	u64 map_off, map_size;	/* of that memory, page aligned: what user space may map */
};

struct vdev_personality {
	const char *name;
	/* Ids, class, BARs (vdev_bar_add, _memory), capabilities (vdev_config_*), priv. */
	int (*init)(struct vdev *v);
	void (*exit)(struct vdev *v);	/* also after a failed init */
	/*
	 * v->lock held. An access inside BAR @bar, naturally aligned, @size 1, 2, 4, 8 (I/O: to 4),
	 * that is neither its memory nor MSI-X table or PBA.
	 */
	u64 (*read)(struct vdev *v, unsigned int bar, u64 off, unsigned int size);
	void (*write)(struct vdev *v, unsigned int bar, u64 off, unsigned int size, u64 val);
	/* v->lock held, device quiesced. */
	void (*reset)(struct vdev *v);
	/*
	 * v->lock held, device quiesced: its registers as bytes; BAR memory, config space and
	 * interrupts are not its business. @load checks all before it takes any.
	 */
	ssize_t (*save)(struct vdev *v, void *buf, size_t room);
	int (*load)(struct vdev *v, const void *buf, size_t len);
	/*
	 * state_lock held, v->lock not. From quiesce to resume the device does no DMA of its own.
	 * May be NULL.
	 */
	void (*quiesce)(struct vdev *v);
	void (*resume)(struct vdev *v);
};

extern const struct vdev_personality vdev_plain, vdev_serial, vdev_dsa;

struct vdev {
	struct vfio_device vfio;	/* first */
	struct device *dev;		/* the platform device */
	const struct vdev_personality *p;
	void *priv;			/* the personality's */
	struct mutex state_lock;
	struct mutex lock;		/* guards all below but where said */
	u8 config[VDEV_CONFIG_SIZE], wmask[VDEV_CONFIG_SIZE], initial[VDEV_CONFIG_SIZE];
	unsigned int cap_last, cap_end, ext_last, ext_end;
	unsigned int pcie_cap, pm_cap;
	bool flr;			/* a function level reset was asked for */
	struct vdev_bar bar[VDEV_BARS];
	unsigned int irq_offer;		/* VDEV_IRQ_*; constant */
	unsigned int resets;		/* since the device was made */
	bool running;			/* may do DMA, interrupt; changed under irq_lock too */

	/* irq.c: what irq_lock guards; interrupts come from contexts that may not sleep, too. */
	spinlock_t irq_lock;
	struct eventfd_ctx *trigger[VDEV_MAX_VECTORS];
	unsigned int irq_index;			/* VFIO_PCI_*_IRQ_INDEX in use; _NUM_IRQS: none */
	unsigned int nr_irqs;
	struct eventfd_ctx *req_trigger, *err_trigger;
	bool intx_level, intx_masked;
	u32 pending;				/* fired while masked, stopped, without eventfd */
	u32 irqs_sent;				/* since reset */
	u32 msix_table[VDEV_MAX_VECTORS * 4];
	struct virqfd *intx_unmask;		/* v->lock */
	/* constant after init; 0: none */
	unsigned int msi_cap, msi_vectors;
	unsigned int msix_cap, msix_vectors, msix_bar;
	u32 msix_table_off, msix_pba_off;

	/* dma.c */
	struct mutex pin_lock;
	struct xarray pins;			/* by IOVA >> PAGE_SHIFT */
	bool unmapped;				/* these pages were, until then: */
	unsigned long unmapped_first, unmapped_last, unmapped_until;

	/* migration */
	struct vdev_migration *mig;	/* migration.c's; NULL: not offered */
	struct vdev_log *log;		/* dirty.c's; NULL: not on */

	/* sysfs; since the device was made */
	atomic64_t opens, irqs, dma_read, dma_written, pinned;
};

static inline struct vdev *vdev_of(struct vfio_device *vfio)
{
	return container_of(vfio, struct vdev, vfio);
}

/* main.c: what the parameters want of device @id */
struct vdev_offer {
	const struct vdev_personality *p;
	unsigned int irq, mig;		/* VDEV_IRQ_*, VDEV_MIG_* */
};
struct vdev_offer vdev_offer(int id);

extern const struct vfio_device_ops vdev_ops;			/* device.c */
extern const struct attribute_group *vdev_groups[];	/* sysfs.c */

/* region.c. init time: */
int vdev_bar_add(struct vdev *v, unsigned int bar, u64 size, u32 flags);
/* Memory at [@off, @off + @size) of the BAR; from @map_off (>= @off) on it may be mapped. */
int vdev_bar_memory(struct vdev *v, unsigned int bar, u64 off, u64 size, u64 map_off);
void vdev_bar_clear(struct vdev *v);
int vdev_bar_renew(struct vdev *v);	/* nobody has it open */
void vdev_bar_free(struct vdev *v);
ssize_t vdev_region_rw(struct vdev *v, char __user *buf, size_t count, loff_t *pos, bool write);
int vdev_region_mmap(struct vdev *v, struct vm_area_struct *vma);
long vdev_region_info(struct vdev *v, struct vfio_region_info __user *arg);

/*
 * device.c. state_lock held, v->lock not; both may be called twice in a row. After stop: no DMA, no
 * interrupt of its own.
 */
void vdev_stop(struct vdev *v);
void vdev_start(struct vdev *v);
/*
 * No lock held. Power-on state, running; migration's state too. User space's eventfds stay, and
 * what of config space the host's kernel puts back after it reset a device.
 */
void vdev_reset(struct vdev *v);

/*
 * config.c; v->lock held but at init time, when these set it up: little-endian @size 1, 2, 4 at
 * @off, and which of its bits are writable.
 */
int vdev_config_init(struct vdev *v);
void vdev_config_set(struct vdev *v, unsigned int off, unsigned int size, u32 val, u32 writable);
void vdev_config_ids(struct vdev *v, u16 vendor, u16 device, u32 class, u8 revision);
/* Its offset, or -ENOSPC. @len counts from the capability's first byte. */
int vdev_config_add_cap(struct vdev *v, u8 id, unsigned int len);
int vdev_config_add_ext(struct vdev *v, u16 id, u8 version, unsigned int len);
/* 0 also where irq= does not offer them; v->msi_cap, v->msix_cap stay 0 then. */
int vdev_config_add_msi(struct vdev *v, unsigned int vectors);
int vdev_config_add_msix(struct vdev *v, unsigned int vectors, unsigned int bar, u32 table,
			 u32 pba);
/* After the personality's init: BARs, interrupt pin */
void vdev_config_finish(struct vdev *v);
u32 vdev_config_get(struct vdev *v, unsigned int off, unsigned int size);
/* One access, naturally aligned, @size 1, 2, 4. */
u32 vdev_config_read(struct vdev *v, unsigned int off, unsigned int size);
void vdev_config_write(struct vdev *v, unsigned int off, unsigned int size, u32 val);
bool vdev_bus_master(struct vdev *v);		/* any context */
bool vdev_memory_enabled(struct vdev *v);
/* @restore: but for what the host's kernel saves and restores over a reset */
void vdev_config_reset(struct vdev *v, bool restore);
/* All of config space, of a saved device. -EINVAL: its read-only bits are not this device's. */
int vdev_config_load(struct vdev *v, const u8 config[VDEV_CONFIG_SIZE]);

/* irq.c */
void vdev_irq_init(struct vdev *v);
unsigned int vdev_irq_count(struct vdev *v, unsigned int index);
u32 vdev_irq_flags(struct vdev *v, unsigned int index);
/* v->lock held. VFIO_DEVICE_SET_IRQS, checked by vfio_set_irqs_validate_and_prepare(). */
int vdev_irq_set(struct vdev *v, const struct vfio_irq_set *set, void *data);
/* Any context. Vector @vector by MSI-X or MSI, whichever is on; else INTx rises, if there is that. */
void vdev_irq_send(struct vdev *v, unsigned int vector);
void vdev_intx_level(struct vdev *v, bool level);
unsigned int vdev_irq_kind(struct vdev *v);	/* VFIO_PCI_{INTX,MSI,MSIX}_IRQ_INDEX */
void vdev_irq_kick(struct vdev *v);		/* any context: masks changed, or it runs again */
void vdev_irq_notify(struct vdev *v, unsigned int index);	/* VFIO_PCI_{ERR,REQ}_IRQ_INDEX */
void vdev_intx_mask(struct vdev *v, bool masked);
bool vdev_intx_disabled(struct vdev *v);	/* INTx is in use, and COMMAND holds it back */
void vdev_msix_write(struct vdev *v, unsigned int n, u32 val);	/* the table's dword @n */
bool vdev_msix_access(struct vdev *v, unsigned int bar, u64 off, unsigned int size, u64 *val,
		      bool write);
void vdev_irq_reset(struct vdev *v);		/* pending ones, level, masks; v->lock held */
void vdev_irq_free(struct vdev *v);		/* the device was closed; v->lock held */
/* v->lock held, as the personality's. */
ssize_t vdev_irq_save(struct vdev *v, void *buf, size_t room);
int vdev_irq_load(struct vdev *v, const void *buf, size_t len);

/*
 * dma.c: may sleep; v->lock held or not. -EFAULT: not the user's memory, or some of it; -EPERM: not
 * a bus master, or stopped. Writes are in the device's log.
 */
int vdev_dma_rw(struct vdev *v, u64 iova, void *buf, size_t len, bool write);
int vdev_dma_rw_pinned(struct vdev *v, u64 iova, void *buf, size_t len, bool write);
void vdev_dma_init(struct vdev *v);
void vdev_dma_unmapped(struct vdev *v, u64 iova, u64 len);	/* no lock held */
void vdev_dma_unpin_all(struct vdev *v);
void vdev_dma_open(struct vdev *v);

/* migration.c, migration-v1.c, dirty.c. v->lock not held. */
/* Before the device is registered: sets v->vfio.mig_ops and so on, as @offer (VDEV_MIG_*) says. */
int vdev_migration_init(struct vdev *v, unsigned int offer);
void vdev_migration_free(struct vdev *v);
/* state_lock held, by vdev_reset(), which starts the device itself afterwards: state to RUNNING. */
void vdev_migration_reset(struct vdev *v);
/* The device's first file: v1 memory that nobody has. state_lock not held. */
int vdev_migration_open(struct vdev *v);
/* The device's last file is closed: as reset, and the log ends. state_lock not held. */
void vdev_migration_close(struct vdev *v);
/*
 * sysfs' transitions: a line for each of the latest ones, oldest first: its number among those of
 * all devices, from, to
 */
ssize_t vdev_migration_transitions(struct vdev *v, char *buf);
/* v1: the region's size (0: not offered), accesses; its info capability is region.c's. */
size_t vdev_v1_region_size(struct vdev *v);
ssize_t vdev_v1_access(struct vdev *v, loff_t off, char __user *ubuf, size_t len, bool write);
/* The piece of that region that may be mapped, and its memory (vmalloc_user); NULL: none. */
void *vdev_v1_map(struct vdev *v, u64 *ret_off, u64 *ret_size);
/* dirty.c: pages written by DMA. Any context that may sleep. */
void vdev_log_write(struct vdev *v, u64 iova, u64 len);

#endif
