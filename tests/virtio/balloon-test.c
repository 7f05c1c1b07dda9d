// SPDX-License-Identifier: GPL-2.0-only
/*
 * The balloon over the real core and ring, and what its control command makes of its arguments. [virtio-1.2 5.5]
 * links: util/iov.c virtio/balloon.c virtio/balloon-pages.c virtio/balloon-stats.c control-balloon.c util/json.c util/json-parse.c virtio/core.c virtio/ring.c
 * links: virtio/ring-split.c virtio/ring-packed.c memory.c state.c event.c util/str.c util/log.c util/error.c util/cleanup.c util/io.c
 * links: util/thread.c
 */
#include "tests/virtio/rig.h"

#include "virtio/balloon.h"
#include "vmm/control.h"
#include "vmm/virtio.h"

enum { PAGE = 4096, FIRST_PFN = RAM_BASE / PAGE, END_PFN = (RAM_BASE + RAM_SIZE) / PAGE, BULK_PFN = RAM_BULK / PAGE };
enum { INFLATE, DEFLATE, STATS, HINTS, REPORTING };

#define F(n) BIT_ULL(BALLOON_F_##n)
#define F_ALL (F(STATS_VQ) | F(DEFLATE_ON_OOM) | F(PAGE_POISON) | F(REPORTING))

static struct strbuf out;
static struct json_value nodes[64];

static void setup(void)
{
	rig_up();
	log_set_level(LOG_ERROR);
	rig.vm.mem.host_page = PAGE;
	if (virtio_balloon_create(&rig.vm, NULL) < 0 || !rig_driver(F_ALL))
		abort();
	rig_turns(4);
	memset(ram(RAM_BULK), 0x5a, RAM_BASE + RAM_SIZE - RAM_BULK);
}

static bool page_is(u32 pfn, u8 byte)
{
	const u8 *p = ram((gpa_t)pfn * PAGE);
	unsigned int i;

	for (i = 0; i < PAGE; i++)
		if (p[i] != byte)
			return false;
	return true;
}

/* A list of page numbers at @at, as one chain on @queue. */
static void add_list(unsigned int queue, gpa_t at, const u32 *pfn, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		put_le32(ram(at + 4ULL * i), pfn[i]);
	q_add_at(queue, at, 4 * nr, 0, 0);
}

static bool one(unsigned int queue)
{
	u32 len = 1;

	q_kick(queue);
	return q_take(queue, &len) && !len;
}

static bool inflate(const u32 *pfn, unsigned int nr)
{
	add_list(INFLATE, q_base(INFLATE) + 0x8000, pfn, nr);
	return one(INFLATE);
}
#define inflate_pages(...) inflate((const u32[]){ __VA_ARGS__ }, ARRAY_SIZE(((const u32[]){ __VA_ARGS__ })))

static struct virtio_balloon *balloon(void)
{
	return rig.vm.balloon;
}

static u32 config32(unsigned int off)
{
	u8 v[4];

	virtio_config_read(rig.vdev, off, v, 4);
	return get_le32(v);
}

static void set_config32(unsigned int off, u32 val)
{
	u8 v[4];

	put_le32(v, val);
	virtio_config_write(rig.vdev, off, v, 4);
}

/* The report's tree. */
static const struct json_value *report(bool refresh)
{
	const struct json_value *v;

	strbuf_free(&out);
	json_begin(&out, NULL);
	if (balloon_report(&rig.vm, refresh, &out) < 0)
		return NULL;
	json_end(&out);
	strbuf_add(&out, "", 1);
	rig_turns(4);
	return json_parse(out.s, nodes, ARRAY_SIZE(nodes), &v) < 0 ? NULL : v;
}

/* --- inflate, deflate --- */

TEST(inflated_pages_read_zero_and_their_neighbours_do_not)
{
	CHECK(inflate_pages(BULK_PFN + 3));
	CHECK(page_is(BULK_PFN + 2, 0x5a));
	CHECK(page_is(BULK_PFN + 3, 0));
	CHECK(page_is(BULK_PFN + 4, 0x5a));
	CHECK_EQ(rig.irqs[INFLATE], 1);
	CHECK_EQ(balloon()->discarded_bytes, PAGE);
}

TEST(lists_upwards_downwards_and_mixed)
{
	static const u32 pfn[] = { 10, 11, 12, 30, 29, 28, 27, 50, 40, 51, 41, 12, 13, 60 };
	u32 list[ARRAY_SIZE(pfn)];
	unsigned int i, gone = 0;

	for (i = 0; i < ARRAY_SIZE(pfn); i++)
		list[i] = BULK_PFN + pfn[i];
	CHECK(inflate(list, ARRAY_SIZE(list)));
	for (i = 0; i < ARRAY_SIZE(pfn); i++)
		CHECK(page_is(list[i], 0));
	for (i = 0; i < 64; i++)
		gone += page_is(BULK_PFN + i, 0);
	CHECK_EQ(gone, ARRAY_SIZE(pfn) - 1);	/* one of them came twice */
	CHECK_EQ(balloon()->inflated, ARRAY_SIZE(pfn));
}

