/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ACPI tables: structure by our own reading, then by ACPICA's iasl, which must
 * disassemble each table, and compile the result again without a word of complaint and into the same bytes.
 *
 * links: x86/acpi.c x86/acpi-dsdt.c x86/aml.c util/str.c util/cleanup.c
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/tap.h"
#include "util/endian.h"
#include "vmm/device.h"
#include "vmm/hw.h"
#include "x86/aml.h"
#include "x86/x86.h"

#define BASE 0xe0000ULL

struct board {
	struct list_node devices;
	struct device dev[12];
	unsigned int nr;
	struct pci_host_config pci;
	struct acpi_machine m;
	struct strbuf out;
};

static struct device *add(struct board *b, enum dev_kind kind, u64 port, u64 size)
{
	struct device *dev = &b->dev[b->nr++];

	dev->kind = kind;
	dev->res[0] = (struct dev_resource){ .type = DEV_RES_IO, .space = IO_PORT, .base = port, .size = size };
	list_add_tail(&b->devices, &dev->node);
	return dev;
}

static void add_irq(struct device *dev, u32 gsi, bool level)
{
	dev->res[1] = (struct dev_resource){ .type = DEV_RES_IRQ, .irq = gsi, .level = level };
}

static void board_init(struct board *b, unsigned int cpus)
{
	unsigned int i;

	memset(b, 0, sizeof(*b));
	list_init(&b->devices);
	b->pci = (struct pci_host_config){
		.ecam_base = PCI_ECAM_BASE, .ecam_buses = PCI_ECAM_BUSES, .cf8 = true, .io = { 0, 0x10000 },
		.mem32 = { PCI_MEM32_BASE, PCI_MEM32_SIZE }, .mem64 = { TIB, 63 * TIB },
	};
	for (i = 0; i < PCI_INTX_LINES; i++)
		b->pci.intx_gsi[i] = 16 + i;
	b->m = (struct acpi_machine){ .cpus = cpus, .devices = &b->devices, .pci = &b->pci, .base = BASE };
}

static void board_populate(struct board *b)
{
	add(b, DEV_DEBUG_EXIT, 0xf4, 4);
	add(b, DEV_DEBUG_EXIT, DEBUG_EXIT_BASE, 4)->res[0].space = IO_MMIO;
	add_irq(add(b, DEV_UART_16550, 0x3f8, 8), 4, false);
	add_irq(add(b, DEV_UART_16550, 0x2f8, 8), 3, false);
	add_irq(add(b, DEV_UART_16550, 0x3e8, 8), 4, false);
	add_irq(add(b, DEV_RTC_MC146818, 0x70, 2), 8, false);
	add_irq(add(b, DEV_I8042, 0x60, 1), 1, false);
	add_irq(add(b, DEV_POWER, 0x600, POWER_SIZE), 9, true);
}

/* Slots 3 and 31 can be given back. */
static void board_add_slots(struct board *b)
{
	add_irq(add(b, DEV_PCI_EJECT, PCI_EJECT_PORT, PCI_EJECT_SIZE), PCI_EJECT_GSI, true);
	b->m.eject_slots = BIT(3) | BIT(31);
}

static void board_free(struct board *b)
{
	strbuf_free(&b->out);
}

static u8 sum(const u8 *p, size_t len)
{
	u8 s = 0;

	while (len--)
		s += *p++;
	return s;
}

/* The table at guest address @gpa, whole and with a good checksum, or NULL. */
static const u8 *table_at(const struct board *b, u64 gpa)
{
	const u8 *p = (const u8 *)b->out.s + (gpa - BASE);
	u32 len;

	if (gpa < BASE || gpa - BASE > b->out.len - 36)
		return NULL;
	len = get_le32(p + 4);
	if (len < 36 || len > b->out.len - (gpa - BASE) || sum(p, len))
		return NULL;
	return p;
}

