/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writing a tree, and the nodes of devices. [devicetree-specification v0.4], [IEEE 1275 PCI bus binding 2.1]
 * links: dt/tree.c dt/devices.c device.c memory.c util/error.c
 */
#include "tests/dt/dt-fake.h"

static struct dt t;
static char stdout_path[64];

/* The tree of the devices that there are; in t.buf. */
static bool write_tree(void)
{
	struct dt_interrupts irq = fake_irq;

	if (dt_begin(&t) < 0 || fake_nodes(&fake, &t, &irq, &fake_err) < 0)
		return false;
	dt_devices(&t, &fake, &irq, stdout_path);
	return !dt_finish(&t, &fake_err) && !fdt_check_full(t.buf, t.size);
}

/* --- tree.c --- */

TEST(tree_grows)
{
	u8 *big = calloc(1, 100 * 1024);
	unsigned int i;
	int len;

	for (i = 0; i < 100 * 1024; i++)
		big[i] = (u8)(i / 1000);
	CHECK_EQ(dt_begin(&t), 0);
	dt_bytes(&t, "big", big, 100 * 1024);
	for (i = 0; i < 1000; i++) {
		dt_node(&t, "n@%x", i);
		dt_u64(&t, "value", i);
		dt_end(&t);
	}
	CHECK_EQ(dt_finish(&t, &fake_err), 0);
	CHECK_EQ(fdt_check_full(t.buf, t.size), 0);
	CHECK(!memcmp(prop(t.buf, "/", "big", &len), big, 100 * 1024));
	CHECK_EQ(cells64(t.buf, "/n@3e7", "value", 0), 999);
	dt_free(&t);
	free(big);
}

TEST(values_are_big_endian)
{
	static const u32 three[] = { 1, 0x12345678, 3 };
	static const u64 two[] = { 0x123456789abcdef0, 1 };
	static const char *const list[] = { "one", "", "three", NULL };
	int len;

	CHECK_EQ(dt_begin(&t), 0);
	dt_u32s(&t, "a", three, 3);
	dt_u64s(&t, "b", two, 2);
	dt_strs(&t, "c", list);
	dt_flag(&t, "d");
	dt_str(&t, "e", "text");
	CHECK_EQ(dt_finish(&t, &fake_err), 0);
	CHECK_EQ(cell(t.buf, "/", "a", 1), 0x12345678);
	CHECK_EQ(cells64(t.buf, "/", "b", 0), 0x123456789abcdef0);
	CHECK(!memcmp(prop(t.buf, "/", "c", &len), "one\0\0three", 11) && len == 11);
	CHECK(prop(t.buf, "/", "d", &len) && !len);
	CHECK_STR(text(t.buf, "/", "e"), "text");
	dt_free(&t);
}

TEST(first_failure_is_remembered)
{
	CHECK_EQ(dt_begin(&t), 0);
	dt_node(&t, "%0100d", 1);	/* no name of a node */
	CHECK_EQ(t.error, -EINVAL);
	dt_u32(&t, "x", 1);
	dt_end(&t);
	CHECK_EQ(dt_finish(&t, &fake_err), -EINVAL);
	CHECK(strstr(fake_err.msg, "making the device tree"));
	dt_free(&t);

	CHECK_EQ(dt_begin(&t), 0);
	dt_node(&t, "%s", "");
	CHECK_EQ(t.error, -EINVAL);
	dt_free(&t);
	CHECK_EQ(dt_begin(&t), 0);
	dt_bytes(&t, "x", "", 17 * MIB);
	dt_u32(&t, "y", 1);
	CHECK_EQ(dt_finish(&t, &fake_err), -E2BIG);
	dt_free(&t);
	CHECK_EQ(dt_begin(&t), 0);
	dt_u32s(&t, "x", NULL, 17 * MIB / 4);
	CHECK_EQ(dt_finish(&t, &fake_err), -E2BIG);
	dt_free(&t);
}

TEST(node_left_open_is_told)
{
	CHECK_EQ(dt_begin(&t), 0);
	dt_node(&t, "a");
	CHECK_EQ(dt_finish(&t, &fake_err), -EINVAL);
	dt_free(&t);
	CHECK_EQ(dt_begin(&t), 0);
	dt_end(&t);
	dt_end(&t);
	CHECK_EQ(dt_finish(&t, &fake_err), -EINVAL);
	dt_free(&t);
}

