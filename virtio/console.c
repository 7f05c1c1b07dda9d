// SPDX-License-Identifier: GPL-2.0-only
/*
 * Console device [virtio-1.2 5.3]: one port, or several with a pair of control
 * queues (MULTIPORT). Each port is a pair of queues in front of a chardev.
 *
 *	queue	0 rx of port 0, 1 tx of port 0, 2 control to the driver, 3 control from it,
 *		2n+2 rx of port n, 2n+3 tx of port n
 *
 * Output that the chardev does not take stays in its chain, which is held until
 * the chardev has room: the driver sees a slow device. Input waits in the
 * port's buffer, and behind it in the chardev, until the driver gives buffers
 * and, with MULTIPORT, has the port open.
 *
 * Threads: queue handlers and chardev callbacks on the VM's main loop; config, start, stop and
 * the rest as virtio.h has it. Rings are touched by handlers only: a callback leaves
 * its news under con->lock and kicks the queue, whose handler comes when it may.
 */
#include "virtio/console.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/json.h"
#include "vmm/config.h"
#include "vmm/state.h"
#include "vmm/virtio.h"

/* The port of a queue that is no control queue. */
static struct console_port *port_of(struct virtio_console *con, unsigned int queue)
{
	return &con->port[queue < 2 ? 0 : (queue - 2) / 2];
}

/* --- from the driver to the world --- */

/* What is left of the held chain. False when the chardev is full. */
static bool send_chain(struct console_port *p)
{
	u64 skip = MIN(p->tx_off, p->tx.out_len);
	unsigned int i;

	p->tx_off = skip;
	for (i = 0; i < p->tx.out_cnt; i++) {
		const struct iovec *v = &p->tx_iov[i];
		size_t n, len;

		if (skip >= v->iov_len) {
			skip -= v->iov_len;
			continue;
		}
		len = v->iov_len - (size_t)skip;
		n = p->cd ? chardev_write(p->cd, (const u8 *)v->iov_base + skip, len) : len;
		p->tx_off += n;
		counter_add(&p->sent, n);
		if (n < len)
			return false;
		skip = 0;
	}
	return true;
}

static void tx_notify(struct console_port *p)
{
	struct virtio_dev *vdev = &p->con->vdev;
	struct virtq *q = virtio_queue(vdev, tx_queue(p));
	unsigned int budget = RUN_CHAINS;

	virtq_disable_notify(q);
	for (; budget; budget--) {
		if (!p->tx_held) {
			p->tx = (struct virtq_chain){ .iov = p->tx_iov, .room = QUEUE_IOV };
			if (virtq_pop(q, &p->tx) <= 0) {
				if (!virtq_enable_notify(q))
					break;
				virtq_disable_notify(q);
				continue;
			}
			p->tx_held = true;
		}
		if (!send_chain(p))
			break;	/* on with it when the chardev is writable */
		virtq_push(q, &p->tx, 0);
		p->tx_held = false;
		p->tx_off = 0;
	}
	virtio_queue_interrupt(vdev, tx_queue(p));
	if (!budget)
		virtio_queue_kick(vdev, tx_queue(p));
}

/* --- from the world to the driver --- */

/* Once for each time port_receive() left something. con->lock held. */
static bool wants_input(struct console_port *p)
{
	if (!p->in_short || p->in_len || !p->con->live || !console_port_takes_input(p))
		return false;
	p->in_short = false;
	return true;
}

/* Moves waiting input into one chain. False when that was all, or there is no chain. con->lock held. */
static bool deliver_one(struct console_port *p, struct virtq *q)
{
	struct virtio_console *con = p->con;
	struct virtq_chain c = { .iov = con->iov, .room = QUEUE_IOV };
	size_t n;

	if (!p->in_len || !console_port_takes_input(p) || virtq_pop(q, &c) <= 0)
		return false;
	n = iov_from_buf(c.iov + c.out_cnt, c.in_cnt, 0, p->in + p->in_off, p->in_len);
	virtq_push(q, &c, (u32)n);
	counter_add(&p->received, n);
	p->in_off += (unsigned int)n;
	p->in_len -= (unsigned int)n;
	if (!p->in_len)
		p->in_off = 0;
	return true;
}

