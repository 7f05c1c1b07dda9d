/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interrupts of a VFIO PCI function: INTx, MSI or MSI-X, whichever the guest has switched on; and the two that are meant for us, "error" and
 * "give it back". [Documentation/driver-api/vfio.rst, include/uapi/linux/vfio.h: VFIO_DEVICE_SET_IRQS]
 *
 * The device signals eventfds that KVM takes as interrupts, so that none of them comes by here:
 *
 *   INTx    one eventfd, joined to the GSI of the pin with a second one that KVM signals at the end of interrupt and the host's driver takes
 *           as "unmask": what still interrupts then signals again, so that any number of such functions may share a line. Whether it may
 *           be shared with a function of lkvm's, too, is the machine's to say (pci_host_config.intx_one_level): pci_plug() keeps them
 *           apart where not. While the guest has INTx Disable set the two are parted in KVM (the line is low) and the device is masked.
 *           INTx is not even begun while it is set. A host's driver that takes no such eventfd (a mediated device's) is told by the main
 *           loop.
 *   MSI     as many vectors as the driver allowed, one eventfd each.
 *   MSI-X   all vectors of the table are asked for at once when the guest enables it, so that none need be added later, which on most hosts
 *           takes switching all of them off for a while, and an interrupt may be lost in that while. Asking costs the host little: a
 *           vector without an eventfd takes no CPU's vector. Up to EAGER vectors each has its eventfd at once, so that what comes
 *           before the guest's first unmasking is seen as pending, too. Devices with more get one when the guest first unmasks a vector:
 *           GSIs are few (about 1000 in a VM). What came before waits in the device, masked there.
 *
 * eventfds and routes are pci-msi.c's, which follow mask and message, and are given back whenever the guest switches off. Where KVM takes no
 * irqfd, or all GSIs are in use, the eventfd is watched by the main loop, which notifies: slower, nothing lost.
 *
 * A host that has fewer vectors than the guest asked for: the first of them work. A host that refuses: nothing arrives until the guest
 * switches off and on again.
 *
 * Threads: any; vp->irq_lock guards all of it but what handlers of the main loop count. No handler takes a lock that is held around
 * event_del().
 */
#include "vfio/pci.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/json.h"
#include "util/log.h"
#include "vmm/arch.h"
#include "vmm/hw.h"
#include "vmm/vm.h"

enum { EAGER = 64 };

enum irq_kind { IRQ_NONE, IRQ_INTX, IRQ_MSI, IRQ_MSIX };

static const char *const kind_name[] = { "none", "INTx", "MSI", "MSI-X" };
static const u32 kind_index[] = { 0, VFIO_PCI_INTX_IRQ_INDEX, VFIO_PCI_MSI_IRQ_INDEX, VFIO_PCI_MSIX_IRQ_INDEX };

/* A vector that comes by the main loop. */
struct slow_vector {
	struct slow_vector *next;
	struct event_source src;
	struct pci_dev *pdev;		/* borrowed */
	unsigned int vector;
	bool msix;
};

/* An interrupt that is for us. */
struct own_irq {
	struct event_source src;
	struct vfio_pci *vp;		/* borrowed */
	int fd;				/* owned; -1: the device has none */
	_Atomic u64 count;
	struct log_rate rate;
};

struct vfio_pci_irq {
	enum irq_kind kind;		/* what the guest has on, as far as the device was told */
	bool up;			/* and the device does it */
	bool held;			/* off until vfio_pci_irq_update(), whatever the guest does */

	bool has_intx;
	_Atomic bool masked;		/* by INTx Disable; the main loop reads it without the lock */
	u32 gsi;
	int trigger, unmask;		/* owned; -1: no INTx */
	struct event_source ended;	/* of unmask, where the host's driver does not take it */
	struct vfio_device *vd;		/* borrowed */

	unsigned int host_vectors[IRQ_MSIX + 1];	/* by kind: what the host says it has */
	unsigned int asked;		/* vectors the guest switched on */
	unsigned int nr;		/* vectors on at the device */
	int *fd;			/* owned; [asked]; borrowed from pci-msi.c or slow; -1: none yet */
	struct slow_vector *slow;	/* owned list */
	unsigned int nr_slow;
	bool fewer_told;
	struct log_rate rate;

