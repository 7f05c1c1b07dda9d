/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * /dev/lkvm_ones as its users see it, KVM among them: lkvm_ones is loaded, and we are root. The shell that starts us looks at the kernel's log,
 * and unloads the module.
 *
 * With the argument "hold": a mapping, one line that says so, and nothing more until a signal ends it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <lkvm/ones.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../tap.h"

#define MB (1ULL << 20)
#define SIZE (64 * MB)

static int fd;

static uint64_t *map(uint64_t size, int prot, int flags)
{
	return mmap(NULL, size, prot, flags, fd, 0);
}

static uint64_t others(const volatile uint64_t *p, uint64_t size, uint64_t step)
{
	uint64_t i, n = 0;

	for (i = 0; i < size / sizeof(*p); i += step / sizeof(*p))
		n += p[i] != UINT64_MAX;
	return n;
}

static long kilobytes(const char *key)
{
	char line[256], word[64];
	FILE *f = fopen("/proc/self/smaps_rollup", "r");
	long n = -1, v;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%63s %ld", word, &v) == 2 && !strcmp(word, key))
			n = v;
	if (f)
		fclose(f);
	return n;
}

TEST(all_of_it_is_ones_and_costs_nothing)
{
	long before = kilobytes("Pss:");	/* which counts a page once, however often it is seen */
	uint64_t *p = map(SIZE, PROT_READ, MAP_SHARED);

	CHECK(p != MAP_FAILED);
	CHECK_EQ(others(p, SIZE, sizeof(*p)), 0);
	CHECK(before > 0 && kilobytes("Pss:") - before < 1024);
	CHECK(kilobytes("Locked:") == 0);
	munmap(p, SIZE);
}

TEST(any_size_and_any_part_of_it)
{
	uint64_t big = 64ULL << 30, page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t *p = map(big, PROT_READ, MAP_SHARED | MAP_NORESERVE), *one;

	CHECK(p != MAP_FAILED);
	CHECK_EQ(others(p, big, 1ULL << 29), 0);
	CHECK_EQ(p[big / 8 - 1], UINT64_MAX);
	munmap(p, big);
	one = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, (off_t)(77 * page));
	CHECK(one != MAP_FAILED);
	CHECK_EQ(others(one, page, 8), 0);
	munmap(one, page);
	/* a hole, and something else in it */
	p = map(SIZE, PROT_READ, MAP_PRIVATE);
	CHECK(p != MAP_FAILED);
	CHECK_EQ(p[3 * MB / 8], UINT64_MAX);
	one = mmap((char *)p + 3 * MB, page, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(one == p + 3 * MB / 8);
	one[0] = 5;
	CHECK_EQ(p[3 * MB / 8], 5);
	CHECK_EQ(others(p, 3 * MB, page), 0);
	CHECK_EQ(others(p + (3 * MB + page) / 8, SIZE - 3 * MB - page, page), 0);
	munmap(p, SIZE);
}

TEST(nobody_writes_it)
{
	uint64_t *p = map(SIZE, PROT_READ, MAP_SHARED), *private = map(SIZE, PROT_READ, MAP_PRIVATE), zero = 0;
	struct iovec from = { &zero, 8 }, to = { p, 8 };
	int mem = open("/proc/self/mem", O_RDWR), rw;

	CHECK(p != MAP_FAILED && private != MAP_FAILED && mem >= 0);
	CHECK_EQ(p[0], UINT64_MAX);
	CHECK(map(SIZE, PROT_READ | PROT_WRITE, MAP_SHARED) == MAP_FAILED);
	CHECK(map(SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE) == MAP_FAILED);
	CHECK(mprotect(p, SIZE, PROT_READ | PROT_WRITE) == -1 && errno == EACCES);
	CHECK(mprotect(private, SIZE, PROT_READ | PROT_WRITE) == -1 && errno == EACCES);
	CHECK(pwrite(mem, &zero, 8, (off_t)(uintptr_t)p) == -1);
	CHECK(pwrite(mem, &zero, 8, (off_t)(uintptr_t)private) == -1);
	CHECK(process_vm_writev(getpid(), &from, 1, &to, 1, 0) == -1);
	rw = open(LKVM_ONES_PATH, O_RDWR);
	if (rw >= 0) {
		CHECK(mmap(NULL, SIZE, PROT_WRITE, MAP_SHARED, rw, 0) == MAP_FAILED && errno == EPERM);
		CHECK(write(rw, &zero, 8) == -1);
		close(rw);
	}
	CHECK_EQ(p[0], UINT64_MAX);
	CHECK_EQ(private[0], UINT64_MAX);
	close(mem);
	munmap(p, SIZE);
	munmap(private, SIZE);
}