static void rx_notify(struct console_port *p)
{
	struct virtio_console *con = p->con;
	struct virtio_dev *vdev = &con->vdev;
	struct virtq *q = virtio_queue(vdev, rx_queue(p));
	unsigned int budget = RUN_CHAINS;
	bool resume;

	pthread_mutex_lock(&con->lock);
	virtq_disable_notify(q);
	while (budget) {
		if (deliver_one(p, q)) {
			budget--;
			continue;
		}
		/* Buffers are of interest only while there is something to put into them. */
		if (!p->in_len || !console_port_takes_input(p) || !virtq_enable_notify(q))
			break;
		virtq_disable_notify(q);
		budget--;
	}
	resume = wants_input(p);
	pthread_mutex_unlock(&con->lock);
	virtio_queue_interrupt(vdev, rx_queue(p));
	if (!budget)
		virtio_queue_kick(vdev, rx_queue(p));
	if (resume)
		chardev_resume_input(p->cd);
}

void console_resume_inputs(struct virtio_console *con)
{
	struct console_port *p;
	bool resume;

	for (p = con->port; p < con->port + con->nr_ports; p++) {
		pthread_mutex_lock(&con->lock);
		resume = wants_input(p);
		pthread_mutex_unlock(&con->lock);
		if (resume)
			chardev_resume_input(p->cd);
	}
}

static void console_notify(struct virtio_dev *vdev, unsigned int queue)
{
	struct virtio_console *con = to_con(vdev);

	/* [virtio-1.2 5.3.2] the other queues exist only with MULTIPORT */
	if (queue >= 2 && !virtio_has(vdev, F_MULTIPORT))
		return;
	if (queue == CTL_TO_DRIVER)
		console_control_to_driver(con);
	else if (queue == CTL_FROM_DRIVER)
		console_control_from_driver(con);
	else if (queue & 1)
		tx_notify(port_of(con, queue));
	else
		rx_notify(port_of(con, queue));
}

/* --- the chardev's side: loop's thread --- */

static size_t port_receive(struct chardev_client *c, const u8 *buf, size_t len)
{
	struct console_port *p = container_of(c, struct console_port, client);
	struct virtio_console *con = p->con;
	size_t n = 0;

	pthread_mutex_lock(&con->lock);
	if (con->live && console_port_takes_input(p)) {
		n = MIN(len, (size_t)(INPUT_SIZE - p->in_off - p->in_len));
		memcpy(p->in + p->in_off + p->in_len, buf, n);
		p->in_len += (unsigned int)n;
	}
	p->in_short = n < len;
	pthread_mutex_unlock(&con->lock);
	if (n)
		virtio_queue_kick(&con->vdev, rx_queue(p));
	return n;
}

static void port_writable(struct chardev_client *c)
{
	struct console_port *p = container_of(c, struct console_port, client);

	virtio_queue_kick(&p->con->vdev, tx_queue(p));
}

/* Takes over the chardev's state. Whether config space changed by it. con->lock held. */
static bool port_look(struct console_port *p)
{
	bool open = p->cd && chardev_connected(p->cd), resized = false;
	u16 cols, rows;

	if (p->ready && open != p->told_open) {
		p->told_open = open;
		p->tell |= TELL_OPEN;
	}
	if (p->cd && chardev_size(p->cd, &cols, &rows) && (cols != p->cols || rows != p->rows)) {
		p->cols = cols;
		p->rows = rows;
		resized = p->id == 0;
		if (p->console && p->ready)
			p->tell |= TELL_SIZE;
	}
	return resized;
}

static void port_changed(struct chardev_client *c)
{
	struct console_port *p = container_of(c, struct console_port, client);
	struct virtio_console *con = p->con;
	bool resized, live;

	pthread_mutex_lock(&con->lock);
	resized = port_look(p);
	live = con->live;
	pthread_mutex_unlock(&con->lock);
	if (!live)
		return;	/* start() kicks */
	if (resized)
		virtio_config_changed(&con->vdev);
	if (con->nr_ports > 1 || con->port[0].name)
		virtio_queue_kick(&con->vdev, CTL_TO_DRIVER);
}

/* --- the core's side --- */

static void console_config_read(struct virtio_dev *vdev, unsigned int off, void *buf, unsigned int len)
{
	struct virtio_console *con = to_con(vdev);
	u8 cfg[CFG_SIZE] = { 0 };

	pthread_mutex_lock(&con->lock);
	put_le16(cfg + CFG_COLS, con->port[0].cols);
	put_le16(cfg + CFG_ROWS, con->port[0].rows);
	pthread_mutex_unlock(&con->lock);
	put_le32(cfg + CFG_MAX_PORTS, con->nr_ports);
	memcpy(buf, cfg + off, len);
}

