/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Constructors of the small chips in hw/. Base, space, irq and clock are
 * the machine's to choose. All: 0 or -errno; the VM owns the device on success; main thread.
 */
#ifndef VMM_HW_H
#define VMM_HW_H

#include "vmm/iomap.h"

struct chardev;
struct error;
struct vm;

/* 16550A UART. [PC16550D] Registers are 1 << @reg_shift bytes apart. */
struct serial_config {
	enum io_space space;
	u64 base;
	u32 gsi;
	unsigned int reg_shift;	/* 0..2 */
	struct chardev *cd;	/* borrowed; NULL: output dropped */
	bool wait_for_room;	/* block the guest rather than lose output (the console) */
};
enum { SERIAL_REGISTERS = 8 };
int serial_create(struct vm *vm, const struct serial_config *cfg);
/*
 * BREAK, and @key right after it, on the line that @cd is the other end of: Linux' magic SysRq. -ENODEV: no serial port; -EAGAIN: no driver
 * listens; -EBUSY: the last one has not been read. Main thread.
 */
int serial_send_sysrq(struct vm *vm, const struct chardev *cd, u8 key);

/* MC146818 RTC with 128 bytes of CMOS. [MC146818A] */
struct rtc_config {
	enum io_space space;
	u64 base;
	u32 gsi;		/* IRQ 8: alarm, periodic, update-ended */
	u64 ram_below_4g, ram_above_4g;	/* bytes, as PC firmware tells it in CMOS */
	u64 (*utc_ns)(void);	/* nanoseconds since 1970; NULL: the host's clock. vCPU threads and the main loop */
};
int rtc_create(struct vm *vm, const struct rtc_config *cfg);

/* 8042: keyboard controller with no keyboard behind it: answers commands, A20 and reset. [IBM PS/2 TR] */
struct i8042_config {
	u64 base;		/* ports base, base + 4 */
	u32 gsi_kbd, gsi_aux;
};
int i8042_create(struct vm *vm, const struct i8042_config *cfg);

/*
 * debug-exit: a byte or wider number written at offset 0 ends the run with that status (0..123; more is 123);
 * a byte written at offset 1 is a mark (VM_EVENT_MARK). Reads at 0 give ASCII 'L', at 1 'K'.
 */
struct debug_exit_config {
	enum io_space space;
	u64 base;
};
enum { DEBUG_EXIT_SIZE = 4 };
int debug_exit_create(struct vm *vm, const struct debug_exit_config *cfg);

/* PCI pvpanic, 1b36:0011. [QEMU docs/specs/pvpanic] */
int pvpanic_pci_create(struct vm *vm);

/* Power: sleep control/status and reset registers for hardware-reduced ACPI, and the power button. [acpi-6.4 4.8.3.7, 4.8.3.6, 5.6.9] */
struct power_config {
	enum io_space space;
	u64 base;		/* POWER_SIZE bytes: registers below */
	u32 gsi;		/* GED interrupt, level */
};
enum {
	POWER_SLEEP_CONTROL = 0,	/* [acpi-6.4 4.8.3.7.1] SLP_EN bit 5, SLP_TYPx bits 4:2 */
	POWER_SLEEP_STATUS = 1,		/* WAK_STS bit 7 */
	POWER_RESET = 2,		/* write POWER_RESET_VALUE */
	POWER_EVENT = 4,		/* u32: pending events, write one to clear: bit 0 power button */
	POWER_SIZE = 8,
	POWER_RESET_VALUE = 1,
	POWER_S5 = 5,			/* SLP_TYP of soft-off */
};
int power_create(struct vm *vm, const struct power_config *cfg);
/* Presses the power button of the first device that has one (device_ops.power_button). Main thread. -ENODEV without one. */
int power_button_press(struct vm *vm);
bool power_button_there(const struct vm *vm);	/* one that could be pressed. Main thread */

/* PL061: eight lines, of which one is the power button, pressed while it reads 1. [ARM DDI 0190] */
struct gpio_pl061_config {
	u64 base;
	u32 gsi;		/* level */
};
enum { PL061_SIZE = 0x1000, PL061_POWER_LINE = 3 };
int gpio_pl061_create(struct vm *vm, const struct gpio_pl061_config *cfg);

/*
 * NOR flash of two 16-bit chips side by side, Intel's commands, with what it holds in a file. [JESD68.01], [Intel P30]
 * The file's size is the flash's: a power of two, 64 KiB to 16 MiB (@max). A file that may not be written makes a flash with all blocks locked.
 */
struct flash_config {
	u64 base;		/* 2 MiB aligned */
	u64 max;		/* bytes that the machine has for it, at most 16 MiB; 0: 16 MiB */
	const char *path;
};
int flash_create(struct vm *vm, const struct flash_config *cfg, struct error *err);

/*
 * Ports 0x80 (diagnostics), 0x92 (fast A20, reset), 0xcf9 (reset control). Before the PCI host, whose ports enclose 0xcf9. On
 * failure too the VM owns what was made.
 */
int pcports_create(struct vm *vm);

#endif
