/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KVM memory slots and guest RAM. [Documentation/virt/kvm/api 4.35 KVM_SET_USER_MEMORY_REGION]
 *
 * One host block holds all RAM ranges in guest order, PROT_NONE pages before, between and after them: an access that runs
 * off a range faults instead of reaching something else. Each range starts at an address that is congruent to its
 * guest address modulo 2 MiB, so that transparent huge pages map whole on both sides. Nothing is touched here.
 *
 * Threads: slots are added and deleted from any thread under vm->slot_lock; RAM comes and goes only while no vCPU exists.
 */
#include "vmm/memslot.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "util/log.h"
#include "util/str.h"
#include "vmm/vm.h"

enum { MEMSLOTS = 500 };	/* ids we use; Linux before 5.12 offers 509 */

#define GUARD_SIZE 0x10000ULL
#define THP_SIZE (2 * MIB)

struct memslot {
	gpa_t gpa;
	u64 size;	/* 0: free */
};

struct memslot_table {
	struct memslot slot[MEMSLOTS];
	unsigned int nr;	/* ids in use are below this */
	void *block;		/* all RAM with its guards; owned mapping */
	u64 block_size;
	int ram_slot[GUEST_RAM_RANGES];
};

static int set_region(struct vm *vm, int id, gpa_t gpa, u64 size, void *hva, unsigned int flags)
{
	struct kvm_userspace_memory_region region = {
		.slot = (u32)id,
		.flags = flags & MEMSLOT_READONLY ? KVM_MEM_READONLY : 0,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (u64)(uintptr_t)hva,
	};

	return ioctl(vm->vm_fd, KVM_SET_USER_MEMORY_REGION, &region) < 0 ? -errno : 0;
}

int memslot_add(struct vm *vm, gpa_t gpa, u64 size, void *hva, unsigned int flags)
{
	struct memslot_table *t = vm->slots;
	unsigned int i, id = MEMSLOTS;
	int r = 0;

	if (!size || gpa + (size - 1) < gpa)
		return -EINVAL;
	pthread_mutex_lock(&vm->slot_lock);
	for (i = 0; i < t->nr && !r; i++) {
		if (!t->slot[i].size)
			id = MIN(id, i);
		else if (gpa < t->slot[i].gpa ? t->slot[i].gpa - gpa < size : gpa - t->slot[i].gpa < t->slot[i].size)
			r = -EEXIST;
	}
	if (!r && id == MEMSLOTS)
		id = t->nr;
	if (!r && id >= MEMSLOTS)
		r = -ENOSPC;
	if (!r)
		r = set_region(vm, (int)id, gpa, size, hva, flags);
	if (!r) {
		t->slot[id] = (struct memslot){ .gpa = gpa, .size = size };
		t->nr = MAX(t->nr, id + 1);
		r = (int)id;
	}
	pthread_mutex_unlock(&vm->slot_lock);
	return r;
}

void memslot_del(struct vm *vm, int id)
{
	struct memslot_table *t = vm->slots;
	int r;

	if (id < 0)
		return;
	pthread_mutex_lock(&vm->slot_lock);
	r = set_region(vm, id, t->slot[id].gpa, 0, NULL, 0);
	if (r < 0)
		log_warn("memory", "cannot remove slot %d: %s", id, strerror(-r));
	t->slot[id].size = 0;
	pthread_mutex_unlock(&vm->slot_lock);
}

/* A file of its own below @path, gone from the directory at once. Gives fd and huge page size. */
static int hugetlb_open(const char *path, u64 *ret_page, struct error *err)
{
	AUTO_FREE char *name = str_printf("%s/lkvm.XXXXXX", path);
	struct statfs fs;
	int fd, r;

	if (statfs(path, &fs) < 0)
		return error_set_errno(err, -errno, "--hugetlbfs '%s'", path);
	if ((u32)fs.f_type != HUGETLBFS_MAGIC)
		return error_set(err, -EINVAL, "--hugetlbfs '%s': not a hugetlbfs mount", path);
	if (!name)
		return error_set_errno(err, -ENOMEM, "--hugetlbfs '%s'", path);
	fd = mkostemp(name, O_CLOEXEC);
	if (fd < 0) {
		r = -errno;
		return error_set_errno(err, r, "--hugetlbfs '%s': cannot make a file there", path);
	}
	unlink(name);
	*ret_page = (u64)fs.f_bsize;
	return fd;
}

/*
 * A hint; not every host knows it. The first 2 MiB from guest address 0 stay small pages: of a PC's low memory a few pages are touched,
 * and a whole huge page there is 2 MiB to clear before the guest runs, which a small guest never uses.
 */
