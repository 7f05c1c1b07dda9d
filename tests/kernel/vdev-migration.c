// SPDX-License-Identifier: GPL-2.0-only
/*
 * lkvm_vdev's migration, version 2: states and arcs, the data file's rules, whole devices saved and restored, bad streams, faults.
 * usage: vdev-migration lkvm_vdev.N lkvm_vdev.M MIG, two of personality "plain" with mig=MIG. A TAP producer; tests/lab/kernel-migration.t runs it.
 *
 * links: vdev-user.c vdev-state.c
 */
#include "vdev-state.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* As <linux/vfio.h> since 6.2 has them */
enum { ERROR, STOP, RUNNING, STOP_COPY, RESUMING, RUNNING_P2P, PRE_COPY, PRE_COPY_P2P, STATES };
enum { FEATURE_MIGRATION = 1, FEATURE_STATE = 2, FEATURE_SIZE = 9, GET = 1 << 16, SET = 1 << 17, PROBE = 1 << 18 };
struct precopy_info { uint32_t argsz, flags; uint64_t initial, dirty; };
#define PRECOPY_INFO _IO(';', 121)

static bool pre_copy, p2p;
static void *volatile nowhere = (void *)8;

/* The file, -1 for none, or -errno less 1000 */
static int set(unsigned int state)
{
	struct { uint32_t state; int32_t fd; } s = { state, -1 };
	int r = feature(SET | FEATURE_STATE, &s, sizeof(s));

	return r ? r - 1000 : s.fd;
}

static int get(void)
{
	struct { uint32_t state; int32_t fd; } s = { 99, 0 };
	int r = feature(GET | FEATURE_STATE, &s, sizeof(s));

	return r ? r : s.fd == -1 ? (int)s.state : -1;
}

static bool has(unsigned int state)
{
	return state != ERROR && (state != RUNNING_P2P || p2p) && (state != PRE_COPY || pre_copy) && (state != PRE_COPY_P2P || (pre_copy && p2p));
}

static ssize_t get_bytes(int fd, void *buf, size_t len)
{
	ssize_t n = read(fd, buf, len);

	return n < 0 ? -errno : n;
}

/* All there is, @piece bytes at a time, behind what the stream has already. What ended it: 0 or -errno */
static ssize_t drain(int fd, size_t piece)
{
	for (;;) {
		ssize_t n = get_bytes(fd, stream + stream_len, piece < ROOM - stream_len ? piece : ROOM - stream_len);

		if (n <= 0)
			return n;
		stream_len += (size_t)n;
	}
}

/* @len of the stream to `dev` in RESUMING: 0 or -errno */
static int feed(int fd, size_t piece)
{
	for (size_t done = 0; done < stream_len;) {
		size_t want = stream_len - done < piece ? stream_len - done : piece;
		ssize_t n = write(fd, stream + done, want);

		if (n <= 0)
			return n ? -errno : -EPIPE;
		done += (size_t)n;
	}
	return 0;
}

static void save(size_t piece)
{
	int fd = set(STOP_COPY);

	stream_len = 0;
	if (fd >= 0)
		drain(fd, piece);
	close(fd);
}

/* 0, -errno of a write, or -errno of the end less 1000 */
static int load(size_t piece)
{
	int fd = set(RESUMING), r, end;

	if (fd < 0)
		return fd;
	r = feed(fd, piece);
	close(fd);
	end = set(STOP);
	return r ? r : end < -1 ? end : 0;
}

TEST(what_is_offered)
{
	uint64_t flags = 0, size = 0;

	with(&source);
	CHECK_EQ(feature(GET | FEATURE_MIGRATION, &flags, 8), 0);
	CHECK_EQ(flags, 1 | (p2p ? 2 : 0) | (pre_copy ? 4 : 0));
	CHECK_EQ(get(), RUNNING);
	CHECK_EQ(feature(PROBE | GET | SET | FEATURE_STATE, &flags, 8), 0);
	CHECK_EQ(set(ERROR), -EINVAL - 1000);
	CHECK_EQ(set(STATES), -EINVAL - 1000);
	CHECK_EQ(set(~0u), -EINVAL - 1000);
	CHECK_EQ(get(), RUNNING);
	if (feature(GET | FEATURE_SIZE, &size, 8) != -ENOTTY)	/* since 6.2 */
		CHECK(size > 65536 + 4096 && size < ROOM);
}

