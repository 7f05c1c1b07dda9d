/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KVM's binary statistics. [Documentation/virt/kvm/api 4.133 KVM_GET_STATS_FD]
 *
 * A file is a header, an id, descriptors with the name of each value, and a block of u64 values. The first three never change, so
 * they are read and checked once, and each later look is one pread of the values. Units and exponents are left to the names
 * ("halt_wait_ns"), which carry them.
 *
 * Threads: a kvm_stats has no lock; the VM's are the main thread's.
 */
#include "vmm/kvm-stats.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "util/json.h"
#include "util/log.h"
#include "vmm/vm.h"

/* Kernels have about 60 values with names of 48 bytes; what is far beyond that is not understood. */
enum { MAX_VALUES = 1024, MAX_NAME = 256, MAX_ITEMS = 1024, MAX_DATA = 256 * 1024 };

struct value {
	const char *name;	/* into names */
	bool level;		/* instant or peak; else a counter or histogram */
	unsigned int first, nr;	/* items of data[] */
};

struct kvm_stats {
	int fd;			/* owned */
	off_t data_off;
	unsigned int nr, items;
	struct value *value;	/* owned */
	char *names;		/* owned */
	u64 *data;		/* owned */
};

static int read_all(int fd, void *buf, size_t len, off_t off)
{
	ssize_t n = pread(fd, buf, len, off);

	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EPROTO;
}

/* A name goes into JSON and onto a terminal. */
static bool name_ok(const char *name, size_t room)
{
	size_t i;

	for (i = 0; i < room && name[i]; i++)
		if (name[i] <= ' ' || name[i] >= 0x7f || name[i] == '"' || name[i] == '\\')
			return false;
	return i && i < room;
}

static int add_value(struct kvm_stats *s, const struct kvm_stats_desc *d, const char *name, size_t room)
{
	u32 type = d->flags & KVM_STATS_TYPE_MASK;
	struct value *v = &s->value[s->nr];

	if (!name_ok(name, room) || d->size < 1 || d->size > MAX_ITEMS || d->offset % sizeof(u64) ||
	    d->offset > MAX_DATA - d->size * sizeof(u64))
		return -EPROTO;
	v->name = name;
	v->level = type == KVM_STATS_TYPE_INSTANT || type == KVM_STATS_TYPE_PEAK;
	v->first = d->offset / sizeof(u64);
	v->nr = d->size;
	s->items = MAX(s->items, v->first + v->nr);
	s->nr++;
	return 0;
}

static int read_descriptors(struct kvm_stats *s, const struct kvm_stats_header *h)
{
	const size_t each = sizeof(struct kvm_stats_desc) + h->name_size;
	struct kvm_stats_desc d;
	char *block;
	u32 i;
	int r;

	block = malloc(h->num_desc * each);
	s->names = block;
	s->value = calloc(h->num_desc, sizeof(*s->value));
	if (!block || !s->value)
		return -ENOMEM;
	r = read_all(s->fd, block, h->num_desc * each, h->desc_offset);
	for (i = 0; i < h->num_desc && !r; i++) {
		memcpy(&d, block + i * each, sizeof(d));
		r = add_value(s, &d, block + i * each + sizeof(d), h->name_size);
	}
	return r;
}

static int read_layout(struct kvm_stats *s)
{
	struct kvm_stats_header h;
	int r;

	r = read_all(s->fd, &h, sizeof(h), 0);
	if (r < 0)
		return r;
	if (!h.num_desc || h.num_desc > MAX_VALUES || !h.name_size || h.name_size > MAX_NAME)
		return -EPROTO;
	s->data_off = h.data_offset;
	r = read_descriptors(s, &h);
	if (r < 0)
		return r;
	s->data = calloc(s->items, sizeof(*s->data));
	return s->data ? 0 : -ENOMEM;
}

