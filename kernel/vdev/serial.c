// SPDX-License-Identifier: GPL-2.0-only
/*
 * lkvm_vdev, personality "serial": a PCI serial port [PC16550D data sheet], eight registers in an
 * I/O BAR. Class 0x070002 is what Linux's 8250_pci takes any such card by. INTx, and MSI for
 * drivers that ask for it.
 *
 * Its line goes back to itself: what is sent is received, RTS is CTS, DTR is DSR and DCD. The line
 * waits while the receiver is full, so that nothing is lost however slow the guest is; a byte
 * written to a full transmitter is. MCR's loopback makes the same connection inside, with OUT1 as
 * RI and OUT2 as DCD.
 *
 * Left out: the line's speed, breaks, parity and framing errors, the receiver's overrun. FIFOs that
 * are off are one byte deep.
 *
 * Callers: accesses to the BAR, under the device's lock.
 */
#include <linux/serial_reg.h>
#include <linux/slab.h>

#include "vdev.h"
#include "../../include/uapi/lkvm/vdev.h"

enum { SERIAL_DEVICE = 0x4c53, SERIAL_CLASS = 0x070002, SERIAL_BAR = 0, SERIAL_REGS = 8, FIFO = 16, IIR_FIFO = 0xc0 };

struct fifo {
	u8 len, data[FIFO];
};

/* All of it is the saved state, too. */
struct serial {
	u8 ier, lcr, mcr, fcr, scr, dll, dlm;
	u8 msr_delta;		/* MSR's bits 0-3 */
	u8 thre;		/* "transmitter empty" is to be told */
	u8 irq;			/* the interrupt line */
	struct fifo rx, tx;
};

static unsigned int depth(const struct serial *s)
{
	return s->fcr & UART_FCR_ENABLE_FIFO ? FIFO : 1;
}

static u8 fifo_pop(struct fifo *f)
{
	u8 byte = f->data[0];

	memmove(f->data, f->data + 1, --f->len);
	return byte;
}

static u8 modem_lines(const struct serial *s)
{
	u8 msr = 0;

	if (s->mcr & UART_MCR_RTS)
		msr |= UART_MSR_CTS;
	if (s->mcr & UART_MCR_DTR)
		msr |= UART_MSR_DSR;
	if (s->mcr & (s->mcr & UART_MCR_LOOP ? UART_MCR_OUT2 : UART_MCR_DTR))
		msr |= UART_MSR_DCD;
	if ((s->mcr & UART_MCR_LOOP) && (s->mcr & UART_MCR_OUT1))
		msr |= UART_MSR_RI;
	return msr;
}

/* Bits 0-3 of the identification, without the FIFOs' bits: what is most urgent. */
static u8 pending(const struct serial *s)
{
	static const u8 triggers[] = { 1, 4, 8, 14 };
	unsigned int trigger = s->fcr & UART_FCR_ENABLE_FIFO ? triggers[s->fcr >> 6] : 1;

	if ((s->ier & UART_IER_RDI) && s->rx.len >= trigger)
		return UART_IIR_RDI;
	/* Fewer than that for four characters' time, which takes no time here */
	if ((s->ier & UART_IER_RDI) && s->rx.len)
		return UART_IIR_RX_TIMEOUT;
	if ((s->ier & UART_IER_THRI) && s->thre)
		return UART_IIR_THRI;
	if ((s->ier & UART_IER_MSI) && s->msr_delta)
		return UART_IIR_MSI;
	return UART_IIR_NO_INT;
}

/* After whatever may have changed something: bytes travel, the interrupt follows. */
static void settle(struct vdev *v, struct serial *s)
{
	bool irq;

	while (s->tx.len && s->rx.len < depth(s)) {
		s->rx.data[s->rx.len++] = fifo_pop(&s->tx);
		if (!s->tx.len)
			s->thre = true;
	}
	irq = pending(s) != UART_IIR_NO_INT;
	if (irq == s->irq)
		return;
	s->irq = irq;
	/* The level falls also if the driver took to MSI meanwhile. */
	if (!irq || vdev_irq_kind(v) == VFIO_PCI_INTX_IRQ_INDEX)
		vdev_intx_level(v, irq);
	else
		vdev_irq_send(v, 0);
}

static u8 read_register(struct serial *s, unsigned int reg)
{
	bool dlab = s->lcr & UART_LCR_DLAB;
	u8 val;

	switch (reg) {
	case UART_RX:
		return dlab ? s->dll : s->rx.len ? fifo_pop(&s->rx) : 0;
	case UART_IER:
		return dlab ? s->dlm : s->ier;
	case UART_IIR:
		val = pending(s);
		if (val == UART_IIR_THRI)
			s->thre = false;
		return val | (s->fcr & UART_FCR_ENABLE_FIFO ? IIR_FIFO : 0);
	case UART_LCR:
		return s->lcr;
	case UART_MCR:
		return s->mcr;
	case UART_LSR:
		return (s->rx.len ? UART_LSR_DR : 0) | (s->tx.len ? 0 : UART_LSR_THRE | UART_LSR_TEMT);
	case UART_MSR:
		val = modem_lines(s) | s->msr_delta;
		s->msr_delta = 0;
		return val;
	default:
		return s->scr;
	}
}

