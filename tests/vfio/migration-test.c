/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Migration of a VFIO device by protocol v2, against a device that keeps the kernel's rules, or breaks one of them. And what
 * both protocols share: which of them is taken, saving and loading, all devices of a VM together.
 * links: vfio/migration.c vfio/migration-save.c vfio/migration-v1.c vfio/migration-v2.c
 * links: state.c util/str.c util/json.c util/error.c util/log.c util/cleanup.c
 */
#include <dirent.h>

#include "tests/tap.h"
#include "tests/vfio/migration-fake.h"
#include "util/json.h"
#include "vfio/migration-protocol.h"

enum { ALL = VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P | VFIO_MIGRATION_PRE_COPY };

static unsigned int open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static struct fake_device *device(u64 flags, bool v1)
{
	struct fake_device *f = fake_new(flags, v1);

	err.msg[0] = '\0';
	if (vfio_migration_create(&f->vd, &f->vd.migration, &err) < 0)
		f->vd.migration = NULL;
	return f;
}

/* --- which protocol --- */

TEST(v2_is_taken_first_then_v1_then_none)
{
	struct fake_device *f = device(ALL, true);

	CHECK_STR(f->vd.migration->ops->name, "v2");
	CHECK_EQ(f->vd.migration->abilities, VFIO_MIG_CAN_PRE_COPY | VFIO_MIG_CAN_P2P);
	f = device(0, true);
	CHECK_STR(f->vd.migration->ops->name, "v1");
	f = device(0, false);
	CHECK(!f->vd.migration);
	CHECK_STR(err.msg, "");
	fake_free_all();
}

TEST(a_wish_is_met_or_refused_by_name)
{
	struct fake_device *f = fake_new(ALL, true);

	f->cfg.migration = VFIO_MIGRATION_OFF;
	CHECK_EQ(vfio_migration_create(&f->vd, &f->vd.migration, &err), 0);
	CHECK(!f->vd.migration);
	f->cfg.migration = VFIO_MIGRATION_V1;
	CHECK_EQ(vfio_migration_create(&f->vd, &f->vd.migration, &err), 0);
	CHECK_STR(f->vd.migration->ops->name, "v1");
	f = fake_new(ALL, false);
	f->cfg.migration = VFIO_MIGRATION_V1;
	CHECK_EQ(vfio_migration_create(&f->vd, &f->vd.migration, &err), -EOPNOTSUPP);
	CHECK_STR(err.msg, "--vfio '0000:00:01.0': migration=v1: the device does not offer it");
	f = fake_new(0, true);
	f->cfg.migration = VFIO_MIGRATION_V2;
	CHECK_EQ(vfio_migration_create(&f->vd, &f->vd.migration, &err), -EOPNOTSUPP);
	CHECK_STR(err.msg, "--vfio '0000:00:01.0': migration=v2: the device does not offer it");
	fake_free_all();
}

TEST(an_offer_without_stop_copy_or_with_an_error_is_none)
{
	struct fake_device *f = fake_new(VFIO_MIGRATION_P2P, true);

	f->cfg.migration = VFIO_MIGRATION_V2;
	CHECK_EQ(vfio_migration_create(&f->vd, &f->vd.migration, &err), -EPROTO);
	CHECK(strstr(err.msg, "does not follow its rules"));
	f->flags_error = -EIO;
	CHECK_EQ(vfio_migration_create(&f->vd, &f->vd.migration, &err), -EIO);
	f->cfg.migration = VFIO_MIGRATION_AUTO;
	CHECK_EQ(vfio_migration_create(&f->vd, &f->vd.migration, &err), 0);
	CHECK_STR(f->vd.migration->ops->name, "v1");
	fake_free_all();
}

/* --- states and files --- */

TEST(files_come_with_their_arcs_and_go_when_the_group_is_left)
{
	static const struct { enum vfio_mig_state to; unsigned int files; } walk[] = {
		{ VFIO_MIG_PRE_COPY, 1 }, { VFIO_MIG_PRE_COPY_P2P, 1 }, { VFIO_MIG_STOP_COPY, 1 }, { VFIO_MIG_STOP, 0 },
		{ VFIO_MIG_RESUMING, 1 }, { VFIO_MIG_RESUMING, 1 },
	};
	struct fake_device *f = device(ALL, false);
	unsigned int i, before = open_files();

	for (i = 0; i < ARRAY_SIZE(walk); i++) {
		CHECK_EQ(set(f, walk[i].to), 0);
		CHECK_EQ(vfio_migration_state(f->vd.migration), walk[i].to);
		CHECK_EQ(open_files(), before + 2 * walk[i].files);	/* the device's and ours */
	}
	CHECK_EQ(vfio_migration_reset(f->vd.migration, &err), 0);
	CHECK_EQ(open_files(), before);
	CHECK_EQ(set(f, VFIO_MIG_STOP_COPY), 0);
	CHECK_EQ(set(f, VFIO_MIG_RUNNING_P2P), 0);
	CHECK_EQ(set(f, VFIO_MIG_PRE_COPY), 0);
	CHECK_EQ(open_files(), before + 2);
	CHECK_EQ(set(f, VFIO_MIG_RUNNING), 0);
	CHECK_EQ(open_files(), before);
	fake_free_all();
	CHECK_EQ(open_files(), before);
}

