// SPDX-License-Identifier: GPL-2.0-only
/*
 * lkvm_vdev's migration, version 1: the region's registers, states, whole devices saved and restored with and without mapped data, bad streams.
 * usage: vdev-migration-v1 lkvm_vdev.N lkvm_vdev.M MIG, two of personality "plain". A TAP producer; tests/lab/kernel-migration.t runs it.
 *
 * links: vdev-user.c vdev-state.c
 */
#include "vdev-state.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { STATE = 0, RESERVED = 4, PENDING = 8, DATA_OFFSET = 0x10, DATA_SIZE = 0x18 };
enum { STOP = 0, RUNNING = 1, SAVING = 2, PRE_COPY = 3, RESUMING = 4, ERROR = 6 };

static uint64_t base, size;			/* of the region in the device's file */
static struct vfio_region_sparse_mmap_area area;	/* its part that may be mapped */

/* 0 or -errno */
static int put(unsigned int reg, uint64_t val)
{
	size_t len = reg < PENDING ? 4 : 8;

	return pwrite(dev.fd, &val, len, (off_t)(base + reg)) == (ssize_t)len ? 0 : -errno;
}

static uint64_t get(unsigned int reg)
{
	uint64_t val = 0;
	size_t len = reg < PENDING ? 4 : 8;

	return pread(dev.fd, &val, len, (off_t)(base + reg)) == (ssize_t)len ? val : ~0ULL;
}

/* The data at @off of the region, @piece bytes at a time or by a mapping */
static bool data(uint64_t off, uint8_t *buf, uint64_t len, size_t piece, bool write)
{
	if (area.size) {
		uint8_t *p = mmap(NULL, area.size, PROT_READ | PROT_WRITE, MAP_SHARED, dev.fd, (off_t)(base + area.offset));

		if (p == MAP_FAILED || off < area.offset || off + len > area.offset + area.size)
			return false;
		if (write)
			memcpy(p + (off - area.offset), buf, len);
		else
			memcpy(buf, p + (off - area.offset), len);
		munmap(p, area.size);
		return true;
	}
	for (uint64_t done = 0; done < len; done += piece) {
		uint64_t n = len - done < piece ? len - done : piece;
		ssize_t got = write ? pwrite(dev.fd, buf + done, n, (off_t)(base + off + done)) :
				      pread(dev.fd, buf + done, n, (off_t)(base + off + done));

		if (got != (ssize_t)n)
			return false;
	}
	return true;
}

/* Until nothing is pending, or so many pieces came */
static bool drain(size_t piece, unsigned int pieces)
{
	while (pieces-- && get(PENDING)) {
		uint64_t off = get(DATA_OFFSET), len = get(DATA_SIZE);

		if (!off || !len || len > ROOM - stream_len || !data(off, stream + stream_len, len, piece, false))
			return false;
		stream_len += len;
	}
	return true;
}

static int feed(size_t piece)
{
	int r = put(STATE, RESUMING);

	for (size_t done = 0; !r && done < stream_len;) {
		uint64_t len = stream_len - done < 30000 ? stream_len - done : 30000;

		if (!data(get(DATA_OFFSET), stream + done, len, piece, true))
			return -EIO;
		r = put(DATA_SIZE, len);
		done += len;
	}
	return r;
}

TEST(the_region)
{
	union {
		struct vfio_region_info info;
		uint8_t room[256];
	} u = { .info = { .argsz = sizeof(u), .index = VFIO_PCI_NUM_REGIONS } };
	struct vfio_region_info_cap_type *type = NULL;
	struct vfio_region_info_cap_sparse_mmap *sparse;

	CHECK_EQ(ioctl(dev.fd, VFIO_DEVICE_GET_REGION_INFO, &u), 0);
	CHECK(u.info.flags & VFIO_REGION_INFO_FLAG_CAPS);
	for (unsigned int off = u.info.cap_offset; off; off = ((struct vfio_info_cap_header *)(u.room + off))->next) {
		struct vfio_info_cap_header *h = (void *)(u.room + off);

		CHECK(off < sizeof(u));
		if (h->id == VFIO_REGION_INFO_CAP_TYPE)
			type = (void *)h;
		sparse = (void *)h;
		if (h->id == VFIO_REGION_INFO_CAP_SPARSE_MMAP && sparse->nr_areas == 1)
			area = sparse->areas[0];
	}
	CHECK(type && type->type == 3 && type->subtype == 1);
	CHECK_EQ(!!area.size, !!(u.info.flags & VFIO_REGION_INFO_FLAG_MMAP));
	CHECK(!(area.offset % (uint64_t)sysconf(_SC_PAGESIZE)));
	base = u.info.offset;
	size = u.info.size;
	CHECK(size > 4096);
	CHECK_EQ(get(STATE), RUNNING);
	CHECK_EQ(get(PENDING), 0);
	CHECK(area.size ? get(DATA_OFFSET) == area.offset : get(DATA_OFFSET) % 4096 != 0);
	if (!area.size)
		CHECK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, dev.fd, (off_t)base) == MAP_FAILED);
}