	struct own_irq err, req;
};

static struct vm *vm_of(const struct vfio_pci *vp)
{
	return vp->vd->host->vm;
}

/* --- vectors --- */

/* Main loop. */
static void slow_fired(struct event_source *src, u32 events)
{
	struct slow_vector *s = container_of(src, struct slow_vector, src);

	if (!eventfd_drain(src->fd))
		return;
	if (s->msix)
		pci_msix_notify(s->pdev, s->vector);
	else
		pci_msi_notify(s->pdev, s->vector);
}

static int slow_create(struct vfio_pci *vp, unsigned int vector)
{
	struct slow_vector *s = calloc(1, sizeof(*s));
	int fd = eventfd_create(), r;

	if (!s || fd < 0) {
		r = s ? fd : -ENOMEM;
		goto fail;
	}
	*s = (struct slow_vector){ .next = vp->irq->slow, .pdev = &vp->pdev, .vector = vector, .msix = vp->irq->kind == IRQ_MSIX };
	r = event_add(vm_of(vp)->loop, &s->src, fd, EPOLLIN, slow_fired);
	if (r < 0)
		goto fail;
	vp->irq->slow = s;
	vp->irq->nr_slow++;
	return fd;
fail:
	if (fd >= 0)
		close(fd);
	free(s);
	return r;
}

static void slow_free_all(struct vfio_pci_irq *irq)
{
	struct slow_vector *s;
	int fd;

	while (irq->slow) {
		s = irq->slow;
		irq->slow = s->next;
		fd = s->src.fd;
		event_del(&s->src);
		close(fd);
		free(s);
	}
	irq->nr_slow = 0;
}

/* Gives vector @v its eventfd, the fast way if there is one. */
static void vector_make_fd(struct vfio_pci *vp, unsigned int v)
{
	struct vfio_pci_irq *irq = vp->irq;
	int r = irq->kind == IRQ_MSIX ? pci_msix_irqfd(&vp->pdev, v) : pci_msi_irqfd(&vp->pdev, v);

	if (r < 0)
		r = slow_create(vp, v);
	if (r < 0)
		log_ratelimited(&irq->rate, LOG_WARNING, vp->pdev.dev.name, "%s vector %u has no eventfd: %s", kind_name[irq->kind], v, strerror(-r));
	irq->fd[v] = MAX(r, -1);
}

/* As many of irq->fd[0..@n) as the host gives. Their number, or -errno. */
static int vectors_ask(struct vfio_pci *vp, unsigned int n)
{
	struct vfio_pci_irq *irq = vp->irq;
	int r;

	while (n) {
		r = vfio_irq_set_fds(vp->vd, kind_index[irq->kind], 0, n, irq->fd);
		if (!r)
			return (int)n;
		if (r < 0 && r != -ENOSPC)
			return r;
		n = r > 0 && (unsigned int)r < n ? (unsigned int)r : n / 2;	/* > 0: it says how many there are */
	}
	return -ENOSPC;
}

static int vectors_on(struct vfio_pci *vp)
{
	struct vfio_pci_irq *irq = vp->irq;
	bool msix = irq->kind == IRQ_MSIX;
	unsigned int v, n;
	int r;

	irq->asked = msix ? pci_msix_vectors(&vp->pdev) : pci_msi_allocated(&vp->pdev);
	n = MIN(irq->asked, irq->host_vectors[irq->kind]);
	irq->fd = calloc(irq->asked, sizeof(*irq->fd));
	if (!irq->fd)
		return -ENOMEM;
	for (v = 0; v < n; v++) {
		irq->fd[v] = -1;
		if (!msix || n <= EAGER || pci_msix_deliverable(&vp->pdev, v))
			vector_make_fd(vp, v);
	}
	r = vectors_ask(vp, n);
	if (r < 0)
		return r;
	irq->nr = (unsigned int)r;
	if (irq->nr < irq->asked && !irq->fewer_told) {
		irq->fewer_told = true;
		log_warn(vp->pdev.dev.name, "the host has %u of the %u %s vectors that the guest asked for: the others stay silent", irq->nr,
			 irq->asked, kind_name[irq->kind]);
	}
	return 0;
}

