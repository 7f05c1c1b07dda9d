// SPDX-License-Identifier: GPL-2.0-only
/*
 * lkvm_vdev: regions of the device's file: BARs, config space, the migration region; what they are,
 * accesses, mmap. (Mapped memory stays mapped, and works, while COMMAND turns memory accesses off and
 * through resets, where vfio-pci takes it away: user space has to.) A read or write is cut into naturally aligned accesses as wide as the region has
 * them. Those to memory behind a BAR and to the MSI-X table and pending bits end here or in irq.c,
 * all others in the personality. They come from any thread, and take v->lock one by one.
 */
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "vdev.h"

#define OFFSET_SHIFT 40
#define OFFSET(index) ((u64)(index) << OFFSET_SHIFT)
#define OFFSET_MASK (OFFSET(1) - 1)

enum { V1_REGION = VFIO_PCI_NUM_REGIONS };

/* --- BARs */

int vdev_bar_add(struct vdev *v, unsigned int bar, u64 size, u32 flags)
{
	if (WARN_ON(bar >= VDEV_BARS || v->bar[bar].size || !is_power_of_2(size)))
		return -EINVAL;
	v->bar[bar].size = size;
	v->bar[bar].flags = flags;
	return 0;
}

int vdev_bar_memory(struct vdev *v, unsigned int bar, u64 off, u64 size, u64 map_off)
{
	struct vdev_bar *b = &v->bar[bar];
	u64 start = PAGE_ALIGN(map_off), end = ALIGN_DOWN(off + size, PAGE_SIZE);

	if (WARN_ON(off + size > b->size || map_off < off || b->mem))
		return -EINVAL;
	b->mem = vmalloc_user(size);
	if (!b->mem)
		return -ENOMEM;
	b->mem_off = off;
	b->mem_size = size;
	if (start < end && IS_ALIGNED(start - off, PAGE_SIZE)) {
		b->map_off = start;
		b->map_size = end - start;
	}
	return 0;
}

static bool memory_access(struct vdev_bar *b, u64 off, unsigned int size, u64 *val, bool write)
{
	if (!b->mem || off < b->mem_off || off - b->mem_off >= b->mem_size)
		return false;
	off -= b->mem_off;
	if (write) {
		*val = (__force u64)cpu_to_le64(*val);
		memcpy(b->mem + off, val, size);
	} else {
		*val = 0;
		memcpy(val, b->mem + off, size);
		*val = le64_to_cpu((__force __le64)*val);
	}
	return true;
}

void vdev_bar_clear(struct vdev *v)
{
	unsigned int i;

	for (i = 0; i < VDEV_BARS; i++)
		if (v->bar[i].mem)
			memset(v->bar[i].mem, 0, v->bar[i].mem_size);
}

/*
 * Pages stay with who has them pinned for another device's DMA, mapped or not. Who opens the device
 * next gets others.
 */
int vdev_bar_renew(struct vdev *v)
{
	unsigned int i;

	for (i = 0; i < VDEV_BARS; i++) {
		struct vdev_bar *b = &v->bar[i];
		void *fresh, *old = b->mem;

		if (!old)
			continue;
		fresh = vmalloc_user(b->mem_size);
		if (!fresh)
			return -ENOMEM;
		mutex_lock(&v->lock);
		b->mem = fresh;
		mutex_unlock(&v->lock);
		vfree(old);
	}
	return 0;
}

void vdev_bar_free(struct vdev *v)
{
	unsigned int i;

	for (i = 0; i < VDEV_BARS; i++)
		vfree(v->bar[i].mem);
}

/* --- accesses */

static int config_access(struct vdev *v, u64 off, unsigned int size, u64 *val, bool write)
{
	if (write)
		vdev_config_write(v, off, size, *val);
	else
		*val = vdev_config_read(v, off, size);
	return 0;
}