TEST(pages_come_back_when_they_are_touched)
{
	u32 pfn = BULK_PFN + 7;

	CHECK(inflate(&pfn, 1));
	add_list(DEFLATE, q_base(DEFLATE) + 0x8000, &pfn, 1);
	CHECK(one(DEFLATE));
	CHECK_EQ(balloon()->deflated, 1);
	memset(ram((gpa_t)pfn * PAGE), 3, PAGE);
	CHECK(page_is(pfn, 3));
}

TEST(pages_outside_ram_are_ignored_and_the_others_are_not)
{
	CHECK(inflate_pages(FIRST_PFN - 1, BULK_PFN, END_PFN, 0, UINT32_MAX, BULK_PFN + 1, END_PFN - 1, END_PFN + 1, 0xfee00));
	CHECK(page_is(BULK_PFN, 0));
	CHECK(page_is(BULK_PFN + 1, 0));
	CHECK(page_is(END_PFN - 1, 0));
	CHECK_EQ(balloon()->ignored, 6);
	CHECK_EQ(balloon()->discarded_bytes, 3 * PAGE);
	CHECK(!(virtio_get_status(rig.vdev) & VIRTIO_S_NEEDS_RESET));
}

TEST(odd_lengths_lose_their_remainder_only)
{
	u32 pfn[2] = { BULK_PFN, BULK_PFN + 5 };
	gpa_t at = q_base(INFLATE) + 0x8000;
	unsigned int len;

	for (len = 1; len < 8; len++) {
		memset(ram(RAM_BULK), 0x5a, 8 * PAGE);
		put_le32(ram(at), pfn[0]);
		put_le32(ram(at + 4), pfn[1]);
		q_add_at(INFLATE, at, len, 0, 0);
		CHECK(one(INFLATE));
		CHECK_EQ(page_is(pfn[0], 0), len >= 4);
		CHECK(page_is(pfn[1], 0x5a));
	}
}

TEST(a_page_number_may_be_split_between_descriptors)
{
	gpa_t at = q_base(INFLATE) + 0x8000;

	put_le32(ram(at), BULK_PFN + 1);
	put_le32(ram(at + 4), BULK_PFN + 9);
	q_desc(INFLATE, 0, at, 3, 1, 1);
	q_desc(INFLATE, 1, at + 3, 3, 1, 2);
	q_desc(INFLATE, 2, at + 6, 2, 0, 0);
	q_publish(INFLATE, 0);
	CHECK(one(INFLATE));
	CHECK(page_is(BULK_PFN + 1, 0));
	CHECK(page_is(BULK_PFN + 9, 0));
}

TEST(buffers_of_the_other_direction_are_ignored_and_completed)
{
	gpa_t at = q_base(INFLATE) + 0x8000;

	put_le32(ram(at), BULK_PFN);
	q_add_at(INFLATE, 0, 0, at, 4);
	CHECK(one(INFLATE));
	q_add_at(INFLATE, 0, 0, at, 0);
	CHECK(one(INFLATE));
	q_add_at(DEFLATE, 0, 0, at, 64);
	CHECK(one(DEFLATE));
	q_add_at(REPORTING, RAM_BULK, PAGE, 0, 0);
	CHECK(one(REPORTING));
	CHECK(page_is(BULK_PFN, 0x5a));
	CHECK_EQ(balloon()->discarded_bytes, 0);
}

/* The list itself, the ring, everything: the guest's own loss. */
TEST(a_list_may_name_its_own_page_and_the_rings)
{
	u32 pfn[2];

	pfn[0] = (u32)((q_base(INFLATE) + 0x8000) / PAGE);
	pfn[1] = (u32)(q_base(INFLATE) / PAGE);
	add_list(INFLATE, q_base(INFLATE) + 0x8000, pfn, 2);
	q_kick(INFLATE);
	CHECK_EQ(balloon()->inflated, 2);
	CHECK(rig_driver(F_ALL));
	CHECK(inflate_pages(BULK_PFN));
	CHECK(page_is(BULK_PFN, 0));
}

/* A list of 2 MiB: half a million pages, each but the last out of reach of its neighbour. */
static void huge_list(void)
{
	u32 *list = ram(RAM_BULK), i;

	for (i = 0; i < 2 * MIB / 4; i++)
		put_le32(list + i, i & 1 ? END_PFN - 2 : END_PFN - 5);
	put_le32(list + i - 1, END_PFN - 9);
	memset(ram((gpa_t)(END_PFN - 9) * PAGE), 0x5a, 9 * PAGE);
	q_add_at(INFLATE, RAM_BULK, 2 * MIB, 0, 0);
}

