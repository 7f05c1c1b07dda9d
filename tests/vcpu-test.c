/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The run loop against pauses at any moment, on a KVM_RUN of ours: each exit is served once, and paused means finished.
 * links: vcpu.c pvlock.c util/cpulist.c util/str.c util/log.c util/error.c util/thread.c
 */
#include <errno.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tests/tap.h"
#include "uapi/lkvm/pvlock.h"
#include "util/log.h"
#include "vmm/arch.h"
#include "vmm/vm.h"

enum { CPUS = 2, FD = 1000, EXITS_OF_ONE = 3 };	/* an instruction's exits: the last two come as it is finished */

static struct {
	struct kvm_run run;
	unsigned int left;		/* exits until the instruction is done; 0: it is */
	_Atomic unsigned int made, served;
	bool dead;			/* KVM_RUN fails */
	bool waits;			/* for an interrupt, and has not got its kick yet, as under TSan, which holds handlers back */
} cpu[CPUS];

static struct vm vm;
static struct vcpu vcpu[CPUS];
static _Atomic unsigned int crashes, registered;
static bool no_pvlock;
static u64 flag[CPUS + 1][8];

/* KVM's part of the contract: the pending instruction first, then immediate_exit, then the guest. */
static int kvm_run(unsigned int i)
{
	if (cpu[i].dead) {
		errno = EFAULT;
		return -1;
	}
	if (cpu[i].waits) {
		while (!__atomic_load_n(&cpu[i].run.immediate_exit, __ATOMIC_SEQ_CST))
			usleep(50);
		errno = EINTR;
		return -1;
	}
	if (cpu[i].left)
		cpu[i].left--;
	if (!cpu[i].left) {
		if (__atomic_load_n(&cpu[i].run.immediate_exit, __ATOMIC_SEQ_CST)) {
			errno = EINTR;
			return -1;
		}
		cpu[i].left = EXITS_OF_ONE;
	}
	cpu[i].run.exit_reason = KVM_EXIT_MMIO;
	cpu[i].made++;
	return 0;
}

int ioctl(int fd, unsigned long req, ...)
{
	sigset_t all;

	if (req == LKVM_PVLOCK_REGISTER) {
		registered++;
		errno = ENOMEM;
		return no_pvlock ? -1 : 0;
	}
	if (req != KVM_RUN)
		return 0;
	sigfillset(&all);
	if (cpu[fd - FD].waits)
		pthread_sigmask(SIG_BLOCK, &all, NULL);
	return kvm_run((unsigned int)(fd - FD));
}

void mmio_access(struct vcpu *v, u64 addr, u8 *data, unsigned int len, bool is_write)
{
	cpu[v->index].served++;
}

void ioport_access(struct vcpu *v, u16 port, u8 *data, unsigned int size, u32 count, bool is_write) {}
void io_reader_add(struct io_map *map, struct io_reader *rd) {}
void io_reader_del(struct io_map *map, struct io_reader *rd) {}
int arch_vcpu_init(struct vcpu *v, struct error *err) { return 0; }
void arch_vcpu_free(struct vcpu *v) {}
int arch_vcpu_exit(struct vcpu *v) { return -ENOSYS; }
void vm_guest_panicked(struct vm *v, const char *how) {}

void arch_vcpu_dump(struct vcpu *v, struct strbuf *out)
{
	strbuf_addf(out, "state\n");
}

void vm_request_exit(struct vm *v, enum vm_exit_cause cause, int status, const char *fmt, ...)
{
	if (!crashes++)
		vcpus_hold(v);
}

static bool start(void)
{
	unsigned int i;

	memset(&vm, 0, sizeof(vm));
	memset(cpu, 0, sizeof(cpu));
	memset(vcpu, 0, sizeof(vcpu));
	crashes = 0;
	pthread_mutex_init(&vm.pause_lock, NULL);
	pthread_cond_init(&vm.pause_cond, NULL);
	vm.cfg.cpus = CPUS;
	vm.vcpu = vcpu;
	for (i = 0; i < CPUS; i++) {
		vcpu[i].vm = &vm;
		vcpu[i].index = i;
		vcpu[i].fd = FD + (int)i;
		vcpu[i].run = &cpu[i].run;
	}
	return !vcpus_start(&vm, NULL);
}

TEST(threads_wait_for_resume)
{
	CHECK(start());
	usleep(2000);
	CHECK_EQ(cpu[0].made + cpu[1].made, 0);
	vcpus_stop(&vm);
}