static int bar_access(struct vdev *v, unsigned int bar, u64 off, unsigned int size, u64 *val,
		      bool write)
{
	struct vdev_bar *b = &v->bar[bar];

	if (!(b->flags & PCI_BASE_ADDRESS_SPACE_IO) && !vdev_memory_enabled(v))
		return -EIO;
	if (memory_access(b, off, size, val, write) ||
	    vdev_msix_access(v, bar, off, size, val, write))
		return 0;
	if (write)
		v->p->write(v, bar, off, size, *val);
	else
		*val = v->p->read(v, bar, off, size);
	return 0;
}

static u64 region_size(struct vdev *v, unsigned int index)
{
	if (index < VDEV_BARS)
		return v->bar[index].size;
	return index == VFIO_PCI_CONFIG_REGION_INDEX ? VDEV_CONFIG_SIZE : 0;
}

static unsigned int widest_access(struct vdev *v, unsigned int index)
{
	if (index == VFIO_PCI_CONFIG_REGION_INDEX ||
	    (v->bar[index].flags & PCI_BASE_ADDRESS_SPACE_IO))
		return 4;
	return 8;
}

/* One access of the greatest size that @off and @len allow: its size, or -errno. */
static int access_piece(struct vdev *v, unsigned int index, u64 off, char __user *buf, size_t len,
			bool write)
{
	unsigned int size = widest_access(v, index);
	__le64 raw = 0;
	bool flr;
	u64 val;
	int r;

	while (size > len || off % size)
		size /= 2;
	if (write && copy_from_user(&raw, buf, size))
		return -EFAULT;
	val = le64_to_cpu(raw);
	mutex_lock(&v->lock);
	r = index < VDEV_BARS ? bar_access(v, index, off, size, &val, write)
			      : config_access(v, off, size, &val, write);
	flr = v->flr;
	v->flr = false;
	mutex_unlock(&v->lock);
	if (flr)
		vdev_reset(v);
	if (r)
		return r;
	raw = cpu_to_le64(val);
	return !write && copy_to_user(buf, &raw, size) ? -EFAULT : size;
}

ssize_t vdev_region_rw(struct vdev *v, char __user *buf, size_t count, loff_t *pos, bool write)
{
	unsigned int index = *pos >> OFFSET_SHIFT;
	u64 off = *pos & OFFSET_MASK, size;
	ssize_t done = 0;

	if (*pos < 0)
		return -EINVAL;
	if (index == V1_REGION && vdev_v1_region_size(v)) {
		done = vdev_v1_access(v, off, buf, count, write);
		if (done > 0)
			*pos += done;
		return done;
	}
	size = index > V1_REGION ? 0 : region_size(v, index);
	if (off >= size)
		return -EINVAL;
	count = min_t(u64, count, size - off);
	while (done < count) {
		int r = access_piece(v, index, off + done, buf + done, count - done, write);

		if (r < 0) {
			if (!done)
				return r;
			break;
		}
		done += r;
		if (fatal_signal_pending(current))
			break;
	}
	*pos += done;
	return done;
}

static int mmap_v1(struct vdev *v, struct vm_area_struct *vma, u64 off, u64 size)
{
	u64 map_off, map_size;
	void *mem = vdev_v1_map(v, &map_off, &map_size);

	if (!mem || off < map_off || off - map_off >= map_size || size > map_size - (off - map_off))
		return -EINVAL;
	return remap_vmalloc_range(vma, mem, (off - map_off) >> PAGE_SHIFT);
}

/* Takes no lock: BARs are as they were made. */
int vdev_region_mmap(struct vdev *v, struct vm_area_struct *vma)
{
	unsigned int index = vma->vm_pgoff >> (OFFSET_SHIFT - PAGE_SHIFT);
	u64 off = ((u64)vma->vm_pgoff << PAGE_SHIFT) & OFFSET_MASK,
	    size = vma->vm_end - vma->vm_start;
	struct vdev_bar *b;

	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if (index == V1_REGION)
		return mmap_v1(v, vma, off, size);
	if (index >= VDEV_BARS)
		return -EINVAL;
	b = &v->bar[index];
	if (off < b->map_off || off - b->map_off >= b->map_size ||
	    size > b->map_size - (off - b->map_off))
		return -EINVAL;
	return remap_vmalloc_range(vma, b->mem, (off - b->mem_off) >> PAGE_SHIFT);
}