TEST(a_huge_list_leaves_the_loop_to_others_and_ends)
{
	unsigned int turns = 0;

	huge_list();
	virtio_queue_kicked(rig.vdev, INFLATE);
	rig_turns(1);
	CHECK_EQ(q_completed(INFLATE), 0);
	CHECK(balloon()->inflated && balloon()->inflated < 4096);
	/* meanwhile others have their turn */
	CHECK(!inflate_pages(BULK_PFN + 1));
	add_list(DEFLATE, q_base(DEFLATE) + 0x8000, &turns, 1);
	CHECK(one(DEFLATE));
	while (q_completed(INFLATE) < 2 && turns++ < 10000)
		rig_turns(1);
	CHECK_EQ(q_completed(INFLATE), 2);
	CHECK_EQ(balloon()->inflated, 2 * MIB / 4 + 1);
	CHECK(page_is(END_PFN - 9, 0));
}

TEST(work_in_hand_is_begun_anew_after_a_stop)
{
	unsigned int turns = 0;

	huge_list();
	virtio_queue_kicked(rig.vdev, INFLATE);
	rig_turns(1);
	virtio_dev_stop(rig.vdev);
	CHECK(!balloon()->job[INFLATE].active);
	CHECK_EQ(virtio_queue(rig.vdev, INFLATE)->inflight_cnt, 0);
	rig_turns(4);
	CHECK_EQ(q_completed(INFLATE), 0);
	virtio_dev_start(rig.vdev);
	while (!q_completed(INFLATE) && turns++ < 10000)
		rig_turns(1);
	CHECK_EQ(q_completed(INFLATE), 1);
	CHECK(page_is(END_PFN - 9, 0));
}

TEST(a_reset_in_the_middle_of_a_list)
{
	huge_list();
	virtio_queue_kicked(rig.vdev, INFLATE);
	rig_turns(1);
	CHECK(rig_driver(F_ALL | BIT_ULL(VIRTIO_F_RING_RESET)));
	CHECK(inflate_pages(BULK_PFN));
	huge_list();
	virtio_queue_kicked(rig.vdev, INFLATE);
	rig_turns(1);
	virtio_queue_set_reset(rig.vdev, INFLATE);
	rig_turns(4);
	q_enable(INFLATE);
	CHECK(inflate_pages(BULK_PFN + 1));
	CHECK(page_is(BULK_PFN + 1, 0));
}

TEST(a_storm_of_requests_leaves_the_loop_to_others)
{
	unsigned int i, per_turn;

	for (i = 0; i < Q_SIZE; i++)
		q_add_at(INFLATE, RAM_BULK, 16384, 0, 0);
	virtio_queue_kicked(rig.vdev, INFLATE);
	rig_turns(1);
	per_turn = q_completed(INFLATE);
	CHECK(per_turn >= 1 && per_turn < Q_SIZE);
	rig_turns(4 * Q_SIZE);
	CHECK_EQ(q_completed(INFLATE), Q_SIZE);
	CHECK(q_wants_kicks(INFLATE));
}

TEST(a_broken_ring_breaks_this_device_only_until_reset)
{
	unsigned int i;

	for (i = 0; i < BALLOON_QUEUES; i++) {
		q_publish(i, 999);
		q_kick(i);
		CHECK(virtio_get_status(rig.vdev) & VIRTIO_S_NEEDS_RESET);
		CHECK(rig_driver(F_ALL));
		CHECK(inflate_pages(BULK_PFN));
	}
}

TEST(pinned_memory_stays)
{
	bool pinned = false;

	guest_mem_pin(&rig.vm.mem);
	guest_mem_pin(&rig.vm.mem);
	guest_mem_unpin(&rig.vm.mem);
	CHECK(inflate_pages(BULK_PFN, BULK_PFN + 4));
	q_add_at(REPORTING, 0, 0, RAM_BULK + 8 * PAGE, 4 * PAGE);
	CHECK(one(REPORTING));
	CHECK(page_is(BULK_PFN, 0x5a));
	CHECK(page_is(BULK_PFN + 8, 0x5a));
	CHECK(!json_get_bool(report(false), "pinned", &pinned) && pinned);
	guest_mem_unpin(&rig.vm.mem);
	CHECK(inflate_pages(BULK_PFN));
	CHECK(page_is(BULK_PFN, 0));
}

TEST(host_pages_that_are_larger_go_when_all_of_them_is_in_the_list)
{
	u32 pfn[16];
	unsigned int i;

	rig.vm.mem.host_page = 4 * PAGE;
	for (i = 0; i < 16; i++)
		pfn[i] = (u32)(align_up((uintptr_t)ram(RAM_BULK), 4 * PAGE) - (uintptr_t)ram(RAM_BULK)) / PAGE + BULK_PFN + 3 + i;
	CHECK(inflate(pfn, 16));	/* one page, three whole ones, three pages */
	CHECK_EQ(balloon()->discarded_bytes, 12 * PAGE);
	CHECK(page_is(pfn[0], 0x5a));
	CHECK(page_is(pfn[1], 0));
	CHECK(page_is(pfn[12], 0));
	CHECK(page_is(pfn[13], 0x5a));
}

/* --- free page reports --- */

