// SPDX-License-Identifier: GPL-2.0-only
/*
 * The console device's control protocol, on queues 2 and 3, for drivers that
 * took MULTIPORT. [virtio-1.2 5.3.6.2]
 *
 * What is to be told to the driver is a set of bits per port, sent in the order
 * of the bits with the values of that moment: a driver that gives no control
 * buffers costs nothing, however often a state changes. A message of the
 * driver that is cut short, or names a port or event it may not, is ignored.
 *
 * Left out: PORT_REMOVE (ports are there from the start to the end).
 *
 * Threads: handlers on the VM's main loop; con->lock guards what is told, for
 * the chardevs' callbacks add to it.
 */
#include "virtio/console.h"

#include <string.h>

/* The next message of @p into @msg, its bit in @ret_bit. Gives its length, 0 without any. con->lock held. */
static size_t next_message(struct console_port *p, u8 *msg, u8 *ret_bit)
{
	u8 tell = p->ready ? p->tell : p->tell & TELL_ADD;
	size_t len = CTL_SIZE, n;
	u16 event, value = 1;

	*ret_bit = tell & -tell;
	switch (*ret_bit) {
	case TELL_ADD:
		event = CTL_PORT_ADD;
		break;
	case TELL_CONSOLE:
		event = CTL_CONSOLE_PORT;
		break;
	case TELL_NAME:
		event = CTL_PORT_NAME;
		n = strlen(p->name);
		memcpy(msg + len, p->name, n);
		len += n;
		break;
	case TELL_SIZE:
		/* [virtio-1.2 5.3.6.2] columns first; Linux had them the other way round for years, and has no more. */
		event = CTL_RESIZE;
		put_le16(msg + len, p->cols);
		put_le16(msg + len + 2, p->rows);
		len += 4;
		break;
	case TELL_OPEN:
		event = CTL_PORT_OPEN;
		value = p->told_open;
		break;
	default:
		return 0;
	}
	put_le32(msg, p->id);
	put_le16(msg + 4, event);
	put_le16(msg + 6, value);
	return len;
}

/* Sends one message. False when there is none, or no chain for it. con->lock held. */
static bool tell_one(struct virtio_console *con, struct virtq *q)
{
	struct virtq_chain c = { .iov = con->iov, .room = QUEUE_IOV };
	u8 msg[CTL_SIZE + CTL_NAME_MAX], bit;
	struct console_port *p;
	size_t len = 0, n;

	for (p = con->port; p < con->port + con->nr_ports; p++) {
		len = next_message(p, msg, &bit);
		if (len)
			break;
	}
	if (!len || virtq_pop(q, &c) <= 0)
		return false;
	n = iov_from_buf(c.iov + c.out_cnt, c.in_cnt, 0, msg, len);
	if (n < len)
		log_ratelimited(&con->rate, LOG_DEBUG, con->vdev.name, "control buffer of %zu bytes, message of %zu", n, len);
	virtq_push(q, &c, (u32)n);
	p->tell &= (u8)~bit;
	return true;
}

static bool has_news(struct virtio_console *con)
{
	unsigned int i;

	for (i = 0; i < con->nr_ports; i++)
		if (con->port[i].ready ? con->port[i].tell : con->port[i].tell & TELL_ADD)
			return true;
	return false;
}

void console_control_to_driver(struct virtio_console *con)
{
	struct virtq *q = virtio_queue(&con->vdev, CTL_TO_DRIVER);
	unsigned int budget = RUN_CHAINS;

	pthread_mutex_lock(&con->lock);
	virtq_disable_notify(q);
	while (budget) {
		if (tell_one(con, q)) {
			budget--;
			continue;
		}
		if (!has_news(con) || !virtq_enable_notify(q))
			break;
		virtq_disable_notify(q);
		budget--;
	}
	pthread_mutex_unlock(&con->lock);
	virtio_queue_interrupt(&con->vdev, CTL_TO_DRIVER);
	if (!budget)
		virtio_queue_kick(&con->vdev, CTL_TO_DRIVER);
}

/* The driver set the port up (or, value 0, could not). */
static void port_ready(struct console_port *p, u16 value)
{
	p->ready = value != 0;
	if (!p->ready)
		return;
	if (p->console)
		p->tell |= TELL_CONSOLE;
	if (p->name)
		p->tell |= TELL_NAME;
	if (p->console && p->cols)
		p->tell |= TELL_SIZE;
	p->told_open = p->cd && chardev_connected(p->cd);
	if (p->told_open)
		p->tell |= TELL_OPEN;
}

static void port_guest_open(struct console_port *p, u16 value)
{
	p->guest_open = value != 0;
	if (!p->guest_open)
		p->in_off = p->in_len = 0;	/* as a file that is closed: what was not read is gone */
}

/* One message of the driver. con->lock held. */
static void control_message(struct virtio_console *con, const u8 *msg)
{
	u32 id = get_le32(msg);
	u16 event = get_le16(msg + 4), value = get_le16(msg + 6);
	unsigned int i;

	if (event == CTL_DEVICE_READY) {	/* [virtio-1.2 5.3.6.2] its id means nothing */
		for (i = 0; value && i < con->nr_ports; i++)
			con->port[i].tell |= TELL_ADD;
		return;
	}
	if (id >= con->nr_ports) {
		log_ratelimited(&con->rate, LOG_DEBUG, con->vdev.name, "control event %u for port %u of %u", event, id,
				con->nr_ports);
		return;
	}
	if (event == CTL_PORT_READY)
		port_ready(&con->port[id], value);
	else if (event == CTL_PORT_OPEN)
		port_guest_open(&con->port[id], value);
	else
		log_ratelimited(&con->rate, LOG_DEBUG, con->vdev.name, "control event %u is not the driver's", event);
}

void console_control_from_driver(struct virtio_console *con)
{
	struct virtq *q = virtio_queue(&con->vdev, CTL_FROM_DRIVER);
	struct virtq_chain c = { .iov = con->iov, .room = QUEUE_IOV };
	unsigned int budget = RUN_CHAINS;
	u8 msg[CTL_SIZE];

	virtq_disable_notify(q);
	for (; budget; budget--) {
		if (virtq_pop(q, &c) <= 0) {
			if (!virtq_enable_notify(q))
				break;
			virtq_disable_notify(q);
			continue;
		}
		if (iov_to_buf(c.iov, c.out_cnt, 0, msg, sizeof(msg)) == sizeof(msg)) {
			pthread_mutex_lock(&con->lock);
			control_message(con, msg);
			pthread_mutex_unlock(&con->lock);
		} else {
			log_ratelimited(&con->rate, LOG_DEBUG, con->vdev.name, "control message cut short");
		}
		virtq_push(q, &c, 0);
	}
	virtio_queue_interrupt(&con->vdev, CTL_FROM_DRIVER);
	if (!budget)
		virtio_queue_kick(&con->vdev, CTL_FROM_DRIVER);
	virtio_queue_kick(&con->vdev, CTL_TO_DRIVER);
	console_resume_inputs(con);
}