static void arc(unsigned int from, unsigned int to)
{
	bool keeps = (from == PRE_COPY || from == PRE_COPY_P2P) && (to == STOP_COPY || to == PRE_COPY || to == PRE_COPY_P2P);
	bool opens = from != to && !keeps && (to == STOP_COPY || to == RESUMING || to == PRE_COPY || to == PRE_COPY_P2P);
	int fd, got, state;

	CHECK_EQ(device_reset(), 0);
	CHECK_EQ(get(), RUNNING);
	fd = set(from);
	got = set(to);
	state = get();
	if (fd >= 0)
		close(fd);
	if (got >= 0)
		close(got);
	if (!has(to) || (from == STOP_COPY && (to == PRE_COPY || to == PRE_COPY_P2P))) {
		CHECK_EQ(got, -EINVAL - 1000);
		CHECK_EQ(state, from);
	} else if (from == RESUMING && to != RESUMING) {	/* nothing was written */
		CHECK_EQ(got, -EINVAL - 1000);
		CHECK_EQ(state, ERROR);
		CHECK_EQ(set(RUNNING), -EINVAL - 1000);
	} else {
		CHECK_EQ(got >= 0, opens);
		CHECK(got >= -1);
		CHECK_EQ(state, to);
	}
}

/* From every state to every other. Here it counts where it ends, and whether a file comes of it. */
TEST(every_arc)
{
	for (unsigned int from = STOP; from < STATES; from++) {
		for (unsigned int to = ERROR; has(from) && to < STATES; to++) {
			arc(from, to);
			if (tap_this_failed) {
				printf("# from %u to %u\n", from, to);
				return;
			}
		}
	}
	CHECK_EQ(device_reset(), 0);
}

/* The last @n transitions of `dev` as "A>B>C"; the first one's number */
static unsigned int way(unsigned int n, char *ret, size_t room)
{
	char path[128], line[128], from[32], to[32];
	unsigned int nr, first = 0, lines = 0, skip;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/bus/platform/devices/%s/transitions", dev.name);
	f = fopen(path, "r");
	*ret = 0;
	while (f && fgets(line, sizeof(line), f))
		lines++;
	if (!f)
		return 0;
	rewind(f);
	skip = lines > n ? lines - n : 0;
	for (unsigned int i = 0; fgets(line, sizeof(line), f); i++) {
		if (i < skip || sscanf(line, "%u %31s %31s", &nr, from, to) != 3)
			continue;
		if (i == skip) {
			first = nr;
			snprintf(ret, room, "%s", from);
		}
		snprintf(ret + strlen(ret), room - strlen(ret), ">%s", to);
	}
	fclose(f);
	return first;
}

TEST(ways)
{
	char got[256];
	int fd;

	if (!p2p || !pre_copy)
		SKIP("without P2P and PRE_COPY they are arcs");
	with(&source);
	CHECK_EQ(device_reset(), 0);
	fd = set(STOP_COPY);
	CHECK(fd >= 0);
	way(3, got, sizeof(got));
	CHECK_STR(got, "RUNNING>RUNNING_P2P>STOP>STOP_COPY");
	close(fd);
	CHECK_EQ(set(RUNNING), -1);
	way(3, got, sizeof(got));
	CHECK_STR(got, "STOP_COPY>STOP>RUNNING_P2P>RUNNING");
	fd = set(PRE_COPY_P2P);
	CHECK(fd >= 0);
	way(2, got, sizeof(got));
	CHECK_STR(got, "RUNNING>RUNNING_P2P>PRE_COPY_P2P");
	CHECK_EQ(set(PRE_COPY), -1);
	CHECK_EQ(set(STOP_COPY), -1);
	way(2, got, sizeof(got));
	CHECK_STR(got, "PRE_COPY>PRE_COPY_P2P>STOP_COPY");
	close(fd);
	CHECK_EQ(set(RUNNING), -1);
	fd = set(PRE_COPY);
	CHECK_EQ(set(STOP), -1);	/* no state with a file in between */
	way(3, got, sizeof(got));
	CHECK_STR(got, "PRE_COPY>RUNNING>RUNNING_P2P>STOP");
	close(fd);
	CHECK_EQ(set(RUNNING), -1);
}

