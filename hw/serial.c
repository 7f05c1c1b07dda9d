// SPDX-License-Identifier: GPL-2.0-only
/*
 * 16550A UART [PC16550D: National Semiconductor PC16550D data sheet, June 1995; cited by register].
 *
 * Time does not exist here: a byte written is sent, and a byte received is
 * there, at once, whatever the divisor says. So the transmitter is always empty, and
 * the receive timeout ("no character for 4 character times", [PC16550D FIFO interrupt mode])
 * has always passed: it is asserted while bytes wait below the trigger level.
 *
 * Differences from the chip, on purpose: OUT2 gates nothing (that is the PC's
 * wiring around it; guests that leave it clear and enable IER want interrupts);
 * bytes wait at the back end when the FIFO is full, so only loopback overruns; DMA mode and the
 * divisor are stored and do nothing. CTS is always up; DSR and DCD follow the
 * other end of the back end.
 *
 * Drivers empty the receiver when they start, and a script that pipes commands into
 * a guest cannot know when that was. So input is offered only while somebody
 * listens: the receive interrupt is enabled, or LSR is read again and
 * again as by a polling loop (until FCR or IER says that another driver starts).
 *
 * Threads: registers on vCPU threads, receive and the rest of the client on the
 * loop's. Writing THR in the usual state takes no lock here (thr_direct). Nothing is
 * written to the chardev under s->lock: that may wait for a reader.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "util/json.h"
#include "vmm/chardev.h"
#include "vmm/hw.h"
#include "vmm/irq.h"
#include "vmm/state.h"
#include "vmm/vm.h"

/* Registers [PC16550D register addresses] */
enum { R_DATA, R_IER, R_IIR_FCR, R_LCR, R_MCR, R_LSR, R_MSR, R_SCR, R_COUNT = SERIAL_REGISTERS };

enum { IER_ERBFI = 1, IER_ETBEI = 2, IER_ELSI = 4, IER_EDSSI = 8, IER_BITS = 15 };
enum {
	IIR_NONE = 1, IIR_MODEM = 0, IIR_THRE = 2, IIR_DATA = 4, IIR_LINE = 6, IIR_TIMEOUT = 12, IIR_FIFO = 0xc0,
};
enum { FCR_ENABLE = 1, FCR_CLEAR_RX = 2, FCR_CLEAR_TX = 4, FCR_DMA = 8, FCR_TRIGGER_SHIFT = 6 };
enum { LCR_DLAB = 0x80 };
enum { MCR_DTR = 1, MCR_RTS = 2, MCR_OUT1 = 4, MCR_OUT2 = 8, MCR_LOOP = 16, MCR_BITS = 31 };
enum {
	LSR_DR = 1, LSR_OE = 2, LSR_PE = 4, LSR_FE = 8, LSR_BI = 16, LSR_THRE = 32, LSR_TEMT = 64, LSR_FIFO_ERR = 128,
	LSR_CHAR = LSR_PE | LSR_FE | LSR_BI,	/* these belong to one received character */
	LSR_ERRORS = LSR_OE | LSR_CHAR,
};
enum {
	MSR_DCTS = 1, MSR_DDSR = 2, MSR_TERI = 4, MSR_DDCD = 8, MSR_CTS = 16, MSR_DSR = 32, MSR_RI = 64, MSR_DCD = 128,
	MSR_LINES = 0xf0,
};

enum { FIFO_SIZE = 16 };
/* LSR reads in a row that are a polling loop: a driver that only sends has no more than two. */
enum { POLLS = 16 };

static const u8 rx_trigger[4] = { 1, 4, 8, 14 };	/* [PC16550D FCR bits 6, 7] */

struct serial {
	struct device dev;
	struct io_region regs;
	struct irq_line *irq;		/* owned: our end of the wire */
	struct chardev *cd;		/* borrowed; or NULL */
	struct chardev_client client;
	unsigned int reg_shift;
	bool wait_for_room;

