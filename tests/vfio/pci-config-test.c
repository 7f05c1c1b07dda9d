/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The config space of a VFIO function: which bits are whose, in which order COMMAND, BARs, resets and power states reach the device.
 *
 * links: vfio/pci-config.c vfio/pci-caps.c vfio/pci-extcaps.c pci.c pci-msi.c pci-host.c iomap.c mmio.c ioport.c device.c state.c event.c
 * links: util/log.c util/io.c util/str.c util/error.c util/cleanup.c util/thread.c
 */
#include "vfio/pci.h"

#include "config-rig.h"
#include "heard.h"

enum { PM = 0xc8, MSI = 0xd0, EXP = 0x50, MSIX = 0xa0, AF = 0x90 };

/* --- what cannot be given to a guest --- */

static void refused(int code, const char *why)
{
	struct error err = { .msg = "" };

	CHECK_EQ(rig_make(&err), code);
	CHECK(strstr(err.msg, "--vfio '0000:01:00.0'"));
	CHECK(strstr(err.msg, why));
	rig_free();
}

TEST(a_device_without_config_space_is_refused)
{
	rig_init();
	rig.region[VFIO_PCI_CONFIG_REGION_INDEX].size = 0;
	refused(-EINVAL, "no config space");
	rig_init();
	rig.region[VFIO_PCI_CONFIG_REGION_INDEX].size = 63;
	refused(-EINVAL, "no config space");
}

TEST(a_config_space_that_lacks_its_last_byte_is_taken)
{
	struct error err = { .msg = "" };

	rig_init();
	rig.region[VFIO_PCI_CONFIG_REGION_INDEX].size = 255;
	CHECK_EQ(rig_make(&err), 0);
	CHECK_EQ(rig.vp->raw[255], 0);
	rig_free();
}

TEST(a_device_that_cannot_be_read_is_refused)
{
	rig_init();
	rig.read_error = -EIO;
	refused(-EIO, "reading its config space");
}

TEST(a_device_that_does_not_answer_is_refused)
{
	rig_init();
	memset(rig.dev, 0xff, sizeof(rig.dev));
	refused(-EIO, "reads ones");
}

TEST(a_bridge_is_refused)
{
	rig_init();
	rig.dev[PCI_HEADER_TYPE] = PCI_HEADER_TYPE_BRIDGE;
	refused(-EINVAL, "bridge");
	rig_init();
	rig.dev[PCI_HEADER_TYPE] = 0x80 | PCI_HEADER_TYPE_CARDBUS;
	refused(-EINVAL, "bridge");
}

/* --- header --- */

TEST(header_says_what_the_device_says)
{
	rig_init();
	put_le16(rig.dev + PCI_STATUS, 0x06a0);
	rig.dev[PCI_MIN_GNT] = 0x11;
	rig.dev[PCI_MAX_LAT] = 0x22;
	rig.dev[PCI_HEADER_TYPE] = 0x80;	/* several functions there, one here */
	rig_start();
	CHECK_EQ(cr(PCI_VENDOR_ID, 4), 0x10d38086);
	CHECK_EQ(cr(PCI_CLASS_REVISION, 4), 0x02000003);
	CHECK_EQ(cr(PCI_SUBSYSTEM_VENDOR_ID, 4), 0xa01f8086);
	CHECK_EQ(cr(PCI_STATUS, 2), 0x06a0);
	CHECK_EQ(cr(PCI_HEADER_TYPE, 1), 0);
	CHECK_EQ(cr(PCI_INTERRUPT_PIN, 1), 1);
	CHECK_EQ(cr(PCI_MIN_GNT, 2), 0x2211);
	CHECK_EQ(cr(PCI_CAPABILITY_LIST, 1), 0);
	rig_free();
}

TEST(ids_do_not_change_when_the_device_does)
{
	rig_init();
	rig_start();
	memset(rig.dev, 0xff, sizeof(rig.dev));
	CHECK_EQ(cr(PCI_VENDOR_ID, 4), 0x10d38086);
	CHECK_EQ(cr(PCI_CLASS_REVISION, 4), 0x02000003);
	cw(PCI_VENDOR_ID, 4, 0);
	cw(PCI_CLASS_REVISION, 4, 0);
	cw(PCI_SUBSYSTEM_VENDOR_ID, 4, 0);
	CHECK_EQ(cr(PCI_SUBSYSTEM_VENDOR_ID, 4), 0xa01f8086);
	CHECK_STR(rig_happened(), "");
	rig_free();
}