/* Two devices are quiet to each other before the first of them is stopped: what a user of both does can be told from their numbers. */
TEST(two_devices_in_order)
{
	char got[256];
	unsigned int quiet[2], stopped[2];
	int fd[2];

	if (!p2p)
		SKIP("no P2P");
	with(&source);
	set(RUNNING_P2P);
	quiet[0] = way(1, got, sizeof(got));
	with(&target);
	set(RUNNING_P2P);
	quiet[1] = way(1, got, sizeof(got));
	CHECK_STR(got, "RUNNING>RUNNING_P2P");
	with(&source);
	fd[0] = set(STOP_COPY);
	stopped[0] = way(1, got, sizeof(got));
	with(&target);
	fd[1] = set(STOP_COPY);
	stopped[1] = way(1, got, sizeof(got));
	CHECK_STR(got, "STOP>STOP_COPY");
	CHECK(quiet[0] < quiet[1] && quiet[1] < stopped[0] && stopped[0] < stopped[1]);
	close(fd[0]);
	close(fd[1]);
	set(RUNNING);
	with(&source);
	set(RUNNING);
}

static void restored(unsigned int seed, size_t piece)
{
	static struct plain_state before, after, stays;
	uint32_t words[2][16];
	unsigned int n;

	with(&target);
	plain_scramble(seed + 100);
	with(&source);
	plain_scramble(seed);
	CHECK(reg_read(LKVM_VDEV_IRQ_STATUS) & 1);
	CHECK(reg_read(LKVM_VDEV_IRQ_ACK) > 0);
	plain_look(&before);
	save(piece);
	CHECK(stream_len > 65536);
	CHECK_EQ(set(RUNNING), -1);
	plain_look(&stays);
	CHECK_STR(plain_differ(&before, &stays) ?: "", "");
	with(&target);
	CHECK_EQ(load(piece), 0);
	CHECK_EQ(get(), STOP);
	CHECK_EQ(set(RUNNING), -1);
	plain_look(&after);
	CHECK_STR(plain_differ(&before, &after) ?: "", "");
	n = plain_fifo(words[1]);
	with(&source);
	CHECK_EQ(plain_fifo(words[0]), n);
	CHECK(n >= 3 && !memcmp(words[0], words[1], n * 4));
}

TEST(saved_and_restored) { restored(5, ROOM); }
TEST(saved_and_restored_by_bytes) { restored(9, 1); }
TEST(saved_and_restored_in_odd_pieces) { restored(13, 4097); }

static uint8_t *map_bar2(void)
{
	return mmap(NULL, 61440, PROT_READ | PROT_WRITE, MAP_SHARED, dev.fd, (off_t)dev.region[2].offset + 4096);
}

static int precopy_info(int fd, struct precopy_info *ret)
{
	*ret = (struct precopy_info){ .argsz = sizeof(*ret) };
	return ioctl(fd, PRECOPY_INFO, ret) ? -errno : 0;
}

/* All of the first pass, pages written then by mmap, again; and the rest at the end */
TEST(pre_copy_to_its_end)
{
	static struct plain_state before, after;
	struct precopy_info info;
	struct pollfd p = { .events = POLLIN };
	uint8_t *bar;
	int fd;

	if (!pre_copy)
		SKIP("no PRE_COPY");
	with(&target);
	plain_scramble(77);
	with(&source);
	plain_scramble(3);
	bar = map_bar2();
	CHECK(bar != MAP_FAILED);
	fd = p.fd = set(PRE_COPY);
	CHECK(fd >= 0);
	CHECK_EQ(precopy_info(fd, &info), 0);
	CHECK(info.initial > 65536 && info.dirty == 0);
	stream_len = 0;
	CHECK_EQ(get_bytes(fd, stream, 1000), 1000);
	stream_len = 1000;
	CHECK_EQ(precopy_info(fd, &info), 0);
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(drain(fd, 5000), -ENOMSG);
	CHECK_EQ(stream_len, info.initial + 1000);
	CHECK_EQ(precopy_info(fd, &info), 0);
	CHECK_EQ(info.initial, 0);
	CHECK_EQ(info.dirty, 0);
	CHECK_EQ(poll(&p, 1, 0), 0);
	bar[5] ^= 1;
	bar[40960] ^= 1;
	CHECK_EQ(precopy_info(fd, &info), 0);
	CHECK(info.initial == 0 && info.dirty > 8192 && info.dirty < 9000);
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(drain(fd, ROOM), -ENOMSG);
	info.argsz = 8;
	CHECK(ioctl(fd, PRECOPY_INFO, &info) == -1 && errno == EINVAL);
	CHECK(ioctl(fd, _IO(';', 122), &info) == -1 && errno == ENOTTY);
	bar[6] ^= 1;
	reg_write(LKVM_VDEV_SCRATCH, 0x600df00d);
	CHECK_EQ(set(STOP_COPY), -1);
	CHECK_EQ(precopy_info(fd, &info), -EINVAL);
	plain_look(&before);
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(drain(fd, ROOM), 0);
	CHECK_EQ(set(RUNNING), -1);
	CHECK_EQ(get_bytes(fd, stream, 1), -ENODEV);
	CHECK_EQ(precopy_info(fd, &info), -ENODEV);
	close(fd);
	munmap(bar, 61440);
	with(&target);
	CHECK_EQ(load(1234), 0);
	CHECK_EQ(set(RUNNING), -1);
	plain_look(&after);
	CHECK_STR(plain_differ(&before, &after) ?: "", "");
}

