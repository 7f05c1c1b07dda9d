/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CFI flash. [JESD68.01], [Intel P30]
 * links: hw/flash.c device.c state.c util/str.c util/error.c util/log.c
 */
#include "tests/hw/flash-fake.h"

#include "util/log.h"

enum { SIZE = 4 * 1024 * 1024, READY = 0x800080 };

static u32 both(u8 status)
{
	return status | (u32)status << 16;
}

static u32 file_word(u64 off)
{
	u8 b[4];

	if (pread(flash_fd, b, 4, (off_t)off) != 4)
		abort();
	return get_le32(b);
}

static u32 fresh(u64 off)
{
	u32 v = 0;
	unsigned int i;

	for (i = 0; i < 4; i++)
		v |= (u32)(u8)(off + i + (off + i) / 256) << i * 8;
	return v;
}

static void erase(u64 off)
{
	tell(off, 0x20);
	tell(off, 0xd0);
}

/* --- the array as memory --- */

TEST(array_is_read_only_memory)
{
	CHECK(slot.there);
	CHECK_EQ(slot.gpa, FLASH_BASE);
	CHECK_EQ(slot.size, SIZE);
	CHECK_EQ(slot.flags, MEMSLOT_READONLY);
	CHECK_EQ(get(0), fresh(0));
	CHECK_EQ(get(SIZE - 4), fresh(SIZE - 4));
	CHECK_EQ(dev()->kind, DEV_FLASH);
	CHECK_EQ(dev()->res[0].base, FLASH_BASE);
	CHECK_EQ(dev()->res[0].size, SIZE);
}

TEST(memory_goes_in_other_modes_and_comes_back)
{
	unsigned int added = slot.added;

	tell(0, 0xff);
	tell(0, 0x50);
	tell(0, 0x00);			/* no command */
	CHECK_EQ(slot.added, added);	/* nothing was moved for these */
	CHECK_EQ(slot.deleted, 0);
	tell(0, 0x70);
	CHECK(!slot.there);
	tell(0, 0x90);
	tell(0, 0x98);
	CHECK_EQ(slot.deleted, 1);
	tell(0, 0xff);
	CHECK(slot.there);
	CHECK_EQ(slot.added, added + 1);
	CHECK_EQ(get(0x1234), fresh(0x1234));
}

TEST(array_that_cannot_be_mapped_is_read_through_the_device)
{
	tell(0, 0x70);
	slot.error = -ENOMEM;
	tell(0, 0xff);
	CHECK(!slot.there);
	CHECK_EQ(get(0x1234), fresh(0x1234));
	CHECK_EQ(get_n(0x1235, 1), (u8)(fresh(0x1234) >> 8));
	CHECK_EQ(get_n(0x1236, 2), (u16)(fresh(0x1234) >> 16));
	slot.error = 0;
	tell(0, 0xff);
	CHECK(slot.there);
}

/* --- status, identification, query --- */

TEST(status_is_ready)
{
	tell(0x1000, 0x70);
	CHECK_EQ(get(0), READY);
	CHECK_EQ(get(SIZE - 4), READY);
	CHECK_EQ(get_n(0, 1), 0x80);
	CHECK_EQ(get_n(1, 1), 0);
	CHECK_EQ(get_n(2, 2), 0x80);
}

TEST(identification_and_locks_of_each_block)
{
	tell(0, 0x90);
	CHECK_EQ(get(0), 0x890089);
	CHECK_EQ(get(4), 0x180018);
	CHECK_EQ(get(8), 0);
	CHECK_EQ(get(12), 0);
	tell(3 * BLOCK, 0x60);
	tell(3 * BLOCK, 0x01);
	tell(5 * BLOCK, 0x60);
	tell(5 * BLOCK, 0x2f);
	tell(0, 0x90);
	CHECK_EQ(get(8), 0);
	CHECK_EQ(get(3 * BLOCK + 8), 0x10001);
	CHECK_EQ(get(4 * BLOCK + 8), 0);
	CHECK_EQ(get(5 * BLOCK + 8), 0x30003);
}

static u32 query(unsigned int idx)
{
	return get(idx * 4);
}

