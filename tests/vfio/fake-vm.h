/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A VM of two pieces of RAM on tests/vfio/fake-host.h's host, and devices opened for it. Nobody touches the RAM.
 */
#ifndef TESTS_VFIO_FAKE_VM_H
#define TESTS_VFIO_FAKE_VM_H

#include "fake-host.h"
#include "vmm/vm.h"

#define LOW_RAM (64 * MIB)
#define HIGH_GPA (4 * GIB)
#define HIGH_RAM (16 * MIB)

static struct vm vm;
static struct error err;
static struct vfio_config cfg[4];

/* A host with two functions, in groups 3 and 4, both VFIO's. */
static void setup(void)
{
	unsigned int i;

	fake_world();
	fake_pci("0000:00:02.0", 3, "vfio-pci");
	fake_pci("0000:00:03.0", 4, "vfio-pci");
	memset(&vm, 0, sizeof(vm));
	list_init(&vm.ram_listeners);
	guest_mem_add(&vm.mem, 0, LOW_RAM, (void *)(uintptr_t)0x100000000000);
	guest_mem_add(&vm.mem, HIGH_GPA, HIGH_RAM, (void *)(uintptr_t)0x200000000000);
	vm.vm_fd = fake_fd_new(F_VM, NULL);
	for (i = 0; i < ARRAY_SIZE(cfg); i++)
		cfg[i] = (struct vfio_config){ .option = "--vfio" };
	err.msg[0] = '\0';
	fake.log[0] = '\0';
}

static UNUSED int open_as(unsigned int i, const char *device, enum vfio_iommu_kind kind, struct vfio_device **ret)
{
	cfg[i].device = device;
	cfg[i].iommu = kind;
	*ret = NULL;
	return vfio_device_open(&vm, &cfg[i], ret, &err);
}

static UNUSED bool says(const char *what)
{
	return strstr(err.msg, what) && !strchr(err.msg, '\n');
}

/* After the last device's close: no files, maps, pins, nor references of KVM's. The VM's own is closed here. */
static bool nothing_left(void)
{
	vfio_free(&vm);
	vfio_sys_close(vm.vm_fd);
	vm.vm_fd = -1;
	return !fake.files && !fake_maps(&host.ioas) && !host.containers && !host.tables && !vm.mem.pins && list_empty(&vm.ram_listeners) &&
		!strstr(fake.log, "bad");
}

#endif