TEST(stop_copy_does_not_go_back_to_pre_copy)
{
	struct fake_device *f = device(ALL, false);

	CHECK_EQ(set(f, VFIO_MIG_STOP_COPY), 0);
	CHECK_EQ(set(f, VFIO_MIG_PRE_COPY), -EINVAL);
	CHECK_EQ(set(f, VFIO_MIG_PRE_COPY_P2P), -EINVAL);
	CHECK_STR(err.msg, "--vfio '0000:00:01.0': there is no way from stop-copy to pre-copy-p2p");
	CHECK_EQ(f->state, VFIO_MIG_STOP_COPY);
	fake_free_all();
}

TEST(states_that_a_device_lacks_are_the_nearest_or_refused)
{
	struct fake_device *f = device(VFIO_MIGRATION_STOP_COPY, false);

	CHECK_EQ(set(f, VFIO_MIG_RUNNING_P2P), 0);
	CHECK_EQ(f->state, VFIO_MIG_RUNNING);
	CHECK_EQ(set(f, VFIO_MIG_PRE_COPY), -EOPNOTSUPP);
	CHECK_EQ(set(f, VFIO_MIG_PRE_COPY_P2P), -EOPNOTSUPP);
	CHECK_EQ(set(f, VFIO_MIG_ERROR), -EINVAL);
	CHECK_EQ(set(f, (enum vfio_mig_state)8), -EINVAL);
	f = device(VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_PRE_COPY, false);
	CHECK_EQ(set(f, VFIO_MIG_PRE_COPY_P2P), 0);
	CHECK_EQ(f->state, VFIO_MIG_PRE_COPY);
	CHECK_EQ(set(f, VFIO_MIG_STOP_COPY), 0);
	fake_free_all();
}

TEST(a_failed_step_tells_where_the_device_is)
{
	struct fake_device *f = device(ALL, false);
	unsigned int before = open_files();

	f->refuses = BIT(VFIO_MIG_STOP_COPY);
	CHECK_EQ(set(f, VFIO_MIG_STOP_COPY), -EBUSY);
	CHECK_EQ(f->state, VFIO_MIG_STOP);	/* as far as it came */
	CHECK_STR(err.msg, "--vfio '0000:00:01.0': the device does not go from running to stop-copy, and is in stop now: Device or resource busy");
	f->refuses = 0;
	CHECK_EQ(set(f, VFIO_MIG_PRE_COPY), 0);
	f->refuses = BIT(VFIO_MIG_STOP_COPY);
	CHECK_EQ(set(f, VFIO_MIG_STOP_COPY), -EBUSY);
	CHECK_EQ(f->state, VFIO_MIG_PRE_COPY_P2P);
	CHECK_EQ(open_files(), before + 2);	/* still the same stream */
	f->refuses = 0;
	f->breaks = BIT(VFIO_MIG_STOP_COPY);
	CHECK_EQ(set(f, VFIO_MIG_STOP_COPY), -EINVAL);
	CHECK_EQ(vfio_migration_state(f->vd.migration), VFIO_MIG_ERROR);
	CHECK_EQ(open_files(), before);
	fake_free_all();
}

TEST(only_a_reset_ends_the_error_state)
{
	struct fake_device *f = device(ALL, false);

	f->breaks = BIT(VFIO_MIG_STOP);
	CHECK_EQ(set(f, VFIO_MIG_STOP), -EINVAL);
	f->breaks = 0;
	CHECK_EQ(set(f, VFIO_MIG_RUNNING), -EIO);
	CHECK_STR(err.msg, "--vfio '0000:00:01.0': the device is in its error state, which only a reset ends");
	CHECK_EQ(vfio_migration_reset(f->vd.migration, &err), 0);
	CHECK_EQ(vfio_migration_state(f->vd.migration), VFIO_MIG_RUNNING);
	CHECK_EQ(set(f, VFIO_MIG_STOP), 0);
	f->no_reset = true;
	CHECK_EQ(vfio_migration_reset(f->vd.migration, &err), -ENOTTY);
	CHECK(strstr(err.msg, "'0000:00:01.0': reset: "));
	fake_free_all();
}

