/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Block requests as no driver should make them: beyond the disk, of no known type, cut short, without a status byte, on a
 * read-only disk. [virtio-1.2 5.2.6] Each has an answer, and disk and neighbour work on.
 *
 * Wants three disks of 1 MiB: one to attack, a bystander, a read-only one. Their sector n begins with the byte n.
 */
#include "hostile.h"

enum {
	T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_GET_ID = 8, T_DISCARD = 11, T_ZEROES = 13,
	OK = 0, IOERR = 1, UNSUPP = 2, ANY = 0xff,
	SECTORS = 2048, SEGMENT_ROOM = 64,
};

#define F_DISCARD (1ULL << 13)
#define F_ZEROES (1ULL << 14)
#define HEAD E_OUT(&head, sizeof(head))
#define STATUS E_IN(&status, 1)

static u8 own[2048] __attribute__((aligned(16)));	/* room around the two for data that goes over them */
#define head (*(struct blk_head *)own)
#define status (*(volatile u8 *)(own + 1024))
static u8 buf[8192] __attribute__((aligned(4096)));
static struct { u64 sector; u32 count, flags; } segment[SEGMENT_ROOM];

static bool ro_works(struct hdev *h)
{
	h_set(buf, 0, 512);
	return !blk_do(h, T_IN, 9, buf, 512) && buf[0] == 9;
}

/* A chain with @type at @sector in its header: answered with @want, its used length at most what is writable; and all works on. */
static void request_chain(const char *what, u8 want, u32 type, u64 sector, const struct helem *e, unsigned int n)
{
	u64 room = 0;
	unsigned int i;
	bool good;
	long len;

	for (i = 0; i < n; i++)
		room += e[i].flags & D_WRITE ? e[i].len : 0;
	head = (struct blk_head){ type, 0, sector };
	status = 0xee;
	len = hq_run(&dut, 0, e, n);
	good = len >= 0 && (u64)len <= room && (want == ANY ? status <= UNSUPP : status == want);
	if (!good)
		print("# type %u sector %llx: status %u, want %u; used length %d of %d\n", type, (unsigned long long)sector, status, want, (int)len, (int)room);
	if (!dut_works(&dut)) {
		print("# does not work on, status %x\n", h_status(&dut));
		good = false;
	}
	good &= recovered();
	attack_check(good, what);
}
#define request(what, want, type, sector, ...) \
	request_chain(what, want, type, sector, (const struct helem[]){ __VA_ARGS__ }, \
		      sizeof((struct helem[]){ __VA_ARGS__ }) / sizeof(struct helem))

static void ranges(void)
{
	static const struct { u64 sector; u32 len; const char *read, *write; } bad[] = {
		{ SECTORS, 512, "a read at the end", "a write at the end" },
		{ SECTORS - 1, 1024, "a read across the end", "a write across the end" },
		{ 0, 1048576 + 512, "a read longer than the disk", "a write longer than the disk" },
		{ ~0ULL, 512, "a read of the last sector there can be", "a write of the last sector there can be" },
		{ ~0ULL / 512 + 1, 512, "a read whose offset wraps", "a write whose offset wraps" },
		{ 1ULL << 63, 512, "a read with a sector below 0", "a write with a sector below 0" },
		{ 5, 511, "a read of 511 bytes", "a write of 511 bytes" },
		{ 5, 1, "a read of one byte", "a write of one byte" },
	};
	unsigned int i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		u8 *at = bad[i].len > sizeof(buf) ? (u8 *)RAM_SPOT : buf;

		h_set(buf, 0x77, sizeof(buf));
		request(bad[i].read, IOERR, T_IN, bad[i].sector, HEAD, E_IN(at, bad[i].len), STATUS);
		request(bad[i].write, IOERR, T_OUT, bad[i].sector, HEAD, E_OUT(at, bad[i].len), STATUS);
	}
	h_set(buf, 0x77, sizeof(buf));
	request("a read across the end leaves no stale data", IOERR, T_IN, SECTORS - 1, HEAD, E_IN(buf, 1024), STATUS);
	attack_check(h_is(buf + 512, 0x77, 512), "nor anything behind the last sector");
	request("a read of no bytes", ANY, T_IN, 0, HEAD, STATUS);
	request("a read of no bytes at the end", ANY, T_IN, SECTORS, HEAD, STATUS);
	request("a read of no bytes behind the end", ANY, T_IN, SECTORS + 1, HEAD, STATUS);
	request("a write of no bytes", ANY, T_OUT, 0, HEAD, STATUS);
}

