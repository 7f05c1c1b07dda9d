/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A VFIO PCI device without a host: what vfio/device.c and iommu.c offer, as the kernel's vfio-pci would answer, with the rules it has for
 * the order of calls. Around it the bus of tests/pci-fake.h. For pci-bar-test.c, pci-irq-test.c and tests/fuzz/vfio-pci.c.
 */
#ifndef TESTS_VFIO_FAKE_DEVICE_H
#define TESTS_VFIO_FAKE_DEVICE_H

#include <stdarg.h>
#include <sys/mman.h>

#include "../pci-fake.h"
#include "util/str.h"
#include "vfio/pci.h"
#include "vmm/event.h"

enum { FAKE_VECTORS = 256, FAKE_REGIONS = 7, FAKE_PAGE = 4096 };

struct fake_vfio {
	struct vfio_pci vp;
	struct vfio_device vd;
	struct vfio_config cfg;
	struct vfio_region region[FAKE_REGIONS];
	u32 bar_reg[PCI_BARS];		/* type bits */
	bool config_error;

	/* accesses */
	_Atomic unsigned int reads, writes;
	_Atomic u64 last_off, last_val;
	_Atomic unsigned int last_size;
	int io_error;
	unsigned int maps, unmaps, map_calls, refuse_map;	/* refuse_map: the n-th fails */
	unsigned int dma_maps, dma_unmaps;
	int dma_error;

	/* interrupts: what is on at the device */
	pthread_mutex_t lock;
	int on;				/* index; -1: none */
	unsigned int nr;		/* vectors that were asked for */
	int fd[FAKE_VECTORS];
	bool waits[FAKE_VECTORS];	/* signalled without an eventfd: the device keeps it */
	int unmask_fd;
	bool no_unmask_fd;		/* as a mediated device's driver */
	bool masked;
	struct vfio_irq irq[VFIO_PCI_NUM_IRQS];
	int own_fd[VFIO_PCI_NUM_IRQS];	/* ERR and REQ */
	unsigned int host_vectors;	/* as many can be had; 0: no limit */
	bool enospc;			/* an old host: does not say how many */
	int irq_error;
	unsigned int enables, broken;	/* broken: rules of the kernel */
};

static struct vfio_host fake_host;

static struct fake_vfio *fake_of(struct vfio_device *vd)
{
	return container_of(vd, struct fake_vfio, vd);
}

const char *vfio_device_name(const struct vfio_device *vd)
{
	return vd->cfg->device;
}

const struct vfio_region *vfio_region_get(const struct vfio_device *vd, u32 index)
{
	const struct fake_vfio *f = container_of(vd, struct fake_vfio, vd);

	return index < FAKE_REGIONS && f->region[index].size ? &f->region[index] : NULL;
}

int arch_msi_route(struct vm *vm, const struct msi_msg *msg, struct kvm_irq_routing_entry *e)
{
	return fake.no_msi ? -EOPNOTSUPP : 0;
}

/* Reads give the region's number and the offset. */
int vfio_region_read(struct vfio_device *vd, const struct vfio_region *r, u64 off, unsigned int size, u64 *ret)
{
	struct fake_vfio *f = fake_of(vd);

	if (off % size || off >= r->size || size > r->size - off)
		abort();
	atomic_fetch_add(&f->reads, 1);
	if (f->io_error)
		return f->io_error;
	*ret = (0x1122334400000000ULL | (u64)r->index << 16 | off) & ones(size);
	return 0;
}

int vfio_region_write(struct vfio_device *vd, const struct vfio_region *r, u64 off, unsigned int size, u64 val)
{
	struct fake_vfio *f = fake_of(vd);

	if (off % size || off >= r->size || size > r->size - off)
		abort();
	atomic_fetch_add(&f->writes, 1);
	f->last_off = off;
	f->last_size = size;
	f->last_val = val;
	return f->io_error;
}