TEST(pin_is_shown_only_if_the_host_has_the_interrupt)
{
	rig_init();
	rig.irq[VFIO_PCI_INTX_IRQ_INDEX].count = 0;
	rig_start();
	CHECK_EQ(cr(PCI_INTERRUPT_PIN, 1), 0);
	rig_free();
	rig_init();
	rig.dev[PCI_INTERRUPT_PIN] = 5;		/* reserved */
	rig_start();
	CHECK_EQ(cr(PCI_INTERRUPT_PIN, 1), 0);
	rig_free();
	rig_init();
	rig.dev[PCI_INTERRUPT_PIN] = 3;
	rig_start();
	CHECK_EQ(cr(PCI_INTERRUPT_PIN, 1), 3);
	CHECK(!rig.vp->pin_lost);
	rig_free();
	rig_init();
	fake.no_resample = true;
	rig_start();
	CHECK_EQ(cr(PCI_INTERRUPT_PIN, 1), 0);
	CHECK(rig.vp->pin_lost);
	rig_free();
	rig_init();
	fake.no_resample = true;
	rig.dev[PCI_INTERRUPT_PIN] = 0;		/* nothing to lose */
	rig_start();
	CHECK(!rig.vp->pin_lost);
	rig_free();
}

TEST(emulated_registers_never_reach_the_device)
{
	rig_init();
	rig_start();
	cw(PCI_CACHE_LINE_SIZE, 1, 16);
	cw(PCI_LATENCY_TIMER, 1, 64);
	cw(PCI_BIST, 1, 0x40);
	cw(PCI_INTERRUPT_LINE, 1, 9);
	cw(PCI_ROM_ADDRESS, 4, ~0U);
	cw(PCI_CARDBUS_CIS, 4, ~0U);
	CHECK_EQ(cr(PCI_CACHE_LINE_SIZE, 4), 16);
	CHECK_EQ(cr(PCI_INTERRUPT_LINE, 1), 9);
	CHECK_EQ(cr(PCI_ROM_ADDRESS, 4), 0);
	CHECK_EQ(cr(PCI_CARDBUS_CIS, 4), 0);
	CHECK_STR(rig_happened(), "");
	rig_free();
}

TEST(status_errors_are_the_devices_and_clear_there)
{
	rig_init();
	rig_start();
	put_le16(rig.dev + PCI_STATUS, 0xffff);
	CHECK_EQ(cr(PCI_STATUS, 2), 0xf908);
	cw(PCI_STATUS, 2, 0x2000);
	CHECK_STR(rig_happened(), "w7.1=26 ");
	cw(PCI_COMMAND, 4, 0x40000000);		/* the other half of the dword is not the device's business */
	CHECK_STR(rig_happened(), "w7.1=46 irq ");
	rig_free();
}

TEST(device_that_fails_later_reads_ones_in_its_bits)
{
	rig_init();
	rig_start();
	rig.read_error = -EIO;
	CHECK_EQ(cr(PCI_STATUS, 2), 0xf908);
	CHECK_EQ(cr(PCI_VENDOR_ID, 4), 0x10d38086);
	rig.write_error = -EIO;
	cw(PCI_STATUS, 2, 0xffff);
	cw(PCI_COMMAND, 2, 7);
	CHECK_EQ(cr(PCI_COMMAND, 2), 7);
	rig_free();
}

/* --- COMMAND and BARs --- */

TEST(bars_come_after_the_device_was_told_and_leave_before)
{
	rig_init();
	rig_start();
	put_le16(rig.dev + PCI_COMMAND, 0x0410);	/* the host's own: stay */
	cw(PCI_COMMAND, 2, 7);
	CHECK_STR(rig_happened(), "w4.2=0417 +0 +2 irq ");
	CHECK_EQ(cr(PCI_COMMAND, 2), 7);
	cw(PCI_COMMAND, 2, 5);
	CHECK_STR(rig_happened(), "-0 w4.2=0415 irq ");
	cw(PCI_COMMAND, 2, 6);
	CHECK_STR(rig_happened(), "-2 w4.2=0416 +0 irq ");
	cw(PCI_COMMAND, 2, 0);
	CHECK_STR(rig_happened(), "-0 w4.2=0410 irq ");
	rig_free();
}