/* However much of it was read before the device stops: nothing, a part of a frame, some of them */
TEST(pre_copy_in_part)
{
	static struct plain_state before, after;
	const size_t part[] = { 0, 1, 47, 4152, 30000, 90000 };

	if (!pre_copy)
		SKIP("no PRE_COPY");
	for (size_t i = 0; i < sizeof(part) / sizeof(*part); i++) {
		int fd;

		with(&target);
		device_reset();
		with(&source);
		plain_scramble((unsigned int)(20 + i));
		fd = set(PRE_COPY);
		CHECK(fd >= 0);
		for (stream_len = 0; stream_len < part[i];) {
			ssize_t n = get_bytes(fd, stream + stream_len, part[i] - stream_len);

			if (n == -ENOMSG)
				break;
			CHECK(n > 0);
			stream_len += (size_t)n;
		}
		region_write(2, 9000, "changed meanwhile", 17);
		CHECK_EQ(set(STOP_COPY), -1);
		plain_look(&before);
		CHECK_EQ(drain(fd, ROOM), 0);
		close(fd);
		CHECK_EQ(set(RUNNING), -1);
		with(&target);
		CHECK_EQ(load(ROOM), 0);
		CHECK_EQ(set(RUNNING), -1);
		plain_look(&after);
		CHECK_STR(plain_differ(&before, &after) ?: "", "");
	}
}

/* It goes on as before when the user thinks better of it. */
TEST(pre_copy_given_up)
{
	int fd;

	if (!pre_copy)
		SKIP("no PRE_COPY");
	with(&source);
	plain_scramble(4);
	fd = set(PRE_COPY);
	CHECK_EQ(set(RUNNING), -1);
	CHECK_EQ(get_bytes(fd, stream, 1), -ENODEV);
	close(fd);
	CHECK_EQ(dma(LKVM_VDEV_DMA_FILL, 0, MEM_IOVA, 4096), LKVM_VDEV_DMA_DONE);
}