	_Atomic unsigned int polls;	/* LSR reads since any other access */
	_Atomic u64 sent;		/* bytes */
	_Atomic bool thr_direct;	/* a write at offset 0 is for the line and changes nothing else here */
	pthread_mutex_t lock;		/* guards everything below */
	bool stopped;
	bool irq_level;			/* as irq was told */
	bool polled;			/* somebody reads without interrupts */
	bool rx_waits;			/* the back end has bytes that did not fit */
	u8 ier, fcr, lcr, mcr, lsr, msr, scr, dll, dlm;	/* lsr: errors only; the rest of it is computed */
	bool thre_pending;		/* the THRE interrupt; the register itself is always empty */
	u8 rx[FIFO_SIZE], rx_err[FIFO_SIZE];	/* LSR_CHAR bits of each, until it is at the top */
	unsigned int rx_head, rx_len;
	u64 received;			/* bytes of the back end */
	u8 sysrq;			/* the key that follows a BREAK, when sysrq_left is not 0 */
	unsigned int sysrq_left;	/* 2: BREAK and key have no room yet, 1: the key */
};

/* Whether input is for somebody. Looped back, SIN is disconnected. */
static bool rx_wanted(const struct serial *s)
{
	return !s->stopped && !(s->mcr & MCR_LOOP) && (s->ier & IER_ERBFI || s->polled);
}

static unsigned int rx_room_size(const struct serial *s)
{
	return s->fcr & FCR_ENABLE ? FIFO_SIZE : 1;
}

/* --- interrupts --- */

/* Sources in order of priority. [PC16550D IIR] */
static u8 iir_source(const struct serial *s)
{
	if (s->ier & IER_ELSI && s->lsr & LSR_ERRORS)
		return IIR_LINE;
	if (s->ier & IER_ERBFI && s->rx_len) {
		if (!(s->fcr & FCR_ENABLE) || s->rx_len >= rx_trigger[s->fcr >> FCR_TRIGGER_SHIFT])
			return IIR_DATA;
		return IIR_TIMEOUT;
	}
	if (s->ier & IER_ETBEI && s->thre_pending)
		return IIR_THRE;
	if (s->ier & IER_EDSSI && s->msr & (MSR_DCTS | MSR_DDSR | MSR_TERI | MSR_DDCD))
		return IIR_MODEM;
	return IIR_NONE;
}

static void update(struct serial *s)
{
	bool level = iir_source(s) != IIR_NONE;

	atomic_store_explicit(&s->thr_direct, !(s->lcr & LCR_DLAB) && !(s->mcr & MCR_LOOP) && !(s->ier & IER_ETBEI),
			      memory_order_relaxed);
	if (s->stopped || level == s->irq_level)
		return;
	s->irq_level = level;
	irq_line_set(s->irq, level);
}

/* Once for each time receive() left something: the back end is to offer it again. */
static bool wants_input(struct serial *s)
{
	if (!s->rx_waits || s->rx_len || !rx_wanted(s))
		return false;
	s->rx_waits = false;
	return true;
}

/* --- receiver --- */

/* An error shows in LSR when its character is at the top of the FIFO. [PC16550D LSR bit 4] */
static void rx_reveal(struct serial *s)
{
	if (!s->rx_len)
		return;
	s->lsr |= s->rx_err[s->rx_head];
	s->rx_err[s->rx_head] = 0;
}

static void rx_put(struct serial *s, u8 byte, u8 err)
{
	unsigned int at;

	if (s->rx_len == rx_room_size(s)) {
		/* The FIFO keeps what it has; without it the new character destroys the old. [PC16550D LSR bit 1] */
		s->lsr |= LSR_OE;
		if (s->fcr & FCR_ENABLE)
			return;
		s->rx_len = 0;
	}
	at = (s->rx_head + s->rx_len++) % FIFO_SIZE;
	s->rx[at] = byte;
	s->rx_err[at] = err;
	rx_reveal(s);
}

static u8 rx_get(struct serial *s)
{
	u8 byte = s->rx[s->rx_head];

	if (!s->rx_len)
		return byte;	/* as the chip: what was read last, or nothing yet */
	s->rx_len--;
	if (s->rx_len) {
		s->rx_head = (s->rx_head + 1) % FIFO_SIZE;
		rx_reveal(s);
	}
	return byte;
}

