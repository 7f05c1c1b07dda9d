// SPDX-License-Identifier: GPL-2.0-only
/*
 * lkvm_vdev: the user's memory, by its I/O addresses, in the two ways that VFIO gives a device
 * without an IOMMU: vfio_dma_rw(), which copies, and vfio_pin_pages(). Pages once pinned stay so,
 * as with a device that keeps a ring mapped, until user space unmaps them, the device is reset or
 * closed, or PINS_MAX are held.
 *
 * Personalities come here from register accesses and from their workers. pin_lock guards pins and
 * is held while pinned memory is copied, so that an unmap waits for that.
 *
 * vfio_iommu_type1 asks for pins to be dropped until it finds none, and takes it for a bug (BUG_ON)
 * when that fails ten times over. A transfer under way would pin the pages again at once. So what
 * user space unmaps is not pinned for a while but copied, which fails once it is not mapped.
 */
#include <linux/highmem.h>
#include <linux/iommu.h>
#include <linux/pci_regs.h>

#include "vdev.h"

enum { PINS_MAX = 1024, UNMAP_SECONDS = 1 };

static int may_dma(struct vdev *v)
{
	return vdev_bus_master(v) && READ_ONCE(v->running) ? 0 : -EPERM;
}

/*
 * What VFIO says of addresses that are not mapped, or not so: EINVAL, EPERM, ENOENT, by version and
 * way.
 */
static int fault(int r)
{
	return r == -ENOMEM || r == -EINTR ? r : -EFAULT;
}

static void account(struct vdev *v, u64 iova, size_t len, bool write)
{
	atomic64_add(len, write ? &v->dma_written : &v->dma_read);
	if (write)
		vdev_log_write(v, iova, len);
}

int vdev_dma_rw(struct vdev *v, u64 iova, void *buf, size_t len, bool write)
{
	int r = may_dma(v);

	if (r || !len)
		return r;
	if (len - 1 > U64_MAX - iova)
		return -EFAULT;
	r = vfio_dma_rw(&v->vfio, iova, buf, len, write);
	if (r) {
		/* Mappings before the one that fails may have been written. */
		if (write)
			vdev_log_write(v, iova, len);
		return fault(r);
	}
	account(v, iova, len, write);
	return 0;
}

/* --- pinned pages: a page's pointer, tagged 1 where it may be written */

static void unpin(struct vdev *v, unsigned long pfn)
{
	lockdep_assert_held(&v->pin_lock);
	xa_erase(&v->pins, pfn);
	vfio_unpin_pages(&v->vfio, (dma_addr_t)pfn << PAGE_SHIFT, 1);
	atomic64_dec(&v->pinned);
}

static void unpin_range(struct vdev *v, unsigned long first, unsigned long last)
{
	unsigned long pfn;
	void *entry;

	xa_for_each_range(&v->pins, pfn, entry, first, last)
		unpin(v, pfn);
}

static int pin(struct vdev *v, unsigned long pfn, bool write, struct page **ret)
{
	void *entry = xa_load(&v->pins, pfn);
	int r;

	lockdep_assert_held(&v->pin_lock);
	if (entry) {
		if (!write || xa_pointer_tag(entry)) {
			*ret = xa_untag_pointer(entry);
			return 0;
		}
		unpin(v, pfn);
	}
	if (atomic64_read(&v->pinned) >= PINS_MAX)
		unpin_range(v, 0, ULONG_MAX);
	r = xa_reserve(&v->pins, pfn, GFP_KERNEL);
	if (r)
		return r;
	r = vfio_pin_pages(&v->vfio, (dma_addr_t)pfn << PAGE_SHIFT, 1,
			   write ? IOMMU_READ | IOMMU_WRITE : IOMMU_READ, ret);
	if (r != 1) {
		xa_release(&v->pins, pfn);
		return fault(r);
	}
	xa_store(&v->pins, pfn, xa_tag_pointer(*ret, write), GFP_KERNEL);
	atomic64_inc(&v->pinned);
	return 0;
}

/* An unmap of that page may be under way. */
static bool being_unmapped(struct vdev *v, unsigned long pfn)
{
	lockdep_assert_held(&v->pin_lock);
	return v->unmapped && time_before(jiffies, v->unmapped_until) &&
	       pfn >= v->unmapped_first && pfn <= v->unmapped_last;
}

static void note_unmap(struct vdev *v, unsigned long first, unsigned long last)
{
	if (v->unmapped && time_before(jiffies, v->unmapped_until)) {
		first = min(first, v->unmapped_first);
		last = max(last, v->unmapped_last);
	}
	v->unmapped = true;
	v->unmapped_first = first;
	v->unmapped_last = last;
	v->unmapped_until = jiffies + UNMAP_SECONDS * HZ;
}

static int copy_page_part(struct vdev *v, u64 iova, void *buf, size_t len, bool write)
{
	unsigned int off = offset_in_page(iova);
	struct page *page;
	int r;

	mutex_lock(&v->pin_lock);
	if (being_unmapped(v, iova >> PAGE_SHIFT)) {
		mutex_unlock(&v->pin_lock);
		return vdev_dma_rw(v, iova, buf, len, write);
	}
	r = pin(v, iova >> PAGE_SHIFT, write, &page);
	if (!r && write)
		memcpy_to_page(page, off, buf, len);
	else if (!r)
		memcpy_from_page(buf, page, off, len);
	mutex_unlock(&v->pin_lock);
	if (!r)
		account(v, iova, len, write);
	return r;
}

int vdev_dma_rw_pinned(struct vdev *v, u64 iova, void *buf, size_t len, bool write)
{
	int r = may_dma(v);

	if (!r && len && (len - 1 > U64_MAX - iova || (iova + len - 1) >> PAGE_SHIFT > ULONG_MAX))
		return -EFAULT;
	while (!r && len) {
		size_t part = min_t(size_t, len, PAGE_SIZE - offset_in_page(iova));

		r = copy_page_part(v, iova, buf, part, write);
		iova += part;
		buf += part;
		len -= part;
	}
	return r;
}

void vdev_dma_unmapped(struct vdev *v, u64 iova, u64 len)
{
	if (!len)
		return;
	mutex_lock(&v->pin_lock);
	note_unmap(v, iova >> PAGE_SHIFT, (iova + len - 1) >> PAGE_SHIFT);
	unpin_range(v, iova >> PAGE_SHIFT, (iova + len - 1) >> PAGE_SHIFT);
	mutex_unlock(&v->pin_lock);
}

/* For a new user, none of whose memory was unmapped yet */
void vdev_dma_open(struct vdev *v)
{
	mutex_lock(&v->pin_lock);
	v->unmapped = false;
	mutex_unlock(&v->pin_lock);
}

void vdev_dma_unpin_all(struct vdev *v)
{
	mutex_lock(&v->pin_lock);
	unpin_range(v, 0, ULONG_MAX);
	mutex_unlock(&v->pin_lock);
}

void vdev_dma_init(struct vdev *v)
{
	mutex_init(&v->pin_lock);
	xa_init(&v->pins);
}