TEST(rules_of_the_file)
{
	struct precopy_info info;
	struct pollfd p = { .events = POLLIN | POLLOUT };
	char c = 0;
	int fd;

	with(&source);
	plain_scramble(8);
	fd = set(STOP_COPY);
	CHECK(fd >= 0);
	CHECK(write(fd, &c, 1) == -1 && errno == EBADF);
	CHECK(pread(fd, &c, 1, 0) == -1 && errno == ESPIPE);
	CHECK(lseek(fd, 0, SEEK_SET) == -1 && errno == ESPIPE);
	CHECK(read(fd, nowhere, 10) == -1 && errno == EFAULT);
	CHECK_EQ(precopy_info(fd, &info), -EINVAL);
	stream_len = 0;
	CHECK_EQ(drain(fd, ROOM), 0);
	CHECK_EQ(get_bytes(fd, &c, 1), 0);
	CHECK_EQ(set(STOP), -1);
	CHECK_EQ(get_bytes(fd, &c, 1), -ENODEV);
	close(fd);
	fd = p.fd = set(RESUMING);
	CHECK(fd >= 0);
	CHECK(read(fd, &c, 1) == -1 && errno == EBADF);
	CHECK(write(fd, nowhere, 10) == -1 && errno == EFAULT);
	CHECK(poll(&p, 1, 0) == 1 && (p.revents & POLLOUT));
	CHECK_EQ(feed(fd, ROOM), 0);
	CHECK_EQ(set(STOP), -1);
	CHECK(write(fd, &c, 1) == -1 && errno == ENODEV);
	close(fd);
	/* a reset ends it, and so does the device's own end */
	fd = set(RESUMING);
	CHECK_EQ(device_reset(), 0);
	CHECK(write(fd, &c, 1) == -1 && errno == ENODEV);
	close(fd);
	fd = set(STOP_COPY);
	CHECK(fd >= 0);
	user_close();
	CHECK_EQ(get_bytes(fd, &c, 1), -ENODEV);
	close(fd);
	CHECK_EQ(user_open(source.name), 0);
	source = dev;
	CHECK_EQ(get(), RUNNING);
	enable(PCI_COMMAND_MEMORY);
}

/* A stopped device does nothing by itself. What it is told meanwhile it does when it runs again. */
TEST(stopped_means_stopped)
{
	int fd = new_event();

	with(&source);
	device_reset();
	enable(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	CHECK_EQ(set_irqs(VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER, 0, 1, &fd, NULL), 0);
	CHECK_EQ(set(p2p ? RUNNING_P2P : STOP), -1);
	memset(dev.mem, 0x11, 4096);
	reg_write(LKVM_VDEV_DMA_PATTERN, 0x22222222);
	reg_write64(LKVM_VDEV_DMA_DST, MEM_IOVA);
	reg_write(LKVM_VDEV_DMA_LEN, 4096);
	reg_write(LKVM_VDEV_DMA_CMD, LKVM_VDEV_DMA_FILL);
	reg_write(LKVM_VDEV_IRQ_FIRE, 0);
	CHECK_EQ(reg_read(LKVM_VDEV_DMA_STATUS), LKVM_VDEV_DMA_BUSY);
	CHECK_EQ(dev.mem[0], 0x11);
	CHECK_EQ(event_take(fd), 0);
	CHECK_EQ(set(RUNNING), -1);
	while (reg_read(LKVM_VDEV_DMA_STATUS) == LKVM_VDEV_DMA_BUSY)
		usleep(1000);
	CHECK_EQ(reg_read(LKVM_VDEV_DMA_STATUS), LKVM_VDEV_DMA_DONE);
	CHECK(dev.mem[0] == 0x22 && dev.mem[4095] == 0x22);
	CHECK_EQ(event_wait(fd), 1);
	disable_irqs(VFIO_PCI_INTX_IRQ_INDEX);
	close(fd);
}

/* The stream is no good: the device says so, is in ERROR, and a reset is all it takes. */
static void refused(const char *what, size_t piece)
{
	with(&target);
	device_reset();
	enable(PCI_COMMAND_MEMORY);
	if (load(piece) == 0) {
		printf("# taken: %s\n", what);
		tap_this_failed = 1;
		return;
	}
	CHECK_EQ(get(), ERROR);
	CHECK_EQ(set(RUNNING), -EINVAL - 1000);
	CHECK_EQ(device_reset(), 0);
	CHECK_EQ(get(), RUNNING);
	enable(PCI_COMMAND_MEMORY);
	CHECK_EQ(reg_read(LKVM_VDEV_ID), LKVM_VDEV_MAGIC);
}

TEST(bad_streams)
{
	static uint8_t good[ROOM];
	const size_t lens[] = { 1, 47, 48, 49, 4096, 70000 };
	const unsigned int fields[] = { 0, 4, 8, 15, 16, 20, 24, 28, 32, 36, 40, 44 };
	size_t len;

	with(&source);
	plain_scramble(31);
	save(ROOM);
	CHECK_EQ(set(RUNNING), -1);
	len = stream_len;
	memcpy(good, stream, len);
	for (size_t i = 0; i < sizeof(lens) / sizeof(*lens) && !tap_this_failed; i++) {
		stream_len = lens[i];
		refused("cut off", ROOM);
	}
	stream_len = len - 1;
	refused("cut off by a byte", ROOM);
	memset(stream + len, 0, 1);
	stream_len = len + 1;
	refused("with a byte behind it", ROOM);
	memcpy(stream + len, good, len);
	stream_len = 2 * len;
	refused("twice", ROOM);
	stream_len = len;
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields) && !tap_this_failed; i++) {
		stream[fields[i]] ^= 0x40;
		refused("another header", i % 2 ? ROOM : 7);
		stream[fields[i]] ^= 0x40;
	}
	for (size_t i = 48; i < len && !tap_this_failed; i += len / 40) {
		stream[i] ^= (uint8_t)(1 << i % 8);
		refused("a bit flipped", ROOM);
		stream[i] ^= (uint8_t)(1 << i % 8);
	}
	if (tap_this_failed)
		return;
	CHECK(!memcmp(stream, good, len));
	with(&target);
	CHECK_EQ(load(ROOM), 0);	/* and with nothing wrong it is taken */
	CHECK_EQ(set(RUNNING), -1);
}

