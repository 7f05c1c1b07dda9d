/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What both kinds of virtqueue promise: each test runs on a split and on a packed ring. [virtio-1.2 2.7, 2.8]
 * links: virtio/ring.c virtio/ring-split.c virtio/ring-packed.c memory.c state.c util/str.c
 */
#include <errno.h>
#include <sys/mman.h>

#include "tests/tap.h"
#include "tests/virtio/ring-driver.h"
#include "vmm/state.h"

enum { SIZE = 8, ROOM = 12 };

static bool packed;		/* the kind under test */
static struct drv d;
static struct virtq q;
static struct virtq_chain c;
static struct iovec iov[ROOM];
static char broke[160];
static unsigned int breaks;

static void on_break(struct virtq *vq, const char *why)
{
	snprintf(broke, sizeof(broke), "%s", why);
	breaks++;
}

static void setup(struct virtq_config cfg)
{
	const char *why = NULL;

	drv_init(&d, &cfg);
	memset(&q, 0, sizeof(q));
	q.on_break = on_break;
	breaks = 0;
	broke[0] = 0;
	c = (struct virtq_chain){ .iov = iov, .room = ROOM };
	if (virtq_enable(&q, &d.gm, &cfg, &why) < 0) {
		printf("# %s\n", why);
		abort();
	}
}

static struct virtq_config plain(void)
{
	return drv_config(SIZE, packed);
}

static struct virtq_config with(bool indirect, bool event_idx, bool in_order)
{
	struct virtq_config cfg = plain();

	cfg.indirect = indirect;
	cfg.event_idx = event_idx;
	cfg.in_order = in_order;
	return cfg;
}

static void teardown(void)
{
	virtq_disable(&q);
	drv_free(&d);
}

/* Pops, which must break the ring with @why. */
#define CHECK_BREAKS(why)                                                                                              \
	do {                                                                                                           \
		CHECK_EQ(virtq_pop(&q, &c), -EIO);                                                                     \
		CHECK_STR(broke, why);                                                                                 \
		CHECK_EQ(breaks, 1);                                                                                   \
		CHECK_EQ(virtq_pop(&q, &c), -EIO);                                                                     \
		CHECK_EQ(breaks, 1);                                                                                   \
	} while (0)

/* --- enabling --- */

static int try(struct virtq_config cfg, const char **why)
{
	struct virtq t = { .enabled = false };
	int r = virtq_enable(&t, &d.gm, &cfg, why);

	if (r == 0)
		virtq_disable(&t);
	return r;
}

TEST(size_is_checked)
{
	struct virtq_config cfg = plain();
	const char *why = "";

	setup(cfg);
	cfg.size = 0;
	CHECK_EQ(try(cfg, &why), -EINVAL);
	CHECK_STR(why, "bad queue size");
	cfg.size = VIRTQ_MAX_SIZE + 1;
	CHECK_EQ(try(cfg, &why), -EINVAL);
	cfg.size = VIRTQ_MAX_SIZE;
	CHECK_EQ(try(cfg, &why), 0);
	cfg.size = 1;
	CHECK_EQ(try(cfg, &why), 0);
	cfg.size = 6;
	CHECK_EQ(try(cfg, &why), packed ? 0 : -EINVAL);
	if (!packed)
		CHECK_STR(why, "queue size is no power of two");
	teardown();
}

TEST(areas_must_be_aligned_ram)
{
	static const char *const what[] = {
		"descriptor area is misaligned or not RAM",
		"driver area is misaligned or not RAM",
		"device area is misaligned or not RAM",
	};
	static const u64 split_len[] = { 16 * SIZE, 6 + 2 * SIZE, 6 + 8 * SIZE }, packed_len[] = { 16 * SIZE, 4, 4 };
	static const u64 split_align[] = { 16, 2, 4 }, packed_align[] = { 16, 4, 4 };
	const u64 *len = packed ? packed_len : split_len, *align = packed ? packed_align : split_align;
	struct virtq_config cfg;
	gpa_t *at[] = { &cfg.desc, &cfg.driver, &cfg.device };
	const char *why = "";
	unsigned int i;

	setup(plain());
	for (i = 0; i < 3; i++) {
		cfg = plain();
		*at[i] += align[i] / 2;
		CHECK_EQ(try(cfg, &why), -EINVAL);
		CHECK_STR(why, what[i]);
		cfg = plain();
		*at[i] = DRV_GPA - align[i];
		CHECK_EQ(try(cfg, &why), -EINVAL);
		*at[i] = -align[i];
		CHECK_EQ(try(cfg, &why), -EINVAL);
		*at[i] = align_down(DRV_END - len[i], align[i]) + align[i];	/* the last bytes are beyond */
		CHECK_EQ(try(cfg, &why), -EINVAL);
		CHECK_STR(why, what[i]);
		*at[i] -= align[i];
		CHECK_EQ(try(cfg, &why), 0);
	}
	teardown();
}

