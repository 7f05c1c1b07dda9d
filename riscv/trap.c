/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A system call of ours that the sandbox trapped, as riscv64 Linux passes it: arguments and result in a0 and up. [riscv-elf-psabi, "Linux syscalls"]
 *
 * Any thread, in a signal handler.
 */
#include <ucontext.h>

#include "vmm/arch.h"

enum { A0 = 10, A1 = 11 };	/* x10, x11; x0's place has the program counter */

unsigned long arch_answer_call(void *context, long result)
{
	ucontext_t *uc = context;

	uc->uc_mcontext.__gregs[A0] = (unsigned long)result;
	return uc->uc_mcontext.__gregs[A1];
}
