/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The bus: who answers, how accesses are cut, what removal promises, and all of it under threads.
 *
 * links: iomap.c mmio.c ioport.c util/log.c util/io.c
 */
#include "vmm/iomap.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>

#include "tap.h"
#include "util/endian.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

static _Thread_local struct vcpu *current;

struct vcpu *vcpu_current(void)
{
	return current;
}

/* A region that writes down what reached it and answers its tag in every byte. */
struct probe {
	struct io_region region;
	u8 tag;
	unsigned int calls;
	struct { u64 off, val; unsigned int size; bool is_write; } log[16];
};

static void probe_note(struct probe *p, u64 off, u64 val, unsigned int size, bool is_write)
{
	if (p->calls < 16) {
		p->log[p->calls].off = off;
		p->log[p->calls].val = val;
		p->log[p->calls].size = size;
		p->log[p->calls].is_write = is_write;
	}
	p->calls++;
}

static u64 probe_read(struct io_region *r, u64 off, unsigned int size)
{
	struct probe *p = container_of(r, struct probe, region);

	probe_note(p, off, 0, size, false);
	return 0x0101010101010101ULL * p->tag;	/* more than asked for: the bus cuts it */
}

static void probe_write(struct io_region *r, u64 off, u64 val, unsigned int size)
{
	probe_note(container_of(r, struct probe, region), off, val, size, true);
}

static const struct io_ops ops_1 = { .read = probe_read, .write = probe_write, .sizes = 1 };
static const struct io_ops ops_4 = { .read = probe_read, .write = probe_write, .sizes = 4 };
static const struct io_ops ops_124 = { .read = probe_read, .write = probe_write, .sizes = 1 | 2 | 4 };
static const struct io_ops ops_1248 = { .read = probe_read, .write = probe_write, .sizes = 1 | 2 | 4 | 8 };

struct bench {
	struct io_map map;
	struct io_reader rd;
};

static void bench_init(struct bench *b, u64 limit)
{
	memset(b, 0, sizeof(*b));
	if (io_map_init(&b->map, limit) < 0)
		abort();
	io_reader_add(&b->map, &b->rd);
}

static void bench_free(struct bench *b)
{
	io_reader_del(&b->map, &b->rd);
	io_map_free(&b->map);
}

static int add(struct bench *b, struct probe *p, u8 tag, u64 base, u64 size, const struct io_ops *ops)
{
	*p = (struct probe){ .tag = tag };
	return io_map_add(&b->map, &p->region, base, size, ops, NULL);
}

static u64 rd(struct bench *b, u64 addr, unsigned int size)
{
	u64 val = 0x5555555555555555ULL;

	io_map_read(&b->map, &b->rd, addr, size, &val);
	return val;
}

TEST(unclaimed_reads_ones_and_drops_writes)
{
	struct bench b;
	u64 val = 0;

	bench_init(&b, ~0ULL);
	CHECK(!io_map_read(&b.map, &b.rd, 0x1000, 4, &val));
	CHECK_EQ(val, 0xffffffff);
	CHECK(!io_map_read(&b.map, &b.rd, 0, 8, &val));
	CHECK_EQ(val, -1);
	CHECK(!io_map_write(&b.map, &b.rd, 0x1000, 4, 1));
	bench_free(&b);
}

TEST(access_reaches_its_region_with_offset_and_size)
{
	struct bench b;
	struct probe p;
	u64 val;

	bench_init(&b, ~0ULL);
	CHECK_EQ(add(&b, &p, 0xa1, 0x1000, 0x100, &ops_1248), 0);
	CHECK(io_map_read(&b.map, &b.rd, 0x1010, 2, &val));
	CHECK_EQ(val, 0xa1a1);
	CHECK_EQ(p.log[0].off, 0x10);
	CHECK_EQ(p.log[0].size, 2);
	CHECK(io_map_write(&b.map, &b.rd, 0x10f8, 8, 0x1122334455667788ULL));
	CHECK_EQ(p.log[1].off, 0xf8);
	CHECK_EQ(p.log[1].val, 0x1122334455667788ULL);
	CHECK(p.log[1].is_write);
	CHECK_EQ(rd(&b, 0xfff, 1), 0xff);
	CHECK_EQ(rd(&b, 0x1100, 1), 0xff);
	CHECK_EQ(p.calls, 2);
	bench_free(&b);
}

