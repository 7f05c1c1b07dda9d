/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A VFIO PCI function as the guest sees it: pci.c (life), pci-config.c (config space), pci-caps.c and pci-extcaps.c (what of the device's
 * capabilities the guest gets), pci-bar.c (regions), pci-rom.c, pci-irq.c.
 *
 * Threads and locks: config accesses on vCPU threads under the PCI host's lock, trapped BAR accesses on vCPU threads without; interrupts
 * change under both kinds. vp->irq_lock is a device's own lock (vmm/vm.h): inside the PCI host's lock, outside pci_dev.irq_lock.
 */
#ifndef VFIO_PCI_H
#define VFIO_PCI_H

#include <pthread.h>

#include "util/log.h"
#include "vfio/vfio.h"
#include "vmm/event.h"
#include "vmm/pci.h"

/* A piece of a BAR that is mapped into the guest. */
struct vfio_piece {
	struct vfio_area area;	/* inside the BAR */
	void *hva;		/* owned mapping */
	int slot;		/* -1: not in the guest now */
	bool dma;		/* a target of DMA now (p2p) */
};

struct vfio_pci_bar {
	const struct vfio_region *region;	/* NULL: none */
	struct vfio_piece *piece;	/* owned */
	unsigned int nr_pieces;
	bool on;			/* decoded now */
	struct log_rate rate;
};

struct vfio_pci_irq;		/* pci-irq.c's */

struct vfio_pci {
	struct pci_dev pdev;	/* first: pdev.dev is the VM's device */
	struct vfio_device *vd;	/* owned */
	struct vfio_pci_bar bar[PCI_BARS];
	u8 *rom;		/* owned copy of the expansion ROM, bar size bytes; NULL: none */
	/* Config bits that the device itself answers (they are 0 in pdev.config), and those a write reaches it with. Owned, config_size each. */
	u8 *passed_read, *passed_write;
	u8 *raw;		/* owned: the device's config space as it was found; NULL after caps_init */
	unsigned int config_size;
	unsigned int pm_cap, exp_cap, af_cap, msi_cap, msix_cap;	/* where they are in config; 0: none */
	u8 power_states, power;	/* a bit for each D state it has; the one it is in */
	bool pin_lost;		/* it has a pin, which the guest does not see for want of resample irqfds */
	bool flr;		/* it can be reset, and the guest may */
	bool command_known;	/* the device took the last COMMAND: else it may not answer where its BARs are */
	u16 command;		/* that COMMAND */
	bool stopped;		/* by device_ops.stop */
	bool leaving;		/* taken away, and others of this VM are not */
	_Atomic bool requested;	/* the host asked for it back, once at least; set by the main loop */
	struct log_rate rate;
	unsigned int msix_bar;	/* PCI_BARS: none */
	u32 msix_table, msix_table_len, msix_pba, msix_pba_len;	/* in bytes from the BAR's start */
	pthread_mutex_t irq_lock;	/* made with irq */
	struct vfio_pci_irq *irq;	/* owned */
};

/* pci.c. Main thread. */
int vfio_pci_create(struct vm *vm, struct vfio_device *vd, struct error *err);

/*
 * pci-config.c. Reads the device's config space, makes the header of the guest's, finds the MSI-X table. Before the BARs. Main thread.
 */
int vfio_pci_config_init(struct vfio_pci *vp, struct error *err);
void vfio_pci_config_free(struct vfio_pci *vp);		/* after the function is off the bus; a half made one is fine */
/*
 * pci-caps.c, pci-extcaps.c. Keep the capabilities the guest may have at their own offsets, hide the others by unlinking them, and say
 * which bits are emulated, passed and written. After the BARs, before pci_plug(). Main thread.
 */
void vfio_pci_caps_init(struct vfio_pci *vp);
void vfio_pci_extcaps_init(struct vfio_pci *vp);
/* Where the device has capability @id, 0 if nowhere. From vp->raw. */
unsigned int vfio_pci_cap_find(const struct vfio_pci *vp, u8 id);
/* The device itself answers [off, off+len), and is written there. */
void vfio_pci_pass_read(struct vfio_pci *vp, unsigned int off, unsigned int len);
void vfio_pci_pass_write(struct vfio_pci *vp, unsigned int off, unsigned int len);
/* The bits of @mask in the @size bytes at @off. */
void vfio_pci_pass_write_bits(struct vfio_pci *vp, unsigned int off, unsigned int size, u32 mask);
void vfio_pci_config_read(struct pci_dev *pdev, unsigned int off, unsigned int size, u32 *val);
void vfio_pci_config_written(struct pci_dev *pdev, unsigned int off, unsigned int size, u32 val);
/* pci_dev_ops.decoding: COMMAND reaches the device after what leaves has left, and before what comes is mapped. */
void vfio_pci_decoding(struct pci_dev *pdev, u16 command);
/* Interrupts off, BARs off, the device reset, config as at power on. The first: vCPUs paused; the second: PCI host's lock held. */
void vfio_pci_function_reset(struct vfio_pci *vp);
void vfio_pci_function_reset_locked(struct vfio_pci *vp);
/* pci_dev_load(), and the device's power state and interrupts as config has them then. vCPUs paused. */
int vfio_pci_config_load(struct vfio_pci *vp, struct state_reader *r);
/* The device's own config space, @size 1, 2 or 4. */
int vfio_pci_device_read(struct vfio_pci *vp, unsigned int off, unsigned int size, u32 *ret);
int vfio_pci_device_write(struct vfio_pci *vp, unsigned int off, unsigned int size, u32 val);

/* pci-bar.c. bars_init: main thread, before pci_plug(), after config_init (the MSI-X table is known then). */
int vfio_pci_bars_init(struct vfio_pci *vp, struct error *err);
void vfio_pci_bars_free(struct vfio_pci *vp);		/* after the function is off the bus */
void vfio_pci_bar_activated(struct pci_dev *pdev, unsigned int bar);
void vfio_pci_bar_deactivating(struct pci_dev *pdev, unsigned int bar);
void vfio_pci_bars_command(struct vfio_pci *vp);	/* command_known changed while BARs may be decoded: slots go or come back */
/* pci-rom.c: reads the device's ROM, or cfg->romfile, and adds BAR PCI_ROM for it. */
int vfio_pci_rom_init(struct vfio_pci *vp, struct error *err);
void vfio_pci_rom_free(struct vfio_pci *vp);

/*
 * pci-irq.c. init: after pci_plug() (INTx has its line then). update: called after anything that changes which kind of interrupt is on
 * (config_written on MSI, MSI-X or COMMAND; vector_changed): makes the device's state agree with the guest's.
 */
int vfio_pci_irq_init(struct vfio_pci *vp, struct error *err);
void vfio_pci_irq_free(struct vfio_pci *vp);
void vfio_pci_irq_update(struct vfio_pci *vp);
void vfio_pci_vector_changed(struct pci_dev *pdev, unsigned int vector);
void vfio_pci_irq_off(struct vfio_pci *vp);	/* nothing arrives until irq_update(): before a reset of the device */
void vfio_pci_irq_stats(struct vfio_pci *vp, struct strbuf *b);

static inline struct vfio_pci *vfio_pci_of(struct pci_dev *pdev)
{
	return container_of(pdev, struct vfio_pci, pdev);
}

#endif
