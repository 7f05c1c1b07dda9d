/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * 8042: the PC's keyboard controller, with nothing plugged in. [IBM PS/2 TR, Keyboard/Auxiliary Device Controller]
 *
 * Guests need its reset line, its A20 commands and a sane answer to a probe. A byte for the keyboard or mouse is clocked out to
 * nobody: the controller itself answers FEh (resend) with the time-out bit, as from an empty socket, so that a driver that probes
 * learns at once that nothing is there instead of waiting. Firmware tables do not describe it: kernels with ACPI do not probe at all.
 *
 * Threads: vCPU threads; k->lock guards the registers.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/hw.h"
#include "vmm/irq.h"
#include "vmm/state.h"
#include "vmm/vm.h"

enum {
	PORT_STATUS = 4,	/* from base: 0x60 data, 0x64 status and command */

	/* status */
	STR_OBF = 1, STR_SYS = 4, STR_CMD = 8, STR_UNLOCKED = 16, STR_AUX_OBF = 32, STR_TIMEOUT = 64,
	/* command byte */
	CTR_KBD_INT = 1, CTR_AUX_INT = 2, CTR_SYS = 4, CTR_KBD_DIS = 16, CTR_AUX_DIS = 32, CTR_BITS = 0x77,
	/* output port */
	OUT_RESET_N = 1, OUT_A20 = 2,

	CMD_READ_RAM = 0x20, CMD_WRITE_RAM = 0x60, CMD_RAM_LAST = 31, CMD_AUX_DISABLE = 0xa7, CMD_AUX_ENABLE = 0xa8,
	CMD_AUX_TEST = 0xa9, CMD_SELF_TEST = 0xaa, CMD_KBD_TEST = 0xab, CMD_KBD_DISABLE = 0xad, CMD_KBD_ENABLE = 0xae,
	CMD_READ_INPUT = 0xc0, CMD_READ_OUTPUT = 0xd0, CMD_WRITE_OUTPUT = 0xd1, CMD_KBD_LOOP = 0xd2, CMD_AUX_LOOP = 0xd3,
	CMD_TO_AUX = 0xd4, CMD_PULSE = 0xf0,

	SELF_TEST_OK = 0x55, LINE_OK = 0, INPUT_UNLOCKED = 0x80, RESEND = 0xfe,
	VERSION = 1,
};

struct i8042 {
	struct device dev;
	struct io_region data, status;
	struct irq_line *irq[2];	/* owned ends: keyboard, auxiliary */
	pthread_mutex_t lock;
	u8 str, out;		/* status; output buffer, valid while STR_OBF */
	u8 output_port;
	u8 expects;		/* command whose data byte comes next at the data port; 0: none */
	u8 ram[CMD_RAM_LAST + 1];	/* byte 0 is the command byte */
};

static void update_irq_locked(struct i8042 *k)
{
	bool full = k->str & STR_OBF, aux = k->str & STR_AUX_OBF;

	irq_line_set(k->irq[0], full && !aux && (k->ram[0] & CTR_KBD_INT));
	irq_line_set(k->irq[1], full && aux && (k->ram[0] & CTR_AUX_INT));
}

static void answer_locked(struct i8042 *k, u8 v, bool aux)
{
	k->out = v;
	k->str = (u8)((k->str & ~(STR_AUX_OBF | STR_TIMEOUT)) | STR_OBF | (aux ? STR_AUX_OBF : 0));
	update_irq_locked(k);
}

/* What was meant for a device came to nobody. */
static void time_out_locked(struct i8042 *k, bool aux)
{
	answer_locked(k, RESEND, aux);
	k->str |= STR_TIMEOUT;
}

static u64 data_read(struct io_region *r, u64 off, unsigned int size)
{
	struct i8042 *k = container_of(r, struct i8042, data);
	u8 v;

	pthread_mutex_lock(&k->lock);
	v = k->out;
	k->str &= (u8)~(STR_OBF | STR_AUX_OBF | STR_TIMEOUT);
	update_irq_locked(k);
	pthread_mutex_unlock(&k->lock);
	return v;
}

static u64 status_read(struct io_region *r, u64 off, unsigned int size)
{
	struct i8042 *k = container_of(r, struct i8042, status);
	u8 v;

	pthread_mutex_lock(&k->lock);
	v = k->str;
	pthread_mutex_unlock(&k->lock);
	return v;
}

