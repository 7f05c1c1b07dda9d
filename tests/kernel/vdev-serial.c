// SPDX-License-Identifier: GPL-2.0-only
/*
 * lkvm_vdev's personality "serial" as a driver of a 16550A drives it: registers, FIFOs, interrupts by level, modem lines; and its state moved to
 * another one. usage: vdev-serial lkvm_vdev.N lkvm_vdev.M MIG. A TAP producer; tests/lab/kernel-migration.t runs it.
 *
 * links: vdev-user.c vdev-state.c
 */
#include "vdev-state.h"

#include <errno.h>
#include <linux/serial_reg.h>
#include <unistd.h>

static uint8_t in(unsigned int reg)
{
	uint8_t val = 0xee;

	region_read(0, reg, &val, 1);
	return val;
}

static void out(unsigned int reg, uint8_t val) { region_write(0, reg, &val, 1); }

static void fresh(uint8_t fcr)
{
	device_reset();
	enable(PCI_COMMAND_IO);
	out(UART_FCR, fcr);
}

/* The kind, without the bits that say there are FIFOs */
static unsigned int iir(void) { return in(UART_IIR) & 0x0f; }

TEST(what_8250_pci_binds)
{
	CHECK_EQ(config_read(PCI_CLASS_REVISION, 4) >> 8, 0x070002);
	CHECK_EQ(dev.region[0].size, 8);
	for (unsigned int i = 1; i < 6; i++)
		CHECK_EQ(dev.region[i].size, 0);	/* one I/O BAR, no memory: it takes that for one port */
	CHECK_EQ(config_read(PCI_BASE_ADDRESS_0, 4) & 3, PCI_BASE_ADDRESS_SPACE_IO);
	CHECK_EQ(config_read(PCI_INTERRUPT_PIN, 1), 1);
	CHECK(find_cap(PCI_CAP_ID_MSI));
}