TEST(property_after_a_node_is_told)
{
	CHECK_EQ(dt_begin(&t), 0);
	dt_node(&t, "a");
	dt_end(&t);
	dt_u32(&t, "late", 1);
	CHECK_EQ(dt_finish(&t, &fake_err), -EINVAL);
	dt_free(&t);
}

TEST(tree_of_more_than_16_mib_is_refused)
{
	u8 *big = calloc(1, 9 * MIB);

	CHECK_EQ(dt_begin(&t), 0);
	dt_bytes(&t, "a", big, 9 * MIB);
	dt_bytes(&t, "b", big, 9 * MIB);
	CHECK_EQ(dt_finish(&t, &fake_err), -E2BIG);
	dt_free(&t);
	free(big);
}

/* --- devices.c --- */

TEST(uart_is_a_16550)
{
	fake_wire(fake_device(DEV_UART_16550, 0, 0x1000000, 8), 7, true);
	CHECK(write_tree());
	CHECK_STR(text(t.buf, "/serial@1000000", "compatible"), "ns16550a");
	CHECK_EQ(cells64(t.buf, "/serial@1000000", "reg", 0), 0x1000000);
	CHECK_EQ(cells64(t.buf, "/serial@1000000", "reg", 2), 8);
	CHECK_EQ(cell(t.buf, "/serial@1000000", "clock-frequency", 0), 1843200);
	CHECK(!has_prop(t.buf, "/serial@1000000", "reg-shift"));
	CHECK_EQ(cells(t.buf, "/serial@1000000", "interrupts"), 3);
	CHECK_EQ(cell(t.buf, "/serial@1000000", "interrupts", 1), 7);
	CHECK_EQ(cell(t.buf, "/serial@1000000", "interrupts", 2), FAKE_LEVEL);
	CHECK_EQ(cell(t.buf, "/serial@1000000", "interrupt-parent", 0), cell(t.buf, "/intc@3fff0000", "phandle", 0));
	CHECK_STR(stdout_path, "/serial@1000000");
	CHECK_STR(text(t.buf, "/aliases", "serial0"), "/serial@1000000");
	dt_free(&t);
}

TEST(uart_with_wide_registers_tells_its_shift)
{
	fake_device(DEV_UART_16550, 0, 0x1000000, 32);
	CHECK(write_tree());
	CHECK_EQ(cell(t.buf, "/serial@1000000", "reg-shift", 0), 2);
	CHECK(!has_prop(t.buf, "/serial@1000000", "interrupts"));
	dt_free(&t);
}

TEST(uarts_are_numbered_by_the_machine)
{
	fake_device(DEV_UART_16550, 1, 0x1001000, 8);
	fake_device(DEV_UART_16550, 0, 0x1000000, 8);
	fake_device(DEV_UART_16550, 7, 0x1007000, 8);
	CHECK(write_tree());
	CHECK_STR(text(t.buf, "/aliases", "serial0"), "/serial@1000000");
	CHECK_STR(text(t.buf, "/aliases", "serial1"), "/serial@1001000");
	CHECK(fdt_path_offset(t.buf, "/serial@1007000") > 0);
	CHECK_STR(stdout_path, "/serial@1000000");
	dt_free(&t);
}

TEST(ports_are_not_told)
{
	fake_device(DEV_UART_16550, 0, 0x3f8, 8)->res[0].space = IO_PORT;
	CHECK(write_tree());
	CHECK(fdt_path_offset(t.buf, "/serial@3f8") < 0);
	CHECK_STR(stdout_path, "");
	dt_free(&t);
}

TEST(small_chips_have_nodes)
{
	fake_wire(fake_device(DEV_RTC_MC146818, 0, 0x1010000, 2), 4, true);
	fake_device(DEV_FLASH, 0, 0x2000000, 4 * MIB);
	fake_wire(fake_device(DEV_VIRTIO_MMIO, 0, 0x3000000, 0x200), 32, false);
	fake_wire(fake_device(DEV_DEBUG_EXIT, 0, 0x1030000, 4), 1, false);
	CHECK(write_tree());
	CHECK_STR(text(t.buf, "/rtc@1010000", "compatible"), "motorola,mc146818");
	CHECK_STR(text(t.buf, "/flash@2000000", "compatible"), "cfi-flash");
	CHECK_EQ(cell(t.buf, "/flash@2000000", "bank-width", 0), 4);
	CHECK_EQ(cells64(t.buf, "/flash@2000000", "reg", 2), 4 * MIB);
	CHECK_STR(text(t.buf, "/virtio_mmio@3000000", "compatible"), "virtio,mmio");
	CHECK(has_prop(t.buf, "/virtio_mmio@3000000", "dma-coherent"));
	CHECK_EQ(cell(t.buf, "/virtio_mmio@3000000", "interrupts", 1), 32);
	CHECK_EQ(cell(t.buf, "/virtio_mmio@3000000", "interrupts", 2), FAKE_EDGE);
	CHECK(fdt_path_offset(t.buf, "/pci@40000000") < 0);
	dt_free(&t);
}

