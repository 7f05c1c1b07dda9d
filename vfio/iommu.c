/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest memory as devices see it: I/O addresses are guest physical addresses, all RAM is mapped while a device is there, and BARs are not,
 * unless p2p was asked for. RAM that the IOMMU cannot map as it is, for another use of the address on the host, is refused by name.
 *
 * Main thread; a BAR's maps from under the PCI host's lock, too.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/log.h"
#include "vfio/vfio.h"
#include "vmm/vm.h"

int vfio_host_get(struct vm *vm, struct vfio_host **ret)
{
	struct vfio_host *host = vm->vfio;

	if (!host) {
		host = calloc(1, sizeof(*host));
		if (!host)
			return -ENOMEM;
		host->vm = vm;
		host->kvm_fd = -1;
		list_init(&host->devices);
		vm->vfio = host;
	}
	*ret = host;
	return 0;
}

void vfio_free(struct vm *vm)
{
	struct vfio_host *host = vm->vfio;
	unsigned int i;

	if (!host)
		return;
	assert(list_empty(&host->devices));
	for (i = 0; i < ARRAY_SIZE(host->iommu); i++)
		if (host->iommu[i].ops)
			host->iommu[i].ops->free(&host->iommu[i]);
	vfio_sys_close(host->kvm_fd);
	free(host);
	vm->vfio = NULL;
}

/* --- which way --- */

enum { WAY_GROUP, WAY_IOMMUFD };

static int use_group(struct vfio_host *host, const struct vfio_config *cfg, const struct vfio_place *place, struct vfio_iommu **ret,
		     struct error *err)
{
	if (place->fd >= 0)
		return error_set(err, -EINVAL, "%s '%s': an open file is used with iommufd only", cfg->option, cfg->device);
	if (place->group < 0)
		return error_set(err, -ENODEV, "%s '%s': %s has no IOMMU group", cfg->option, cfg->device, place->name);
	*ret = &host->iommu[WAY_GROUP];
	return (*ret)->ops ? 0 : vfio_group_iommu_create(host, cfg, *ret, err);
}

static int use_iommufd(struct vfio_host *host, const struct vfio_config *cfg, const struct vfio_place *place, struct vfio_iommu **ret,
		       struct error *err)
{
	if (!vfio_sys_exists("/dev/iommu"))
		return error_set(err, -ENODEV, "%s '%s': this host has no /dev/iommu (modprobe iommufd; CONFIG_IOMMUFD)", cfg->option,
				 cfg->device);
	if (place->fd < 0 && !place->cdev[0])
		return error_set(err, -ENODEV, "%s '%s': %s has no file in /dev/vfio/devices (CONFIG_VFIO_DEVICE_CDEV)", cfg->option, cfg->device,
				 place->name);
	*ret = &host->iommu[WAY_IOMMUFD];
	return (*ret)->ops ? 0 : vfio_iommufd_create(host, cfg, *ret, err);
}

static int choose(struct vfio_host *host, const struct vfio_config *cfg, const struct vfio_place *place, struct vfio_iommu **ret,
		  struct error *err)
{
	struct vfio_iommu *iommu;
	int r;

	switch (cfg->iommu) {
	case VFIO_IOMMU_GROUP:
		r = use_group(host, cfg, place, &iommu, err);
		break;
	case VFIO_IOMMU_IOMMUFD:
		r = use_iommufd(host, cfg, place, &iommu, err);
		break;
	default:
		r = use_iommufd(host, cfg, place, &iommu, err);
		/* Not there, or not this user's to open. */
		if (r < 0 && place->fd < 0 && place->group >= 0)
			r = use_group(host, cfg, place, &iommu, err);
	}
	if (!r)
		*ret = iommu;
	return r;
}

/* A user may have the group's file and not the device's, and a host allow interrupts that are not remapped for the one way and not the other. */
static bool may_try_group(const struct vfio_iommu *iommu, const struct vfio_config *cfg, const struct vfio_place *place, int r)
{
	return (r == -EACCES || r == -EPERM) && cfg->iommu == VFIO_IOMMU_AUTO && iommu == &iommu->host->iommu[WAY_IOMMUFD] &&
	       place->fd < 0 && place->group >= 0;
}

