/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What pci.c (functions), pci-msi.c (their messages) and pci-host.c (bus and config access) share.
 */
#ifndef PCI_INTERNAL_H
#define PCI_INTERNAL_H

#include "util/log.h"
#include "vmm/pci.h"

/* [pci-3.0 6.1, 6.2] type 0 header */
enum {
	PCI_VENDOR_ID = 0x00,
	PCI_DEVICE_ID = 0x02,
	PCI_COMMAND = 0x04,
	PCI_COMMAND_IO = 0x1,
	PCI_COMMAND_MEMORY = 0x2,
	PCI_COMMAND_MASTER = 0x4,
	PCI_COMMAND_PARITY = 0x40,
	PCI_COMMAND_SERR = 0x100,
	PCI_COMMAND_INTX_DISABLE = 0x400,
	PCI_STATUS = 0x06,
	PCI_STATUS_INTERRUPT = 0x8,
	PCI_STATUS_CAP_LIST = 0x10,
	PCI_STATUS_W1C = 0xf900,
	PCI_REVISION_ID = 0x08,
	PCI_CLASS_PROG = 0x09,
	PCI_CACHE_LINE_SIZE = 0x0c,
	PCI_HEADER_TYPE = 0x0e,
	PCI_HEADER_MULTIFUNCTION = 0x80,
	PCI_BASE_ADDRESS_0 = 0x10,
	PCI_SUBSYSTEM_VENDOR_ID = 0x2c,
	PCI_SUBSYSTEM_ID = 0x2e,
	PCI_ROM_ADDRESS = 0x30,
	PCI_ROM_ENABLE = 0x1,
	PCI_CAPABILITY_LIST = 0x34,
	PCI_INTERRUPT_LINE = 0x3c,
	PCI_INTERRUPT_PIN = 0x3d,
	PCI_HEADER_END = 0x40,
};

enum { PCI_CAP_ID_MSI = 0x05, PCI_CAP_ID_EXP = 0x10, PCI_CAP_ID_MSIX = 0x11 };

/* A memory slot of ones over absent functions @first..@last of @bus, and, where they are all of a bus, of those up to @last_bus. */
struct pci_hole {
	u8 bus, last_bus, first, last;
	int slot;
};

struct pci_host {
	struct device dev;
	struct pci_host_config cfg;
	pthread_mutex_t lock;		/* guards everything below, and config space and BARs of plugged functions */
	struct pci_dev *fn[PCI_FUNCTIONS];	/* borrowed */
	struct pci_dev bridge;
	struct io_region ecam, config_address, config_data;
	u32 cf8;			/* CONFIG_ADDRESS */
	struct log_rate rate;
	struct pci_eject *eject;	/* borrowed: pci-eject.c's; NULL: no function can be given back. Fixed while vCPUs run */

	bool holes_off;			/* KVM cannot, or refused once */
	void *ones;			/* owned mapping; NULL: not before the first hole */
	u64 ones_size;			/* one bus, or the whole window (the module's) */
	struct pci_hole *hole;		/* owned */
	unsigned int nr_holes, room;
};

/* pci.c */
unsigned int pci_bar_offset(unsigned int bar);
void pci_bar_set_address_locked(struct pci_dev *pdev, unsigned int bar, u64 addr);
u32 pci_dev_config_read_locked(struct pci_dev *pdev, unsigned int off, unsigned int size);
void pci_dev_config_write_locked(struct pci_dev *pdev, unsigned int off, unsigned int size, u32 val);
const char *pci_dev_name(const struct pci_dev *pdev);

/* pci-host.c: a function appears on the bus */
void pci_host_unhole_locked(struct pci_host *host, u8 devfn);

/* pci-msi.c. The host's lock is held where the device is plugged. */
void pci_msi_config_read(struct pci_dev *pdev, unsigned int off, unsigned int size, u32 *val);
void pci_msi_config_written(struct pci_dev *pdev, unsigned int off, unsigned int size);
/* COMMAND changed, or the device's level did. irq_lock held. */
void pci_intx_update_locked(struct pci_dev *pdev);
/* Interrupt state to power on, after config got its power-on bytes. */
void pci_msi_reset(struct pci_dev *pdev);
void pci_msi_free(struct pci_dev *pdev);
void pci_msi_save(struct pci_dev *pdev, struct state_writer *w);
struct pci_msi_state;
/* Reads and checks; gives what pci_msi_load_commit() takes and frees, or NULL (@r says why). */
struct pci_msi_state *pci_msi_load(struct pci_dev *pdev, struct state_reader *r);
void pci_msi_load_commit(struct pci_dev *pdev, struct pci_msi_state *st);

#endif
