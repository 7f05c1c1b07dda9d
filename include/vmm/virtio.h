/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Constructors of the virtio devices, for devices.c. Each device is created
 * over the transport that the VM's config names, and belongs to the VM
 * when its constructor succeeded.
 */
#ifndef VMM_VIRTIO_H
#define VMM_VIRTIO_H

#include "util/error.h"

struct chardev;
struct disk;
struct net_backend;
struct net_config;
struct strbuf;
struct vm;

/* Takes @disk over on success. @queues >= 1. [virtio-1.2 5.2] */
int virtio_blk_create(struct vm *vm, struct disk *disk, unsigned int queues, bool writethrough, struct error *err);

struct virtio_console_port {
	struct chardev *cd;	/* borrowed; NULL: nothing behind it */
	const char *name;	/* or NULL; /dev/virtio-ports/NAME in the guest */
	bool console;		/* an hvc, not a plain port */
};
/* Port 0 is a console. More than one port, or a name, makes it multiport. [virtio-1.2 5.3] */
int virtio_console_create(struct vm *vm, const struct virtio_console_port *port, unsigned int nr, struct error *err);

/* [virtio-1.2 5.4] */
int virtio_rng_create(struct vm *vm, struct error *err);

/* Takes @be over on success. @index: n-th NIC. [virtio-1.2 5.1] */
int virtio_net_create(struct vm *vm, struct net_backend *be, const struct net_config *cfg, unsigned int index,
		      struct error *err);

/* [virtio-1.2 5.5] */
int virtio_balloon_create(struct vm *vm, struct error *err);
/*
 * Main thread. -ENODEV without a balloon. @bytes: what the guest is asked to give back, in all, rounded down to 4 KiB; -ERANGE when that
 * is more than it has. It gets there as it can, or does not.
 */
int balloon_set_target(struct vm *vm, u64 bytes);
int balloon_get_target(struct vm *vm, u64 *ret_bytes);
/*
 * Members "target", "actual" (bytes), "driver" (one is at work), "pinned" (nothing can be given back to the host now) and, once the
 * guest told, "stats" with its counters and "stats_age_ms". @refresh: asks the guest for new ones; "stats_seq" grows when they came.
 * -ENODEV without a balloon. Main thread.
 */
int balloon_report(struct vm *vm, bool refresh, struct strbuf *b);

#endif