TEST(access_wider_than_the_region_takes_is_cut_lowest_first)
{
	struct bench b;
	struct probe p;

	bench_init(&b, ~0ULL);
	add(&b, &p, 0xa1, 0x1000, 0x100, &ops_124);
	CHECK(io_map_write(&b.map, &b.rd, 0x1008, 8, 0x1122334455667788ULL));
	CHECK_EQ(p.calls, 2);
	CHECK_EQ(p.log[0].off, 8);
	CHECK_EQ(p.log[0].size, 4);
	CHECK_EQ(p.log[0].val, 0x55667788);
	CHECK_EQ(p.log[1].off, 12);
	CHECK_EQ(p.log[1].val, 0x11223344);
	io_map_del(&b.map, &p.region, NULL);

	add(&b, &p, 0xa1, 0x1000, 0x100, &ops_1);
	CHECK_EQ(rd(&b, 0x1000, 4), 0xa1a1a1a1);
	CHECK_EQ(p.calls, 4);
	CHECK_EQ(p.log[3].off, 3);
	bench_free(&b);
}

TEST(misaligned_access_is_cut_into_aligned_pieces)
{
	struct bench b;
	struct probe p;

	bench_init(&b, ~0ULL);
	add(&b, &p, 0xa1, 0x1000, 0x100, &ops_124);
	CHECK(io_map_write(&b.map, &b.rd, 0x1003, 4, 0x44332211));
	CHECK_EQ(p.calls, 3);
	CHECK_EQ(p.log[0].off, 3);
	CHECK_EQ(p.log[0].size, 1);
	CHECK_EQ(p.log[0].val, 0x11);
	CHECK_EQ(p.log[1].off, 4);
	CHECK_EQ(p.log[1].size, 2);
	CHECK_EQ(p.log[1].val, 0x3322);
	CHECK_EQ(p.log[2].off, 6);
	CHECK_EQ(p.log[2].val, 0x44);
	bench_free(&b);
}

TEST(access_smaller_than_the_region_takes_reads_ones)
{
	struct bench b;
	struct probe p;
	u64 val;

	bench_init(&b, ~0ULL);
	add(&b, &p, 0, 0x1000, 0x100, &ops_4);
	CHECK(!io_map_read(&b.map, &b.rd, 0x1000, 1, &val));
	CHECK_EQ(val, 0xff);
	CHECK(!io_map_read(&b.map, &b.rd, 0x1002, 4, &val));	/* no whole register in it */
	CHECK_EQ(val, 0xffffffff);
	CHECK(!io_map_write(&b.map, &b.rd, 0x1004, 2, 0));
	CHECK_EQ(p.calls, 0);
	CHECK(!io_map_read(&b.map, &b.rd, 0x1001, 8, &val));	/* 3 bytes, a register, 1 byte */
	CHECK_EQ(val, 0xff00000000ffffffULL);
	CHECK_EQ(p.calls, 1);
	CHECK_EQ(p.log[0].off, 4);
	bench_free(&b);
}

TEST(straddling_access_reaches_both_regions)
{
	struct bench b;
	struct probe p, q;
	u64 val;

	bench_init(&b, ~0ULL);
	add(&b, &p, 0xa1, 0x1000, 2, &ops_124);
	add(&b, &q, 0xb2, 0x1002, 1, &ops_124);
	CHECK(!io_map_read(&b.map, &b.rd, 0x1000, 4, &val));
	CHECK_EQ(val, 0xffb2a1a1);
	CHECK_EQ(p.log[0].size, 2);
	CHECK_EQ(q.log[0].size, 1);
	CHECK(!io_map_read(&b.map, &b.rd, 0xffe, 4, &val));
	CHECK_EQ(val, 0xa1a1ffff);
	bench_free(&b);
}

TEST(access_over_the_end_of_the_space_does_not_wrap)
{
	struct bench b;
	struct probe lo, hi;
	u64 val;

	bench_init(&b, ~0ULL);
	CHECK_EQ(add(&b, &lo, 0x11, 0, 16, &ops_1), 0);
	CHECK_EQ(add(&b, &hi, 0x22, ~0ULL - 15, 16, &ops_1), 0);
	CHECK(!io_map_read(&b.map, &b.rd, ~0ULL - 1, 4, &val));
	CHECK_EQ(val, 0xffff2222);
	CHECK_EQ(lo.calls, 0);
	bench_free(&b);

	bench_init(&b, 0xffff);
	CHECK_EQ(add(&b, &hi, 0x22, 0xfff0, 16, &ops_1), 0);
	CHECK(!io_map_read(&b.map, &b.rd, 0xfffe, 4, &val));
	CHECK_EQ(val, 0xffff2222);
	bench_free(&b);
}