TEST(a_device_that_says_done_and_is_not_there_failed)
{
	struct fake_device *f = device(ALL, false);

	f->lies = BIT(VFIO_MIG_STOP);
	CHECK_EQ(set(f, VFIO_MIG_STOP), -EIO);
	CHECK_EQ(vfio_migration_state(f->vd.migration), VFIO_MIG_RUNNING);
	f->state = 8;		/* no state of the protocol's */
	CHECK_EQ(vfio_migration_state(f->vd.migration), VFIO_MIG_ERROR);
	fake_free_all();
}

TEST(a_file_too_few_fails_and_one_too_many_is_closed)
{
	struct fake_device *f = device(ALL, false);
	unsigned int before = open_files();
	u8 b;

	f->no_file = true;
	CHECK_EQ(set(f, VFIO_MIG_STOP_COPY), -EPROTO);
	CHECK_EQ(vfio_migration_read(f->vd.migration, &b, 1), -ENODEV);
	CHECK_EQ(set(f, VFIO_MIG_STOP), 0);
	f->no_file = false;
	f->extra_file = true;
	CHECK_EQ(set(f, VFIO_MIG_RUNNING), 0);
	CHECK_EQ(open_files(), before);
	CHECK_EQ(set(f, VFIO_MIG_PRE_COPY), 0);
	CHECK_EQ(set(f, VFIO_MIG_STOP_COPY), 0);	/* its stream goes on in the same file */
	CHECK_EQ(open_files(), before + 2);
	CHECK_EQ(vfio_migration_read(f->vd.migration, &b, 1), 1);
	fake_free_all();
	CHECK_EQ(open_files(), before);
}

/* --- the stream --- */

TEST(pre_copy_ends_for_now_and_goes_on_in_stop_copy)
{
	const ssize_t frame = FAKE_IMAGE + FRAME_EXTRA;
	static u8 buf[4 * (FAKE_IMAGE + FRAME_EXTRA)];
	struct fake_device *f = device(ALL, false);
	struct vfio_mig_pending p;

	CHECK_EQ(vfio_migration_read(f->vd.migration, buf, 1), -EINVAL);	/* RUNNING has no stream */
	CHECK_EQ(set(f, VFIO_MIG_PRE_COPY), 0);
	CHECK_EQ(vfio_migration_read(f->vd.migration, buf, 0), -EINVAL);
	CHECK_EQ(vfio_migration_pending(f->vd.migration, &p), 0);
	CHECK_EQ(p.initial, frame);
	CHECK_EQ(p.dirty, 7);
	CHECK_EQ(p.stop_copy, frame);
	CHECK_EQ(read_all(f, buf, sizeof(buf), 100), frame);
	CHECK_EQ(vfio_migration_read(f->vd.migration, buf, 1), -EAGAIN);
	CHECK_EQ(vfio_migration_pending(f->vd.migration, &p), 0);
	CHECK_EQ(p.initial, 0);
	f->image[0] ^= 1;		/* it ran on */
	CHECK_EQ(set(f, VFIO_MIG_STOP_COPY), 0);
	CHECK_EQ(vfio_migration_pending(f->vd.migration, &p), 0);
	CHECK_EQ(p.initial + p.dirty, 0);
	CHECK_EQ(read_all(f, buf + frame, sizeof(buf) - (size_t)frame, 1), frame);
	CHECK_EQ(vfio_migration_read(f->vd.migration, buf, 1), 0);
	CHECK_EQ(get_le32(buf), FRAME_EARLY);
	CHECK_EQ(get_le32(buf + frame), FRAME_LAST);
	CHECK(!memcmp(buf + frame + 8, f->image, FAKE_IMAGE));
	CHECK_EQ(set(f, VFIO_MIG_STOP), 0);
	CHECK_EQ(vfio_migration_read(f->vd.migration, buf, 1), -EINVAL);
	CHECK_EQ(vfio_migration_write(f->vd.migration, buf, 1), -EINVAL);
	f->no_data_size = true;		/* Linux 6.1 */
	CHECK_EQ(set(f, VFIO_MIG_STOP_COPY), 0);
	CHECK_EQ(vfio_migration_pending(f->vd.migration, &p), 0);
	CHECK_EQ(p.stop_copy, 0);
	fake_free_all();
}