/* The guest may have unmasked it for the first time. */
static void vector_use(struct vfio_pci *vp, unsigned int v)
{
	struct vfio_pci_irq *irq = vp->irq;
	int r;

	if (irq->fd[v] >= 0 || !pci_msix_deliverable(&vp->pdev, v))
		return;
	vector_make_fd(vp, v);
	if (irq->fd[v] < 0)
		return;
	r = vfio_irq_set_fds(vp->vd, VFIO_PCI_MSIX_IRQ_INDEX, v, 1, &irq->fd[v]);
	if (r < 0)
		log_ratelimited(&irq->rate, LOG_WARNING, vp->pdev.dev.name, "the host refuses MSI-X vector %u: %s", v, strerror(-r));
}

static void vectors_off(struct vfio_pci *vp)
{
	struct vfio_pci_irq *irq = vp->irq;

	pci_msi_irqfds_free(&vp->pdev);
	slow_free_all(irq);
	free(irq->fd);
	irq->fd = NULL;
	irq->nr = irq->asked = 0;
}

/* --- INTx --- */

static int intx_join(struct vfio_pci *vp)
{
	return irq_irqfd_add(vm_of(vp), vp->irq->gsi, vp->irq->trigger, vp->irq->unmask);
}

static void intx_part(struct vfio_pci *vp)
{
	irq_irqfd_del(vm_of(vp), vp->irq->gsi, vp->irq->trigger);
}

/*
 * Main loop. Without the lock: INTx Disable may come in between, or another kind of interrupts. Then the device may signal once more, as in
 * intx_mask(), or refuses.
 */
static void intx_ended(struct event_source *src, u32 events)
{
	struct vfio_pci_irq *irq = container_of(src, struct vfio_pci_irq, ended);

	if (eventfd_drain(src->fd) && !irq->masked)
		vfio_irq_mask(irq->vd, VFIO_PCI_INTX_IRQ_INDEX, false);
}

static int intx_unmask_fd(struct vfio_pci *vp)
{
	struct vfio_pci_irq *irq = vp->irq;
	int r;

	if (irq->ended.loop)
		return 0;
	r = vfio_irq_unmask_fd(vp->vd, VFIO_PCI_INTX_IRQ_INDEX, irq->unmask);
	if (r < 0)
		r = event_add(vm_of(vp)->loop, &irq->ended, irq->unmask, EPOLLIN, intx_ended);
	return r;
}

/* KVM first: what the device signals then has its taker, and an end of interrupt finds its eventfd's counter kept. */
static int intx_on(struct vfio_pci *vp)
{
	struct vfio_pci_irq *irq = vp->irq;
	int r;

	eventfd_drain(irq->trigger);
	eventfd_drain(irq->unmask);
	irq->masked = false;
	r = intx_join(vp);
	if (r < 0)
		return r;
	r = vfio_irq_set_fds(vp->vd, VFIO_PCI_INTX_IRQ_INDEX, 0, 1, &irq->trigger);
	if (r < 0)
		goto part;
	r = intx_unmask_fd(vp);
	if (r < 0)
		goto disable;
	return 0;

disable:
	vfio_irq_disable(vp->vd, VFIO_PCI_INTX_IRQ_INDEX);
part:
	intx_part(vp);
	return r;
}

/*
 * A signal that was not taken before the two were parted stays in the eventfd. It may be one too many later, which a level that nobody
 * drives any more is, too.
 */
static void intx_mask(struct vfio_pci *vp, bool mask)
{
	struct vfio_pci_irq *irq = vp->irq;
	int r = 0;

	if (irq->masked == mask)
		return;
	irq->masked = mask;	/* before the device can signal again, whose end intx_ended() may hear at once */
	if (mask)
		intx_part(vp);
	else
		r = intx_join(vp);
	if (!r)
		r = vfio_irq_mask(vp->vd, VFIO_PCI_INTX_IRQ_INDEX, mask);
	if (r < 0)
		log_ratelimited(&irq->rate, LOG_WARNING, vp->pdev.dev.name, "cannot %s INTx: %s", mask ? "mask" : "unmask", strerror(-r));
}

