/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which capabilities of a VFIO function its guest sees, where, and which of their bits are the device's.
 *
 * links: vfio/pci-config.c vfio/pci-caps.c vfio/pci-extcaps.c pci.c pci-msi.c pci-host.c iomap.c mmio.c ioport.c device.c state.c event.c
 * links: util/log.c util/io.c util/str.c util/error.c util/cleanup.c util/thread.c
 */
#include "vfio/pci.h"

#include "config-rig.h"

/* The capabilities the guest finds, as "09@60 11@70 "; a list that does not end says so. */
static const char *list(void)
{
	static char s[512];
	unsigned int at = cr(PCI_CAPABILITY_LIST, 1), n;

	s[0] = 0;
	for (n = 0; at && n < 50; n++, at = cr(at + 1, 1))
		snprintf(s + strlen(s), sizeof(s) - strlen(s), "%02x@%x ", cr(at, 1), at);
	return at ? "endless" : s;
}

static const char *ext_list(void)
{
	static char s[4096];
	unsigned int at = 0x100, n;

	s[0] = 0;
	for (n = 0; at && n < 1000; n++, at = cr(at, 4) >> 20)
		if (cr(at, 4))
			snprintf(s + strlen(s), sizeof(s) - strlen(s), "%x@%x ", cr(at, 4) & 0xfffff, at);
	return at ? "endless" : s;
}

/* --- the list --- */

TEST(capabilities_stay_where_they_are_in_their_order)
{
	rig_init();
	rig_cap(0xe0, PCI_CAP_ID_VNDR);
	rig_cap(0x40, PCI_CAP_ID_PM);
	rig_cap(0x80, PCI_CAP_ID_SSVID);
	put_le32(rig.dev + 0x84, 0x12345678);
	rig_start();
	CHECK_STR(list(), "09@e0 01@40 0d@80 ");
	CHECK_EQ(cr(PCI_STATUS, 2) & PCI_STATUS_CAP_LIST, PCI_STATUS_CAP_LIST);
	CHECK_EQ(cr(0x84, 4), 0x12345678);
	rig_free();
}

TEST(hidden_capabilities_are_unlinked_and_read_0)
{
	static const u8 hidden[] = { 0, PCI_CAP_ID_AGP, PCI_CAP_ID_SLOTID, PCI_CAP_ID_CHSWP, PCI_CAP_ID_HT, PCI_CAP_ID_SHPC, PCI_CAP_ID_AGP3,
				     PCI_CAP_ID_EA };
	unsigned int i;

	for (i = 0; i < sizeof(hidden); i++) {
		rig_init();
		rig_cap(0x40, PCI_CAP_ID_VNDR);
		rig_cap(0x60, hidden[i]);
		rig_cap(0x70, PCI_CAP_ID_VNDR);
		memset(rig.dev + 0x62, 0x5a, 2);
		rig_start();
		CHECK_STR(list(), "09@40 09@70 ");
		CHECK_EQ(cr(0x60, 4), 0);
		cw(0x60, 4, ~0U);
		CHECK_STR(rig_happened(), "");
		rig_free();
	}
}

TEST(unknown_capabilities_are_read_and_not_written)
{
	rig_init();
	rig_cap(0x40, 0x7f);
	rig_cap(0x50, PCI_CAP_ID_VNDR);
	put_le32(rig.dev + 0x40, get_le16(rig.dev + 0x40) | 0xbeef0000);
	put_le32(rig.dev + 0x4c, 0xcafe);
	rig_start();
	CHECK_STR(list(), "7f@40 09@50 ");
	CHECK_EQ(cr(0x42, 2), 0xbeef);
	put_le32(rig.dev + 0x4c, 0xcaff);	/* it is read each time */
	CHECK_EQ(cr(0x4c, 4), 0xcaff);
	cw(0x4c, 4, 0);
	CHECK_STR(rig_happened(), "");
	rig_free();
}

