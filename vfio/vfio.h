/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of vfio/ share: the host's side (sys, info, path, device, iommu with its two ways, kvm), the guest's side (pci*), and
 * migration. From the bottom up:
 *
 *	sys.c		system calls; tests put a fake in its place
 *	info.c		answers of the host as chains of capabilities, checked
 *	path.c		what the user named -> where it is; why a group is not viable
 *	device.c	an open device: regions, interrupts, features, reset
 *	group.c iommufd.c	the two ways to open one and to map memory for it (struct vfio_iommu_ops)
 *	iommu.c		guest RAM as the devices see it: maps, ranges, locked memory
 *	pci*.c		the function that the guest sees
 *	migration*.c dirty.c	a device's state and the memory it wrote
 *
 * The host's answers are trusted as far as its kernel is, which is not at all for lengths and offsets: a wrong one is an error, never a
 * wild access.
 */
#ifndef VFIO_VFIO_H
#define VFIO_VFIO_H

#include <linux/vfio.h>
#include <sys/types.h>

#include "util/error.h"
#include "util/list.h"
#include "util/types.h"
#include "vfio/uapi.h"
#include "vmm/memslot.h"
#include "vmm/vfio.h"

struct vm;
struct vfio_device;
struct vfio_host;

/* --- sys.c: any thread. 0 or more, or -errno --- */

int vfio_sys_open(const char *path, int flags);			/* O_CLOEXEC is added */
void vfio_sys_close(int fd);						/* -1 is fine */
int vfio_sys_ioctl(int fd, unsigned long request, void *arg);
int vfio_sys_pread(int fd, void *buf, size_t len, u64 off);		/* all of it or -errno (-EIO: less) */
int vfio_sys_pwrite(int fd, const void *buf, size_t len, u64 off);
/* A stream (migration's data_fd): as much as one call takes, EINTR retried; bytes or -errno; read gives 0 at the end. */
ssize_t vfio_sys_read(int fd, void *buf, size_t len);
ssize_t vfio_sys_write(int fd, const void *buf, size_t len);
int vfio_sys_mmap(int fd, size_t len, int prot, u64 off, void **ret);
void vfio_sys_munmap(void *p, size_t len);
/* sysfs: reads a small file without its newline, a link's last component, whether something is there. */
int vfio_sys_read_file(const char *path, char *buf, size_t size);
int vfio_sys_read_link(const char *path, char *buf, size_t size);
bool vfio_sys_exists(const char *path);
/* Names in a folder but . and .., sorted; calls @each for all of them. */
int vfio_sys_list(const char *path, void (*each)(void *arg, const char *name), void *arg);
/* RLIMIT_MEMLOCK in bytes, ~0 for none; and the soft limit up to the hard one. */
int vfio_sys_memlock(u64 *ret_soft, u64 *ret_hard);
int vfio_sys_set_memlock(u64 soft);

/* --- info.c: pure; unit tests and a fuzzer feed it anything --- */

struct vfio_area {
	u64 off, size;		/* inside the region */
};

enum { VFIO_AREAS = 32, VFIO_IOVA_RANGES = 32 };

struct vfio_region {
	u32 index, flags;	/* VFIO_REGION_INFO_FLAG_* */
	u64 size, offset;	/* offset: in the device's file */
	u32 type, subtype;	/* 0: not device specific */
	struct vfio_area area[VFIO_AREAS];	/* what may be mapped, sorted, disjoint, host page aligned; none without FLAG_MMAP */
	unsigned int nr_areas;
};

/* @buf: VFIO_DEVICE_GET_REGION_INFO's answer, @len bytes of it. -EINVAL: loop, offset out of bounds, area outside the region. */
int vfio_parse_region_info(const void *buf, size_t len, u64 page, struct vfio_region *ret);

struct vfio_iova {
	u64 start, last;	/* inclusive */
};

struct vfio_iommu_info {
	u64 page_sizes;			/* bits */
	struct vfio_iova range[VFIO_IOVA_RANGES];	/* sorted, apart from each other; what may be mapped */
	unsigned int nr_ranges;		/* 0: the host does not say, anything may be */
	bool dirty;			/* VFIO_IOMMU_DIRTY_PAGES works */
	u64 dirty_page_sizes, dirty_max_bitmap;	/* bits; bytes */
};

int vfio_parse_iommu_info(const void *buf, size_t len, struct vfio_iommu_info *ret);
/* The ranges from @nr pieces in any order, @nr > 0, which it sorts in place. */
void vfio_iommu_set_ranges(struct vfio_iommu_info *info, struct vfio_iova *v, unsigned int nr);
/* Is there something in [start, last] that must not be mapped? The first piece of that in *ret. */
bool vfio_iommu_hole(const struct vfio_iommu_info *info, u64 start, u64 last, struct vfio_iova *ret);

