/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A system call of ours that the sandbox trapped, as x86-64 Linux passes it. [System V ABI, AMD64 A.2.1]
 *
 * Any thread, in a signal handler.
 */
#include <ucontext.h>

#include "vmm/arch.h"

unsigned long arch_answer_call(void *context, long result)
{
	ucontext_t *uc = context;

	uc->uc_mcontext.gregs[REG_RAX] = result;
	return (unsigned long)uc->uc_mcontext.gregs[REG_RSI];
}
