/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interrupts into the in-kernel irqchip. [Documentation/virt/kvm/api 4.25, 4.52, 4.70, 4.75, 4.59]
 *
 * Wired lines: each device has an end; a GSI is high while any end is. The level KVM was told is kept, so a change that
 * does not change the wire costs no ioctl.
 *
 * Routes: KVM takes its whole routing table at once. It has its own default table until the first MSI route is
 * made, so a VM without irqfds never sends one; then the table is the arch's own routes and ours.
 *
 * Threads: any. state->lock guards everything and is held over the ioctl, so that KVM sees changes in our order.
 */
#include "vmm/irq.h"

#include <errno.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "util/log.h"
#include "vmm/arch.h"
#include "vmm/vm.h"

enum { IRQ_GSIS = 1024, IRQ_ARCH_ROUTES = 256 };

struct irq_line {
	struct vm *vm;
	u32 gsi;
	bool level;	/* this end; guarded by irq_state.lock */
};

struct irq_route {
	bool used;
	struct msi_msg msg;
};

struct irq_state {
	pthread_mutex_t lock;
	u16 high[IRQ_GSIS];		/* ends that are high */
	struct irq_route *route;	/* owned; [gsi - first], NULL until the first */
	u32 first;			/* first GSI that may be a route */
	u32 routes;			/* entries in route */
	struct log_rate rate;
	bool want_devid;		/* KVM tells MSIs apart by requester id (ITS) */
};

int irq_init(struct vm *vm)
{
	struct irq_state *st = calloc(1, sizeof(*st));

	if (!st)
		return -ENOMEM;
	pthread_mutex_init(&st->lock, NULL);
	st->want_devid = vm_check_cap(vm, KVM_CAP_MSI_DEVID) > 0;
	vm->irq = st;
	return 0;
}

void irq_free(struct vm *vm)
{
	if (!vm->irq)
		return;
	pthread_mutex_destroy(&vm->irq->lock);
	free(vm->irq->route);
	free(vm->irq);
	vm->irq = NULL;
}

int irq_line_get(struct vm *vm, u32 gsi, struct irq_line **ret)
{
	struct irq_line *line;

	if (gsi >= IRQ_GSIS)
		return -EINVAL;
	line = calloc(1, sizeof(*line));
	if (!line)
		return -ENOMEM;
	line->vm = vm;
	line->gsi = gsi;
	*ret = line;
	return 0;
}

void irq_line_put(struct irq_line *line)
{
	if (!line)
		return;
	irq_line_set(line, false);
	free(line);
}

static void set_level(struct vm *vm, u32 gsi, bool level)
{
	int r = arch_irq_set(vm, gsi, level);

	if (r < 0)
		log_ratelimited(&vm->irq->rate, LOG_WARNING, "irq", "line %u: %s", gsi, strerror(-r));
}

void irq_line_set(struct irq_line *line, bool level)
{
	struct irq_state *st = line->vm->irq;

	pthread_mutex_lock(&st->lock);
	if (line->level != level) {
		line->level = level;
		if (level ? st->high[line->gsi]++ == 0 : --st->high[line->gsi] == 0)
			set_level(line->vm, line->gsi, level);
	}
	pthread_mutex_unlock(&st->lock);
}

void irq_line_pulse(struct irq_line *line)
{
	irq_line_set(line, true);
	irq_line_set(line, false);
}

int irq_msi_send(struct vm *vm, const struct msi_msg *msg)
{
	return arch_msi_send(vm, msg);
}

int irq_kvm_msi(struct vm *vm, const struct msi_msg *msg, u64 addr)
{
	struct kvm_msi msi = {
		.address_lo = (u32)addr,
		.address_hi = (u32)(addr >> 32),
		.data = msg->data,
		.devid = msg->devid,
	};

	if (vm->irq->want_devid)
		msi.flags |= KVM_MSI_VALID_DEVID;
	return ioctl(vm->vm_fd, KVM_SIGNAL_MSI, &msi) < 0 ? -errno : 0;
}

void irq_kvm_msi_route(const struct vm *vm, const struct msi_msg *msg, u64 addr, struct kvm_irq_routing_entry *e)
{
	e->type = KVM_IRQ_ROUTING_MSI;
	e->u.msi.address_lo = (u32)addr;
	e->u.msi.address_hi = (u32)(addr >> 32);
	e->u.msi.data = msg->data;
	if (vm->irq->want_devid) {
		e->flags = KVM_MSI_VALID_DEVID;
		e->u.msi.devid = msg->devid;
	}
}

