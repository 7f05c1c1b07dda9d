/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * lkvm_vdev, personality "dsa": what its work queue's portals ask of those who write to them.
 * Everything else is as Intel's Data Streaming Accelerator has it; <linux/idxd.h> has descriptors
 * and completion records.
 *
 * BAR 2 is two pages of ordinary memory, the unlimited and the limited portal, of 64 slots each. A
 * descriptor is 64 bytes written to a free slot; it counts as soon as its first 8 bytes are not
 * zero, so they come last, with all the others visible before. MOVDIR64B does both at once. The
 * device zeroes these 8 bytes when it has taken the descriptor, which makes the slot free, and
 * takes those of a page in the order of their slots, round and round. A descriptor whose first 8
 * bytes would be zero, a NOOP without flags, sets LKVM_DSA_VALID, a reserved bit which the device
 * ignores.
 */
#ifndef _UAPI_LKVM_DSA_H
#define _UAPI_LKVM_DSA_H

#define LKVM_DSA_PORTAL_SIZE	4096
#define LKVM_DSA_PORTALS	2
#define LKVM_DSA_SLOT_SIZE	64
#define LKVM_DSA_VALID		(1u << 30)	/* in the first 4 bytes */

#endif