TEST(a_bar_that_moves_tells_the_device_nothing)
{
	u32 at;

	rig_init();
	rig_start();
	cw(PCI_COMMAND, 2, 2);
	rig_happened();
	at = cr(PCI_BASE_ADDRESS_0, 4);
	cw(PCI_BASE_ADDRESS_0, 4, at + 0x100000);
	CHECK_STR(rig_happened(), "-0 +0 ");
	CHECK_EQ(get_le32(rig.dev + PCI_BASE_ADDRESS_0), 0);
	rig_free();
}

TEST(intx_disable_stays_with_the_interrupt_code)
{
	rig_init();
	rig_start();
	cw(PCI_COMMAND, 2, 0x400);
	CHECK_STR(rig_happened(), "irq ");
	CHECK_EQ(cr(PCI_COMMAND, 2), 0x400);
	CHECK_EQ(rig.vp->pdev.intx_disabled, true);
	cw(PCI_COMMAND, 2, 0x146);
	CHECK_STR(rig_happened(), "w4.2=0146 +0 irq ");
	rig_free();
}

TEST(a_command_that_did_not_arrive_is_told_again)
{
	rig_init();
	rig_start();
	rig.write_error = -EIO;
	cw(PCI_COMMAND, 2, 4);
	CHECK_STR(rig_happened(), "w4.2=0004 lost irq ");
	CHECK(!rig.vp->command_known);
	cw(PCI_COMMAND, 2, 4);
	CHECK_STR(rig_happened(), "w4.2=0004 irq ");
	rig.write_error = 0;
	cw(PCI_COMMAND, 2, 4);
	CHECK_STR(rig_happened(), "w4.2=0004 back irq ");
	cw(PCI_COMMAND, 2, 4);
	CHECK_STR(rig_happened(), "irq ");
	rig_free();
}

TEST(leaving_the_bus_switches_the_device_off)
{
	rig_init();
	rig_start();
	cw(PCI_COMMAND, 2, 6);
	rig_happened();
	pci_dev_cleanup(&rig.vp->pdev);
	CHECK_STR(rig_happened(), "-0 w4.2=0000 ");
	rig_free();
}

/* --- resets --- */

TEST(reset_switches_off_first_and_then_resets)
{
	rig_init();
	rig_start();
	cw(PCI_COMMAND, 2, 7);
	cw(PCI_CACHE_LINE_SIZE, 1, 16);
	rig_happened();
	vfio_pci_function_reset(rig.vp);
	CHECK_STR(rig_happened(), "irqoff -0 -2 w4.2=0000 reset irq ");
	CHECK_EQ(cr(PCI_COMMAND, 2), 0);
	CHECK_EQ(cr(PCI_CACHE_LINE_SIZE, 1), 0);
	put_le16(rig.dev + PCI_COMMAND, 6);	/* a host that leaves something there is told again */
	cw(PCI_BASE_ADDRESS_0, 4, cr(PCI_BASE_ADDRESS_0, 4));
	CHECK_STR(rig_happened(), "w4.2=0000 ");
	rig_free();
}

static void with_exp(u32 devcap)
{
	rig_init();
	rig_cap(EXP, PCI_CAP_ID_EXP);
	put_le16(rig.dev + EXP + PCI_EXP_FLAGS, 0x0002);
	put_le32(rig.dev + EXP + PCI_EXP_DEVCAP, devcap);
	put_le16(rig.dev + EXP + PCI_EXP_DEVCTL, 0x2830);
}

TEST(function_level_reset_is_caught)
{
	with_exp(PCI_EXP_DEVCAP_FLR | 0x8001);
	rig_start();
	CHECK_EQ(cr(EXP + PCI_EXP_DEVCAP, 4), PCI_EXP_DEVCAP_FLR | 0x8001);
	cw(PCI_COMMAND, 2, 6);
	rig_happened();
	cw(EXP + PCI_EXP_DEVCTL, 2, 0x8000 | 0x2810);
	CHECK_STR(rig_happened(), "w58.2=2830 irqoff -0 w4.2=0000 reset irq ");
	CHECK_EQ(cr(EXP + PCI_EXP_DEVCTL, 2) & 0x8000, 0);
	CHECK_EQ(cr(PCI_COMMAND, 2), 0);
	cw(EXP + PCI_EXP_DEVCTL + 1, 1, 0x80);
	CHECK_EQ(rig.resets, 2);
	cw(EXP + PCI_EXP_DEVCTL, 4, 0x00008000);
	CHECK_EQ(rig.resets, 3);
	cw(EXP + PCI_EXP_DEVCTL, 1, 0x80);
	CHECK_EQ(rig.resets, 3);
	rig_free();
}