TEST(enabling_touches_no_guest_memory)
{
	setup(plain());
	virtq_disable(&q);
	memset(d.ram, 0xa5, DRV_RAM);
	CHECK_EQ(try(with(true, true, true), &(const char *){ NULL }), 0);
	for (unsigned int i = 0; i < DRV_RAM; i++)
		CHECK_EQ(d.ram[i], 0xa5);
	drv_free(&d);
}

TEST(disabled_queue_has_nothing)
{
	setup(plain());
	drv_add_simple(&d, 0, 16, 0);
	virtq_disable(&q);
	CHECK_EQ(virtq_pop(&q, &c), 0);
	CHECK(virtq_empty(&q));
	CHECK(!virtq_enable_notify(&q));
	CHECK(!virtq_should_interrupt(&q));
	teardown();
}

/* --- chains --- */

TEST(empty_queue_pops_nothing)
{
	setup(plain());
	CHECK(virtq_empty(&q));
	CHECK_EQ(virtq_pop(&q, &c), 0);
	CHECK(!q.broken);
	teardown();
}

TEST(chain_arrives_with_readable_pieces_first)
{
	const struct drv_seg seg[] = {
		{ DRV_DATA, 16, false }, { DRV_DATA + 0x100, 512, false }, { DRV_DATA + 0x400, 1, true },
	};
	u32 len = 0;
	int id;

	setup(plain());
	id = drv_add(&d, seg, 3, false);
	CHECK(!virtq_empty(&q));
	CHECK_EQ(virtq_pop(&q, &c), 1);
	CHECK_EQ(c.out_cnt, 2);
	CHECK_EQ(c.in_cnt, 1);
	CHECK_EQ(c.out_len, 528);
	CHECK_EQ(c.in_len, 1);
	CHECK_EQ(c.id, id);
	CHECK(iov[0].iov_base == drv_at(&d, DRV_DATA) && iov[0].iov_len == 16);
	CHECK(iov[1].iov_base == drv_at(&d, DRV_DATA + 0x100) && iov[1].iov_len == 512);
	CHECK(iov[2].iov_base == drv_at(&d, DRV_DATA + 0x400) && iov[2].iov_len == 1);
	CHECK_EQ(q.inflight_cnt, 1);
	CHECK_EQ(virtq_pop(&q, &c), 0);
	CHECK_EQ(drv_used(&d, &len), -1);
	virtq_push(&q, &c, 1);
	CHECK_EQ(q.inflight_cnt, 0);
	CHECK_EQ(drv_used(&d, &len), id);
	CHECK_EQ(len, 1);
	CHECK_EQ(drv_used(&d, &len), -1);
	teardown();
}

TEST(element_across_two_ram_ranges_is_two_pieces)
{
	static u8 more[0x1000];
	const struct drv_seg seg = { DRV_END - 0x10, 0x30, true };

	setup(plain());
	CHECK_EQ(guest_mem_add(&d.gm, DRV_END, sizeof(more), more), 0);
	drv_add(&d, &seg, 1, false);
	CHECK_EQ(virtq_pop(&q, &c), 1);
	CHECK_EQ(c.in_cnt, 2);
	CHECK_EQ(c.in_len, 0x30);
	CHECK(iov[1].iov_base == more && iov[1].iov_len == 0x20);
	teardown();
}

TEST(written_length_never_exceeds_what_is_writable)
{
	u32 len = 0;

	setup(plain());
	drv_add_simple(&d, 0, 16, 8);
	CHECK_EQ(virtq_pop(&q, &c), 1);
	virtq_push(&q, &c, 9);
	CHECK(drv_used(&d, &len) >= 0);
	CHECK_EQ(len, 8);
	teardown();
}

TEST(readable_after_writable_breaks)
{
	const struct drv_seg seg[] = { { DRV_DATA, 16, true }, { DRV_DATA, 16, false } };

	setup(plain());
	drv_add(&d, seg, 2, false);
	CHECK_BREAKS("device-readable descriptor after a device-writable one");
	teardown();
}

TEST(element_outside_ram_breaks)
{
	static const struct { u64 addr; u32 len; const char *why; } t[] = {
		{ 0, 1, "1 bytes at 0x0 are not RAM" },
		{ DRV_GPA - 1, 2, "2 bytes at 0xfffff are not RAM" },
		{ DRV_END, 1, "1 bytes at 0x160000 are not RAM" },
		{ DRV_END - 1, 2, "2 bytes at 0x15ffff are not RAM" },
		{ ~0ULL, 2, "2 bytes at 0xffffffffffffffff are not RAM" },
		{ ~0ULL - 15, 0xffffffff, "4294967295 bytes at 0xfffffffffffffff0 are not RAM" },
	};
	struct drv_seg seg;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		setup(plain());
		seg = (struct drv_seg){ t[i].addr, t[i].len, i & 1 };
		drv_add(&d, &seg, 1, false);
		CHECK_BREAKS(t[i].why);
		teardown();
	}
}