TEST(errors_of_the_stream_are_told)
{
	struct fake_device *f = device(ALL, false);
	u8 b = 0;

	CHECK_EQ(set(f, VFIO_MIG_STOP_COPY), 0);
	f->io_error = -ENOMSG;		/* has no meaning here */
	CHECK_EQ(vfio_migration_read(f->vd.migration, &b, 1), -EIO);
	f->io_error = -EAGAIN;
	CHECK_EQ(vfio_migration_read(f->vd.migration, &b, 1), -EIO);
	f->io_error = 5;		/* more than was asked for */
	CHECK_EQ(vfio_migration_read(f->vd.migration, &b, 1), -EIO);
	f->io_error = -ENXIO;
	CHECK_EQ(vfio_migration_read(f->vd.migration, &b, 1), -ENXIO);
	CHECK_EQ(set(f, VFIO_MIG_RESUMING), 0);
	CHECK_EQ(vfio_migration_write(f->vd.migration, &b, 1), -ENXIO);
	f->io_error = 5;
	CHECK_EQ(vfio_migration_write(f->vd.migration, &b, 1), -EIO);
	f->io_error = 0;
	f->zero_write = true;
	CHECK_EQ(vfio_migration_write(f->vd.migration, &b, 1), -EIO);
	fake_free_all();
}

/* --- a whole device --- */

TEST(a_device_is_saved_and_loaded_whatever_the_size_of_reads_and_writes)
{
	static const size_t sizes[] = { 0, 1, 7, 4096 };
	struct fake_device *f = device(ALL, false), *g = device(ALL, false);
	unsigned int i, before = open_files();

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct state_writer w = { .open = false };

		f->max_io = sizes[i];
		g->max_io = sizes[ARRAY_SIZE(sizes) - 1 - i];
		f->image[17] = (u8)(0x90 + i);
		CHECK_EQ(vfio_migration_save(f->vd.migration, &w, &err), 0);
		CHECK_EQ(f->state, VFIO_MIG_STOP);
		CHECK_EQ(load(g, &w), 0);
		CHECK_EQ(g->state, VFIO_MIG_STOP);
		CHECK(!memcmp(g->image, f->image, FAKE_IMAGE));
		CHECK_EQ(open_files(), before);
		CHECK_EQ(vfio_migration_run_all(&fake_vm, &err), 0);
		CHECK_EQ(g->state, VFIO_MIG_RUNNING);
		CHECK_EQ(f->state, VFIO_MIG_RUNNING);
		state_writer_free(&w);
	}
	CHECK_EQ(f->resets + g->resets, 0);
	fake_free_all();
}

TEST(saving_in_the_middle_of_another_stream_begins_again)
{
	struct fake_device *f = device(ALL, false), *g = device(ALL, false);
	struct state_writer w = { .open = false };
	u8 b[3];

	CHECK_EQ(set(f, VFIO_MIG_PRE_COPY), 0);
	CHECK_EQ(vfio_migration_read(f->vd.migration, b, 3), 3);
	CHECK_EQ(vfio_migration_save(f->vd.migration, &w, &err), 0);
	CHECK_EQ(load(g, &w), 0);
	CHECK(!memcmp(g->image, f->image, FAKE_IMAGE));
	state_writer_free(&w);
	fake_free_all();
}

TEST(a_save_that_fails_leaves_no_trace_and_a_device_at_rest)
{
	struct fake_device *f = device(ALL, false);
	struct state_writer w = { .open = false };
	unsigned int before = open_files();
	size_t len;

	state_begin(&w, "other", 1);
	state_end(&w);
	len = w.buf.len;
	f->io_error = -EIO;
	CHECK_EQ(vfio_migration_save(f->vd.migration, &w, &err), -EIO);
	CHECK_STR(err.msg, "--vfio '0000:00:01.0': the device does not give its state: Input/output error");
	CHECK_EQ(w.buf.len, len);
	CHECK_EQ(f->state, VFIO_MIG_STOP);
	CHECK_EQ(f->resets, 0);
	f->breaks = BIT(VFIO_MIG_STOP_COPY);
	CHECK_EQ(vfio_migration_save(f->vd.migration, &w, &err), -EINVAL);
	CHECK_EQ(f->resets, 1);
	CHECK_EQ(f->state, VFIO_MIG_RUNNING);
	CHECK_EQ(w.buf.len, len);
	CHECK_EQ(open_files(), before);
	state_writer_free(&w);
	fake_free_all();
}