static void broken(const char *left)
{
	rig.dev[0xf0] = 0x77;
	rig_start();
	CHECK_STR(list(), left);
	CHECK_EQ(cr(0xf0, 1), 0);	/* nothing is known of what is between */
	cw(0xf0, 1, 1);
	CHECK_STR(rig_happened(), "");
	rig_free();
}

TEST(a_broken_list_is_cut)
{
	rig_init();
	rig_cap(0x40, PCI_CAP_ID_VNDR);
	rig_cap(0x60, PCI_CAP_ID_SSVID);
	rig.dev[0x61] = 0x40;			/* a loop */
	rig.dev[0x42] = 8;
	rig.irq[VFIO_PCI_INTX_IRQ_INDEX].count = 0;
	rig.dev[0x70] = 0;
	rig_start();
	CHECK_STR(list(), "09@40 0d@60 ");
	rig_free();

	rig_init();
	rig_cap(0x60, PCI_CAP_ID_SSVID);
	rig_cap(0x68, PCI_CAP_ID_PM);
	rig.dev[0x69] = 0x3c;			/* into the header */
	broken("0d@60 01@68 ");

	rig_init();
	rig_cap(0x60, PCI_CAP_ID_SSVID);
	rig_cap(0x68, PCI_CAP_ID_PM);
	rig.dev[0x69] = 0x80;
	rig.dev[0x80] = 0xff;			/* nobody answers there */
	broken("0d@60 01@68 ");

	rig_init();
	rig.dev[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
	rig.dev[PCI_CAPABILITY_LIST] = 0x10;
	broken("");
}

TEST(a_list_that_status_denies_is_none)
{
	rig_init();
	rig_cap(0x40, PCI_CAP_ID_VNDR);
	rig.dev[PCI_STATUS] = 0;
	rig_start();
	CHECK_STR(list(), "");
	rig_free();
}

TEST(the_low_bits_of_links_are_masked)
{
	rig_init();
	rig_cap(0x40, PCI_CAP_ID_VNDR);
	rig_cap(0x50, PCI_CAP_ID_SSVID);
	rig.dev[PCI_CAPABILITY_LIST] = 0x43;
	rig.dev[0x41] = 0x51;
	rig_start();
	CHECK_STR(list(), "09@40 0d@50 ");
	rig_free();
}

/* --- one by one --- */

TEST(vendor_capabilities_are_passed_at_native_width)
{
	rig_init();
	rig_cap(0x40, PCI_CAP_ID_VNDR);
	rig.dev[0x42] = 20;
	put_le32(rig.dev + 0x50, 0xaabbccdd);
	rig_start();
	CHECK_EQ(cr(0x50, 4), 0xaabbccdd);
	CHECK_EQ(cr(0x51, 1), 0xcc);
	cw(0x50, 4, 0x11223344);
	cw(0x50, 1, 0x55);
	cw(0x52, 2, 0x6677);
	CHECK_STR(rig_happened(), "w50.4=11223344 w50.1=55 w52.2=6677 ");
	cw(0x40, 4, 0xffffffff);	/* its id and link are not the driver's */
	CHECK_STR(rig_happened(), "w42.2=ffff ");
	rig_free();
}

TEST(vital_product_data_and_sata_are_passed)
{
	rig_init();
	rig_cap(0x40, PCI_CAP_ID_VPD);
	rig_cap(0x50, PCI_CAP_ID_SATA);
	put_le32(rig.dev + 0x44, 0x1234);
	rig_start();
	cw(0x42, 2, 0x0010);
	CHECK_EQ(cr(0x44, 4), 0x1234);
	cw(0x44, 4, 1);
	cw(0x54, 4, 2);
	CHECK_STR(rig_happened(), "w42.2=0010 w44.4=00000001 w54.4=00000002 ");
	rig_free();
}

TEST(registers_in_no_capability_are_the_devices)
{
	rig_init();
	rig_cap(0x40, PCI_CAP_ID_PM);
	rig_cap(0x60, PCI_CAP_ID_MSI);
	put_le16(rig.dev + 0x62, PCI_MSI_FLAGS_64BIT);
	put_le32(rig.dev + 0x48, 0x51);
	put_le32(rig.dev + 0xfc, 0x52);
	rig_start();
	CHECK_EQ(cr(0x48, 4), 0x51);
	CHECK_EQ(cr(0xfc, 4), 0x52);
	cw(0x48, 4, 1);
	cw(0x70, 4, 2);
	cw(0xff, 1, 3);
	CHECK_STR(rig_happened(), "w48.4=00000001 w70.4=00000002 wff.1=03 ");
	cw(0x6c, 2, 0xffff);		/* MSI's */
	CHECK_STR(rig_happened(), "");
	CHECK_EQ(cr(0x6c, 2), 0xffff);
	rig_free();
}

TEST(a_region_shorter_than_config_space_is_passed_to_its_end)
{
	rig_init();
	rig.region[VFIO_PCI_CONFIG_REGION_INDEX].size = 255;
	put_le32(rig.dev + 0xf8, 0x51);
	rig_start();
	CHECK_EQ(cr(0xf8, 4), 0x51);
	CHECK_EQ(cr(0xfc, 4), 0);
	cw(0xf8, 4, 1);
	cw(0xfc, 4, 2);
	cw(0xff, 1, 3);
	CHECK_STR(rig_happened(), "wf8.4=00000001 ");
	rig_free();
}

static void msi(u16 control, unsigned int host, unsigned int vectors)
{
	rig_init();
	rig_cap(0x60, PCI_CAP_ID_MSI);
	put_le16(rig.dev + 0x62, control | 0x0071);	/* someone had it on */
	put_le32(rig.dev + 0x64, 0xfee00000);
	rig.irq[VFIO_PCI_MSI_IRQ_INDEX].count = host;
	rig_start();
	CHECK_STR(list(), vectors ? "05@60 " : "");
	if (vectors) {
		CHECK_EQ(cr(0x62, 2), (u32)(control & ~0xe) | (u32)__builtin_ctz(vectors) << 1);
		CHECK_EQ(cr(0x64, 4), 0);
	}
	rig_free();
}

TEST(msi_has_the_devices_layout_and_what_vectors_the_host_has)
{
	msi(PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT, 32, 1);
	msi(PCI_MSI_FLAGS_64BIT | 3 << 1, 32, 8);
	msi(PCI_MSI_FLAGS_MASKBIT | 5 << 1, 32, 32);
	msi(7 << 1, 32, 32);			/* reserved */
	msi(5 << 1, 5, 4);
	msi(PCI_MSI_FLAGS_64BIT, 0, 0);
}

TEST(msix_has_what_vectors_the_host_has)
{
	rig_init();
	rig_cap(0x60, PCI_CAP_ID_MSIX);
	put_le16(rig.dev + 0x62, 0xc000 | 9);
	put_le32(rig.dev + 0x68, 0x1000);
	rig.irq[VFIO_PCI_MSIX_IRQ_INDEX].count = 4;
	rig_start();
	CHECK_EQ(cr(0x62, 2), 3);
	CHECK_EQ(pci_msix_vectors(&rig.vp->pdev), 4);
	CHECK_EQ(rig.vp->msix_cap, 0x60);
	rig_free();
	rig_init();
	rig_cap(0x60, PCI_CAP_ID_MSIX);
	put_le32(rig.dev + 0x68, 0x1000);
	rig.irq[VFIO_PCI_MSIX_IRQ_INDEX].count = 0;
	rig_start();
	CHECK_STR(list(), "");
	rig_free();
}

TEST(msix_pending_bits_in_another_bar_are_the_devices)
{
	u64 val;

	rig_init();
	rig_cap(0x60, PCI_CAP_ID_MSIX);
	put_le16(rig.dev + 0x62, 3);
	put_le32(rig.dev + 0x64, 0x1000);
	put_le32(rig.dev + 0x68, 0x1000 | 4);
	if (rig_make(NULL) < 0 || pci_dev_add_bar(&rig.vp->pdev, 4, PCI_BAR_MEM32, 0x10000, &rig_bar_io) < 0)
		abort();
	rig_plug();
	CHECK_EQ(rig.vp->msix_bar, 0);
	CHECK_EQ(rig.vp->msix_pba_len, 0);
	CHECK_EQ(cr(0x68, 4), 0x1004);
	CHECK_EQ(pci_msix_vectors(&rig.vp->pdev), 4);
	CHECK(pci_msix_read(&rig.vp->pdev, 0x1000, 4, &val));
	CHECK(!pci_msix_read(&rig.vp->pdev, 0x1040, 4, &val));
	rig_free();
}

TEST(capabilities_without_room_or_twice_are_hidden)
{
	rig_init();
	rig_cap(0x40, PCI_CAP_ID_MSI);
	put_le16(rig.dev + 0x42, PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT);
	rig_cap(0x44, PCI_CAP_ID_SSVID);
	rig_cap(0x4c, PCI_CAP_ID_MSIX);
	rig_cap(0x50, PCI_CAP_ID_PM);
	rig_cap(0x54, PCI_CAP_ID_AF);
	rig_cap(0x58, PCI_CAP_ID_EXP);
	rig_cap(0x5c, PCI_CAP_ID_VPD);
	rig_cap(0x64, PCI_CAP_ID_PM);
	rig_cap(0x6c, PCI_CAP_ID_PM);
	rig_cap(0x80, PCI_CAP_ID_AF);
	rig_cap(0x88, PCI_CAP_ID_AF);
	rig_cap(0xfc, PCI_CAP_ID_VNDR);
	rig_start();
	CHECK_STR(list(), "0d@44 03@5c 01@64 13@80 09@fc ");
	rig_free();
}

/* --- PCI Express --- */

static void with_exp(u16 flags)
{
	rig_init();
	rig.region[VFIO_PCI_CONFIG_REGION_INDEX].size = PCIE_CONFIG_SIZE;
	rig_cap(0x40, PCI_CAP_ID_EXP);
	memset(rig.dev + 0x42, 0xff, 0x3a);
	put_le16(rig.dev + 0x42, flags);
}

TEST(express_keeps_its_type_and_link_registers)
{
	static const u16 flags[] = { 0x0001, 0x0002, 0x0012, 0x0092 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		with_exp(flags[i]);
		rig_start();
		CHECK_STR(list(), "10@40 ");
		CHECK_EQ(cr(0x42, 2), flags[i]);
		CHECK_EQ(cr(0x40 + PCI_EXP_DEVCAP, 4), ~0U);
		CHECK_EQ(cr(0x40 + PCI_EXP_LNKSTA, 2), 0xffff);
		put_le16(rig.dev + 0x40 + PCI_EXP_LNKSTA, 0x1043);
		CHECK_EQ(cr(0x40 + PCI_EXP_LNKSTA, 2), 0x1043);
		cw(0x40 + PCI_EXP_LNKCTL, 2, 0x13);
		CHECK_STR(rig_happened(), "");
		rig_free();
	}
}

TEST(express_of_another_type_is_hidden_with_all_that_is_extended)
{
	with_exp(0x0042);			/* root port */
	put_le32(rig.dev + 0x100, 0x00010003);
	rig_start();
	CHECK_STR(list(), "");
	CHECK_STR(ext_list(), "");
	rig_free();
}

TEST(device_control_is_passed_but_payload_size)
{
	with_exp(0x0002);
	put_le16(rig.dev + 0x48, 0x2830);	/* payloads of 256 bytes */
	put_le16(rig.dev + 0x4a, 0x00f0);
	rig_start();
	CHECK_EQ(cr(0x48, 2), 0x2830);
	cw(0x48, 2, 0x5057);
	CHECK_STR(rig_happened(), "w48.2=5037 ");
	CHECK_EQ(cr(0x48, 2), 0x5057);
	put_le16(rig.dev + 0x4a, 0x000f);
	CHECK_EQ(cr(0x4a, 2), 0x000f);
	cw(0x4a, 2, 0x0004);
	CHECK_STR(rig_happened(), "w4a.1=04 ");
	rig_free();
}

TEST(device_control_2_is_passed_where_the_path_need_not_agree)
{
	with_exp(0x0002);
	put_le16(rig.dev + 0x68, 0);
	rig_start();
	CHECK_EQ(cr(0x64, 4), ~0U);
	cw(0x68, 2, 0xffff);
	CHECK_STR(rig_happened(), "w68.2=031f ");
	CHECK_EQ(cr(0x54, 4), 0);		/* no slot, no root */
	CHECK_EQ(cr(0x5c, 4), 0);
	rig_free();
	with_exp(0x0001);			/* version 1 ends before */
	rig_start();
	cw(0x68, 2, 0x1234);
	CHECK_STR(rig_happened(), "w68.2=1234 ");
	rig_free();
}

TEST(a_short_express_capability_is_taken_as_far_as_it_goes)
{
	with_exp(0x0002);
	rig_cap(0x54, PCI_CAP_ID_SSVID);
	put_le32(rig.dev + 0x50, 0x10430000);
	rig.dev[0x41] = 0x54;
	rig_start();
	CHECK_STR(list(), "10@40 0d@54 ");
	CHECK_EQ(cr(0x52, 2), 0x1043);
	rig_free();
}

/* --- extended --- */

static void ext(unsigned int off, u16 id, unsigned int next)
{
	put_le32(rig.dev + off, id | 1U << 16 | next << 20);
}

static void with_ext(void)
{
	with_exp(0x0002);
	memset(rig.dev + 0x100, 0x5a, PCIE_CONFIG_SIZE - 0x100);
}

TEST(a_function_without_extended_capabilities_has_none)
{
	with_exp(0x0002);
	rig_start();
	CHECK_EQ(cr(0x100, 4), 0);
	CHECK_STR(ext_list(), "");
	rig_free();
	with_ext();
	memset(rig.dev + 0x100, 0xff, 0xf00);
	rig_start();
	CHECK_STR(ext_list(), "");
	rig_free();
}

TEST(extended_capabilities_are_kept_or_hidden_as_the_table_says)
{
	static const struct { u16 id; bool kept; } want[] = {
		{ PCI_EXT_CAP_ID_ERR, false }, { PCI_EXT_CAP_ID_VC, true }, { PCI_EXT_CAP_ID_DSN, true }, { PCI_EXT_CAP_ID_PWR, true },
		{ PCI_EXT_CAP_ID_RCLD, false }, { PCI_EXT_CAP_ID_RCILC, false }, { PCI_EXT_CAP_ID_RCEC, false }, { PCI_EXT_CAP_ID_MFVC, false },
		{ PCI_EXT_CAP_ID_VC9, true }, { PCI_EXT_CAP_ID_RCRB, false }, { PCI_EXT_CAP_ID_VNDR, true }, { PCI_EXT_CAP_ID_ACS, false },
		{ PCI_EXT_CAP_ID_ARI, false }, { PCI_EXT_CAP_ID_ATS, false }, { PCI_EXT_CAP_ID_SRIOV, false }, { PCI_EXT_CAP_ID_MRIOV, false },
		{ PCI_EXT_CAP_ID_MCAST, false }, { PCI_EXT_CAP_ID_PRI, false }, { PCI_EXT_CAP_ID_REBAR, false }, { PCI_EXT_CAP_ID_DPA, false },
		{ PCI_EXT_CAP_ID_TPH, false }, { PCI_EXT_CAP_ID_LTR, true }, { PCI_EXT_CAP_ID_SECPCI, true }, { PCI_EXT_CAP_ID_PMUX, false },
		{ PCI_EXT_CAP_ID_PASID, false }, { PCI_EXT_CAP_ID_DPC, false }, { PCI_EXT_CAP_ID_L1SS, true }, { PCI_EXT_CAP_ID_PTM, false },
		{ PCI_EXT_CAP_ID_DVSEC, true }, { PCI_EXT_CAP_ID_DLF, true }, { PCI_EXT_CAP_ID_PL_16GT, true }, { 0x2e, false }, { 0x7777, false },
	};
	char expect[4096] = "10003@100 ";
	unsigned int i, at;

	with_ext();
	ext(0x100, PCI_EXT_CAP_ID_DSN, 0x140);
	for (i = 0; i < ARRAY_SIZE(want); i++) {
		at = 0x140 + i * 0x40;
		ext(at, want[i].id, i + 1 < ARRAY_SIZE(want) ? at + 0x40 : 0);
		if (want[i].kept)
			snprintf(expect + strlen(expect), sizeof(expect) - strlen(expect), "%x@%x ", 0x10000U | want[i].id, at);
	}
	rig_start();
	CHECK_STR(ext_list(), expect);
	for (i = 0; i < ARRAY_SIZE(want); i++)
		CHECK_EQ(cr(0x144 + i * 0x40, 4), want[i].kept ? 0x5a5a5a5a : 0);
	for (i = 0x100; i < PCIE_CONFIG_SIZE; i += 4)
		cw(i, 4, 0xffffffff);
	/* a Data Select register, and what is behind the header of a vendor's: 0x5a5 bytes, up to the next one */
	CHECK(!strncmp(rig_happened(), "w204.1=ff w3c8.4=ffffffff ", 26));
	CHECK_STR(ext_list(), expect);
	rig_free();
}

TEST(a_first_extended_capability_that_is_hidden_leaves_its_link)
{
	with_ext();
	ext(0x100, PCI_EXT_CAP_ID_ERR, 0x148);
	ext(0x148, PCI_EXT_CAP_ID_SRIOV, 0x200);
	ext(0x200, PCI_EXT_CAP_ID_DSN, 0);
	rig_start();
	CHECK_EQ(cr(0x100, 4), 0x20000000);
	CHECK_EQ(cr(0x104, 4), 0);
	CHECK_EQ(cr(0x200, 4), 0x00010003);
	CHECK_EQ(cr(0x204, 4), 0x5a5a5a5a);
	CHECK_EQ(cr(0x20c, 4), 0);		/* longer than a serial number is */
	rig_free();
}

TEST(a_broken_extended_list_is_cut)
{
	with_ext();
	ext(0x100, PCI_EXT_CAP_ID_DSN, 0x140);
	ext(0x140, PCI_EXT_CAP_ID_LTR, 0x100);	/* a loop */
	rig_start();
	CHECK_STR(ext_list(), "10003@100 10018@140 ");
	rig_free();
	with_ext();
	ext(0x100, PCI_EXT_CAP_ID_DSN, 0x80);	/* into the first 256 bytes */
	rig_start();
	CHECK_STR(ext_list(), "10003@100 ");
	rig_free();
	with_ext();
	ext(0x100, PCI_EXT_CAP_ID_DSN, 0x140);
	put_le32(rig.dev + 0x140, ~0U);
	rig_start();
	CHECK_STR(ext_list(), "10003@100 ");
	rig_free();
	with_ext();
	ext(0x100, PCI_EXT_CAP_ID_VNDR, 0xffc);
	ext(0xffc, PCI_EXT_CAP_ID_VNDR, 0);	/* no room for its body */
	rig_start();
	CHECK_STR(ext_list(), "1000b@100 1000b@ffc ");
	rig_free();
}

TEST(vendor_specific_ones_are_passed_as_long_as_they_say)
{
	with_ext();
	ext(0x100, PCI_EXT_CAP_ID_VNDR, 0);
	put_le32(rig.dev + 0x104, 0x01000010 | 0x2 << 16);	/* length 10h */
	rig_start();
	CHECK_EQ(cr(0x104, 4), 0x01020010);
	CHECK_EQ(cr(0x108, 4), 0x5a5a5a5a);
	CHECK_EQ(cr(0x110, 4), 0);
	cw(0x104, 4, 0);
	cw(0x10c, 4, 1);
	cw(0x110, 4, 2);
	CHECK_STR(rig_happened(), "w10c.4=00000001 ");
	rig_free();
	with_ext();
	ext(0x100, PCI_EXT_CAP_ID_DVSEC, 0);
	put_le32(rig.dev + 0x104, 0x00000010);	/* length 0: nothing but its header */
	rig_start();
	CHECK_EQ(cr(0x104, 4), 0x10);
	CHECK_EQ(cr(0x108, 4), 0);
	cw(0x108, 4, 1);
	CHECK_STR(rig_happened(), "");
	rig_free();
}

TEST(error_reporting_is_passed_if_asked_for)
{
	with_ext();
	ext(0x100, PCI_EXT_CAP_ID_ERR, 0);
	rig.cfg.aer = true;
	rig_start();
	CHECK_STR(ext_list(), "10001@100 ");
	CHECK_EQ(cr(0x100 + PCI_ERR_UNCOR_STATUS, 4), 0x5a5a5a5a);
	cw(0x100 + PCI_ERR_UNCOR_STATUS, 4, 0x10);
	cw(0x100 + PCI_ERR_COR_STATUS, 4, 0x20);
	cw(0x100 + PCI_ERR_UNCOR_MASK, 4, 0);
	cw(0x100 + PCI_ERR_CAP, 4, 0);
	cw(0x100 + PCI_ERR_HEADER_LOG, 4, 0);
	CHECK_STR(rig_happened(), "w104.4=00000010 w110.4=00000020 w108.4=00000000 w118.2=5a1a ");
	rig_free();
	with_ext();
	ext(0x100, PCI_EXT_CAP_ID_ERR, 0x118);
	ext(0x118, PCI_EXT_CAP_ID_DSN, 0);
	rig.cfg.aer = true;
	rig_start();
	cw(0x104, 4, 0x10);			/* cut short: read only */
	CHECK_STR(rig_happened(), "");
	CHECK_EQ(cr(0x104, 4), 0x5a5a5a5a);
	rig_free();
}

int main(void)
{
	RUN(capabilities_stay_where_they_are_in_their_order);
	RUN(hidden_capabilities_are_unlinked_and_read_0);
	RUN(unknown_capabilities_are_read_and_not_written);
	RUN(a_broken_list_is_cut);
	RUN(a_list_that_status_denies_is_none);
	RUN(the_low_bits_of_links_are_masked);
	RUN(vendor_capabilities_are_passed_at_native_width);
	RUN(vital_product_data_and_sata_are_passed);
	RUN(registers_in_no_capability_are_the_devices);
	RUN(a_region_shorter_than_config_space_is_passed_to_its_end);
	RUN(msi_has_the_devices_layout_and_what_vectors_the_host_has);
	RUN(msix_has_what_vectors_the_host_has);
	RUN(msix_pending_bits_in_another_bar_are_the_devices);
	RUN(capabilities_without_room_or_twice_are_hidden);
	RUN(express_keeps_its_type_and_link_registers);
	RUN(express_of_another_type_is_hidden_with_all_that_is_extended);
	RUN(device_control_is_passed_but_payload_size);
	RUN(device_control_2_is_passed_where_the_path_need_not_agree);
	RUN(a_short_express_capability_is_taken_as_far_as_it_goes);
	RUN(a_function_without_extended_capabilities_has_none);
	RUN(extended_capabilities_are_kept_or_hidden_as_the_table_says);
	RUN(a_first_extended_capability_that_is_hidden_leaves_its_link);
	RUN(a_broken_extended_list_is_cut);
	RUN(vendor_specific_ones_are_passed_as_long_as_they_say);
	RUN(error_reporting_is_passed_if_asked_for);
	return tap_done();
}