/* By way of the XSDT. */
static const u8 *find(const struct board *b, const char *signature)
{
	const u8 *xsdt = table_at(b, get_le64(b->out.s + 24)), *t;
	u32 i;

	if (!xsdt)
		return NULL;
	for (i = 36; i + 8 <= get_le32(xsdt + 4); i += 8) {
		t = table_at(b, get_le64(xsdt + i));
		if (t && !memcmp(t, signature, 4))
			return t;
	}
	return NULL;
}

static bool contains(const u8 *table, const void *what, size_t len)
{
	return table && memmem(table, get_le32(table + 4), what, len);
}

TEST(rsdp_leads_to_checked_tables)
{
	struct board b;
	const u8 *rsdt, *fadt;

	board_init(&b, 2);
	board_populate(&b);
	CHECK_EQ(acpi_build(&b.m, &b.out), 0);
	CHECK(!memcmp(b.out.s, "RSD PTR ", 8));
	CHECK_EQ(b.out.s[15], 2);
	CHECK_EQ(sum((u8 *)b.out.s, 20), 0);
	CHECK_EQ(sum((u8 *)b.out.s, 36), 0);
	rsdt = table_at(&b, get_le32(b.out.s + 16));
	CHECK(rsdt && !memcmp(rsdt, "RSDT", 4));
	CHECK_EQ(get_le32(rsdt + 4), 36 + 3 * 4);
	CHECK(find(&b, "APIC") && find(&b, "MCFG"));
	CHECK_EQ(find(&b, "MCFG")[55], 0);	/* the last bus: more of them cost Linux thousands of exits */
	fadt = find(&b, "FACP");
	CHECK(fadt);
	CHECK(!memcmp(table_at(&b, get_le64(fadt + 140)), "DSDT", 4));
	CHECK_EQ(get_le32(fadt + 40), get_le64(fadt + 140));
	board_free(&b);
}

TEST(power_registers_follow_the_device)
{
	struct board b;
	const u8 *f;

	board_init(&b, 1);
	board_populate(&b);
	CHECK_EQ(acpi_build(&b.m, &b.out), 0);
	f = find(&b, "FACP");
	CHECK(f);
	CHECK_EQ(get_le32(f + 112) >> 20 & 1, 1);
	CHECK_EQ(get_le32(f + 112) >> 10 & 1, 1);
	CHECK_EQ(f[116], 1);
	CHECK_EQ(get_le64(f + 120), 0x600 + POWER_RESET);
	CHECK_EQ(f[128], POWER_RESET_VALUE);
	CHECK_EQ(get_le64(f + 248), 0x600 + POWER_SLEEP_CONTROL);
	CHECK_EQ(get_le64(f + 260), 0x600 + POWER_SLEEP_STATUS);
	board_free(&b);
}

TEST(no_power_device_no_reset_register)
{
	struct board b;
	const u8 *f;

	board_init(&b, 1);
	CHECK_EQ(acpi_build(&b.m, &b.out), 0);
	f = find(&b, "FACP");
	CHECK(f);
	CHECK_EQ(get_le32(f + 112) >> 10 & 1, 0);
	CHECK_EQ(get_le16(f + 109) & 0x21, 0x20);	/* no legacy devices; no RTC */
	CHECK(!contains(table_at(&b, get_le64(f + 140)), "GED0", 4));
	CHECK(!contains(table_at(&b, get_le64(f + 140)), "COM1", 4));
	board_free(&b);
}

