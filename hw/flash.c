/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * NOR flash: two 16-bit chips side by side on a 32-bit bus, with Intel's command set and the query table by which drivers find out about
 * them. What it holds is a file of the user's, mapped shared. [JESD68.01] (CFI), [Intel P30] (commands, status, locks)
 *
 * The sizes are those that EDK2's ArmVirtKvmTool takes for granted: blocks of 64 KiB (32 KiB of each chip), buffered writes of up to
 * 128 bytes.
 *
 * While the array is read (the mode after reset) the guest has it as read-only memory and only writes come here; in each other mode
 * reads come here too. Two calls to KVM a change, a tenth of the time that a real chip takes to program a buffer; and the array is memory again as soon
 * as the guest asks for it, since not every load that it may use on memory can be emulated.
 *
 * Left out: that the two chips may be told different things (commands come from the lower half, both obey); suspending, one-time
 * programmable registers, burst reads. Blocks are unlocked at power on, where the P30 locks them. A file that another program makes shorter
 * under us ends lkvm (SIGBUS).
 *
 * Threads: vCPU threads; the main thread for reset, save and load. f->lock guards all that changes; vm->slot_lock nests inside it.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/endian.h"
#include "util/log.h"
#include "vmm/hw.h"
#include "vmm/memslot.h"
#include "vmm/state.h"
#include "vmm/vm.h"

enum {
	CHIPS = 2, WORD = 4,			/* bytes of the bus: two of each chip */
	BLOCK = 64 * 1024, MAX_SIZE = CONFIG_MAX_FLASH, MAX_BLOCKS = MAX_SIZE / BLOCK,
	BUFFER_WORDS = 32,
	MANUFACTURER = 0x89, DEVICE = 0x18,	/* Intel; a 128 Mbit chip of uniform blocks */
	VERSION = 1,
};

/* [Intel P30 table "Command Bus Operations"] */
enum {
	CMD_PROGRAM_ALT = 0x10, CMD_ERASE = 0x20, CMD_PROGRAM = 0x40, CMD_CLEAR_STATUS = 0x50, CMD_LOCK_SETUP = 0x60,
	CMD_READ_STATUS = 0x70, CMD_READ_ID = 0x90, CMD_READ_QUERY = 0x98, CMD_CONFIRM = 0xd0, CMD_BUFFERED = 0xe8, CMD_READ_ARRAY = 0xff,
	LOCK_BLOCK = 0x01, LOCK_DOWN = 0x2f, UNLOCK_BLOCK = 0xd0,
};

/* [Intel P30 table "Status Register Description"] */
enum { SR_READY = 0x80, SR_ERASE = 0x20, SR_PROGRAM = 0x10, SR_VPP = 0x08, SR_LOCKED = 0x02, SR_SEQUENCE = SR_ERASE | SR_PROGRAM };
enum { SR_BITS = SR_READY | SR_ERASE | SR_PROGRAM | SR_VPP | SR_LOCKED };

enum { LOCKED = 1, LOCKED_DOWN = 2 };

enum mode { MODE_ARRAY, MODE_STATUS, MODE_ID, MODE_QUERY, MODES };	/* what reads give */
enum step { STEP_READY, STEP_PROGRAM, STEP_ERASE, STEP_LOCK, STEP_COUNT, STEP_DATA, STEP_CONFIRM, STEPS };	/* what the next write is */

struct flash {
	struct device dev;
	struct io_region regs;
	int fd;			/* owned: holds the lock on the file */
	u8 *array;		/* owned mapping of the file */
	u64 base, size;
	bool readonly;

	pthread_mutex_t lock;
	enum mode mode;
	enum step step;
	u8 status;
	int slot;		/* the array as the guest's memory; -1: it is not */
	unsigned int count, filled;	/* buffered program: words asked for, words there */
	u32 start;		/* of the first word's offset, once filled > 0 */
	u32 word[BUFFER_WORDS];
	u8 block_lock[MAX_BLOCKS];
	struct log_rate rate;
};

/* --- the array --- */

static u8 lock_of(const struct flash *f, u64 off)
{
	return f->readonly ? LOCKED | LOCKED_DOWN : f->block_lock[off / BLOCK];
}

