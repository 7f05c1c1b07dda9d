/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The finished filters, and their way into the kernel. [seccomp(2)] They were made by sandbox/gen/policy.c, where the policy is.
 *
 * SPEC_ALLOW: without it, kernels before 5.16 switch speculative store bypass off for a thread with a filter, which a vCPU would pay for
 * in each system call; nothing in this process shares its address space with code that is not trusted.
 *
 * Threads: filter_install() on the thread it is for.
 */
#include "sandbox/private.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef HAVE_SECCOMP
#include "sandbox-filters.h"

#define FILTER(name) { filter_##name, ARRAY_SIZE(filter_##name), filter_##name##_pid_at }

static const struct {
	const struct sock_filter *insn;
	unsigned short len, pid_at;
} filters[THREAD_CLASSES] = {
	[THREAD_MAIN] = FILTER(main), [THREAD_VCPU] = FILTER(vcpu), [THREAD_IO] = FILTER(io), [THREAD_WORKER] = FILTER(worker),
	[THREAD_USERNET] = FILTER(usernet),
};

int filter_supported(void)
{
	unsigned int action = SECCOMP_RET_KILL_PROCESS;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) < 0 ? -EOPNOTSUPP : 0;
}

int filter_install(enum thread_class class)
{
	struct sock_filter insn[filter_longest];
	struct sock_fprog prog = { .len = filters[class].len, .filter = insn };

	memcpy(insn, filters[class].insn, sizeof(insn[0]) * prog.len);
	insn[filters[class].pid_at].k = (u32)getpid();
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &prog) < 0 ? -errno : 0;
}

const char *filter_call_name(int nr)
{
	const char *name = call_names;
	int i;

	for (i = 0; i < nr && name < call_names + sizeof(call_names) - 1; i++)
		name += strlen(name) + 1;
	return i == nr && name < call_names + sizeof(call_names) - 1 ? name : "";
}

bool sandbox_has_filters(void)
{
	return true;
}
#else
int filter_supported(void)
{
	return -EOPNOTSUPP;
}

int filter_install(enum thread_class class)
{
	return -EOPNOTSUPP;
}

const char *filter_call_name(int nr)
{
	return "";
}

bool sandbox_has_filters(void)
{
	return false;
}
#endif