TEST(goes_on_in_a_child)
{
	uint64_t *p = map(SIZE, PROT_READ, MAP_SHARED);
	int status, child;

	CHECK(p != MAP_FAILED);
	CHECK_EQ(p[0], UINT64_MAX);
	child = fork();
	if (!child)
		_exit(others(p, SIZE, 4096) != 0);
	CHECK(waitpid(child, &status, 0) == child);
	CHECK_EQ(status, 0);
	munmap(p, SIZE);
}

#ifdef __x86_64__
/* A guest in real mode; the read-only slot is at 64 KiB: mov eax, [0x10000..0x1fffc]; any that is not ~0 ends it; then a write */
static const uint8_t guest[] = {
	0x66, 0x31, 0xf6,			/* xor esi, esi */
	0x67, 0x66, 0xad,			/* next: lodsd, by esi */
	0x66, 0x83, 0xf8, 0xff,			/* cmp eax, -1 */
	0x75, 0x0e,				/* jne bad */
	0x66, 0x81, 0xfe, 0x00, 0x00, 0x01, 0x00,	/* cmp esi, 0x10000 */
	0x72, 0xee,				/* jb next */
	0xc6, 0x06, 0x34, 0x12, 0x55,		/* mov byte [0x1234], 0x55 */
	0xf4,					/* bad: hlt */
};

TEST(kvm_takes_it_for_a_read_only_slot)
{
	uint64_t *ones = map(0x10000, PROT_READ, MAP_SHARED);
	uint8_t *ram = mmap(NULL, 0x1000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct kvm_userspace_memory_region code = { .slot = 0, .guest_phys_addr = 0x1000, .memory_size = 0x1000, .userspace_addr = (uintptr_t)ram };
	struct kvm_userspace_memory_region hole = { .slot = 1, .flags = KVM_MEM_READONLY, .guest_phys_addr = 0x10000, .memory_size = 0x10000,
						    .userspace_addr = (uintptr_t)ones };
	struct kvm_regs regs = { .rip = 0x1000, .rflags = 2 };
	struct kvm_sregs sregs;
	struct kvm_run *run;
	int kvm = open("/dev/kvm", O_RDWR), vm, vcpu;

	if (kvm < 0)
		SKIP("no /dev/kvm");
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	CHECK(vm >= 0 && ones != MAP_FAILED && ram != MAP_FAILED);
	memcpy(ram, guest, sizeof(guest));
	CHECK_EQ(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &code), 0);
	CHECK_EQ(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &hole), 0);
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	CHECK(vcpu >= 0);
	run = mmap(NULL, (size_t)ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	CHECK(run != MAP_FAILED);
	CHECK_EQ(ioctl(vcpu, KVM_GET_SREGS, &sregs), 0);
	sregs.cs.base = sregs.cs.selector = 0;
	sregs.ds.base = 0x10000;
	sregs.ds.selector = 0x1000;
	CHECK_EQ(ioctl(vcpu, KVM_SET_SREGS, &sregs), 0);
	CHECK_EQ(ioctl(vcpu, KVM_SET_REGS, &regs), 0);
	CHECK_EQ(ioctl(vcpu, KVM_RUN, 0), 0);
	CHECK_EQ(run->exit_reason, KVM_EXIT_MMIO);
	CHECK_EQ(run->mmio.is_write, 1);
	CHECK_EQ(run->mmio.phys_addr, 0x11234);
	CHECK_EQ(run->mmio.len, 1);
	CHECK_EQ(run->mmio.data[0], 0x55);
	CHECK_EQ(ioctl(vcpu, KVM_RUN, 0), 0);
	CHECK_EQ(run->exit_reason, KVM_EXIT_HLT);
	CHECK_EQ(others(ones, 0x10000, 8), 0);
	/* a hole in it, as for a device that comes: the guest sees no stale page */
	munmap(ones, 0x10000);
	CHECK_EQ(ioctl(vcpu, KVM_SET_REGS, &regs), 0);
	CHECK(ioctl(vcpu, KVM_RUN, 0) == -1 && errno == EFAULT);
	close(vcpu);
	close(vm);
	close(kvm);
}
#endif

/* The mapping alone, without the file */
static int hold(void)
{
	uint64_t *p = map(SIZE, PROT_READ, MAP_SHARED);

	close(fd);
	if (p == MAP_FAILED || others(p, SIZE, 4096))
		return EXIT_FAILURE;
	puts("ready");
	fflush(stdout);
	pause();
	return EXIT_FAILURE;
}

int main(int argc, char *argv[])
{
	fd = open(LKVM_ONES_PATH, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		printf("Bail out! %s: %s\n", LKVM_ONES_PATH, strerror(errno));
		return EXIT_FAILURE;
	}
	if (argc > 1 && !strcmp(argv[1], "hold"))
		return hold();
	RUN(all_of_it_is_ones_and_costs_nothing);
	RUN(any_size_and_any_part_of_it);
	RUN(nobody_writes_it);
	RUN(goes_on_in_a_child);
#ifdef __x86_64__
	RUN(kvm_takes_it_for_a_read_only_slot);
#endif
	return tap_done();
}
