/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A kernel with VFIO on tests/vfio/fake-sys.h: groups, containers of type 1, an iommufd, KVM's side, and PCI functions; as strict as the real
 * one where that tells right from wrong. What the files of vfio/ do to it ends in its tables and in fake.log.
 */
#ifndef TESTS_VFIO_FAKE_HOST_H
#define TESTS_VFIO_FAKE_HOST_H

#include <linux/kvm.h>

#include "fake-sys.h"

enum { FAKE_DEVS = 8, FAKE_GROUPS = 8, FAKE_MAPS = 16, FAKE_RANGES = 8, FAKE_REGIONS = 10, FAKE_IRQS = 5, FAKE_DIRTY = 32 };

static const char F_VM[] = "vm", F_KVM[] = "kvm", F_CONTAINER[] = "container", F_GROUP[] = "group", F_DEVICE[] = "device", F_IOMMUFD[] = "iommufd";

/* An I/O address space: a container's or the iommufd's. */
struct fake_space {
	struct { u64 iova, size, va; } map[FAKE_MAPS];		/* size 0: free */
	u64 dirty[FAKE_DIRTY];		/* addresses of pages */
	unsigned int nr_dirty;
	bool tracking;
	int groups;
	bool set;			/* SET_IOMMU */
	bool any;			/* does not say what it maps */
	u64 only, last;			/* maps but this, if last is not 0 */
	u32 argsz;			/* a lie about its information, if not 0 */
};

struct fake_region {
	u32 flags, cap_offset;
	u64 size, offset;
	u8 caps[256];			/* lie at offset 32 of the answer */
	u32 caps_len, argsz;		/* argsz: a lie, if not 0 */
	int error;
};

struct fake_dev {
	char name[32];
	int group;
	char vfio[16];			/* "vfio0"; "": no class device */
	bool busy, bound, opened;
	u32 flags, nr_regions, nr_irqs;
	struct fake_region region[FAKE_REGIONS];
	struct { u32 flags, count; } irq[FAKE_IRQS];
	u8 mem[1 << 16];		/* what is behind all regions, at the file's offset modulo this */
	u32 set_flags, set_index, set_start, set_count;	/* the last SET_IRQS */
	s32 set_fd[4];
	u64 feature_in, feature_out;
	u32 hot_count, hot_flags, hot_id[4];
	u8 hot_devfn[4];
	unsigned int hot_lie;		/* the second answer names so many */
	u32 last_reset_count;
	s32 last_reset_fd[4];
	bool can_track;
	u32 pt;				/* attached to */
};

static struct {
	struct fake_dev dev[FAKE_DEVS];
	unsigned int nr_devs;
	bool viable[FAKE_GROUPS];
	struct fake_space *container[FAKE_GROUPS];	/* of a group; NULL: in none */
	struct fake_file *container_file[FAKE_GROUPS];	/* the group's reference */
	bool group_open[FAKE_GROUPS];
	struct fake_space ioas;
	int api, types;			/* types: bits, 1 << VFIO_TYPE1_IOMMU, ... */
	int set_iommu_error;
	bool one_group;			/* a container takes one only */
	struct { u64 start, end; } range[FAKE_RANGES];
	unsigned int nr_ranges;
	u64 page_sizes, dirty_pages, max_bitmap;
	bool no_migration_cap;
	u64 lock_limit;			/* bytes that may be mapped in all; 0: any */
	u32 next_id;
	unsigned int tables;		/* HWPTs alive */
	u32 ranges_lie;
	bool ranges_grow;	/* more than there is room for, and no error */
	bool no_kvm;
	unsigned int containers;
} host;

/* --- the address spaces --- */

static u64 fake_mapped(const struct fake_space *s)
{
	u64 sum = 0;
	unsigned int i;

	for (i = 0; i < FAKE_MAPS; i++)
		sum += s->map[i].size;
	return sum;
}

static UNUSED unsigned int fake_maps(const struct fake_space *s)
{
	unsigned int i, n = 0;

	for (i = 0; i < FAKE_MAPS; i++)
		n += s->map[i].size != 0;
	return n;
}