/* With the right checksum, but with something in it that no device says: each as what it changes at an offset, or how much shorter it is */
TEST(bad_contents)
{
	static uint8_t good[ROOM];
	size_t len;

	with(&source);
	plain_scramble(33);
	save(ROOM);
	CHECK_EQ(set(RUNNING), -1);
	len = stream_len;
	memcpy(good, stream, len);
	CHECK_EQ(field(FRAME_LEN), len);
	for (unsigned int i = 0; i < 21 && !tap_this_failed; i++) {
		unsigned int regs = frame_part(0), own = frame_part(1), pages = frame_part(2), off = 0;
		unsigned int flr = FRAME_HEADER + find_cap(PCI_CAP_ID_EXP) + PCI_EXP_DEVCTL, pm = FRAME_HEADER + find_cap(PCI_CAP_ID_PM) + PCI_PM_CTRL;
		uint32_t val = 0;
		char what[32];

		switch (i) {
		case 0: off = FRAME_FLAGS, val = 3; break;
		case 1: off = FRAME_FLAGS, val = 0; break;	/* pages alone have no registers */
		case 2: off = FRAME_RESERVED, val = 1; break;
		case 3: off = FRAME_REGS, val = field(FRAME_REGS) - 1; break;
		case 4: off = FRAME_CONFIG, val = 0; break;
		case 5: off = FRAME_PAGES, val = 0xffffffff; break;
		case 6: off = FRAME_LEN, val = 0; break;
		case 7: off = FRAME_LEN, val = 47; break;
		case 8: off = FRAME_LEN, val = 0x7fffffff; break;
		case 9: off = FRAME_HEADER, val = 0x12345678; break;	/* another vendor's device */
		case 10: off = regs, val = field(regs) + 1; break;
		case 11: off = regs, val = 0xffffffff; break;
		case 12: off = own, val = field(own) - 1; break;
		case 13: off = pages, val = 6; break;		/* no such BAR */
		case 14: off = pages, val = 0; break;		/* one without memory */
		case 15: off = pages + 4, val = 100; break;	/* not where a page begins */
		case 16: off = pages + 4, val = 1 << 20; break;	/* beyond its end */
		case 17:					/* one page is missing */
			stream_len = len - FRAME_PAGE;
			set_field(FRAME_LEN, (uint32_t)stream_len);
			off = FRAME_PAGES, val = field(FRAME_PAGES) - 1;
			break;
		case 18: off = flr, val = field(flr) | PCI_EXP_DEVCTL_BCR_FLR; break;	/* a reset that is still to come */
		case 19: off = pm, val = (field(pm) & ~3u) | 1; break;	/* D1 and D2, which it does not have */
		case 20: off = pm, val = (field(pm) & ~3u) | 2; break;
		}
		set_field(off, val);
		sign();
		snprintf(what, sizeof(what), "contents %u", i);
		refused(what, ROOM);
		memcpy(stream, good, len);
		stream_len = len;
	}
	for (unsigned int i = 0; i < 2 && !tap_this_failed; i++) {	/* registers with values that they never have */
		memset(stream + frame_part(i) + 4, 0xff, field(frame_part(i)));
		sign();
		refused(i ? "registers" : "interrupts", ROOM);
		memcpy(stream, good, len);
	}
	if (tap_this_failed)
		return;
	sign();
	CHECK(!memcmp(stream, good, len));
}