/* --- which kind is on --- */

static bool intx_disabled(struct vfio_pci *vp)
{
	bool ret;

	pthread_mutex_lock(&vp->pdev.irq_lock);
	ret = vp->pdev.intx_disabled;
	pthread_mutex_unlock(&vp->pdev.irq_lock);
	return ret;
}

/* [pci-3.0 6.8.1.3, 6.8.2.3] MSI or MSI-X, or else the pin */
static enum irq_kind kind_wanted(struct vfio_pci *vp)
{
	const struct vfio_pci_irq *irq = vp->irq;

	if (pci_msix_enabled(&vp->pdev))
		return IRQ_MSIX;
	if (pci_msi_enabled(&vp->pdev))
		return IRQ_MSI;
	return irq->has_intx && (irq->kind == IRQ_INTX || !intx_disabled(vp)) ? IRQ_INTX : IRQ_NONE;
}

static void kind_off(struct vfio_pci *vp)
{
	struct vfio_pci_irq *irq = vp->irq;

	if (irq->up)
		vfio_irq_disable(vp->vd, kind_index[irq->kind]);
	if (irq->up && irq->kind == IRQ_INTX && !irq->masked)
		intx_part(vp);
	vectors_off(vp);
	irq->up = false;
	irq->kind = IRQ_NONE;
}

static void kind_on(struct vfio_pci *vp, enum irq_kind kind)
{
	struct vfio_pci_irq *irq = vp->irq;
	int r;

	irq->kind = kind;
	if (kind == IRQ_NONE)
		return;
	r = kind == IRQ_INTX ? intx_on(vp) : vectors_on(vp);
	irq->up = r == 0;
	if (r < 0)
		log_ratelimited(&irq->rate, LOG_WARNING, vp->pdev.dev.name, "the host refuses %s: %s", kind_name[kind], strerror(-r));
}

/* INTx is the kind that is on. One that the host refused is tried again when the guest has it off and on. */
static void intx_follow(struct vfio_pci *vp)
{
	struct vfio_pci_irq *irq = vp->irq;
	bool disabled = intx_disabled(vp);

	if (irq->up)
		intx_mask(vp, disabled);
	else if (irq->masked && !disabled)
		kind_on(vp, IRQ_INTX);
	else
		irq->masked = disabled;
}

/* @first to @last: vectors that may have changed. */
static void update_locked(struct vfio_pci *vp, unsigned int first, unsigned int last)
{
	struct vfio_pci_irq *irq = vp->irq;
	enum irq_kind kind = kind_wanted(vp);
	unsigned int v;

	if (kind != irq->kind || (kind == IRQ_MSI && irq->asked != pci_msi_allocated(&vp->pdev))) {
		kind_off(vp);
		kind_on(vp, kind);
	} else if (kind == IRQ_INTX) {
		intx_follow(vp);
	} else if (kind == IRQ_MSIX) {
		for (v = first; v <= last && v < irq->nr; v++)
			vector_use(vp, v);
	}
}

void vfio_pci_irq_update(struct vfio_pci *vp)
{
	if (!vp->irq)
		return;
	pthread_mutex_lock(&vp->irq_lock);
	vp->irq->held = false;
	update_locked(vp, 0, ~0U);
	pthread_mutex_unlock(&vp->irq_lock);
}

void vfio_pci_vector_changed(struct pci_dev *pdev, unsigned int vector)
{
	struct vfio_pci *vp = vfio_pci_of(pdev);

	if (!vp->irq)
		return;
	pthread_mutex_lock(&vp->irq_lock);
	if (!vp->irq->held)
		update_locked(vp, vector, vector);
	pthread_mutex_unlock(&vp->irq_lock);
}

void vfio_pci_irq_off(struct vfio_pci *vp)
{
	if (!vp->irq)
		return;
	pthread_mutex_lock(&vp->irq_lock);
	vp->irq->held = true;
	kind_off(vp);
	pthread_mutex_unlock(&vp->irq_lock);
}

/* --- those for us --- */