TEST(a_state_is_bounded)
{
	struct fake_device *f = device(ALL, false);
	struct state_writer w = { .open = false };
	struct state_reader r;
	unsigned int sections = 0;
	u32 version;

	/* 3 MiB and a bit: four sections and the head */
	CHECK_EQ(set(f, VFIO_MIG_STOP_COPY), 0);
	CHECK_EQ(ftruncate(f->stream, (off_t)(3 * MIB + 5)), 0);
	CHECK_EQ(vfio_migration_save(f->vd.migration, &w, &err), 0);
	state_reader_init(&r, w.buf.s, w.buf.len);
	CHECK_EQ(state_open(&r, "vfio-migration", 1, &version), 0);
	for (r.off = r.end; r.off < r.len; r.off = r.end, sections++) {
		CHECK_EQ(state_open(&r, "vfio-migration-data", 1, &version), 0);
		CHECK(r.end - r.off <= MIB + 64);
	}
	CHECK_EQ(sections, 4);
	CHECK_EQ(load(f, &w), -EINVAL);		/* our frames are not that long: the device refuses */
	CHECK_EQ(f->resets, 1);
	CHECK_EQ(f->vd.migration->most, GIB);
	f->vd.migration->most = 3 * MIB + 4;
	CHECK_EQ(load(f, &w), -EBADMSG);	/* one too many for it */
	w.buf.len = 0;
	CHECK_EQ(set(f, VFIO_MIG_STOP_COPY), 0);
	CHECK_EQ(ftruncate(f->stream, (off_t)(3 * MIB + 5)), 0);
	CHECK_EQ(vfio_migration_save(f->vd.migration, &w, &err), -EFBIG);
	CHECK_STR(err.msg, "--vfio '0000:00:01.0': the device's state is larger than 3 MiB");
	CHECK_EQ(w.buf.len, 0);
	CHECK_EQ(f->state, VFIO_MIG_STOP);
	state_writer_free(&w);
	fake_free_all();
}

/* Every byte of what is around the device's own, and some of those. */
static size_t after(size_t i, size_t len)
{
	return i + (i < 300 || i + 64 > len ? 1 : 13);
}

TEST(a_stream_that_is_cut_anywhere_never_reaches_the_device)
{
	struct fake_device *f = device(ALL, false);
	struct state_writer w = { .open = false };
	size_t len, whole;

	CHECK_EQ(vfio_migration_save(f->vd.migration, &w, &err), 0);
	CHECK_EQ(vfio_migration_run_all(&fake_vm, &err), 0);
	whole = w.buf.len;
	fake_steps = 0;
	for (len = 0; len < whole; len = after(len, whole)) {
		w.buf.len = len;
		CHECK_EQ(load(f, &w), -EBADMSG);
	}
	CHECK_EQ(fake_steps, 0);
	CHECK_EQ(f->resets, 0);
	CHECK_EQ(f->state, VFIO_MIG_RUNNING);
	state_writer_free(&w);
	fake_free_all();
}

TEST(a_flipped_byte_is_refused_and_the_device_recovers)
{
	struct fake_device *f = device(ALL, false);
	struct state_writer w = { .open = false };
	size_t i;
	int r;

	CHECK_EQ(vfio_migration_save(f->vd.migration, &w, &err), 0);
	for (i = 0; i < w.buf.len; i = after(i, w.buf.len)) {
		fake_steps = 0;
		f->resets = 0;
		w.buf.s[i] ^= 0x10;
		r = load(f, &w);
		w.buf.s[i] ^= 0x10;
		CHECK(r < 0);
		CHECK_EQ(f->resets, fake_steps ? 1 : 0);	/* seen by the device: reset */
		CHECK(!memcmp(f->image, f->initial, FAKE_IMAGE));
	}
	CHECK_EQ(load(f, &w), 0);
	state_writer_free(&w);
	fake_free_all();
}

TEST(a_device_that_refuses_and_cannot_be_reset_is_told_so)
{
	struct fake_device *f = device(ALL, false);
	struct state_writer w = { .open = false };

	CHECK_EQ(vfio_migration_save(f->vd.migration, &w, &err), 0);
	f->io_error = -ENOSPC;
	f->no_reset = true;
	CHECK_EQ(load(f, &w), -ENOSPC);
	CHECK(strstr(err.msg, "refuses its state: No space left on device; then --vfio"));
	CHECK(strstr(err.msg, "reset: "));
	state_writer_free(&w);
	fake_free_all();
}