int vfio_iommu_attach(struct vfio_host *host, const struct vfio_config *cfg, const struct vfio_place *place, struct vfio_iommu **ret,
		      struct error *err)
{
	struct vfio_iommu *iommu = NULL;
	struct error why = { "" };
	int r, fd;

	r = choose(host, cfg, place, &iommu, err);
	if (r < 0)
		return r;
	fd = iommu->ops->attach(iommu, cfg, place, err);
	if (may_try_group(iommu, cfg, place, fd)) {
		r = use_group(host, cfg, place, &iommu, &why);
		if (!r)
			r = iommu->ops->attach(iommu, cfg, place, &why);
		/* If neither is allowed, what iommufd lacks is told: there the device would be at its best. */
		if (r != -EACCES && r != -EPERM) {
			fd = r;
			if (r < 0 && err)
				*err = why;
		}
	}
	if (fd >= 0)
		*ret = iommu;
	return fd;
}

/* --- what may be mapped --- */

/* The host's own name for its use of [hole->start, hole->last]: "msi"; false: it has none. */
static bool reserved_as(int group, const struct vfio_iova *hole, char *ret, size_t size)
{
	char path[64], text[4096], type[32], *line, *save = NULL;
	unsigned long long start, last;

	snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%d/reserved_regions", group);
	if (group < 0 || vfio_sys_read_file(path, text, sizeof(text)) < 0)
		return false;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "%llx %llx %31s", &start, &last, type) != 3 || start > hole->last || last < hole->start)
			continue;
		snprintf(ret, size, "%s", type);
		return true;
	}
	return false;
}

static int refuse_ram(const struct vfio_config *cfg, const struct vfio_place *place, const struct guest_range *ram,
		      const struct vfio_iova *hole, struct error *err)
{
	char type[32];
	bool named = reserved_as(place->group, hole, type, sizeof(type));

	return error_set(err, -EADDRNOTAVAIL, "%s '%s': guest RAM 0x%llx-0x%llx cannot be mapped for the DMA of %s: the host's IOMMU %s "
			 "0x%llx-0x%llx%s%s%s", cfg->option, cfg->device, (unsigned long long)ram->gpa,
			 (unsigned long long)(ram->gpa + (ram->size - 1)), place->name, named ? "reserves" : "does not translate",
			 (unsigned long long)hole->start, (unsigned long long)hole->last, named ? " (" : "", named ? type : "", named ? ")" : "");
}

static int check_ram(const struct vfio_iommu *iommu, const struct vfio_config *cfg, const struct vfio_place *place, struct error *err)
{
	const struct guest_mem *mem = &iommu->host->vm->mem;
	u64 page = iommu->info.page_sizes & -iommu->info.page_sizes;
	const struct guest_range *ram;
	struct vfio_iova hole;

	for (ram = mem->ram; ram < mem->ram + mem->nr; ram++) {
		if (vfio_iommu_hole(&iommu->info, ram->gpa, ram->gpa + (ram->size - 1), &hole))
			return refuse_ram(cfg, place, ram, &hole, err);
		if (page && !is_aligned(ram->gpa | ram->size | (uintptr_t)ram->hva, page))
			return error_set(err, -EINVAL, "%s '%s': guest RAM 0x%llx-0x%llx is not made of pages of %llu KiB, the smallest of the host's "
					 "IOMMU", cfg->option, cfg->device, (unsigned long long)ram->gpa,
					 (unsigned long long)(ram->gpa + (ram->size - 1)), (unsigned long long)(page / KIB));
	}
	return 0;
}

/* --- RAM --- */

static int ram_added(struct ram_listener *l, gpa_t gpa, u64 size, void *hva)
{
	struct vfio_iommu *iommu = container_of(l, struct vfio_iommu, listener);

	return iommu->ops->dma_map(iommu, gpa, size, hva, true);
}