TEST(query_tells_the_geometry)
{
	static const char qry[] = "QRY", pri[] = "PRI10";
	unsigned int i, blocks, units;

	tell(0x55 * 4, 0x98);
	for (i = 0; i < 3; i++)
		CHECK_EQ(query(0x10 + i), both((u8)qry[i]));
	CHECK_EQ(query(0x13), both(1));
	CHECK_EQ(query(0x14), 0);
	CHECK_EQ(query(0x15), both(0x31));
	CHECK_EQ(2ULL << (query(0x27) & 0xff), SIZE);
	CHECK_EQ(query(0x28), both(1));
	CHECK_EQ(2ULL << (query(0x2a) & 0xff), 128);
	CHECK_EQ(query(0x2c), both(1));
	blocks = (query(0x2d) & 0xff) + (query(0x2e) & 0xff) * 256 + 1;
	units = (query(0x2f) & 0xff) + (query(0x30) & 0xff) * 256;
	CHECK_EQ(units * 256 * 2, BLOCK);
	CHECK_EQ((u64)blocks * units * 256 * 2, SIZE);
	for (i = 0; i < 5; i++)
		CHECK_EQ(query(0x31 + i), both((u8)pri[i]));
	CHECK_EQ(query(0x36), both(0x20));
	CHECK_EQ(query(0x3b), both(3));
	CHECK_EQ(query(0x3f), 0);
	CHECK_EQ(query(0), 0);
	CHECK_EQ(query(0xf), 0);
	CHECK_EQ(query(0x40), 0);
	CHECK_EQ(query(SIZE / 4 - 1), 0);
}

/* --- erase and program --- */

TEST(erase_sets_one_block)
{
	erase(2 * BLOCK + 0x100);
	CHECK_EQ(get(0), READY);
	tell(0, 0xff);
	CHECK_EQ(get(2 * BLOCK - 4), fresh(2 * BLOCK - 4));
	CHECK_EQ(get(2 * BLOCK), 0xffffffff);
	CHECK_EQ(get(3 * BLOCK - 4), 0xffffffff);
	CHECK_EQ(get(3 * BLOCK), fresh(3 * BLOCK));
	CHECK_EQ(file_word(2 * BLOCK), 0xffffffff);
}

TEST(erase_not_confirmed_is_a_sequence_error)
{
	tell(BLOCK, 0x20);
	tell(BLOCK, 0xff);
	CHECK_EQ(get(0), both(0xb0));
	CHECK_EQ(file_word(BLOCK), fresh(BLOCK));
	tell(0, 0x50);
	CHECK_EQ(get(0), READY);
}

TEST(program_clears_bits_only)
{
	erase(0);
	tell(0x40, 0x40);
	put(0x40, 0x12345678);
	CHECK_EQ(get(0), READY);
	CHECK_EQ(file_word(0x40), 0x12345678);
	tell(0x40, 0x10);		/* the other code for it */
	put(0x40, 0xffff0ff0);
	CHECK_EQ(get(0), READY);
	CHECK_EQ(file_word(0x40), 0x12340670);
	CHECK_EQ(file_word(0x44), 0xffffffff);
	tell(0, 0xff);
	CHECK_EQ(get(0x40), 0x12340670);
}

TEST(data_that_looks_like_a_command_is_data)
{
	erase(0);
	tell(0, 0x40);
	tell(0, 0xff);
	CHECK(!slot.there);
	CHECK_EQ(get(0), READY);
	tell(0, 0x40);
	tell(0, 0x50);
	CHECK_EQ(file_word(0), 0x500050);
}

/* --- buffered program --- */

static void fill(u64 off, unsigned int words)
{
	unsigned int i;

	tell(off, 0xe8);
	tell(off, (u8)(words - 1));
	for (i = 0; i < words; i++)
		put(off + i * 4, 0xa0000000 + i);
}

TEST(buffer_is_programmed_at_once)
{
	unsigned int i;

	erase(BLOCK);
	fill(BLOCK + 128, 32);
	CHECK_EQ(get(BLOCK), READY);
	CHECK_EQ(file_word(BLOCK + 128), 0xffffffff);
	tell(0, 0xd0);
	CHECK_EQ(get(0), READY);
	for (i = 0; i < 32; i++)
		CHECK_EQ(file_word(BLOCK + 128 + i * 4), 0xa0000000 + i);
	CHECK_EQ(file_word(BLOCK + 256), 0xffffffff);
	CHECK_EQ(file_word(BLOCK + 124), 0xffffffff);
}