static void write_ram_locked(struct i8042 *k, unsigned int at, u8 v)
{
	k->ram[at] = at ? v : v & CTR_BITS;
	if (at)
		return;
	k->str = (u8)((k->str & ~STR_SYS) | (v & CTR_SYS ? STR_SYS : 0));
	update_irq_locked(k);
}

/* True: the CPU's reset line was pulled. */
static bool write_output_locked(struct i8042 *k, u8 v)
{
	k->output_port = v | OUT_A20;	/* A20 is always on */
	return !(v & OUT_RESET_N);
}

static void data_write(struct io_region *r, u64 off, u64 val, unsigned int size)
{
	struct i8042 *k = container_of(r, struct i8042, data);
	bool reset = false;
	u8 cmd;

	pthread_mutex_lock(&k->lock);
	cmd = k->expects;
	k->expects = 0;
	k->str &= (u8)~STR_CMD;
	switch (cmd) {
	case CMD_WRITE_RAM ... CMD_WRITE_RAM + CMD_RAM_LAST:
		write_ram_locked(k, cmd - CMD_WRITE_RAM, (u8)val);
		break;
	case CMD_WRITE_OUTPUT:
		reset = write_output_locked(k, (u8)val);
		break;
	case CMD_KBD_LOOP:
	case CMD_AUX_LOOP:
		answer_locked(k, (u8)val, cmd == CMD_AUX_LOOP);
		break;
	default:	/* for the mouse, or the keyboard */
		time_out_locked(k, cmd == CMD_TO_AUX);
		break;
	}
	pthread_mutex_unlock(&k->lock);
	if (reset)
		vm_request_exit(k->dev.vm, VM_EXIT_RESET, 0, "keyboard controller's output port");
}

/* True: reset. */
static bool command_locked(struct i8042 *k, u8 cmd)
{
	k->str |= STR_CMD;
	k->expects = 0;
	switch (cmd) {
	case CMD_READ_RAM ... CMD_READ_RAM + CMD_RAM_LAST:
		answer_locked(k, k->ram[cmd - CMD_READ_RAM], false);
		break;
	case CMD_WRITE_RAM ... CMD_WRITE_RAM + CMD_RAM_LAST:
	case CMD_WRITE_OUTPUT:
	case CMD_KBD_LOOP:
	case CMD_AUX_LOOP:
	case CMD_TO_AUX:
		k->expects = cmd;
		break;
	case CMD_AUX_DISABLE:
	case CMD_AUX_ENABLE:
		write_ram_locked(k, 0, (u8)((k->ram[0] & ~CTR_AUX_DIS) | (cmd == CMD_AUX_DISABLE ? CTR_AUX_DIS : 0)));
		break;
	case CMD_KBD_DISABLE:
	case CMD_KBD_ENABLE:
		write_ram_locked(k, 0, (u8)((k->ram[0] & ~CTR_KBD_DIS) | (cmd == CMD_KBD_DISABLE ? CTR_KBD_DIS : 0)));
		break;
	case CMD_SELF_TEST:
		k->str |= STR_SYS;
		answer_locked(k, SELF_TEST_OK, false);
		break;
	case CMD_AUX_TEST:
	case CMD_KBD_TEST:
		answer_locked(k, LINE_OK, false);
		break;
	case CMD_READ_INPUT:
		answer_locked(k, INPUT_UNLOCKED, false);
		break;
	case CMD_READ_OUTPUT:
		answer_locked(k, k->output_port, false);
		break;
	case CMD_PULSE ... 0xff:	/* pulls low the lines whose bits are 0; bit 0 is reset */
		return !(cmd & OUT_RESET_N);
	default:
		break;
	}
	return false;
}

static void command_write(struct io_region *r, u64 off, u64 val, unsigned int size)
{
	struct i8042 *k = container_of(r, struct i8042, status);
	bool reset;

	pthread_mutex_lock(&k->lock);
	reset = command_locked(k, (u8)val);
	pthread_mutex_unlock(&k->lock);
	if (reset)
		vm_request_exit(k->dev.vm, VM_EXIT_RESET, 0, "keyboard controller");
}

