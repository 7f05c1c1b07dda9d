/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What guests on machines with a device tree read of it: the command line and where RAM is. [devicetree-specification v0.4, 5]
 */
#include "lib.h"

enum { BEGIN_NODE = 1, END_NODE = 2, PROP = 3, NOP = 4 };

u64 dtb;	/* start.S: where it is */

static u32 be32(u64 a)
{
	return (u32)read8(a) << 24 | (u32)read8(a + 1) << 16 | (u32)read8(a + 2) << 8 | read8(a + 3);
}

static u64 be64(u64 a) { return (u64)be32(a) << 32 | be32(a + 4); }

static bool same(const char *a, const char *b, bool to_at)
{
	while (*b && *a == *b)
		a++, b++;
	return !*b && (!*a || (to_at && *a == '@'));
}

/* The value of @prop in the node of the root called @node (before its @); 0: none. */
static u64 find(const char *node, const char *prop)
{
	u64 p = dtb + be32(dtb + 8), strings = dtb + be32(dtb + 12), name;
	unsigned int depth = 0;
	bool in = false;

	for (;;) {
		u32 token = be32(p);

		p += 4;
		switch (token) {
		case BEGIN_NODE:
			name = p;
			depth++;
			if (depth == 2)
				in = same((const char *)name, node, true);
			while (read8(p))
				p++;
			p = (p + 4) & ~3ULL;
			break;
		case END_NODE:
			depth--;
			break;
		case PROP:
			if (depth == 2 && in && same((const char *)(strings + be32(p + 4)), prop, false))
				return p + 8;
			p = (p + 8 + be32(p) + 3) & ~3ULL;
			break;
		case NOP:
			break;
		default:
			return 0;
		}
	}
}

u64 ram_start(void)
{
	return be64(find("memory", "reg"));
}

u64 ram_end(void)
{
	u64 reg = find("memory", "reg");

	return be64(reg) + be64(reg + 8);
}

const char *cmdline(void)
{
	return (const char *)find("chosen", "bootargs");
}
