/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The DSDT: what the guest cannot find by itself. [acpi-6.4 6], [PCI Firmware 3.2, 4]
 *
 * Written from the devices' own resource lists, so a device that is not there is not told of, and
 * one that moves is told of where it is:
 *
 *	\_SB.PCI0		host bridge: windows, interrupt wiring, _OSC
 *	\_SB.PCI0.SLnn		device numbers whose functions can be given back: _EJ0
 *	\_SB.MRES		what else is taken: ECAM, power, eject and debug-exit registers
 *	\_SB.COMn RTC0		PC devices
 *	\_SB.PWRB GED0		power button, told by an interrupt of its own [5.6.9]
 *	\_SB.GED1		the same for slots that are asked back
 *	\_S5			power-off
 *
 * Left out: processor devices (the MADT tells all that there is), _PRT for the 8259s (hardware-reduced ACPI has
 * none), hot plug of what was not there at the start.
 */
#include "x86/acpi-dsdt.h"

#include <stdio.h>

#include "vmm/device.h"
#include "vmm/hw.h"
#include "x86/aml.h"

const struct device *acpi_find_device(const struct acpi_machine *m, enum dev_kind kind, unsigned int index)
{
	const struct device *dev;

	list_for_each(dev, m->devices, node)
		if (dev->kind == kind && !index--)
			return dev;
	return NULL;
}

const struct dev_resource *acpi_resource(const struct device *dev, int type, unsigned int index)
{
	unsigned int i;

	for (i = 0; dev && i < DEV_RESOURCES; i++)
		if ((int)dev->res[i].type == type && !index--)
			return &dev->res[i];
	return NULL;
}

/* Does a second device hang on the same wire? */
static bool irq_is_shared(const struct acpi_machine *m, u32 gsi)
{
	const struct device *dev;
	unsigned int i, n = 0;

	list_for_each(dev, m->devices, node)
		for (i = 0; i < DEV_RESOURCES; i++)
			n += dev->res[i].type == DEV_RES_IRQ && dev->res[i].irq == gsi;
	return n > 1;
}

static void add_io(struct aml_resources *r, const struct dev_resource *res)
{
	if (res->space == IO_PORT)
		aml_res_io(r, (u16)res->base, (u8)res->size);
	else
		aml_res_memory32(r, (u32)res->base, (u32)res->size);
}

static void add_irq(const struct acpi_machine *m, struct aml_resources *r, const struct dev_resource *res)
{
	aml_res_irq(r, res->irq, res->level, irq_is_shared(m, res->irq));
}

/* A device with a PNP id and all its resources. */
static void pnp_device(const struct acpi_machine *m, struct strbuf *b, const struct device *dev, const char *name,
		       const char *hid, unsigned int uid)
{
	struct aml_mark d = aml_device(b, name);
	const struct dev_resource *res;
	struct aml_resources crs;
	unsigned int i;

	aml_name(b, "_HID");
	aml_eisa_id(b, hid);
	aml_name(b, "_UID");
	aml_int(b, uid);
	aml_crs_begin(b, &crs);
	for (i = 0; (res = acpi_resource(dev, DEV_RES_IO, i)); i++)
		add_io(&crs, res);
	for (i = 0; (res = acpi_resource(dev, DEV_RES_IRQ, i)); i++)
		add_irq(m, &crs, res);
	aml_crs_end(b, &crs);
	aml_end(b, d);
}

/* --- host bridge --- */

enum { SLOTS = 32 };

/* The line of each device with four pins, which are 0..3 here. [6.2.13] */
static void pci_routing(const struct pci_host_config *pci, struct strbuf *b)
{
	enum { PINS = 4 };
	struct aml_mark table, entry;
	unsigned int slot, pin;

	aml_name(b, "_PRT");
	table = aml_package(b, SLOTS * PINS);
	for (slot = 0; slot < SLOTS; slot++) {
		for (pin = 0; pin < PINS; pin++) {
			entry = aml_package(b, 4);
			aml_int(b, slot << 16 | 0xffff);	/* all its functions */
			aml_int(b, pin);
			aml_int(b, 0);				/* no link device: a fixed GSI */
			aml_int(b, pci->intx_gsi[pci_intx_line(slot, pin + 1)]);
			aml_end(b, entry);
		}
	}
	aml_end(b, table);
}