/* Main loop. */
static void err_fired(struct event_source *src, u32 events)
{
	struct own_irq *o = container_of(src, struct own_irq, src);
	const struct vfio_device *vd = o->vp->vd;

	if (!eventfd_drain(src->fd))
		return;
	atomic_fetch_add(&o->count, 1);
	if (vd->cfg->on_error == VFIO_ERROR_STOP)
		vm_request_exit(vd->host->vm, VM_EXIT_HOST_ERROR, 0, "%s '%s': the device met an error that it cannot mend", vd->cfg->option,
				vd->cfg->device);
	else
		log_ratelimited(&o->rate, LOG_WARNING, o->vp->pdev.dev.name, "the device met an error that it cannot mend");
}

/* As on_request says; what the user is told of it. @again: not the first time. A paused guest hears of it when it goes on. */
static const char *act_on_request(struct vfio_pci *vp, bool again)
{
	const enum vfio_request_policy policy = vp->vd->cfg->on_request;
	const bool paused = vm_of(vp)->paused;

	if ((policy == VFIO_REQUEST_AUTO || policy == VFIO_REQUEST_UNPLUG) && pci_eject_ask(&vp->pdev) == 0)
		return paused ? "that takes the guest, which is paused: resume it, or end this VM" :
		       again  ? "the guest is asked for it again; ending this VM gives it back, too" :
				"the guest is asked for it";
	if (policy == VFIO_REQUEST_POWEROFF && power_button_press(vm_of(vp)) == 0)
		return paused ? "that takes a power-off of the guest, which is paused: resume it, or end this VM" : "the guest is asked to power off";
	return "end this VM to give it back";
}

/* Main loop. The host's kernel repeats it until it has the device. */
static void req_fired(struct event_source *src, u32 events)
{
	struct own_irq *o = container_of(src, struct own_irq, src);
	const char *done;

	if (!eventfd_drain(src->fd))
		return;
	o->vp->requested = true;
	done = act_on_request(o->vp, atomic_fetch_add(&o->count, 1) > 0);
	log_ratelimited(&o->rate, LOG_WARNING, o->vp->pdev.dev.name, "the host asks for device '%s' back: %s", o->vp->vd->cfg->device, done);
}

static int own_init(struct vfio_pci *vp, struct own_irq *o, u32 index, void (*fn)(struct event_source *src, u32 events))
{
	struct vfio_irq info;
	int r;

	o->vp = vp;
	o->fd = -1;
	if (vfio_irq_get(vp->vd, index, &info) < 0 || !info.count)
		return 0;
	o->fd = eventfd_create();
	r = o->fd < 0 ? o->fd : event_add(vm_of(vp)->loop, &o->src, o->fd, EPOLLIN, fn);
	if (!r)
		r = vfio_irq_set_fds(vp->vd, index, 0, 1, &o->fd);
	return MIN(r, 0);	/* above: it has none after all */
}

static void own_free(struct vfio_pci *vp, struct own_irq *o, u32 index)
{
	if (o->fd < 0)
		return;
	vfio_irq_disable(vp->vd, index);
	event_del(&o->src);
	close(o->fd);
	o->fd = -1;
}

/* --- life --- */

static unsigned int host_count(struct vfio_pci *vp, u32 index)
{
	struct vfio_irq info;

	return vfio_irq_get(vp->vd, index, &info) < 0 ? 0 : info.count;
}

static bool machine_takes_msis(struct vm *vm)
{
	struct kvm_irq_routing_entry e;

	return arch_msi_route(vm, &(struct msi_msg){ 0 }, &e) != -EOPNOTSUPP;
}