TEST(a_config_space_that_does_not_answer_is_told)
{
	struct fake_device *f = device(ALL, false);
	struct state_writer w = { .open = false };

	f->fail_at = 2;
	CHECK_EQ(vfio_migration_save(f->vd.migration, &w, &err), -ENXIO);
	CHECK_STR(err.msg, "--vfio '0000:00:01.0': config space: No such device or address");
	CHECK_EQ(f->state, VFIO_MIG_STOP);
	CHECK_EQ(vfio_migration_save(f->vd.migration, &w, &err), 0);
	f->fail_at = 1;
	CHECK_EQ(load(f, &w), -ENXIO);
	CHECK_EQ(f->resets, 0);
	state_writer_free(&w);
	fake_free_all();
}

TEST(only_the_same_kind_of_device_takes_a_state)
{
	struct fake_device *f = device(ALL, false), *g = device(ALL, false), *h = device(0, true);
	struct state_writer w = { .open = false };

	CHECK_EQ(vfio_migration_save(f->vd.migration, &w, &err), 0);
	fake_steps = 0;
	g->id[0] = 0x10001af4;
	CHECK_EQ(load(g, &w), -EINVAL);
	CHECK_STR(err.msg, "--vfio '0000:00:01.0': the state is of a device 1234:4c4b (class and revision 02000001, subsystem 00011234), "
		  "this is 1af4:1000 (02000001, 00011234)");
	g->id[0] = f->id[0];
	g->regions[2].size *= 2;
	CHECK_EQ(load(g, &w), -EINVAL);
	CHECK_STR(err.msg, "--vfio '0000:00:01.0': region 2 has 0x10000 bytes in the saved state, 0x20000 here");
	CHECK_EQ(load(h, &w), -EINVAL);
	CHECK_STR(err.msg, "--vfio '0000:00:01.0': the state was saved by migration protocol v2, the device has v1");
	CHECK_EQ(fake_steps, 0);
	state_writer_free(&w);
	fake_free_all();
}

/* Streams whose sections are whole, and say what cannot be. */
static int load_made(struct fake_device *f, u32 number, u8 last, u32 len, bool with_total, u64 total)
{
	struct state_writer w = { .open = false };
	static u8 zeroes[2 << 20];
	struct state_reader r;
	u32 version;
	size_t head;
	int ret;

	vfio_migration_save(f->vd.migration, &w, NULL);
	state_reader_init(&r, w.buf.s, w.buf.len);
	state_open(&r, "vfio-migration", 1, &version);
	head = r.end;
	w.buf.len = head;
	state_begin(&w, "vfio-migration-data", 1);
	state_put_u32(&w, number);
	state_put_u8(&w, last);
	state_put_bytes(&w, zeroes, len);
	if (with_total)
		state_put_u64(&w, total);
	state_end(&w);
	fake_steps = 0;
	ret = load(f, &w);
	state_writer_free(&w);
	return ret;
}

TEST(every_rule_of_the_sections_is_held)
{
	struct fake_device *f = device(ALL, false);

	CHECK_EQ(load_made(f, 0, 1, 10, true, 10), -EINVAL);	/* ours are right: the device saw it, and did not like it */
	CHECK(fake_steps);
	CHECK_EQ(load_made(f, 1, 1, 10, true, 10), -EBADMSG);	/* begins with the second */
	CHECK_EQ(load_made(f, 0, 2, 10, true, 10), -EBADMSG);	/* last: 0 or 1 */
	CHECK_EQ(load_made(f, 0, 0, 10, false, 0), -EBADMSG);	/* a short one is the last */
	CHECK_EQ(load_made(f, 0, 0, 1 << 20, false, 0), -EBADMSG);	/* one follows, and does not */
	CHECK_EQ(load_made(f, 0, 1, (1 << 20) + 1, true, (1 << 20) + 1), -EBADMSG);
	CHECK_EQ(load_made(f, 0, 1, 10, true, 11), -EBADMSG);
	CHECK_EQ(load_made(f, 0, 1, 10, false, 0), -EBADMSG);
	CHECK(!fake_steps);
	fake_free_all();
}

/* --- all devices --- */

static int place_of(char name, u32 state)
{
	unsigned int i;

	for (i = 0; i < fake_steps; i++)
		if (fake_step[i].name == name && fake_step[i].state == state)
			return (int)i;
	return -1;
}

