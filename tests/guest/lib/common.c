/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What of tests/guest/guest.h is the same on every architecture.
 */
#include <stdarg.h>

#include "lib.h"

static int nr_checks, nr_failed;

static void put_number(u64 v, unsigned int base)
{
	char buf[24];
	int n = 0;

	do
		buf[n++] = "0123456789abcdef"[v % base];
	while ((v /= base));
	while (n--)
		console_put(buf[n]);
}

void print(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	for (; *fmt; fmt++) {
		bool wide = false;
		const char *s;

		if (*fmt != '%') {
			console_put(*fmt);
			continue;
		}
		for (fmt++; *fmt == 'l'; fmt++)
			wide = true;
		switch (*fmt) {
		case 's':
			for (s = va_arg(ap, const char *); *s; s++)
				console_put(*s);
			break;
		case 'c':
			console_put((char)va_arg(ap, int));
			break;
		case 'd':
		case 'u':
			put_number(wide ? va_arg(ap, u64) : va_arg(ap, unsigned int), 10);
			break;
		case 'x':
			put_number(wide ? va_arg(ap, u64) : va_arg(ap, unsigned int), 16);
			break;
		}
	}
	va_end(ap);
}

void check_at(bool good, const char *name, const char *file, int line)
{
	nr_checks++;
	if (!good) {
		nr_failed++;
		print("# %s:%d\n", file, line);
	}
	print("%sok %d - %s\n", good ? "" : "not ", nr_checks, name);
}

int checks_done(void)
{
	print("1..%d\n", nr_checks);
	return nr_failed ? 1 : 0;
}

static u64 config_addr(u8 devfn, unsigned int off)
{
	map_gib(ECAM & ~0x3fffffffULL);
	return ECAM + ((u64)devfn << 12) + off;
}

u32 pci_read(u8 devfn, unsigned int off, unsigned int size)
{
	u64 a = config_addr(devfn, off);

	return size == 1 ? read8(a) : size == 2 ? read16(a) : read32(a);
}

void pci_write(u8 devfn, unsigned int off, unsigned int size, u32 val)
{
	u64 a = config_addr(devfn, off);

	if (size == 1)
		write8(a, (u8)val);
	else if (size == 2)
		write16(a, (u16)val);
	else
		write32(a, val);
}

int pci_find_id(u16 vendor, u16 device, unsigned int nth)
{
	int devfn;

	for (devfn = 0; devfn < 256; devfn += 8)
		if (pci_read((u8)devfn, 0, 4) == ((u32)device << 16 | vendor) && !nth--)
			return devfn;
	return -1;
}

unsigned int pci_find_cap(u8 devfn, u8 id, unsigned int after)
{
	unsigned int off = pci_read(devfn, after ? after + 1 : 0x34, 1), n;

	for (n = 0; off && n < 48; n++, off = pci_read(devfn, off + 1, 1))
		if (pci_read(devfn, off, 1) == id)
			return off;
	return 0;
}

u64 pci_bar(u8 devfn, unsigned int bar)
{
	u32 low = pci_read(devfn, 0x10 + bar * 4, 4);

	if (low & 1)
		return low & ~3U;
	return (low & 6) == 4 ? (u64)pci_read(devfn, 0x14 + bar * 4, 4) << 32 | (low & ~0xfU) : low & ~0xfU;
}

u64 cmdline_number(const char *name, u64 fallback)
{
	const char *start = cmdline(), *p;
	u64 v = 0;

	for (p = start; p && *p; p++) {
		unsigned int i = 0;

		while (name[i] && p[i] == name[i])
			i++;
		if (name[i] || p[i] != '=' || (p != start && p[-1] != ' '))
			continue;
		for (p += i + 1; *p >= '0' && *p <= '9'; p++)
			v = v * 10 + (u64)(*p - '0');
		return v;
	}
	return fallback;
}