TEST(each_exit_is_served_once_whenever_a_pause_comes)
{
	unsigned int i, k, made[CPUS];

	CHECK(start());
	vcpus_resume(&vm);
	for (k = 0; k < 5000; k++) {
		vcpus_pause(&vm);
		for (i = 0; i < CPUS; i++) {
			CHECK_EQ(cpu[i].served, cpu[i].made);
			CHECK(!vcpu[i].pending_io);
			CHECK_EQ(cpu[i].left, 0);
		}
		made[0] = cpu[0].made;
		made[1] = cpu[1].made;
		vcpus_resume(&vm);
		while (k % 100 == 0 && (cpu[0].made == made[0] || cpu[1].made == made[1]))
			usleep(50);
	}
	vcpus_stop(&vm);
	CHECK_EQ(cpu[0].made, cpu[0].served);
	CHECK_EQ(cpu[0].made % EXITS_OF_ONE, 0);	/* nothing is left half done */
	CHECK_EQ(vm.vcpus_started, 0);
}

static _Atomic bool kicking;

/* What the kick's handler does, at moments a signal hits too seldom. */
static void *kicker(void *arg)
{
	while (kicking)
		__atomic_store_n(&cpu[0].run.immediate_exit, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

/* A pause that was taken back kicks when nobody wants the vCPU any more. */
TEST(each_exit_is_served_once_whenever_a_late_kick_comes)
{
	pthread_t t;

	CHECK(start());
	kicking = true;
	CHECK(!pthread_create(&t, NULL, kicker, NULL));
	vcpus_resume(&vm);
	while (cpu[0].made < 20000)
		usleep(100);
	kicking = false;
	pthread_join(t, NULL);
	vcpus_pause(&vm);
	CHECK_EQ(cpu[0].served, cpu[0].made);
	vcpus_stop(&vm);
}

TEST(a_kick_that_comes_late_is_not_waited_for)
{
	CHECK(start());
	cpu[1].waits = true;
	vcpus_resume(&vm);
	usleep(2000);
	alarm(60);
	vcpus_pause(&vm);
	vcpus_resume(&vm);
	vcpus_stop(&vm);
	alarm(0);
}

TEST(pauses_nest)
{
	unsigned int made;

	CHECK(start());
	vcpus_resume(&vm);
	vcpus_pause(&vm);
	vcpus_pause(&vm);
	vcpus_resume(&vm);
	made = cpu[0].made;
	usleep(2000);
	CHECK_EQ(cpu[0].made, made);
	vcpus_resume(&vm);
	while (cpu[0].made == made)
		usleep(100);
	vcpus_stop(&vm);
}

/* Threads that run have their flags, before they enter the guest; a restart takes what the guest said back. */
TEST(flags_of_the_threads_are_registered)
{
	unsigned int i;

	CHECK(start());
	vcpus_stop(&vm);
	vm.vcpus_attention = false;
	for (i = 0; i < CPUS; i++)
		vcpu[i].pvlock.home = flag[i];
	vm.pause_depth = 0;
	registered = 0;
	CHECK_EQ(vcpus_start(&vm, NULL), 0);
	vcpus_resume(&vm);
	while (!cpu[0].made || !cpu[1].made)
		usleep(100);
	CHECK_EQ(registered, CPUS);
	CHECK_EQ(vcpu[1].pvlock.kind, PVLOCK_SLOT);
	vcpus_pause(&vm);
	vcpu[1].pvlock.guest = flag[CPUS];	/* another place than it has now, as after a restart */
	vcpus_resume(&vm);
	while (registered == CPUS)
		usleep(100);
	vcpus_stop(&vm);
	CHECK_EQ(registered, CPUS + 1);
	CHECK_EQ(vcpu[1].pvlock.kind, PVLOCK_GUEST);
	CHECK_EQ(crashes, 0);
}

TEST(a_flag_that_cannot_be_registered_is_a_crash)
{
	log_set_level(LOG_ERROR);
	CHECK(start());
	vcpus_stop(&vm);
	vm.pause_depth = 0;
	vcpu[0].pvlock.home = flag[0];
	no_pvlock = true;
	CHECK_EQ(vcpus_start(&vm, NULL), 0);
	vcpus_resume(&vm);
	while (!crashes)
		usleep(100);
	vcpus_stop(&vm);
	no_pvlock = false;
	CHECK_EQ(cpu[0].made, 0);
}

TEST(a_run_that_fails_is_a_crash_told_once)
{
	log_set_level(LOG_ERROR);
	CHECK(start());
	cpu[1].dead = true;
	vcpus_resume(&vm);
	while (!crashes)
		usleep(100);
	vcpus_pause(&vm);
	CHECK_EQ(crashes, 1);
	vcpus_stop(&vm);
}

int main(void)
{
	RUN(threads_wait_for_resume);
	RUN(each_exit_is_served_once_whenever_a_pause_comes);
	RUN(each_exit_is_served_once_whenever_a_late_kick_comes);
	RUN(a_kick_that_comes_late_is_not_waited_for);
	RUN(pauses_nest);
	RUN(flags_of_the_threads_are_registered);
	RUN(a_flag_that_cannot_be_registered_is_a_crash);
	RUN(a_run_that_fails_is_a_crash_told_once);
	return tap_done();
}