/* Nobody may touch it here. */
int vfio_region_mmap(struct vfio_device *vd, const struct vfio_region *r, const struct vfio_area *area, void **ret)
{
	struct fake_vfio *f = fake_of(vd);
	void *p;

	if (area->off % FAKE_PAGE || area->size % FAKE_PAGE || !area->size || area->off + area->size > r->size)
		abort();
	if (++f->map_calls == f->refuse_map)
		return -EINVAL;
	p = mmap(NULL, area->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		abort();
	f->maps++;
	*ret = p;
	return 0;
}

static unsigned int fake_unmaps;

void vfio_sys_munmap(void *p, size_t len)
{
	fake_unmaps++;
	if (munmap(p, len) < 0)
		abort();
}

int vfio_pci_device_read(struct vfio_pci *vp, unsigned int off, unsigned int size, u32 *ret)
{
	struct fake_vfio *f = fake_of(vp->vd);

	if (off < 0x10 || off >= 0x10 + 4 * PCI_BARS || size != 4)
		abort();
	if (f->config_error)
		return -EIO;
	*ret = f->bar_reg[(off - 0x10) / 4];
	return 0;
}

static bool fake_slot_at(gpa_t gpa, u64 size)
{
	unsigned int i;
	bool ret = false;

	pthread_mutex_lock(&fake.lock);
	for (i = 0; i < FAKE_SLOTS && !ret; i++)
		ret = fake.slot[i].used && fake.slot[i].gpa == gpa && fake.slot[i].size == size;
	pthread_mutex_unlock(&fake.lock);
	return ret;
}

static struct fake_vfio *fake_p2p;	/* whose BARs are targets */

int vfio_iommu_map_bar(struct vfio_iommu *iommu, u64 gpa, u64 size, void *hva)
{
	if (!fake_slot_at(gpa, size))
		abort();
	if (fake_p2p->dma_error)
		return fake_p2p->dma_error;
	fake_p2p->dma_maps++;
	return 0;
}

/* Before the memory goes. */
void vfio_iommu_unmap_bar(struct vfio_iommu *iommu, u64 gpa, u64 size)
{
	if (!fake_slot_at(gpa, size))
		abort();
	fake_p2p->dma_unmaps++;
}

/* --- interrupts --- */

int vfio_irq_get(struct vfio_device *vd, u32 index, struct vfio_irq *ret)
{
	if (index >= VFIO_PCI_NUM_IRQS)
		return -EINVAL;
	*ret = fake_of(vd)->irq[index];
	return 0;
}

static int fake_break_rule(struct fake_vfio *f)
{
	f->broken++;
	return -EINVAL;
}

static int fake_set_locked(struct fake_vfio *f, u32 index, u32 start, u32 count, const int *fd)
{
	u32 i;

	if (f->irq_error)
		return f->irq_error;
	if (index == VFIO_PCI_ERR_IRQ_INDEX || index == VFIO_PCI_REQ_IRQ_INDEX) {
		f->own_fd[index] = fd[0];
		return 0;
	}
	if (!count || start + count > f->irq[index].count || (f->on >= 0 && f->on != (int)index))
		return fake_break_rule(f);
	if (f->on < 0) {
		if (f->host_vectors && start + count > f->host_vectors)
			return f->enospc ? -ENOSPC : (int)f->host_vectors;
		f->on = (int)index;
		f->nr = start + count;
		f->masked = false;
		f->enables++;
		for (i = 0; i < FAKE_VECTORS; i++)
			f->fd[i] = -1;
	}
	if (start + count > f->nr)	/* VFIO_IRQ_INFO_NORESIZE */
		return fake_break_rule(f);
	for (i = 0; i < count; i++) {
		f->fd[start + i] = fd[i];
		if (fd[i] >= 0 && f->waits[start + i]) {
			f->waits[start + i] = false;
			eventfd_signal(fd[i]);
		}
	}
	return 0;
}

int vfio_irq_set_fds(struct vfio_device *vd, u32 index, u32 start, u32 count, const int *fd)
{
	struct fake_vfio *f = fake_of(vd);
	int r;

	pthread_mutex_lock(&f->lock);
	r = fake_set_locked(f, index, start, count, fd);
	pthread_mutex_unlock(&f->lock);
	return r;
}

int vfio_irq_disable(struct vfio_device *vd, u32 index)
{
	struct fake_vfio *f = fake_of(vd);
	int r = 0;

	pthread_mutex_lock(&f->lock);
	if (index >= VFIO_PCI_ERR_IRQ_INDEX)
		f->own_fd[index] = -1;
	else if (f->on != (int)index)
		r = fake_break_rule(f);
	else
		f->on = f->unmask_fd = -1;
	memset(f->waits, 0, sizeof(f->waits));
	pthread_mutex_unlock(&f->lock);
	return r;
}

int vfio_irq_mask(struct vfio_device *vd, u32 index, bool mask)
{
	struct fake_vfio *f = fake_of(vd);
	int r = 0;

	pthread_mutex_lock(&f->lock);
	if (index != VFIO_PCI_INTX_IRQ_INDEX || f->on != (int)index)
		r = fake_break_rule(f);
	else
		f->masked = mask;
	pthread_mutex_unlock(&f->lock);
	return r;
}

int vfio_irq_unmask_fd(struct vfio_device *vd, u32 index, int fd)
{
	struct fake_vfio *f = fake_of(vd);
	int r = 0;

	pthread_mutex_lock(&f->lock);
	if (index != VFIO_PCI_INTX_IRQ_INDEX || f->on != (int)index)
		r = fake_break_rule(f);
	else if (f->no_unmask_fd)
		r = -ENOTTY;
	else
		f->unmask_fd = fd;
	pthread_mutex_unlock(&f->lock);
	return r;
}

/* The device interrupts. */
UNUSED static void fake_fire(struct fake_vfio *f, unsigned int vector)
{
	pthread_mutex_lock(&f->lock);
	if (f->on >= 0 && vector < f->nr) {
		if (f->fd[vector] >= 0)
			eventfd_signal(f->fd[vector]);
		else
			f->waits[vector] = true;
	}
	pthread_mutex_unlock(&f->lock);
}

static _Atomic unsigned int fake_exits;
static char fake_exit_text[160];

void vm_request_exit(struct vm *vm, enum vm_exit_cause cause, int status, const char *fmt, ...)
{
	va_list ap;

	if (cause != VM_EXIT_HOST_ERROR)
		abort();
	va_start(ap, fmt);
	vsnprintf(fake_exit_text, sizeof(fake_exit_text), fmt, ap);
	va_end(ap);
	atomic_fetch_add(&fake_exits, 1);
}

/* --- what is done when the host asks for it back --- */

static struct {
	bool no_eject, no_button;
	unsigned int asked, pressed;
} fake_back;

int pci_eject_ask(struct pci_dev *pdev)
{
	fake_back.asked += !fake_back.no_eject;
	return fake_back.no_eject ? -EOPNOTSUPP : 0;
}

int power_button_press(struct vm *vm)
{
	fake_back.pressed += !fake_back.no_button;
	return fake_back.no_button ? -ENODEV : 0;
}

/* --- the main loop --- */

struct fake_rounds {
	struct event_work work;
	struct event_loop *loop;
	unsigned int left;
};

static void fake_next_round(struct event_work *w)
{
	struct fake_rounds *r = container_of(w, struct fake_rounds, work);

	if (r->left--)
		event_post(r->loop, w, fake_next_round);
	else
		event_loop_stop(r->loop);
}

/* What was signalled before is handled: each round waits for all there is. */
UNUSED static void fake_loop_run(struct vm *vm)
{
	struct fake_rounds r = { .loop = vm->loop, .left = 4 };

	event_post(vm->loop, &r.work, fake_next_round);
	event_loop_run(vm->loop);
}

/* --- making one --- */

static void fake_config_was_written(struct pci_dev *pdev, unsigned int off, unsigned int size, u32 val);

static const struct pci_dev_ops fake_vfio_ops = {
	.bar_activated = vfio_pci_bar_activated, .bar_deactivating = vfio_pci_bar_deactivating, .config_written = fake_config_was_written,
	.vector_changed = vfio_pci_vector_changed,
};

static struct fake_vfio *fake_vfio(struct vm *vm)
{
	struct fake_vfio *f = calloc(1, sizeof(*f));
	unsigned int i;

	if (!fake_host.vm) {
		list_init(&fake_host.devices);
		fake_host.vm = vm;
		fake_unmaps = 0;
	}
	fake.writable_slots = true;
	f->cfg = (struct vfio_config){ .device = "0000:01:00.0", .option = "--vfio" };
	f->vd = (struct vfio_device){ .host = &fake_host, .cfg = &f->cfg };
	list_add_tail(&fake_host.devices, &f->vd.node);
	f->vp.vd = &f->vd;
	f->vp.msix_bar = PCI_BARS;
	f->vp.command_known = true;
	f->on = f->unmask_fd = -1;
	for (i = 0; i < VFIO_PCI_NUM_IRQS; i++)
		f->own_fd[i] = -1;
	pthread_mutex_init(&f->lock, NULL);
	if (pci_dev_init(&f->vp.pdev, &fake_vfio_ops, &fake_ids) < 0)
		abort();
	f->vp.pdev.intx_by_kvm = true;
	return f;
}

static void fake_vfio_end(struct vm *vm, struct fake_vfio *f)
{
	list_del(&f->vd.node);
	pthread_mutex_destroy(&f->lock);
	free(f);
	if (list_empty(&fake_host.devices)) {
		fake_host.vm = NULL;
		fake_vm_free(vm);
	}
}

#endif