/* [acpi-6.4 6.3.3, 5.6.9] */
TEST(slots_that_can_be_given_back_are_told_of_and_no_others)
{
	/* Device (SL31) { Name (_ADR, 0x1f0000) Name (_SUN, 31) Method (_EJ0, 1, Serialized) { EJNW = 0x80000000 } } */
	static const u8 slot31[] = "SL31\x08_ADR\x0c\x00\x00\x1f\x00\x08_SUN\x0a\x1f\x14\x10_EJ0\x09\x70\x0c\x00\x00\x00\x80" "EJNW";
	/* If (Local0 & 8) { Notify (\_SB.PCI0.SL03, 3) } */
	static const u8 notify3[] = "\x7b\x60\x0a\x08\x00\x86\\\x2f\x03_SB_PCI0SL03\x0a\x03";
	const u8 *dsdt;
	struct board b;

	board_init(&b, 1);
	board_populate(&b);
	board_add_slots(&b);
	CHECK_EQ(acpi_build(&b.m, &b.out), 0);
	dsdt = table_at(&b, get_le64(find(&b, "FACP") + 140));
	CHECK(contains(dsdt, slot31, sizeof(slot31) - 1));
	CHECK(contains(dsdt, notify3, sizeof(notify3) - 1));
	CHECK(contains(dsdt, "SL03\x08_ADR\x0c\x00\x00\x03\x00", 14));
	CHECK(!contains(dsdt, "SL04", 4));
	CHECK(contains(dsdt, "GED1", 4));
	board_free(&b);
	/* All were given back, and the VM is reset: there is nothing to tell. */
	board_init(&b, 1);
	board_populate(&b);
	board_add_slots(&b);
	b.m.eject_slots = 0;
	CHECK_EQ(acpi_build(&b.m, &b.out), 0);
	dsdt = table_at(&b, get_le64(find(&b, "FACP") + 140));
	CHECK(!contains(dsdt, "GED1", 4) && !contains(dsdt, "_EJ0", 4) && !contains(dsdt, "EJNW", 4));
	board_free(&b);
}

/* [acpi-6.4 5.2.12.12] ids of 255 and more have no place in the 8 bit structure */
TEST(vcpus_from_255_on_are_x2apics)
{
	struct board b;
	const u8 *t, *p;
	unsigned int seen[300] = { 0 }, i, nmi = 0;

	board_init(&b, ARRAY_SIZE(seen));
	CHECK_EQ(acpi_build(&b.m, &b.out), 0);
	t = find(&b, "APIC");
	CHECK(t);
	for (p = t + 44; p < t + get_le32(t + 4); p += p[1]) {
		CHECK(p[1] >= 6);
		if (p[0] == 0) {
			CHECK(p[3] < 255);
			CHECK_EQ(p[2], p[3]);
			seen[p[3]]++;
		} else if (p[0] == 9) {
			CHECK(get_le32(p + 4) >= 255 && get_le32(p + 4) < ARRAY_SIZE(seen));
			CHECK_EQ(get_le32(p + 4), get_le32(p + 12));
			seen[get_le32(p + 4)]++;
		} else if (p[0] == 10) {
			nmi++;
		}
	}
	CHECK(p == t + get_le32(t + 4));
	for (i = 0; i < ARRAY_SIZE(seen); i++)
		CHECK_EQ(seen[i], 1);
	CHECK_EQ(nmi, 1);
	board_free(&b);
}

TEST(most_vcpus_fit_below_1m)
{
	struct board b;

	board_init(&b, 4096);
	board_populate(&b);
	board_add_slots(&b);
	b.m.eject_slots = ~1U;
	CHECK_EQ(acpi_build(&b.m, &b.out), 0);
	CHECK(b.out.len <= ACPI_SIZE);
	board_free(&b);
}

/* [acpi-6.4 20.2.4] lengths of one to three bytes, and that they count themselves */
TEST(aml_lengths_at_their_borders)
{
	static const struct { size_t content, bytes; } cases[] = {
		{ 0, 1 }, { 62, 1 }, { 63, 2 }, { 4093, 2 }, { 4094, 3 }, { 70000, 3 },
	};
	unsigned int i, n, k;
	size_t len;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct strbuf b = { 0 };
		struct aml_mark m = aml_else(&b);
		const u8 *p;

		for (len = 0; len < cases[i].content; len++)
			strbuf_add(&b, "\xa3", 1);
		aml_end(&b, m);
		p = (const u8 *)b.s + 1;
		n = (p[0] >> 6) + 1;
		CHECK_EQ(n, cases[i].bytes);
		len = n == 1 ? p[0] & 0x3f : p[0] & 0xf;
		for (k = 1; k < n; k++)
			len |= (size_t)p[k] << (4 + 8 * (k - 1));
		CHECK_EQ(len, cases[i].content + n);
		CHECK_EQ(b.len, 1 + len);
		strbuf_free(&b);
	}
}