TEST(the_first_byte_decides_who_gets_an_access)
{
	struct bench b;
	struct probe reset, address;

	bench_init(&b, 0xffff);
	add(&b, &reset, 0x99, 0xcf9, 1, &ops_1);
	add(&b, &address, 0xcf, 0xcf8, 4, &ops_4);
	CHECK(io_map_write(&b.map, &b.rd, 0xcf8, 4, 0x80000000));
	CHECK_EQ(address.calls, 1);
	CHECK_EQ(address.log[0].val, 0x80000000);
	CHECK_EQ(reset.calls, 0);
	CHECK_EQ(rd(&b, 0xcf9, 1), 0x99);
	CHECK_EQ(rd(&b, 0xcf8, 4), 0xcfcfcfcf);
	bench_free(&b);
}

TEST(adding_refuses_what_does_not_fit)
{
	struct io_overlap other = { .name = "untouched" };
	struct bench b;
	struct probe p;

	bench_init(&b, 0xffff);
	CHECK_EQ(add(&b, &p, 1, 0, 0, &ops_1), -EINVAL);
	CHECK_EQ(add(&b, &p, 1, 0x10000, 1, &ops_1), -EINVAL);
	CHECK_EQ(add(&b, &p, 1, 0xfff0, 17, &ops_1), -EINVAL);
	CHECK_EQ(add(&b, &p, 1, 0xfff0, ~0ULL, &ops_1), -EINVAL);
	CHECK_EQ(add(&b, &p, 1, ~0ULL, 2, &ops_1), -EINVAL);
	CHECK(!p.region.mapped);
	CHECK_EQ(add(&b, &p, 1, 0, 0x10000, &ops_1), 0);
	CHECK_EQ(io_map_add(&b.map, &p.region, 0, 1, &ops_1, &other), -EBUSY);
	CHECK_STR(other.name, "untouched");
	CHECK_EQ(rd(&b, 0xffff, 1), 1);
	bench_free(&b);
}

TEST(removing_what_is_not_mapped_does_nothing)
{
	struct probe p = { .tag = 1 };
	struct bench b;

	bench_init(&b, 0xffff);
	io_map_del(&b.map, &p.region, NULL);
	CHECK_EQ(b.map.nr_regions, 0);
	bench_free(&b);
}

/* [BAR reassignment] when one of two overlapping regions leaves, the other answers */
TEST(overlap_first_mapped_answers_until_it_leaves)
{
	struct io_overlap other;
	struct bench b;
	struct probe p, q;

	bench_init(&b, ~0ULL);
	add(&b, &p, 0xa1, 0x1000, 0x100, &ops_1248);
	q = (struct probe){ .tag = 0xb2, .region.name = "a region with a very long name" };
	CHECK_EQ(io_map_add(&b.map, &q.region, 0x1080, 0x100, &ops_1248, &other), 0);
	CHECK_STR(other.name, "another region");
	CHECK_EQ(other.base, 0x1000);
	CHECK_EQ(rd(&b, 0x107f, 1), 0xa1);
	CHECK_EQ(rd(&b, 0x1080, 1), 0xa1);
	CHECK_EQ(rd(&b, 0x1100, 1), 0xb2);
	io_map_del(&b.map, &p.region, NULL);
	CHECK(!p.region.mapped);
	CHECK_EQ(rd(&b, 0x107f, 1), 0xff);
	CHECK_EQ(rd(&b, 0x1080, 1), 0xb2);
	CHECK_EQ(q.log[1].off, 0);
	/* back, but younger now */
	CHECK_EQ(io_map_add(&b.map, &p.region, 0x1000, 0x100, &ops_1248, &other), 0);
	CHECK_STR(other.name, "a region with a very lo");
	CHECK_EQ(rd(&b, 0x1080, 1), 0xb2);
	CHECK_EQ(rd(&b, 0x107f, 1), 0xa1);
	bench_free(&b);
}

