/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The legacy register block as no driver should use it, on each kind of device that is there. [virtio-1.2 4.1.4.10, 4.1.5.1.3.1]
 * A device that broke stops; a legacy driver need not be told, lkvm's NEEDS_RESET is there for who looks.
 *
 * Left out: chains and page frames, hostile-ring.c does those over this interface too; BARs and MSI-X, hostile-pci.c's.
 */
#include "hostile.h"

enum { LEGACY_BAR = 32 };	/* at least */

static const struct subject subjects[] = {
	{ "rng", ID_RNG, 0, 0, rng_works },
	{ "blk", ID_BLK, 0, 0, blk_works },
	{ "console", ID_CONSOLE, 1, 0, console_works },
	{ "net", ID_NET, 1, 0, net_works },
	{ "balloon", ID_BALLOON, 1, 0, balloon_works },
};

static u16 at;

static u16 reg(unsigned int off) { return (u16)(dut.io + off); }

/* What the driver did must not matter: works as it is, and again after a reset. */
static void expect(bool good, const char *what)
{
	good &= recovered();
	attack_check(good, what);
}

static void widths(void)
{
	unsigned int off, wrong = 0;

	for (off = 0; off < L_CONFIG; off++) {
		out8(reg(off), off == L_STATUS ? 7 : 0xff);
		in8(reg(off));
		if (off != L_GF && off != L_PFN) {
			in32(reg(off));
			if (off % 4)
				out32(reg(off), 0xffffffff);
		}
		in16(reg(off));
	}
	h_start(&dut, 0);
	wrong += in8(reg(L_PFN)) != 0xff || in16(reg(L_PFN)) != 0xffff || in8(reg(L_QSIZE)) != 0xff || in16(reg(L_STATUS)) == 7;
	out16(reg(L_PFN), 0);
	out8(reg(L_PFN), 0);
	h_select(&dut, at);
	wrong += in32(reg(L_PFN)) != (u32)((u64)dut.q[at].mem >> 12);
	expect(!wrong && dut_works(&dut), "registers in the wrong width read ones and write nothing");
}

static void features(void)
{
	bool good;

	h_set_status(&dut, 0);
	out32(reg(L_GF), 0xffffffff);
	good = in32(reg(L_GF)) == (u32)dut.offered;
	out32(reg(L_HF), 0);
	good &= in32(reg(L_HF)) == (u32)dut.offered;
	expect(good, "all feature bits: those that were offered are taken");

	h_start(&dut, 0);
	out32(reg(L_GF), F_INDIRECT | F_EVENT_IDX);
	good = !in32(reg(L_GF)) && dut_works(&dut);
	expect(good, "features after DRIVER_OK are not");

	h_set_status(&dut, 0);
	h_set_status(&dut, 3);
	h_queue(&dut, at);
	for (unsigned int i = 0; i < 50; i++)
		out32(reg(L_GF), i & 1 ? 0 : F_INDIRECT | F_EVENT_IDX);
	expect(true, "features that change after the queue was set up");
}

static void queues(void)
{
	unsigned int i;
	bool good = true;

	h_start(&dut, 0);
	for (i = dut.nr; i <= 0xffff; i = i < dut.nr + 20 ? i + 1 : i * 2 + 1) {
		out16(reg(L_QSELECT), (u16)i);
		good &= in16(reg(L_QSIZE)) == 0 && in32(reg(L_PFN)) == 0;
		out32(reg(L_PFN), 0x1000);
		good &= in32(reg(L_PFN)) == 0;
		out16(reg(L_NOTIFY), (u16)i);
	}
	expect(good && dut_works(&dut), "queues that are not there");

	for (i = 0; i < 30; i++) {	/* in use, gone, back */
		h_select(&dut, at);
		hq_put(&dut, &dut.q[at], (const struct helem[]){ E_OUT(RAM_SPOT, 8), E_IN(RAM_SPOT, 8) }, 2);
		hq_kick(&dut, &dut.q[at]);
		out32(reg(L_PFN), 0);
		hq_kick(&dut, &dut.q[at]);
		h_queue(&dut, at);
	}
	expect(true, "a queue taken away and given back while in use");

	h_start(&dut, 0);
	for (i = 0; i < dut.nr; i++) {	/* one memory for all */
		h_select(&dut, (u16)i);
		out32(reg(L_PFN), 0);
		out32(reg(L_PFN), (u32)((u64)dut.q[at].mem >> 12));
	}
	hq_put(&dut, &dut.q[at], (const struct helem[]){ E_OUT(RAM_SPOT, 8) }, 1);
	for (i = 0; i < dut.nr; i++)
		out16(reg(L_NOTIFY), (u16)i);
	expect(true, "all queues in one memory");
}

static void status(void)
{
	unsigned int i;

	for (i = 0; i < 256; i++) {
		h_set_status(&dut, 0);
		h_set_status(&dut, (u8)i);
		h_set_status(&dut, (u8)~i);
		out16(reg(L_NOTIFY), at);
	}
	expect(true, "every status after every other");

	h_set_status(&dut, 0);
	h_queue(&dut, at);
	h_set_status(&dut, 4);
	out16(reg(L_NOTIFY), at);
	expect(true, "DRIVER_OK and nothing before it");
	for (i = 0; i < 500; i++)
		in8(reg(L_ISR));
	expect(true, "ISR read 500 times");
}

static void end_of_bar(void)
{
	u32 low = pci_read(dut.v.devfn, 0x10, 4), size;

	pci_write(dut.v.devfn, 0x10, 4, 0xffffffff);
	size = ~(pci_read(dut.v.devfn, 0x10, 4) & ~3U) + 1;
	pci_write(dut.v.devfn, 0x10, 4, low);
	for (u32 off = L_CONFIG; off < size + 4; off++) {
		in32((u16)(dut.io + off));
		in16((u16)(dut.io + off));
		if (off < size)
			out32((u16)(dut.io + off), 0xffffffff);
	}
	expect(size >= LEGACY_BAR && dut_works(&dut), "device configuration in every width, over its end too");
}

static void all(const struct subject *s)
{
	static char name[64];

	if (!h_find(&dut, s->id, 0) || !dut.legacy)
		return;
	dut_works = s->works;
	dut_base = dut_features = s->features;
	at = s->queue;
	h_append(h_append(name, s->name), ": ");
	label = name;
	attack_check(bystander_start(s->id) && recovered(), "works, and a bystander does");
	widths();
	features();
	queues();
	status();
	end_of_bar();
	h_set_status(&dut, 0);
	h_set_status(&bystander, 0);
}

int guest_main(void)
{
	unsigned int i;

	map_gib(MEM_WINDOW & ~0x3fffffffULL);
	for (i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++)
		all(&subjects[i]);
	return checks_done();
}