/* One that has a BAR's page pinned, for DMA of a device of its own, has not that of the next user. */
TEST(memory_is_not_for_who_opens_it_next)
{
	const uint64_t iova = 0x90000000;
	uint8_t *bar;

	with(&target);
	bar = map_bar2();
	CHECK(bar != MAP_FAILED);
	with(&source);
	enable(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	CHECK_EQ(map_dma(iova, bar, 4096, VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE), 0);
	reg_write(LKVM_VDEV_DMA_PATTERN, 0x5a5a5a5a);
	CHECK_EQ(dma(LKVM_VDEV_DMA_FILL | LKVM_VDEV_DMA_PIN, 0, iova, 4096), LKVM_VDEV_DMA_DONE);
	CHECK(bar[0] == 0x5a && bar[4095] == 0x5a);
	munmap(bar, 61440);
	with(&target);
	user_close();
	CHECK_EQ(user_open(target.name), 0);
	target = dev;
	enable(PCI_COMMAND_MEMORY);
	bar = map_bar2();
	CHECK(bar != MAP_FAILED);
	with(&source);
	CHECK_EQ(dma(LKVM_VDEV_DMA_FILL | LKVM_VDEV_DMA_PIN, 0, iova, 4096), LKVM_VDEV_DMA_DONE);
	CHECK(!bar[0] && !bar[4095]);
	CHECK_EQ(unmap_dma(iova, 4096), 4096);
	munmap(bar, 61440);
}

/* Only the first pass' pages, and no end */
TEST(pre_copy_alone_is_no_state)
{
	int fd;

	if (!pre_copy)
		SKIP("no PRE_COPY");
	with(&source);
	device_reset();
	fd = set(PRE_COPY);
	stream_len = 0;
	CHECK_EQ(drain(fd, ROOM), -ENOMSG);
	close(fd);
	CHECK_EQ(set(RUNNING), -1);
	refused("without its end", ROOM);
}

TEST(faults)
{
	int fd;

	with(&source);
	plain_scramble(40);
	set_faults(FAULT_STREAM);
	save(ROOM);
	set(RUNNING);
	set_faults(0);
	refused("bit flipped by the device", ROOM);

	with(&source);
	set_faults(FAULT_TRUNCATE);
	save(ROOM);
	set(RUNNING);
	set_faults(0);
	refused("ended by the device", ROOM);

	with(&source);
	set_faults(FAULT_SLOW);
	fd = set(STOP_COPY);
	stream_len = (size_t)get_bytes(fd, stream, ROOM);
	CHECK_EQ(stream_len, 512);
	CHECK_EQ(drain(fd, ROOM), 0);
	close(fd);
	set(RUNNING);
	with(&target);
	CHECK_EQ(load(ROOM), 0);
	set_faults(0);
	set(RUNNING);

	with(&source);
	set_faults(FAULT_TRANSITION);
	CHECK_EQ(set(STOP), -EIO - 1000);
	CHECK_EQ(get(), RUNNING);
	CHECK_EQ(set(STOP), -1);
	set_faults(FAULT_ERROR);
	CHECK_EQ(set(STOP_COPY), -EIO - 1000);
	CHECK_EQ(get(), ERROR);
	CHECK_EQ(set(STOP), -EINVAL - 1000);
	CHECK_EQ(device_reset(), 0);
	CHECK_EQ(get(), RUNNING);
}

int main(int argc, char **argv)
{
	pair_start(argc, argv);
	pre_copy = offer & MIG_PRE_COPY;
	p2p = offer & MIG_P2P;
	RUN(what_is_offered);
	RUN(every_arc);
	RUN(ways);
	RUN(two_devices_in_order);
	RUN(saved_and_restored);
	RUN(saved_and_restored_by_bytes);
	RUN(saved_and_restored_in_odd_pieces);
	RUN(pre_copy_to_its_end);
	RUN(pre_copy_in_part);
	RUN(pre_copy_given_up);
	RUN(rules_of_the_file);
	RUN(stopped_means_stopped);
	RUN(bad_streams);
	RUN(bad_contents);
	RUN(memory_is_not_for_who_opens_it_next);
	RUN(pre_copy_alone_is_no_state);
	RUN(faults);
	return tap_done();
}