TEST(buffer_of_one_word)
{
	erase(0);
	fill(0x7c, 1);
	tell(0, 0xd0);
	CHECK_EQ(get(0), READY);
	CHECK_EQ(file_word(0x7c), 0xa0000000);
}

TEST(buffer_takes_words_in_any_order)
{
	erase(0);
	tell(0, 0xe8);
	tell(0, 2);
	put(0x100, 1);
	put(0x108, 3);
	put(0x108, 4);		/* the last one counts */
	tell(0, 0xd0);
	CHECK_EQ(get(0), READY);
	CHECK_EQ(file_word(0x100), 1);
	CHECK_EQ(file_word(0x104), 0xffffffff);
	CHECK_EQ(file_word(0x108), 4);
}

TEST(buffer_count_is_bounded)
{
	static const u16 bad[] = { 32, 33, 0xff, 0x100, 0x8000, 0xffff };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		tell(0, 0xe8);
		put(0, bad[i] | (u32)bad[i] << 16);
		CHECK_EQ(get(0), both(0xb0));
		tell(0, 0x50);
		CHECK_EQ(get(0), READY);
		tell(0, 0xff);
		CHECK(slot.there);	/* it waits for commands again */
		tell(0, 0x70);
	}
}

TEST(buffer_stays_in_its_window)
{
	erase(0);
	fill(0x100, 1);
	tell(0, 0xff);			/* drops it */
	CHECK_EQ(get(0), both(0xb0));
	tell(0, 0x50);
	tell(0, 0xe8);
	tell(0, 1);
	put(0x100, 1);
	put(0x108, 2);			/* beyond two words */
	CHECK_EQ(get(0), both(0xb0));
	tell(0, 0x50);
	tell(0, 0xe8);
	tell(0, 1);
	put(0x100, 1);
	put(0xfc, 2);			/* before the first */
	CHECK_EQ(get(0), both(0xb0));
	tell(0, 0xd0);
	CHECK_EQ(file_word(0x100), 0xffffffff);
}

TEST(buffer_stays_in_its_block)
{
	erase(0);
	tell(0, 0xe8);
	tell(0, 1);
	put(BLOCK - 4, 1);
	CHECK_EQ(get(0), both(0xb0));
	tell(0, 0x50);
	tell(0, 0xe8);			/* the end of the flash */
	tell(0, 31);
	put(SIZE - 4, 1);
	CHECK_EQ(get(0), both(0xb0));
	tell(0, 0x50);
	fill(BLOCK - 128, 32);		/* just fits */
	tell(0, 0xd0);
	CHECK_EQ(get(0), READY);
	CHECK_EQ(file_word(BLOCK - 4), 0xa000001f);
	CHECK_EQ(file_word(BLOCK), fresh(BLOCK));
}

TEST(buffer_not_confirmed_is_dropped)
{
	erase(0);
	fill(0, 4);
	tell(0, 0x70);
	CHECK_EQ(get(0), both(0xb0));
	CHECK_EQ(file_word(0), 0xffffffff);
}

/* --- locks --- */

TEST(locked_block_refuses_all)
{
	tell(BLOCK, 0x60);
	tell(BLOCK, 0x01);
	CHECK_EQ(get(0), READY);
	erase(BLOCK);
	CHECK_EQ(get(0), both(0xa2));
	tell(0, 0x50);
	tell(BLOCK, 0x40);
	put(BLOCK, 0);
	CHECK_EQ(get(0), both(0x92));
	tell(0, 0x50);
	fill(BLOCK, 2);
	tell(0, 0xd0);
	CHECK_EQ(get(0), both(0x92));
	CHECK_EQ(file_word(BLOCK), fresh(BLOCK));
	tell(0, 0x50);
	erase(0);			/* others are not */
	CHECK_EQ(get(0), READY);
	tell(BLOCK, 0x60);
	tell(BLOCK, 0xd0);
	erase(BLOCK);
	CHECK_EQ(get(0), READY);
	CHECK_EQ(file_word(BLOCK), 0xffffffff);
}