TEST(power_button_is_a_key_on_the_gpio)
{
	u32 gpio;

	fake_wire(fake_device(DEV_GPIO_PL061, 0, 0x1040000, 0x1000), 5, true);
	CHECK(write_tree());
	gpio = cell(t.buf, "/gpio@1040000", "phandle", 0);
	CHECK(!memcmp(text(t.buf, "/gpio@1040000", "compatible"), "arm,pl061\0arm,primecell", 24));
	CHECK_EQ(cell(t.buf, "/gpio@1040000", "#gpio-cells", 0), 2);
	CHECK(has_prop(t.buf, "/gpio@1040000", "gpio-controller"));
	CHECK_EQ(cell(t.buf, "/gpio@1040000", "clocks", 0), cell(t.buf, "/apb-pclk", "phandle", 0));
	CHECK_STR(text(t.buf, "/gpio@1040000", "clock-names"), "apb_pclk");
	CHECK_EQ(cell(t.buf, "/apb-pclk", "#clock-cells", 0), 0);
	CHECK_EQ(cell(t.buf, "/gpio-keys/key-power", "gpios", 0), gpio);
	CHECK_EQ(cell(t.buf, "/gpio-keys/key-power", "gpios", 1), PL061_POWER_LINE);
	CHECK_EQ(cell(t.buf, "/gpio-keys/key-power", "gpios", 2), 0);
	CHECK_EQ(cell(t.buf, "/gpio-keys/key-power", "linux,code", 0), 116);
	CHECK(gpio != cell(t.buf, "/apb-pclk", "phandle", 0));
	dt_free(&t);
}

#define PCI "/pci@40000000"

TEST(pci_host_tells_its_windows)
{
	static const u32 want[] = {
		0x01000000, 0, 0x6200, 0, 0x106200, 0, 0x9e00,
		0x02000000, 0, 0x50000000, 0, 0x50000000, 0, 0x30000000,
		0x03000000, 0x80, 0, 0x80, 0, 0, 0x80000000,
		0x43000000, 0x80, 0x80000000, 0x80, 0x80000000, 0x7f, 0x80000000,
	};
	unsigned int i;

	fake_pci_host();
	CHECK(write_tree());
	CHECK_STR(text(t.buf, PCI, "compatible"), "pci-host-ecam-generic");
	CHECK_STR(text(t.buf, PCI, "device_type"), "pci");
	CHECK_EQ(cells64(t.buf, PCI, "reg", 0), 0x40000000);
	CHECK_EQ(cells64(t.buf, PCI, "reg", 2), 256 * MIB);
	CHECK_EQ(cell(t.buf, PCI, "bus-range", 1), 255);
	CHECK_EQ(cells(t.buf, PCI, "ranges"), ARRAY_SIZE(want));
	for (i = 0; i < ARRAY_SIZE(want); i++)
		CHECK_EQ(cell(t.buf, PCI, "ranges", i), want[i]);
	CHECK(has_prop(t.buf, PCI, "dma-coherent"));
	CHECK(!has_prop(t.buf, PCI, "msi-map"));
	CHECK(!has_prop(t.buf, PCI, "msi-parent"));
	CHECK(!has_prop(t.buf, PCI, "linux,pci-probe-only"));
	dt_free(&t);
}

TEST(small_window_is_told_whole)
{
	fake_pci_host();
	fake_pci.cfg.mem64.size = 4 * GIB - MIB;
	CHECK(write_tree());
	CHECK_EQ(cells(t.buf, PCI, "ranges"), 21);
	CHECK_EQ(cell(t.buf, PCI, "ranges", 14), 0x03000000);
	CHECK_EQ(cells64(t.buf, PCI, "ranges", 19), 4 * GIB - MIB);
	dt_free(&t);
}

