/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Resets with requests in flight, storms of kicks and register writes, from one CPU and from four at once: devices recover, nothing is
 * written to memory that a reset took back, and no device keeps another one from its work. [virtio-1.2 2.4, 2.6.1, 4.1.5.2]
 *
 * Kernel command line: park=1 instead leaves all devices broken and kicked, and halts for ever, so that somebody can look whether
 * lkvm sleeps too. Wants four CPUs, two disks, random numbers, a console.
 */
#include "hostile.h"

enum { CPUS = 4, CHUNK = 32768, ROUNDS = 8, RACES = 5, STORMS = 600, C_QRESET = 0x3a, PATTERN = 0x5e };
#define SCRATCH RAM_SPOT

static const struct subject subjects[] = {
	{ "rng", ID_RNG, 0, 0, rng_works },
	{ "blk", ID_BLK, 0, 0, blk_works },
	{ "console", ID_CONSOLE, 1, 0, console_works },
	{ "net", ID_NET, 1, 0, net_works },
	{ "balloon", ID_BALLOON, 1, 0, balloon_works },	/* deflate takes nothing away */
};

/* --- resets with requests in flight --- */

static struct blk_head heads[HQ_SIZE];
static volatile u8 statuses[HQ_SIZE];

/* As many reads as the ring holds, each into its own part of the scratch memory; on their way. */
static unsigned int fly(struct hqueue *q)
{
	unsigned int i, n = q->size / 3;

	for (i = 0; i < n && i < HQ_SIZE; i++) {
		struct helem e[3] = { E_OUT(&heads[i], 16), E_IN(SCRATCH + i * CHUNK, CHUNK), E_IN(&statuses[i], 1) };

		heads[i] = (struct blk_head){ 0, 0, i * 64 };
		hq_put(&dut, q, e, 3);
	}
	hq_kick(&dut, q);
	return i;
}

static bool untouched(unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (!h_is((void *)(u64)(SCRATCH + i * CHUNK), PATTERN, 16) || !h_is((void *)(u64)(SCRATCH + (i + 1) * CHUNK - 16), PATTERN, 16))
			return false;
	return true;
}

static void in_flight(void)
{
	struct hqueue *q = &dut.q[0];
	unsigned int round, n, wait;
	bool good = true;

	for (round = 0; round < ROUNDS && good; round++) {
		n = fly(q);
		for (wait = h_random() % 200; wait; wait--)
			cpu_pause();
		h_set_status(&dut, 0);
		while (h_status(&dut))
			;
		h_set((void *)SCRATCH, PATTERN, (u64)n * CHUNK);
		h_set(statuses, PATTERN, sizeof(statuses));
		h_set(q->mem, PATTERN, 8192);
		good = bystander_works(&bystander) && untouched(n) && h_is(statuses, PATTERN, sizeof(statuses)) && h_is(q->mem, PATTERN, 8192);
		good &= recovered();
	}
	attack_check(good, "reset with reads in flight: nothing is written after it");
	if (dut.legacy || !(dut.offered & F_RING_RESET))
		return;
	for (round = 0; round < ROUNDS && good; round++) {
		h_start(&dut, F_RING_RESET);
		n = fly(q);
		write16(dut.v.common + C_QSELECT, 0);
		write16(dut.v.common + C_QRESET, 1);
		while (read16(dut.v.common + C_QRESET))
			;
		h_set((void *)SCRATCH, PATTERN, (u64)n * CHUNK);
		h_set(q->mem, PATTERN, 8192);
		good = !read16(dut.v.common + C_QENABLE) && bystander_works(&bystander) && untouched(n) && h_is(q->mem, PATTERN, 8192);
		hq_kick(&dut, q);
		h_queue(&dut, 0);
		good &= dut_works(&dut);
	}
	attack_check(good && recovered(), "a queue's reset with reads in flight, and the queue again");
	write16(dut.v.common + C_QSELECT, 0);
	write16(dut.v.common + C_QRESET, 1);	/* without the feature */
	attack_check(read16(dut.v.common + C_QENABLE) && dut_works(&dut) && recovered(), "a queue's reset that was not negotiated");
}

/* --- storms from one CPU --- */

static void kick_number(u16 n)
{
	if (dut.legacy)
		out16(dut.io + L_NOTIFY, n);
	else
		write16(dut.v.notify + (u64)n % 1024 * 4, n);
}

