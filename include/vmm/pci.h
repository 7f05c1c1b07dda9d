/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PCI: one root bus of up to 32 devices with 8 functions. [pci-3.0], [pcie-4.0], [pci-fw-3.0] (ECAM)
 *
 * Config space is bytes plus two masks: which bits the guest may write, and
 * which of them are write-one-to-clear. BARs are decoded only while their COMMAND
 * bit is set and only inside the host bridge's windows; they may move at any
 * time, and overlap. The activation logic is in pci.c once; a device may add callbacks.
 *
 * Threads: config accesses come from vCPU threads and are serialised by the host's lock; BAR handlers come from
 * vCPU threads, unserialised, and never take the host's lock. Interrupt state has a lock of its own,
 * pci_dev.irq_lock, inside any lock of the device and outside the irq state lock.
 *
 * Left out on purpose: buses behind bridges; Bus Master Enable is a bit that reads back, and is not looked at
 * when a device does DMA or sends a message.
 */
#ifndef VMM_PCI_H
#define VMM_PCI_H

#include <pthread.h>

#include "vmm/device.h"
#include "vmm/iomap.h"
#include "vmm/irq.h"

enum {
	PCI_FUNCTIONS = 256,	/* on the one bus */
	PCI_BARS = 6,
	PCI_ROM = 6,		/* index of the expansion ROM BAR */
	PCI_CONFIG_SIZE = 256,
	PCIE_CONFIG_SIZE = 4096,
	PCI_INTX_LINES = 8,
};

struct error;
struct pci_dev;
struct pci_eject;
struct pci_host;
struct pci_msi;
struct pci_msix;
struct state_reader;
struct state_writer;

enum pci_bar_type {
	PCI_BAR_NONE,
	PCI_BAR_IO,
	PCI_BAR_MEM32,
	PCI_BAR_MEM64,		/* takes two registers */
	PCI_BAR_MEM64_PREFETCH,
	PCI_BAR_MEM32_PREFETCH,
	PCI_BAR_ROM,
};

struct pci_bar {
	enum pci_bar_type type;
	u64 size;		/* power of two */
	u64 addr;		/* where it is decoded while active, else as programmed */
	bool active;		/* decoded now */
	const struct io_ops *ops;	/* NULL: the device maps it itself in bar_activated() */
	struct io_region region;
	struct pci_dev *pdev;
};

struct pci_dev_ops {
	/*
	 * Host's lock held, no other. The BAR answers at bar->addr from now on; it still answers there, but
	 * will not once this returns. May be NULL.
	 */
	void (*bar_activated)(struct pci_dev *pdev, unsigned int bar);
	void (*bar_deactivating)(struct pci_dev *pdev, unsigned int bar);
	/*
	 * COMMAND, or the address of a BAR, was written (or reset, or loaded, or the function leaves the bus: 0): what it switches off is
	 * no longer decoded, what it switches on is not yet. Host's lock held. May be NULL.
	 */
	void (*decoding)(struct pci_dev *pdev, u16 command);
	/*
	 * Host's lock held; access is inside 256 or 4096 bytes, 1, 2 or 4 bytes, aligned. config_read may
	 * change *val; config_written comes after masks and BAR logic. May be NULL.
	 */
	void (*config_read)(struct pci_dev *pdev, unsigned int off, unsigned int size, u32 *val);
	void (*config_written)(struct pci_dev *pdev, unsigned int off, unsigned int size, u32 val);
	/*
	 * Vector's message, mask or enable changed. From config (host's lock held) or MSI-X table writes; vCPU
	 * thread. May be NULL.
	 */
	void (*vector_changed)(struct pci_dev *pdev, unsigned int vector);
};