/* Notes the failure in the status register: @bit tells what failed. */
static void fail(struct flash *f, u64 off, u8 bits, const char *what)
{
	f->status |= bits;
	log_ratelimited(&f->rate, LOG_DEBUG, f->dev.name, "%s at 0x%llx", what, (unsigned long long)off);
}

/* Programming clears bits and never sets one. */
static void program_word(struct flash *f, u64 off, u32 val)
{
	put_le32(f->array + off, get_le32(f->array + off) & val);
}

static void program(struct flash *f, u64 off, u32 val)
{
	if (lock_of(f, off) & LOCKED)
		fail(f, off, SR_PROGRAM | SR_LOCKED, "program of a locked block");
	else
		program_word(f, off, val);
}

static void program_buffer(struct flash *f)
{
	unsigned int i;

	if (lock_of(f, f->start) & LOCKED) {
		fail(f, f->start, SR_PROGRAM | SR_LOCKED, "buffered program of a locked block");
		return;
	}
	for (i = 0; i < f->count; i++)
		program_word(f, f->start + (u64)i * WORD, f->word[i]);
}

static void erase(struct flash *f, u64 off)
{
	if (lock_of(f, off) & LOCKED)
		fail(f, off, SR_ERASE | SR_LOCKED, "erase of a locked block");
	else
		memset(f->array + align_down(off, BLOCK), 0xff, BLOCK);
}

/* The array is memory of the guest's while it is what reads give, and only then. */
static void set_mode(struct flash *f, enum mode mode)
{
	f->mode = mode;
	if (mode == MODE_ARRAY && f->slot < 0) {
		f->slot = memslot_add(f->dev.vm, f->base, f->size, f->array, MEMSLOT_READONLY);
		if (f->slot < 0)	/* reads come here then */
			log_ratelimited(&f->rate, LOG_WARNING, f->dev.name, "cannot be mapped: %s", strerror(-f->slot));
	} else if (mode != MODE_ARRAY && f->slot >= 0) {
		memslot_del(f->dev.vm, f->slot);
		f->slot = -1;
	}
}

/* --- reads --- */

/* [JESD68.01 4.] byte @idx of a chip's query table. */
static u8 query(const struct flash *f, u64 idx)
{
	enum { BASE = 0x10 };
	const u32 blocks = (u32)(f->size / BLOCK), units = BLOCK / CHIPS / 256;
	const u8 table[] = {
		'Q', 'R', 'Y', 0x01, 0x00, 0x31, 0x00, 0, 0, 0, 0,	/* command set 1, its table at 0x31; no other */
		0x17, 0x20, 0x85, 0x95,					/* 1.7 to 2.0 V, and 8.5 to 9.5 V to program */
		1, 1, 1, 0, 8, 8, 8, 0,					/* 2^n: us a word, us a buffer, ms a block; at most 2^n times that */
		(u8)__builtin_ctzll(f->size / CHIPS), 0x01, 0x00,	/* 2^n bytes; 16 bits wide */
		6, 0,							/* 2^n bytes a buffered write */
		1, (u8)(blocks - 1), (u8)((blocks - 1) >> 8), (u8)units, (u8)(units >> 8),
		/* 0x31: [Intel P30 "Primary Vendor-Specific Extended Query"] */
		'P', 'R', 'I', '1', '0', 0x20, 0, 0, 0,			/* blocks are locked one by one, at once */
		0, 0x03, 0x00, 0x18, 0x90, 0,				/* nothing during suspend; lock and lock-down bits; 1.8 V, 9 V */
	};

	return idx >= BASE && idx - BASE < sizeof(table) ? table[idx - BASE] : 0;
}

/* [Intel P30 table "Device Identifier Information"], where blocks repeat it */
static u16 identifier(const struct flash *f, u64 off)
{
	switch (off % BLOCK / WORD) {
	case 0:
		return MANUFACTURER;
	case 1:
		return DEVICE;
	case 2:
		return lock_of(f, off);
	default:
		return 0;
	}
}

