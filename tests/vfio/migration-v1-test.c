/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Migration of a VFIO device by protocol v1: a region with registers and data, of a device that keeps the rules of
 * [include/uapi/linux/vfio.h, Linux 5.8, struct vfio_device_migration_info], or breaks one of them.
 * links: vfio/migration.c vfio/migration-save.c vfio/migration-v1.c vfio/migration-v2.c
 * links: state.c util/str.c util/json.c util/error.c util/log.c util/cleanup.c
 */
#include "tests/tap.h"
#include "tests/vfio/migration-fake.h"
#include "vfio/migration-protocol.h"

enum { FRAME = FAKE_IMAGE + FRAME_EXTRA };

static u8 stream[4 * FRAME];

static struct fake_device *device(void)
{
	struct fake_device *f = fake_new(0, true);

	if (vfio_migration_create(&f->vd, &f->vd.migration, &err) < 0)
		f->vd.migration = NULL;
	return f;
}

TEST(a_region_too_small_or_not_writable_is_refused)
{
	struct fake_device *f = fake_new(0, true);

	f->cfg.migration = VFIO_MIGRATION_V1;
	f->regions[9].size = sizeof(struct vfio_device_migration_info);
	CHECK_EQ(vfio_migration_create(&f->vd, &f->vd.migration, &err), -EPROTO);
	f->regions[9].size = FAKE_REGION;
	f->regions[9].flags = VFIO_REGION_INFO_FLAG_READ;
	CHECK_EQ(vfio_migration_create(&f->vd, &f->vd.migration, &err), -EPROTO);
	f->cfg.migration = VFIO_MIGRATION_AUTO;
	CHECK_EQ(vfio_migration_create(&f->vd, &f->vd.migration, &err), 0);
	CHECK(!f->vd.migration);
	fake_free_all();
}

TEST(states_are_bits_and_the_other_bits_stay)
{
	static const struct { enum vfio_mig_state asked, is; u32 bits; } walk[] = {
		{ VFIO_MIG_RUNNING_P2P, VFIO_MIG_RUNNING, 1 }, { VFIO_MIG_PRE_COPY, VFIO_MIG_PRE_COPY, 3 },
		{ VFIO_MIG_PRE_COPY_P2P, VFIO_MIG_PRE_COPY, 3 }, { VFIO_MIG_STOP_COPY, VFIO_MIG_STOP_COPY, 2 },
		{ VFIO_MIG_STOP, VFIO_MIG_STOP, 0 }, { VFIO_MIG_RUNNING, VFIO_MIG_RUNNING, 1 }, { VFIO_MIG_RESUMING, VFIO_MIG_RESUMING, 4 },
	};
	struct fake_device *f = device();
	unsigned int i;

	CHECK_EQ(f->vd.migration->abilities, VFIO_MIG_CAN_PRE_COPY);
	for (i = 0; i < ARRAY_SIZE(walk); i++) {
		CHECK_EQ(set(f, walk[i].asked), 0);
		CHECK_EQ(vfio_migration_state(f->vd.migration), walk[i].is);
		CHECK_EQ(f->v1_state, walk[i].bits);
	}
	CHECK_EQ(f->odd_accesses, 0);
	for (i = 5; i < 8; i++) {
		f->v1_state = i;
		CHECK_EQ(vfio_migration_state(f->vd.migration), VFIO_MIG_ERROR);
	}
	fake_free_all();
}

TEST(chunks_are_taken_whole_however_little_is_read)
{
	static const size_t steps[] = { 1, 999, 1000, 1001, sizeof(stream) };
	struct fake_device *f = device();
	struct vfio_mig_pending p;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		memset(stream, 0, sizeof(stream));
		CHECK_EQ(set(f, VFIO_MIG_STOP_COPY), 0);
		CHECK_EQ(vfio_migration_read(f->vd.migration, stream, 1), 1);
		CHECK_EQ(vfio_migration_pending(f->vd.migration, &p), 0);	/* ends the chunk, of which we have the rest */
		CHECK_EQ(p.stop_copy, FRAME - 1);
		CHECK_EQ(p.initial + p.dirty, 0);
		CHECK_EQ(read_all(f, stream + 1, sizeof(stream) - 1, steps[i]), FRAME - 1);
		CHECK_EQ(vfio_migration_read(f->vd.migration, stream + FRAME, 1), 0);
		CHECK_EQ(get_le32(stream), FRAME_LAST);
		CHECK(!memcmp(stream + 8, f->image, FAKE_IMAGE));
		CHECK_EQ(get_le32(stream + FRAME - 4), fake_sum(f->image, FAKE_IMAGE));
		CHECK_EQ(set(f, VFIO_MIG_RUNNING), 0);
	}
	CHECK_EQ(f->odd_accesses, 0);
	fake_free_all();
}