struct pci_dev {
	struct device dev;
	struct pci_host *host;		/* borrowed; NULL until plugged */
	u8 devfn;
	const struct pci_dev_ops *pops;
	/*
	 * Owned, config_size bytes each. Host's lock once plugged. The device fills its read-only bytes before
	 * pci_plug(), which takes the power-on state.
	 */
	u8 *config, *wmask, *w1c;
	u8 *initial;			/* owned: config at power on, for reset */
	unsigned int config_size;
	unsigned int cap_end;		/* first free byte of config for capabilities */
	u64 cap_used;			/* dwords of the first 256 bytes that capabilities lie in, a bit each */
	bool asleep;			/* in a power state in which no BAR is decoded */
	struct pci_bar bar[PCI_BARS + 1];
	bool intx_by_kvm;		/* its INTx level is KVM's (a resample irqfd), never pci_intx_set()'s; before pci_plug() */
	struct irq_line *intx;		/* owned while plugged; NULL without an interrupt pin */
	_Atomic bool intx_asserted;	/* by the device; INTx disable is applied on top */
	bool intx_disabled;		/* COMMAND's bit, for those without the host's lock */
	struct pci_msix *msix;		/* owned; NULL without */
	struct pci_msi *msi;		/* owned; NULL without */
	pthread_mutex_t irq_lock;	/* guards the four above and what they point at */
};

struct pci_ids {
	u16 vendor, device, sub_vendor, sub_device;
	u32 class_code;		/* 24 bits: class, subclass, prog-if */
	u8 revision;
	bool pcie;		/* 4 KiB config space and a PCIe capability (root complex integrated endpoint) */
	bool extended;		/* 4 KiB config space, and the device adds the capability itself, if any */
	u8 pin;			/* INTx: 0 none, 1..4 */
};

/* For those callbacks: does an access of @size bytes at @off reach one of the @len bytes at @reg? */
static inline bool pci_touches(unsigned int off, unsigned int size, unsigned int reg, unsigned int len)
{
	return off < reg + len && reg < off + size;
}

/* --- for devices, before they are plugged; main thread --- */

int pci_dev_init(struct pci_dev *pdev, const struct pci_dev_ops *ops, const struct pci_ids *ids);
/*
 * -EINVAL: index taken or size no power of two (>= 4 for I/O, >= 16 for memory, >= 2048 for ROM, which is index
 * PCI_ROM).
 */
int pci_dev_add_bar(struct pci_dev *pdev, unsigned int bar, enum pci_bar_type type, u64 size, const struct io_ops *ops);
static inline struct pci_bar *pci_bar_of(struct io_region *r)
{
	return container_of(r, struct pci_bar, region);
}
/* Appends a capability of @len bytes (header included), body zero and read-only. Gives its offset or -ENOSPC. */
int pci_dev_add_cap(struct pci_dev *pdev, u8 id, unsigned int len);
/* Lets the guest write the bits of @mask in the @size bytes at @off. */
void pci_config_set_wmask(struct pci_dev *pdev, unsigned int off, unsigned int size, u32 mask);
/*
 * MSI-X with @vectors entries, table and PBA in @bar at the given offsets. The bar's own io_ops hand accesses
 * inside these ranges to pci_msix_read/write, or the bar was given &pci_msix_io as ops when it holds nothing else.
 * [pci-3.0 6.8.2]
 */
int pci_dev_add_msix(struct pci_dev *pdev, unsigned int vectors, unsigned int bar, u32 table_off, u32 pba_off);
/* Per-vector masking, 64-bit. [pci-3.0 6.8.1] @vectors: power of two up to 32. */
int pci_dev_add_msi(struct pci_dev *pdev, unsigned int vectors);
/*
 * For a function that stands for another one (VFIO): its capabilities lie where they lie there. They are linked in the order of the calls.
 * -EINVAL: inside the header, not dword aligned, or over another's bytes.
 */
int pci_dev_add_cap_at(struct pci_dev *pdev, unsigned int off, u8 id, unsigned int len);
/* @addr64, @maskable: which of the four layouts of [pci-3.0 6.8.1] it has. */
int pci_dev_add_msi_at(struct pci_dev *pdev, unsigned int off, unsigned int vectors, bool addr64, bool maskable);
/* A PBA in another BAR than the table is the device's own to answer. */
struct pci_msix_place {
	unsigned int bar, pba_bar;
	u32 table_off, pba_off;
};
int pci_dev_add_msix_at(struct pci_dev *pdev, unsigned int off, unsigned int vectors, const struct pci_msix_place *at);
extern const struct io_ops pci_msix_io;
/* True when @off (in the MSI-X bar) is in the table or PBA and was served. */
bool pci_msix_read(struct pci_dev *pdev, u64 off, unsigned int size, u64 *val);
bool pci_msix_write(struct pci_dev *pdev, u64 off, u64 val, unsigned int size);

