/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What lkvm does with the guest's console besides passing it on: keeps a copy
 * (--console-log), tells when it first speaks, and looks for the line of a
 * panicking Linux. A guest that printed it and then resets, or says nothing more
 * for cfg.panic_silence_ns, has crashed.
 */
#ifndef VMM_CONSOLE_H
#define VMM_CONSOLE_H

#include "util/error.h"

struct vm;

/* Opens vm->cfg's back ends into vm->chardev[] and starts to watch the console. Main thread. */
int console_open(struct vm *vm, struct error *err);
void console_close(struct vm *vm);
/* Before the guest starts again: forgets what was matched. */
void console_restart(struct vm *vm);

#endif