static int fake_map(struct fake_space *s, u64 iova, u64 size, u64 va)
{
	unsigned int i, slot = FAKE_MAPS;
	bool inside = !host.nr_ranges;

	for (i = 0; i < host.nr_ranges; i++)
		inside = inside || (iova >= host.range[i].start && iova + (size - 1) <= host.range[i].end);
	if (!size || !inside || (iova | size | va) & 4095)
		return -EINVAL;
	for (i = 0; i < FAKE_MAPS; i++) {
		if (!s->map[i].size)
			slot = MIN(slot, i);
		else if (iova < s->map[i].iova + s->map[i].size && s->map[i].iova < iova + size)
			return -EEXIST;
	}
	if (slot == FAKE_MAPS)
		return -ENOSPC;
	if (host.lock_limit && fake_mapped(s) + size > MIN(host.lock_limit, fake.soft))
		return -ENOMEM;
	s->map[slot].iova = iova;
	s->map[slot].size = size;
	s->map[slot].va = va;
	fake_log("map-%llx+%llx", (unsigned long long)iova, (unsigned long long)size);
	return 0;
}

static int fake_unmap(struct fake_space *s, u64 iova, u64 size)
{
	unsigned int i;

	for (i = 0; i < FAKE_MAPS; i++) {
		if (s->map[i].size != size || s->map[i].iova != iova)
			continue;
		s->map[i].size = 0;
		fake_log("unmap-%llx", (unsigned long long)iova);
		return 0;
	}
	fake_log("bad-unmap");
	return -ENOENT;
}

/* Read and clear. */
static void fake_take_dirty(struct fake_space *s, u64 iova, u64 size, u64 page, u64 *bitmap)
{
	unsigned int i, n = 0;

	for (i = 0; i < s->nr_dirty; i++) {
		if (s->dirty[i] < iova || s->dirty[i] - iova >= size)
			s->dirty[n++] = s->dirty[i];
		else
			bitmap[(s->dirty[i] - iova) / page / 64] |= 1ULL << (s->dirty[i] - iova) / page % 64;
	}
	s->nr_dirty = n;
}

static int fake_container_dirty(struct fake_space *s, struct vfio_iommu_type1_dirty_bitmap *arg)
{
	struct vfio_iommu_type1_dirty_bitmap_get *get = (void *)arg->data;
	bool starts = false, ends = false;
	unsigned int i;
	u64 k, words;

	switch (arg->flags) {
	case VFIO_IOMMU_DIRTY_PAGES_FLAG_START:
		s->tracking = true;
		return 0;
	case VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP:
		s->tracking = false;
		return 0;
	case VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP:
		break;
	default:
		return -EINVAL;
	}
	if (!s->tracking || arg->argsz != 48 || get->bitmap.pgsize != (host.dirty_pages & -host.dirty_pages))
		return -EINVAL;
	words = (get->size / get->bitmap.pgsize + 63) / 64;
	if (get->bitmap.size < words * 8 || get->bitmap.size > host.max_bitmap)
		return -EINVAL;
	for (i = 0; i < FAKE_MAPS; i++) {
		starts = starts || (s->map[i].size && s->map[i].iova == get->iova);
		ends = ends || (s->map[i].size && s->map[i].iova + s->map[i].size == get->iova + get->size);
	}
	for (k = 0; k < words; k++)
		if (((u64 *)(void *)get->bitmap.data)[k])
			return -EINVAL;
	if (!starts || !ends)	/* would cut a map */
		return -EINVAL;
	fake_take_dirty(s, get->iova, get->size, get->bitmap.pgsize, (u64 *)(void *)get->bitmap.data);
	return 0;
}

static void fake_put(u8 *buf, size_t at, u64 v, unsigned int size)
{
	memcpy(buf + at, &v, size);
}

