/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/* lkvm_ones: mmap of /dev/lkvm_ones, read-only and of any size, shows one page of 0xff bytes over and over. */
#ifndef _UAPI_LKVM_ONES_H
#define _UAPI_LKVM_ONES_H

#define LKVM_ONES_PATH "/dev/lkvm_ones"

#endif