static void advise_huge(gpa_t gpa, u64 size, char *hva)
{
	u64 skip = gpa ? 0 : MIN(size, THP_SIZE);

	if (size > skip)
		madvise(hva + skip, size - skip, MADV_HUGEPAGE);
}

int ram_create(struct vm *vm, const struct ram_layout *layout, const char *hugetlbfs, struct error *err)
{
	int prot = PROT_READ | PROT_WRITE, flags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	u64 align = THP_SIZE, file_off = 0, off, huge_page = 0;
	AUTO_CLOSE int fd = -1;
	struct memslot_table *t;
	unsigned int i;
	char *hva;
	int r;

	t = calloc(1, sizeof(*t));
	if (!t)
		return error_set_errno(err, -ENOMEM, "guest memory");
	vm->slots = t;
	if (hugetlbfs) {
		fd = hugetlb_open(hugetlbfs, &huge_page, err);
		if (fd < 0)
			return fd;
		align = MAX(align, huge_page);
		flags = MAP_FIXED | MAP_SHARED;
	}

	for (i = 0; i < layout->nr; i++)
		t->block_size += align_up(layout->range[i].size, align) + 2 * align;
	t->block = mmap(NULL, t->block_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (t->block == MAP_FAILED) {
		r = -errno;
		t->block = NULL;
		return error_set_errno(err, r, "--mem %lluM: cannot reserve the address space",
				       (unsigned long long)(vm->cfg.mem_size / MIB));
	}

	off = GUARD_SIZE;
	for (i = 0; i < layout->nr; i++) {
		gpa_t gpa = layout->range[i].gpa;
		u64 size = layout->range[i].size, map_size = size;
		u64 start = (u64)(uintptr_t)t->block + off;

		/* congruent to gpa modulo align, a guard's distance after what came before */
		start = align_up(start - gpa % align, align) + gpa % align;
		hva = (char *)(uintptr_t)start;
		if (hugetlbfs)
			map_size = align_up(size, huge_page);
		if (hugetlbfs && ftruncate(fd, (off_t)(file_off + map_size)) < 0)
			return error_set_errno(err, -errno, "--hugetlbfs '%s': %llu MiB", hugetlbfs,
					       (unsigned long long)(map_size / MIB));
		if (mmap(hva, map_size, prot, flags, fd, (off_t)file_off) == MAP_FAILED)
			return error_set_errno(err, -errno, "--mem %lluM%s%s",
					       (unsigned long long)(vm->cfg.mem_size / MIB),
					       hugetlbfs ? " in --hugetlbfs " : "", hugetlbfs ? hugetlbfs : "");
		file_off += map_size;
		if (!hugetlbfs)
			advise_huge(gpa, size, hva);
		madvise(hva, map_size, MADV_DONTDUMP);
		off = (u64)(hva - (char *)t->block) + map_size + GUARD_SIZE;

		r = memslot_add(vm, gpa, size, hva, 0);
		if (r < 0)
			return error_set_errno(err, r, "--mem %lluM: KVM refuses memory at 0x%llx",
					       (unsigned long long)(vm->cfg.mem_size / MIB), (unsigned long long)gpa);
		t->ram_slot[i] = r;
		r = guest_mem_add(&vm->mem, gpa, size, hva);
		if (r < 0)
			return error_set_errno(err, r, "memory layout");
	}
	vm->mem.host_page = hugetlbfs ? huge_page : (u64)sysconf(_SC_PAGESIZE);
	vm->mem.shared = hugetlbfs;
	return 0;
}

void ram_free(struct vm *vm)
{
	struct memslot_table *t = vm->slots;

	if (!t)
		return;
	if (t->block)
		munmap(t->block, t->block_size);
	memset(&vm->mem, 0, sizeof(vm->mem));
	free(t);
	vm->slots = NULL;
}

int ram_listen(struct vm *vm, struct ram_listener *l)
{
	unsigned int i;
	int r;

	for (i = 0; i < vm->mem.nr; i++) {
		r = l->add(l, vm->mem.ram[i].gpa, vm->mem.ram[i].size, vm->mem.ram[i].hva);
		if (r < 0) {
			while (i--)
				l->del(l, vm->mem.ram[i].gpa, vm->mem.ram[i].size, vm->mem.ram[i].hva);
			return r;
		}
	}
	list_add_tail(&vm->ram_listeners, &l->node);
	return 0;
}

void ram_unlisten(struct vm *vm, struct ram_listener *l)
{
	unsigned int i;

	list_del(&l->node);
	for (i = 0; i < vm->mem.nr; i++)
		l->del(l, vm->mem.ram[i].gpa, vm->mem.ram[i].size, vm->mem.ram[i].hva);
}