TEST(registers_take_their_own_width)
{
	uint8_t buf[16] = { 0 };
	const struct { uint64_t off; size_t len; } bad[] = {
		{ 0, 1 }, { 0, 2 }, { 0, 8 }, { 1, 4 }, { 2, 2 }, { 4, 8 }, { 8, 4 }, { 12, 4 }, { 12, 8 }, { 0x18, 16 }, { 0x20, 8 }, { 0x28, 8 },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		CHECK_EQ(pread(dev.fd, buf, bad[i].len, (off_t)(base + bad[i].off)), -1);
		CHECK_EQ(pwrite(dev.fd, buf, bad[i].len, (off_t)(base + bad[i].off)), -1);
	}
	CHECK_EQ(put(PENDING, 0), -EINVAL);
	CHECK_EQ(put(DATA_OFFSET, 0), -EINVAL);
	CHECK_EQ(put(DATA_SIZE, 1), -EINVAL);	/* not RESUMING */
	CHECK_EQ(pread(dev.fd, buf, 1, (off_t)(base + size)), -1);
	CHECK_EQ(pwrite(dev.fd, buf, 1, (off_t)(base + size)), -1);
	CHECK_EQ(get(STATE), RUNNING);
}

/* Way by which each state is reached from RUNNING; and where each can go */
TEST(states)
{
	const uint8_t ok[5][8] = {
		[STOP] = { 1, 1, 1, 0, 1 }, [RUNNING] = { 1, 1, 1, 1, 1 }, [SAVING] = { 1, 1, 1, 0, 0 }, [PRE_COPY] = { 1, 1, 1, 1, 0 },
		[RESUMING] = { 0, 0, 0, 0, 1 },	/* nothing was written: to STOP and RUNNING it fails, and is an error */
	};

	for (unsigned int from = 0; from < 5; from++) {
		for (unsigned int to = 0; to < 8; to++) {
			bool broken = from == RESUMING && (to == STOP || to == RUNNING);

			CHECK_EQ(device_reset(), 0);
			CHECK_EQ(put(STATE, from), 0);
			CHECK_EQ(put(STATE, to), ok[from][to] ? 0 : -EINVAL);
			CHECK_EQ(get(STATE), ok[from][to] ? to : broken ? (unsigned int)ERROR : from);
			if (broken)
				CHECK_EQ(put(STATE, RUNNING), -EINVAL);
		}
	}
	CHECK_EQ(put(STATE, 0x100), -EINVAL);
	CHECK_EQ(device_reset(), 0);
	CHECK_EQ(get(STATE), RUNNING);
}

static void restored(unsigned int seed, unsigned int before_stop, size_t piece)
{
	static struct plain_state before, after, stays;
	uint32_t words[2][16];
	unsigned int n;

	with(&target);
	plain_scramble(seed + 100);
	with(&source);
	plain_scramble(seed);
	stream_len = 0;
	if (before_stop) {
		CHECK_EQ(put(STATE, PRE_COPY), 0);
		CHECK(drain(piece, before_stop));
		region_write(2, 9000, "changed meanwhile", 17);
	}
	CHECK_EQ(put(STATE, SAVING), 0);
	plain_look(&before);
	CHECK(drain(piece, ~0u));
	CHECK_EQ(get(PENDING), 0);
	CHECK(stream_len > 65536);
	CHECK_EQ(put(STATE, STOP), 0);
	CHECK_EQ(put(STATE, RUNNING), 0);
	plain_look(&stays);
	CHECK_STR(plain_differ(&before, &stays) ?: "", "");
	with(&target);
	CHECK_EQ(feed(piece), 0);
	CHECK_EQ(put(STATE, RUNNING), 0);
	plain_look(&after);
	CHECK_STR(plain_differ(&before, &after) ?: "", "");
	n = plain_fifo(words[1]);
	with(&source);
	CHECK_EQ(plain_fifo(words[0]), n);
	CHECK(n >= 3 && !memcmp(words[0], words[1], n * 4));
}

TEST(saved_and_restored) { restored(6, 0, ROOM); }
TEST(saved_and_restored_by_bytes) { restored(10, 0, 1); }
TEST(pre_copy_in_part) { restored(14, 1, 4097); }
TEST(pre_copy_to_its_end) { restored(18, ~0u, ROOM); }