static void rx_clear(struct serial *s)
{
	s->rx_head = s->rx_len = 0;
	memset(s->rx, 0, sizeof(s->rx));
	memset(s->rx_err, 0, sizeof(s->rx_err));
	s->sysrq_left = 0;
}

/* BREAK is a character of zeroes with its bit set. [PC16550D LSR bit 4] */
static void rx_put_break(struct serial *s)
{
	rx_put(s, 0, LSR_BI);
}

/* A sysrq that found no room: before anything of the back end's, so that nothing comes between BREAK and key. */
static void rx_feed(struct serial *s)
{
	for (; s->sysrq_left && s->rx_len < rx_room_size(s); s->sysrq_left--) {
		if (s->sysrq_left == 2)
			rx_put_break(s);
		else
			rx_put(s, s->sysrq, 0);
	}
}

static u8 read_lsr(struct serial *s)
{
	u8 lsr = s->lsr | LSR_THRE | LSR_TEMT;
	unsigned int i;

	if (s->rx_len)
		lsr |= LSR_DR;
	if (s->fcr & FCR_ENABLE) {
		for (i = 0; i < s->rx_len; i++)
			if (s->rx_err[(s->rx_head + i) % FIFO_SIZE])
				lsr |= LSR_FIFO_ERR;
		if (s->lsr & LSR_CHAR)
			lsr |= LSR_FIFO_ERR;
	}
	s->lsr = 0;
	return lsr;
}

/* --- modem lines --- */

static u8 modem_lines(const struct serial *s)
{
	u8 lines = MSR_CTS;

	if (s->mcr & MCR_LOOP)	/* [PC16550D MCR bit 4] */
		return (s->mcr & MCR_RTS ? MSR_CTS : 0) | (s->mcr & MCR_DTR ? MSR_DSR : 0) |
		       (s->mcr & MCR_OUT1 ? MSR_RI : 0) | (s->mcr & MCR_OUT2 ? MSR_DCD : 0);
	if (s->cd && chardev_connected(s->cd))
		lines |= MSR_DSR | MSR_DCD;
	return lines;
}

static void update_modem(struct serial *s)
{
	u8 now = modem_lines(s), changed = (now ^ s->msr) & MSR_LINES;

	if (changed & MSR_RI && now & MSR_RI)
		changed &= ~MSR_RI;	/* TERI tells the trailing edge only [PC16550D MSR bit 2] */
	s->msr = now | (s->msr & ~MSR_LINES) | changed >> 4;
}

/* --- registers --- */

static void write_fcr(struct serial *s, u8 val)
{
	s->polled = false;
	if ((val ^ s->fcr) & FCR_ENABLE)
		val |= FCR_CLEAR_RX;	/* changing the mode empties both FIFOs [PC16550D FCR bit 0] */
	if (val & FCR_CLEAR_RX)
		rx_clear(s);
	/* Without bit 0 the others are not programmed. */
	s->fcr = val & FCR_ENABLE ? val & (FCR_ENABLE | FCR_DMA | 3 << FCR_TRIGGER_SHIFT) : 0;
}

static void send_byte(struct serial *s, u8 byte)
{
	atomic_fetch_add_explicit(&s->sent, 1, memory_order_relaxed);
	if (!s->cd)
		return;
	if (s->wait_for_room)
		chardev_write_all(s->cd, &byte, 1);
	else
		chardev_write(s->cd, &byte, 1);
}

/* Offset 0 and 1 outside the usual state. Gives whether @val is to be sent. */
static bool write_data(struct serial *s, u8 val)
{
	if (s->lcr & LCR_DLAB) {
		s->dll = val;
		return false;
	}
	s->thre_pending = true;	/* full, and empty again */
	if (!(s->mcr & MCR_LOOP))
		return true;
	rx_put(s, val, 0);
	return false;
}