TEST(chain_of_more_than_4_gib_breaks)
{
	const u64 gpa = 1ULL << 32, size = 1ULL << 31;
	struct drv_seg seg[] = { { gpa, 0x80000000, false }, { gpa, 0x7fffffff, true }, { gpa, 1, true }, { gpa, 1, true } };
	void *p = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		SKIP("no address space for 2 GiB");
	setup(plain());
	CHECK_EQ(guest_mem_add(&d.gm, gpa, size, p), 0);
	drv_add(&d, seg, 3, false);
	CHECK_EQ(virtq_pop(&q, &c), 1);
	CHECK_EQ(c.out_len + c.in_len, 1ULL << 32);
	drv_add(&d, seg, 4, false);
	CHECK_BREAKS("chain of more than 4 GiB");
	teardown();
	munmap(p, size);
}

TEST(more_pieces_than_the_device_has_room_for_breaks)
{
	const struct drv_seg seg[] = { { DRV_DATA, 1, false }, { DRV_DATA, 1, false }, { DRV_DATA, 1, true } };

	setup(plain());
	c.room = 3;
	drv_add(&d, seg, 3, false);
	CHECK_EQ(virtq_pop(&q, &c), 1);
	c.room = 2;
	drv_add(&d, seg, 3, false);
	CHECK_BREAKS("chain of more than 2 pieces");
	teardown();
}

TEST(elements_of_no_bytes_leave_no_piece)
{
	const struct drv_seg some[] = {
		{ 0, 0, false }, { DRV_DATA, 4, false }, { ~0ULL, 0, true }, { DRV_DATA, 4, false }, { DRV_DATA, 4, true },
	};
	const struct drv_seg none = { 0, 0, true };
	u32 len = 1;

	setup(plain());
	drv_add(&d, some, 5, false);
	CHECK_EQ(virtq_pop(&q, &c), 1);
	CHECK_EQ(c.out_cnt, 2);
	CHECK_EQ(c.in_cnt, 1);
	virtq_push(&q, &c, 0);
	CHECK(drv_used(&d, &len) >= 0);
	drv_add(&d, &none, 1, false);
	CHECK_EQ(virtq_pop(&q, &c), 1);
	CHECK_EQ(c.out_cnt + c.in_cnt, 0);
	CHECK_EQ(c.out_len + c.in_len, 0);
	virtq_push(&q, &c, 0);
	CHECK(drv_used(&d, &len) >= 0);
	CHECK_EQ(len, 0);
	teardown();
}

TEST(chain_may_take_the_whole_ring)
{
	struct drv_seg seg[SIZE];
	unsigned int i, lap;
	u32 len = 0;

	setup(plain());
	for (i = 0; i < SIZE; i++)
		seg[i] = (struct drv_seg){ DRV_DATA + 16 * i, 16, i >= SIZE / 2 };
	for (lap = 0; lap < 5; lap++) {
		CHECK(drv_add(&d, seg, SIZE, false) >= 0);
		CHECK_EQ(virtq_pop(&q, &c), 1);
		CHECK_EQ(c.out_cnt, SIZE / 2);
		CHECK_EQ(c.ndesc, SIZE);
		CHECK_EQ(virtq_pop(&q, &c), 0);
		virtq_push(&q, &c, 5);
		CHECK(drv_used(&d, &len) >= 0);
		CHECK_EQ(len, 5);
	}
	teardown();
}

/* --- indirect --- */

TEST(indirect_table_is_followed)
{
	const struct drv_seg seg[] = {
		{ DRV_DATA, 16, false }, { DRV_DATA + 0x100, 512, false }, { DRV_DATA + 0x400, 1, true },
	};
	unsigned int i;
	u32 len = 0;

	setup(with(true, false, false));
	for (i = 0; i < 3 * SIZE; i++) {
		CHECK(drv_add(&d, seg, 3, true) >= 0);
		CHECK_EQ(virtq_pop(&q, &c), 1);
		CHECK_EQ(c.out_cnt, 2);
		CHECK_EQ(c.in_cnt, 1);
		CHECK_EQ(c.ndesc, 1);
		CHECK(iov[2].iov_base == drv_at(&d, DRV_DATA + 0x400));
		virtq_push(&q, &c, 1);
		CHECK(drv_used(&d, &len) >= 0);
	}
	teardown();
}

/* One descriptor, flags as given, made available as the first of the ring. */
static void add_raw(u64 addr, u32 len, u16 flags)
{
	if (packed) {
		drv_desc(&d, DRV_DESC, addr, len, 0, flags | D_AVAIL);
	} else {
		drv_desc(&d, DRV_DESC, addr, len, flags, 0);
		drv_w16(&d, DRV_DRIVER + 4, 0);
		drv_w16(&d, DRV_DRIVER + 2, 1);
	}
}

/* In an indirect table: descriptor @i. */
static void table_desc(u64 table, unsigned int i, u64 addr, u32 len, u16 flags, u16 next)
{
	if (packed)
		drv_desc(&d, table + 16 * i, addr, len, 0, flags);
	else
		drv_desc(&d, table + 16 * i, addr, len, flags, next);
}

TEST(indirect_without_the_feature_breaks)
{
	setup(plain());
	add_raw(DRV_TABLES, 16, D_INDIRECT);
	CHECK_BREAKS("indirect descriptor without the feature");
	teardown();
}