TEST(the_rest_of_a_chunk_outlives_the_stop)
{
	struct fake_device *f = device();
	struct vfio_mig_pending p;
	ssize_t n;

	CHECK_EQ(set(f, VFIO_MIG_PRE_COPY), 0);
	CHECK_EQ(vfio_migration_pending(f->vd.migration, &p), 0);
	CHECK_EQ(p.dirty, FRAME);
	CHECK_EQ(vfio_migration_read(f->vd.migration, stream, 10), 10);
	CHECK_EQ(vfio_migration_pending(f->vd.migration, &p), 0);
	CHECK_EQ(p.dirty, FRAME - 10);
	/* into the last chunk but its end, then stop: what was not asked for of the first frame is gone, the chunk is not */
	n = 10 + read_all(f, stream + 10, 4001 - 10, 4001);
	CHECK(n >= 4000 && n <= 4001);
	n += read_all(f, stream + n, 50, 50);
	CHECK_EQ(set(f, VFIO_MIG_STOP_COPY), 0);
	n += read_all(f, stream + n, sizeof(stream) - (size_t)n, 7);
	CHECK_EQ(n, 2 * FRAME);
	CHECK_EQ(get_le32(stream + FRAME), FRAME_LAST);
	CHECK(!memcmp(stream + 8, f->image, FAKE_IMAGE) && !memcmp(stream + FRAME + 8, f->image, FAKE_IMAGE));
	CHECK_EQ(set(f, VFIO_MIG_STOP), 0);
	/* and a chunk that nobody wants any more is dropped with its state */
	CHECK_EQ(set(f, VFIO_MIG_STOP_COPY), 0);
	CHECK_EQ(vfio_migration_read(f->vd.migration, stream, 1), 1);
	CHECK_EQ(set(f, VFIO_MIG_RUNNING), 0);
	CHECK_EQ(set(f, VFIO_MIG_STOP_COPY), 0);
	CHECK_EQ(read_all(f, stream, sizeof(stream), 100), FRAME);
	CHECK_EQ(get_le32(stream), FRAME_LAST);
	fake_free_all();
}

TEST(pre_copy_has_no_end)
{
	struct fake_device *f = device();

	CHECK_EQ(set(f, VFIO_MIG_PRE_COPY), 0);
	CHECK_EQ(read_all(f, stream, sizeof(stream), 512), FRAME);
	CHECK_EQ(vfio_migration_read(f->vd.migration, stream, 1), -EAGAIN);
	f->endless = true;	/* bytes pending, none ready */
	CHECK_EQ(vfio_migration_read(f->vd.migration, stream, 1), -EAGAIN);
	CHECK_EQ(set(f, VFIO_MIG_STOP_COPY), 0);
	CHECK_EQ(vfio_migration_read(f->vd.migration, stream, 1), -EPROTO);
	fake_free_all();
}

TEST(offsets_and_lengths_are_checked_against_the_region)
{
	static const u64 offsets[] = { 1, 31, FAKE_REGION, FAKE_REGION + 1, ~0ULL, 1ULL << 63 };
	static const u64 sizes[] = { FAKE_REGION - 4096 + 1, ~0ULL, ~0ULL - 4095, 1ULL << 32 };
	struct fake_device *f = device();
	unsigned int i;

	CHECK_EQ(set(f, VFIO_MIG_STOP_COPY), 0);
	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		f->wrong_offset = offsets[i];
		CHECK_EQ(vfio_migration_read(f->vd.migration, stream, 100), -EPROTO);
	}
	f->wrong_offset = 0;
	f->chunk = 1;	/* so that there is always more */
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		f->wrong_size = sizes[i];
		CHECK_EQ(vfio_migration_read(f->vd.migration, stream, 100), -EPROTO);
		CHECK_EQ(vfio_migration_read(f->vd.migration, stream, sizeof(stream)), -EPROTO);
	}
	CHECK_EQ(set(f, VFIO_MIG_RUNNING), 0);
	CHECK_EQ(set(f, VFIO_MIG_RESUMING), 0);
	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		f->wrong_offset = offsets[i];
		CHECK_EQ(vfio_migration_write(f->vd.migration, stream, 100), -EPROTO);
	}
	CHECK_EQ(f->in_len, 0);
	fake_free_all();
}

TEST(errors_of_the_region_are_told)
{
	struct fake_device *f = device();

	CHECK_EQ(set(f, VFIO_MIG_STOP_COPY), 0);
	f->io_error = -EIO;
	CHECK_EQ(vfio_migration_read(f->vd.migration, stream, 100), -EIO);
	CHECK_EQ(set(f, VFIO_MIG_STOP), -EIO);	/* it does not answer: as good as in error */
	CHECK_EQ(vfio_migration_state(f->vd.migration), VFIO_MIG_ERROR);
	f->io_error = 0;
	CHECK_EQ(set(f, VFIO_MIG_RUNNING), 0);
	CHECK_EQ(set(f, VFIO_MIG_RESUMING), 0);
	f->io_error = -EIO;
	CHECK_EQ(vfio_migration_write(f->vd.migration, stream, 100), -EIO);
	fake_free_all();
}