static void write_ier(struct serial *s, u8 val)
{
	if (s->lcr & LCR_DLAB) {
		s->dlm = val;
		return;
	}
	/* Enabling THRE while the register is empty interrupts. [PC16550D FIFO interrupt mode] */
	if (val & IER_ETBEI && !(s->ier & IER_ETBEI))
		s->thre_pending = true;
	if (s->ier & IER_ERBFI && !(val & IER_ERBFI))
		s->polled = false;
	s->ier = val & IER_BITS;
}

static void serial_write(struct io_region *r, u64 off, u64 v, unsigned int size)
{
	struct serial *s = container_of(r, struct serial, regs);
	unsigned int reg = (unsigned int)(off >> s->reg_shift);
	bool send = false, resume;
	u8 val = (u8)v;

	if (off & ((1U << s->reg_shift) - 1))
		return;
	atomic_store_explicit(&s->polls, 0, memory_order_relaxed);
	if (reg == R_DATA && atomic_load_explicit(&s->thr_direct, memory_order_relaxed)) {
		send_byte(s, val);
		return;
	}
	pthread_mutex_lock(&s->lock);
	switch (reg) {
	case R_DATA:
		send = write_data(s, val);
		break;
	case R_IER:
		write_ier(s, val);
		break;
	case R_IIR_FCR:
		write_fcr(s, val);
		break;
	case R_LCR:
		s->lcr = val;
		break;
	case R_MCR:
		s->mcr = val & MCR_BITS;
		update_modem(s);
		break;
	case R_SCR:
		s->scr = val;
		break;
	default:
		break;	/* LSR is for factory tests [PC16550D LSR]; MSR is read-only */
	}
	rx_feed(s);
	update(s);
	resume = wants_input(s);
	pthread_mutex_unlock(&s->lock);
	if (send)
		send_byte(s, val);
	if (resume)
		chardev_resume_input(s->cd);
}

static u64 serial_read(struct io_region *r, u64 off, unsigned int size)
{
	struct serial *s = container_of(r, struct serial, regs);
	unsigned int reg = (unsigned int)(off >> s->reg_shift);
	bool resume;
	u8 val = 0;

	if (off & ((1U << s->reg_shift) - 1))
		return 0;	/* upper bytes of a wide access */
	pthread_mutex_lock(&s->lock);
	if (reg != R_LSR)
		atomic_store_explicit(&s->polls, 0, memory_order_relaxed);
	else if (atomic_fetch_add_explicit(&s->polls, 1, memory_order_relaxed) + 1 >= POLLS)
		s->polled = true;
	switch (reg) {
	case R_DATA:
		val = s->lcr & LCR_DLAB ? s->dll : rx_get(s);
		break;
	case R_IER:
		val = s->lcr & LCR_DLAB ? s->dlm : s->ier;
		break;
	case R_IIR_FCR:
		val = iir_source(s);
		if (val == IIR_THRE)
			s->thre_pending = false;
		if (s->fcr & FCR_ENABLE)
			val |= IIR_FIFO;
		break;
	case R_LCR:
		val = s->lcr;
		break;
	case R_MCR:
		val = s->mcr;
		break;
	case R_LSR:
		val = read_lsr(s);
		break;
	case R_MSR:
		val = s->msr;
		s->msr &= MSR_LINES;
		break;
	case R_SCR:
		val = s->scr;
		break;
	}
	rx_feed(s);
	update(s);
	resume = wants_input(s);
	pthread_mutex_unlock(&s->lock);
	if (resume)
		chardev_resume_input(s->cd);
	return val;
}

static const struct io_ops serial_io = { .read = serial_read, .write = serial_write, .sizes = 1 };

/* --- the back end's side: loop's thread --- */

static struct serial *of_client(struct chardev_client *c)
{
	return container_of(c, struct serial, client);
}

static size_t serial_receive(struct chardev_client *c, const u8 *buf, size_t len)
{
	struct serial *s = of_client(c);
	size_t n = 0;

	pthread_mutex_lock(&s->lock);
	if (rx_wanted(s))
		for (; n < len && s->rx_len < rx_room_size(s); n++)
			rx_put(s, buf[n], 0);
	s->received += n;
	s->rx_waits = n < len;
	update(s);
	pthread_mutex_unlock(&s->lock);
	return n;
}