TEST(locked_down_block_stays_so_till_reset)
{
	tell(0, 0x60);
	tell(0, 0x2f);
	tell(0, 0x60);
	tell(0, 0xd0);
	erase(0);
	CHECK_EQ(get(0), both(0xa2));
	tell(0, 0x60);
	tell(0, 0x01);
	tell(0, 0x90);
	CHECK_EQ(get(8), 0x30003);
	dev_reset();
	erase(0);
	CHECK_EQ(get(0), READY);
}

TEST(unknown_lock_command_is_a_sequence_error)
{
	tell(0, 0x60);
	tell(0, 0x03);
	CHECK_EQ(get(0), both(0xb0));
	tell(0, 0x90);
	CHECK_EQ(get(8), 0);
}

TEST(narrow_writes_do_nothing)
{
	out_n(FLASH_BASE, 0x70, 1);
	out_n(FLASH_BASE, 0x70, 2);
	CHECK(slot.there);
	tell(0, 0x40);
	out_n(FLASH_BASE, 0, 2);
	CHECK_EQ(file_word(0), fresh(0));
	put(0, 0);
	CHECK_EQ(file_word(0), 0);
}

TEST(unknown_commands_do_nothing)
{
	static const u8 cmds[] = { 0x00, 0x01, 0x2f, 0x30, 0xb0, 0xc0, 0xd0, 0xf0, 0xfe };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cmds); i++) {
		tell(0, cmds[i]);
		CHECK(slot.there);
	}
	CHECK_EQ(get(0), fresh(0));
}

TEST(reset_reads_the_array)
{
	erase(0);
	tell(0, 0xe8);
	tell(0, 40);			/* an error */
	tell(0, 0xe8);
	dev_reset();
	CHECK(slot.there);
	tell(0, 0x70);
	CHECK_EQ(get(0), READY);
	CHECK_EQ(file_word(0), 0xffffffff);	/* what it held stays */
}

static _Atomic bool enough;
static _Atomic unsigned int strange;

/* Reads through the device what one of the modes gives: the array, or a status. */
static void *reader(void *arg)
{
	u32 v;

	while (!enough) {
		v = (u32)in_n(FLASH_BASE + BLOCK, 4);
		strange += v != fresh(BLOCK) && v != READY;
	}
	return NULL;
}

TEST(readers_run_beside_a_writer)
{
	pthread_t t[2];
	unsigned int i;

	enough = false;
	strange = 0;
	for (i = 0; i < 2; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, reader, NULL), 0);
	for (i = 0; i < 2000; i++) {
		fill(0, 8);
		tell(0, 0xd0);
		tell(0, 0xff);
	}
	enough = true;
	for (i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	CHECK_EQ(strange, 0);
	CHECK_EQ(slot.deleted, 2000);
	CHECK(slot.there);
}

/* --- files --- */

TEST(read_only_file_makes_a_locked_flash)
{
	char path[] = "/tmp/flash-test.XXXXXX";
	int fd = mkstemp(path), r;

	CHECK(fd >= 0 && !ftruncate(fd, BLOCK) && !fchmod(fd, 0444));
	close(fd);
	fake_vm();
	memset(&slot, 0, sizeof(slot));
	str_copy(flash_path, sizeof(flash_path), path);
	if (!geteuid() && seteuid(65534) < 0)	/* root may write to any file */
		SKIP("cannot be anybody but root");
	r = flash_make();
	if (!getuid())
		CHECK(!seteuid(0));
	unlink(path);
	CHECK_EQ(r, 0);
	CHECK(slot.there);
	erase(0);
	CHECK_EQ(get(0), both(0xa2));
	tell(0, 0x60);
	tell(0, 0xd0);
	tell(0, 0x90);
	CHECK_EQ(get(8), 0x30003);
	devices_free(&vm);
}

static void refused(const char *path, int code, const char *part)
{
	const struct flash_config cfg = { .base = FLASH_BASE, .path = path };
	int r;

	fake_vm();
	memset(&slot, 0, sizeof(slot));
	r = flash_create(&vm, &cfg, &flash_err);
	if (r != code || !strstr(flash_err.msg, part) || !strstr(flash_err.msg, path))
		printf("# %d: %s\n", r, flash_err.msg);
	CHECK_EQ(r, code);
	CHECK(strstr(flash_err.msg, part));
	CHECK(strstr(flash_err.msg, path));
	CHECK(nothing_left());
	CHECK(!slot.there);
}