/*
 * Puts it on the bus: @devfn, or -1 for the next free device number, function 0. Several functions of one
 * device set the multifunction bit of function 0. -ENOSPC: bus full; -EBUSY: taken. BAR addresses come with
 * pci_assign_bars(). On a machine with intx_one_level, -1 is a number whose line is not driven both by KVM (pdev->intx_by_kvm) and by
 * lkvm, as long as there is one: one with a line of its own for a function that KVM drives, or a line that such functions have among them.
 */
int pci_plug(struct pci_host *host, struct pci_dev *pdev, int devfn);
/*
 * Config to power-on values, BARs back to their firmware addresses and off, interrupts low. vCPUs paused. No
 * lock held.
 */
void pci_dev_reset(struct pci_dev *pdev);
/* The same from config_written(), for a function that the guest resets: the host's lock is held, and vCPUs run. */
void pci_dev_reset_locked(struct pci_dev *pdev);
/*
 * From config_written(), or before vCPUs run: BARs leave whatever COMMAND says, or come back as it says. For power states other than D0.
 * Reset wakes.
 */
void pci_dev_sleep_locked(struct pci_dev *pdev, bool asleep);
/* Takes it off the bus (if on it) and frees what pci_dev_init and the adders made; not @pdev itself. */
void pci_dev_cleanup(struct pci_dev *pdev);

/* Config, BARs, MSI and MSI-X state, as part of the device's own section. vCPUs stopped. */
void pci_dev_save(struct pci_dev *pdev, struct state_writer *w);
/* All of it or nothing: read-only bits are not taken from the stream. -EBADMSG: not this device's state. */
int pci_dev_load(struct pci_dev *pdev, struct state_reader *r);

/* --- interrupts; any thread --- */

/* The device's INTx level; honours INTx Disable, sets the Interrupt Status bit. */
void pci_intx_set(struct pci_dev *pdev, bool level);
/* MSI-X if enabled: sends, or sets pending while masked. Bad or unused vector: nothing. */
void pci_msix_notify(struct pci_dev *pdev, unsigned int vector);
/* The same for MSI. A driver that allowed fewer vectors gets them folded: the low bits of @vector count. */
void pci_msi_notify(struct pci_dev *pdev, unsigned int vector);
bool pci_msix_enabled(const struct pci_dev *pdev);
bool pci_msi_enabled(const struct pci_dev *pdev);
unsigned int pci_msix_vectors(const struct pci_dev *pdev);
/* Enabled, and masked neither by itself nor with all. */
bool pci_msix_deliverable(struct pci_dev *pdev, unsigned int vector);
/*
 * An eventfd that sends vector @vector when signalled, for users outside lkvm (vhost, VFIO): follows the
 * guest's programming and masking. The fd stays the device's; made at the first call, with its GSI route.
 * Plugged devices only. -EINVAL: no such vector; -ENOSPC: no GSI left; -errno.
 */
int pci_msix_irqfd(struct pci_dev *pdev, unsigned int vector);
/* The same for MSI: follows enable, address, data, mask. */
int pci_msi_irqfd(struct pci_dev *pdev, unsigned int vector);
unsigned int pci_msi_vectors(const struct pci_dev *pdev);	/* 0 without */
unsigned int pci_msi_allocated(const struct pci_dev *pdev);	/* as many as the driver allows now */
/* Gives back what pci_msi_irqfd() and pci_msix_irqfd() made: fds are closed, routes free. Nobody signals them any more. */
void pci_msi_irqfds_free(struct pci_dev *pdev);
/* The GSI of its INTx pin. -EINVAL: it has none, or is not plugged. */
int pci_intx_gsi(const struct pci_dev *pdev, u32 *ret_gsi);
/*
 * The name of a function on the same line which may break the level of @pdev's, and the other way round: one of the two is driven by KVM,
 * the other by lkvm, and the machine has intx_one_level. NULL: none. Main thread; valid while both are plugged.
 */