static void storms(void)
{
	unsigned int i;

	for (i = 0; i < 4 * STORMS; i++)
		kick_number((u16)i);
	attack_check(dut_works(&dut) && recovered(), "2400 kicks of queues there are and are not");
	h_set_status(&dut, 0);
	for (i = 0; i < STORMS / 4; i++)
		kick_number((u16)(i & 3));
	h_negotiate(&dut, dut_base);
	for (i = 0; i < STORMS / 4; i++)
		kick_number((u16)(i & 3));
	attack_check(recovered(), "kicks before and without DRIVER_OK");
	for (i = 0; i < STORMS; i++)
		h_set_status(&dut, (u8)(h_random() & (i & 1 ? 0xff : 15)));
	attack_check(recovered(), "any status after any other");
	for (i = 0; i < STORMS; i++) {
		if (dut.legacy) {
			out32(dut.io + L_GF, h_random());
			continue;
		}
		write32(dut.v.common + C_GFSELECT, h_random() & 3);
		write32(dut.v.common + C_GF, h_random());
		write32(dut.v.common + C_DFSELECT, h_random() & 3);
		read32(dut.v.common + C_DF);
		if (!(i & 63))
			h_set_status(&dut, (u8)(i & 64 ? 0 : 11));
	}
	attack_check(recovered(), "any features");
	for (i = 0; i < 20; i++) {
		h_start(&dut, dut_base);
		h_set_status(&dut, 0);
	}
	attack_check(recovered(), "20 times up and down");
}

/* --- storms from all CPUs --- */

enum job { IDLE, STORM, REGISTERS, DECODE, QUIT };
static volatile enum job job[CPUS];
static volatile u32 rounds[CPUS], resting[CPUS];
static u16 target_queue;

/* The ring's own memory, made available over and over, whatever the device and other CPUs make of it. */
static void storm_once(void)
{
	struct hqueue *q = &dut.q[target_queue];
	struct helem e[2] = { E_OUT(SCRATCH, 16), E_IN(SCRATCH + CHUNK, CHUNK) };

	hq_put(&dut, q, e, 2);
	hq_kick(&dut, q);
}

static void registers_once(u32 r)
{
	if (dut.legacy) {
		out16(dut.io + L_QSELECT, (u16)(r & 7));
		in16(dut.io + L_QSIZE);
		in8(dut.io + L_ISR);
		kick_number((u16)(r >> 3 & 7));
		return;
	}
	write16(dut.v.common + C_QSELECT, (u16)(r & 7));
	write16(dut.v.common + C_QVECTOR, (u16)(r >> 3 & 7));
	write16(dut.v.common + C_QSIZE, (u16)(r >> 6 & 31));
	read8(dut.v.isr);
	kick_number((u16)(r >> 11 & 7));
}

static void rest(unsigned int cpu)
{
	resting[cpu] = 1;
	while (job[cpu] == IDLE)	/* it may wake for another CPU's sake */
		cpu_sleep();
	resting[cpu] = 0;
}

static void worker(unsigned int cpu)
{
	u64 x = 88172645463325252ULL * (cpu + 1);

	while (job[cpu] != QUIT) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		if (job[cpu] == STORM)
			storm_once();
		else if (job[cpu] == REGISTERS)
			registers_once((u32)(x >> 20));
		else if (job[cpu] == DECODE)
			pci_write(dut.v.devfn, 4, 2, rounds[cpu] & 1 ? 7 : 4);
		else
			rest(cpu);
		__atomic_add_fetch(&rounds[cpu], 1, __ATOMIC_SEQ_CST);
	}
}

/* Returns when it is at it. */
static void give(unsigned int cpu, enum job j)
{
	u32 was;

	job[cpu] = j;
	cpu_wake(cpu);
	for (was = rounds[cpu]; j == IDLE ? !resting[cpu] : rounds[cpu] < was + 2;)
		cpu_pause();
}

/* Negotiation that waits for nothing: its writes may go nowhere. */
static void negotiate_blindly(void)
{
	static const u8 steps[] = { 0, 1, 3 };
	unsigned int i;

	for (i = 0; i < sizeof(steps); i++)
		h_set_status(&dut, steps[i]);
	if (dut.legacy)
		return;
	write32(dut.v.common + C_GFSELECT, 0);
	write32(dut.v.common + C_GF, (u32)dut_base);
	write32(dut.v.common + C_GFSELECT, 1);
	write32(dut.v.common + C_GF, (u32)((F_VERSION_1 | (dut.packed ? F_PACKED : 0)) >> 32));
	h_set_status(&dut, 11);
}

