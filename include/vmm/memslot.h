/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KVM memory slots: guest RAM and every other piece of host memory mapped into
 * the guest (ROM, all-ones holes, BARs of VFIO devices), and listeners that
 * follow guest RAM (VFIO DMA). [Documentation/virt/kvm/api 4.35]
 */
#ifndef VMM_MEMSLOT_H
#define VMM_MEMSLOT_H

#include "util/error.h"
#include "util/list.h"
#include "vmm/memory.h"

struct ram_layout {
	struct { gpa_t gpa; u64 size; } range[GUEST_RAM_RANGES];
	unsigned int nr;
};

/*
 * Allocates RAM for @layout as one host block (guard pages on both sides of
 * every range, aligned for transparent huge pages; or a hugetlbfs file below
 * @hugetlbfs when not NULL), gives it to KVM and fills vm->mem.
 * Nothing is touched. Main thread, before vCPUs exist.
 */
int ram_create(struct vm *vm, const struct ram_layout *layout, const char *hugetlbfs, struct error *err);
void ram_free(struct vm *vm);

enum { MEMSLOT_READONLY = 1 };

/*
 * Maps host memory at @gpa (all three page aligned). Gives the slot id >= 0,
 * -EEXIST when it overlaps another slot, -ENOSPC, or KVM's -errno. @hva stays the caller's
 * and must outlive the slot. Any thread; takes vm->slot_lock.
 */
int memslot_add(struct vm *vm, gpa_t gpa, u64 size, void *hva, unsigned int flags);
void memslot_del(struct vm *vm, int slot);

struct ram_listener {
	struct list_node node;
	int (*add)(struct ram_listener *l, gpa_t gpa, u64 size, void *hva);
	void (*del)(struct ram_listener *l, gpa_t gpa, u64 size, void *hva);
};

/* Calls add() for all RAM there is; undoes and gives its -errno if one fails. Main thread. */
int ram_listen(struct vm *vm, struct ram_listener *l);
void ram_unlisten(struct vm *vm, struct ram_listener *l);

#endif
