# SPDX-License-Identifier: GPL-2.0-only

guest_cflags += -mgeneral-regs-only -mstrict-align -mno-outline-atomics