/* --- iasl --- */

static bool have_iasl(void)
{
	return system("iasl -v >/dev/null 2>&1") == 0;
}

static int write_file(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	bool ok = fd >= 0 && write(fd, data, len) == (ssize_t)len;

	if (fd >= 0)
		close(fd);
	return ok ? 0 : -1;
}

/* Runs @cmd in @dir; its output is shown when it fails. */
static int run_in(const char *dir, const char *cmd)
{
	char *line;
	int r;

	if (asprintf(&line, "cd '%s' && { %s; } >log 2>&1 || { sed 's/^/# /' log; exit 1; }", dir, cmd) < 0)
		return -1;
	r = system(line);
	free(line);
	return r;
}

static int round_trip(const struct board *b, const char *dir, const char *name)
{
	const u8 *fadt = find(b, "FACP"), *t = !strcmp(name, "DSDT") ? table_at(b, get_le64(fadt + 140)) : find(b, name);
	char *path, *cmd;
	int r;

	if (!t || asprintf(&path, "%s/in.aml", dir) < 0)
		return -1;
	r = write_file(path, t, get_le32(t + 4));
	free(path);
	if (r)
		return r;
	/* The header holds the compiler's own id and the checksum over it: compared from byte 36 on. -oa: as written. */
	if (asprintf(&cmd,
		     "iasl -p in -d in.aml >said 2>&1 && cat said && ! grep -iE 'error|warning|remark|invalid' said && "
		     "iasl -we -oa -p out in.dsl >said 2>&1 && cat said && grep '0 Errors, 0 Warnings, 0 Remarks' said && "
		     "cmp -i 36 in.aml out.aml") < 0)
		return -1;
	r = run_in(dir, cmd);
	free(cmd);
	return r;
}

static void iasl_accepts(unsigned int cpus, bool populated, bool slots)
{
	static const char *const names[] = { "DSDT", "FACP", "APIC", "MCFG" };
	char dir[] = "/tmp/lkvm-acpi-XXXXXX";
	struct board b;
	unsigned int i;
	int bad = 0;

	if (!have_iasl())
		SKIP("iasl (acpica-tools) is not installed");
	board_init(&b, cpus);
	if (populated)
		board_populate(&b);
	if (slots)
		board_add_slots(&b);
	CHECK_EQ(acpi_build(&b.m, &b.out), 0);
	CHECK(mkdtemp(dir));
	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (round_trip(&b, dir, names[i])) {
			printf("# table %s\n", names[i]);
			bad++;
		}
	if (!bad)
		run_in(dir, "rm -f in.aml in.dsl out.aml said && rm -f log && rmdir \"$PWD\"");
	board_free(&b);
	CHECK_EQ(bad, 0);
}

TEST(iasl_accepts_the_full_board)
{
	iasl_accepts(4, true, false);
}

TEST(iasl_accepts_an_empty_board)
{
	iasl_accepts(1, false, false);
}

TEST(iasl_accepts_300_vcpus)
{
	iasl_accepts(300, true, false);
}

TEST(iasl_accepts_slots_that_can_be_given_back)
{
	iasl_accepts(2, true, true);
}

int main(void)
{
	RUN(rsdp_leads_to_checked_tables);
	RUN(power_registers_follow_the_device);
	RUN(no_power_device_no_reset_register);
	RUN(slots_that_can_be_given_back_are_told_of_and_no_others);
	RUN(vcpus_from_255_on_are_x2apics);
	RUN(most_vcpus_fit_below_1m);
	RUN(aml_lengths_at_their_borders);
	RUN(iasl_accepts_the_full_board);
	RUN(iasl_accepts_an_empty_board);
	RUN(iasl_accepts_300_vcpus);
	RUN(iasl_accepts_slots_that_can_be_given_back);
	return tap_done();
}
