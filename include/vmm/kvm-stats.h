/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KVM's binary statistics of one VM or vCPU: a file that describes itself. [Documentation/virt/kvm/api 4.133 KVM_GET_STATS_FD]
 */
#ifndef VMM_KVM_STATS_H
#define VMM_KVM_STATS_H

#include "util/error.h"
#include "util/str.h"
#include "util/types.h"

struct kvm_stats;
struct vm;

/* --- one file --- */

/*
 * Takes @fd over, on failure too. -EPROTO: what it says of itself makes no sense.
 */
int kvm_stats_open(int fd, struct kvm_stats **ret);
void kvm_stats_free(struct kvm_stats *s);	/* NULL is fine */
/* Its values now, as members of the JSON object open in @b; a histogram is an array. -errno: nothing was added. */
int kvm_stats_write(struct kvm_stats *s, struct strbuf *b);
/* The names of what goes up and down or is a peak, unlike a counter, as strings of the JSON array open in @b. */
void kvm_stats_write_levels(const struct kvm_stats *s, struct strbuf *b);

/* --- a VM and its vCPUs; main thread --- */

/*
 * Opened when first asked for: until then nobody pays for it. The vCPUs are held for a moment then, because KVM has a vCPU's ioctl wait for
 * its KVM_RUN. NULL: this KVM has none, or it could not be opened.
 */
struct kvm_stats *vm_kvm_stats(struct vm *vm);
struct kvm_stats *vcpu_kvm_stats(struct vm *vm, unsigned int vcpu);
void vm_kvm_stats_free(struct vm *vm);

#endif