TEST(registers_after_reset)
{
	fresh(0);
	CHECK_EQ(in(UART_IER), 0);
	CHECK_EQ(in(UART_IIR), UART_IIR_NO_INT);
	CHECK_EQ(in(UART_LCR), 0);
	CHECK_EQ(in(UART_MCR), 0);
	CHECK_EQ(in(UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
	CHECK_EQ(in(UART_MSR), 0);
	out(UART_SCR, 0xa5);
	CHECK_EQ(in(UART_SCR), 0xa5);
	out(UART_IER, 0xff);
	CHECK_EQ(in(UART_IER), 0x0f);
	out(UART_IER, 0);
	/* the divisor is where data and IER are otherwise */
	out(UART_LCR, UART_LCR_DLAB | UART_LCR_WLEN8);
	out(UART_DLL, 0x34);
	out(UART_DLM, 0x12);
	CHECK(in(UART_DLL) == 0x34 && in(UART_DLM) == 0x12);
	out(UART_LCR, UART_LCR_WLEN8);
	CHECK(in(UART_IER) == 0 && in(UART_LSR) == (UART_LSR_THRE | UART_LSR_TEMT));
	/* FIFOs: both bits on tell a 16550A */
	out(UART_FCR, UART_FCR_ENABLE_FIFO);
	CHECK_EQ(in(UART_IIR) >> 6, 3);
	out(UART_FCR, 0);
	CHECK_EQ(in(UART_IIR) >> 6, 0);
}

TEST(what_is_sent_comes_back)
{
	const char *text = "all sixteen are.";

	fresh(UART_FCR_ENABLE_FIFO);
	for (int i = 0; i < 16; i++)
		out(UART_TX, (uint8_t)text[i]);
	for (int i = 0; i < 16; i++) {
		CHECK_EQ(in(UART_LSR), UART_LSR_DR | UART_LSR_THRE | UART_LSR_TEMT);
		CHECK_EQ(in(UART_RX), text[i]);
	}
	CHECK_EQ(in(UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
	/* 16 received and 16 more waiting, then what is written is lost */
	for (int i = 0; i < 40; i++)
		out(UART_TX, (uint8_t)i);
	CHECK_EQ(in(UART_LSR), UART_LSR_DR);
	for (int i = 0; i < 32; i++)
		CHECK_EQ(in(UART_RX), i);
	CHECK_EQ(in(UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
	out(UART_TX, 1);
	out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR);
	CHECK(!(in(UART_LSR) & UART_LSR_DR));
	fresh(0);	/* without FIFOs: one and one */
	out(UART_TX, 'a');
	out(UART_TX, 'b');
	out(UART_TX, 'c');
	CHECK_EQ(in(UART_RX), 'a');
	CHECK_EQ(in(UART_RX), 'b');
	CHECK(!(in(UART_LSR) & UART_LSR_DR));
}

TEST(interrupts_by_level)
{
	int fd = new_event();
	const uint8_t unmask = 1;

	fresh(UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_8);
	CHECK_EQ(set_irqs(VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER, 0, 1, &fd, NULL), 0);
	out(UART_IER, UART_IER_THRI);
	CHECK_EQ(event_wait(fd), 1);
	CHECK(config_read(PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	CHECK_EQ(iir(), UART_IIR_THRI);	/* reading ends it */
	CHECK_EQ(iir(), UART_IIR_NO_INT);
	CHECK(!(config_read(PCI_STATUS, 2) & PCI_STATUS_INTERRUPT));
	CHECK_EQ(set_irqs(VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_UNMASK, 0, 1, NULL, &unmask), 0);
	CHECK_EQ(event_take(fd), 0);
	out(UART_IER, UART_IER_RDI);
	out(UART_TX, 'x');
	CHECK_EQ(event_wait(fd), 1);
	CHECK_EQ(iir(), UART_IIR_RX_TIMEOUT);
	for (int i = 0; i < 7; i++)
		out(UART_TX, 'y');
	CHECK_EQ(iir(), UART_IIR_RDI);
	/* it was masked when it was sent, and comes again as long as the level is up */
	CHECK_EQ(set_irqs(VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_UNMASK, 0, 1, NULL, &unmask), 0);
	CHECK_EQ(event_wait(fd), 1);
	for (int i = 0; i < 8; i++)
		in(UART_RX);
	CHECK_EQ(iir(), UART_IIR_NO_INT);
	CHECK_EQ(set_irqs(VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_UNMASK, 0, 1, NULL, &unmask), 0);
	CHECK_EQ(event_take(fd), 0);
	CHECK(!(config_read(PCI_STATUS, 2) & PCI_STATUS_INTERRUPT));
	disable_irqs(VFIO_PCI_INTX_IRQ_INDEX);
	/* and one message for each time that it would rise */
	CHECK_EQ(set_irqs(VFIO_PCI_MSI_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER, 0, 1, &fd, NULL), 0);
	out(UART_TX, 'z');
	CHECK_EQ(event_wait(fd), 1);
	out(UART_TX, 'z');
	CHECK_EQ(event_take(fd), 0);
	in(UART_RX);
	in(UART_RX);
	out(UART_TX, 'z');
	CHECK_EQ(event_wait(fd), 1);
	disable_irqs(VFIO_PCI_MSI_IRQ_INDEX);
	close(fd);
}

TEST(modem_lines)
{
	fresh(0);
	out(UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2 | UART_MCR_RTS);	/* as 8250's autoconfig asks */
	CHECK_EQ(in(UART_MSR) & 0xf0, UART_MSR_DCD | UART_MSR_CTS);
	CHECK_EQ(in(UART_MSR) & 0x0f, 0);	/* changes are told once */
	out(UART_IER, UART_IER_MSI);
	out(UART_MCR, UART_MCR_DTR | UART_MCR_RTS);
	CHECK_EQ(iir(), UART_IIR_MSI);
	CHECK_EQ(in(UART_MSR), UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD | UART_MSR_DDSR);
	CHECK_EQ(iir(), UART_IIR_NO_INT);
	out(UART_MCR, UART_MCR_LOOP | UART_MCR_OUT1);
	CHECK_EQ(in(UART_MSR) & (UART_MSR_RI | UART_MSR_TERI), UART_MSR_RI);	/* a ring's end only */
	out(UART_MCR, UART_MCR_LOOP);
	CHECK_EQ(in(UART_MSR), UART_MSR_TERI);
	out(UART_MCR, 0xff);
	CHECK_EQ(in(UART_MCR), 0x1f);
	fresh(UART_FCR_ENABLE_FIFO);
	out(UART_MCR, UART_MCR_LOOP);
	out(UART_TX, 'L');
	CHECK_EQ(in(UART_RX), 'L');
}

TEST(wide_accesses)
{
	uint32_t val = 0;

	fresh(UART_FCR_ENABLE_FIFO);
	out(UART_SCR, 0x77);
	CHECK_EQ(region_read(0, 4, &val, 4), 4);
	CHECK_EQ(val >> 24, 0x77);
	CHECK_EQ(val >> 8 & 0xff, UART_LSR_THRE | UART_LSR_TEMT);
	CHECK_EQ(region_read(0, 8, &val, 1), -EINVAL);
}

static void prepare(void)
{
	fresh(UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_14);
	out(UART_LCR, UART_LCR_DLAB | UART_LCR_WLEN8 | UART_LCR_STOP);
	out(UART_DLL, 0x56);
	out(UART_DLM, 0x03);
	out(UART_LCR, UART_LCR_WLEN8 | UART_LCR_STOP);
	out(UART_MCR, UART_MCR_DTR);
	out(UART_SCR, 0x42);
	for (int i = 0; i < 21; i++)
		out(UART_TX, (uint8_t)(0x60 + i));
	out(UART_IER, UART_IER_RDI | UART_IER_MSI);
}

TEST(moved_to_another)
{
	with(&source);
	prepare();
	stream_save(7);
	set_state(STATE_RUNNING);
	CHECK(stream_len > 4096);
	with(&target);
	fresh(0);
	CHECK_EQ(stream_load(), 0);
	CHECK(in(UART_LCR) == (UART_LCR_WLEN8 | UART_LCR_STOP) && in(UART_MCR) == UART_MCR_DTR && in(UART_SCR) == 0x42);
	CHECK_EQ(in(UART_IER), UART_IER_RDI | UART_IER_MSI);
	CHECK_EQ(in(UART_IIR), 0xc0 | UART_IIR_RDI);
	CHECK(config_read(PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	for (int i = 0; i < 21; i++)
		CHECK_EQ(in(UART_RX), 0x60 + i);
	CHECK_EQ(iir(), UART_IIR_MSI);
	CHECK_EQ(in(UART_MSR), UART_MSR_DSR | UART_MSR_DCD | UART_MSR_DDSR | UART_MSR_DDCD);
	CHECK_EQ(iir(), UART_IIR_NO_INT);
	out(UART_LCR, UART_LCR_DLAB);
	CHECK(in(UART_DLL) == 0x56 && in(UART_DLM) == 0x03);
	/* another personality's, or one with a bit wrong, is not taken */
	with(&source);
	stream[stream_len - 3] ^= 1;
	CHECK_EQ(stream_load(), -EINVAL);
	CHECK_EQ(device_reset(), 0);
	stream[stream_len - 3] ^= 1;
	memcpy(stream + 8, "plain\0\0", 8);
	CHECK_EQ(stream_load(), -EINVAL);
	CHECK_EQ(device_reset(), 0);
	memcpy(stream + 8, "serial\0", 8);
	memset(stream + frame_part(1) + 4, 0xff, field(frame_part(1)));
	sign();
	CHECK_EQ(stream_load(), -EINVAL);
	CHECK_EQ(device_reset(), 0);
}

int main(int argc, char **argv)
{
	pair_start(argc, argv);
	RUN(what_8250_pci_binds);
	RUN(registers_after_reset);
	RUN(what_is_sent_comes_back);
	RUN(interrupts_by_level);
	RUN(modem_lines);
	RUN(wide_accesses);
	RUN(moved_to_another);
	return tap_done();
}