static void ram_deleted(struct ram_listener *l, gpa_t gpa, u64 size, void *hva)
{
	struct vfio_iommu *iommu = container_of(l, struct vfio_iommu, listener);
	int r = iommu->ops->dma_unmap(iommu, gpa, size);

	if (r < 0)
		log_warn("vfio", "cannot unmap RAM at 0x%llx: %s", (unsigned long long)gpa, strerror(-r));
}

/* All that this process may lock: DMA pins RAM, and pinned memory counts as locked. */
static void allow_locking(void)
{
	u64 soft, hard;

	if (!vfio_sys_memlock(&soft, &hard) && soft < hard)
		vfio_sys_set_memlock(hard);
}

int vfio_iommu_map_failed(const struct vfio_iommu *iommu, const struct vfio_config *cfg, int r, struct error *err)
{
	const struct vfio_host *host = iommu->host;
	const struct vfio_iommu *group = &host->iommu[WAY_GROUP];
	unsigned long long kib = guest_ram_size(&host->vm->mem) / KIB, need = kib;
	u64 soft, hard;

	/* A container counts for this process, and beside the others; iommufd for all processes of the user, and apart from containers. */
	if (iommu == group && group->listening)
		need += kib * group->containers;
	if (r == -ENOMEM && !vfio_sys_memlock(&soft, &hard) && soft != ~0ULL)
		return error_set(err, r, "%s '%s': DMA needs %llu KiB of locked memory for %llu KiB of guest RAM, %sand the limit is %llu KiB: "
				 "`ulimit -l %llu' as root, or LimitMEMLOCK=%lluK in the systemd unit", cfg->option, cfg->device, need, kib,
				 iommu == group ? "" : "beside what else this user has pinned by iommufd, ", (unsigned long long)(soft / KIB), need, need);
	return error_set_errno(err, r, "%s '%s': cannot map %llu KiB of guest RAM for DMA", cfg->option, cfg->device, kib);
}

static int map_ram(struct vfio_iommu *iommu)
{
	struct vm *vm = iommu->host->vm;
	int r;

	allow_locking();
	/* Before the map: what is discarded between the two would be lost to the device. */
	guest_mem_pin(&vm->mem);
	iommu->listener.add = ram_added;
	iommu->listener.del = ram_deleted;
	r = ram_listen(vm, &iommu->listener);
	if (r < 0)
		guest_mem_unpin(&vm->mem);
	else
		iommu->listening = true;
	return r;
}

int vfio_iommu_use(struct vfio_iommu *iommu, const struct vfio_config *cfg, const struct vfio_place *place, struct error *err)
{
	int r;

	r = iommu->ops->refresh(iommu);
	if (r < 0)
		return error_set_errno(err, r, "%s '%s': cannot ask the host's IOMMU what it maps", cfg->option, cfg->device);
	r = check_ram(iommu, cfg, place, err);
	if (r < 0)
		return r;
	if (!iommu->listening) {
		r = map_ram(iommu);
		if (r < 0)
			return vfio_iommu_map_failed(iommu, cfg, r, err);
	}
	iommu->users++;
	return 0;
}

void vfio_iommu_unuse(struct vfio_iommu *iommu)
{
	struct vm *vm = iommu->host->vm;

	assert(iommu->users);
	if (--iommu->users)
		return;
	ram_unlisten(vm, &iommu->listener);
	iommu->listening = false;
	guest_mem_unpin(&vm->mem);
}

/* --- BARs --- */

int vfio_iommu_map_bar(struct vfio_iommu *iommu, u64 gpa, u64 size, void *hva)
{
	return iommu->ops->dma_map(iommu, gpa, size, hva, true);
}

void vfio_iommu_unmap_bar(struct vfio_iommu *iommu, u64 gpa, u64 size)
{
	int r = iommu->ops->dma_unmap(iommu, gpa, size);

	if (r < 0)
		log_warn("vfio", "cannot unmap a BAR at 0x%llx: %s", (unsigned long long)gpa, strerror(-r));
}
