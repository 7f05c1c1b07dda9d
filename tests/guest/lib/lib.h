/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Between the halves of the guests' library: what each architecture gives to common.c.
 */
#ifndef GUEST_LIB_H
#define GUEST_LIB_H

#include "guest.h"

void console_put(char c);
const char *cmdline(void);	/* NULL: none */

#endif