/* Whichever access of its region fails: that is told or done once more, nothing stays behind, and the device works again. */
TEST(any_access_may_fail)
{
	struct fake_device *f = device(), *g = device();
	struct state_writer w = { .open = false };
	unsigned int n, failed = 0;
	int r;

	f->chunk = 3000;
	for (n = 1; n == 1 || !f->fail_at; n++) {	/* till there are not so many */
		state_writer_free(&w);
		w = (struct state_writer){ .open = false };
		CHECK_EQ(vfio_migration_reset(f->vd.migration, &err), 0);
		f->fail_at = n;
		r = vfio_migration_save(f->vd.migration, &w, &err);
		failed += r < 0;
		CHECK(r == 0 || !w.buf.len);
	}
	CHECK(failed > 10);
	f->fail_at = failed = 0;
	for (n = 1; n == 1 || !g->fail_at; n++) {
		g->fail_at = 0;
		CHECK_EQ(vfio_migration_reset(g->vd.migration, &err), 0);
		g->fail_at = n;
		r = load(g, &w);
		failed += r < 0;
		CHECK_EQ(g->v1_state, r < 0 ? 1 : 4);
	}
	CHECK(failed > 5);
	g->fail_at = 0;
	CHECK_EQ(set(g, VFIO_MIG_RUNNING), 0);
	CHECK(!memcmp(f->image, g->image, FAKE_IMAGE));
	/* and while little is read at a time */
	CHECK_EQ(set(f, VFIO_MIG_STOP_COPY), 0);
	f->fail_at = 4;		/* pending_bytes, data_offset, data_size, the data */
	CHECK_EQ(vfio_migration_read(f->vd.migration, stream, 1), -ENXIO);
	f->fail_at = 1;
	CHECK(vfio_migration_pending(f->vd.migration, &(struct vfio_mig_pending){ 0 }) < 0);
	state_writer_free(&w);
	fake_free_all();
}

static bool saved_and_loaded(struct fake_device *f, struct fake_device *g)
{
	struct state_writer w = { .open = false };
	bool ok = !vfio_migration_save(f->vd.migration, &w, &err) && f->v1_state == 0 && !load(g, &w) && g->v1_state == 4 &&
		  !vfio_migration_run_all(&fake_vm, &err) && f->v1_state == 1 && g->v1_state == 1 &&
		  !memcmp(f->image, g->image, FAKE_IMAGE) && !f->odd_accesses && !g->odd_accesses && !f->resets && !g->resets;

	state_writer_free(&w);
	return ok;
}

TEST(a_device_is_saved_and_loaded_whatever_its_chunks)
{
	struct fake_device *f = device(), *g = device();

	CHECK(saved_and_loaded(f, g));
	f->chunk = 1;
	f->image[9] = 0x99;
	g->data_at = FAKE_REGION - 1;		/* takes one byte at a time */
	CHECK(saved_and_loaded(f, g));
	f->chunk = FRAME;
	g->data_at = sizeof(struct vfio_device_migration_info);
	f->image[10] = 0x99;
	CHECK(saved_and_loaded(f, g));
	fake_free_all();
}

TEST(data_goes_through_the_mapping_where_there_is_one)
{
	struct fake_device *f = fake_new(0, true), *g = fake_new(0, true);

	/* data from 4096 to 9 * 4096: the first part mapped, a hole, another mapped part that does not reach the end */
	f->regions[9].area[0] = (struct vfio_area){ 4096, 4096 };
	f->regions[9].area[1] = (struct vfio_area){ 3 * 4096, 4096 };
	f->regions[9].nr_areas = 2;
	g->regions[9].area[0] = f->regions[9].area[1];
	g->regions[9].nr_areas = 1;
	CHECK_EQ(vfio_migration_create(&f->vd, &f->vd.migration, &err), 0);
	CHECK_EQ(vfio_migration_create(&g->vd, &g->vd.migration, &err), 0);
	CHECK_EQ(f->through_map, 2);
	f->chunk = 1 << 20;
	CHECK(saved_and_loaded(f, g));		/* one page, and 12 bytes in the hole */
	CHECK_EQ(f->through_pread, 1);
	CHECK_EQ(g->through_pread, 1);
	f->data_at = 2 * 4096 + 5;		/* hole, mapping, hole */
	g->data_at = 3 * 4096 + 4;		/* mapping, and what is behind it */
	f->image[11] = 0x99;
	CHECK(saved_and_loaded(f, g));
	CHECK_EQ(f->through_pread, 2);
	CHECK_EQ(g->through_pread, 2);
	fake_free_all();
	/* one that cannot be mapped though it says so */
	f = fake_new(0, true);
	f->regions[9].area[0] = (struct vfio_area){ 4096, 4096 };
	f->regions[9].nr_areas = 1;
	f->no_map = true;
	CHECK_EQ(vfio_migration_create(&f->vd, &f->vd.migration, &err), 0);
	CHECK(saved_and_loaded(f, f));
	CHECK_EQ(f->through_map, 0);
	fake_free_all();
}

