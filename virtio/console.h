/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The console device's own: ports (console.c) and the control protocol between
 * them and a MULTIPORT driver (console-control.c). [virtio-1.2 5.3]
 */
#ifndef VIRTIO_CONSOLE_H
#define VIRTIO_CONSOLE_H

#include <pthread.h>

#include "virtio/virtio.h"
#include "vmm/chardev.h"

/* [virtio-1.2 5.3.3] */
enum { F_SIZE = 0, F_MULTIPORT = 1, F_EMERG_WRITE = 2 };
/* [virtio-1.2 5.3.4] */
enum { CFG_COLS = 0, CFG_ROWS = 2, CFG_MAX_PORTS = 4, CFG_EMERG_WR = 8, CFG_SIZE = 12 };
/* [virtio-1.2 5.3.6.2] le32 id, le16 event, le16 value */
enum { CTL_SIZE = 8, CTL_NAME_MAX = 120 };
enum {
	CTL_DEVICE_READY, CTL_PORT_ADD, CTL_PORT_REMOVE, CTL_PORT_READY, CTL_CONSOLE_PORT, CTL_RESIZE, CTL_PORT_OPEN,
	CTL_PORT_NAME,
};

enum { CTL_TO_DRIVER = 2, CTL_FROM_DRIVER = 3 };
enum { QUEUE_SIZE = 64, QUEUE_IOV = QUEUE_SIZE + GUEST_RAM_RANGES, INPUT_SIZE = 4096 };
/* Chains one run of a handler serves before the loop's other users have their turn. */
enum { RUN_CHAINS = 64 };

/* What a port has to tell, in the order of telling. */
enum { TELL_ADD = 1, TELL_CONSOLE = 2, TELL_NAME = 4, TELL_SIZE = 8, TELL_OPEN = 16, TELL_ALL = 31 };

struct virtio_console;

struct console_port {
	struct virtio_console *con;
	struct chardev_client client;
	struct chardev *cd;		/* borrowed; or NULL */
	char *name;			/* owned; or NULL */
	bool console;
	unsigned int id;

	/* under con->lock */
	u8 tell;			/* TELL_* bits */
	bool ready;			/* the driver has set it up */
	bool guest_open;
	bool told_open;			/* the driver knows the other end is there */
	u16 cols, rows;
	u8 in[INPUT_SIZE];
	unsigned int in_off, in_len;
	bool in_short;			/* the chardev has more */

	/* the tx queue's handler, or whoever keeps it out */
	struct virtq_chain tx;
	struct iovec tx_iov[QUEUE_IOV];
	bool tx_held;			/* tx is popped and not pushed */
	u64 tx_off;			/* bytes of it that went out; kept over unpop */

	_Atomic u64 sent, received;	/* bytes, by the guest; the main loop counts */
};

struct virtio_console {
	struct virtio_dev vdev;
	pthread_mutex_t lock;		/* guards what is said so here and in struct console_port */
	bool live;			/* between start and stop; under lock */
	bool multiport;			/* negotiated; under lock */
	struct iovec iov[QUEUE_IOV];	/* handlers' that complete what they pop */
	struct log_rate rate;
	unsigned int nr_ports;
	struct console_port port[];
};

static inline struct virtio_console *to_con(struct virtio_dev *vdev)
{
	return container_of(vdev, struct virtio_console, vdev);
}

static inline unsigned int rx_queue(const struct console_port *p)
{
	return p->id ? 2 * p->id + 2 : 0;
}

static inline unsigned int tx_queue(const struct console_port *p)
{
	return rx_queue(p) + 1;
}

/* console.c; con->lock held but for the last. */
static inline bool console_port_takes_input(const struct console_port *p)
{
	return !p->con->multiport || p->guest_open;
}
void console_resume_inputs(struct virtio_console *con);

/* console-control.c: handlers of the control queues */
void console_control_to_driver(struct virtio_console *con);
void console_control_from_driver(struct virtio_console *con);

#endif