/* IOVA_RANGE, MIGRATION and DMA_AVAIL, in that order. */
static int fake_container_info(const struct fake_space *s, struct vfio_iommu_type1_info *arg)
{
	u32 at = 24, next, i, nr = s->any ? 0 : s->last ? 1 : host.nr_ranges;
	u8 buf[512] = { 0 };

	fake_put(buf, 4, VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS, 4);
	fake_put(buf, 8, host.page_sizes, 8);
	if (nr) {
		next = at + 16 + 16 * nr;
		fake_put(buf, at, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, 2);
		fake_put(buf, at + 4, next, 4);
		fake_put(buf, at + 8, nr, 4);
		for (i = 0; i < nr; i++) {
			fake_put(buf, at + 16 + 16 * i, s->last ? s->only : host.range[i].start, 8);
			fake_put(buf, at + 24 + 16 * i, s->last ? s->last : host.range[i].end, 8);
		}
		at = next;
	}
	if (!host.no_migration_cap) {
		fake_put(buf, at, VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION, 2);
		fake_put(buf, at + 4, at + 32, 4);
		fake_put(buf, at + 16, host.dirty_pages, 8);
		fake_put(buf, at + 24, host.max_bitmap, 8);
		at += 32;
	}
	fake_put(buf, at, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, 2);
	fake_put(buf, at + 8, 1000, 4);
	at += 12;
	fake_put(buf, 0, s->argsz ? s->argsz : at, 4);
	if (arg->argsz >= at)
		fake_put(buf, 16, 24, 4);
	memcpy(arg, buf, MIN(arg->argsz, at));
	return 0;
}

static int fake_container_ioctl(struct fake_space *s, unsigned long request, void *arg)
{
	switch (request) {
	case VFIO_GET_API_VERSION:
		return host.api;
	case VFIO_CHECK_EXTENSION:
		return host.types >> (uintptr_t)arg & 1;
	case VFIO_SET_IOMMU:
		if (host.set_iommu_error || !s->groups || s->set)
			return host.set_iommu_error ? host.set_iommu_error : -EINVAL;
		s->set = true;
		fake_log("type%lu", (unsigned long)(uintptr_t)arg);
		return 0;
	}
	if (!s->set)
		return -EINVAL;
	switch (request) {
	case VFIO_IOMMU_GET_INFO:
		return fake_container_info(s, arg);
	case VFIO_IOMMU_MAP_DMA: {
		struct vfio_iommu_type1_dma_map *m = arg;

		return fake_map(s, m->iova, m->size, m->vaddr);
	}
	case VFIO_IOMMU_UNMAP_DMA: {
		struct vfio_iommu_type1_dma_unmap *m = arg;

		return fake_unmap(s, m->iova, m->size);
	}
	case VFIO_IOMMU_DIRTY_PAGES:
		return fake_container_dirty(s, arg);
	}
	return -ENOTTY;
}

/* --- groups --- */

static int fake_open_device(struct fake_dev *d)
{
	if (d->opened)
		return -EBUSY;
	d->opened = true;
	fake_log("open-%s", d->name);
	return 0;
}

static int fake_group_ioctl(int *nr, unsigned long request, void *arg)
{
	struct vfio_group_status *status = arg;
	struct fake_file *f;
	unsigned int i;
	int r;

	switch (request) {
	case VFIO_GROUP_GET_STATUS:
		status->flags = host.viable[*nr] ? VFIO_GROUP_FLAGS_VIABLE : 0;
		return 0;
	case VFIO_GROUP_SET_CONTAINER: {
		struct fake_space *s;

		f = fake_file(*(int *)arg);
		if (!f || f->kind != F_CONTAINER || host.container[*nr])
			return -EINVAL;
		s = f->obj;
		if (host.one_group && s->groups)
			return -EINVAL;
		s->groups++;
		host.container[*nr] = s;
		host.container_file[*nr] = f;
		f->refs++;
		return 0;
	}
	case VFIO_GROUP_GET_DEVICE_FD:
		if (!host.container[*nr] || !host.container[*nr]->set)
			return -EINVAL;
		for (i = 0; i < host.nr_devs; i++) {
			if (host.dev[i].group != *nr || strcmp(host.dev[i].name, arg))
				continue;
			r = fake_open_device(&host.dev[i]);
			host.dev[i].bound = r == 0;
			return r < 0 ? r : fake_fd_new(F_DEVICE, &host.dev[i]);
		}
		return -ENODEV;
	}
	return -ENOTTY;
}