TEST(reported_pages_read_zero_and_what_is_covered_in_part_stays)
{
	q_desc(REPORTING, 0, RAM_BULK + 100, 3 * PAGE, 3, 1);
	q_desc(REPORTING, 1, RAM_BULK + 8 * PAGE, 2 * PAGE, 3, 2);
	q_desc(REPORTING, 2, RAM_BULK + 16 * PAGE, PAGE - 1, 3, 3);
	q_desc(REPORTING, 3, RAM_BULK + 20 * PAGE + 1, 1, 2, 0);
	q_publish(REPORTING, 0);
	CHECK(one(REPORTING));
	CHECK(page_is(BULK_PFN, 0x5a));
	CHECK(page_is(BULK_PFN + 1, 0));
	CHECK(page_is(BULK_PFN + 2, 0));
	CHECK(page_is(BULK_PFN + 3, 0x5a));
	CHECK(page_is(BULK_PFN + 8, 0));
	CHECK(page_is(BULK_PFN + 9, 0));
	CHECK(page_is(BULK_PFN + 10, 0x5a));
	CHECK(page_is(BULK_PFN + 16, 0x5a));
	CHECK(page_is(BULK_PFN + 20, 0x5a));
	CHECK_EQ(balloon()->discarded_bytes, 4 * PAGE);
	CHECK_EQ(balloon()->reported_bytes, 6 * PAGE);
}

/* [5.5.6.7] */
TEST(a_poisoned_page_keeps_its_poison)
{
	set_config32(12, 0x5a5a5a5a);
	CHECK_EQ(config32(12), 0x5a5a5a5a);
	q_add_at(REPORTING, 0, 0, RAM_BULK, 4 * PAGE);
	CHECK(one(REPORTING));
	CHECK(page_is(BULK_PFN + 1, 0x5a));
	CHECK(inflate_pages(BULK_PFN + 8));	/* the balloon's own pages are written after deflation */
	CHECK(page_is(BULK_PFN + 8, 0));
	set_config32(12, 0);			/* "zeroes" is a value as well */
	q_add_at(REPORTING, 0, 0, RAM_BULK, 4 * PAGE);
	CHECK(one(REPORTING));
	CHECK(page_is(BULK_PFN + 1, 0));
}

TEST(poison_without_its_feature_means_nothing)
{
	CHECK(rig_driver(F(REPORTING)));
	set_config32(12, 0x5a5a5a5a);
	CHECK_EQ(config32(12), 0);
	q_add_at(REPORTING, 0, 0, RAM_BULK, PAGE);
	CHECK(one(REPORTING));
	CHECK(page_is(BULK_PFN, 0));
}

TEST(a_report_of_much_memory_leaves_the_loop_to_others_and_ends)
{
	unsigned int turns = 0;
	u16 i;

	/* The same 8 MiB sixteen times: far more than one run does while the memory is there. */
	for (i = 0; i < Q_SIZE; i++)
		q_desc(REPORTING, i, RAM_BULK, RAM_BASE + RAM_SIZE - RAM_BULK, i < Q_SIZE - 1 ? 3 : 2, (u16)(i + 1));
	q_publish(REPORTING, 0);
	virtio_queue_kicked(rig.vdev, REPORTING);
	while (!q_completed(REPORTING) && turns++ < 100)
		rig_turns(1);
	CHECK(turns >= 1);
	CHECK_EQ(balloon()->reported_bytes, (u64)Q_SIZE * (RAM_BASE + RAM_SIZE - RAM_BULK));
	CHECK(page_is(BULK_PFN, 0));
	CHECK(page_is(END_PFN - 1, 0));
}

/* --- which queue is what [5.5.2] --- */

static bool reports_on(unsigned int queue)
{
	memset(ram(RAM_BULK), 0x5a, PAGE);
	q_add_at(queue, 0, 0, RAM_BULK, PAGE);
	return one(queue) && page_is(BULK_PFN, 0);
}

TEST(reporting_is_queue_4_and_where_linux_puts_it)
{
	CHECK(reports_on(4));
	CHECK(reports_on(3));		/* hints left out of the count */
	CHECK(rig_driver(F(REPORTING)));
	CHECK(reports_on(4));
	CHECK(reports_on(2));		/* statistics too */
}

TEST(a_queue_without_its_feature_is_left_alone)
{
	unsigned int i;

	CHECK(rig_driver(0));
	for (i = 2; i < BALLOON_QUEUES; i++) {
		q_add_at(i, 0, 0, RAM_BULK, PAGE);
		q_kick(i);
		CHECK_EQ(q_completed(i), 0);
	}
	CHECK(page_is(BULK_PFN, 0x5a));
	CHECK(inflate_pages(BULK_PFN));
	CHECK(rig_driver(F(STATS_VQ)));
	q_add_at(4, 0, 0, RAM_BULK, PAGE);
	q_kick(4);
	CHECK_EQ(q_completed(4), 0);
}

