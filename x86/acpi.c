/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ACPI tables [acpi-6.4 5.2]: RSDP, RSDT and XSDT, FADT, MADT, MCFG [PCI Firmware 3.2, 4.1.2], and the DSDT of
 * acpi-dsdt.c, one after the other below 1 MiB, where an OS without a boot protocol looks for the RSDP.
 *
 * Hardware-reduced ACPI [4.1]: no SCI, PM1 registers or PM timer to emulate; power-off and reset are one register
 * each, the power button is an interrupt. Linux then leaves the 8259s and the PIT alone, which spares a boot their
 * probing: its timers are the local APIC's, calibrated by kvmclock or, without it, by polling the TSC and PIT.
 * The price: `noapic` on the guest's command line leaves it without wired interrupts; with `acpi=off` too it has the 8259s.
 * And Linux resets by a jump to the BIOS instead of the reset register, see bios_reset in machine.c.
 *
 * Left out: FACS (no firmware waking vector), HPET, SRAT (one node), the i8042 (nobody types on it, and its reset
 * line needs no driver), overrides of ISA interrupts (all are wired to the I/O APIC pin of their number, edge, high: the default).
 *
 * Main thread.
 */
#include "x86/acpi-dsdt.h"

#include <errno.h>
#include <string.h>

#include "util/endian.h"
#include "vmm/device.h"
#include "vmm/hw.h"

enum {
	HEADER_SIZE = 36,
	RSDP_SIZE = 36,
	FADT_SIZE = 276,
	TABLES_MAX = 4,
	TABLE_ALIGN = 16,
	APIC_IDS = 255,			/* from here on a local x2APIC structure [5.2.12.12] */
};

static u8 checksum(const void *p, size_t len)
{
	const u8 *byte = p;
	u8 sum = 0;

	while (len--)
		sum += *byte++;
	return (u8)-sum;
}

static void put_zeroes(struct strbuf *b, size_t n)
{
	static const u8 zeroes[FADT_SIZE];

	strbuf_add(b, zeroes, n);
}

static void put_number(struct strbuf *b, u64 v, unsigned int size)
{
	u8 raw[8];

	put_le(raw, size, v);
	strbuf_add(b, raw, size);
}

/* [5.2.6] Gives where the table begins; table_end() fills in what is known only then. */
static size_t table_begin(struct strbuf *b, const char *signature, u8 revision)
{
	size_t at;

	put_zeroes(b, align_up(b->len, TABLE_ALIGN) - b->len);
	at = b->len;
	strbuf_add(b, signature, 4);
	put_number(b, 0, 4);
	put_number(b, revision, 1);
	put_number(b, 0, 1);
	strbuf_add(b, "LKVM  ", 6);
	strbuf_add(b, "LKVM", 4);
	strbuf_add(b, signature, 4);
	put_number(b, 1, 4);
	strbuf_add(b, "LKVM", 4);
	put_number(b, 1, 4);
	return at;
}

static void table_end(struct strbuf *b, size_t at)
{
	if (b->failed)
		return;
	put_le32(b->s + at + 4, (u32)(b->len - at));
	b->s[at + 9] = (char)checksum(b->s + at, b->len - at);
}

/* Generic Address Structure of a byte register. [5.2.3.2] */
static void put_gas(u8 *p, const struct dev_resource *io, u64 off)
{
	p[0] = io->space == IO_PORT ? 1 : 0;
	p[1] = 8;
	p[2] = 0;
	p[3] = 1;	/* byte access */
	put_le64(p + 4, io->base + off);
}

/* [5.2.9] */
static size_t add_fadt(const struct acpi_machine *m, struct strbuf *b, u64 dsdt)
{
	enum { LEGACY_DEVICES = 1, NO_VGA = 4, NO_ASPM = 16, NO_CMOS_RTC = 32 };
	enum { WBINVD = BIT(0), PROC_C1 = BIT(2), PWR_BUTTON = BIT(4), SLP_BUTTON = BIT(5), RESET_REG_SUP = BIT(10),
	       HW_REDUCED = BIT(20) };
	const struct device *power = acpi_find_device(m, DEV_POWER, 0);
	const struct dev_resource *io = acpi_resource(power, DEV_RES_IO, 0);
	u8 f[FADT_SIZE] = { 0 };
	size_t table = table_begin(b, "FACP", 6);
	u32 flags = WBINVD | PROC_C1 | PWR_BUTTON | SLP_BUTTON | HW_REDUCED;
	u16 arch = NO_VGA | NO_ASPM;

	if (acpi_find_device(m, DEV_UART_16550, 0) || acpi_find_device(m, DEV_RTC_MC146818, 0))
		arch |= LEGACY_DEVICES;
	if (!acpi_find_device(m, DEV_RTC_MC146818, 0))
		arch |= NO_CMOS_RTC;
	put_le32(f + 40, (u32)dsdt);
	put_le16(f + 96, 0xfff);		/* no C2 */
	put_le16(f + 98, 0xfff);		/* no C3 */
	if (acpi_find_device(m, DEV_RTC_MC146818, 0))
		f[108] = 0x32;			/* CMOS byte of the century */
	put_le16(f + 109, arch);
	if (io) {
		flags |= RESET_REG_SUP;
		put_gas(f + 116, io, POWER_RESET);
		f[128] = POWER_RESET_VALUE;
		put_gas(f + 244, io, POWER_SLEEP_CONTROL);
		put_gas(f + 256, io, POWER_SLEEP_STATUS);
	}
	put_le32(f + 112, flags);
	f[131] = 4;				/* minor revision: 6.4 */
	put_le64(f + 140, dsdt);
	memcpy(f + 268, "LKVM", 4);
	strbuf_add(b, f + HEADER_SIZE, sizeof(f) - HEADER_SIZE);
	table_end(b, table);
	return table;
}