/* What the bus gives at @off, a multiple of its width. */
static u32 bus_word(const struct flash *f, u64 off)
{
	u16 chip = 0;

	switch (f->mode) {
	case MODE_ARRAY:
		return get_le32(f->array + off);
	case MODE_STATUS:
		chip = f->status;
		break;
	case MODE_ID:
		chip = identifier(f, off);
		break;
	default:
		chip = query(f, off / WORD);
		break;
	}
	return chip | (u32)chip << 16;
}

static u64 flash_read(struct io_region *r, u64 off, unsigned int size)
{
	struct flash *f = container_of(r, struct flash, regs);
	u32 v;

	pthread_mutex_lock(&f->lock);
	v = bus_word(f, align_down(off, WORD));
	pthread_mutex_unlock(&f->lock);
	return v >> off % WORD * 8 & ones(size);
}

/* --- writes --- */

static void next(struct flash *f, enum step step)
{
	f->step = step;
	set_mode(f, MODE_STATUS);
}

static void sequence_error(struct flash *f, u64 off)
{
	fail(f, off, SR_SEQUENCE, "bad command sequence");
	f->step = STEP_READY;
}

static void command(struct flash *f, u64 off, u8 cmd)
{
	switch (cmd) {
	case CMD_READ_ARRAY:
		set_mode(f, MODE_ARRAY);
		break;
	case CMD_READ_STATUS:
		set_mode(f, MODE_STATUS);
		break;
	case CMD_READ_ID:
		set_mode(f, MODE_ID);
		break;
	case CMD_READ_QUERY:
		set_mode(f, MODE_QUERY);
		break;
	case CMD_CLEAR_STATUS:
		f->status = SR_READY;
		break;
	case CMD_PROGRAM:
	case CMD_PROGRAM_ALT:
		next(f, STEP_PROGRAM);
		break;
	case CMD_ERASE:
		next(f, STEP_ERASE);
		break;
	case CMD_LOCK_SETUP:
		next(f, STEP_LOCK);
		break;
	case CMD_BUFFERED:
		next(f, STEP_COUNT);
		break;
	default:
		log_ratelimited(&f->rate, LOG_DEBUG, f->dev.name, "unknown command 0x%02x at 0x%llx", cmd, (unsigned long long)off);
		break;
	}
}

static void lock_command(struct flash *f, u64 off, u8 cmd)
{
	u8 *lock = &f->block_lock[off / BLOCK];

	f->step = STEP_READY;
	switch (cmd) {
	case LOCK_BLOCK:
		*lock |= LOCKED;
		break;
	case LOCK_DOWN:
		*lock = LOCKED | LOCKED_DOWN;
		break;
	case UNLOCK_BLOCK:
		if (!(*lock & LOCKED_DOWN))	/* till the next reset, as with the P30's WP# low */
			*lock = 0;
		break;
	default:
		sequence_error(f, off);
		break;
	}
}

/* [Intel P30 "Buffered Programming"] the count is in words of each chip, less one. */
static void buffer_count(struct flash *f, u64 off, u16 count)
{
	if (count >= BUFFER_WORDS) {
		sequence_error(f, off);
		return;
	}
	f->count = count + 1U;
	f->filled = 0;
	memset(f->word, 0xff, sizeof(f->word));
	f->step = STEP_DATA;
}

/* The first word tells where; the others come in any order, and all lie in that block. */
static void buffer_data(struct flash *f, u64 off, u32 val)
{
	if (!f->filled)
		f->start = (u32)off;
	if (off < f->start || off - f->start >= (u64)f->count * WORD || off / BLOCK != f->start / BLOCK ||
	    (f->start + (u64)f->count * WORD - 1) / BLOCK != f->start / BLOCK) {
		sequence_error(f, off);
		return;
	}
	f->word[(off - f->start) / WORD] = val;
	if (++f->filled == f->count)
		f->step = STEP_CONFIRM;
}