TEST(features_are_those_that_make_sense_here)
{
	CHECK_EQ(virtio_get_features(rig.vdev, 0) & 0x3f, F_ALL);
	CHECK(!rig_driver(F_ALL | BIT_ULL(0)));		/* MUST_TELL_HOST */
	CHECK(!rig_driver(F_ALL | BIT_ULL(3)));		/* FREE_PAGE_HINT */
}

/* --- config space --- */

TEST(target_is_told_by_an_interrupt)
{
	u64 v;

	CHECK_EQ(balloon_set_target(&rig.vm, 2 * MIB + 4095), 0);
	CHECK_EQ(rig.config_irqs, 1);
	CHECK_EQ(config32(0), 512);
	CHECK_EQ(balloon_get_target(&rig.vm, &v), 0);
	CHECK_EQ(v, 2 * MIB);
	CHECK_EQ(balloon_set_target(&rig.vm, 2 * MIB), 0);
	CHECK_EQ(rig.config_irqs, 1);	/* nothing new */
	CHECK_EQ(balloon_set_target(&rig.vm, RAM_SIZE), 0);
	CHECK_EQ(balloon_set_target(&rig.vm, RAM_SIZE + PAGE), -ERANGE);
	CHECK_EQ(balloon_set_target(&rig.vm, UINT64_MAX), -ERANGE);
	CHECK_EQ(config32(0), RAM_SIZE / PAGE);
	CHECK_EQ(balloon_set_target(&rig.vm, 0), 0);
	CHECK_EQ(config32(0), 0);
}

TEST(target_outlives_a_reset_and_is_not_the_drivers_to_write)
{
	CHECK_EQ(balloon_set_target(&rig.vm, MIB), 0);
	set_config32(4, 77);
	CHECK_EQ(config32(4), 77);
	CHECK(rig_driver(F_ALL));
	CHECK_EQ(config32(0), 256);
	CHECK_EQ(config32(4), 0);
	set_config32(0, 9);
	set_config32(8, 9);
	CHECK_EQ(config32(0), 256);
	CHECK_EQ(config32(8), 0);
}

/* [5.5.6.2.1] */
TEST(actual_counts_when_its_last_byte_came)
{
	static const u8 v[4] = { 1, 2, 0, 4 };
	unsigned int i;

	for (i = 0; i < 4; i++) {
		CHECK_EQ(config32(4), 0);
		virtio_config_write(rig.vdev, 4 + i, v + i, 1);
	}
	CHECK_EQ(config32(4), 0x04000201);
	virtio_config_write(rig.vdev, 14, v, 4);	/* beyond the end: dropped whole */
	CHECK_EQ(config32(12), 0);
}

TEST(no_interrupt_while_stopped_but_one_at_start)
{
	virtio_dev_stop(rig.vdev);
	CHECK_EQ(balloon_set_target(&rig.vm, MIB), 0);
	CHECK_EQ(rig.config_irqs, 0);
	virtio_dev_start(rig.vdev);
	CHECK_EQ(rig.config_irqs, 1);
	virtio_dev_stop(rig.vdev);
	virtio_dev_start(rig.vdev);
	CHECK_EQ(rig.config_irqs, 1);
}

/* --- statistics --- */

static u8 stat_buf[1024];
static unsigned int stat_len;

static void stat_entry(u16 tag, u64 val)
{
	put_le16(stat_buf + stat_len, tag);
	put_le64(stat_buf + stat_len + 2, val);
	stat_len += 10;
}

static void stat_send(void)
{
	gpa_t at = q_base(STATS) + 0x8000;

	memcpy(ram(at), stat_buf, stat_len);
	q_add_at(STATS, at, stat_len, 0, 0);
	stat_len = 0;
	q_kick(STATS);
}

static u64 number(const struct json_value *o, const char *name)
{
	u64 v;

	return json_get_u64(o, name, UINT64_MAX, &v) < 0 ? UINT64_MAX : v;
}

static u64 stat_now(const char *name)
{
	return number(json_member(report(false), "stats"), name);
}

static u64 stat_seq(void)
{
	return number(report(false), "stats_seq");
}

TEST(stats_are_held_shown_and_asked_for_again)
{
	u32 len;

	CHECK_EQ(stat_seq(), 0);
	CHECK(!json_member(report(false), "stats"));
	stat_entry(4, 1000);
	stat_entry(5, 2000);
	stat_send();
	CHECK_EQ(q_completed(STATS), 0);	/* [5.5.6.3] retained */
	CHECK_EQ(stat_now("free_memory"), 1000);
	CHECK_EQ(stat_now("total_memory"), 2000);
	CHECK_EQ(stat_seq(), 1);
	CHECK(number(report(false), "stats_age_ms") < 1000000);
	CHECK_EQ(rig.irqs[STATS], 0);
	report(true);
	CHECK(q_take(STATS, &len));
	CHECK_EQ(rig.irqs[STATS], 1);
	CHECK_EQ(stat_seq(), 1);		/* asked, not answered */
	report(true);				/* asking again changes nothing */
	CHECK(!q_take(STATS, &len));
	stat_entry(4, 900);
	stat_send();
	CHECK_EQ(stat_seq(), 2);
	CHECK_EQ(stat_now("free_memory"), 900);
	CHECK_EQ(stat_now("total_memory"), -1);	/* not told this time */
	CHECK(!q_take(STATS, &len));
}

