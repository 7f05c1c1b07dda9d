/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Slots and RAM, on a KVM that takes every slot it is given.
 * links: memslot.c memory.c util/str.c util/log.c util/error.c util/cleanup.c
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <sys/ioctl.h>

#include "tests/tap.h"
#include "vmm/vm.h"

static int refuse;	/* the KVM's errno */
static struct kvm_userspace_memory_region last;

int ioctl(int fd, unsigned long req, ...)
{
	va_list ap;

	va_start(ap, req);
	last = *va_arg(ap, struct kvm_userspace_memory_region *);
	va_end(ap);
	errno = refuse;
	return refuse ? -1 : 0;
}

static struct vm vm;
static struct error err;

/* A machine with one page of RAM at 0. */
static bool setup(u64 size)
{
	struct ram_layout layout = { .range = { { 0, size } }, .nr = 1 };

	memset(&vm, 0, sizeof(vm));
	refuse = 0;
	vm.cfg.mem_size = size;
	pthread_mutex_init(&vm.slot_lock, NULL);
	list_init(&vm.ram_listeners);
	return !ram_create(&vm, &layout, NULL, &err);
}

TEST(overlaps_are_refused_on_every_side)
{
	static const struct { u64 gpa, size; } bad[] = {
		{ 0x10000, 0x3000 }, { 0xf000, 0x2000 }, { 0xf000, 0x10000 }, { 0x11000, 0x1000 }, { 0x12000, 0x8000 },
	};
	unsigned int i;

	CHECK(setup(0x1000));
	CHECK(memslot_add(&vm, 0x10000, 0x3000, NULL, 0) >= 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK_EQ(memslot_add(&vm, bad[i].gpa, bad[i].size, NULL, 0), -EEXIST);
	CHECK(memslot_add(&vm, 0xf000, 0x1000, NULL, 0) >= 0);
	CHECK(memslot_add(&vm, 0x13000, 0x1000, NULL, 0) >= 0);
	ram_free(&vm);
}

TEST(slot_that_ends_at_the_last_address_overlaps_too)
{
	CHECK(setup(0x1000));
	CHECK(memslot_add(&vm, -0x1000ULL, 0x1000, NULL, 0) >= 0);
	CHECK_EQ(memslot_add(&vm, -0x2000ULL, 0x2000, NULL, 0), -EEXIST);
	CHECK_EQ(memslot_add(&vm, -0x1000ULL, 0x2000, NULL, 0), -EINVAL);
	CHECK_EQ(memslot_add(&vm, 0x5000, 0, NULL, 0), -EINVAL);
	ram_free(&vm);
}

TEST(ids_are_used_again_and_run_out)
{
	int id, first, n = 0;

	CHECK(setup(0x1000));
	first = memslot_add(&vm, 0x10000, 0x1000, NULL, MEMSLOT_READONLY);
	CHECK_EQ(last.flags, KVM_MEM_READONLY);
	memslot_del(&vm, first);
	CHECK_EQ(last.memory_size, 0);
	CHECK_EQ(memslot_add(&vm, 0x20000, 0x1000, NULL, 0), first);
	while ((id = memslot_add(&vm, 0x100000 + (u64)n * 0x1000, 0x1000, NULL, 0)) >= 0)
		n++;
	CHECK_EQ(id, -ENOSPC);
	CHECK(n < 509);		/* what Linux before 5.12 has */
	ram_free(&vm);
}

TEST(refused_slot_leaves_none)
{
	CHECK(setup(0x1000));
	refuse = EINVAL;
	CHECK_EQ(memslot_add(&vm, 0x10000, 0x1000, NULL, 0), -EINVAL);
	refuse = 0;
	CHECK(memslot_add(&vm, 0x10000, 0x1000, NULL, 0) >= 0);
	ram_free(&vm);
}

TEST(ram_has_its_guest_address_modulo_a_huge_page)
{
	struct ram_layout layout = { .range = { { 0, 5 * MIB }, { 4 * GIB + 0x3000, 0x5000 } }, .nr = 2 };

	memset(&vm, 0, sizeof(vm));
	refuse = 0;
	list_init(&vm.ram_listeners);
	pthread_mutex_init(&vm.slot_lock, NULL);
	CHECK_EQ(ram_create(&vm, &layout, NULL, &err), 0);
	CHECK_EQ(vm.mem.nr, 2);
	CHECK_EQ((uintptr_t)vm.mem.ram[0].hva % (2 * MIB), 0);
	CHECK_EQ((uintptr_t)vm.mem.ram[1].hva % (2 * MIB), 0x3000);
	CHECK_EQ(guest_fill(&vm.mem, 4 * GIB + 0x3000, 1, 0x5000), 0);
	CHECK_EQ(guest_fill(&vm.mem, 4 * GIB + 0x3000, 1, 0x5001), -EFAULT);
	ram_free(&vm);
}

TEST(ram_can_be_given_back)
{
	u8 byte = 7;
	u64 done;

	CHECK(setup(MIB));
	CHECK_EQ(guest_write(&vm.mem, 0x2000, &byte, 1), 0);
	CHECK_EQ(guest_discard(&vm.mem, 0x2000, 0x1000, &done), 0);
	CHECK_EQ(done, 0x1000);
	CHECK_EQ(guest_read(&vm.mem, 0x2000, &byte, 1), 0);
	CHECK_EQ(byte, 0);
	ram_free(&vm);
}

TEST(ram_that_cannot_be_had_names_the_option)
{
	CHECK(!setup(1ULL << 60));
	CHECK(strstr(err.msg, "--mem 1099511627776M"));
	ram_free(&vm);
	memset(&vm, 0, sizeof(vm));
	vm.cfg.mem_size = MIB;
	refuse = EINVAL;
	CHECK_EQ(ram_create(&vm, &(struct ram_layout){ .range = { { 0, MIB } }, .nr = 1 }, NULL, &err), -EINVAL);
	CHECK(strstr(err.msg, "--mem 1M"));
	ram_free(&vm);
	CHECK(!vm.slots);
}

static unsigned int adds, dels;

static int add(struct ram_listener *l, gpa_t gpa, u64 size, void *hva)
{
	return ++adds == 2 ? -ENOMEM : 0;
}

static void del(struct ram_listener *l, gpa_t gpa, u64 size, void *hva)
{
	dels++;
}

TEST(listener_that_fails_is_undone)
{
	struct ram_layout layout = { .range = { { 0, 0x1000 }, { 0x10000, 0x1000 } }, .nr = 2 };
	struct ram_listener l = { .add = add, .del = del };

	memset(&vm, 0, sizeof(vm));
	refuse = 0;
	list_init(&vm.ram_listeners);
	pthread_mutex_init(&vm.slot_lock, NULL);
	CHECK_EQ(ram_create(&vm, &layout, NULL, &err), 0);
	CHECK_EQ(ram_listen(&vm, &l), -ENOMEM);
	CHECK_EQ(dels, 1);
	CHECK(list_empty(&vm.ram_listeners));
	CHECK_EQ(ram_listen(&vm, &l), 0);
	ram_unlisten(&vm, &l);
	CHECK_EQ(dels, 3);
	ram_free(&vm);
}

int main(void)
{
	RUN(overlaps_are_refused_on_every_side);
	RUN(slot_that_ends_at_the_last_address_overlaps_too);
	RUN(ids_are_used_again_and_run_out);
	RUN(refused_slot_leaves_none);
	RUN(ram_has_its_guest_address_modulo_a_huge_page);
	RUN(ram_can_be_given_back);
	RUN(ram_that_cannot_be_had_names_the_option);
	RUN(listener_that_fails_is_undone);
	return tap_done();
}