/* The stop comes between offset and copy: the piece is still there, and is taken as read with the next look at what is pending. */
TEST(a_piece_survives_the_stop)
{
	static struct plain_state before, after;
	uint64_t off, len;

	with(&target);
	device_reset();
	with(&source);
	plain_scramble(22);
	CHECK_EQ(put(STATE, PRE_COPY), 0);
	CHECK(get(PENDING));
	off = get(DATA_OFFSET);
	CHECK_EQ(get(DATA_OFFSET), off);
	len = get(DATA_SIZE);
	CHECK_EQ(put(STATE, SAVING), 0);
	CHECK(data(off, stream, len, ROOM, false));
	stream_len = len;
	CHECK(drain(ROOM, ~0u));
	plain_look(&before);
	CHECK_EQ(put(STATE, RUNNING), 0);
	with(&target);
	CHECK_EQ(feed(ROOM), 0);
	CHECK_EQ(put(STATE, RUNNING), 0);
	plain_look(&after);
	CHECK_STR(plain_differ(&before, &after) ?: "", "");
}

TEST(bad_streams)
{
	static uint8_t good[ROOM];
	size_t len;

	with(&source);
	plain_scramble(26);
	stream_len = 0;
	CHECK_EQ(put(STATE, SAVING), 0);
	CHECK(drain(ROOM, ~0u));
	CHECK_EQ(put(STATE, RUNNING), 0);
	len = stream_len;
	memcpy(good, stream, len);
	with(&target);
	for (unsigned int i = 0; i < 60; i++) {
		int r;

		CHECK_EQ(device_reset(), 0);
		enable(PCI_COMMAND_MEMORY);
		memcpy(stream, good, len);
		stream_len = len;
		if (i < 10)
			stream_len = i * len / 10 + (i == 9 ? len / 10 - 1 : 0);
		else
			stream[i < 26 ? i - 10 : (i - 26) * (len / 34)] ^= 4;
		r = feed(ROOM);
		if (!r)
			r = put(STATE, RUNNING);
		CHECK_EQ(r, -EINVAL);
		CHECK_EQ(get(STATE), ERROR);
		CHECK_EQ(put(STATE, RUNNING), -EINVAL);
		CHECK_EQ(put(DATA_SIZE, 8), -EINVAL);
		CHECK_EQ(device_reset(), 0);
		CHECK_EQ(get(STATE), RUNNING);
		enable(PCI_COMMAND_MEMORY);
		CHECK_EQ(reg_read(LKVM_VDEV_ID), LKVM_VDEV_MAGIC);
	}
	CHECK_EQ(put(STATE, RESUMING), 0);
	CHECK_EQ(put(DATA_SIZE, 65537), -EINVAL);	/* more than there is room for */
	CHECK_EQ(get(STATE), RESUMING);
	CHECK_EQ(device_reset(), 0);
	memcpy(stream, good, len);
	stream_len = len;
	CHECK_EQ(feed(ROOM), 0);
	CHECK_EQ(put(STATE, RUNNING), 0);
}

/* One protocol at a time */
TEST(beside_version_2)
{
	uint32_t s[2] = { 1, 0 };	/* STOP */

	if (!(offer & MIG_STOP_COPY))
		SKIP("only version 1 is offered");
	with(&source);
	device_reset();
	CHECK_EQ(put(STATE, STOP), 0);
	CHECK_EQ(feature(1 << 17 | 2, s, 8), -EINVAL);
	CHECK_EQ(put(STATE, RUNNING), 0);
	CHECK_EQ(feature(1 << 17 | 2, s, 8), 0);
	CHECK_EQ(put(STATE, STOP), -EINVAL);
	s[0] = 2;
	CHECK_EQ(feature(1 << 17 | 2, s, 8), 0);
	CHECK_EQ(put(STATE, STOP), 0);
	CHECK_EQ(put(STATE, RUNNING), 0);
}

TEST(faults)
{
	with(&source);
	device_reset();
	set_faults(FAULT_TRANSITION);
	CHECK_EQ(put(STATE, SAVING), -EIO);
	CHECK_EQ(get(STATE), RUNNING);
	set_faults(FAULT_ERROR);
	CHECK_EQ(put(STATE, SAVING), -EIO);
	CHECK_EQ(get(STATE), ERROR);
	CHECK_EQ(device_reset(), 0);
	CHECK_EQ(get(STATE), RUNNING);
	set_faults(FAULT_SLOW);
	CHECK_EQ(put(STATE, SAVING), 0);
	CHECK(get(PENDING) > 65536);
	CHECK(get(DATA_OFFSET));
	CHECK_EQ(get(DATA_SIZE), 512);
	set_faults(0);
	CHECK_EQ(put(STATE, RUNNING), 0);
}

int main(int argc, char **argv)
{
	pair_start(argc, argv);
	RUN(the_region);
	RUN(registers_take_their_own_width);
	RUN(states);
	RUN(saved_and_restored);
	RUN(saved_and_restored_by_bytes);
	RUN(pre_copy_in_part);
	RUN(pre_copy_to_its_end);
	RUN(a_piece_survives_the_stop);
	RUN(bad_streams);
	RUN(beside_version_2);
	RUN(faults);
	return tap_done();
}