TEST(function_level_reset_of_a_device_without_is_nothing)
{
	with_exp(0x8001);
	rig_start();
	cw(EXP + PCI_EXP_DEVCTL, 2, 0x8000);
	CHECK_EQ(rig.resets, 0);
	rig_free();
	with_exp(PCI_EXP_DEVCAP_FLR | 0x8001);
	rig.vd.flags = VFIO_DEVICE_FLAGS_PCI;	/* the host cannot */
	rig_start();
	CHECK_EQ(cr(EXP + PCI_EXP_DEVCAP, 4), 0x8001);
	cw(EXP + PCI_EXP_DEVCTL, 2, 0x8000);
	CHECK_EQ(rig.resets, 0);
	rig_free();
}

TEST(a_reset_that_the_host_refuses_is_said_and_goes_on)
{
	with_exp(PCI_EXP_DEVCAP_FLR);
	rig.reset_error = -EAGAIN;
	rig_start();
	cw(PCI_COMMAND, 2, 6);
	cw(EXP + PCI_EXP_DEVCTL, 2, 0x8000);
	CHECK_EQ(rig.resets, 1);
	CHECK_EQ(cr(PCI_COMMAND, 2), 0);
	cw(PCI_COMMAND, 2, 6);
	CHECK_EQ(mem_read(rig.vm, rig.vp->pdev.bar[0].addr, 4), 0x77);
	rig_free();
}

/* What a reset of a device that is @clean says at @level, if the host refuses it with @error. */
static const char *refused_reset_of(bool clean, int error, bool requested, bool leaving, enum log_level level)
{
	static struct hearing h;

	with_exp(PCI_EXP_DEVCAP_FLR);
	rig.reset_error = error;
	rig_start();
	rig.vp->requested = requested;
	rig.vp->leaving = leaving;
	rig.vd.clean = clean;
	hear(&h, level);
	cw(EXP + PCI_EXP_DEVCTL, 2, 0x8000);
	rig_free();
	return heard(&h);
}

static const char *refused_reset_says(int error, bool requested, bool leaving, enum log_level level)
{
	return refused_reset_of(false, error, requested, leaving, level);
}

TEST(reset_that_is_refused_to_a_clean_device_is_nothing)
{
	CHECK_STR(refused_reset_of(true, -ENOTTY, false, false, LOG_DEBUG), "");
	CHECK(strstr(refused_reset_of(false, -ENOTTY, false, false, LOG_DEBUG), "not reset, and as the guest left it"));
	CHECK_EQ(rig.resets, 1);	/* tried all the same */
}

TEST(only_a_host_that_asked_is_what_locks_the_device)
{
	CHECK(strstr(refused_reset_says(-EAGAIN, false, false, LOG_WARNING), "not reset, and as the guest left it"));
	CHECK(strstr(refused_reset_says(-EIO, true, true, LOG_WARNING), "not reset, and as the guest left it"));
	CHECK_STR(refused_reset_says(-EAGAIN, true, false, LOG_WARNING), "");
	CHECK_STR(refused_reset_says(-EAGAIN, false, true, LOG_WARNING), "");
	CHECK(strstr(refused_reset_says(-EAGAIN, true, false, LOG_INFO), "not reset, as the host is taking it back"));
}