/* --- what they are */

/* One area may be mapped */
static int add_sparse_cap(struct vfio_info_cap *caps, u64 off, u64 size)
{
	struct {
		struct vfio_region_info_cap_sparse_mmap cap;
		struct vfio_region_sparse_mmap_area area;
	} sparse = {
		.cap.header.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP,
		.cap.header.version = 1,
		.cap.nr_areas = 1,
		.area.offset = off,
		.area.size = size,
	};

	return vfio_info_add_capability(caps, &sparse.cap.header, sizeof(sparse));
}

static int describe_bar(struct vdev *v, struct vfio_region_info *info, struct vfio_info_cap *caps)
{
	struct vdev_bar *b = &v->bar[info->index];

	info->size = b->size;
	if (!b->size)
		return 0;
	info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	if (!b->map_size)
		return 0;
	info->flags |= VFIO_REGION_INFO_FLAG_MMAP;
	return add_sparse_cap(caps, b->map_off, b->map_size);
}

/* Its data part, where that may be mapped */
static int add_v1_sparse_cap(struct vdev *v, struct vfio_region_info *info,
			     struct vfio_info_cap *caps)
{
	u64 off, size;

	if (!vdev_v1_map(v, &off, &size))
		return 0;
	info->flags |= VFIO_REGION_INFO_FLAG_MMAP;
	return add_sparse_cap(caps, off, size);
}

static int describe_v1(struct vdev *v, struct vfio_region_info *info, struct vfio_info_cap *caps)
{
	struct vfio_region_info_cap_type cap = {
		.header.id = VFIO_REGION_INFO_CAP_TYPE,
		.header.version = 1,
		.type = VFIO_REGION_TYPE_MIGRATION_DEPRECATED,
		.subtype = VFIO_REGION_SUBTYPE_MIGRATION_DEPRECATED,
	};

	info->size = vdev_v1_region_size(v);
	info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	if (!info->size)
		return -EINVAL;
	return vfio_info_add_capability(caps, &cap.header, sizeof(cap))
		       ?: add_v1_sparse_cap(v, info, caps);
}

static int describe_region(struct vdev *v, struct vfio_region_info *info,
			   struct vfio_info_cap *caps)
{
	info->offset = OFFSET(info->index);
	info->size = 0;
	info->flags = 0;
	info->cap_offset = 0;
	switch (info->index) {
	case VFIO_PCI_BAR0_REGION_INDEX ... VFIO_PCI_BAR5_REGION_INDEX:
		return describe_bar(v, info, caps);
	case VFIO_PCI_ROM_REGION_INDEX:
		return 0;
	case VFIO_PCI_CONFIG_REGION_INDEX:
		info->size = VDEV_CONFIG_SIZE;
		info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
		return 0;
	case V1_REGION:
		return describe_v1(v, info, caps);
	}
	return -EINVAL;
}

long vdev_region_info(struct vdev *v, struct vfio_region_info __user *arg)
{
	const size_t minsz = offsetofend(struct vfio_region_info, offset);
	struct vfio_info_cap caps = { };
	struct vfio_region_info info;
	long r;

	if (copy_from_user(&info, arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz)
		return -EINVAL;
	r = describe_region(v, &info, &caps);
	if (!r && caps.size) {
		info.flags |= VFIO_REGION_INFO_FLAG_CAPS;
		if (info.argsz < sizeof(info) + caps.size) {
			info.argsz = sizeof(info) + caps.size;
		} else {
			vfio_info_cap_shift(&caps, sizeof(info));
			info.cap_offset = sizeof(info);
			if (copy_to_user((void __user *)arg + sizeof(info), caps.buf, caps.size))
				r = -EFAULT;
		}
	}
	kfree(caps.buf);
	if (r)
		return r;
	return copy_to_user(arg, &info, minsz) ? -EFAULT : 0;
}
