/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Many CPUs at BARs: half of them toggle memory decode and move the BARs of a few functions, over one another too; the others read
 * their registers where they may be. Every read gives a register's own value, of one of the functions that may be there, or all ones.
 *
 * First with idle devices, then with queues that run, whose kicks come and go with the BAR; KVM makes those moves slow.
 *
 * Kernel command line: stress=N, moves in the first part (default 2000), live=N in the second (default 50). Wants eight CPUs and two
 * disks, told apart by queues=2 and queues=3.
 */
#include "hostile.h"

enum { CPUS = 8, MOVERS = 4, DEVICES = 2, SPOTS = 6, OVERLAP = 2, BAR_SIZE = 0x8000, MSIX_OFF = 0x4000 };

struct target {
	struct hdev h;
	unsigned int bar;
	bool wide;
	u64 home;
	u32 queues, magic;	/* what its registers read: num_queues; data of a masked MSI-X vector */
	u32 size;		/* capacity */
};

static struct target target[DEVICES];
/* The first OVERLAP are anyone's; of the others every second one is of one function alone. */
static u64 spot[SPOTS];
static struct part { volatile u32 left, begun, movers_done, stop, ended; } idle, live;
static volatile u32 bad_reads, ones_seen, values_seen, reads_done;
static volatile u64 bad_at;
static volatile u32 bad_value;

static u32 random_of(u64 *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return (u32)(*x >> 20);
}

static bool may_be_at(unsigned int device, unsigned int s)
{
	return s < OVERLAP || s % DEVICES == device;
}

static void set_bar(const struct target *t, u64 addr)
{
	pci_write(t->h.v.devfn, 0x10 + t->bar * 4, 4, (u32)addr);
	if (t->wide)
		pci_write(t->h.v.devfn, 0x14 + t->bar * 4, 4, (u32)(addr >> 32));
}

/* One of: decode off, move, decode on, in any order with the other CPUs'. */
static void move(u64 *x)
{
	unsigned int device = random_of(x) % DEVICES, s;
	const struct target *t = &target[device];
	u32 what = random_of(x) % 8;

	do
		s = random_of(x) % SPOTS;
	while (!may_be_at(device, s));
	if (what < 4)
		pci_write(t->h.v.devfn, 4, 2, 4);
	if (what == 7)
		set_bar(t, 0xffffffff);
	set_bar(t, spot[s]);
	pci_write(t->h.v.devfn, 4, what & 1 ? 1 : 2, 6);
}

/* One read of one register: ones, or the value of a function that may be here. */
static void look(unsigned int s, u32 kind)
{
	unsigned int device, size = kind == 0 ? 2 : 4;
	u64 at = spot[s] + (kind == 0 ? C_NUMQ : kind == 1 ? MSIX_OFF + 8 : target[0].h.v.device - target[0].home);
	u32 got = size == 2 ? read16(at) : read32(at), want;

	__atomic_add_fetch(&reads_done, 1, __ATOMIC_RELAXED);
	if (got == (size == 2 ? 0xffff : 0xffffffff)) {
		__atomic_add_fetch(&ones_seen, 1, __ATOMIC_RELAXED);
		return;
	}
	for (device = 0; device < DEVICES; device++) {
		want = kind == 0 ? target[device].queues : kind == 1 ? target[device].magic : target[device].size;
		if (got == want && may_be_at(device, s)) {
			__atomic_add_fetch(&values_seen, 1, __ATOMIC_RELAXED);
			return;
		}
	}
	bad_at = at;
	bad_value = got;
	__atomic_add_fetch(&bad_reads, 1, __ATOMIC_RELAXED);
}

/*
 * The first CPU, its moves done: when the other movers are too, somebody answers where they ended, and the readers go on until they saw
 * that, and ones.
 */
static void finish(struct part *p)
{
	unsigned int i;

	while (p->movers_done < MOVERS)
		cpu_pause();
	for (i = 0; i < DEVICES; i++) {
		set_bar(&target[i], spot[OVERLAP + i]);
		pci_write(target[i].h.v.devfn, 4, 2, 6);
	}
	while (!ones_seen || !values_seen)
		cpu_pause();
	p->stop = 1;
}

/* All CPUs pass together. */
static void meet(volatile u32 *count)
{
	__atomic_add_fetch(count, 1, __ATOMIC_SEQ_CST);
	while (*count < CPUS)
		cpu_pause();
}

static void read_on(u64 *x, const volatile u32 *until)
{
	while (!*until)
		look(random_of(x) % SPOTS, random_of(x) % 3);
}