TEST(sizes_are_judged)
{
	static const u64 bad[] = { 0, 1, 4096, BLOCK / 2, BLOCK + 1, 3 * BLOCK, 32 * MIB };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		flash_file(0);
		CHECK(!ftruncate(flash_fd, (off_t)bad[i]));
		refused(flash_path, -EINVAL, "bytes; a flash has a power of two of them, from 64 KiB to 16 MiB");
		close(flash_fd);
		if (tap_this_failed)
			return;
	}
	for (i = 16; i <= 24; i++) {
		flash_start(1ULL << i);
		tell(0x55 * 4, 0x98);
		CHECK_EQ(2ULL << (query(0x27) & 0xff), 1ULL << i);
		CHECK_EQ((query(0x2d) & 0xff) + (query(0x2e) & 0xff) * 256 + 1, (1U << i) / BLOCK);
		flash_end();
	}
}

TEST(machine_may_have_less_room)
{
	const struct flash_config cfg = { .base = FLASH_BASE, .path = flash_path, .max = 1 * MIB };

	fake_vm();
	flash_file(2 * MIB);
	CHECK_EQ(flash_create(&vm, &cfg, &flash_err), -EINVAL);
	CHECK(strstr(flash_err.msg, "from 64 KiB to 1 MiB"));
	CHECK(nothing_left());
	close(flash_fd);
}

TEST(what_is_no_file_is_refused)
{
	refused("/nonexistent/flash", -ENOENT, "--flash");
	if (!tap_this_failed)
		refused("/dev/null", -EINVAL, "not a file");
	if (!tap_this_failed)
		refused("/tmp", -EISDIR, "--flash");
}

TEST(second_user_is_refused)
{
	flash_start(SIZE);
	CHECK_EQ(flash_make(), -EBUSY);
	CHECK(strstr(flash_err.msg, "is locked"));
	flash_end();
	flash_file(SIZE);
	fake_vm();
	memset(&slot, 0, sizeof(slot));
	CHECK_EQ(flash_make(), 0);	/* freed, it is free */
	flash_end();
}

TEST(failed_creation_leaves_nothing)
{
	fake_vm();
	memset(&slot, 0, sizeof(slot));
	flash_file(SIZE);
	map_fails_at = 1;
	CHECK_EQ(flash_make(), -ENOMEM);
	CHECK(nothing_left());
	CHECK(!slot.there);
	CHECK_EQ(flash_make(), 0);
	flash_end();
	CHECK(!slot.there);
	CHECK(nothing_left());
}

/* --- state --- */

TEST(state_goes_round)
{
	struct state_writer w;

	erase(0);
	tell(BLOCK, 0x60);
	tell(BLOCK, 0x01);
	tell(0, 0xe8);
	tell(0, 1);
	put(0x20, 0x11111111);
	dev_save(&w);
	dev_reset();
	CHECK(slot.there);
	CHECK_EQ(dev_load(w.buf.s, w.buf.len), 0);
	CHECK(!slot.there);
	put(0x24, 0x22222222);
	tell(0, 0xd0);
	CHECK_EQ(file_word(0x20), 0x11111111);
	CHECK_EQ(file_word(0x24), 0x22222222);
	tell(0, 0x90);
	CHECK_EQ(get(BLOCK + 8), 0x10001);
	CHECK(truncations_refused());
	state_writer_free(&w);
}

/* Offsets of fields in the stream, each with its type before it: see flash_save(). */
static struct state_writer kept;

static size_t fields(void)
{
	return kept.buf.len - (9 + 3 * 2 + 3 * 5 + 32 * 5 + 5 + 256);
}

static int load_with(size_t at, u64 val, unsigned int size)
{
	u8 *copy = malloc(kept.buf.len);
	int r;

	memcpy(copy, kept.buf.s, kept.buf.len);
	put_le(copy + fields() + at, size, val);
	r = dev_load(copy, kept.buf.len);
	free(copy);
	return r;
}