/* [pci-af-ecn] */
TEST(advanced_features_reset_is_caught)
{
	rig_init();
	rig_cap(AF, PCI_CAP_ID_AF);
	rig.dev[AF + 2] = 6;
	rig.dev[AF + PCI_AF_CAP] = 0xff;
	rig.dev[AF + PCI_AF_STATUS] = 0xff;
	rig_start();
	CHECK_EQ(cr(AF + 2, 1), 6);
	CHECK_EQ(cr(AF + PCI_AF_CAP, 1), 3);
	CHECK_EQ(cr(AF + PCI_AF_CTRL, 2), 0x0100);
	cw(AF + PCI_AF_CTRL, 1, 1);
	CHECK_STR(rig_happened(), "irqoff reset irq ");
	CHECK_EQ(cr(AF + PCI_AF_CTRL, 1), 0);
	cw(AF + PCI_AF_CTRL, 1, 2);
	cw(AF + PCI_AF_STATUS, 1, 1);
	CHECK_STR(rig_happened(), "");
	rig_free();
	rig_init();
	rig_cap(AF, PCI_CAP_ID_AF);
	rig.dev[AF + PCI_AF_CAP] = 1;
	rig_start();
	cw(AF + PCI_AF_CTRL, 1, 1);
	CHECK_EQ(rig.resets, 0);
	rig_free();
}

/* --- power states [pci-pm-1.2 3.2] --- */

static void with_pm(u16 pmc, u16 control)
{
	rig_init();
	rig_cap(PM, PCI_CAP_ID_PM);
	put_le16(rig.dev + PM + PCI_PM_PMC, pmc);
	put_le16(rig.dev + PM + PCI_PM_CTRL, control);
	rig_start();
	cw(PCI_COMMAND, 2, 6);
	rig_happened();
}

TEST(bars_leave_before_the_device_sleeps_and_come_when_it_is_awake)
{
	with_pm(0xfe03, PCI_PM_CTRL_NO_SOFT_RESET);
	CHECK_EQ(cr(PM + PCI_PM_PMC, 2), 0x0603);	/* no PME */
	cw(PM + PCI_PM_CTRL, 2, 3);
	CHECK_STR(rig_happened(), "-0 wcc.2=0003 ");
	CHECK_EQ(cr(PM + PCI_PM_CTRL, 2), 3 | PCI_PM_CTRL_NO_SOFT_RESET);
	CHECK_EQ(mem_read(rig.vm, rig.vp->pdev.bar[0].addr, 4), 0xffffffff);
	cw(PCI_COMMAND, 2, 0);
	cw(PCI_COMMAND, 2, 6);
	CHECK_STR(rig_happened(), "w4.2=0000 irq w4.2=0006 irq ");
	cw(PM + PCI_PM_CTRL, 2, 3);
	CHECK_STR(rig_happened(), "");
	cw(PM + PCI_PM_CTRL, 2, 0);
	CHECK_STR(rig_happened(), "wcc.2=0000 +0 ");
	CHECK_EQ(mem_read(rig.vm, rig.vp->pdev.bar[0].addr, 4), 0x77);
	rig_free();
}

TEST(waking_without_no_soft_reset_is_a_reset)
{
	with_pm(0x0003, 0);
	cw(PCI_CACHE_LINE_SIZE, 1, 16);
	cw(PM + PCI_PM_CTRL, 1, 3);
	rig_happened();
	cw(PM + PCI_PM_CTRL, 2, 0);
	CHECK_STR(rig_happened(), "wcc.2=0000 irqoff w4.2=0000 irq ");
	CHECK_EQ(cr(PCI_COMMAND, 2), 0);
	CHECK_EQ(cr(PCI_CACHE_LINE_SIZE, 1), 0);
	cw(PCI_COMMAND, 2, 6);
	CHECK_STR(rig_happened(), "w4.2=0006 +0 irq ");
	rig_free();
}

TEST(power_states_that_the_device_lacks_are_discarded)
{
	with_pm(0x0203, 0);			/* D1, not D2 */
	cw(PM + PCI_PM_CTRL, 2, 2);
	CHECK_EQ(cr(PM + PCI_PM_CTRL, 2), 0);
	CHECK_STR(rig_happened(), "");
	cw(PM + PCI_PM_CTRL, 2, 1);
	CHECK_STR(rig_happened(), "-0 wcc.2=0001 ");
	cw(PM + PCI_PM_CTRL, 2, 2);
	CHECK_EQ(cr(PM + PCI_PM_CTRL, 2), 1);
	cw(PM + PCI_PM_CTRL, 2, 0);		/* from D1 nothing is lost */
	CHECK_STR(rig_happened(), "wcc.2=0000 +0 ");
	rig_free();
}