/* [5.2.12] */
static size_t add_madt(const struct acpi_machine *m, struct strbuf *b)
{
	enum { LAPIC = 0, IOAPIC = 1, LAPIC_NMI = 4, X2APIC = 9, X2APIC_NMI = 10, ENABLED = 1, PCAT_COMPAT = 1 };
	size_t table = table_begin(b, "APIC", 5);
	unsigned int i;

	put_number(b, LAPIC_BASE, 4);
	put_number(b, PCAT_COMPAT, 4);
	for (i = 0; i < m->cpus && i < APIC_IDS; i++) {
		put_number(b, LAPIC, 1);
		put_number(b, 8, 1);
		put_number(b, i, 1);		/* processor UID */
		put_number(b, i, 1);		/* APIC id */
		put_number(b, ENABLED, 4);
	}
	for (; i < m->cpus; i++) {
		put_number(b, X2APIC, 1);
		put_number(b, 16, 1);
		put_number(b, 0, 2);
		put_number(b, i, 4);		/* x2APIC id */
		put_number(b, ENABLED, 4);
		put_number(b, i, 4);		/* processor UID */
	}
	put_number(b, IOAPIC, 1);
	put_number(b, 12, 1);
	put_number(b, 0, 1);			/* its id */
	put_number(b, 0, 1);
	put_number(b, IOAPIC_BASE, 4);
	put_number(b, 0, 4);			/* its first GSI */
	put_number(b, LAPIC_NMI, 1);
	put_number(b, 6, 1);
	put_number(b, 0xff, 1);			/* all processors */
	put_number(b, 0, 2);			/* polarity and trigger of the bus */
	put_number(b, 1, 1);			/* LINT1 */
	if (m->cpus > APIC_IDS) {
		put_number(b, X2APIC_NMI, 1);
		put_number(b, 12, 1);
		put_number(b, 0, 2);
		put_number(b, 0xffffffff, 4);
		put_number(b, 1, 1);
		put_number(b, 0, 3);
	}
	table_end(b, table);
	return table;
}

static size_t add_mcfg(const struct pci_host_config *pci, struct strbuf *b)
{
	size_t table = table_begin(b, "MCFG", 1);

	put_number(b, 0, 8);
	put_number(b, pci->ecam_base, 8);
	put_number(b, 0, 2);			/* segment */
	put_number(b, 0, 1);			/* first bus */
	put_number(b, PCI_LAST_BUS, 1);
	put_number(b, 0, 4);
	table_end(b, table);
	return table;
}

/* [5.2.7] and [5.2.8]: the same list in entries of 4 and of 8 bytes. */
static size_t add_list(struct strbuf *b, const char *signature, unsigned int size, gpa_t base, const size_t *table,
		       unsigned int nr)
{
	size_t at = table_begin(b, signature, 1);
	unsigned int i;

	for (i = 0; i < nr; i++)
		put_number(b, base + table[i], size);
	table_end(b, at);
	return at;
}

/* [5.2.5.3] */
static void fill_rsdp(u8 *p, u64 rsdt, u64 xsdt)
{
	memset(p, 0, RSDP_SIZE);
	memcpy(p, "RSD PTR ", 8);
	memcpy(p + 9, "LKVM  ", 6);
	p[15] = 2;
	put_le32(p + 16, (u32)rsdt);
	put_le32(p + 20, RSDP_SIZE);
	put_le64(p + 24, xsdt);
	p[8] = checksum(p, 20);
	p[32] = checksum(p, RSDP_SIZE);
}

int acpi_build(const struct acpi_machine *m, struct strbuf *ret)
{
	struct strbuf b = { 0 };
	size_t table[TABLES_MAX], rsdt, xsdt, dsdt;
	unsigned int nr = 0;

	put_zeroes(&b, RSDP_SIZE);
	dsdt = table_begin(&b, "DSDT", 2);
	acpi_dsdt_body(m, &b);
	table_end(&b, dsdt);
	table[nr++] = add_fadt(m, &b, m->base + dsdt);
	table[nr++] = add_madt(m, &b);
	if (m->pci->ecam_base)
		table[nr++] = add_mcfg(m->pci, &b);
	rsdt = add_list(&b, "RSDT", 4, m->base, table, nr);
	xsdt = add_list(&b, "XSDT", 8, m->base, table, nr);
	if (b.failed) {
		strbuf_free(&b);
		return -ENOMEM;
	}
	fill_rsdp((u8 *)b.s, m->base + rsdt, m->base + xsdt);
	*ret = b;
	return 0;
}