TEST(indirect_table_length_is_checked)
{
	static const struct { u32 len; const char *why; } t[] = {
		{ 0, "indirect table of 0 bytes" },
		{ 15, "indirect table of 15 bytes" },
		{ 17, "indirect table of 17 bytes" },
		{ 0xffffffff, "indirect table of 4294967295 bytes" },
		{ 16 * (VIRTQ_MAX_SIZE + 1), "indirect table of 1025 descriptors" },
		{ 0xfffffff0, "indirect table of 268435455 descriptors" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		setup(with(true, false, false));
		add_raw(DRV_TABLES, t[i].len, D_INDIRECT);
		CHECK_BREAKS(t[i].why);
		teardown();
	}
}

TEST(indirect_table_outside_ram_breaks)
{
	static const struct { u64 addr; u32 len; const char *why; } t[] = {
		{ 0, 16, "indirect table at 0x0 is not RAM" },
		{ DRV_END - 8, 16, "indirect table at 0x15fff8 is not RAM" },
		{ ~0ULL - 7, 32, "indirect table at 0xfffffffffffffff8 wraps" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		setup(with(true, false, false));
		add_raw(t[i].addr, t[i].len, D_INDIRECT);
		CHECK_BREAKS(t[i].why);
		teardown();
	}
}

TEST(indirect_table_may_be_misaligned_and_cross_ram_ranges)
{
	static u8 more[0x1000];
	const u64 table = DRV_END - 24;

	setup(with(true, false, false));
	CHECK_EQ(guest_mem_add(&d.gm, DRV_END, sizeof(more), more), 0);
	table_desc(table, 0, DRV_DATA, 16, D_NEXT, 1);
	put_le64(drv_at(&d, table + 16), DRV_DATA + 0x100);
	put_le32(more, 32);
	put_le16(more + (packed ? 6 : 4), D_WRITE);
	add_raw(table, 32, D_INDIRECT);
	CHECK_EQ(virtq_pop(&q, &c), 1);
	CHECK_EQ(c.out_len, 16);
	CHECK_EQ(c.in_len, 32);
	teardown();
}

TEST(write_flag_of_the_referring_descriptor_is_ignored)
{
	setup(with(true, false, false));
	table_desc(DRV_TABLES, 0, DRV_DATA, 16, 0, 0);
	add_raw(DRV_TABLES, 16, D_INDIRECT | D_WRITE);	/* [2.7.5.3.2, 2.8.7] */
	CHECK_EQ(virtq_pop(&q, &c), 1);
	CHECK_EQ(c.out_cnt, 1);
	CHECK_EQ(c.in_cnt, 0);
	teardown();
}

TEST(indirect_elements_are_checked)
{
	const struct drv_seg order[] = { { DRV_DATA, 1, true }, { DRV_DATA, 1, false } };
	const struct drv_seg bad = { 0x10, 16, false };
	const struct drv_seg many[DRV_ROOM] = { [0 ... DRV_ROOM - 1] = { DRV_DATA, 1, true } };

	setup(with(true, false, false));
	drv_add(&d, order, 2, true);
	CHECK_BREAKS("device-readable descriptor after a device-writable one");
	teardown();
	setup(with(true, false, false));
	drv_add(&d, &bad, 1, true);
	CHECK_BREAKS("16 bytes at 0x10 are not RAM");
	teardown();
	setup(with(true, false, false));
	drv_add(&d, many, ROOM + 1, true);
	CHECK_BREAKS("chain of more than 12 pieces");
	teardown();
}

TEST(indirect_table_may_be_longer_than_the_ring)
{
	const struct drv_seg many[ROOM] = { [0 ... ROOM - 1] = { DRV_DATA, 1, true } };

	setup(with(true, false, false));
	drv_add(&d, many, ROOM, true);
	CHECK_EQ(virtq_pop(&q, &c), 1);
	CHECK_EQ(c.in_cnt, ROOM);
	teardown();
}

/* --- putting back, breaking --- */

TEST(unpopped_chain_comes_again)
{
	const struct drv_seg seg[] = { { DRV_DATA, 1, false }, { DRV_DATA, 1, false }, { DRV_DATA, 1, true } };
	unsigned int i, kind;
	u16 id;
	u32 len = 0;

	for (kind = 0; kind < 2; kind++) {
		setup(with(false, false, kind));
		for (i = 0; i < 5 * SIZE; i++) {
			drv_add(&d, seg, 3, false);
			CHECK_EQ(virtq_pop(&q, &c), 1);
			id = c.id;
			virtq_unpop(&q, &c);
			CHECK_EQ(q.inflight_cnt, 0);
			CHECK(!virtq_empty(&q));
			CHECK_EQ(virtq_pop(&q, &c), 1);
			CHECK_EQ(c.id, id);
			CHECK_EQ(c.ndesc, 3);
			CHECK_EQ(virtq_pop(&q, &c), 0);
			virtq_push(&q, &c, 1);
			CHECK_EQ(drv_used(&d, &len), id);
		}
		teardown();
	}
}

TEST(unpop_keeps_chains_popped_before)
{
	struct virtq_chain first;
	u32 len = 0;
	int a, b;

	setup(with(false, false, true));
	a = drv_add_simple(&d, 0, 1, 0);
	b = drv_add_simple(&d, 1, 1, 0);
	CHECK_EQ(virtq_pop(&q, &c), 1);
	first = c;
	CHECK_EQ(virtq_pop(&q, &c), 1);
	virtq_unpop(&q, &c);
	virtq_push(&q, &first, 0);
	CHECK_EQ(drv_used(&d, &len), a);
	CHECK_EQ(drv_used(&d, &len), -1);
	CHECK_EQ(virtq_pop(&q, &c), 1);
	virtq_push(&q, &c, 0);
	CHECK_EQ(drv_used(&d, &len), b);
	teardown();
}

TEST(broken_queue_is_silent)
{
	struct virtq_chain popped;
	u8 *before = malloc(DRV_RAM);

	setup(plain());
	drv_add_simple(&d, 0, 16, 16);
	drv_add_simple(&d, 1, 16, 16);
	CHECK_EQ(virtq_pop(&q, &c), 1);
	popped = c;
	CHECK_EQ(virtq_pop(&q, &c), 1);
	CHECK_EQ(virtq_break(&q, "reason %d", 7), -EIO);
	CHECK_STR(broke, "reason 7");
	CHECK_EQ(virtq_break(&q, "another"), -EIO);
	CHECK_EQ(breaks, 1);
	memcpy(before, d.ram, DRV_RAM);
	virtq_push(&q, &popped, 16);
	virtq_unpop(&q, &c);
	CHECK_EQ(q.inflight_cnt, 0);
	CHECK(!virtq_should_interrupt(&q));
	virtq_disable_notify(&q);
	CHECK(!virtq_enable_notify(&q));
	CHECK(virtq_empty(&q));
	CHECK_EQ(virtq_pop(&q, &c), -EIO);
	CHECK(!memcmp(before, d.ram, DRV_RAM));
	teardown();
	free(before);
}

TEST(enabling_again_mends)
{
	const struct virtq_config cfg = plain();
	const char *why;

	setup(cfg);
	virtq_break(&q, "x");
	virtq_disable(&q);
	CHECK_EQ(virtq_enable(&q, &d.gm, &cfg, &why), 0);
	drv_add_simple(&d, 0, 1, 0);
	CHECK_EQ(virtq_pop(&q, &c), 1);
	virtq_break(&q, "y");
	CHECK_EQ(breaks, 2);
	teardown();
}

/* --- in order --- */

TEST(in_order_holds_back_what_is_done_early)
{
	struct virtq_chain p[3];
	unsigned int i;
	u32 len = 0;
	int id[3];

	setup(with(false, false, true));
	for (i = 0; i < 3; i++) {
		id[i] = drv_add_simple(&d, i, 16, 16);
		CHECK_EQ(virtq_pop(&q, &c), 1);
		p[i] = c;
	}
	virtq_push(&q, &p[2], 16);
	virtq_push(&q, &p[1], 16);
	CHECK_EQ(q.inflight_cnt, 1);
	CHECK(!virtq_should_interrupt(&q));
	CHECK_EQ(drv_used(&d, &len), -1);
	virtq_push(&q, &p[0], 16);
	CHECK(virtq_should_interrupt(&q));
	CHECK_EQ(drv_used(&d, &len), id[0]);
	CHECK_EQ(drv_used(&d, &len), id[1]);
	CHECK_EQ(drv_used(&d, &len), id[2]);
	CHECK_EQ(len, 16);
	CHECK_EQ(drv_used(&d, &len), -1);
	teardown();
}

TEST(in_order_batch_is_one_entry_naming_its_last)
{
	struct virtq_chain p[3];
	unsigned int i;
	u32 id, len = 0;

	setup(with(false, false, true));
	for (i = 0; i < 3; i++) {
		drv_add_simple(&d, i, 16, 16);
		CHECK_EQ(virtq_pop(&q, &c), 1);
		p[i] = c;
	}
	virtq_push(&q, &p[1], 16);
	virtq_push(&q, &p[2], 3);
	virtq_push(&q, &p[0], 16);
	CHECK(drv_used_entry(&d, &id, &len));
	CHECK_EQ(id, p[2].id);
	CHECK_EQ(len, 3);
	if (packed) {
		CHECK_EQ(drv_r16(&d, DRV_DESC + 16 * 2 + 14) & D_USED, 0);	/* the others were not written */
		CHECK_EQ(q.used_idx, 6);
	} else {
		CHECK_EQ(drv_r16(&d, DRV_DEVICE + 2), 3);
		CHECK_EQ(drv_r32(&d, DRV_DEVICE + 4 + 8), 0);
	}
	teardown();
}

TEST(in_order_batch_ends_at_a_chain_not_wholly_written)
{
	struct virtq_chain p[3];
	unsigned int i;
	u32 len = 0;

	setup(with(false, false, true));
	for (i = 0; i < 3; i++) {
		drv_add_simple(&d, i, 16, 16);
		CHECK_EQ(virtq_pop(&q, &c), 1);
		p[i] = c;
	}
	virtq_push(&q, &p[2], 16);
	virtq_push(&q, &p[1], 7);	/* the driver would take 16 for written if it were skipped */
	virtq_push(&q, &p[0], 16);
	CHECK_EQ(drv_used(&d, &len), p[0].id);
	CHECK_EQ(len, ~0U);	/* skipped */
	CHECK_EQ(drv_used(&d, &len), p[1].id);
	CHECK_EQ(len, 7);
	CHECK_EQ(drv_used(&d, &len), p[2].id);
	CHECK_EQ(len, 16);
	teardown();
}

TEST(in_order_keeps_order_for_ever_whatever_the_completion)
{
	struct virtq_chain p[SIZE];
	unsigned int seed = 1, i, k, n, next_tag = 0, next_id_tag = 0, tag_of[SIZE];
	u32 len = 0;
	int id;

	setup(with(false, false, true));
	for (i = 0; i < 3000; i++) {
		n = 0;
		while ((id = drv_add_simple(&d, next_tag % 8, 1 + rand_r(&seed) % 2, rand_r(&seed) % 3)) >= 0)
			tag_of[id] = next_tag++;
		while ((k = (unsigned int)virtq_pop(&q, &c)) == 1)
			p[n++] = c;
		CHECK_EQ(k, 0);
		CHECK(n > 0);
		for (k = n; k > 0; k--) {	/* scrambled */
			unsigned int at = (unsigned int)rand_r(&seed) % k;

			virtq_push(&q, &p[at], (u32)(p[at].in_len ? rand_r(&seed) % (p[at].in_len + 1) : 0));
			p[at] = p[k - 1];
		}
		while ((id = drv_used(&d, &len)) >= 0)
			CHECK_EQ(tag_of[id], next_id_tag++);
		CHECK_EQ(next_id_tag, next_tag);
	}
	teardown();
}

/* --- out of order, for long --- */

TEST(many_rounds_of_every_shape_lose_nothing)
{
	struct virtq_chain p[SIZE];
	struct drv_seg seg[SIZE];
	unsigned int seed = 7, i, k, n = 0, added = 0, taken = 0;
	u32 len = 0;
	int id;

	setup(with(true, true, false));
	for (i = 0; i < 100000; i++) {
		k = 1 + (unsigned int)rand_r(&seed) % 3;
		for (n = 0; n < k; n++)
			seg[n] = (struct drv_seg){ DRV_DATA + 16 * n, 1 + n, n == 2 };
		while (rand_r(&seed) % 4 && drv_add(&d, seg, k, rand_r(&seed) % 2) >= 0)
			added++;
		for (n = 0; n < SIZE && virtq_pop(&q, &c) == 1; n++) {
			CHECK_EQ(c.in_len, c.out_cnt + c.in_cnt == 3 ? 3 : 0);
			p[n] = c;
		}
		for (; n > 0; n--) {
			unsigned int at = (unsigned int)rand_r(&seed) % n;

			virtq_push(&q, &p[at], (u32)p[at].in_len);
			p[at] = p[n - 1];
		}
		while ((id = drv_used(&d, &len)) >= 0)
			taken++;
		CHECK_EQ(breaks, 0);
	}
	CHECK_EQ(added, taken);
	CHECK(added > 0x10000);	/* 16-bit indices went round */
	CHECK_EQ(d.free, SIZE);
	teardown();
}

/* --- notifications --- */

TEST(kicks_are_wanted_until_disabled_and_after_enabled)
{
	unsigned int kind;
	u16 old;

	for (kind = 0; kind < 2; kind++) {
		setup(with(false, kind, false));
		old = d.added;
		drv_add_simple(&d, 0, 1, 0);
		CHECK(drv_must_kick(&d, old, 1));
		virtq_disable_notify(&q);
		CHECK_EQ(virtq_pop(&q, &c), 1);
		old = d.added;
		drv_add_simple(&d, 1, 1, 0);
		CHECK(!drv_must_kick(&d, old, 1));
		CHECK(virtq_enable_notify(&q));	/* there is more: go round */
		CHECK_EQ(virtq_pop(&q, &c), 1);
		CHECK(!virtq_enable_notify(&q));
		old = d.added;
		drv_add_simple(&d, 2, 1, 0);
		CHECK(drv_must_kick(&d, old, 1));
		teardown();
	}
}

TEST(interrupt_only_when_something_was_used)
{
	unsigned int kind;

	for (kind = 0; kind < 2; kind++) {
		setup(with(false, kind, false));
		CHECK(!virtq_should_interrupt(&q));
		drv_enable_interrupts(&d);
		drv_add_simple(&d, 0, 1, 0);
		CHECK_EQ(virtq_pop(&q, &c), 1);
		CHECK(!virtq_should_interrupt(&q));
		virtq_push(&q, &c, 0);
		CHECK(virtq_should_interrupt(&q));
		CHECK(!virtq_should_interrupt(&q));	/* decided */
		teardown();
	}
}

TEST(driver_can_switch_interrupts_off)
{
	setup(plain());
	drv_disable_interrupts(&d);
	drv_add_simple(&d, 0, 1, 0);
	CHECK_EQ(virtq_pop(&q, &c), 1);
	virtq_push(&q, &c, 0);
	CHECK(!virtq_should_interrupt(&q));
	CHECK(drv_enable_interrupts(&d));	/* the driver's look finds it */
	drv_add_simple(&d, 1, 1, 0);
	CHECK_EQ(virtq_pop(&q, &c), 1);
	virtq_push(&q, &c, 0);
	CHECK(virtq_should_interrupt(&q));
	teardown();
}

/* The driver asks for an interrupt at one entry; it comes with that one only, on every lap. */
TEST(event_index_interrupts_at_the_entry_asked_for)
{
	unsigned int lap, i, ask;
	u32 len = 0;

	setup(with(false, true, false));
	for (lap = 0; lap < 40; lap++) {
		ask = lap % 5;
		if (packed)
			drv_w16(&d, DRV_DRIVER + 2, 2);
		for (i = 0; i < 5; i++) {
			if (i == 0) {
				u16 at = (u16)(d.seen + ask);
				bool wrap = d.seen_wrap;

				if (packed) {
					if (at >= SIZE) {
						at -= SIZE;
						wrap = !wrap;
					}
					drv_w16(&d, DRV_DRIVER, at | (wrap ? 0x8000 : 0));
				} else {
					drv_w16(&d, DRV_DRIVER + 4 + 2 * SIZE, at);
				}
			}
			drv_add_simple(&d, i, 1, 0);
			CHECK_EQ(virtq_pop(&q, &c), 1);
			virtq_push(&q, &c, 0);
			CHECK_EQ(virtq_should_interrupt(&q), i == ask);
		}
		while (drv_used(&d, &len) >= 0)
			;
	}
	teardown();
}

TEST(event_index_sees_an_entry_in_the_middle_of_a_batch)
{
	struct virtq_chain p[4];
	unsigned int ask, i;

	for (ask = 0; ask < 6; ask++) {
		setup(with(false, true, false));
		if (packed) {
			drv_w16(&d, DRV_DRIVER, (u16)(ask | 0x8000));
			drv_w16(&d, DRV_DRIVER + 2, 2);
		} else {
			drv_w16(&d, DRV_DRIVER + 4 + 2 * SIZE, (u16)ask);
		}
		for (i = 0; i < 4; i++) {
			drv_add_simple(&d, i, 1, 0);
			CHECK_EQ(virtq_pop(&q, &c), 1);
			p[i] = c;
		}
		for (i = 0; i < 4; i++)
			virtq_push(&q, &p[i], 0);
		CHECK_EQ(virtq_should_interrupt(&q), ask < 4);
		teardown();
	}
}

/* --- state --- */

static struct state_writer w;

static void save(void)
{
	memset(&w, 0, sizeof(w));
	state_begin(&w, "q", 1);
	virtq_save(&q, &w);
	state_end(&w);
}

static int load(const void *p, size_t len)
{
	struct state_reader r;
	u32 version;
	int ret;

	state_reader_init(&r, p, len);
	ret = state_open(&r, "q", 1, &version);
	if (ret < 0)
		return ret;
	ret = virtq_load(&q, &r);
	if (ret < 0)
		return ret;
	return state_close(&r);
}

static void advance(unsigned int n)
{
	u32 len;

	while (n--) {
		drv_add_simple(&d, 0, 1, 1);
		if (virtq_pop(&q, &c) != 1)
			abort();
		virtq_push(&q, &c, 1);
		drv_used(&d, &len);
	}
}

TEST(state_goes_round)
{
	struct virtq_config cfg = with(false, true, true);
	const char *why;
	unsigned int n;

	for (n = 0; n < 4 * SIZE + 3; n++) {
		setup(cfg);
		advance(n);
		virtq_disable_notify(&q);
		save();
		virtq_disable(&q);
		CHECK_EQ(virtq_enable(&q, &d.gm, &cfg, &why), 0);
		CHECK_EQ(load(w.buf.s, w.buf.len), 0);
		state_writer_free(&w);
		CHECK(q.notify_off);
		CHECK(virtq_empty(&q));
		CHECK_EQ(virtq_should_interrupt(&q), n > 0);	/* asked for at entry 0, or at all; not yet decided */
		advance(SIZE + 1);
		CHECK_EQ(breaks, 0);
		teardown();
	}
}

TEST(broken_stays_broken_over_state)
{
	struct virtq_config cfg = plain();
	const char *why;

	setup(cfg);
	drv_add_simple(&d, 0, 1, 0);
	virtq_break(&q, "x");
	save();
	virtq_disable(&q);
	CHECK_EQ(virtq_enable(&q, &d.gm, &cfg, &why), 0);
	CHECK_EQ(load(w.buf.s, w.buf.len), 0);
	CHECK_EQ(virtq_pop(&q, &c), -EIO);
	CHECK_EQ(breaks, 1);
	state_writer_free(&w);
	teardown();
}

static void fields(u8 broken, u8 off, u16 pos, u8 wrap, u16 head, u32 unsignalled)
{
	memset(&w, 0, sizeof(w));
	state_begin(&w, "q", 1);
	state_put_u8(&w, broken);
	state_put_u8(&w, off);
	state_put_u16(&w, pos);
	state_put_u8(&w, wrap);
	state_put_u16(&w, head);
	state_put_u32(&w, unsignalled);
	state_end(&w);
}

TEST(bad_state_is_refused_and_changes_nothing)
{
	const struct { u8 broken, off; u16 pos; u8 wrap; u16 head; u32 unsignalled; int r; } t[] = {
		{ 0, 0, 0, packed, 0, 0, 0 },
		{ 0, 0, SIZE - 1, packed, 0, 0x10000, 0 },
		{ 0, 0, SIZE, packed, 0, 0, packed ? -EBADMSG : 0 },
		{ 0, 0, 0xffff, packed, 0, 0, packed ? -EBADMSG : 0 },
		{ 0, 0, 0, packed, SIZE - 1, 0, packed ? -EBADMSG : 0 },
		{ 0, 0, 0, packed, SIZE, 0, -EBADMSG },
		{ 0, 0, 0, 2, 0, 0, -EBADMSG },
		{ 0, 0, 0, !packed, 0, 0, packed ? 0 : -EBADMSG },
		{ 2, 0, 0, packed, 0, 0, -EBADMSG },
		{ 0, 2, 0, packed, 0, 0, -EBADMSG },
		{ 0, 0, 0, packed, 0, 0x10001, -EBADMSG },
	};
	struct virtq before;
	unsigned int i;
	size_t len;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		setup(plain());
		advance(3);
		before = q;
		fields(t[i].broken, t[i].off, t[i].pos, t[i].wrap, t[i].head, t[i].unsignalled);
		CHECK_EQ(load(w.buf.s, w.buf.len), t[i].r);
		if (t[i].r < 0)
			CHECK(!memcmp(&before, &q, sizeof(q)));
		state_writer_free(&w);
		teardown();
	}
	setup(plain());
	fields(0, 0, 0, packed, 0, 0);
	for (len = 0; len < w.buf.len; len++)
		CHECK(load(w.buf.s, len) < 0);
	state_writer_free(&w);
	teardown();
}

static void run(const char *name, void (*fn)(void))
{
	char full[128];

	packed = false;
	snprintf(full, sizeof(full), "split_%s", name);
	tap_run(full, fn);
	packed = true;
	snprintf(full, sizeof(full), "packed_%s", name);
	tap_run(full, fn);
}
#define RUN_BOTH(name) run(#name, name)

int main(void)
{
	RUN_BOTH(size_is_checked);
	RUN_BOTH(areas_must_be_aligned_ram);
	RUN_BOTH(enabling_touches_no_guest_memory);
	RUN_BOTH(disabled_queue_has_nothing);
	RUN_BOTH(empty_queue_pops_nothing);
	RUN_BOTH(chain_arrives_with_readable_pieces_first);
	RUN_BOTH(element_across_two_ram_ranges_is_two_pieces);
	RUN_BOTH(written_length_never_exceeds_what_is_writable);
	RUN_BOTH(readable_after_writable_breaks);
	RUN_BOTH(element_outside_ram_breaks);
	RUN_BOTH(chain_of_more_than_4_gib_breaks);
	RUN_BOTH(more_pieces_than_the_device_has_room_for_breaks);
	RUN_BOTH(elements_of_no_bytes_leave_no_piece);
	RUN_BOTH(chain_may_take_the_whole_ring);
	RUN_BOTH(indirect_table_is_followed);
	RUN_BOTH(indirect_without_the_feature_breaks);
	RUN_BOTH(indirect_table_length_is_checked);
	RUN_BOTH(indirect_table_outside_ram_breaks);
	RUN_BOTH(indirect_table_may_be_misaligned_and_cross_ram_ranges);
	RUN_BOTH(write_flag_of_the_referring_descriptor_is_ignored);
	RUN_BOTH(indirect_elements_are_checked);
	RUN_BOTH(indirect_table_may_be_longer_than_the_ring);
	RUN_BOTH(unpopped_chain_comes_again);
	RUN_BOTH(unpop_keeps_chains_popped_before);
	RUN_BOTH(broken_queue_is_silent);
	RUN_BOTH(enabling_again_mends);
	RUN_BOTH(in_order_holds_back_what_is_done_early);
	RUN_BOTH(in_order_batch_is_one_entry_naming_its_last);
	RUN_BOTH(in_order_batch_ends_at_a_chain_not_wholly_written);
	RUN_BOTH(in_order_keeps_order_for_ever_whatever_the_completion);
	RUN_BOTH(many_rounds_of_every_shape_lose_nothing);
	RUN_BOTH(kicks_are_wanted_until_disabled_and_after_enabled);
	RUN_BOTH(interrupt_only_when_something_was_used);
	RUN_BOTH(driver_can_switch_interrupts_off);
	RUN_BOTH(event_index_interrupts_at_the_entry_asked_for);
	RUN_BOTH(event_index_sees_an_entry_in_the_middle_of_a_batch);
	RUN_BOTH(state_goes_round);
	RUN_BOTH(broken_stays_broken_over_state);
	RUN_BOTH(bad_state_is_refused_and_changes_nothing);
	return tap_done();
}