static int intx_init(struct vfio_pci *vp, struct error *err)
{
	const struct vfio_config *cfg = vp->vd->cfg;
	struct vfio_pci_irq *irq = vp->irq;
	const char *rival;

	if (vp->pin_lost) {
		if (!irq->host_vectors[IRQ_MSI] && !irq->host_vectors[IRQ_MSIX])
			return error_set(err, -EOPNOTSUPP, "%s '%s': the device has INTx only, and KVM lacks KVM_CAP_IRQFD_RESAMPLE", cfg->option,
					 cfg->device);
		if (!machine_takes_msis(vp->pdev.dev.vm))
			return error_set(err, -EOPNOTSUPP, "%s '%s': no interrupt of the device would arrive: KVM lacks KVM_CAP_IRQFD_RESAMPLE, which "
					 "INTx takes, and this machine's irqchip knows no MSIs", cfg->option, cfg->device);
		log_warn(vp->pdev.dev.name, "no INTx, as KVM lacks KVM_CAP_IRQFD_RESAMPLE: the guest's driver must use MSI or MSI-X");
		return 0;
	}
	if (!host_count(vp, VFIO_PCI_INTX_IRQ_INDEX) || pci_intx_gsi(&vp->pdev, &irq->gsi) < 0)
		return 0;
	irq->trigger = eventfd_create();
	irq->unmask = eventfd_create();
	if (irq->trigger < 0 || irq->unmask < 0)
		return error_set_errno(err, MIN(irq->trigger, irq->unmask), "%s '%s': eventfds of INTx", cfg->option, cfg->device);
	irq->has_intx = true;
	rival = pci_intx_rival(&vp->pdev);
	if (rival)
		log_warn(vp->pdev.dev.name, "%s '%s' and %s have GSI %u together, and may lose interrupts: let the guest's drivers use MSI "
			 "or MSI-X, or give this VM fewer PCI devices", cfg->option, cfg->device, rival, irq->gsi);
	return 0;
}

int vfio_pci_irq_init(struct vfio_pci *vp, struct error *err)
{
	const struct vfio_config *cfg = vp->vd->cfg;
	struct vfio_pci_irq *irq = calloc(1, sizeof(*irq));
	int r;

	if (!irq)
		return error_set_errno(err, -ENOMEM, "%s '%s'", cfg->option, cfg->device);
	irq->trigger = irq->unmask = irq->err.fd = irq->req.fd = -1;
	pthread_mutex_init(&vp->irq_lock, NULL);
	vp->irq = irq;
	irq->vd = vp->vd;
	irq->host_vectors[IRQ_MSI] = host_count(vp, VFIO_PCI_MSI_IRQ_INDEX);
	irq->host_vectors[IRQ_MSIX] = host_count(vp, VFIO_PCI_MSIX_IRQ_INDEX);
	r = intx_init(vp, err);
	if (r < 0)
		goto free_irq;
	r = own_init(vp, &irq->err, VFIO_PCI_ERR_IRQ_INDEX, err_fired);
	if (!r)
		r = own_init(vp, &irq->req, VFIO_PCI_REQ_IRQ_INDEX, req_fired);
	if (r < 0) {
		error_set_errno(err, r, "%s '%s': its error and request interrupts", cfg->option, cfg->device);
		goto free_irq;
	}
	vfio_pci_irq_update(vp);
	return 0;

free_irq:
	vfio_pci_irq_free(vp);
	return r;
}

void vfio_pci_irq_free(struct vfio_pci *vp)
{
	struct vfio_pci_irq *irq = vp->irq;

	if (!irq)
		return;
	vfio_pci_irq_off(vp);
	own_free(vp, &irq->req, VFIO_PCI_REQ_IRQ_INDEX);
	own_free(vp, &irq->err, VFIO_PCI_ERR_IRQ_INDEX);
	if (irq->ended.loop)
		event_del(&irq->ended);
	if (irq->trigger >= 0)
		close(irq->trigger);
	if (irq->unmask >= 0)
		close(irq->unmask);
	vp->irq = NULL;
	pthread_mutex_destroy(&vp->irq_lock);
	free(irq);
}

void vfio_pci_irq_stats(struct vfio_pci *vp, struct strbuf *b)
{
	struct vfio_pci_irq *irq = vp->irq;

	pthread_mutex_lock(&vp->irq_lock);
	json_str(b, "interrupt", kind_name[irq->up ? irq->kind : IRQ_NONE]);
	json_u64(b, "vectors", irq->nr);
	json_u64(b, "slow_vectors", irq->nr_slow);
	pthread_mutex_unlock(&vp->irq_lock);
	json_u64(b, "errors", atomic_load(&irq->err.count));
	json_u64(b, "requests_back", atomic_load(&irq->req.count));
}
