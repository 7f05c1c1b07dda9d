/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Calls of the guest's kernel into firmware that KVM hands to us: the console, as old and as new kernels have it, and system suspend.
 * [riscv-sbi 2.0: 5 legacy, 12 DBCN, 13 SUSP], [Documentation/virt/kvm/api 5, KVM_EXIT_RISCV_SBI]
 *
 * KVM itself serves timers, IPIs, fences, harts, PMU, stolen time, and turns a reset into a system event. Which of those there are, and
 * whether DBCN and SUSP get here, is isa.c's. Experimental and vendor extensions get here, and there are none.
 *
 * Output goes to the console's chardev beside what a UART writes there. Input goes to one place: from the first call that reads until a reset,
 * here; else the device in front of the chardev has it. The buffer is the loop thread's to fill and the vCPUs' to empty.
 *
 * A system suspended wakes at once: no device of ours would keep it asleep, and KVM has made the vCPU ready to go on at its resume address.
 *
 * Left out: the high half of addresses, for all of memory is in the low one (then INVALID_PARAM).
 *
 * Threads: sbi_exit() vCPUs; console_receive() the loop's; the rest the main thread's.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "riscv/riscv.h"
#include "vmm/chardev.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

enum { EXT_PUTCHAR = 0x01, EXT_GETCHAR = 0x02, EXT_DBCN = 0x4442434e, EXT_SUSP = 0x53555350 };	/* "DBCN", "SUSP" */
enum { DBCN_WRITE, DBCN_READ, DBCN_WRITE_BYTE };
enum { SUSP_SYSTEM_SUSPEND };
enum { SUSPEND_TO_RAM };
enum { SBI_SUCCESS = 0, SBI_ERR_NOT_SUPPORTED = -2, SBI_ERR_INVALID_PARAM = -3 };	/* [riscv-sbi 2.0, 3] */
enum { CHUNK = 1024 };		/* most bytes that one call moves: a longer one is done in part [12.1, 12.2] */
enum { INPUT = 1024 };

struct sbi_console {
	struct chardev_client reader;
	struct chardev *cd;	/* borrowed, outlives us; NULL: input is not ours */
	pthread_mutex_t lock;	/* guards the rest, and cd */
	u8 in[INPUT];		/* a ring */
	unsigned int head, len;
};

struct answer {
	long error;
	unsigned long value;
};

/* --- input --- */

static size_t console_receive(struct chardev_client *c, const u8 *buf, size_t len)
{
	struct sbi_console *con = container_of(c, struct sbi_console, reader);
	size_t n;

	pthread_mutex_lock(&con->lock);
	for (n = 0; n < len && con->len < INPUT; n++)
		con->in[(con->head + con->len++) % INPUT] = buf[n];
	pthread_mutex_unlock(&con->lock);
	return n;
}

/* Never waits. The first call makes input ours, so that it finds nothing yet. */
static unsigned int console_read(struct vm *vm, u8 *buf, unsigned int room)
{
	struct sbi_console *con = vm->arch->console;
	bool first = false, was_full;
	unsigned int n;

	if (!vm->console)
		return 0;
	pthread_mutex_lock(&con->lock);
	if (!con->cd) {
		con->cd = vm->console;
		first = true;
	}
	was_full = con->len == INPUT;
	for (n = 0; n < room && con->len; n++, con->len--) {
		buf[n] = con->in[con->head];
		con->head = (con->head + 1) % INPUT;
	}
	pthread_mutex_unlock(&con->lock);
	if (first)
		chardev_divert_input(vm->console, &con->reader);
	else if (was_full && n)
		chardev_resume_input(vm->console);
	return n;
}

/* --- calls --- */

static bool low_address(u64 hi, u64 gpa, u64 len, const struct vm *vm)
{
	return !hi && guest_is_ram(&vm->mem, gpa, len);
}

/* [12.1] "it may do partial or no writes" while the console takes no more. */
static struct answer dbcn_write(struct vm *vm, u64 len, gpa_t gpa, u64 hi)
{
	u8 buf[CHUNK];
	size_t n = MIN(len, (u64)CHUNK);

	if (!len)
		return (struct answer){ SBI_SUCCESS, 0 };
	if (!low_address(hi, gpa, len, vm) || guest_read(&vm->mem, gpa, buf, n) < 0)
		return (struct answer){ SBI_ERR_INVALID_PARAM, 0 };
	return (struct answer){ SBI_SUCCESS, vm->console ? chardev_write(vm->console, buf, n) : n };
}