TEST(stats_in_any_order_unknown_ones_ignored_the_last_counts)
{
	stat_entry(9, 9);
	stat_entry(0, 1);
	stat_entry(16, 5);
	stat_entry(0xffff, 5);
	stat_entry(0, UINT64_MAX - 1);
	stat_buf[stat_len++] = 7;		/* a remainder */
	stat_send();
	CHECK_EQ(stat_now("hugetlb_failures"), 9);
	CHECK_EQ(stat_now("swap_in"), UINT64_MAX - 1);
	CHECK_EQ(stat_now("swap_out"), -1);
	CHECK_EQ(stat_seq(), 1);
}

TEST(stats_of_strange_lengths)
{
	u32 len;

	stat_send();				/* empty */
	CHECK_EQ(stat_seq(), 1);
	report(true);
	CHECK(q_take(STATS, &len));
	memset(ram(RAM_BULK), 0, 2 * MIB);
	put_le64(ram(RAM_BULK + 642), 5);	/* the 65th entry is not looked at */
	put_le64(ram(RAM_BULK + 632), 4);
	q_add_at(STATS, RAM_BULK, 2 * MIB, 0, 0);
	q_kick(STATS);
	CHECK_EQ(stat_now("swap_in"), 4);
	report(true);
	CHECK(q_take(STATS, &len));
	q_add_at(STATS, 0, 0, RAM_BULK, PAGE);	/* nothing to read */
	q_kick(STATS);
	CHECK_EQ(stat_seq(), 3);
	CHECK_EQ(stat_now("swap_in"), -1);
}

/* [5.5.6.3.1] it must not; nothing goes round in circles for it */
TEST(more_buffers_than_one_answer_one_question_each)
{
	u32 len;

	stat_entry(4, 1);
	stat_send();
	stat_entry(4, 2);
	stat_send();
	CHECK_EQ(stat_now("free_memory"), 1);
	report(true);
	CHECK(q_take(STATS, &len));
	CHECK_EQ(stat_now("free_memory"), 2);
	CHECK_EQ(stat_seq(), 2);
	CHECK(!q_take(STATS, &len));
}

TEST(held_buffer_survives_stop_and_start)
{
	u32 len;

	stat_entry(4, 1);
	stat_send();
	virtio_dev_stop(rig.vdev);
	CHECK_EQ(virtio_queue(rig.vdev, STATS)->inflight_cnt, 0);
	CHECK_EQ(stat_seq(), 1);
	virtio_dev_start(rig.vdev);
	rig_turns(4);
	CHECK_EQ(stat_seq(), 1);		/* the same buffer is nothing new */
	virtio_dev_stop(rig.vdev);
	report(true);
	CHECK_EQ(q_completed(STATS), 0);
	virtio_dev_start(rig.vdev);
	rig_turns(4);
	CHECK(q_take(STATS, &len));		/* asked while stopped, asked now */
	stat_entry(4, 2);
	stat_send();
	CHECK_EQ(stat_seq(), 2);
	CHECK_EQ(stat_now("free_memory"), 2);
}

TEST(held_buffer_is_forgotten_by_resets)
{
	stat_entry(4, 1);
	stat_send();
	CHECK(rig_driver(F_ALL | BIT_ULL(VIRTIO_F_RING_RESET)));
	CHECK_EQ(stat_seq(), 0);
	stat_entry(4, 5);
	stat_send();
	CHECK_EQ(stat_now("free_memory"), 5);
	virtio_queue_set_reset(rig.vdev, STATS);
	report(true);
	q_enable(STATS);
	rig_turns(4);
	stat_entry(4, 6);
	stat_send();
	CHECK_EQ(stat_now("free_memory"), 6);
	CHECK_EQ(q_completed(STATS), 0);	/* it was the answer */
}

/* [5.5.6.3.3] */
TEST(first_buffer_of_a_legacy_driver_is_not_believed)
{
	rig.vdev->legacy = true;
	virtio_set_status(rig.vdev, 0);
	virtio_set_status(rig.vdev, 3);
	virtio_set_accepted(rig.vdev, 0, (u32)F(STATS_VQ));
	memset(ram(RAM_BULK), 0, 0x4000);
	virtio_queue_set_legacy_pfn(rig.vdev, STATS, BULK_PFN, PAGE);
	virtio_set_status(rig.vdev, 7);
	/* its rings: descriptors, available, used on the next page; 128 entries */
	put_le32(ram(RAM_BULK), RAM_BULK + 0x3000);
	put_le32(ram(RAM_BULK + 8), 10);
	put_le16(ram(RAM_BULK + 0x3000), 4);
	put_le64(ram(RAM_BULK + 0x3002), 33);
	put_le16(ram(RAM_BULK + 128 * 16 + 2), 1);
	q_kick(STATS);
	CHECK(balloon()->job[STATS].active);
	CHECK_EQ(stat_seq(), 0);
	report(true);
	CHECK_EQ(get_le16(ram(RAM_BULK + PAGE + 2)), 1);
	put_le16(ram(RAM_BULK + 128 * 16 + 2), 2);
	q_kick(STATS);
	CHECK_EQ(stat_now("free_memory"), 33);
	CHECK_EQ(stat_seq(), 1);
}