static const struct io_ops data_io = { .read = data_read, .write = data_write, .sizes = 1 };
static const struct io_ops status_io = { .read = status_read, .write = command_write, .sizes = 1 };

static void i8042_reset(struct device *dev)
{
	struct i8042 *k = container_of(dev, struct i8042, dev);
	unsigned int i;

	pthread_mutex_lock(&k->lock);
	k->str = STR_UNLOCKED | STR_SYS;
	k->out = k->expects = 0;
	k->output_port = OUT_RESET_N | OUT_A20;
	for (i = 0; i <= CMD_RAM_LAST; i++)
		k->ram[i] = 0;
	k->ram[0] = CTR_SYS | CTR_KBD_DIS | CTR_AUX_DIS;
	update_irq_locked(k);
	pthread_mutex_unlock(&k->lock);
}

static int i8042_save(struct device *dev, struct state_writer *w, struct error *err)
{
	struct i8042 *k = container_of(dev, struct i8042, dev);

	state_begin(w, dev->name, VERSION);
	state_put_u8(w, k->str);
	state_put_u8(w, k->out);
	state_put_u8(w, k->output_port);
	state_put_u8(w, k->expects);
	state_put_bytes(w, k->ram, sizeof(k->ram));
	state_end(w);
	return 0;
}

static int i8042_load(struct device *dev, struct state_reader *r)
{
	struct i8042 *k = container_of(dev, struct i8042, dev);
	u8 str, out, output_port, expects, ram[sizeof(k->ram)];
	u32 version;
	int ret;

	ret = state_open(r, dev->name, VERSION, &version);
	if (ret < 0)
		return ret;
	str = state_get_u8(r);
	out = state_get_u8(r);
	output_port = state_get_u8(r);
	expects = state_get_u8(r);
	state_get_bytes(r, ram, sizeof(ram));
	if ((str & ~(STR_OBF | STR_SYS | STR_CMD | STR_UNLOCKED | STR_AUX_OBF | STR_TIMEOUT)) || (ram[0] & ~CTR_BITS))
		state_fail(r);
	ret = state_close(r);
	if (ret < 0)
		return ret;
	pthread_mutex_lock(&k->lock);
	k->str = str;
	k->out = out;
	k->output_port = output_port;
	k->expects = expects;
	memcpy(k->ram, ram, sizeof(ram));
	update_irq_locked(k);
	pthread_mutex_unlock(&k->lock);
	return 0;
}

static void i8042_free(struct device *dev)
{
	struct i8042 *k = container_of(dev, struct i8042, dev);

	io_unmap_region(dev->vm, &k->data);
	io_unmap_region(dev->vm, &k->status);
	irq_line_put(k->irq[0]);
	irq_line_put(k->irq[1]);
	pthread_mutex_destroy(&k->lock);
	free(k);
}

static const struct device_ops i8042_ops = {
	.reset = i8042_reset, .save = i8042_save, .load = i8042_load, .free = i8042_free,
};

int i8042_create(struct vm *vm, const struct i8042_config *cfg)
{
	struct i8042 *k = calloc(1, sizeof(*k));
	int r;

	if (!k)
		return -ENOMEM;
	pthread_mutex_init(&k->lock, NULL);
	k->dev.vm = vm;
	r = irq_line_get(vm, cfg->gsi_kbd, &k->irq[0]);
	if (!r)
		r = irq_line_get(vm, cfg->gsi_aux, &k->irq[1]);
	if (!r)
		r = io_map_region(vm, &k->data, IO_PORT, cfg->base, 1, &data_io, "i8042");
	if (!r)
		r = io_map_region(vm, &k->status, IO_PORT, cfg->base + PORT_STATUS, 1, &status_io, "i8042");
	if (r < 0) {
		i8042_free(&k->dev);
		return r;
	}
	i8042_reset(&k->dev);
	k->dev.kind = DEV_I8042;
	device_describe_io(&k->dev, IO_PORT, cfg->base, 1);
	device_describe_io(&k->dev, IO_PORT, cfg->base + PORT_STATUS, 1);
	device_describe_irq(&k->dev, cfg->gsi_kbd, false);
	device_describe_irq(&k->dev, cfg->gsi_aux, false);
	device_add(vm, &k->dev, &i8042_ops, "i8042");
	return 0;
}
