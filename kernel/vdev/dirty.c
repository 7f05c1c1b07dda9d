// SPDX-License-Identifier: GPL-2.0-only
/*
 * lkvm_vdev: the device's own log of the memory it wrote [include/uapi/linux/vfio.h,
 * VFIO_DEVICE_FEATURE_DMA_LOGGING_START].
 *
 * All DMA goes through dma.c, which tells every write. The log is the set of pages written, in the
 * asked-for page size; where memory for it runs out, everything counts as written. It has nothing
 * to do with the device's state.
 *
 * On kernels built without CONFIG_IOMMUFD_DRIVER, 6.12 of Debian is one, REPORT fails with
 * EOPNOTSUPP before it comes here: the kernel's iova_bitmap is a stub then.
 *
 * Callers: ioctls on the device; whoever does DMA. The log's lock is the innermost of the mutexes.
 */
#include <linux/interval_tree.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "migration.h"

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
MODULE_IMPORT_NS("IOMMUFD");
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
MODULE_IMPORT_NS(IOMMUFD);
#endif

enum { LOG_RANGES = 1024 };

struct vdev_log {
	struct mutex lock;	/* guards all of it */
	bool on, all;		/* all: everything was written */
	unsigned int shift;	/* of a page */
	struct xarray pages;	/* by number: those written */
	unsigned int nr_ranges;
	struct log_range {
		unsigned long first, last;
	} *range;
};

static bool in_ranges(const struct vdev_log *log, u64 first, u64 last)
{
	for (unsigned int i = 0; i < log->nr_ranges; i++)
		if (first >= log->range[i].first && last <= log->range[i].last)
			return true;
	return false;
}

static bool meets_ranges(const struct vdev_log *log, u64 first, u64 last)
{
	for (unsigned int i = 0; i < log->nr_ranges; i++)
		if (first <= log->range[i].last && last >= log->range[i].first)
			return true;
	return false;
}

void vdev_log_write(struct vdev *v, u64 iova, u64 len)
{
	struct vdev_log *log = v->log;

	if (!log || !len)
		return;
	mutex_lock(&log->lock);
	if (log->on && meets_ranges(log, iova, iova + len - 1))
		for (u64 page = iova >> log->shift; page <= (iova + len - 1) >> log->shift && !log->all; page++)
			if (xa_err(xa_store(&log->pages, page, xa_mk_value(1), GFP_KERNEL_ACCOUNT)))
				log->all = true;
	mutex_unlock(&log->lock);
}

static void log_end(struct vdev_log *log)
{
	log->on = log->all = false;
	xa_destroy(&log->pages);
	kvfree(log->range);
	log->range = NULL;
	log->nr_ranges = 0;
}

static int log_begin(struct vdev_log *log, struct rb_root_cached *ranges, u32 nr, u64 *page_size)
{
	struct interval_tree_node *node;

	if (nr > LOG_RANGES)
		return -E2BIG;
	log->range = kvmalloc_array(nr, sizeof(*log->range), GFP_KERNEL_ACCOUNT);
	if (!log->range)
		return -ENOMEM;
	for (node = interval_tree_iter_first(ranges, 0, ULONG_MAX); node && log->nr_ranges < nr;
	     node = interval_tree_iter_next(node, 0, ULONG_MAX)) {
		log->range[log->nr_ranges].first = node->start;
		log->range[log->nr_ranges++].last = node->last;
	}
	/*
	 * The wish is one: any power of two from 4 KiB to 1 GiB is granted, others become the
	 * nearest of them.
	 */
	log->shift = clamp(ilog2(*page_size ?: 1), 12, 30);
	*page_size = 1ull << log->shift;
	log->on = true;
	return 0;
}

static int vdev_log_start(struct vfio_device *vfio, struct rb_root_cached *ranges, u32 nr, u64 *page_size)
{
	struct vdev_log *log = vdev_of(vfio)->log;
	int r = -EINVAL;

	mutex_lock(&log->lock);
	if (!log->on)
		r = log_begin(log, ranges, nr, page_size);
	mutex_unlock(&log->lock);
	return r;
}

static int vdev_log_stop(struct vfio_device *vfio)
{
	vdev_log_close(vdev_of(vfio));
	return 0;
}

static int vdev_log_report(struct vfio_device *vfio, unsigned long iova, unsigned long len, struct iova_bitmap *dirty)
{
	struct vdev_log *log = vdev_of(vfio)->log;
	unsigned long page, size, last = iova + len - 1;
	void *entry;
	int r = 0;

	if (!len || last < iova)
		return -EINVAL;
	mutex_lock(&log->lock);
	size = 1ul << log->shift;
	if (!log->on || !in_ranges(log, iova, last)) {
		r = -EINVAL;
	} else if (log->all) {
		iova_bitmap_set(dirty, iova, len);	/* and stays so: which others were written is not known */
	} else {
		xa_for_each_range(&log->pages, page, entry, iova >> log->shift, last >> log->shift) {
			unsigned long from = max(iova, page << log->shift);
			unsigned long to = min(last, (page << log->shift) + size - 1);

			iova_bitmap_set(dirty, from, to - from + 1);
			if (page << log->shift >= iova && (page << log->shift) + size - 1 <= last)
				xa_erase(&log->pages, page);	/* else the rest of it was not told yet */
		}
	}
	mutex_unlock(&log->lock);
	return r;
}

static const struct vfio_log_ops vdev_log_ops = {
	.log_start = vdev_log_start,
	.log_stop = vdev_log_stop,
	.log_read_and_clear = vdev_log_report,
};

int vdev_log_init(struct vdev *v)
{
	struct vdev_log *log = kzalloc(sizeof(*log), GFP_KERNEL);

	if (!log)
		return -ENOMEM;
	mutex_init(&log->lock);
	xa_init(&log->pages);
	v->log = log;
	v->vfio.log_ops = &vdev_log_ops;
	return 0;
}

void vdev_log_close(struct vdev *v)
{
	if (!v->log)
		return;
	mutex_lock(&v->log->lock);
	log_end(v->log);
	mutex_unlock(&v->log->lock);
}

void vdev_log_free(struct vdev *v)
{
	if (!v->log)
		return;
	log_end(v->log);
	mutex_destroy(&v->log->lock);
	kfree(v->log);
	v->log = NULL;
}
