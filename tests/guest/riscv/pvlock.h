/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KVM tells no guest of riscv64.
 */
enum { PVLOCK_ALWAYS = 0 };

static bool pvlock_begin(unsigned int cpu, u64 kind) { return false; }
static u64 pvlock_place(unsigned int cpu) { return 0; }
static bool pvlock_odd_calls(void) { return true; }
static u64 pvlock_read(unsigned int cpu) { return 0; }
static void pvlock_stop(void) {}
