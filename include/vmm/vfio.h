/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Devices of the host given to the guest through VFIO. [Documentation/driver-api/vfio.rst, include/uapi/linux/vfio.h]
 */
#ifndef VMM_VFIO_H
#define VMM_VFIO_H

#include "util/error.h"
#include "util/types.h"

struct vm;
struct strbuf;

enum vfio_iommu_kind { VFIO_IOMMU_AUTO, VFIO_IOMMU_GROUP, VFIO_IOMMU_IOMMUFD };	/* AUTO: iommufd where host and device have it */
enum vfio_rom { VFIO_ROM_DEVICE, VFIO_ROM_FILE, VFIO_ROM_OFF };
enum vfio_error_policy { VFIO_ERROR_STOP, VFIO_ERROR_REPORT };	/* the device told of an error it cannot mend: end the VM, or only say so */
/* the host asks for the device back: the guest is asked for it (AUTO: where it can be, else only said so), or to power off, or it is only said */
enum vfio_request_policy { VFIO_REQUEST_AUTO, VFIO_REQUEST_UNPLUG, VFIO_REQUEST_POWEROFF, VFIO_REQUEST_REPORT };
enum vfio_migration_kind { VFIO_MIGRATION_AUTO, VFIO_MIGRATION_V2, VFIO_MIGRATION_V1, VFIO_MIGRATION_OFF };

/* One --vfio or --vfio-pci. Strings are borrowed for the VM's life. */
struct vfio_config {
	const char *device;		/* "[dom:]bus:dev.fn", a path in sysfs or /dev/vfio/devices, or "fd:N" */
	const char *option;		/* "--vfio" or "--vfio-pci": what messages name */
	enum vfio_iommu_kind iommu;
	enum vfio_rom rom;
	const char *romfile;
	enum vfio_error_policy on_error;
	enum vfio_request_policy on_request;
	enum vfio_migration_kind migration;
	bool aer;			/* the Advanced Error Reporting capability is passed on */
	bool p2p;			/* other devices may reach this one's BARs by DMA */
};

/*
 * The value of @option, as "01:00.0,rom=off,p2p", cut in place: @ret points into it. -EINVAL with a line that names option, device, key
 * and value; @ret is written on success only.
 */
int vfio_parse(char *spec, const char *option, struct vfio_config *ret, struct error *err);
/*
 * All of vm->cfg.vfio: opens the devices, maps guest RAM for their DMA, pins it (guest_mem_pin), and puts them on the PCI bus, in the
 * order given. After RAM and the PCI host, before pci_assign_bars(). Main thread. -errno with a line that names option and device.
 */
int vfio_create(struct vm *vm, struct error *err);
/* What VFIO still needs after vfio_create()'s devices are freed: container, iommufd, KVM's side. vm_free()'s; NULL is fine. Main thread. */
void vfio_free(struct vm *vm);

/* `lkvm version --host`: which ways to a device this host has, as lines "vfio: ..." */
void vfio_host_describe(struct strbuf *out);

#endif