/* --- path.c: main thread --- */

enum { VFIO_NAME = 64, VFIO_PATH = 256 };

struct vfio_place {
	char name[VFIO_NAME];	/* as the kernel has it, for VFIO_GROUP_GET_DEVICE_FD: "0000:00:02.0", a UUID, "lkvm_vdev.0" */
	char sysfs[VFIO_PATH];	/* the device's folder; "" for an fd */
	int group;		/* /dev/vfio/N; -1: none */
	char cdev[VFIO_PATH];	/* "/dev/vfio/devices/vfioN"; "": none */
	int fd;			/* the user's own: the device has it from attach() on; -1 */
};

/* Finds cfg->device. -errno with one line: not there, bound to which driver, and the commands that would bind it to vfio-pci. */
int vfio_place_find(const struct vfio_config *cfg, struct vfio_place *ret, struct error *err);
/* Why group @group is not viable: which other devices are in it, bound to which driver, and the commands that mend it. Sets @err. */
int vfio_group_explain(const struct vfio_config *cfg, int group, struct error *err);
bool vfio_group_viable(int group);	/* has no device that another driver drives */

/*
 * --- group.c, iommufd.c: the two ways. Main thread; dma_map and dma_unmap also from what holds the PCI host's lock, beside the main thread's
 * dirty_read ---
 */

struct vfio_iommu {
	const struct vfio_iommu_ops *ops;
	struct vfio_host *host;		/* borrowed */
	struct vfio_iommu_info info;
	struct ram_listener listener;
	bool listening;
	unsigned int users;		/* devices */
	unsigned int containers;	/* of groups: each pins guest RAM */
	bool tracking;			/* dirty pages */
	void *priv;			/* owned: the way's own */
};

struct vfio_iommu_ops {
	const char *name;		/* "group", "iommufd" */
	/* Opens the device at @place for this iommu: gives its fd, told to KVM before (KVM_DEV_VFIO_FILE). */
	int (*attach)(struct vfio_iommu *iommu, const struct vfio_config *cfg, const struct vfio_place *place, struct error *err);
	/* Closes @fd, and what is not needed without. KVM forgets it first: it has a reference of its own. */
	void (*detach)(struct vfio_iommu *iommu, const struct vfio_place *place, int fd);
	int (*refresh)(struct vfio_iommu *iommu);	/* iommu->info again: what may be mapped changes with each device */
	int (*dma_map)(struct vfio_iommu *iommu, u64 iova, u64 size, void *hva, bool writable);
	int (*dma_unmap)(struct vfio_iommu *iommu, u64 iova, u64 size);
	/* Dirty pages of [iova, iova+size) since the last call, ORed into @bitmap, a bit per 4 KiB page. -EOPNOTSUPP: cannot. */
	int (*dirty_start)(struct vfio_iommu *iommu);
	int (*dirty_read)(struct vfio_iommu *iommu, u64 iova, u64 size, u64 *bitmap);
	void (*dirty_stop)(struct vfio_iommu *iommu);
	int (*group_fd)(struct vfio_iommu *iommu, int group);	/* the open group, for a hot reset; -ENOENT. NULL: knows no groups */
	void (*free)(struct vfio_iommu *iommu);
};
int vfio_group_iommu_create(struct vfio_host *host, const struct vfio_config *cfg, struct vfio_iommu *iommu, struct error *err);
int vfio_iommufd_create(struct vfio_host *host, const struct vfio_config *cfg, struct vfio_iommu *iommu, struct error *err);

/* --- kvm.c: KVM's VFIO device [Documentation/virt/kvm/devices/vfio.rst]. Main thread --- */

int vfio_kvm_add(struct vfio_host *host, int fd);	/* 0 also where KVM has none; the file of a group, or of a cdev */
void vfio_kvm_del(struct vfio_host *host, int fd);

/* --- iommu.c. Main thread --- */

struct vfio_host {
	struct vm *vm;
	int kvm_fd;			/* owned; -1: KVM has none */
	struct vfio_iommu iommu[2];	/* group, iommufd; ops NULL: not used yet */
	struct list_node devices;	/* struct vfio_device.node */
	bool ending;			/* with the VM: no guest runs any more */
	struct vfio_dirty *dirty;	/* borrowed: what follows the devices' writes now; NULL */
};

/* The host side of vm->vfio, made at the first device. */
int vfio_host_get(struct vm *vm, struct vfio_host **ret);
/* Opens the device at @place by one of the two ways, as cfg->iommu and the host have it, made when it is the first there: gives the fd. */
int vfio_iommu_attach(struct vfio_host *host, const struct vfio_config *cfg, const struct vfio_place *place, struct vfio_iommu **ret,
		      struct error *err);
