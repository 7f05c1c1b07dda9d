/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What every emulated device is to the VM. Devices are created in the order
 * the machine file lists them and freed in reverse. A device names no
 * architecture: base, irq and clock arrive in its config, and it describes
 * itself by neutral resources from which the arch writes FDT or ACPI.
 */
#ifndef VMM_DEVICE_H
#define VMM_DEVICE_H

#include "util/error.h"
#include "util/list.h"
#include "util/types.h"
#include "vmm/iomap.h"

struct vm;
struct device;
struct state_reader;
struct state_writer;
struct strbuf;

struct device_ops {
	/*
	 * All vCPUs are stopped for each of these; main thread. Any may be NULL
	 * but free.
	 */
	/*
	 * Once, before the guest's first instruction, the last moment at which the sandbox (util/sandbox.h) lets threads be made, files
	 * and rings for I/O be opened. Threads made here are confined; those made earlier would not be.
	 */
	int (*prepare)(struct device *dev, struct error *err);
	void (*reset)(struct device *dev);	/* to the power-on state of its document */
	/* Afterwards it touches neither guest memory nor its irq, until start(). Idempotent. */
	void (*stop)(struct device *dev);
	void (*start)(struct device *dev);
	/*
	 * Whole guest-visible state, in sections of its own; called between stop() and start(). save() fails with a line only for what the
	 * device knows: that @w had no memory left is seen in it.
	 */
	int (*save)(struct device *dev, struct state_writer *w, struct error *err);
	int (*load)(struct device *dev, struct state_reader *r);
	/* It is taken away, and the VM goes on without: free() follows at once, ends what it does, and does no harm to other devices. */
	void (*leave)(struct device *dev);
	void (*free)(struct device *dev);
	void (*power_button)(struct device *dev);	/* it has one, and it is pressed; main thread, vCPUs may run */
	/* Its counters, as members of the JSON object open in @b. Main thread; the vCPUs may run. */
	void (*stats)(struct device *dev, struct strbuf *b);
};

/* What the firmware tables must tell of a device. */
enum dev_kind {
	DEV_OTHER,		/* found by the guest itself (PCI), or not described */
	DEV_UART_16550,
	DEV_RTC_MC146818,
	DEV_I8042,
	DEV_PCI_HOST,
	DEV_POWER,		/* power button and power-off/reset registers */
	DEV_PVPANIC,
	DEV_DEBUG_EXIT,
	DEV_VIRTIO_MMIO,
	DEV_FLASH,
	DEV_GPIO_PL061,		/* with the power button on it */
	DEV_PCI_EJECT,		/* registers by which PCI functions are given back */
};

enum { DEV_RESOURCES = 4 };

struct dev_resource {
	enum { DEV_RES_NONE, DEV_RES_IO, DEV_RES_IRQ } type;
	enum io_space space;	/* DEV_RES_IO */
	u64 base, size;
	u32 irq;		/* DEV_RES_IRQ: GSI */
	bool level;
};

struct device {
	struct list_node node;	/* on vm->devices */
	struct vm *vm;		/* borrowed */
	char name[24];		/* "serial0": unique in the VM; also the state section's name */
	const struct device_ops *ops;
	enum dev_kind kind;
	unsigned int index;	/* n-th of its kind, as the machine numbers it */
	struct dev_resource res[DEV_RESOURCES];
};

/* Hands a ready device to the VM, which calls free() in the end. Cannot fail. Main thread. */
void device_add(struct vm *vm, struct device *dev, const struct device_ops *ops, const char *fmt, ...)
	PRINTF_LIKE(4, 5);
void device_describe_io(struct device *dev, enum io_space space, u64 base, u64 size);
void device_describe_irq(struct device *dev, u32 gsi, bool level);
/*
 * Takes one away that has leave(): leave() says that the VM goes on without it, free() ends its DMA and interrupts. May be called from another
 * device's stop(), reset() or load(), never for the device whose turn it is. vCPUs are paused; main thread.
 */
void device_remove(struct device *dev);
/* The n-th device of @kind, or NULL. */
struct device *device_find(struct vm *vm, enum dev_kind kind, unsigned int index);

/* In order, till the first that fails. */
int devices_prepare(struct vm *vm, struct error *err);
/* In order, in reverse order, in order, in reverse order. */
void devices_reset(struct vm *vm);
void devices_stop(struct vm *vm);
void devices_start(struct vm *vm);
void devices_free(struct vm *vm);
/* The serial ports, which are every machine's, at the places that it has for them. */
struct serial_place {
	u64 base;
	u32 gsi;
};
int devices_create_serial(struct vm *vm, enum io_space space, const struct serial_place *place, struct error *err);
/* The devices of every machine, from vm->cfg: pvpanic, disks, virtio console, random numbers. After the PCI host. */
int devices_create_common(struct vm *vm, struct error *err);
/* In order, till the first that fails. -EOPNOTSUPP and a line naming it, and nothing saved, when a device cannot be saved. VM stopped. */
int devices_save(struct vm *vm, struct state_writer *w, struct error *err);
int devices_load(struct vm *vm, struct state_reader *r, struct error *err);

#endif