static void serial_changed(struct chardev_client *c)
{
	struct serial *s = of_client(c);

	pthread_mutex_lock(&s->lock);
	update_modem(s);
	update(s);
	pthread_mutex_unlock(&s->lock);
}

static void serial_line_break(struct chardev_client *c)
{
	struct serial *s = of_client(c);

	pthread_mutex_lock(&s->lock);
	if (!s->stopped && !(s->mcr & MCR_LOOP))
		rx_put_break(s);
	update(s);
	pthread_mutex_unlock(&s->lock);
}

/* --- the VM's side --- */

static struct serial *of_dev(struct device *dev)
{
	return container_of(dev, struct serial, dev);
}

/* [PC16550D reset configuration]; what it leaves undefined is zero, but the divisor: 9600 baud of a PC. */
static void power_on(struct serial *s)
{
	s->ier = s->fcr = s->lcr = s->mcr = s->lsr = s->scr = s->dlm = 0;
	s->dll = 12;
	s->thre_pending = s->polled = false;
	rx_clear(s);
	s->msr = modem_lines(s);
}

static void serial_reset(struct device *dev)
{
	struct serial *s = of_dev(dev);

	pthread_mutex_lock(&s->lock);
	power_on(s);
	update(s);
	pthread_mutex_unlock(&s->lock);
	if (s->cd)
		chardev_resume_input(s->cd);
}

static void serial_stop(struct device *dev)
{
	struct serial *s = of_dev(dev);

	pthread_mutex_lock(&s->lock);
	s->stopped = true;
	pthread_mutex_unlock(&s->lock);
}

static void serial_start(struct device *dev)
{
	struct serial *s = of_dev(dev);

	pthread_mutex_lock(&s->lock);
	s->stopped = false;
	if (s->cd)
		update_modem(s);
	update(s);
	pthread_mutex_unlock(&s->lock);
	if (s->cd)
		chardev_resume_input(s->cd);
}

static u8 *saved_regs(struct serial *s, unsigned int i)
{
	u8 *regs[] = { &s->ier, &s->fcr, &s->lcr, &s->mcr, &s->lsr, &s->msr, &s->scr, &s->dll, &s->dlm };

	return i < ARRAY_SIZE(regs) ? regs[i] : NULL;
}

static int serial_save(struct device *dev, struct state_writer *w, struct error *err)
{
	struct serial *s = of_dev(dev);
	unsigned int i;

	state_begin(w, dev->name, 1);
	pthread_mutex_lock(&s->lock);
	for (i = 0; saved_regs(s, i); i++)
		state_put_u8(w, *saved_regs(s, i));
	state_put_u8(w, s->thre_pending);
	state_put_u8(w, s->polled);
	state_put_u32(w, s->rx_len);
	for (i = 0; i < s->rx_len; i++) {
		state_put_u8(w, s->rx[(s->rx_head + i) % FIFO_SIZE]);
		state_put_u8(w, s->rx_err[(s->rx_head + i) % FIFO_SIZE]);
	}
	pthread_mutex_unlock(&s->lock);
	state_end(w);
	return 0;
}