/* The byte goes out at once, even before there are queues or features. [virtio-1.2 5.3.5] */
static void console_config_write(struct virtio_dev *vdev, unsigned int off, const void *buf, unsigned int len)
{
	struct console_port *p = &to_con(vdev)->port[0];

	if (off <= CFG_EMERG_WR && len > CFG_EMERG_WR - off && p->cd)
		chardev_write(p->cd, (const u8 *)buf + (CFG_EMERG_WR - off), 1);
}

static int console_start(struct virtio_dev *vdev)
{
	struct virtio_console *con = to_con(vdev);
	unsigned int i;

	pthread_mutex_lock(&con->lock);
	con->live = true;
	con->multiport = virtio_has(vdev, F_MULTIPORT);
	for (i = 0; i < con->nr_ports; i++)
		port_look(&con->port[i]);	/* what happened while nobody could be told */
	pthread_mutex_unlock(&con->lock);
	console_resume_inputs(con);
	return 0;
}

/* Gives the held chain back to the ring; what of it went out is remembered, and not sent again after a VM's pause. */
static void put_back(struct console_port *p)
{
	if (p->tx_held)
		virtq_unpop(virtio_queue(&p->con->vdev, tx_queue(p)), &p->tx);
	p->tx_held = false;
}

static void console_stop(struct virtio_dev *vdev)
{
	struct virtio_console *con = to_con(vdev);
	unsigned int i;

	for (i = 0; i < con->nr_ports; i++)
		put_back(&con->port[i]);
	pthread_mutex_lock(&con->lock);
	con->live = false;
	pthread_mutex_unlock(&con->lock);
}

static void console_queue_stop(struct virtio_dev *vdev, unsigned int queue)
{
	struct console_port *p = port_of(to_con(vdev), queue);

	if (queue == CTL_TO_DRIVER || queue == CTL_FROM_DRIVER || queue != tx_queue(p))
		return;	/* their handlers complete what they pop */
	put_back(p);
	p->tx_off = 0;
}

static void console_reset(struct virtio_dev *vdev)
{
	struct virtio_console *con = to_con(vdev);
	struct console_port *p;

	pthread_mutex_lock(&con->lock);
	con->multiport = false;
	for (p = con->port; p < con->port + con->nr_ports; p++) {
		p->tell = 0;
		p->ready = p->guest_open = p->told_open = false;
		p->tx_off = 0;
	}
	pthread_mutex_unlock(&con->lock);
}

static void console_save(struct virtio_dev *vdev, struct state_writer *w)
{
	struct virtio_console *con = to_con(vdev);
	struct console_port *p;

	pthread_mutex_lock(&con->lock);
	state_put_u32(w, con->nr_ports);
	for (p = con->port; p < con->port + con->nr_ports; p++) {
		state_put_u8(w, p->tell);
		state_put_u8(w, p->ready);
		state_put_u8(w, p->guest_open);
		state_put_u8(w, p->told_open);
		state_put_u16(w, p->cols);
		state_put_u16(w, p->rows);
		state_put_u64(w, p->tx_off);
		state_put_bytes(w, p->in + p->in_off, p->in_len);
	}
	pthread_mutex_unlock(&con->lock);
}

static int load_port(struct console_port *p, struct state_reader *r)
{
	p->tell = state_get_u8(r) & TELL_ALL;
	if (!p->name)
		p->tell &= (u8)~TELL_NAME;
	p->ready = state_get_u8(r);
	p->guest_open = state_get_u8(r);
	p->told_open = state_get_u8(r);
	p->cols = state_get_u16(r);
	p->rows = state_get_u16(r);
	p->tx_off = state_get_u64(r);
	p->in_off = 0;
	p->in_len = state_get_blob(r, p->in, sizeof(p->in));
	return r->error;
}

/* The device was reset before; when loading fails it is reset again. */
static int console_load(struct virtio_dev *vdev, struct state_reader *r)
{
	struct virtio_console *con = to_con(vdev);
	unsigned int i;
	int ret = 0;

	if (state_get_u32(r) != con->nr_ports)
		return -EBADMSG;
	pthread_mutex_lock(&con->lock);
	for (i = 0; i < con->nr_ports && !ret; i++)
		ret = load_port(&con->port[i], r);
	pthread_mutex_unlock(&con->lock);
	return ret;
}