static void write_fcr(struct serial *s, u8 val)
{
	if ((val ^ s->fcr) & UART_FCR_ENABLE_FIFO)
		val |= UART_FCR_CLEAR_RCVR | UART_FCR_CLEAR_XMIT;
	if (val & UART_FCR_CLEAR_RCVR)
		s->rx.len = 0;
	if (val & UART_FCR_CLEAR_XMIT) {
		s->tx.len = 0;
		s->thre = true;
	}
	/* The other bits count only while the FIFOs are on. */
	val &= UART_FCR_ENABLE_FIFO | UART_FCR_DMA_SELECT | UART_FCR_TRIGGER_MASK;
	s->fcr = val & UART_FCR_ENABLE_FIFO ? val : 0;
}

static void write_mcr(struct serial *s, u8 val)
{
	u8 before = modem_lines(s), change;

	s->mcr = val & (UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT1 | UART_MCR_OUT2 | UART_MCR_LOOP);
	change = before ^ modem_lines(s);
	if (change & UART_MSR_RI)	/* only its end is told */
		change = (change & ~UART_MSR_RI) | (before & UART_MSR_RI);
	s->msr_delta |= change >> 4;
}

static void write_register(struct serial *s, unsigned int reg, u8 val)
{
	bool dlab = s->lcr & UART_LCR_DLAB;

	switch (reg) {
	case UART_TX:
		if (dlab) {
			s->dll = val;
		} else if (s->tx.len < depth(s)) {
			s->tx.data[s->tx.len++] = val;
			s->thre = false;
		}
		break;
	case UART_IER:
		if (dlab) {
			s->dlm = val;
			break;
		}
		if ((val & ~s->ier & UART_IER_THRI) && !s->tx.len)
			s->thre = true;
		s->ier = val & (UART_IER_RDI | UART_IER_THRI | UART_IER_RLSI | UART_IER_MSI);
		break;
	case UART_FCR:
		write_fcr(s, val);
		break;
	case UART_LCR:
		s->lcr = val;
		break;
	case UART_MCR:
		write_mcr(s, val);
		break;
	case UART_SCR:
		s->scr = val;
		break;
	}
}

/* A wider access is one of each of its registers. */
static u64 serial_read(struct vdev *v, unsigned int bar, u64 off, unsigned int size)
{
	struct serial *s = v->priv;
	u64 val = 0;

	for (unsigned int i = 0; i < size; i++) {
		val |= (u64)read_register(s, off + i) << (8 * i);
		settle(v, s);
	}
	return val;
}

static void serial_write(struct vdev *v, unsigned int bar, u64 off, unsigned int size, u64 val)
{
	struct serial *s = v->priv;

	for (unsigned int i = 0; i < size; i++) {
		write_register(s, off + i, val >> (8 * i));
		settle(v, s);
	}
}

static void serial_reset(struct vdev *v)
{
	struct serial *s = v->priv;

	memset(s, 0, sizeof(*s));
}

static int serial_init(struct vdev *v)
{
	int r;

	v->priv = kzalloc(sizeof(struct serial), GFP_KERNEL);
	if (!v->priv)
		return -ENOMEM;
	vdev_config_ids(v, LKVM_VDEV_VENDOR, SERIAL_DEVICE, SERIAL_CLASS, 1);
	r = vdev_bar_add(v, SERIAL_BAR, SERIAL_REGS, PCI_BASE_ADDRESS_SPACE_IO);
	return r ? r : vdev_config_add_msi(v, 1);
}

static void serial_exit(struct vdev *v)
{
	kfree(v->priv);
}

static ssize_t serial_save(struct vdev *v, void *buf, size_t room)
{
	if (room < sizeof(struct serial))
		return -ENOSPC;
	memcpy(buf, v->priv, sizeof(struct serial));
	return sizeof(struct serial);
}

static int serial_load(struct vdev *v, const void *buf, size_t len)
{
	struct serial s;

	if (len != sizeof(s))
		return -EINVAL;
	memcpy(&s, buf, len);
	if (s.rx.len > depth(&s) || s.tx.len > depth(&s) || s.thre > 1 || s.irq > 1)
		return -EINVAL;
	*(struct serial *)v->priv = s;
	return 0;
}

const struct vdev_personality vdev_serial = {
	.name = "serial",
	.init = serial_init,
	.exit = serial_exit,
	.read = serial_read,
	.write = serial_write,
	.reset = serial_reset,
	.save = serial_save,
	.load = serial_load,
};