/* [12.2] */
static struct answer dbcn_read(struct vm *vm, u64 len, gpa_t gpa, u64 hi)
{
	u8 buf[CHUNK];
	unsigned int n;

	if (!len)
		return (struct answer){ SBI_SUCCESS, 0 };
	if (!low_address(hi, gpa, len, vm))
		return (struct answer){ SBI_ERR_INVALID_PARAM, 0 };
	n = console_read(vm, buf, (unsigned int)MIN(len, (u64)CHUNK));
	if (n && guest_write(&vm->mem, gpa, buf, n) < 0)
		return (struct answer){ SBI_ERR_INVALID_PARAM, 0 };
	return (struct answer){ SBI_SUCCESS, n };
}

/* [5.2, 12.3] These return when the byte is out. */
static void put_byte(struct vm *vm, u8 byte)
{
	if (vm->console)
		chardev_write_all(vm->console, &byte, 1);
}

static struct answer dbcn(struct vm *vm, u64 func, const unsigned long *arg)
{
	switch (func) {
	case DBCN_WRITE:
		return dbcn_write(vm, arg[0], arg[1], arg[2]);
	case DBCN_READ:
		return dbcn_read(vm, arg[0], arg[1], arg[2]);
	case DBCN_WRITE_BYTE:
		put_byte(vm, (u8)arg[0]);
		return (struct answer){ SBI_SUCCESS, 0 };
	}
	return (struct answer){ SBI_ERR_NOT_SUPPORTED, 0 };
}

/* [13.1] KVM has seen to it that all other harts are stopped. */
static struct answer susp(u64 func, u32 type)
{
	if (func != SUSP_SYSTEM_SUSPEND)
		return (struct answer){ SBI_ERR_NOT_SUPPORTED, 0 };
	return (struct answer){ type == SUSPEND_TO_RAM ? SBI_SUCCESS : SBI_ERR_INVALID_PARAM, 0 };
}

/* Legacy calls change no register but a0, which is the result. */
static struct answer legacy(struct vm *vm, u64 ext, const unsigned long *arg)
{
	struct answer a = { 0, arg[1] };
	u8 byte;

	if (ext == EXT_PUTCHAR)
		put_byte(vm, (u8)arg[0]);
	else
		a.error = console_read(vm, &byte, 1) ? byte : -1;
	return a;
}

int sbi_exit(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	u64 ext = run->riscv_sbi.extension_id, func = run->riscv_sbi.function_id;
	unsigned long arg[6];
	struct answer a;

	memcpy(arg, run->riscv_sbi.args, sizeof(arg));
	switch (ext) {
	case EXT_PUTCHAR:
	case EXT_GETCHAR:
		a = legacy(vcpu->vm, ext, arg);
		break;
	case EXT_DBCN:
		a = dbcn(vcpu->vm, func, arg);
		break;
	case EXT_SUSP:
		a = susp(func, (u32)arg[0]);
		break;
	default:
		log_ratelimited(&vcpu->arch->rate, LOG_DEBUG, "vcpu", "vCPU %u: SBI extension 0x%llx, function %llu: none of ours", vcpu->index,
				(unsigned long long)ext, (unsigned long long)func);
		a = (struct answer){ SBI_ERR_NOT_SUPPORTED, 0 };
	}
	run->riscv_sbi.ret[0] = (unsigned long)a.error;
	run->riscv_sbi.ret[1] = a.value;
	return 0;
}

/* --- life --- */

int sbi_init(struct vm *vm)
{
	struct sbi_console *con = calloc(1, sizeof(*con));

	if (!con)
		return -ENOMEM;
	con->reader.receive = console_receive;
	pthread_mutex_init(&con->lock, NULL);
	vm->arch->console = con;
	return 0;
}

void sbi_reset(struct vm *vm)
{
	struct sbi_console *con = vm->arch->console;

	if (!con->cd)
		return;
	chardev_divert_input(con->cd, NULL);
	con->cd = NULL;
	con->head = con->len = 0;
}

/* The chardev is closed, or never had us. */
void sbi_free(struct vm *vm)
{
	if (!vm->arch->console)
		return;
	pthread_mutex_destroy(&vm->arch->console->lock);
	free(vm->arch->console);
	vm->arch->console = NULL;
}