TEST(no_overlap_is_told_for_neighbours)
{
	struct io_overlap other = { .name = "x" };
	struct probe p, q = { .tag = 2 };
	struct bench b;

	bench_init(&b, ~0ULL);
	add(&b, &p, 1, 0x1000, 0x100, &ops_1);
	CHECK_EQ(io_map_add(&b.map, &q.region, 0x1100, 0x100, &ops_1, &other), 0);
	CHECK_STR(other.name, "");
	bench_free(&b);
}

static u32 seed = 1;

static u32 rnd(u32 below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

/* Against the plain reading of the contract: each byte belongs to the oldest region that covers it. */
TEST(any_order_of_changes_answers_as_the_contract_says)
{
	enum { SPACE = 64, REGIONS = 12 };
	struct probe p[REGIONS] = { 0 };
	unsigned int age[REGIONS] = { 0 }, clock = 0, step, i, at, best;
	struct bench b;

	bench_init(&b, SPACE - 1);
	for (step = 0; step < 20000; step++) {
		i = rnd(REGIONS);
		if (p[i].region.mapped) {
			io_map_del(&b.map, &p[i].region, NULL);
		} else {
			u64 base = rnd(SPACE);

			CHECK_EQ(add(&b, &p[i], (u8)(i + 1), base, 1 + rnd((u32)(SPACE - base)), &ops_1), 0);
			age[i] = ++clock;
		}
		for (at = 0; at < SPACE; at++) {
			best = REGIONS;
			for (i = 0; i < REGIONS; i++)
				if (p[i].region.mapped && at >= p[i].region.base &&
				    at - p[i].region.base < p[i].region.size && (best == REGIONS || age[i] < age[best]))
					best = i;
			CHECK_EQ(rd(&b, at, 1), best == REGIONS ? 0xff : best + 1);
		}
	}
	CHECK(!b.map.retired);	/* nobody was searching at the last change */
	bench_free(&b);
}

/* --- vCPU exits --- */

struct machine {
	struct vm vm;
	struct vcpu vcpu[4];
};

static struct machine *machine_new(void)
{
	struct machine *m = calloc(1, sizeof(*m));
	unsigned int i, s;

	if (!m || io_map_init(&m->vm.io[IO_MMIO], ~0ULL) < 0 || io_map_init(&m->vm.io[IO_PORT], 0xffff) < 0)
		abort();
	for (i = 0; i < 4; i++) {
		m->vcpu[i].vm = &m->vm;
		for (s = 0; s < IO_SPACES; s++)
			io_reader_add(&m->vm.io[s], &m->vcpu[i].reader[s]);
	}
	return m;
}

static void machine_free(struct machine *m)
{
	io_map_free(&m->vm.io[IO_MMIO]);
	io_map_free(&m->vm.io[IO_PORT]);
	free(m);
}

TEST(mmio_exit_of_any_length_is_served)
{
	struct machine *m = machine_new();
	struct probe p = { .tag = 0xa1 };
	u8 data[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };

	CHECK_EQ(io_map_region(&m->vm, &p.region, IO_MMIO, 0x1000, 0x100, &ops_124, "p"), 0);
	mmio_access(&m->vcpu[0], 0x1000, data, 3, true);
	CHECK_EQ(p.calls, 2);
	CHECK_EQ(p.log[0].val, 0x0201);
	CHECK_EQ(p.log[1].val, 0x03);
	memset(data, 0, sizeof(data));
	mmio_access(&m->vcpu[0], 0x10fd, data, 5, false);
	CHECK_EQ(get_le64(data), 0xffffa1a1a1ULL);
	io_unmap_region(&m->vm, &p.region);
	machine_free(m);
}

TEST(string_port_access_is_so_many_single_ones_in_order)
{
	struct machine *m = machine_new();
	struct probe p = { .tag = 0xa1 };
	u8 data[6] = { 1, 2, 3, 4, 5, 6 };

	CHECK_EQ(io_map_region(&m->vm, &p.region, IO_PORT, 0x3f8, 8, &ops_124, "p"), 0);
	ioport_access(&m->vcpu[0], 0x3f8, data, 2, 3, true);
	CHECK_EQ(p.calls, 3);
	CHECK_EQ(p.log[0].val, 0x0201);
	CHECK_EQ(p.log[2].val, 0x0605);
	CHECK_EQ(p.log[2].off, 0);
	ioport_access(&m->vcpu[0], 0x3f9, data, 1, 6, false);
	CHECK_EQ(data[5], 0xa1);
	ioport_access(&m->vcpu[0], 0x80, data, 1, 2, false);
	CHECK_EQ(data[1], 0xff);
	CHECK_EQ(data[2], 0xa1);
	machine_free(m);
}

TEST(ports_answer_in_their_window_in_memory)
{
	struct machine *m = machine_new();
	struct probe p = { .tag = 0xa1 };
	u8 data[8] = { 1, 2, 3, 4 };

	CHECK_EQ(ioport_window_create(&m->vm, 0x10000000), 0);
	CHECK_EQ(io_map_region(&m->vm, &p.region, IO_PORT, 0x6200, 0x100, &ops_124, "p"), 0);
	current = &m->vcpu[0];
	mmio_access(&m->vcpu[0], 0x10006204, data, 4, true);
	CHECK(p.calls == 1 && p.log[0].is_write && p.log[0].off == 4 && p.log[0].size == 4 && p.log[0].val == 0x04030201);
	mmio_access(&m->vcpu[0], 0x10006208, data, 2, false);
	CHECK(p.calls == 2 && get_le16(data) == 0xa1a1);
	mmio_access(&m->vcpu[0], 0x10006300, data, 4, false);
	CHECK_EQ(get_le32(data), 0xffffffff);
	mmio_access(&m->vcpu[0], 0x1000ffff, data, 1, false);
	CHECK_EQ(data[0], 0xff);
	CHECK_EQ(ioport_window_create(&m->vm, 0x20000000), -EBUSY);
	current = NULL;
	io_unmap_region(&m->vm, &p.region);
	io_unmap_region(&m->vm, &m->vm.port_window);
	machine_free(m);
}

TEST(mapping_a_mapped_region_again_is_refused)
{
	struct machine *m = machine_new();
	struct probe p = { .tag = 0xa1 };

	CHECK_EQ(io_map_region(&m->vm, &p.region, IO_PORT, 0x3f8, 8, &ops_1, "p"), 0);
	CHECK_EQ(io_map_region(&m->vm, &p.region, IO_MMIO, 0, 8, &ops_1, "q"), -EBUSY);
	CHECK_EQ(p.region.space, IO_PORT);
	CHECK_STR(p.region.name, "p");
	io_unmap_region(&m->vm, &p.region);
	io_unmap_region(&m->vm, &p.region);
	CHECK_EQ(m->vm.io[IO_PORT].nr_regions, 0);
	machine_free(m);
}

/* --- threads --- */

struct slow {
	struct io_region region;
	sem_t entered, go;
	_Atomic bool done;
};

static u64 slow_read(struct io_region *r, u64 off, unsigned int size)
{
	struct slow *s = container_of(r, struct slow, region);

	sem_post(&s->entered);
	sem_wait(&s->go);
	atomic_store(&s->done, true);
	return 0x5a5a5a5a;
}

static const struct io_ops slow_ops = { .read = slow_read, .sizes = 4 };

struct removal {
	struct machine *m;
	struct slow *s;
	_Atomic bool returned;
	bool done_before_return;
	u8 data[8];		/* read, @len bytes */
	unsigned int len;
};

static void *read_slow(void *arg)
{
	struct removal *rem = arg;

	current = &rem->m->vcpu[0];
	mmio_access(current, 0x1000, rem->data, rem->len, false);
	return NULL;
}

static void *remove_slow(void *arg)
{
	struct removal *rem = arg;

	current = &rem->m->vcpu[1];
	io_unmap_region(&rem->m->vm, &rem->s->region);
	rem->done_before_return = atomic_load(&rem->s->done);
	atomic_store(&rem->returned, true);
	return NULL;
}

TEST(removal_waits_for_a_running_handler)
{
	struct machine *m = machine_new();
	struct slow s = { .done = false };
	struct removal rem = { .m = m, .s = &s, .len = 4 };
	struct probe other = { .tag = 7 };
	pthread_t reader, remover;
	u8 data[4];

	sem_init(&s.entered, 0, 0);
	sem_init(&s.go, 0, 0);
	io_map_region(&m->vm, &s.region, IO_MMIO, 0x1000, 4, &slow_ops, "slow");
	pthread_create(&reader, NULL, read_slow, &rem);
	sem_wait(&s.entered);
	pthread_create(&remover, NULL, remove_slow, &rem);
	while (!atomic_load(&m->vm.io[IO_MMIO].waiters))
		sched_yield();
	/* it is gone for others already, and the map can be changed meanwhile */
	mmio_access(&m->vcpu[2], 0x1000, data, 4, false);
	CHECK_EQ(get_le32(data), 0xffffffff);
	CHECK_EQ(io_map_region(&m->vm, &other.region, IO_MMIO, 0x1000, 4, &ops_4, "other"), 0);
	mmio_access(&m->vcpu[2], 0x1000, data, 4, false);
	CHECK_EQ(get_le32(data), 0x07070707);
	CHECK(!atomic_load(&rem.returned));
	/* and not to be mapped again before its removal is through */
	CHECK_EQ(io_map_add(&m->vm.io[IO_MMIO], &s.region, 0, 4, &slow_ops, NULL), -EBUSY);
	sem_post(&s.go);
	pthread_join(remover, NULL);
	pthread_join(reader, NULL);
	CHECK(rem.done_before_return);
	CHECK(!s.region.mapped);
	machine_free(m);
}

TEST(read_in_pieces_is_whole_though_its_region_leaves)
{
	struct machine *m = machine_new();
	struct slow s = { .done = false };
	struct removal rem = { .m = m, .s = &s, .len = 8 };
	pthread_t reader, remover;

	sem_init(&s.entered, 0, 0);
	sem_init(&s.go, 0, 0);
	io_map_region(&m->vm, &s.region, IO_MMIO, 0x1000, 8, &slow_ops, "slow");
	pthread_create(&reader, NULL, read_slow, &rem);
	sem_wait(&s.entered);
	pthread_create(&remover, NULL, remove_slow, &rem);
	while (!atomic_load(&m->vm.io[IO_MMIO].waiters))
		sched_yield();
	/* between its two dwords the region is gone for everybody else */
	sem_post(&s.go);
	sem_post(&s.go);
	pthread_join(remover, NULL);
	pthread_join(reader, NULL);
	CHECK_EQ(get_le64(rem.data), 0x5a5a5a5a5a5a5a5aULL);
	machine_free(m);
}

struct remover {
	struct io_region region;
	struct vm *vm;
	struct io_region *victim;
};

static void remover_write(struct io_region *r, u64 off, u64 val, unsigned int size)
{
	struct remover *rem = container_of(r, struct remover, region);

	io_unmap_region(rem->vm, rem->victim);
}

static const struct io_ops remover_ops = { .write = remover_write, .sizes = 4 };

TEST(handler_may_unmap_its_own_region)
{
	struct machine *m = machine_new();
	struct remover rem = { .vm = &m->vm, .victim = &rem.region };
	u8 data[4] = { 0 };

	io_map_region(&m->vm, &rem.region, IO_MMIO, 0x1000, 4, &remover_ops, "rem");
	current = &m->vcpu[0];
	mmio_access(current, 0x1000, data, 4, true);
	current = NULL;
	CHECK(!rem.region.mapped);
	machine_free(m);
}

enum { READERS = 2, MOVES = 10000, SLOTS = 8 };

/*
 * A region that knows whether it may be called. @live is plain memory on purpose: the thread sanitizer sees
 * whether removal orders the last handler before what comes after it.
 */
struct victim {
	struct io_region region;
	bool live;
	u32 cookie;
};

static _Atomic unsigned int violations;

static u64 victim_read(struct io_region *r, u64 off, unsigned int size)
{
	struct victim *v = container_of(r, struct victim, region);

	if (!v->live)
		atomic_fetch_add(&violations, 1);
	return v->cookie >> off * 8;
}

/* bytes too, so that a read that missed its first byte could get the others */
static const struct io_ops victim_ops = { .read = victim_read, .sizes = 1 | 2 | 4 };

/* Config space, as far as the bus can tell: a permanent region whose handler moves its own victim. */
struct mover {
	struct io_region region;
	struct vm *vm;
	struct victim *victim;
};

static void mover_write(struct io_region *r, u64 off, u64 val, unsigned int size)
{
	struct mover *mv = container_of(r, struct mover, region);
	struct victim *v = mv->victim;

	io_unmap_region(mv->vm, &v->region);
	v->live = false;
	v->cookie = 0xdead;
	free(v);		/* nobody may be in it */
	v = calloc(1, sizeof(*v));
	if (!v)
		abort();
	v->live = true;
	v->cookie = 0x600d;
	mv->victim = v;
	if (io_map_region(mv->vm, &v->region, IO_MMIO, 0x1000 + 4 * (val % SLOTS), 4, &victim_ops, "victim") < 0)
		abort();
}

static const struct io_ops mover_ops = { .write = mover_write, .sizes = 4 };

struct job {
	struct machine *m;
	unsigned int index;
	struct mover *mover;
};

static _Atomic bool stop;

static void *move_job(void *arg)
{
	struct job *j = arg;
	u32 state = j->index + 1;
	u8 data[4];
	int i;

	current = &j->m->vcpu[j->index];
	for (i = 0; i < MOVES; i++) {
		state = state * 1664525 + 1013904223;
		put_le32(data, state >> 8);
		mmio_access(current, 0x100000 + 0x1000 * j->index, data, 4, true);
	}
	return NULL;
}

static void *read_job(void *arg)
{
	struct job *j = arg;
	u32 at = 0, val;
	u8 data[4];

	current = &j->m->vcpu[j->index];
	while (!atomic_load(&stop)) {
		mmio_access(current, 0x1000 + 4 * (at++ % SLOTS), data, 4, false);
		val = get_le32(data);
		if (val != 0x600d && val != 0xffffffff)
			atomic_fetch_add(&violations, 1);
	}
	return NULL;
}

TEST(regions_move_from_two_handlers_at_once_while_others_read)
{
	struct machine *m = machine_new();
	struct mover mover[2] = { 0 };
	struct io_snapshot *s;
	pthread_t thread[2 + READERS];
	struct job job[2 + READERS];
	unsigned int i;

	log_set_level(LOG_ERROR);	/* overlaps are part of it */
	for (i = 0; i < 2; i++) {
		mover[i].vm = &m->vm;
		mover[i].victim = calloc(1, sizeof(struct victim));
		mover[i].victim->live = true;
		mover[i].victim->cookie = 0x600d;
		io_map_region(&m->vm, &mover[i].victim->region, IO_MMIO, 0x1000 + 4 * i, 4, &victim_ops, "victim");
		io_map_region(&m->vm, &mover[i].region, IO_MMIO, 0x100000 + 0x1000 * i, 4, &mover_ops, "mover");
	}
	atomic_store(&stop, false);
	for (i = 0; i < 2 + READERS; i++) {
		job[i] = (struct job){ m, i, i < 2 ? &mover[i] : NULL };
		pthread_create(&thread[i], NULL, i < 2 ? move_job : read_job, &job[i]);
	}
	for (i = 0; i < 2 + READERS; i++) {
		if (i == 2)
			atomic_store(&stop, true);
		pthread_join(thread[i], NULL);
	}
	CHECK_EQ(atomic_load(&violations), 0);
	/* one more change, with nobody searching: nothing replaced is kept */
	io_unmap_region(&m->vm, &mover[0].victim->region);
	s = m->vm.io[IO_MMIO].retired;
	CHECK(!s);
	for (i = 0; i < 2; i++) {
		io_unmap_region(&m->vm, &mover[i].victim->region);
		free(mover[i].victim);
	}
	machine_free(m);
}

int main(void)
{
	RUN(unclaimed_reads_ones_and_drops_writes);
	RUN(access_reaches_its_region_with_offset_and_size);
	RUN(access_wider_than_the_region_takes_is_cut_lowest_first);
	RUN(misaligned_access_is_cut_into_aligned_pieces);
	RUN(access_smaller_than_the_region_takes_reads_ones);
	RUN(straddling_access_reaches_both_regions);
	RUN(access_over_the_end_of_the_space_does_not_wrap);
	RUN(the_first_byte_decides_who_gets_an_access);
	RUN(adding_refuses_what_does_not_fit);
	RUN(removing_what_is_not_mapped_does_nothing);
	RUN(overlap_first_mapped_answers_until_it_leaves);
	RUN(no_overlap_is_told_for_neighbours);
	RUN(any_order_of_changes_answers_as_the_contract_says);
	RUN(mmio_exit_of_any_length_is_served);
	RUN(string_port_access_is_so_many_single_ones_in_order);
	RUN(ports_answer_in_their_window_in_memory);
	RUN(mapping_a_mapped_region_again_is_refused);
	RUN(removal_waits_for_a_running_handler);
	RUN(read_in_pieces_is_whole_though_its_region_leaves);
	RUN(handler_may_unmap_its_own_region);
	RUN(regions_move_from_two_handlers_at_once_while_others_read);
	return tap_done();
}
