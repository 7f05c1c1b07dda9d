/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/* lkvm_pvlock: /dev/lkvm_pvlock keeps a flag in memory that says whether a thread was taken off its CPU. */
#ifndef _UAPI_LKVM_PVLOCK_H
#define _UAPI_LKVM_PVLOCK_H

#include <linux/ioctl.h>
#include <linux/types.h>

/*
 * The calling thread's flag: the le64 at @addr is 1 from when the thread was taken off its CPU, while it could run, until it runs again; else 0,
 * also for one that slept and was woken, till it first runs. @addr: 64-byte aligned, writable. EEXIST: it has one by this file; EBUSY:
 * by eight others.
 * The page stays pinned until UNREGISTER, by the same thread, its end, or the last close; after the last two it may still be written for a
 * moment: who has another use for the memory lets the thread UNREGISTER first.
 */
struct lkvm_pvlock_register {
	__u32 argsz;	/* sizeof, for later */
	__u32 flags;	/* 0 */
	__u64 addr;
};

#define LKVM_PVLOCK_REGISTER	_IOW('L', 0x40, struct lkvm_pvlock_register)
#define LKVM_PVLOCK_UNREGISTER	_IO('L', 0x41)

#endif