/* While the others are at it, resets by this CPU, and a bystander that must get on. */
static void resets_meanwhile(const char *what, enum job a, enum job b, enum job c)
{
	unsigned int round;
	bool good = true;

	give(1, a);
	give(2, b);
	give(3, c);
	for (round = 0; round < RACES && good; round++) {
		negotiate_blindly();
		h_queue(&dut, target_queue);
		h_live(&dut);
		hq_kick(&dut, &dut.q[target_queue]);
		good = bystander_works(&bystander);
		h_set_status(&dut, 0);
	}
	give(1, IDLE);
	give(2, IDLE);
	give(3, IDLE);
	pci_write(dut.v.devfn, 4, 2, 7);
	attack_check(good && recovered(), what);
}

static void everybody(const struct subject *s)
{
	target_queue = s->queue;
	resets_meanwhile("resets while three CPUs make chains available", STORM, STORM, STORM);
	resets_meanwhile("resets while chains, registers and kicks come from others", STORM, REGISTERS, REGISTERS);
	resets_meanwhile("resets while decode goes on and off", STORM, DECODE, REGISTERS);
}

/* The one under attack never runs out of requests; others on its loop do their work all the same. */
static void no_starving(const struct subject *s)
{
	static struct hdev other;
	u16 id = s->id == ID_CONSOLE ? ID_RNG : ID_CONSOLE;
	unsigned int i;
	bool good;

	if (!h_find(&other, id, 0))
		return;
	other.packed = false;
	good = h_start(&other, 0);
	give(1, STORM);
	for (i = 0; i < 20 && good; i++) {
		good = id == ID_RNG ? rng_works(&other) : console_works(&other);
		good &= bystander_works(&bystander);
		if (h_status(&dut) & S_NEEDS_RESET)	/* the storm overran its own ring: on with it */
			h_start(&dut, dut_base);
	}
	give(1, IDLE);
	h_set_status(&other, 0);
	attack_check(good && recovered(), "a storm does not keep others from their work");
}

static void all(const struct subject *s, bool packed)
{
	static char name[64];

	if (!h_find(&dut, s->id, 0) || (packed && !(dut.offered & F_PACKED)))
		return;
	dut.packed = packed;
	dut.nr = s->queue + 1U;	/* no more than it needs: each takes KVM its time */
	dut_works = s->works;
	dut_base = dut_features = s->features;
	h_append(h_append(h_append(name, s->name), dut.legacy ? " legacy" : packed ? " packed" : " split"), ": ");
	label = name;
	attack_check(bystander_start(s->id) && recovered(), "works, and a bystander does");
	if (s->id == ID_BLK)
		in_flight();
	storms();
	everybody(s);
	no_starving(s);
	h_set_status(&dut, 0);
	h_set_status(&bystander, 0);
}

/* Every device broken, or live with all that it may chew on, and kicked; then nobody runs any more. */
static void park(void)
{
	static struct hdev left[sizeof(subjects) / sizeof(subjects[0])];
	const struct helem bad = E_OUT(WINDOW_HOLE, 16), good = E_IN(SCRATCH, 64);
	unsigned int i, n;
	u16 q;

	for (i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
		if (!h_find(&left[i], subjects[i].id, 0) || !h_start(&left[i], 0))
			continue;
		for (q = 0; q < left[i].nr; q++) {
			for (n = 0; n < 4; n++)
				hq_put(&left[i], &left[i].q[q], n < 3 ? &good : &bad, 1);
			for (n = 0; n < 100; n++)
				hq_kick(&left[i], &left[i].q[q]);
		}
	}
	print("parked\n");
	for (;;)
		cpu_sleep();
}

int guest_main(void)
{
	unsigned int i;

	map_gib(MEM_WINDOW & ~0x3fffffffULL);
	irq_setup();
	if (cmdline_number("park", 0))
		park();
	cpus_start(CPUS, worker);
	for (i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
		all(&subjects[i], false);
		all(&subjects[i], true);
	}
	for (i = 1; i < CPUS; i++) {
		job[i] = QUIT;
		cpu_wake(i);
	}
	while (cpus_done() < CPUS - 1)
		cpu_pause();
	return checks_done();
}