TEST(other_bits_of_power_management_are_not_written)
{
	with_pm(0xfe03, 0);
	cw(PM + PCI_PM_CTRL, 4, 0xfffffff8 | 0x8100);
	CHECK_EQ(cr(PM + PCI_PM_CTRL, 4), 0);
	CHECK_STR(rig_happened(), "");
	rig_free();
}

TEST(reset_wakes_the_device_first)
{
	with_pm(0x0003, 0);
	cw(PM + PCI_PM_CTRL, 2, 3);
	rig_happened();
	vfio_pci_function_reset(rig.vp);
	CHECK_STR(rig_happened(), "irqoff wcc.2=0000 w4.2=0000 reset irq ");
	CHECK_EQ(cr(PM + PCI_PM_CTRL, 2), 0);
	cw(PCI_COMMAND, 2, 2);
	CHECK_STR(rig_happened(), "w4.2=0002 +0 irq ");
	rig_free();
}

/* --- interrupts --- */

TEST(interrupt_code_hears_of_msi_and_msix_enable)
{
	rig_init();
	rig_cap(MSI, PCI_CAP_ID_MSI);
	put_le16(rig.dev + MSI + PCI_MSI_FLAGS, PCI_MSI_FLAGS_64BIT);
	rig_cap(MSIX, PCI_CAP_ID_MSIX);
	put_le16(rig.dev + MSIX + PCI_MSIX_FLAGS, 3);
	put_le32(rig.dev + MSIX + PCI_MSIX_TABLE, 0x2000);
	put_le32(rig.dev + MSIX + PCI_MSIX_PBA, 0x3000);
	rig_start();
	CHECK_EQ(rig.vp->msix_bar, 0);
	CHECK_EQ(rig.vp->msix_table, 0x2000);
	CHECK_EQ(rig.vp->msix_table_len, 64);
	CHECK_EQ(rig.vp->msix_pba, 0x3000);
	CHECK_EQ(rig.vp->msix_pba_len, 8);
	cw(MSI + PCI_MSI_FLAGS, 2, 1);
	CHECK_STR(rig_happened(), "irq ");
	CHECK(pci_msi_enabled(&rig.vp->pdev));
	cw(MSI + PCI_MSI_FLAGS, 2, 0);
	cw(MSIX + PCI_MSIX_FLAGS, 2, 0x8000);
	CHECK_STR(rig_happened(), "irq irq ");
	CHECK(pci_msix_enabled(&rig.vp->pdev));
	CHECK(rig.vector_changes > 0);
	CHECK_EQ(get_le16(rig.dev + MSIX + PCI_MSIX_FLAGS), 3);
	vfio_pci_function_reset(rig.vp);
	CHECK(!pci_msix_enabled(&rig.vp->pdev));
	rig_free();
}

TEST(a_msix_table_outside_of_its_bar_is_hidden)
{
	rig_init();
	rig_cap(MSIX, PCI_CAP_ID_MSIX);
	put_le16(rig.dev + MSIX + PCI_MSIX_FLAGS, 3);
	put_le32(rig.dev + MSIX + PCI_MSIX_TABLE, RIG_BAR0_SIZE - 16);
	put_le32(rig.dev + MSIX + PCI_MSIX_PBA, 0x3000);
	rig_start();
	CHECK_EQ(cr(PCI_CAPABILITY_LIST, 1), 0);
	CHECK_EQ(cr(MSIX, 4), 0);
	CHECK_EQ(pci_msix_vectors(&rig.vp->pdev), 0);
	rig_free();
	rig_init();
	rig_cap(MSIX, PCI_CAP_ID_MSIX);
	put_le32(rig.dev + MSIX + PCI_MSIX_TABLE, 0x2007);	/* no such BAR */
	rig_start();
	CHECK_EQ(rig.vp->msix_bar, PCI_BARS);
	CHECK_EQ(cr(PCI_CAPABILITY_LIST, 1), 0);
	rig_free();
}

/* --- state --- */

static void save(struct state_writer *w)
{
	*w = (struct state_writer){ .open = false };
	state_begin(w, "vfio0", 1);
	pci_dev_save(&rig.vp->pdev, w);
	state_end(w);
}