/* I/O windows are what the bus has but the configuration ports, which the bridge itself takes. */
static void pci_io_windows(const struct pci_window *io, struct aml_resources *crs)
{
	enum { CF8 = 0xcf8, CF8_SIZE = 8 };
	u64 end = io->base + io->size;

	if (io->base >= CF8 + CF8_SIZE || end <= CF8) {
		aml_res_window_io(crs, (u16)io->base, (u16)(end - 1));
		return;
	}
	if (io->base < CF8)
		aml_res_window_io(crs, (u16)io->base, CF8 - 1);
	if (end > CF8 + CF8_SIZE)
		aml_res_window_io(crs, CF8 + CF8_SIZE, (u16)(end - 1));
}

static void pci_resources(const struct pci_host_config *pci, struct strbuf *b)
{
	struct aml_resources crs;

	aml_crs_begin(b, &crs);
	aml_res_bus(&crs, 0, PCI_LAST_BUS);
	if (pci->cf8)
		aml_res_io(&crs, 0xcf8, 8);
	if (pci->io.size)
		pci_io_windows(&pci->io, &crs);
	if (pci->mem32.size)
		aml_res_window_mem32(&crs, (u32)pci->mem32.base, (u32)(pci->mem32.base + pci->mem32.size - 1));
	if (pci->mem64.size)
		aml_res_window_mem64(&crs, pci->mem64.base, pci->mem64.base + pci->mem64.size - 1);
	aml_crs_end(b, &crs);
}

/*
 * The OS asks which PCIe features it may drive itself [PCI Firmware 3.2, 4.5.1]: all that it knows (hot plug, power management
 * events, error reporting, capability structure), there is no firmware that would. An unknown UUID or revision is told so.
 */
static void pci_osc(struct strbuf *b)
{
	enum { CONTROL = 0x1f, UNKNOWN_UUID = 4, UNKNOWN_REVISION = 8, MASKED = 0x10 };
	struct aml_mark m, known, cond, other;

	m = aml_method(b, "_OSC", 4, true);
	aml_op(b, AML_CREATE_DWORD_FIELD);
	aml_arg(b, 3);
	aml_int(b, 0);
	aml_namestring(b, "CDW1");

	known = aml_if(b);
	aml_op(b, AML_LEQUAL);
	aml_arg(b, 0);
	aml_uuid(b, "33db4d5b-1ff7-401c-9657-7441c03dd766");
	aml_op(b, AML_CREATE_DWORD_FIELD);
	aml_arg(b, 3);
	aml_int(b, 8);
	aml_namestring(b, "CDW3");
	aml_op(b, AML_AND);		/* Local0 = CDW3 & CONTROL */
	aml_namestring(b, "CDW3");
	aml_int(b, CONTROL);
	aml_local(b, 0);

	cond = aml_if(b);		/* revision */
	aml_op(b, AML_LNOT);
	aml_op(b, AML_LEQUAL);
	aml_arg(b, 1);
	aml_int(b, 1);
	aml_op(b, AML_OR);
	aml_namestring(b, "CDW1");
	aml_int(b, UNKNOWN_REVISION);
	aml_namestring(b, "CDW1");
	aml_end(b, cond);

	cond = aml_if(b);		/* asked for more than it gets */
	aml_op(b, AML_LNOT);
	aml_op(b, AML_LEQUAL);
	aml_namestring(b, "CDW3");
	aml_local(b, 0);
	aml_op(b, AML_OR);
	aml_namestring(b, "CDW1");
	aml_int(b, MASKED);
	aml_namestring(b, "CDW1");
	aml_end(b, cond);

	aml_op(b, AML_STORE);
	aml_local(b, 0);
	aml_namestring(b, "CDW3");
	aml_end(b, known);

	other = aml_else(b);
	aml_op(b, AML_OR);
	aml_namestring(b, "CDW1");
	aml_int(b, UNKNOWN_UUID);
	aml_namestring(b, "CDW1");
	aml_end(b, other);

	aml_op(b, AML_RETURN);
	aml_arg(b, 3);
	aml_end(b, m);
}

