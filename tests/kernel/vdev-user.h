/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A user of lkvm_vdev through VFIO, without lkvm: what its tests share. By group and container, or, with VDEV_IOMMUFD in the environment,
 * by the device's own file and iommufd. One thread.
 */
#ifndef TESTS_KERNEL_VDEV_USER_H
#define TESTS_KERNEL_VDEV_USER_H

#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../../include/uapi/lkvm/vdev.h"
#include "../tap.h"

/* Where the tests' memory is for the device: writable, then a hole as large, then a read-only piece, then nothing. */
#define MEM_SIZE	(4UL << 20)
#define MEM_IOVA	0x40000000UL
#define HOLE_IOVA	(MEM_IOVA + MEM_SIZE)
#define RO_IOVA		(HOLE_IOVA + MEM_SIZE)
#define RO_SIZE		65536UL
#define NOWHERE_IOVA	0x800000000000UL

struct user {
	const char *name;	/* "lkvm_vdev.0" */
	int container, group, fd;	/* iommufd: container is that, group is -1 */
	uint32_t ioas;			/* iommufd: the address space; 0: a container */
	struct vfio_region_info region[VFIO_PCI_NUM_REGIONS];
	uint8_t *mem, *ro;
};
extern struct user dev;

/* Opens the device that the command line names, with memory accesses on; or ends the program. */
void user_start(int argc, char **argv);
/* 0 or -errno. Opens the device, maps the memory; and closes all that. */
int user_open(const char *name);
void user_close(void);
int map_dma(uint64_t iova, void *p, uint64_t size, uint32_t flags);
int unmap_dma(uint64_t iova, uint64_t size);	/* bytes unmapped, or -errno */
long long counter(const char *name);		/* of the device's sysfs folder */
void write_attribute(const char *name, const char *value);
int device_reset(void);

/* Bytes, or -errno. Region @index. */
ssize_t region_read(unsigned int index, uint64_t off, void *buf, size_t len);
ssize_t region_write(unsigned int index, uint64_t off, const void *buf, size_t len);
/* Registers of BAR 0. Config space: @size 1, 2, 4. All end the program where the device fails. */
uint32_t reg_read(uint32_t off);
void reg_write(uint32_t off, uint32_t val);
void reg_write64(uint32_t off, uint64_t val);
uint32_t config_read(unsigned int off, unsigned int size);
void config_write(unsigned int off, unsigned int size, uint32_t val);
unsigned int find_cap(uint8_t id);		/* 0: none */
unsigned int find_ext_cap(uint16_t id);
void enable(uint16_t command_bits);		/* COMMAND becomes these */

/* VFIO_DEVICE_SET_IRQS; @fds, @bools: NULL, or @count of them. 0 or -errno */
int set_irqs(unsigned int index, uint32_t action, unsigned int start, unsigned int count, const int *fds, const uint8_t *bools);
int disable_irqs(unsigned int index);
int new_event(void);
uint64_t event_take(int fd);	/* its count, 0 at once if none */
uint64_t event_wait(int fd);	/* as that, after up to a minute */

/* Runs a DMA command, waits for its end: DMA_STATUS. */
uint32_t dma(uint32_t cmd, uint64_t src, uint64_t dst, uint32_t len);

#endif