static void console_stats(struct virtio_dev *vdev, struct strbuf *b)
{
	struct virtio_console *con = to_con(vdev);
	struct console_port *p;

	json_array_begin(b, "ports");
	for (p = con->port; p < con->port + con->nr_ports; p++) {
		json_begin(b, NULL);
		if (p->name)
			json_str(b, "name", p->name);
		json_u64(b, "bytes_sent", counter_get(&p->sent));
		json_u64(b, "bytes_received", counter_get(&p->received));
		json_end(b);
	}
	json_array_end(b);
}

static void con_free(struct virtio_console *con)
{
	unsigned int i;

	for (i = 0; i < con->nr_ports; i++) {
		if (con->port[i].cd)
			chardev_set_client(con->port[i].cd, NULL);
		free(con->port[i].name);
	}
	pthread_mutex_destroy(&con->lock);
	free(con);
}

static void console_free(struct virtio_dev *vdev)
{
	con_free(to_con(vdev));
}

static const struct virtio_ops console_ops = {
	.id = VIRTIO_ID_CONSOLE,
	.pci_class = 0x078000,
	.legacy_pci_id = 0x1003,
	.config_read = console_config_read,
	.config_write = console_config_write,
	.start = console_start,
	.stop = console_stop,
	.queue_stop = console_queue_stop,
	.queue_notify = console_notify,
	.reset = console_reset,
	.save = console_save,
	.load = console_load,
	.stats = console_stats,
	.free = console_free,
};

/* --- creation --- */

static int port_init(struct virtio_console *con, const struct virtio_console_port *cfg, struct error *err)
{
	struct console_port *p = &con->port[con->nr_ports];

	if (cfg->name && strlen(cfg->name) > CTL_NAME_MAX)
		return error_set(err, -EINVAL, "console port name '%s': longer than %d bytes", cfg->name, CTL_NAME_MAX);
	p->con = con;
	p->id = con->nr_ports++;
	p->cd = cfg->cd;
	p->console = cfg->console || p->id == 0;
	p->client = (struct chardev_client){
		.receive = port_receive, .writable = port_writable, .changed = port_changed,
	};
	if (cfg->name) {
		p->name = strdup(cfg->name);
		if (!p->name)
			return error_set_errno(err, -ENOMEM, "virtio-console");
	}
	if (p->cd && !chardev_size(p->cd, &p->cols, &p->rows))
		p->cols = p->rows = 0;
	return 0;
}

int virtio_console_create(struct vm *vm, const struct virtio_console_port *port, unsigned int nr, struct error *err)
{
	bool multiport = nr > 1 || port[0].name;
	u16 sizes[2 * (CONFIG_MAX_PORTS + 1)];
	struct virtio_init init = {
		.ops = &console_ops,
		.features = BIT_ULL(F_SIZE) | BIT_ULL(F_EMERG_WRITE) | (multiport ? BIT_ULL(F_MULTIPORT) : 0),
		.config_size = CFG_SIZE,
		.nr_queues = multiport ? 2 * (nr + 1) : 2,
		.queue_sizes = sizes,
		.in_order_ok = true,
		.kind = "console",
	};
	struct virtio_console *con;
	unsigned int i;
	int r = 0;

	if (nr < 1 || nr > CONFIG_MAX_PORTS)
		return error_set(err, -EINVAL, "virtio-console: %u ports, expected 1..%d", nr, CONFIG_MAX_PORTS);
	con = calloc(1, sizeof(*con) + nr * sizeof(con->port[0]));
	if (!con)
		return error_set_errno(err, -ENOMEM, "virtio-console");
	pthread_mutex_init(&con->lock, NULL);
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		sizes[i] = QUEUE_SIZE;
	for (i = 0; i < nr && !r; i++)
		r = port_init(con, &port[i], err);
	if (!r)
		r = virtio_dev_create(vm, &con->vdev, &init, err);
	if (r < 0) {
		for (i = 0; i < con->nr_ports; i++)
			con->port[i].cd = NULL;	/* not ours yet */
		con_free(con);
		return r;
	}
	for (i = 0; i < nr; i++)
		if (con->port[i].cd)
			chardev_set_client(con->port[i].cd, &con->port[i].client);
	return 0;
}
