/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which pages of guest RAM the devices of a VM wrote by DMA. Three ways, the best one for each device:
 *
 *	its own log	VFIO_DEVICE_FEATURE_DMA_LOGGING_*, Linux 6.1: exact
 *	the IOMMU's	iommu->ops->dirty_*: once for all devices of it
 *	none		all pages count as written, always
 *
 * Some kernels start a device's log that they cannot report (Debian's 6.12 has no iova_bitmap): one report tells, at the start.
 * [include/uapi/linux/vfio.h, VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT] after any error the log is lost: its
 * device is among those of the third way from then on. A device that is closed meanwhile, as the guest gave it back, takes along what it
 * wrote since the last read: that counts as all of RAM, once.
 * Main thread.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/log.h"
#include "vfio/migration.h"
#include "vmm/vm.h"

enum { PAGE = 4096, IOMMUS = ARRAY_SIZE(((struct vfio_host *)0)->iommu) };

struct tracked {
	struct vfio_device *vd;		/* borrowed */
	enum vfio_dirty_way way;
	bool first;			/* the report at the start had the first page of RAM */
};

struct vfio_dirty {
	struct vm *vm;			/* borrowed */
	bool on[IOMMUS];		/* that iommu's tracking */
	bool lost;			/* a device was closed since the last read */
	unsigned int nr;
	struct tracked dev[];
};

static unsigned int iommu_index(struct vfio_dirty *d, const struct vfio_device *vd)
{
	return (unsigned int)(vd->iommu - d->vm->vfio->iommu);
}

static void set_all(u64 *bitmap, u64 size)
{
	u64 pages = size / PAGE;

	memset(bitmap, 0xff, (size_t)(pages / 64 * 8));
	if (pages % 64)
		bitmap[pages / 64] |= BIT_ULL(pages % 64) - 1;
}

/* --- a device's own log --- */

static int log_start(struct vfio_dirty *d, struct vfio_device *vd)
{
	struct vfio_device_feature_dma_logging_range range[GUEST_RAM_RANGES];
	struct vfio_device_feature_dma_logging_control control = { .page_size = PAGE, .num_ranges = d->vm->mem.nr, .ranges = (uintptr_t)range };
	unsigned int i;

	for (i = 0; i < d->vm->mem.nr; i++)
		range[i] = (struct vfio_device_feature_dma_logging_range){ d->vm->mem.ram[i].gpa, d->vm->mem.ram[i].size };
	return vfio_feature(vd, VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START, &control, sizeof(control));
}

static int log_report(struct vfio_device *vd, gpa_t gpa, u64 size, u64 *bitmap)
{
	struct vfio_device_feature_dma_logging_report report = {
		.iova = gpa, .length = size, .page_size = PAGE, .bitmap = (uintptr_t)bitmap,
	};

	return vfio_feature(vd, VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT, &report, sizeof(report));
}

static void log_stop(struct vfio_device *vd)
{
	vfio_feature(vd, VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP, NULL, 0);
}

static bool start_own_log(struct vfio_dirty *d, struct tracked *t)
{
	u64 bits = 0;
	int r = log_start(d, t->vd);

	if (r < 0)
		return false;
	r = log_report(t->vd, d->vm->mem.ram[0].gpa, PAGE, &bits);
	if (r < 0) {
		log_debug(vfio_device_name(t->vd), "its DMA log starts and does not report: error %d", -r);
		log_stop(t->vd);
		return false;
	}
	t->first = bits & 1;
	return true;
}

/* --- the IOMMU's --- */

static bool start_iommu(struct vfio_dirty *d, struct vfio_device *vd)
{
	unsigned int i = iommu_index(d, vd);

	if (!d->on[i] && vd->iommu->ops->dirty_start && vd->iommu->ops->dirty_start(vd->iommu) >= 0)
		d->on[i] = true;
	return d->on[i];
}

static void stop_iommu(struct vfio_dirty *d, unsigned int i)
{
	struct vfio_iommu *iommu = &d->vm->vfio->iommu[i];

	if (!d->on[i])
		return;
	iommu->ops->dirty_stop(iommu);
	d->on[i] = false;
}

static int read_iommus(struct vfio_dirty *d, gpa_t gpa, u64 size, u64 *bitmap)
{
	unsigned int i, k;
	int r, first = 0;

	for (i = 0; i < IOMMUS; i++) {
		if (!d->on[i])
			continue;
		r = d->vm->vfio->iommu[i].ops->dirty_read(&d->vm->vfio->iommu[i], gpa, size, bitmap);
		if (r >= 0)
			continue;
		first = first < 0 ? first : r;
		stop_iommu(d, i);
		for (k = 0; k < d->nr; k++)
			if (d->dev[k].way == VFIO_DIRTY_IOMMU && iommu_index(d, d->dev[k].vd) == i)
				d->dev[k].way = VFIO_DIRTY_ALL;
	}
	return first;
}