int kvm_stats_open(int fd, struct kvm_stats **ret)
{
	struct kvm_stats *s = calloc(1, sizeof(*s));
	int r;

	if (!s) {
		close(fd);
		return -ENOMEM;
	}
	s->fd = fd;
	r = read_layout(s);
	if (r < 0) {
		kvm_stats_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void kvm_stats_free(struct kvm_stats *s)
{
	if (!s)
		return;
	close(s->fd);
	free(s->value);
	free(s->names);
	free(s->data);
	free(s);
}

int kvm_stats_write(struct kvm_stats *s, struct strbuf *b)
{
	const struct value *v;
	unsigned int i;
	int r;

	r = read_all(s->fd, s->data, s->items * sizeof(*s->data), s->data_off);
	if (r < 0)
		return r;
	for (v = s->value; v < s->value + s->nr; v++) {
		if (v->nr == 1) {
			json_u64(b, v->name, s->data[v->first]);
			continue;
		}
		json_array_begin(b, v->name);
		for (i = 0; i < v->nr; i++)
			json_u64(b, NULL, s->data[v->first + i]);
		json_array_end(b);
	}
	return 0;
}

void kvm_stats_write_levels(const struct kvm_stats *s, struct strbuf *b)
{
	const struct value *v;

	for (v = s->value; v < s->value + s->nr; v++)
		if (v->level)
			json_str(b, NULL, v->name);
}

/* --- a VM and its vCPUs --- */

struct vm_kvm_stats {
	struct kvm_stats *vm;		/* owned; NULL: cannot be had */
	struct kvm_stats *vcpu[];	/* owned, each, or NULL */
};

static struct kvm_stats *open_one(int owner_fd)
{
	struct kvm_stats *s = NULL;
	int r, fd;

	fd = ioctl(owner_fd, KVM_GET_STATS_FD, NULL);
	r = fd < 0 ? -errno : kvm_stats_open(fd, &s);
	if (r < 0)
		log_warn(NULL, "KVM's statistics: %s", strerror(-r));
	return s;
}

enum { SPARE_FDS = 64 };

/* No more descriptors, probably: the others would not fare better, and of the @nr that are open the VM may need some for itself yet. */
static void give_back(struct vm_kvm_stats *all, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < SPARE_FDS && nr; i++) {
		kvm_stats_free(all->vcpu[--nr]);
		all->vcpu[nr] = NULL;
	}
}

static struct vm_kvm_stats *get(struct vm *vm)
{
	struct vm_kvm_stats *all = vm->kvm_stats;
	unsigned int i;

	if (all)
		return all;
	all = calloc(1, sizeof(*all) + vm->cfg.cpus * sizeof(all->vcpu[0]));
	if (!all)
		return NULL;
	vm->kvm_stats = all;
	if (!vm_check_cap(vm, KVM_CAP_BINARY_STATS_FD))
		return all;
	all->vm = open_one(vm->vm_fd);
	if (!all->vm)
		return all;
	vm_hold_vcpus(vm);
	for (i = 0; i < vm->cfg.cpus; i++) {
		all->vcpu[i] = open_one(vm->vcpu[i].fd);
		if (!all->vcpu[i]) {
			give_back(all, i);
			break;
		}
	}
	vm_release_vcpus(vm);
	return all;
}

struct kvm_stats *vm_kvm_stats(struct vm *vm)
{
	struct vm_kvm_stats *all = get(vm);

	return all ? all->vm : NULL;
}

struct kvm_stats *vcpu_kvm_stats(struct vm *vm, unsigned int vcpu)
{
	struct vm_kvm_stats *all = get(vm);

	return all ? all->vcpu[vcpu] : NULL;
}

void vm_kvm_stats_free(struct vm *vm)
{
	struct vm_kvm_stats *all = vm->kvm_stats;
	unsigned int i;

	if (!all)
		return;
	for (i = 0; i < vm->cfg.cpus; i++)
		kvm_stats_free(all->vcpu[i]);
	kvm_stats_free(all->vm);
	free(all);
	vm->kvm_stats = NULL;
}