static int serial_load(struct device *dev, struct state_reader *r)
{
	struct serial *s = of_dev(dev), tmp = { .rx_head = 0 };
	unsigned int i;
	u32 version;
	int ret;

	ret = state_open(r, dev->name, 1, &version);
	if (ret < 0)
		return ret;
	for (i = 0; saved_regs(&tmp, i); i++)
		*saved_regs(&tmp, i) = state_get_u8(r);
	tmp.thre_pending = state_get_u8(r);
	tmp.polled = state_get_u8(r);
	tmp.fcr &= FCR_ENABLE | FCR_DMA | 3 << FCR_TRIGGER_SHIFT;
	tmp.rx_len = state_get_u32_max(r, rx_room_size(&tmp));
	for (i = 0; i < tmp.rx_len; i++) {
		tmp.rx[i] = state_get_u8(r);
		tmp.rx_err[i] = state_get_u8(r) & LSR_CHAR;
	}
	ret = state_close(r);
	if (ret < 0)
		return ret;

	pthread_mutex_lock(&s->lock);
	for (i = 0; saved_regs(s, i); i++)
		*saved_regs(s, i) = *saved_regs(&tmp, i);
	s->ier &= IER_BITS;
	s->mcr &= MCR_BITS;
	s->lsr &= LSR_ERRORS;
	s->thre_pending = tmp.thre_pending;
	s->polled = tmp.polled;
	memcpy(s->rx, tmp.rx, sizeof(s->rx));
	memcpy(s->rx_err, tmp.rx_err, sizeof(s->rx_err));
	s->rx_head = 0;
	s->rx_len = tmp.rx_len;
	update(s);
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static void serial_free(struct device *dev)
{
	struct serial *s = of_dev(dev);

	if (s->cd)
		chardev_set_client(s->cd, NULL);
	if (s->regs.mapped)
		io_unmap_region(dev->vm, &s->regs);
	irq_line_put(s->irq);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static void serial_stats(struct device *dev, struct strbuf *b)
{
	struct serial *s = of_dev(dev);

	json_u64(b, "bytes_sent", atomic_load_explicit(&s->sent, memory_order_relaxed));
	pthread_mutex_lock(&s->lock);
	json_u64(b, "bytes_received", s->received);
	pthread_mutex_unlock(&s->lock);
}

static const struct device_ops serial_ops = {
	.reset = serial_reset, .stop = serial_stop, .start = serial_start,
	.save = serial_save, .load = serial_load, .free = serial_free, .stats = serial_stats,
};

static struct serial *find_in_front_of(struct vm *vm, const struct chardev *cd)
{
	struct device *dev;
	unsigned int i;

	for (i = 0; (dev = device_find(vm, DEV_UART_16550, i)); i++)
		if (of_dev(dev)->cd == cd)
			return of_dev(dev);
	return NULL;
}

int serial_send_sysrq(struct vm *vm, const struct chardev *cd, u8 key)
{
	struct serial *s = find_in_front_of(vm, cd);
	int r = 0;

	if (!s)
		return -ENODEV;
	pthread_mutex_lock(&s->lock);
	if (s->sysrq_left) {
		r = -EBUSY;
	} else if (!rx_wanted(s)) {
		r = -EAGAIN;
	} else {
		s->sysrq = key;
		s->sysrq_left = 2;
		rx_feed(s);
		update(s);
	}
	pthread_mutex_unlock(&s->lock);
	return r;
}

int serial_create(struct vm *vm, const struct serial_config *cfg)
{
	struct serial *s = calloc(1, sizeof(*s));
	unsigned int index = 0;
	int r;

	if (!s)
		return -ENOMEM;
	pthread_mutex_init(&s->lock, NULL);
	s->dev.vm = vm;
	s->cd = cfg->cd;
	s->reg_shift = cfg->reg_shift;
	s->wait_for_room = cfg->wait_for_room;
	s->client = (struct chardev_client){
		.receive = serial_receive, .changed = serial_changed, .line_break = serial_line_break,
	};
	r = irq_line_get(vm, cfg->gsi, &s->irq);
	if (r < 0)
		goto fail;
	power_on(s);
	update(s);
	r = io_map_region(vm, &s->regs, cfg->space, cfg->base, (u64)R_COUNT << cfg->reg_shift, &serial_io, "serial");
	if (r < 0)
		goto fail;
	while (device_find(vm, DEV_UART_16550, index))
		index++;
	s->dev.kind = DEV_UART_16550;
	s->dev.index = index;
	device_describe_io(&s->dev, cfg->space, cfg->base, (u64)R_COUNT << cfg->reg_shift);
	/* A port of the PC's I/O space hangs on an ISA interrupt: edge. */
	device_describe_irq(&s->dev, cfg->gsi, cfg->space == IO_MMIO);
	device_add(vm, &s->dev, &serial_ops, "serial%u", index);
	if (s->cd)
		chardev_set_client(s->cd, &s->client);
	return 0;

fail:
	irq_line_put(s->irq);
	pthread_mutex_destroy(&s->lock);
	free(s);
	return r;
}