static void slot_name(unsigned int slot, const char *parent, char *ret, size_t size)
{
	snprintf(ret, size, "%sSL%02u", parent, slot);
}

/* A register of 32 bits, as field @name of a region of its own. */
static void dword_register(struct strbuf *b, const char *region, const char *name, const struct dev_resource *io, u64 off)
{
	aml_region(b, region, io->space == IO_PORT ? AML_SYSTEM_IO : AML_SYSTEM_MEMORY, io->base + off, 4);
	aml_dword_field(b, region, name);
}

/* [6.1.1] _ADR, [6.1.11] _SUN, [6.3.3] _EJ0. _SUN is the device number: what a user finds as the slot's name. */
static void pci_slot(struct strbuf *b, unsigned int slot)
{
	struct aml_mark d, method;
	char name[8];

	slot_name(slot, "", name, sizeof(name));
	d = aml_device(b, name);
	aml_name(b, "_ADR");
	aml_int(b, slot << 16);
	aml_name(b, "_SUN");
	aml_int(b, slot);
	method = aml_method(b, "_EJ0", 1, true);
	aml_op(b, AML_STORE);
	aml_int(b, BIT(slot));
	aml_namestring(b, "EJNW");
	aml_end(b, method);
	aml_end(b, d);
}

static const struct dev_resource *eject_registers(const struct acpi_machine *m)
{
	return m->eject_slots ? acpi_resource(acpi_find_device(m, DEV_PCI_EJECT, 0), DEV_RES_IO, 0) : NULL;
}

static void pci_slots(const struct acpi_machine *m, struct strbuf *b)
{
	const struct dev_resource *io = eject_registers(m);
	unsigned int slot;

	if (!io)
		return;
	dword_register(b, "EJRG", "EJNW", io, PCI_EJECT_NOW);
	for (slot = 0; slot < SLOTS; slot++)
		if (m->eject_slots & BIT(slot))
			pci_slot(b, slot);
}

static void pci_host_bridge(const struct acpi_machine *m, struct strbuf *b)
{
	static const char *const zero[] = { "_SEG", "_BBN", "_UID" };
	struct aml_mark d = aml_device(b, "PCI0");
	unsigned int i;

	aml_name(b, "_HID");
	aml_eisa_id(b, "PNP0A08");
	aml_name(b, "_CID");
	aml_eisa_id(b, "PNP0A03");
	for (i = 0; i < ARRAY_SIZE(zero); i++) {
		aml_name(b, zero[i]);
		aml_int(b, 0);
	}
	pci_resources(m->pci, b);
	pci_routing(m->pci, b);
	pci_osc(b);
	pci_slots(m, b);
	aml_end(b, d);
}

/* --- the rest of the board --- */

/* Keeps the guest from giving these addresses to anything. The ECAM must be among them. [PCI Firmware 3.2, 4.1.2] */
static void motherboard_resources(const struct acpi_machine *m, struct strbuf *b)
{
	static const enum dev_kind kinds[] = { DEV_POWER, DEV_DEBUG_EXIT, DEV_PCI_EJECT };
	struct aml_mark d = aml_device(b, "MRES");
	const struct dev_resource *res;
	const struct device *dev;
	struct aml_resources crs;
	unsigned int i, n, k;

	aml_name(b, "_HID");
	aml_eisa_id(b, "PNP0C02");
	aml_name(b, "_UID");
	aml_int(b, 0);
	aml_crs_begin(b, &crs);
	if (m->pci->ecam_base)
		aml_res_memory32(&crs, (u32)m->pci->ecam_base, m->pci->ecam_buses * (u32)MIB);
	for (k = 0; k < ARRAY_SIZE(kinds); k++)
		for (n = 0; (dev = acpi_find_device(m, kinds[k], n)); n++)
			for (i = 0; (res = acpi_resource(dev, DEV_RES_IO, i)); i++)
				add_io(&crs, res);
	aml_crs_end(b, &crs);
	aml_end(b, d);
}