const char *pci_intx_rival(const struct pci_dev *pdev);
/* The line of pin @pin, 1..4, of device number @device: what firmware tables and functions agree on. */
static inline unsigned int pci_intx_line(unsigned int device, unsigned int pin)
{
	return (device + pin - 1) % PCI_INTX_LINES;
}

/* --- functions that the guest can give back while it runs; pci-eject.c --- */

/*
 * The registers behind an ACPI machine's hot-plug objects. A slot is a device number: all its functions leave together.
 * [acpi-6.4 5.6.6 Eject Request, 5.6.9, 6.3.3 _EJ0]
 */
struct pci_eject_config {
	enum io_space space;
	u64 base;		/* PCI_EJECT_SIZE bytes: registers below, of 32 bits, a bit for each slot */
	u32 gsi;		/* level: while PCI_EJECT_ASKED is not 0 */
};
enum {
	PCI_EJECT_ASKED = 0,	/* slots that the guest is asked to give back, and was not told of; write one to clear */
	PCI_EJECT_NOW = 4,	/* write one: it is given back. Reads the slots for which that would do something */
	PCI_EJECT_SIZE = 8,
};
/* On the bus of vm->pci, which has at most one. After it, and before the functions. 0 or -errno; the VM owns it. Main thread. */
int pci_eject_create(struct vm *vm, const struct pci_eject_config *cfg);
/*
 * The slot that @pdev is plugged into is one the guest may empty, asked or not. pdev->dev is on the VM's list of devices, or comes there,
 * and has leave(); the functions that share the slot with it are of the same kind. Before vCPUs run; main thread.
 * -EOPNOTSUPP: this machine cannot.
 */
int pci_eject_allow(struct pci_dev *pdev);
/*
 * Asks the guest for the slot of @pdev; again, if need be. A guest that does not give it loses it at the VM's reset. Any thread.
 * -EOPNOTSUPP: it may not.
 */
int pci_eject_ask(struct pci_dev *pdev);
/* The slots that there are now, for the tables. */
u32 pci_eject_slots(const struct pci_host *host);

/* --- the host bridge --- */

struct pci_window {
	u64 base, size;		/* size 0: absent */
};

struct pci_host_config {
	u64 ecam_base;		/* 0: none */
	unsigned int ecam_buses;	/* 1 MiB each */
	bool cf8;		/* configuration mechanism #1 at ports 0xcf8..0xcff [pci-3.0 3.2.2.3.2] */
	struct pci_window io, mem32, mem64;
	u32 intx_gsi[PCI_INTX_LINES];	/* by pci_intx_line() */
	u8 intx_line[PCI_INTX_LINES];	/* what Interrupt Line reads at power on */
	/*
	 * KVM keeps one level for a wired line, and whoever sets it last is right (arm64's vgic, riscv64's APLIC). Without: KVM ORs those of
	 * lkvm and of resample irqfds (x86's IOAPIC), and a line may have both.
	 */
	bool intx_one_level;
	u64 firmware_io;	/* first I/O address firmware assigns, inside io */
};

/*
 * The bus and its host bridge function 00.0. Sets vm->pci; the VM owns it. After the devices whose ports lie in
 * 0xcf8..0xcff.
 */
int pci_host_create(struct vm *vm, const struct pci_host_config *cfg);
const struct pci_host_config *pci_host_config(const struct pci_host *host);
/*
 * Firmware's part, once, before vCPUs run: gives every BAR an address (64-bit ones in mem64, others below).
 * COMMAND stays 0: the guest switches decoding on. -ENOSPC names the device in @err.
 */
int pci_assign_bars(struct pci_host *host, struct error *err);
struct pci_dev *pci_find(struct pci_host *host, u8 devfn);

/* Config access as the guest does it (ECAM and CF8 end here); for tests too. @size 1, 2, 4, aligned. */
u32 pci_config_read(struct pci_host *host, u8 bus, u8 devfn, unsigned int off, unsigned int size);
void pci_config_write(struct pci_host *host, u8 bus, u8 devfn, unsigned int off, unsigned int size, u32 val);

#endif