TEST(a_bad_stream_breaks_the_device_and_reset_mends_it)
{
	struct fake_device *f = device(), *g = device();
	struct state_writer w = { .open = false };
	unsigned int i;

	CHECK_EQ(vfio_migration_save(f->vd.migration, &w, &err), 0);
	w.buf.s[w.buf.len - 2000] ^= 1;		/* of the image: only the device can know */
	for (i = 0; i < 4; i++) {
		g->quiet_error = i & 1;		/* does the write of the state say so, or its next value only */
		g->reset_is_enough = i & 2;	/* or is it in error till RUNNING is written */
		g->resets = 0;
		CHECK_EQ(load(g, &w), 0);
		CHECK(vfio_migration_run_all(&fake_vm, &err) < 0);
		CHECK(strstr(err.msg, "does not go from resuming to running, and is in error now"));
		CHECK_EQ(g->resets, 1);
		CHECK_EQ(g->v1_state, 1);
		CHECK(!memcmp(g->image, g->initial, FAKE_IMAGE));
	}
	w.buf.s[w.buf.len - 2000] ^= 1;
	CHECK_EQ(load(g, &w), 0);
	CHECK_EQ(vfio_migration_run_all(&fake_vm, &err), 0);
	CHECK(!memcmp(g->image, f->image, FAKE_IMAGE));
	state_writer_free(&w);
	fake_free_all();
}

TEST(the_error_state_is_left_by_reset_only)
{
	struct fake_device *f = device();

	f->breaks = BIT(2);
	CHECK_EQ(set(f, VFIO_MIG_STOP_COPY), -EIO);
	CHECK_EQ(vfio_migration_state(f->vd.migration), VFIO_MIG_ERROR);
	CHECK_EQ(set(f, VFIO_MIG_RUNNING), -EIO);
	CHECK_EQ(f->v1_state, 6);
	CHECK_EQ(vfio_migration_reset(f->vd.migration, &err), 0);
	CHECK_EQ(vfio_migration_state(f->vd.migration), VFIO_MIG_RUNNING);
	f->breaks = 0;
	CHECK_EQ(set(f, VFIO_MIG_STOP_COPY), 0);
	CHECK_EQ(set(f, VFIO_MIG_PRE_COPY), -EINVAL);
	CHECK_EQ(f->v1_state, 2);
	fake_free_all();
}

TEST(a_flipped_byte_is_refused_and_the_device_recovers)
{
	struct fake_device *f = device();
	struct state_writer w = { .open = false };
	size_t i;
	int r;

	CHECK_EQ(vfio_migration_save(f->vd.migration, &w, &err), 0);
	CHECK_EQ(vfio_migration_run_all(&fake_vm, &err), 0);
	for (i = 0; i < w.buf.len; i += i < 300 || i + 64 > w.buf.len ? 1 : 13) {
		w.buf.s[i] ^= 0x10;
		r = load(f, &w);
		w.buf.s[i] ^= 0x10;
		if (!r)
			r = vfio_migration_run_all(&fake_vm, &err);
		CHECK(r < 0);
		CHECK_EQ(f->v1_state, 1);
		CHECK(!memcmp(f->image, f->initial, FAKE_IMAGE));
	}
	CHECK_EQ(load(f, &w), 0);
	CHECK_EQ(vfio_migration_run_all(&fake_vm, &err), 0);
	state_writer_free(&w);
	fake_free_all();
}

int main(void)
{
	RUN(a_region_too_small_or_not_writable_is_refused);
	RUN(states_are_bits_and_the_other_bits_stay);
	RUN(chunks_are_taken_whole_however_little_is_read);
	RUN(the_rest_of_a_chunk_outlives_the_stop);
	RUN(pre_copy_has_no_end);
	RUN(offsets_and_lengths_are_checked_against_the_region);
	RUN(errors_of_the_region_are_told);
	RUN(any_access_may_fail);
	RUN(a_device_is_saved_and_loaded_whatever_its_chunks);
	RUN(data_goes_through_the_mapping_where_there_is_one);
	RUN(a_bad_stream_breaks_the_device_and_reset_mends_it);
	RUN(the_error_state_is_left_by_reset_only);
	RUN(a_flipped_byte_is_refused_and_the_device_recovers);
	return tap_done();
}