static int load(const struct state_writer *w, size_t len)
{
	struct state_reader r;
	u32 version;

	state_reader_init(&r, w->buf.s, len);
	if (state_open(&r, "vfio0", 1, &version) < 0)
		return -EBADMSG;
	return vfio_pci_config_load(rig.vp, &r);
}

TEST(state_brings_command_bars_and_power_back_to_the_device)
{
	struct state_writer w;

	with_pm(0x0003, PCI_PM_CTRL_NO_SOFT_RESET);
	put_le16(rig.dev + PCI_STATUS, 0xf910);		/* what is passed is no part of it */
	save(&w);
	put_le16(rig.dev + PCI_STATUS, 0x0010);
	vfio_pci_function_reset(rig.vp);
	rig_happened();
	CHECK_EQ(load(&w, w.buf.len), 0);
	CHECK_STR(rig_happened(), "w4.2=0006 +0 irq ");
	CHECK_EQ(cr(PCI_COMMAND, 2), 6);
	state_writer_free(&w);

	cw(PM + PCI_PM_CTRL, 2, 3);
	save(&w);
	cw(PM + PCI_PM_CTRL, 2, 0);
	rig_happened();
	CHECK_EQ(load(&w, w.buf.len), 0);
	CHECK_STR(rig_happened(), "-0 w4.2=0006 +0 -0 wcc.2=0003 irq ");
	CHECK_EQ(load(&w, w.buf.len), 0);		/* asleep when it begins */
	CHECK_STR(rig_happened(), "wcc.2=0000 w4.2=0006 +0 -0 wcc.2=0003 irq ");
	state_writer_free(&w);
	rig_free();
}

TEST(state_that_is_refused_leaves_the_device_as_it_was)
{
	struct state_writer w;

	with_pm(0x0003, PCI_PM_CTRL_NO_SOFT_RESET);
	cw(PM + PCI_PM_CTRL, 2, 3);
	save(&w);
	rig_happened();
	CHECK_EQ(load(&w, w.buf.len - 1), -EBADMSG);
	CHECK_EQ(cr(PM + PCI_PM_CTRL, 2) & 3, 3);
	CHECK_EQ(rig.vp->power, 3);
	CHECK_EQ(rig.dev[PM + PCI_PM_CTRL], 3);
	state_writer_free(&w);
	rig_free();
}

int main(void)
{
	RUN(a_device_without_config_space_is_refused);
	RUN(a_config_space_that_lacks_its_last_byte_is_taken);
	RUN(a_device_that_cannot_be_read_is_refused);
	RUN(a_device_that_does_not_answer_is_refused);
	RUN(a_bridge_is_refused);
	RUN(header_says_what_the_device_says);
	RUN(ids_do_not_change_when_the_device_does);
	RUN(pin_is_shown_only_if_the_host_has_the_interrupt);
	RUN(emulated_registers_never_reach_the_device);
	RUN(status_errors_are_the_devices_and_clear_there);
	RUN(device_that_fails_later_reads_ones_in_its_bits);
	RUN(bars_come_after_the_device_was_told_and_leave_before);
	RUN(a_bar_that_moves_tells_the_device_nothing);
	RUN(intx_disable_stays_with_the_interrupt_code);
	RUN(a_command_that_did_not_arrive_is_told_again);
	RUN(leaving_the_bus_switches_the_device_off);
	RUN(reset_switches_off_first_and_then_resets);
	RUN(function_level_reset_is_caught);
	RUN(function_level_reset_of_a_device_without_is_nothing);
	RUN(a_reset_that_the_host_refuses_is_said_and_goes_on);
	RUN(reset_that_is_refused_to_a_clean_device_is_nothing);
	RUN(only_a_host_that_asked_is_what_locks_the_device);
	RUN(advanced_features_reset_is_caught);
	RUN(bars_leave_before_the_device_sleeps_and_come_when_it_is_awake);
	RUN(waking_without_no_soft_reset_is_a_reset);
	RUN(power_states_that_the_device_lacks_are_discarded);
	RUN(other_bits_of_power_management_are_not_written);
	RUN(reset_wakes_the_device_first);
	RUN(interrupt_code_hears_of_msi_and_msix_enable);
	RUN(a_msix_table_outside_of_its_bar_is_hidden);
	RUN(state_brings_command_bars_and_power_back_to_the_device);
	RUN(state_that_is_refused_leaves_the_device_as_it_was);
	return tap_done();
}