static int commit_locked(struct vm *vm)
{
	struct irq_state *st = vm->irq;
	struct kvm_irq_routing *table;
	struct kvm_irq_routing_entry *e;
	u32 i;
	int r;

	table = calloc(1, sizeof(*table) + (IRQ_ARCH_ROUTES + st->routes) * sizeof(table->entries[0]));
	if (!table)
		return -ENOMEM;
	table->nr = arch_irq_routes(vm, table->entries, IRQ_ARCH_ROUTES);
	for (i = 0, r = 0; i < st->routes && !r; i++) {
		if (!st->route[i].used)
			continue;
		e = &table->entries[table->nr++];
		e->gsi = st->first + i;
		r = arch_msi_route(vm, &st->route[i].msg, e);
	}
	if (!r && ioctl(vm->vm_fd, KVM_SET_GSI_ROUTING, table) < 0)
		r = -errno;
	free(table);
	return r;
}

static int routes_init_locked(struct vm *vm)
{
	struct irq_state *st = vm->irq;
	int max;

	if (st->route)
		return 0;
	max = vm_check_cap(vm, KVM_CAP_IRQ_ROUTING);
	st->first = arch_irq_first_msi_gsi(vm);
	if (max <= 0 || (u32)max <= st->first)
		return -ENOSPC;
	st->routes = MIN((u32)max, (u32)IRQ_GSIS) - st->first;
	st->route = calloc(st->routes, sizeof(*st->route));
	return st->route ? 0 : -ENOMEM;
}

int irq_route_add(struct vm *vm, const struct msi_msg *msg, u32 *ret_gsi)
{
	struct irq_state *st = vm->irq;
	u32 i;
	int r;

	pthread_mutex_lock(&st->lock);
	r = routes_init_locked(vm);
	if (r < 0)
		goto out;
	for (i = 0; i < st->routes && st->route[i].used; i++)
		;
	if (i == st->routes) {
		r = -ENOSPC;
		goto out;
	}
	st->route[i] = (struct irq_route){ .used = true, .msg = *msg };
	r = commit_locked(vm);
	if (r < 0)
		st->route[i].used = false;
	else
		*ret_gsi = st->first + i;
out:
	pthread_mutex_unlock(&st->lock);
	return r;
}

int irq_route_update(struct vm *vm, u32 gsi, const struct msi_msg *msg)
{
	struct irq_state *st = vm->irq;
	struct msi_msg old;
	int r;

	pthread_mutex_lock(&st->lock);
	old = st->route[gsi - st->first].msg;
	st->route[gsi - st->first].msg = *msg;
	r = commit_locked(vm);
	if (r < 0)
		st->route[gsi - st->first].msg = old;
	pthread_mutex_unlock(&st->lock);
	return r;
}

void irq_route_del(struct vm *vm, u32 gsi)
{
	struct irq_state *st = vm->irq;

	pthread_mutex_lock(&st->lock);
	st->route[gsi - st->first].used = false;
	commit_locked(vm);	/* a smaller table than KVM took before */
	pthread_mutex_unlock(&st->lock);
}

static int irqfd(struct vm *vm, u32 gsi, int fd, int resample_fd, u32 flags)
{
	struct kvm_irqfd req = { .fd = (u32)fd, .gsi = gsi, .flags = flags };

	if (resample_fd >= 0) {
		req.flags |= KVM_IRQFD_FLAG_RESAMPLE;
		req.resamplefd = (u32)resample_fd;
	}
	return ioctl(vm->vm_fd, KVM_IRQFD, &req) < 0 ? -errno : 0;
}

int irq_irqfd_add(struct vm *vm, u32 gsi, int fd, int resample_fd)
{
	return irqfd(vm, gsi, fd, resample_fd, 0);
}

void irq_irqfd_del(struct vm *vm, u32 gsi, int fd)
{
	irqfd(vm, gsi, fd, -1, KVM_IRQFD_FLAG_DEASSIGN);
}

static int ioeventfd(struct vm *vm, enum io_space space, u64 addr, unsigned int len, bool match, u64 data, int fd,
		     u32 flags)
{
	struct kvm_ioeventfd req = { .addr = addr, .len = len, .datamatch = data, .fd = fd, .flags = flags };

	if (space == IO_PORT && vm->port_window.mapped)
		req.addr += vm->port_window.base;
	else if (space == IO_PORT)
		req.flags |= KVM_IOEVENTFD_FLAG_PIO;
	if (match)
		req.flags |= KVM_IOEVENTFD_FLAG_DATAMATCH;
	return ioctl(vm->vm_fd, KVM_IOEVENTFD, &req) < 0 ? -errno : 0;
}

int ioeventfd_add(struct vm *vm, enum io_space space, u64 addr, unsigned int len, bool match, u64 data, int fd)
{
	return ioeventfd(vm, space, addr, len, match, data, fd, 0);
}

void ioeventfd_del(struct vm *vm, enum io_space space, u64 addr, unsigned int len, bool match, u64 data, int fd)
{
	ioeventfd(vm, space, addr, len, match, data, fd, KVM_IOEVENTFD_FLAG_DEASSIGN);
}