TEST(all_are_quiet_before_one_stops_and_after_one_goes)
{
	struct fake_device *f = device(ALL, false), *g = device(ALL, false), *h = device(VFIO_MIGRATION_STOP_COPY, false);

	CHECK_EQ(set(g, VFIO_MIG_PRE_COPY), 0);
	fake_steps = 0;
	CHECK_EQ(vfio_migration_quiesce_all(&fake_vm, VFIO_MIG_STOP_COPY, &err), 0);
	CHECK(place_of('A', VFIO_MIG_RUNNING_P2P) >= 0 && place_of('B', VFIO_MIG_PRE_COPY_P2P) >= 0);
	CHECK(place_of('A', VFIO_MIG_STOP) > place_of('B', VFIO_MIG_PRE_COPY_P2P));
	CHECK(place_of('B', VFIO_MIG_STOP_COPY) > place_of('A', VFIO_MIG_RUNNING_P2P));
	CHECK(place_of('C', VFIO_MIG_STOP) > place_of('B', VFIO_MIG_PRE_COPY_P2P));
	CHECK_EQ(place_of('B', VFIO_MIG_STOP), -1);	/* its stream goes on */
	CHECK_EQ(f->state, VFIO_MIG_STOP_COPY);
	CHECK_EQ(g->state, VFIO_MIG_STOP_COPY);
	CHECK_EQ(h->state, VFIO_MIG_STOP_COPY);
	fake_steps = 0;
	CHECK_EQ(vfio_migration_run_all(&fake_vm, &err), 0);
	CHECK(place_of('A', VFIO_MIG_RUNNING) > place_of('B', VFIO_MIG_RUNNING_P2P) && place_of('B', VFIO_MIG_RUNNING_P2P) >= 0);
	CHECK(place_of('B', VFIO_MIG_RUNNING) > place_of('A', VFIO_MIG_RUNNING_P2P) && place_of('A', VFIO_MIG_RUNNING_P2P) >= 0);
	CHECK(place_of('C', VFIO_MIG_RUNNING) > place_of('B', VFIO_MIG_RUNNING_P2P));
	fake_steps = 0;
	CHECK_EQ(vfio_migration_run_all(&fake_vm, &err), 0);
	CHECK_EQ(fake_steps, 0);		/* nothing to do */
	fake_free_all();
}

TEST(one_that_does_not_stop_lets_all_run_again)
{
	struct fake_device *f = device(ALL, false), *g = device(ALL, false);

	g->refuses = BIT(VFIO_MIG_STOP);
	CHECK_EQ(vfio_migration_quiesce_all(&fake_vm, VFIO_MIG_STOP, &err), -EBUSY);
	CHECK_EQ(f->state, VFIO_MIG_RUNNING);
	CHECK_EQ(g->state, VFIO_MIG_RUNNING);
	CHECK_EQ(f->resets + g->resets, 0);
	g->refuses = 0;
	g->breaks = BIT(VFIO_MIG_STOP);
	CHECK_EQ(vfio_migration_quiesce_all(&fake_vm, VFIO_MIG_STOP, &err), -EINVAL);
	CHECK_EQ(f->state, VFIO_MIG_RUNNING);
	CHECK_EQ(g->state, VFIO_MIG_RUNNING);
	CHECK_EQ(f->resets, 0);
	CHECK_EQ(g->resets, 1);		/* from ERROR there is no other way */
	fake_free_all();
}

TEST(one_that_does_not_run_is_reset_and_the_others_run)
{
	struct fake_device *f = device(ALL, false), *g = device(ALL, false);

	CHECK_EQ(vfio_migration_quiesce_all(&fake_vm, VFIO_MIG_STOP, &err), 0);
	f->refuses = BIT(VFIO_MIG_RUNNING);
	CHECK_EQ(vfio_migration_run_all(&fake_vm, &err), -EBUSY);
	CHECK(strstr(err.msg, "does not go from running-p2p to running"));
	CHECK_EQ(f->resets, 1);
	CHECK_EQ(g->resets, 0);
	CHECK_EQ(f->state, VFIO_MIG_RUNNING);
	CHECK_EQ(g->state, VFIO_MIG_RUNNING);
	fake_free_all();
}