/* --- devices --- */

static int fake_region_info(struct fake_dev *d, struct vfio_region_info *arg)
{
	struct fake_region *r = &d->region[arg->index];
	u8 buf[32 + sizeof(r->caps)] = { 0 };
	u32 room = arg->argsz, len = (u32)sizeof(*arg) + r->caps_len;
	struct vfio_region_info info = {
		.argsz = r->argsz ? r->argsz : len, .index = arg->index, .flags = r->flags, .size = r->size, .offset = r->offset,
	};

	if (arg->index >= d->nr_regions || arg->index >= FAKE_REGIONS)
		return -EINVAL;
	if (r->error)
		return r->error;
	if (r->caps_len && room >= len)
		info.cap_offset = r->cap_offset ? r->cap_offset : sizeof(*arg);
	memcpy(buf, &info, sizeof(info));
	memcpy(buf + sizeof(info), r->caps, r->caps_len);
	memcpy(arg, buf, MIN(room, len));
	return 0;
}

static int fake_set_irqs(struct fake_dev *d, const struct vfio_irq_set *set)
{
	size_t data = set->flags & VFIO_IRQ_SET_DATA_EVENTFD ? set->count * 4 : 0;

	if (set->argsz != sizeof(*set) + data || set->index >= d->nr_irqs || set->start + set->count > d->irq[set->index].count)
		return -EINVAL;
	d->set_flags = set->flags;
	d->set_index = set->index;
	d->set_start = set->start;
	d->set_count = set->count;
	memcpy(d->set_fd, set->data, MIN(data, sizeof(d->set_fd)));
	return 0;
}

static int fake_hot_info(struct fake_dev *d, struct uapi_vfio_hot_reset_info *info)
{
	u32 i, room = (u32)((info->argsz - sizeof(*info)) / sizeof(info->device[0]));

	if (!d->hot_count)
		return -ENODEV;
	info->flags = d->hot_flags;
	info->count = d->hot_lie && room ? d->hot_lie : d->hot_count;
	if (room < d->hot_count)
		return -ENOSPC;
	for (i = 0; i < d->hot_count; i++) {
		info->device[i].id = d->hot_id[i];
		info->device[i].devfn = d->hot_devfn[i];
	}
	return 0;
}

static int fake_bind(struct fake_dev *d, struct uapi_vfio_bind_iommufd *arg)
{
	struct fake_file *f = fake_file(arg->iommufd);

	if (d->bound || !f || f->kind != F_IOMMUFD)
		return -EINVAL;
	if (!host.viable[d->group])
		return -EPERM;
	d->bound = true;
	d->opened = true;
	arg->out_devid = 100 + (u32)(d - host.dev);
	fake_log("bind-%s", d->name);
	return 0;
}

static int fake_device_ioctl(struct fake_dev *d, unsigned long request, void *arg)
{
	if (request == VFIO_DEVICE_BIND_IOMMUFD)
		return fake_bind(d, arg);
	if (!d->bound)
		return -EINVAL;
	switch (request) {
	case VFIO_DEVICE_GET_INFO: {
		struct vfio_device_info *info = arg;

		info->flags = d->flags;
		info->num_regions = d->nr_regions;
		info->num_irqs = d->nr_irqs;
		return 0;
	}
	case VFIO_DEVICE_GET_REGION_INFO:
		return fake_region_info(d, arg);
	case VFIO_DEVICE_GET_IRQ_INFO: {
		struct vfio_irq_info *info = arg;

		if (!d->irq[info->index].count)
			return -EIO;
		info->flags = d->irq[info->index].flags;
		info->count = d->irq[info->index].count;
		return 0;
	}
	case VFIO_DEVICE_SET_IRQS:
		return fake_set_irqs(d, arg);
	case VFIO_DEVICE_FEATURE: {
		struct vfio_device_feature *f = arg;

		if ((f->flags & VFIO_DEVICE_FEATURE_MASK) != VFIO_DEVICE_FEATURE_MIGRATION)
			return -ENOTTY;
		if (f->argsz >= sizeof(*f) + 8) {
			memcpy(&d->feature_in, f->data, 8);
			memcpy(f->data, &d->feature_out, 8);
		}
		return 0;
	}
	case VFIO_DEVICE_RESET:
		fake_log("reset");
		return 0;
	case VFIO_DEVICE_GET_PCI_HOT_RESET_INFO:
		return fake_hot_info(d, arg);
	case VFIO_DEVICE_PCI_HOT_RESET: {
		struct vfio_pci_hot_reset *reset = arg;

		d->last_reset_count = reset->count;
		memcpy(d->last_reset_fd, reset->group_fds, MIN(reset->count * 4, sizeof(d->last_reset_fd)));
		fake_log("hot-reset");
		return 0;
	}
	case VFIO_DEVICE_ATTACH_IOMMUFD_PT:
		d->pt = ((struct uapi_vfio_attach_iommufd_pt *)arg)->pt_id;
		fake_log("attach-%s-%u", d->name, d->pt);
		return 0;
	case VFIO_DEVICE_DETACH_IOMMUFD_PT:
		d->pt = 0;
		fake_log("detach-%s", d->name);
		return 0;
	}
	return -ENOTTY;
}