/* --- state --- */

static int save_and_load(struct state_writer *w, void (*spoil)(struct state_writer *w))
{
	struct state_reader r;
	u32 version;
	int ret;

	*w = (struct state_writer){ .open = false };
	state_begin(w, "balloon", 1);
	virtio_dev_save(rig.vdev, w);
	state_end(w);
	if (spoil)
		spoil(w);
	state_reader_init(&r, w->buf.s, w->buf.len);
	if (state_open(&r, "balloon", 1, &version) < 0)
		return -EPROTO;
	ret = virtio_dev_load(rig.vdev, &r);
	return ret < 0 ? ret : state_close(&r);
}

TEST(state_goes_round_and_old_stats_are_asked_for_again)
{
	struct state_writer w;
	u32 len;

	CHECK_EQ(balloon_set_target(&rig.vm, MIB), 0);
	set_config32(4, 200);
	set_config32(12, 0xaa);
	stat_entry(4, 1);
	stat_send();
	virtio_dev_stop(rig.vdev);
	CHECK_EQ(save_and_load(&w, NULL), 0);
	state_writer_free(&w);
	virtio_dev_start(rig.vdev);
	rig_turns(4);
	CHECK_EQ(config32(0), 256);
	CHECK_EQ(config32(4), 200);
	CHECK_EQ(config32(12), 0xaa);
	CHECK_EQ(stat_seq(), 0);
	CHECK(q_take(STATS, &len));
	stat_entry(4, 2);
	stat_send();
	CHECK_EQ(stat_now("free_memory"), 2);
	CHECK(inflate_pages(BULK_PFN));
}

/* num_pages is the first of the last three u32 fields, five bytes each */
static void spoil_target(struct state_writer *w)
{
	put_le32(w->buf.s + w->buf.len - 14, RAM_SIZE / PAGE + 1);
}

TEST(a_state_with_a_target_beyond_ram_is_refused)
{
	struct state_writer w;

	virtio_dev_stop(rig.vdev);
	CHECK_EQ(save_and_load(&w, spoil_target), -EBADMSG);
	state_writer_free(&w);
	CHECK(rig_driver(F_ALL));
	CHECK(inflate_pages(BULK_PFN));
}

/* --- the control command --- */

static struct error err;

static int command(const char *args)
{
	static char text[256];
	struct json_value node[16];
	const struct json_value *v;
	int r;

	snprintf(text, sizeof(text), "%s", args);
	if (json_parse(text, node, ARRAY_SIZE(node), &v) < 0)
		return -EPROTO;
	strbuf_free(&out);
	err.msg[0] = 0;
	json_begin(&out, NULL);
	r = control_cmd_balloon(&rig.vm, v, &out, &err);
	json_end(&out);
	strbuf_add(&out, "", 1);
	return r;
}

TEST(command_changes_the_target)
{
	u64 v;

	CHECK_EQ(command("{\"inflate\":3145728}"), 0);
	CHECK_EQ(balloon_get_target(&rig.vm, &v), 0);
	CHECK_EQ(v, 3 * MIB);
	CHECK_EQ(command("{\"deflate\":1048576}"), 0);
	balloon_get_target(&rig.vm, &v);
	CHECK_EQ(v, 2 * MIB);
	CHECK_EQ(command("{\"target\":8388608}"), 0);
	balloon_get_target(&rig.vm, &v);
	CHECK_EQ(v, RAM_SIZE);
	CHECK_EQ(command("{\"target\":0}"), 0);
	CHECK(strstr(out.s, "target"));
	CHECK(strstr(out.s, "\"driver\""));
	CHECK_EQ(command("{}"), 0);
	balloon_get_target(&rig.vm, &v);
	CHECK_EQ(v, 0);
	CHECK_EQ(command("{\"refresh\":true}"), 0);
}

TEST(command_refuses_what_cannot_be)
{
	static const struct { const char *args; int r; const char *says; } bad[] = {
		{ "{\"inflate\":8388609}", -ERANGE, "inflate by 8M" }, { "{\"inflate\":18446744073709551615}", -ERANGE, "of the guest's 8M" },
		{ "{\"deflate\":1048577}", -ERANGE, "its target is 1M" }, { "{\"target\":9437184}", -ERANGE, "target 9M" },
		{ "{\"target\":-1}", -EINVAL, "target" }, { "{\"target\":\"1\"}", -EINVAL, "target" },
		{ "{\"inflate\":1,\"deflate\":1}", -EINVAL, "only one" }, { "{\"refresh\":1}", -EINVAL, "refresh" },
	};
	unsigned int i;
	u64 v;

	CHECK_EQ(balloon_set_target(&rig.vm, MIB), 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_EQ(command(bad[i].args), bad[i].r);
		CHECK(strstr(err.msg, bad[i].says));
		CHECK_EQ(balloon_get_target(&rig.vm, &v), 0);
		CHECK_EQ(v, MIB);
	}
}