TEST(absent_windows_are_left_out)
{
	fake_pci_host();
	fake_pci.cfg.mem64.size = 0;
	fake.port_window.mapped = false;
	CHECK(write_tree());
	CHECK_EQ(cells(t.buf, PCI, "ranges"), 7);
	CHECK_EQ(cell(t.buf, PCI, "ranges", 0), 0x02000000);
	dt_free(&t);
}

/* Each of the 128 pins goes where the bus sends it. */
static void check_map(unsigned int address_cells)
{
	unsigned int slot, pin, step = 5 + address_cells + FAKE_CELLS, at = 0;

	fake_irq.address_cells = address_cells;
	fake_pci_host();
	CHECK(write_tree());
	CHECK_EQ(cell(t.buf, PCI, "#interrupt-cells", 0), 1);
	CHECK_EQ(cell(t.buf, PCI, "interrupt-map-mask", 0), 0xf800);
	CHECK_EQ(cell(t.buf, PCI, "interrupt-map-mask", 3), 7);
	CHECK_EQ(cells(t.buf, PCI, "interrupt-map"), 128 * (long long)step);
	for (slot = 0; slot < 32; slot++) {
		for (pin = 1; pin <= 4; pin++, at += step) {
			CHECK_EQ(cell(t.buf, PCI, "interrupt-map", at), slot << 11);
			CHECK_EQ(cell(t.buf, PCI, "interrupt-map", at + 3), pin);
			CHECK_EQ(cell(t.buf, PCI, "interrupt-map", at + 4), cell(t.buf, "/intc@3fff0000", "phandle", 0));
			CHECK_EQ(cell(t.buf, PCI, "interrupt-map", at + 5 + address_cells + 1), 8 + (slot + pin - 1) % 8);
			CHECK_EQ(cell(t.buf, PCI, "interrupt-map", at + 5 + address_cells + 2), FAKE_LEVEL);
		}
	}
	dt_free(&t);
}

TEST(interrupt_map_covers_all_pins) { check_map(0); }
TEST(interrupt_map_has_room_for_addresses) { check_map(2); }

TEST(msi_controller_is_named)
{
	fake_pci_host();
	fake_irq.msi_phandle = 1;
	CHECK(write_tree());
	CHECK_EQ(cell(t.buf, PCI, "msi-parent", 0), cell(t.buf, "/msi-controller@3ffe0000", "phandle", 0));
	dt_free(&t);
	fake_irq.msi_map = true;
	CHECK(write_tree());
	CHECK(!has_prop(t.buf, PCI, "msi-parent"));
	CHECK_EQ(cells(t.buf, PCI, "msi-map"), 4);
	CHECK_EQ(cell(t.buf, PCI, "msi-map", 1), cell(t.buf, "/msi-controller@3ffe0000", "phandle", 0));
	CHECK_EQ(cell(t.buf, PCI, "msi-map", 3), 0x10000);
	dt_free(&t);
}

int main(void)
{
	RUN_IN_VM(tree_grows, MIB);
	RUN_IN_VM(values_are_big_endian, MIB);
	RUN_IN_VM(first_failure_is_remembered, MIB);
	RUN_IN_VM(node_left_open_is_told, MIB);
	RUN_IN_VM(property_after_a_node_is_told, MIB);
	RUN_IN_VM(tree_of_more_than_16_mib_is_refused, MIB);
	RUN_IN_VM(uart_is_a_16550, MIB);
	RUN_IN_VM(uart_with_wide_registers_tells_its_shift, MIB);
	RUN_IN_VM(uarts_are_numbered_by_the_machine, MIB);
	RUN_IN_VM(ports_are_not_told, MIB);
	RUN_IN_VM(small_chips_have_nodes, MIB);
	RUN_IN_VM(power_button_is_a_key_on_the_gpio, MIB);
	RUN_IN_VM(pci_host_tells_its_windows, MIB);
	RUN_IN_VM(small_window_is_told_whole, MIB);
	RUN_IN_VM(absent_windows_are_left_out, MIB);
	RUN_IN_VM(interrupt_map_covers_all_pins, MIB);
	RUN_IN_VM(interrupt_map_has_room_for_addresses, MIB);
	RUN_IN_VM(msi_controller_is_named, MIB);
	return tap_done();
}