TEST(a_device_without_migration_keeps_all_from_being_saved)
{
	struct fake_device *f = device(ALL, false), *g = device(0, false);
	struct vm none = { .vfio = NULL };

	CHECK(!g->vd.migration);
	CHECK_EQ(vfio_migration_quiesce_all(&fake_vm, VFIO_MIG_STOP_COPY, &err), -EOPNOTSUPP);
	CHECK_STR(err.msg, "--vfio '0000:00:01.0': the device cannot be saved");
	CHECK_EQ(f->state, VFIO_MIG_RUNNING);
	CHECK_EQ(vfio_migration_quiesce_all(&fake_vm, VFIO_MIG_STOP, &err), 0);
	CHECK_EQ(f->state, VFIO_MIG_STOP);
	CHECK_EQ(vfio_migration_run_all(&fake_vm, &err), 0);
	CHECK_EQ(vfio_migration_quiesce_all(&none, VFIO_MIG_STOP, &err), 0);
	CHECK_EQ(vfio_migration_run_all(&none, &err), 0);
	fake_free_all();
}

/* --- lkvm stat --- */

static const char *stats(struct fake_device *f)
{
	static char text[512];
	struct strbuf b = { NULL };

	json_begin(&b, NULL);
	vfio_migration_stats(&f->vd, &b);
	json_end(&b);
	snprintf(text, sizeof(text), "%.*s", (int)b.len, b.s);
	strbuf_free(&b);
	return text;
}

TEST(stats_tell_protocol_abilities_state_and_bytes_to_go)
{
	struct fake_device *f = fake_new(ALL, false);

	f->log = true;
	CHECK_EQ(vfio_migration_create(&f->vd, &f->vd.migration, &err), 0);
	CHECK_EQ(f->vd.migration->abilities, VFIO_MIG_CAN_PRE_COPY | VFIO_MIG_CAN_P2P | VFIO_MIG_CAN_LOG);
	CHECK(strstr(stats(f), "\"protocol\":\"v2\""));
	CHECK(strstr(stats(f), "\"abilities\":[\"pre-copy\",\"p2p\",\"log\"]"));
	CHECK(strstr(stats(f), "\"state\":\"running\""));
	CHECK(strstr(stats(f), "\"pending\":{\"initial\":0,\"dirty\":0,\"stop_copy\":0}"));
	CHECK_EQ(set(f, VFIO_MIG_PRE_COPY), 0);
	CHECK(strstr(stats(f), "\"state\":\"pre-copy\""));
	CHECK(strstr(stats(f), "\"pending\":{\"initial\":4108,\"dirty\":7,\"stop_copy\":4108}"));
	f->no_file_info = true;		/* what it cannot tell is left out */
	CHECK(strstr(stats(f), "\"state\":\"pre-copy\"}"));
	f->state = VFIO_MIG_ERROR;	/* by itself */
	CHECK(strstr(stats(f), "\"state\":\"error\""));
	f = device(0, false);
	CHECK_STR(stats(f), "{\"protocol\":\"none\"}");
	fake_free_all();
}

int main(void)
{
	RUN(v2_is_taken_first_then_v1_then_none);
	RUN(a_wish_is_met_or_refused_by_name);
	RUN(an_offer_without_stop_copy_or_with_an_error_is_none);
	RUN(files_come_with_their_arcs_and_go_when_the_group_is_left);
	RUN(stop_copy_does_not_go_back_to_pre_copy);
	RUN(states_that_a_device_lacks_are_the_nearest_or_refused);
	RUN(a_failed_step_tells_where_the_device_is);
	RUN(only_a_reset_ends_the_error_state);
	RUN(a_device_that_says_done_and_is_not_there_failed);
	RUN(a_file_too_few_fails_and_one_too_many_is_closed);
	RUN(pre_copy_ends_for_now_and_goes_on_in_stop_copy);
	RUN(errors_of_the_stream_are_told);
	RUN(a_device_is_saved_and_loaded_whatever_the_size_of_reads_and_writes);
	RUN(saving_in_the_middle_of_another_stream_begins_again);
	RUN(a_save_that_fails_leaves_no_trace_and_a_device_at_rest);
	RUN(a_state_is_bounded);
	RUN(a_stream_that_is_cut_anywhere_never_reaches_the_device);
	RUN(a_flipped_byte_is_refused_and_the_device_recovers);
	RUN(a_device_that_refuses_and_cannot_be_reset_is_told_so);
	RUN(a_config_space_that_does_not_answer_is_told);
	RUN(only_the_same_kind_of_device_takes_a_state);
	RUN(every_rule_of_the_sections_is_held);
	RUN(all_are_quiet_before_one_stops_and_after_one_goes);
	RUN(one_that_does_not_stop_lets_all_run_again);
	RUN(one_that_does_not_run_is_reset_and_the_others_run);
	RUN(a_device_without_migration_keeps_all_from_being_saved);
	RUN(stats_tell_protocol_abilities_state_and_bytes_to_go);
	return tap_done();
}