static void write_word(struct flash *f, u64 off, u32 val)
{
	u8 cmd = (u8)val;

	switch (f->step) {
	case STEP_READY:
		command(f, off, cmd);
		break;
	case STEP_PROGRAM:
		program(f, off, val);
		f->step = STEP_READY;
		break;
	case STEP_ERASE:
		f->step = STEP_READY;
		if (cmd == CMD_CONFIRM)
			erase(f, off);
		else
			sequence_error(f, off);
		break;
	case STEP_LOCK:
		lock_command(f, off, cmd);
		break;
	case STEP_COUNT:
		buffer_count(f, off, (u16)val);
		break;
	case STEP_DATA:
		buffer_data(f, off, val);
		break;
	default:
		f->step = STEP_READY;
		if (cmd == CMD_CONFIRM)
			program_buffer(f);
		else
			sequence_error(f, off);
		break;
	}
}

static void flash_write(struct io_region *r, u64 off, u64 val, unsigned int size)
{
	struct flash *f = container_of(r, struct flash, regs);

	pthread_mutex_lock(&f->lock);
	if (size == WORD)
		write_word(f, off, (u32)val);
	else
		log_ratelimited(&f->rate, LOG_DEBUG, f->dev.name, "write of %u bytes at 0x%llx dropped: the bus has four", size,
				(unsigned long long)off);
	pthread_mutex_unlock(&f->lock);
}

static const struct io_ops flash_io = { .read = flash_read, .write = flash_write, .sizes = 1 | 2 | 4 };

/* --- the VM's side --- */

static void power_on(struct flash *f)
{
	f->step = STEP_READY;
	f->status = SR_READY;
	f->count = f->filled = 0;
	memset(f->block_lock, 0, sizeof(f->block_lock));
	set_mode(f, MODE_ARRAY);
}

static void flash_reset(struct device *dev)
{
	struct flash *f = container_of(dev, struct flash, dev);

	pthread_mutex_lock(&f->lock);
	power_on(f);
	pthread_mutex_unlock(&f->lock);
}

/* What the array holds is the file's, and does not travel. */
static int flash_save(struct device *dev, struct state_writer *w, struct error *err)
{
	struct flash *f = container_of(dev, struct flash, dev);
	unsigned int i;

	state_begin(w, dev->name, VERSION);
	pthread_mutex_lock(&f->lock);
	state_put_u64(w, f->size);
	state_put_u8(w, (u8)f->mode);
	state_put_u8(w, (u8)f->step);
	state_put_u8(w, f->status);
	state_put_u32(w, f->count);
	state_put_u32(w, f->filled);
	state_put_u32(w, f->start);
	for (i = 0; i < BUFFER_WORDS; i++)
		state_put_u32(w, f->word[i]);
	state_put_bytes(w, f->block_lock, sizeof(f->block_lock));
	pthread_mutex_unlock(&f->lock);
	state_end(w);
	return 0;
}

/* Could the writes of a guest have led to this? */
static bool plausible(const struct flash *f, const struct flash *n)
{
	unsigned int i;

	for (i = 0; i < MAX_BLOCKS; i++)
		if (n->block_lock[i] != 0 && n->block_lock[i] != LOCKED && n->block_lock[i] != (LOCKED | LOCKED_DOWN))
			return false;
	if (n->size != f->size || n->mode >= MODES || n->step >= STEPS || (n->status & ~SR_BITS) || !(n->status & SR_READY))
		return false;
	if (n->step != STEP_READY && n->mode != MODE_STATUS)
		return false;
	if (n->step == STEP_DATA && (!n->count || n->filled >= n->count))
		return false;
	if (n->step == STEP_CONFIRM && (!n->count || n->filled != n->count))
		return false;
	/* An old buffer is of no use, but a number all the same. */
	return n->count <= BUFFER_WORDS && n->filled <= n->count && n->start < f->size && !(n->start % WORD) &&
	       (!n->filled || (n->start % BLOCK) + n->count * WORD <= BLOCK);
}