/* --- iommufd: one I/O address space, number 1; tables from 2 on --- */

static int fake_iommufd_ranges(struct uapi_iommu_ioas_iova_ranges *arg)
{
	struct uapi_iommu_iova_range *out = (void *)(uintptr_t)arg->allowed_iovas;
	u32 room = arg->num_iovas, i;

	arg->num_iovas = host.ranges_lie ? host.ranges_lie : MAX(host.nr_ranges, 1U);
	arg->out_iova_alignment = host.page_sizes & -host.page_sizes;
	if (room < MAX(host.nr_ranges, 1U))
		return -EMSGSIZE;
	if (host.ranges_grow)
		arg->num_iovas = room + 1;
	if (!host.nr_ranges)
		out[0] = (struct uapi_iommu_iova_range){ 0, ~0ULL };
	for (i = 0; i < host.nr_ranges; i++)
		out[i] = (struct uapi_iommu_iova_range){ host.range[i].start, host.range[i].end };
	return 0;
}

static int fake_iommufd_ioctl(unsigned long request, void *arg)
{
	struct fake_space *s = &host.ioas;

	switch (request) {
	case IOMMU_IOAS_ALLOC:
		((struct uapi_iommu_ioas_alloc *)arg)->out_ioas_id = 1;
		host.next_id = 2;
		return 0;
	case IOMMU_DESTROY: {
		u32 i, id = ((struct uapi_iommu_destroy *)arg)->id;

		for (i = 0; i < host.nr_devs; i++)
			if (host.dev[i].pt == id)
				return -EBUSY;
		host.tables--;
		fake_log("destroy-%u", id);
		return 0;
	}
	case IOMMU_IOAS_IOVA_RANGES:
		return fake_iommufd_ranges(arg);
	case IOMMU_IOAS_MAP: {
		struct uapi_iommu_ioas_map *m = arg;

		return m->ioas_id == 1 && m->flags == 7 ? fake_map(s, m->iova, m->length, m->user_va) : -EINVAL;
	}
	case IOMMU_IOAS_UNMAP: {
		struct uapi_iommu_ioas_unmap *m = arg;

		return fake_unmap(s, m->iova, m->length);
	}
	case IOMMU_GET_HW_INFO: {
		struct uapi_iommu_hw_info *info = arg;

		info->out_capabilities = host.dev[info->dev_id - 100].can_track;
		return 0;
	}
	case IOMMU_HWPT_ALLOC: {
		struct uapi_iommu_hwpt_alloc *a = arg;

		if (a->pt_id != 1 || a->flags != UAPI_HWPT_ALLOC_DIRTY_TRACKING)
			return -EINVAL;
		a->out_hwpt_id = host.next_id++;
		host.tables++;
		return 0;
	}
	case IOMMU_HWPT_SET_DIRTY_TRACKING:
		s->tracking = ((struct uapi_iommu_hwpt_set_dirty_tracking *)arg)->flags;
		return 0;
	case IOMMU_HWPT_GET_DIRTY_BITMAP: {
		struct uapi_iommu_hwpt_get_dirty_bitmap *g = arg;

		if (!s->tracking || g->page_size != 4096)
			return -EINVAL;
		fake_take_dirty(s, g->iova, g->length, g->page_size, (u64 *)(uintptr_t)g->data);
		return 0;
	}
	}
	return -ENOTTY;
}