static void types(void)
{
	static const u32 bad[] = { 2, 3, 5, 6, 7, 9, 10, 12, 14, 15, 16, 100, 0x80000000, 0x80000001, 0xffffffff };
	unsigned int i, wrong = 0;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		wrong += blk_do(&dut, bad[i], 0, buf, 512) != UNSUPP;
	attack_check(!wrong && recovered(), "15 unknown types are unsupported");
	request("an unknown type with data to be written", UNSUPP, 77, 0, HEAD, E_IN(buf, 512), STATUS);
	request("an unknown type without data", UNSUPP, 77, 0, HEAD, STATUS);
	request("a flush of a sector far away, with data", OK, T_FLUSH, ~0ULL, HEAD, E_OUT(buf, 512), E_IN(buf, 512), STATUS);
	h_set(buf, 0x77, 4096);
	request("an id into 4096 bytes", OK, T_GET_ID, 0, HEAD, E_IN(buf, 4096), STATUS);
	attack_check(h_is(buf + 20, 0x77, 4076), "is 20 bytes");
	h_set(buf, 0x77, 64);
	request("an id into 3 bytes", ANY, T_GET_ID, 0, HEAD, E_IN(buf, 3), STATUS);
	attack_check(h_is(buf + 3, 0x77, 61), "stays inside");
	request("an id into nothing", ANY, T_GET_ID, 0, HEAD, STATUS);
}

static void shapes(void)
{
	struct helem e[HQ_SIZE];
	unsigned int i;

	attack(BREAKS, 0, "no status byte", HEAD, E_OUT(buf, 512));
	attack(BREAKS, 0, "nothing at all", E_OUT(buf, 0));
	attack(BREAKS, 0, "a status of no bytes", HEAD, E_IN(&status, 0));
	request("no header", IOERR, T_IN, 0, E_IN(buf, 512), STATUS);
	request("only a status byte", IOERR, T_IN, 0, STATUS);
	request("one byte of header", IOERR, T_IN, 0, E_OUT(&head, 1), E_IN(buf, 512), STATUS);
	request("15 bytes of header", IOERR, T_IN, 0, E_OUT(&head, 15), E_IN(buf, 512), STATUS);
	for (i = 0; i < 14; i++)
		e[i] = (struct helem)E_OUT((u8 *)&head + i, 1);
	e[14] = (struct helem)E_OUT((u8 *)&head + 14, 2);
	e[15] = (struct helem)E_IN(buf, 513);
	buf[512] = 0xee;
	head = (struct blk_head){ T_IN, 0, 1000 };
	h_set(buf, 0x77, 512);
	attack_check(hq_run(&dut, 0, e, 16) == 513 && !buf[512] && buf[0] == (1000 & 255) && recovered(),
		     "a header in 15 pieces, data and status in one: right, if odd");
	h_set(buf, 0x77, 512);
	request("a read into readable memory", ANY, T_IN, 0, HEAD, E_OUT(buf, 512), STATUS);
	attack_check(h_is(buf, 0x77, 512), "does not write there");
	request("a write from writable memory", ANY, T_OUT, 0, HEAD, E_IN(buf, 512), STATUS);
	request("data over its own header", OK, T_IN, 3, HEAD, E_IN(&head, 512), STATUS);
	request("data over its own status", ANY, T_IN, 3, HEAD, E_IN((u64)&status - 100, 512), STATUS);
}

/* A discard or write of zeroes with one segment. */
static void one_segment(const char *what, u8 want, u32 type, u64 sector, u32 count, u32 flags)
{
	segment[0].sector = sector;
	segment[0].count = count;
	segment[0].flags = flags;
	request(what, want, type, 0, HEAD, E_OUT(segment, 16), STATUS);
}

static void segments(u32 type, u64 feature, bool offered)
{
	u8 bad = offered ? IOERR : UNSUPP, flag = UNSUPP;
	unsigned int i;

	label = type == T_DISCARD ? "discard: " : "zeroes: ";
	h_start(&dut, feature | F_INDIRECT);
	one_segment("a segment of no sectors", ANY, type, 0, 0, 0);
	one_segment("a segment of no sectors at the end", ANY, type, SECTORS, 0, 0);
	one_segment("a segment of no sectors behind the end", bad, type, SECTORS + 1, 0, 0);
	one_segment("a segment across the end", bad, type, SECTORS - 1, 2, 0);
	one_segment("a segment behind the end", bad, type, SECTORS, 1, 0);
	one_segment("a segment far away", bad, type, ~0ULL, 1, 0);
	one_segment("a segment whose offset wraps", bad, type, ~0ULL / 512 + 1, 1, 0);
	one_segment("the longest segment there is", bad, type, 0, 0xffffffff, 0);
	one_segment("a segment of half as many", bad, type, 1, 0x80000000, 0);
	one_segment("a flag that does not exist", flag, type, 0, 8, 2);
	one_segment("all flags", flag, type, 0, 8, 0xffffffff);
	request("no segment", bad, type, 0, HEAD, STATUS);
	request("half a segment", bad, type, 0, HEAD, E_OUT(segment, 8), STATUS);
	request("a segment and a byte", bad, type, 0, HEAD, E_OUT(segment, 17), STATUS);
	request("segments in writable memory", bad, type, 0, HEAD, E_IN(segment, 16), STATUS);
	request("a million segments", bad, type, 0, HEAD, E_OUT(RAM_SPOT, 16 << 20), STATUS);
	for (i = 0; i < SEGMENT_ROOM; i++) {
		segment[i].sector = 16;
		segment[i].count = 1;
		segment[i].flags = 0;
	}
	request("64 segments", ANY, type, 0, HEAD, E_OUT(segment, sizeof(segment)), STATUS);
	request("16 segments that are one", ANY, type, 0, HEAD, E_OUT(segment, 256), STATUS);
	segment[15].sector = SECTORS;
	request("the last of 16 is wrong", bad, type, 0, HEAD, E_OUT(segment, 256), STATUS);
	h_start(&dut, F_INDIRECT);
	one_segment("without the feature", ANY, type, 0, 8, 0);
}