static void pc_devices(const struct acpi_machine *m, struct strbuf *b)
{
	const struct device *dev;
	char name[5];
	unsigned int i;

	for (i = 0; i < 9 && (dev = acpi_find_device(m, DEV_UART_16550, i)); i++) {
		snprintf(name, sizeof(name), "COM%c", '1' + (char)i);
		pnp_device(m, b, dev, name, "PNP0501", i + 1);
	}
	dev = acpi_find_device(m, DEV_RTC_MC146818, 0);
	if (dev)
		pnp_device(m, b, dev, "RTC0", "PNP0B00", 0);
}

/*
 * An event device [5.6.9]: reads from the register at @off what happened, into Local0, and acknowledges that. What its method
 * does about it follows. Gives the method and the device, to be ended in this order.
 */
static struct aml_mark event_device(const struct acpi_machine *m, struct strbuf *b, const char *name, unsigned int uid, const struct device *dev,
				    u64 off, struct aml_mark *ret_device)
{
	const struct dev_resource *io = acpi_resource(dev, DEV_RES_IO, 0), *irq = acpi_resource(dev, DEV_RES_IRQ, 0);
	struct aml_resources crs;
	struct aml_mark method;

	*ret_device = aml_device(b, name);
	aml_name(b, "_HID");
	aml_string(b, "ACPI0013");
	aml_name(b, "_UID");
	aml_int(b, uid);
	aml_crs_begin(b, &crs);
	add_irq(m, &crs, irq);
	aml_crs_end(b, &crs);
	dword_register(b, "EREG", "EVNT", io, off);
	method = aml_method(b, "_EVT", 1, true);
	aml_op(b, AML_STORE);
	aml_namestring(b, "EVNT");
	aml_local(b, 0);
	aml_op(b, AML_STORE);
	aml_local(b, 0);
	aml_namestring(b, "EVNT");
	return method;
}

/* If (Local0 & @bit) { Notify (@object, @value) } */
static void notify_if(struct strbuf *b, u32 bit, const char *object, unsigned int value)
{
	struct aml_mark cond = aml_if(b);

	aml_op(b, AML_AND);
	aml_local(b, 0);
	aml_int(b, bit);
	aml_no_target(b);
	aml_op(b, AML_NOTIFY);
	aml_namestring(b, object);
	aml_int(b, value);
	aml_end(b, cond);
}

static void power_button(const struct acpi_machine *m, struct strbuf *b)
{
	enum { PRESSED = 0x80 };	/* [5.6.6] */
	const struct device *dev = acpi_find_device(m, DEV_POWER, 0);
	struct aml_mark d, method;

	if (!dev)
		return;
	d = aml_device(b, "PWRB");
	aml_name(b, "_HID");
	aml_eisa_id(b, "PNP0C0C");
	aml_name(b, "_UID");
	aml_int(b, 0);
	aml_end(b, d);

	method = event_device(m, b, "GED0", 0, dev, POWER_EVENT, &d);
	notify_if(b, 1, "\\_SB.PWRB", PRESSED);
	aml_end(b, method);
	aml_end(b, d);
}

static void eject_requests(const struct acpi_machine *m, struct strbuf *b)
{
	enum { EJECT_REQUEST = 3 };	/* [5.6.6] */
	struct aml_mark d, method;
	unsigned int slot;
	char name[24];

	if (!eject_registers(m))
		return;
	method = event_device(m, b, "GED1", 1, acpi_find_device(m, DEV_PCI_EJECT, 0), PCI_EJECT_ASKED, &d);
	for (slot = 0; slot < SLOTS; slot++) {
		if (!(m->eject_slots & BIT(slot)))
			continue;
		slot_name(slot, "\\_SB.PCI0.", name, sizeof(name));
		notify_if(b, BIT(slot), name, EJECT_REQUEST);
	}
	aml_end(b, method);
	aml_end(b, d);
}

void acpi_dsdt_body(const struct acpi_machine *m, struct strbuf *b)
{
	struct aml_mark sb, s5;

	sb = aml_scope(b, "\\_SB");
	pci_host_bridge(m, b);
	motherboard_resources(m, b);
	pc_devices(m, b);
	power_button(m, b);
	eject_requests(m, b);
	aml_end(b, sb);

	aml_name(b, "\\_S5");
	s5 = aml_package(b, 4);
	aml_int(b, POWER_S5);
	aml_int(b, 0);
	aml_int(b, 0);
	aml_int(b, 0);
	aml_end(b, s5);
}