static void move_on(u64 *x, volatile u32 *left)
{
	u32 n;

	while ((n = *left))
		if (__atomic_compare_exchange_n(left, &n, n - 1, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			move(x);
}

static void part(unsigned int cpu, struct part *p)
{
	u64 x = 0x9e3779b97f4a7c15ULL * (cpu + 1);

	meet(&p->begun);
	if (cpu >= MOVERS) {
		read_on(&x, &p->stop);
	} else {
		move_on(&x, &p->left);
		__atomic_add_fetch(&p->movers_done, 1, __ATOMIC_SEQ_CST);
	}
	if (!cpu)
		finish(p);
	meet(&p->ended);
}

static void others(unsigned int cpu)
{
	part(cpu, &idle);
	part(cpu, &live);
}

static bool find_target(struct target *t, unsigned int nth)
{
	struct hdev *h = &t->h;
	unsigned int cap, bir;
	u64 entry;

	if (!h_find(h, ID_BLK, nth) || h->legacy)
		return false;
	for (cap = pci_find_cap(h->v.devfn, 9, 0); cap; cap = pci_find_cap(h->v.devfn, 9, cap))
		if (pci_read(h->v.devfn, cap + 3, 1) == CAP_COMMON)
			t->bar = pci_read(h->v.devfn, cap + 4, 1);
	t->wide = (pci_read(h->v.devfn, 0x10 + t->bar * 4, 4) & 6) == 4;
	t->home = pci_bar(h->v.devfn, t->bar);
	t->queues = read16(h->v.common + C_NUMQ);
	t->size = read32(h->v.device);
	t->magic = 0x12340000 + nth;
	cap = pci_find_cap(h->v.devfn, 0x11, 0);
	bir = pci_read(h->v.devfn, cap + 4, 4);
	entry = pci_bar(h->v.devfn, bir & 7) + (bir & ~7U);
	write32(entry + 12, 1);
	write32(entry + 8, t->magic);
	return entry == t->home + MSIX_OFF && h->v.common == t->home && read32(entry + 8) == t->magic;
}

static void report(const char *what, u32 moves, const struct part *p)
{
	print("# %u moves, %u reads: %u values, %u ones\n", moves, reads_done, values_seen, ones_seen);
	if (bad_reads)
		print("# %u bad, the last %x at %llx\n", bad_reads, bad_value, (unsigned long long)bad_at);
	check(!bad_reads && values_seen && ones_seen && !p->left, what);
	bad_reads = values_seen = ones_seen = reads_done = 0;
}

static bool all_home(void)
{
	bool good = true;
	unsigned int i;

	for (i = 0; i < DEVICES; i++)
		set_bar(&target[i], target[i].home);
	for (i = 0; i < DEVICES; i++)
		good &= read16(target[i].h.v.common + C_NUMQ) == target[i].queues && read16(spot[OVERLAP + i] + C_NUMQ) == 0xffff;
	return good;
}

int guest_main(void)
{
	unsigned int i;
	bool good;

	map_gib(MEM_WINDOW & ~0x3fffffffULL);
	irq_setup();
	good = find_target(&target[0], 0) && find_target(&target[1], 1) && target[0].queues != target[1].queues;
	check(good, "two disks with registers that differ");
	if (!good)
		return checks_done();
	for (i = 0; i < SPOTS; i++)
		spot[i] = MEM_WINDOW + 0x8000000ULL + i * 0x10000ULL;
	if (target[0].wide && target[1].wide) {
		map_gib(MEM64_SPOT);
		spot[1] = MEM64_SPOT;
	}
	idle.left = (u32)cmdline_number("stress", 2000);
	live.left = (u32)cmdline_number("live", 50);

	cpus_start(CPUS, others);
	part(0, &idle);
	report("idle devices: each read gave a register's value or ones, and there were both", (u32)cmdline_number("stress", 2000), &idle);
	good = all_home();
	for (i = 0; i < DEVICES; i++)
		good &= h_start(&target[i].h, 0) && blk_works(&target[i].h);
	check(good, "at home again the disks work");

	part(0, &live);
	report("devices that run: each read gave a register's value or ones, and there were both", (u32)cmdline_number("live", 50), &live);
	good = all_home();
	for (i = 0; i < DEVICES; i++)
		good &= blk_works(&target[i].h) && h_start(&target[i].h, 0) && blk_works(&target[i].h);
	check(good, "at home again the disks work, their queues as they were");
	return checks_done();
}