/* --- all --- */

int vfio_dirty_start(struct vm *vm, struct vfio_dirty **ret, struct error *err)
{
	struct vfio_device *vd;
	struct vfio_dirty *d;
	unsigned int n = 0;

	*ret = NULL;
	if (vm->vfio)
		list_for_each(vd, &vm->vfio->devices, node)
			n++;
	if (!n)
		return 0;
	assert(vm->mem.nr);
	d = calloc(1, sizeof(*d) + n * sizeof(d->dev[0]));
	if (!d)
		return error_set_errno(err, -ENOMEM, "which memory VFIO devices write");
	assert(!vm->vfio->dirty);
	d->vm = vm;
	vm->vfio->dirty = d;
	list_for_each(vd, &vm->vfio->devices, node) {
		struct tracked *t = &d->dev[d->nr++];

		t->vd = vd;
		t->way = start_own_log(d, t) ? VFIO_DIRTY_DEVICE : start_iommu(d, vd) ? VFIO_DIRTY_IOMMU : VFIO_DIRTY_ALL;
	}
	*ret = d;
	return 0;
}

enum vfio_dirty_way vfio_dirty_way_of(const struct vfio_dirty *d, const struct vfio_device *vd)
{
	unsigned int i;

	for (i = 0; d && i < d->nr; i++)
		if (d->dev[i].vd == vd)
			return d->dev[i].way;
	return VFIO_DIRTY_NONE;
}

static bool in_one_range(const struct guest_mem *gm, gpa_t gpa, u64 size)
{
	unsigned int i;

	for (i = 0; i < gm->nr; i++)
		if (gpa >= gm->ram[i].gpa && gpa - gm->ram[i].gpa < gm->ram[i].size)
			return size <= gm->ram[i].size - (gpa - gm->ram[i].gpa);
	return false;
}

static int read_log(struct tracked *t, bool has_first, gpa_t gpa, u64 size, u64 *bitmap)
{
	int r = log_report(t->vd, gpa, size, bitmap);

	if (r < 0) {
		log_stop(t->vd);
		t->way = VFIO_DIRTY_ALL;
		return r;
	}
	if (has_first) {
		bitmap[0] |= t->first;
		t->first = false;
	}
	return 0;
}

int vfio_dirty_read(struct vfio_dirty *d, gpa_t gpa, u64 size, u64 *bitmap)
{
	const struct guest_mem *gm = &d->vm->mem;
	bool all = false;
	unsigned int i;
	int r, ret;

	if (!size || !is_aligned(gpa | size, PAGE) || !in_one_range(gm, gpa, size))
		return -EINVAL;
	ret = read_iommus(d, gpa, size, bitmap);
	if (d->lost && !ret)
		ret = -ENODEV;
	d->lost = false;
	for (i = 0; i < d->nr; i++) {
		r = d->dev[i].way == VFIO_DIRTY_DEVICE ? read_log(&d->dev[i], gpa == gm->ram[0].gpa, gpa, size, bitmap) : 0;
		ret = ret < 0 ? ret : r;
		all |= d->dev[i].way == VFIO_DIRTY_ALL;
	}
	if (all || ret < 0)
		set_all(bitmap, size);
	return ret;
}

static bool iommu_needed(struct vfio_dirty *d, unsigned int iommu)
{
	unsigned int i;

	for (i = 0; i < d->nr; i++)
		if (d->dev[i].way == VFIO_DIRTY_IOMMU && iommu_index(d, d->dev[i].vd) == iommu)
			return true;
	return false;
}

/* Its log goes with it, and the IOMMU's, too, if it is the last one there. */
void vfio_dirty_forget(struct vfio_device *vd)
{
	struct vfio_dirty *d = vd->host->dirty;
	unsigned int i;

	for (i = 0; d && i < d->nr && d->dev[i].vd != vd; i++)
		;
	if (!d || i == d->nr)
		return;
	if (d->dev[i].way == VFIO_DIRTY_DEVICE)
		log_stop(vd);
	d->dev[i] = d->dev[--d->nr];
	d->lost = true;
	if (!iommu_needed(d, iommu_index(d, vd)))
		stop_iommu(d, iommu_index(d, vd));
}

void vfio_dirty_stop(struct vfio_dirty *d)
{
	unsigned int i;

	if (!d)
		return;
	for (i = 0; i < d->nr; i++)
		if (d->dev[i].way == VFIO_DIRTY_DEVICE)
			log_stop(d->dev[i].vd);
	for (i = 0; i < IOMMUS; i++)
		stop_iommu(d, i);
	d->vm->vfio->dirty = NULL;
	free(d);
}
