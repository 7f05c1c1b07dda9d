/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A system call of ours that the sandbox trapped, as arm64 Linux passes it: number in x8, arguments in x0 to x5, the result in x0.
 * seccomp has put the first argument back before the signal.
 *
 * Any thread, in a signal handler.
 */
#include <ucontext.h>

#include "vmm/arch.h"

unsigned long arch_answer_call(void *context, long result)
{
	ucontext_t *uc = context;

	uc->uc_mcontext.regs[0] = (unsigned long)result;
	return uc->uc_mcontext.regs[1];
}
