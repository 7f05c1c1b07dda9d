/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What this host has of what lkvm can use: for `lkvm version --host`.
 */
#ifndef VMM_HOST_H
#define VMM_HOST_H

struct strbuf;

/* Lines "SECTION: THING: TEXT": kvm, vhost and module. (VFIO's are vfio_host_describe()'s.) Opens devices, changes nothing. */
void host_describe(struct strbuf *out, const char *kvm_dev);

#endif