TEST(impossible_state_is_refused)
{
	enum { AT_SIZE = 1, MODE = 10, STEP = 12, STATUS = 14, COUNT = 16, FILLED = 21, START = 26, LOCKS = 29 + 160 + 6 };

	tell(0, 0xe8);
	tell(0, 3);
	put(0x20, 1);
	dev_save(&kept);
	CHECK_EQ(load_with(COUNT, 4, 4), 0);		/* as it is */
	CHECK_EQ(load_with(AT_SIZE, SIZE / 2, 8), -EBADMSG);
	CHECK_EQ(load_with(MODE, 4, 1), -EBADMSG);
	CHECK_EQ(load_with(MODE, 0, 1), -EBADMSG);	/* array, while a command is half given */
	CHECK_EQ(load_with(STEP, 7, 1), -EBADMSG);
	CHECK_EQ(load_with(STEP, 6, 1), -EBADMSG);	/* confirm, and the buffer is not full */
	CHECK_EQ(load_with(STATUS, 0, 1), -EBADMSG);
	CHECK_EQ(load_with(STATUS, 0x81, 1), -EBADMSG);
	CHECK_EQ(load_with(COUNT, 33, 4), -EBADMSG);
	CHECK_EQ(load_with(COUNT, 0, 4), -EBADMSG);
	CHECK_EQ(load_with(COUNT, 0x80000001, 4), -EBADMSG);
	CHECK_EQ(load_with(FILLED, 4, 4), -EBADMSG);
	CHECK_EQ(load_with(FILLED, 5, 4), -EBADMSG);
	CHECK_EQ(load_with(START, SIZE, 4), -EBADMSG);
	CHECK_EQ(load_with(START, 0x22, 4), -EBADMSG);
	CHECK_EQ(load_with(START, BLOCK - 12, 4), -EBADMSG);
	CHECK_EQ(load_with(START, BLOCK - 16, 4), 0);
	CHECK_EQ(load_with(START, 0xfffffffc, 4), -EBADMSG);
	CHECK_EQ(load_with(LOCKS, 2, 1), -EBADMSG);
	CHECK_EQ(load_with(LOCKS + 255, 4, 1), -EBADMSG);
	CHECK_EQ(load_with(LOCKS + 255, 3, 1), 0);
	state_writer_free(&kept);
}

#define RUN_ON_FLASH(name) do { flash_start(SIZE); RUN(name); flash_end(); } while (0)

int main(void)
{
	log_set_level(LOG_ERROR);
	RUN_ON_FLASH(array_is_read_only_memory);
	RUN_ON_FLASH(memory_goes_in_other_modes_and_comes_back);
	RUN_ON_FLASH(array_that_cannot_be_mapped_is_read_through_the_device);
	RUN_ON_FLASH(status_is_ready);
	RUN_ON_FLASH(identification_and_locks_of_each_block);
	RUN_ON_FLASH(query_tells_the_geometry);
	RUN_ON_FLASH(erase_sets_one_block);
	RUN_ON_FLASH(erase_not_confirmed_is_a_sequence_error);
	RUN_ON_FLASH(program_clears_bits_only);
	RUN_ON_FLASH(data_that_looks_like_a_command_is_data);
	RUN_ON_FLASH(buffer_is_programmed_at_once);
	RUN_ON_FLASH(buffer_of_one_word);
	RUN_ON_FLASH(buffer_takes_words_in_any_order);
	RUN_ON_FLASH(buffer_count_is_bounded);
	RUN_ON_FLASH(buffer_stays_in_its_window);
	RUN_ON_FLASH(buffer_stays_in_its_block);
	RUN_ON_FLASH(buffer_not_confirmed_is_dropped);
	RUN_ON_FLASH(locked_block_refuses_all);
	RUN_ON_FLASH(locked_down_block_stays_so_till_reset);
	RUN_ON_FLASH(unknown_lock_command_is_a_sequence_error);
	RUN_ON_FLASH(narrow_writes_do_nothing);
	RUN_ON_FLASH(unknown_commands_do_nothing);
	RUN_ON_FLASH(reset_reads_the_array);
	RUN_ON_FLASH(readers_run_beside_a_writer);
	RUN(read_only_file_makes_a_locked_flash);
	RUN(sizes_are_judged);
	RUN(machine_may_have_less_room);
	RUN(what_is_no_file_is_refused);
	RUN(second_user_is_refused);
	RUN(failed_creation_leaves_nothing);
	RUN_ON_FLASH(state_goes_round);
	RUN_ON_FLASH(impossible_state_is_refused);
	return tap_done();
}