static void read_only(bool packed)
{
	static u8 before[512];

	h_set_status(&dut, 0);	/* the other disk, whose memory is this one's now */
	if (!h_find(&dut, ID_BLK, 2)) {
		attack_check(false, "there is a read-only disk");
		return;
	}
	dut.packed = packed;
	dut_works = ro_works;
	dut_base = 0;
	dut_features = F_INDIRECT;
	attack_check(recovered() && (dut.offered & 1 << 5), "read-only is offered");
	blk_do(&dut, T_IN, 9, before, 512);
	segment[0].sector = 9;
	segment[0].count = 1;
	segment[0].flags = 0;
	h_set(buf, 0xaa, 512);
	request("a write", IOERR, T_OUT, 9, HEAD, E_OUT(buf, 512), STATUS);
	request("a write of no bytes", ANY, T_OUT, 9, HEAD, STATUS);
	request("a discard", IOERR, T_DISCARD, 0, HEAD, E_OUT(segment, 16), STATUS);
	request("a write of zeroes", IOERR, T_ZEROES, 0, HEAD, E_OUT(segment, 16), STATUS);
	request("a flush", OK, T_FLUSH, 0, HEAD, STATUS);
	dut_features = ~0ULL & ~(1ULL << 5) & ~F_PACKED;
	request("a write by a driver that does not take read-only", IOERR, T_OUT, 9, HEAD, E_OUT(buf, 512), STATUS);
	blk_do(&dut, T_IN, 9, buf, 512);
	attack_check(buf[0] == before[0] && h_is(buf + 1, 0, 511), "nothing was written");
}

static u8 config8(unsigned int off)
{
	return dut.legacy ? in8((u16)(dut.io + L_CONFIG + off)) : read8(dut.v.device + off);
}

static void config(void)
{
	u8 before[72];
	unsigned int i, wrong = 0;

	h_start(&dut, ~0ULL & ~F_PACKED);
	for (i = 0; i < sizeof(before); i++)
		before[i] = config8(i);
	for (i = 0; i < 4096 && (!dut.legacy || i < 108); i++) {
		if (dut.legacy)
			out8((u16)(dut.io + L_CONFIG + i), 0xa5);
		else
			write8(dut.v.device + i, 0xa5);
	}
	if (!dut.legacy)
		for (i = 0; i < 4096; i++)
			write32(dut.v.device + (i & ~3U), 0x5a5a5a5a);
	for (i = 0; i < sizeof(before); i++)
		wrong += i != 32 && config8(i) != before[i];
	attack_check(!wrong && dut_works(&dut) && recovered(), "config space written all over: it stays");
	for (i = 72, wrong = 0; i < (dut.legacy ? 80U : 4096U); i++)
		wrong += config8(i) != 0xff;
	attack_check(!wrong && recovered(), "behind its end it reads ones");
}

static void all(bool packed)
{
	u64 discard, zeroes;

	if (!h_find(&dut, ID_BLK, 0) || (packed && !(dut.offered & F_PACKED)))
		return;
	dut.packed = packed;
	dut_works = blk_works;
	dut_base = 0;
	dut_features = F_INDIRECT | F_DISCARD | F_ZEROES;
	label = packed ? "packed: " : "split: ";
	attack_check(bystander_start(ID_BLK) && recovered(), "works, and a bystander does");
	discard = dut.offered & F_DISCARD;
	zeroes = dut.offered & F_ZEROES;
	ranges();
	types();
	shapes();
	segments(T_DISCARD, F_DISCARD, discard);
	segments(T_ZEROES, F_ZEROES, zeroes);
	label = packed ? "packed: " : "split: ";
	config();
	label = packed ? "read-only packed: " : "read-only split: ";
	read_only(packed);
	h_set_status(&dut, 0);
	h_set_status(&bystander, 0);
}

int guest_main(void)
{
	map_gib(MEM_WINDOW & ~0x3fffffffULL);
	all(false);
	all(true);
	return checks_done();
}