static int flash_load(struct device *dev, struct state_reader *r)
{
	struct flash *f = container_of(dev, struct flash, dev);
	struct flash n;
	unsigned int i;
	u32 version;
	int ret;

	ret = state_open(r, dev->name, VERSION, &version);
	if (ret < 0)
		return ret;
	n.size = state_get_u64(r);
	n.mode = (enum mode)state_get_u8(r);
	n.step = (enum step)state_get_u8(r);
	n.status = state_get_u8(r);
	n.count = state_get_u32(r);
	n.filled = state_get_u32(r);
	n.start = state_get_u32(r);
	for (i = 0; i < BUFFER_WORDS; i++)
		n.word[i] = state_get_u32(r);
	state_get_bytes(r, n.block_lock, sizeof(n.block_lock));
	if (!plausible(f, &n))
		state_fail(r);
	ret = state_close(r);
	if (ret < 0)
		return ret;
	pthread_mutex_lock(&f->lock);
	f->step = n.step;
	f->status = n.status;
	f->count = n.count;
	f->filled = n.filled;
	f->start = n.start;
	memcpy(f->word, n.word, sizeof(f->word));
	memcpy(f->block_lock, n.block_lock, sizeof(f->block_lock));
	set_mode(f, n.mode);
	pthread_mutex_unlock(&f->lock);
	return 0;
}

static void flash_destroy(struct flash *f)
{
	if (f->array != MAP_FAILED)
		munmap(f->array, f->size);
	if (f->fd >= 0)
		close(f->fd);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

static void flash_free(struct device *dev)
{
	struct flash *f = container_of(dev, struct flash, dev);

	memslot_del(dev->vm, f->slot);
	io_unmap_region(dev->vm, &f->regs);
	flash_destroy(f);
}

static const struct device_ops flash_ops = { .reset = flash_reset, .save = flash_save, .load = flash_load, .free = flash_free };

static int open_file(struct flash *f, const struct flash_config *cfg, struct error *err)
{
	const int flags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct stat st;

	f->fd = open(cfg->path, O_RDWR | flags);
	if (f->fd < 0 && (errno == EACCES || errno == EROFS || errno == EPERM)) {
		f->readonly = true;
		fl.l_type = F_RDLCK;
		f->fd = open(cfg->path, O_RDONLY | flags);
		if (f->fd >= 0)
			log_info(NULL, "--flash '%s': may not be written; the guest finds all of it locked", cfg->path);
	}
	if (f->fd < 0 || fstat(f->fd, &st) < 0)
		return error_set_errno(err, -errno, "--flash '%s'", cfg->path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, -EINVAL, "--flash '%s': not a file", cfg->path);
	f->size = (u64)st.st_size;
	if (!is_power_of_two(f->size) || f->size < BLOCK || f->size > (cfg->max ? cfg->max : MAX_SIZE))
		return error_set(err, -EINVAL, "--flash '%s': %llu bytes; a flash has a power of two of them, from 64 KiB to %llu MiB", cfg->path,
				 (unsigned long long)f->size, (cfg->max ? cfg->max : MAX_SIZE) / MIB);
	if (fcntl(f->fd, F_OFD_SETLK, &fl) == 0 || errno == ENOLCK || errno == EOPNOTSUPP)
		return 0;
	if (errno == EAGAIN || errno == EACCES)
		return error_set(err, -EBUSY, "--flash '%s': is locked: another VM or program has it open", cfg->path);
	return error_set_errno(err, -errno, "--flash '%s': lock", cfg->path);
}

int flash_create(struct vm *vm, const struct flash_config *cfg, struct error *err)
{
	struct flash *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return error_set(err, -ENOMEM, "out of memory");
	f->fd = f->slot = -1;
	f->array = MAP_FAILED;
	f->base = cfg->base;
	f->dev.vm = vm;
	pthread_mutex_init(&f->lock, NULL);
	r = open_file(f, cfg, err);
	if (r < 0)
		goto fail;
	f->array = mmap(NULL, f->size, f->readonly ? PROT_READ : PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
	if (f->array == MAP_FAILED) {
		r = error_set_errno(err, -errno, "--flash '%s'", cfg->path);
		goto fail;
	}
	r = io_map_region(vm, &f->regs, IO_MMIO, cfg->base, f->size, &flash_io, "flash");
	if (r < 0) {
		error_set_errno(err, r, "--flash '%s'", cfg->path);
		goto fail;
	}
	f->dev.kind = DEV_FLASH;
	device_describe_io(&f->dev, IO_MMIO, cfg->base, f->size);
	device_add(vm, &f->dev, &flash_ops, "flash");
	power_on(f);
	return 0;

fail:
	flash_destroy(f);
	return r;
}