/* Maps RAM for the first user, checks that RAM is inside the ranges for each, pins guest memory. Used by vfio_device_open(). */
int vfio_iommu_use(struct vfio_iommu *iommu, const struct vfio_config *cfg, const struct vfio_place *place, struct error *err);
void vfio_iommu_unuse(struct vfio_iommu *iommu);
/* The line for guest RAM that could not be mapped: -ENOMEM is the limit of locked memory, and how much is needed. Gives @r. */
int vfio_iommu_map_failed(const struct vfio_iommu *iommu, const struct vfio_config *cfg, int r, struct error *err);
/* For p2p: a BAR's memory as DMA target. Undone before the memory goes away. Host PCI lock held or main thread. */
int vfio_iommu_map_bar(struct vfio_iommu *iommu, u64 gpa, u64 size, void *hva);
void vfio_iommu_unmap_bar(struct vfio_iommu *iommu, u64 gpa, u64 size);

/* --- device.c: any thread but where said --- */

struct vfio_device {
	struct list_node node;		/* host->devices */
	struct vfio_host *host;		/* borrowed */
	struct vfio_iommu *iommu;	/* borrowed */
	const struct vfio_config *cfg;
	struct vfio_place place;
	int fd;				/* owned; -1: not yet */
	bool dma;			/* counted in iommu->users */
	bool clean;			/* reset by its bus' reset, since host->ending: how its own goes does not matter any more */
	u32 flags;			/* VFIO_DEVICE_FLAGS_* */
	struct vfio_region *region;	/* owned; [nr_regions] */
	unsigned int nr_regions, nr_irqs;
	struct vfio_migration *migration;	/* owned: migration.c's; NULL: it has none */
	struct vfio_pci *pci;	/* borrowed: the function the guest sees, once it has its BARs (pci-bar.c) */
};

/* Finds, opens, asks for regions. A device that is no PCI function is refused. Main thread. */
int vfio_device_open(struct vm *vm, const struct vfio_config *cfg, struct vfio_device **ret, struct error *err);
void vfio_device_close(struct vfio_device *vd);		/* main thread; NULL is fine */
const char *vfio_device_name(const struct vfio_device *vd);
/*
 * The answer to @question, @len bytes that begin with argsz, with the capabilities behind it: argsz says how much there is, and the second
 * call gets it. *ret is the caller's to free.
 */
int vfio_info_get(int fd, unsigned long request, const void *question, size_t len, void **ret, size_t *ret_len);
/* NULL: it has no such region, or one of size 0. */
const struct vfio_region *vfio_region_get(const struct vfio_device *vd, u32 index);
const struct vfio_region *vfio_region_find(const struct vfio_device *vd, u32 type, u32 subtype);
/* 1, 2, 4 or 8 bytes at their own alignment; one access of the device's. -EINVAL: not inside the region. */
int vfio_region_read(struct vfio_device *vd, const struct vfio_region *r, u64 off, unsigned int size, u64 *ret);
int vfio_region_write(struct vfio_device *vd, const struct vfio_region *r, u64 off, unsigned int size, u64 val);
/* Bulk, any length. */
int vfio_region_pread(struct vfio_device *vd, const struct vfio_region *r, u64 off, void *buf, size_t len);
int vfio_region_pwrite(struct vfio_device *vd, const struct vfio_region *r, u64 off, const void *buf, size_t len);
int vfio_region_mmap(struct vfio_device *vd, const struct vfio_region *r, const struct vfio_area *area, void **ret);

struct vfio_irq {
	u32 flags, count;	/* VFIO_IRQ_INFO_* */
};
int vfio_irq_get(struct vfio_device *vd, u32 index, struct vfio_irq *ret);	/* -EINVAL: no such index */
/*
 * Vectors [start, start+count) of @index signal fd[i]; -1: nobody. The first call enables; a kernel may refuse more later (NORESIZE).
 * > 0: the host has only so many vectors, and did nothing.
 */
int vfio_irq_set_fds(struct vfio_device *vd, u32 index, u32 start, u32 count, const int *fd);
int vfio_irq_disable(struct vfio_device *vd, u32 index);
int vfio_irq_mask(struct vfio_device *vd, u32 index, bool mask);
int vfio_irq_unmask_fd(struct vfio_device *vd, u32 index, int fd);	/* a signal of @fd unmasks; -1: none */
/* VFIO_DEVICE_FEATURE. @flags: its id and GET, SET or PROBE; @data of @len bytes both ways. -ENOTTY: not offered. */
int vfio_feature(struct vfio_device *vd, u32 flags, void *data, size_t len);
int vfio_device_reset(struct vfio_device *vd);	/* VFIO_DEVICE_RESET, or a hot reset of a bus all of which is ours; -ENOTTY: neither */

#endif