/* --- KVM --- */

static int fake_vm_ioctl(unsigned long request, void *arg)
{
	struct kvm_create_device *dev = arg;

	if (request != KVM_CREATE_DEVICE || dev->type != KVM_DEV_TYPE_VFIO)
		return -EINVAL;
	if (host.no_kvm)
		return -ENODEV;
	dev->fd = (u32)fake_fd_new(F_KVM, NULL);
	return 0;
}

static int fake_kvm_ioctl(unsigned long request, void *arg)
{
	const struct kvm_device_attr *attr = arg;
	struct fake_file *f;

	if (request != KVM_SET_DEVICE_ATTR || attr->group != 1)
		return -ENXIO;
	f = fake_file(*(s32 *)(uintptr_t)attr->addr);
	if (!f)
		return -EBADF;
	if (f->kind != F_GROUP && f->kind != F_DEVICE)
		return -EINVAL;
	fake_log("%s-%s", attr->attr == 1 ? "kvm-add" : "kvm-del", f->kind);
	if (f->kvm == (attr->attr == 1)) {
		fake_log("bad-kvm");
		return f->kvm ? -EEXIST : -ENOENT;
	}
	f->kvm = !f->kvm;
	if (f->kvm)
		f->refs++;
	else
		fake_file_put(f);
	return 0;
}

/* --- what fake-sys.h asks for --- */

static int fake_open_path(const char *path)
{
	unsigned int i;
	int nr;

	if (!strcmp(path, "/dev/iommu"))
		return fake_fd_new(F_IOMMUFD, NULL);
	if (!strcmp(path, "/dev/vfio/vfio")) {
		host.containers++;
		return fake_fd_new(F_CONTAINER, calloc(1, sizeof(struct fake_space)));
	}
	for (i = 0; i < host.nr_devs; i++)
		if (!strncmp(path, "/dev/vfio/devices/", 18) && !strcmp(path + 18, host.dev[i].vfio))
			return fake_fd_new(F_DEVICE, &host.dev[i]);
	if (sscanf(path, "/dev/vfio/%d", &nr) == 1 && nr < FAKE_GROUPS) {
		int *obj = malloc(sizeof(int));

		if (host.group_open[nr] || !obj) {
			free(obj);
			return -EBUSY;
		}
		host.group_open[nr] = true;
		*obj = nr;
		return fake_fd_new(F_GROUP, obj);
	}
	return -ENXIO;
}

static int fake_ioctl_file(struct fake_file *f, unsigned long request, void *arg)
{
	if (f->kind == F_VM)
		return fake_vm_ioctl(request, arg);
	if (f->kind == F_KVM)
		return fake_kvm_ioctl(request, arg);
	if (f->kind == F_CONTAINER)
		return fake_container_ioctl(f->obj, request, arg);
	if (f->kind == F_GROUP)
		return fake_group_ioctl(f->obj, request, arg);
	if (f->kind == F_IOMMUFD)
		return fake_iommufd_ioctl(request, arg);
	return fake_device_ioctl(f->obj, request, arg);
}

static int fake_access_file(struct fake_file *f, void *in, const void *out, size_t len, u64 off)
{
	struct fake_dev *d = f->obj;

	if (f->kind != F_DEVICE || len > sizeof(d->mem) - off % sizeof(d->mem))
		return -EINVAL;
	if (in)
		memcpy(in, d->mem + off % sizeof(d->mem), len);
	if (out)
		memcpy(d->mem + off % sizeof(d->mem), out, len);
	return 0;
}

