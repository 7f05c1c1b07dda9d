/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Everything a VM is made from. builtin-run.c fills it from options,
 * vm_config_check() judges it whole, and after that nobody reads options.
 * Strings are borrowed from the caller, who keeps them for the VM's life.
 */
#ifndef VMM_CONFIG_H
#define VMM_CONFIG_H

#include "util/error.h"
#include "util/types.h"
#include "vmm/chardev.h"
#include "vmm/disk.h"
#include "vmm/net.h"
#include "vmm/vfio.h"

enum {
	CONFIG_MAX_DISKS = 28,
	CONFIG_MAX_NICS = 8,
	CONFIG_MAX_VFIO = 8,
	CONFIG_MAX_PORTS = 16,	/* virtio console ports */
	CONFIG_SERIAL_PORTS = 4,
};

#define CONFIG_DEV "/dev/kvm"	/* unless --dev names another */

enum console_kind { CONSOLE_SERIAL, CONSOLE_VIRTIO };
enum virtio_transport_kind { VIRTIO_PCI_MODERN, VIRTIO_PCI_LEGACY, VIRTIO_MMIO_MODERN, VIRTIO_MMIO_LEGACY };
enum panic_policy { PANIC_EXIT, PANIC_IGNORE };
enum kernel_format { KERNEL_AUTO, KERNEL_BZIMAGE, KERNEL_ELF, KERNEL_PVH, KERNEL_MULTIBOOT, KERNEL_FLAT, KERNEL_IMAGE };
enum { CONFIG_MAX_FLASH = 16 * 1024 * 1024 };

/* What only some machines have: their arch_options fill it, and arch_config_check() judges it. */
struct machine_config {
	const char *irqchip;		/* NULL: the best that the host offers */
	u64 ram_base;			/* -m SIZE@ADDR */
	bool ram_base_given;
	const char *flash;		/* file behind the CFI flash, or NULL */
	u64 firmware_address;		/* 0: the machine's own */
	const char *dump_dtb;		/* file the device tree is also written to */
	const char *dtb_overlay;	/* file of a .dtbo applied to it */
	bool no_pvtime;			/* stolen time is not told to the guest */
	const char *vcpu_affinity;	/* CPU list: vCPUs run on those host CPUs only */
	bool kaslr_seed_given;
	u64 kaslr_seed;			/* 0 and given: none */
	/* arm64 */
	bool pmu, nested, aarch32, disable_mte;
	unsigned int sve_max_vl;	/* bits; 0: the host's */
	u64 bad_cntfrq;			/* Hz told in the device tree in place of the timer's own; 0: none */
	/* riscv64 */
	bool mvendorid_given, marchid_given, mimpid_given;
	u64 mvendorid, marchid, mimpid;
	bool isa_off[96], sbi_off[32];	/* by KVM's numbers of extensions (riscv/isa-names.h) */
};

struct vm_config {
	const char *name;		/* shown in messages */
	const char *dev;		/* "/dev/kvm" */

	const char *kernel;
	const char *initrd;
	const char *params;		/* what the user added to the command line */
	const char *firmware;		/* instead of a kernel */
	enum kernel_format kernel_format;
	bool nodefaults;		/* the command line is params only */

	u64 mem_size;			/* bytes */
	unsigned int cpus;
	const char *cpu;		/* "host,+x,-y"; judged by the arch */
	const char *hugetlbfs;		/* mount point, or NULL */

	enum virtio_transport_kind virtio_transport;
	bool virtio_packed;		/* offer RING_PACKED */
	bool virtio_in_order;		/* offer IN_ORDER where completion is in order */

	enum console_kind console;	/* which device gets stdio */
	struct chardev_config serial[CONFIG_SERIAL_PORTS];
	struct chardev_config port[CONFIG_MAX_PORTS];	/* virtio console ports; 0 is the console */
	unsigned int nr_ports;		/* 0: no virtio console */
	const char *console_log;	/* file, or NULL */

	struct disk_config disk[CONFIG_MAX_DISKS];
	unsigned int nr_disks;
	struct net_config nic[CONFIG_MAX_NICS];
	unsigned int nr_nics;
	struct vfio_config vfio[CONFIG_MAX_VFIO];
	unsigned int nr_vfio;
	bool balloon;
	bool rng;
	bool pvpanic;

	struct machine_config machine;

	bool pv_lock;			/* tell the guest which vCPUs are off their CPU; an error where the host cannot */
	bool no_sandbox;		/* keep all rights this process has */
	bool reboot;			/* guest reset restarts in place */
	enum panic_policy panic;
	u64 panic_silence_ns;		/* silence after a panic line that counts as the end */
	u64 timeout_ns;			/* 0: none */
	u64 start_ns;			/* CLOCK_MONOTONIC when the program began; events count from it */
};

/* What no single option parser can judge: the whole. Names option and value in @err. */
int vm_config_check(const struct vm_config *cfg, struct error *err);

#endif
