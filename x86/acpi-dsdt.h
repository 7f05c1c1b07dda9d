/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The part of the ACPI tables that is code. Private to x86/acpi*.c.
 */
#ifndef X86_ACPI_DSDT_H
#define X86_ACPI_DSDT_H

#include "x86/x86.h"

/* Definition block body: everything behind the table header. */
void acpi_dsdt_body(const struct acpi_machine *m, struct strbuf *b);
/* The n-th device of @kind on the machine's list, or NULL. */
const struct device *acpi_find_device(const struct acpi_machine *m, enum dev_kind kind, unsigned int index);
/* The n-th I/O range or interrupt of a device, or NULL. */
const struct dev_resource *acpi_resource(const struct device *dev, int type, unsigned int index);

#endif