static void fake_last_close(struct fake_file *f)
{
	struct fake_dev *d = f->obj;

	if (f->kind == F_CONTAINER) {
		host.containers--;
		free(f->obj);
	} else if (f->kind == F_GROUP) {
		int nr = *(int *)f->obj;

		host.group_open[nr] = false;
		if (host.container[nr]) {
			host.container[nr]->groups--;
			host.container[nr] = NULL;
			fake_file_put(host.container_file[nr]);
		}
		free(f->obj);
	} else if (f->kind == F_DEVICE) {
		d->bound = d->opened = false;
		d->pt = 0;
		fake_log("close-%s", d->name);
	}
}

/* --- a world --- */

/* A PCI function in @group, bound to @driver (NULL: none); "vfio-pci" makes it VFIO's. */
static UNUSED struct fake_dev *fake_pci(const char *name, int group, const char *driver)
{
	static const u64 size[] = { 0x4000, 0, 0x1000, 0, 0x20, 0, 0x10000, 0x100 };
	struct fake_dev *d = &host.dev[host.nr_devs++];
	char nr[16];
	u32 i;

	snprintf(d->name, sizeof(d->name), "%s", name);
	d->group = group;
	host.viable[group] = true;
	fake_path(false, "0x8086", "/sys/bus/pci/devices/%s/vendor", name);
	fake_path(true, "../../../../bus/pci", "/sys/bus/pci/devices/%s/subsystem", name);
	fake_path(true, "../../../../bus/pci", "/sys/kernel/iommu_groups/%d/devices/%s/subsystem", group, name);
	snprintf(nr, sizeof(nr), "x/%d", group);
	fake_path(true, nr, "/sys/bus/pci/devices/%s/iommu_group", name);
	if (driver) {
		fake_path(true, driver, "/sys/bus/pci/devices/%s/driver", name);
		fake_path(true, driver, "/sys/kernel/iommu_groups/%d/devices/%s/driver", group, name);
	}
	if (driver && !strcmp(driver, "vfio-pci")) {
		snprintf(d->vfio, sizeof(d->vfio), "vfio%u", host.nr_devs - 1);
		fake_path(false, "", "/sys/bus/pci/devices/%s/vfio-dev/%s/dev", name, d->vfio);
		fake_path(true, name, "/sys/class/vfio-dev/%s/device", d->vfio);
		/* what the link leads to */
		fake_path(true, "../../../../bus/pci", "/sys/class/vfio-dev/%s/device/subsystem", d->vfio);
		fake_path(true, nr, "/sys/class/vfio-dev/%s/device/iommu_group", d->vfio);
		fake_path(false, "", "/sys/class/vfio-dev/%s/device/vfio-dev/%s/dev", d->vfio, d->vfio);
		fake_path(false, "", "/dev/vfio/%d", group);
		fake_path(false, "", "/dev/vfio/devices/%s", d->vfio);
	}
	d->flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
	d->nr_regions = 9;
	d->nr_irqs = 5;
	for (i = 0; i < ARRAY_SIZE(size); i++) {
		d->region[i].size = size[i];
		d->region[i].offset = (u64)i << 40;
		d->region[i].flags = size[i] ? VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE : 0;
	}
	d->region[0].flags |= VFIO_REGION_INFO_FLAG_MMAP;
	d->region[VFIO_PCI_VGA_REGION_INDEX].error = -EINVAL;
	for (i = 0; i < FAKE_IRQS; i++)
		d->irq[i].count = i == VFIO_PCI_MSIX_IRQ_INDEX ? 8 : 1;
	d->irq[0].flags = VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE;
	return d;
}

/* A host with IOMMU, modules and both ways, nothing open. */
static UNUSED void fake_world(void)
{
	memset(&fake, 0, sizeof(fake));
	memset(&host, 0, sizeof(host));
	fake.soft = fake.hard = ~0ULL;
	host.types = 1 << VFIO_TYPE1_IOMMU | 1 << VFIO_TYPE1v2_IOMMU;
	host.page_sizes = 4096 | 2 << 20;
	host.dirty_pages = 4096;
	host.max_bitmap = 256 << 20;
	fake_path(false, "", "/dev/vfio/vfio");
	fake_path(false, "", "/dev/iommu");
	fake_path(false, "", "/sys/class/iommu/dmar0/devices");
	fake_path(false, "", "/sys/bus/pci/drivers/vfio-pci/bind");
}

#endif