TEST(without_a_balloon_all_of_it_says_so)
{
	u64 v;

	rig_up();
	CHECK_EQ(balloon_set_target(&rig.vm, 0), -ENODEV);
	CHECK_EQ(balloon_get_target(&rig.vm, &v), -ENODEV);
	CHECK_EQ(balloon_report(&rig.vm, true, &out), -ENODEV);
	CHECK_EQ(command("{\"target\":0}"), -ENODEV);
	CHECK(strstr(err.msg, "no balloon"));
	rig.refuse = true;
	CHECK_EQ(virtio_balloon_create(&rig.vm, &err), -ENOSPC);
	CHECK(!rig.vm.balloon);
	rig_down();
}

TEST(counters_are_members_of_the_devices_stats)
{
	CHECK(inflate_pages(BULK_PFN, 1));
	strbuf_free(&out);
	json_begin(&out, NULL);
	virtio_dev_stats(rig.vdev, &out);
	json_end(&out);
	strbuf_add(&out, "", 1);
	CHECK(!out.failed);
	CHECK(strstr(out.s, "\"discarded\""));
	CHECK(strstr(out.s, "\"ignored\""));
}

static void with_device(const char *name, void (*fn)(void))
{
	setup();
	stat_len = 0;
	tap_run(name, fn);
	rig_down();
	strbuf_free(&out);
	out = (struct strbuf){ 0 };
}
#define RUN_DEV(name) with_device(#name, name)

int main(void)
{
	RUN_DEV(inflated_pages_read_zero_and_their_neighbours_do_not);
	RUN_DEV(lists_upwards_downwards_and_mixed);
	RUN_DEV(pages_come_back_when_they_are_touched);
	RUN_DEV(pages_outside_ram_are_ignored_and_the_others_are_not);
	RUN_DEV(odd_lengths_lose_their_remainder_only);
	RUN_DEV(a_page_number_may_be_split_between_descriptors);
	RUN_DEV(buffers_of_the_other_direction_are_ignored_and_completed);
	RUN_DEV(a_list_may_name_its_own_page_and_the_rings);
	RUN_DEV(a_huge_list_leaves_the_loop_to_others_and_ends);
	RUN_DEV(work_in_hand_is_begun_anew_after_a_stop);
	RUN_DEV(a_reset_in_the_middle_of_a_list);
	RUN_DEV(a_storm_of_requests_leaves_the_loop_to_others);
	RUN_DEV(a_broken_ring_breaks_this_device_only_until_reset);
	RUN_DEV(pinned_memory_stays);
	RUN_DEV(host_pages_that_are_larger_go_when_all_of_them_is_in_the_list);
	RUN_DEV(reported_pages_read_zero_and_what_is_covered_in_part_stays);
	RUN_DEV(a_poisoned_page_keeps_its_poison);
	RUN_DEV(poison_without_its_feature_means_nothing);
	RUN_DEV(a_report_of_much_memory_leaves_the_loop_to_others_and_ends);
	RUN_DEV(reporting_is_queue_4_and_where_linux_puts_it);
	RUN_DEV(a_queue_without_its_feature_is_left_alone);
	RUN_DEV(features_are_those_that_make_sense_here);
	RUN_DEV(target_is_told_by_an_interrupt);
	RUN_DEV(target_outlives_a_reset_and_is_not_the_drivers_to_write);
	RUN_DEV(actual_counts_when_its_last_byte_came);
	RUN_DEV(no_interrupt_while_stopped_but_one_at_start);
	RUN_DEV(stats_are_held_shown_and_asked_for_again);
	RUN_DEV(stats_in_any_order_unknown_ones_ignored_the_last_counts);
	RUN_DEV(stats_of_strange_lengths);
	RUN_DEV(more_buffers_than_one_answer_one_question_each);
	RUN_DEV(held_buffer_survives_stop_and_start);
	RUN_DEV(held_buffer_is_forgotten_by_resets);
	RUN_DEV(first_buffer_of_a_legacy_driver_is_not_believed);
	RUN_DEV(state_goes_round_and_old_stats_are_asked_for_again);
	RUN_DEV(a_state_with_a_target_beyond_ram_is_refused);
	RUN_DEV(command_changes_the_target);
	RUN_DEV(command_refuses_what_cannot_be);
	RUN_DEV(counters_are_members_of_the_devices_stats);
	RUN(without_a_balloon_all_of_it_says_so);
	return tap_done();
}
