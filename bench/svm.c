/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For LD_PRELOAD: makes CPUID speak of SVM until somebody has seen it. kvmtool looks for vmx or svm before it opens /dev/kvm, which some
 * machines have without either. Uses CPUID faulting [Linux arch_prctl(2) ARCH_SET_CPUID], which x86-64 processors since 2012 have;
 * without it nothing changes. From the answer on CPUID is the processor's own again, so that a timed run pays three signals.
 */
#include <asm/prctl.h>
#include <cpuid.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define SVM (1U << 2)	/* CPUID 0x80000001 ECX */

static void on_cpuid(int sig, siginfo_t *si, void *arg)
{
	greg_t *reg = ((ucontext_t *)arg)->uc_mcontext.gregs;
	unsigned int leaf = (unsigned int)reg[REG_RAX], a, b, c, d;

	if (memcmp((void *)reg[REG_RIP], "\x0f\xa2", 2)) {	/* a fault of its own */
		signal(sig, SIG_DFL);
		return;
	}
	syscall(SYS_arch_prctl, ARCH_SET_CPUID, 1UL);
	__cpuid_count(leaf, (unsigned int)reg[REG_RCX], a, b, c, d);
	if (leaf == 0) {
		memcpy(&b, "Auth", 4);
		memcpy(&d, "enti", 4);
		memcpy(&c, "cAMD", 4);
	}
	if (leaf == 0x80000001)
		c |= SVM;
	else
		syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0UL);
	reg[REG_RAX] = a;
	reg[REG_RBX] = b;
	reg[REG_RCX] = c;
	reg[REG_RDX] = d;
	reg[REG_RIP] += 2;
}

__attribute__((constructor)) static void start(void)
{
	struct sigaction sa = { .sa_sigaction = on_cpuid, .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &sa, NULL);
	syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0UL);
}
