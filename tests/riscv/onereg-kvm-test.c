/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every register of a vCPU of the host's KVM: it can be named, read, written back and read again, before the vCPU ran and after, and all
 * are put back at once. Needs /dev/kvm of a riscv64 machine. [Documentation/virt/kvm/api 4.68, 4.69, 4.84]
 * links: riscv/onereg.c util/error.c util/log.c util/str.c
 * arch: riscv
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "riscv/onereg.h"
#include "riscv/riscv.h"
#include "tests/tap.h"
#include "vmm/vm.h"

static struct vm vm;
static struct vcpu vcpu = { .vm = &vm, .fd = -1 };
static int kvm = -1;
static const char *why = "no /dev/kvm";

enum { RAM_SIZE = 0x10000 };

/* A machine of a few pages, in which a hart asks SBI to switch it off. [riscv-sbi 2.0, 10 SRST] */
static void setup(void)
{
	static const u32 program[] = {
		0x535258b7,	/* lui a7, 0x53525 */
		0x35488893,	/* addi a7, a7, 0x354 */
		0x00000813,	/* li a6, 0: system reset */
		0x00000513,	/* li a0, 0: shutdown */
		0x00000593,	/* li a1, 0: for no reason */
		0x00000073,	/* ecall */
		0x0000006f,	/* j . */
	};
	struct kvm_userspace_memory_region slot = { .guest_phys_addr = RAM_BASE, .memory_size = RAM_SIZE };
	long size;
	void *ram;

	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		return;
	why = "KVM makes no vCPU here";
	vm.vm_fd = ioctl(kvm, KVM_CREATE_VM, 0UL);
	ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (vm.vm_fd < 0 || ram == MAP_FAILED)
		return;
	memcpy(ram, program, sizeof(program));
	slot.userspace_addr = (u64)(uintptr_t)ram;
	size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (ioctl(vm.vm_fd, KVM_SET_USER_MEMORY_REGION, &slot) < 0 || size < 0)
		return;
	vcpu.fd = ioctl(vm.vm_fd, KVM_CREATE_VCPU, 0UL);
	vcpu.run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu.fd, 0);
}

#define NEED_VCPU() do { if (vcpu.fd < 0 || vcpu.run == MAP_FAILED) SKIP(why); } while (0)

static unsigned int seen, unnamed, failed;

static int round_trip(void *arg, u64 id, const u8 *val, unsigned int size)
{
	u8 again[ONEREG_BYTES];
	char name[ONEREG_NAME];
	int r;

	seen++;
	onereg_name(id, name);
	unnamed += !strncmp(name, "reg.", 4);
	r = onereg_set(&vcpu, id, val, size);
	if (!r)
		r = onereg_get(&vcpu, id, again, size);
	/* The clock went on meanwhile. */
	if (!r && (id == ONEREG_TIMER_ID(TIMER_TIME) ? *(u64 *)again < *(u64 *)val : memcmp(val, again, size) != 0))
		r = -EILSEQ;
	if (r < 0) {
		failed++;
		printf("# %s (0x%llx, %u bytes): %s\n", name, (unsigned long long)id, size, strerror(-r));
	}
	return 0;
}

static void all_registers(void)
{
	unsigned int listed = 0;
	u64 *id;

	seen = unnamed = failed = 0;
	CHECK_EQ(onereg_list(&vcpu, &id, &listed), 0);
	free(id);
	CHECK_EQ(onereg_each(&vcpu, round_trip, NULL), 0);
	printf("# %u registers listed, %u read, %u without a name of ours\n", listed, seen, unnamed);
	CHECK(listed > 33 + 11);
	CHECK_EQ(seen, listed);
	CHECK_EQ(failed, 0);
}

TEST(each_register_of_a_new_vcpu_survives_get_set_get)
{
	NEED_VCPU();
	all_registers();
}

static unsigned int differs;
static struct { u64 id; u64 val; } was[64];
static unsigned int nr_was;

static int note(void *arg, u64 id, const u8 *val, unsigned int size)
{
	if (onereg_type(id) == ONEREG_CORE && nr_was < 64) {
		was[nr_was].id = id;
		memcpy(&was[nr_was++].val, val, size);
	}
	return 0;
}

TEST(each_register_is_put_back_after_a_run)
{
	struct riscv_kept *k;
	u64 bad = 0, val;
	unsigned int i;
	int r;

	NEED_VCPU();
	CHECK_EQ(riscv_set_reg(&vcpu, ONEREG_CORE_ID(CORE_PC), RAM_BASE), 0);
	CHECK_EQ(riscv_set_reg(&vcpu, ONEREG_CORE_ID(CORE_SP), 0x123456789abcdef0), 0);
	CHECK_EQ(onereg_keep(&vcpu, &k), 0);
	CHECK_EQ(onereg_each(&vcpu, note, NULL), 0);
	alarm(100);		/* the end of a test whose hart does not stop */
	do
		r = ioctl(vcpu.fd, KVM_RUN, 0);
	while (r < 0 && errno == EINTR);
	alarm(0);
	CHECK_EQ(r, 0);
	CHECK_EQ(vcpu.run->exit_reason, KVM_EXIT_SYSTEM_EVENT);
	CHECK_EQ(riscv_get_reg(&vcpu, ONEREG_CORE_ID(17), &val), 0);
	CHECK_EQ(val, 0x53525354);	/* a7: it did run */
	r = onereg_put_back(&vcpu, k, true, &bad);
	if (r < 0)
		printf("# 0x%llx: %s\n", (unsigned long long)bad, strerror(-r));
	CHECK_EQ(r, 0);
	onereg_forget(k);
	CHECK_EQ(nr_was, 33);
	for (i = 0; i < nr_was; i++)
		differs += riscv_get_reg(&vcpu, was[i].id, &val) < 0 || val != was[i].val;
	CHECK_EQ(differs, 0);
}

TEST(each_register_of_a_vcpu_that_ran_survives_get_set_get)
{
	NEED_VCPU();
	all_registers();
}

int main(void)
{
	setup();
	RUN(each_register_of_a_new_vcpu_survives_get_set_get);
	RUN(each_register_is_put_back_after_a_run);
	RUN(each_register_of_a_vcpu_that_ran_survives_get_set_get);
	return tap_done();
}
