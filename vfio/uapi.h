/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What <linux/vfio.h> and <linux/iommufd.h> of older systems lack: numbers and layouts of the kernel's ABI. [include/uapi/linux/vfio.h,
 * include/uapi/linux/iommufd.h of Linux 6.12]
 *
 * A number is defined where the system's header has none. A structure cannot be asked for like that: ours have names of their own.
 */
#ifndef VFIO_UAPI_H
#define VFIO_UAPI_H

#include <linux/ioctl.h>
#include <linux/vfio.h>

#include "util/types.h"

/* --- devices --- */

#ifndef VFIO_DEVICE_FLAGS_CDX
#define VFIO_DEVICE_FLAGS_CDX	(1 << 8)
#endif

/* Linux 6.6: devices as files of their own */
#ifndef VFIO_DEVICE_BIND_IOMMUFD
#define VFIO_DEVICE_BIND_IOMMUFD	_IO(VFIO_TYPE, VFIO_BASE + 18)
#define VFIO_DEVICE_ATTACH_IOMMUFD_PT	_IO(VFIO_TYPE, VFIO_BASE + 19)
#define VFIO_DEVICE_DETACH_IOMMUFD_PT	_IO(VFIO_TYPE, VFIO_BASE + 20)
#endif

struct uapi_vfio_bind_iommufd {
	u32 argsz, flags;
	s32 iommufd;
	u32 out_devid;
};

struct uapi_vfio_attach_iommufd_pt {
	u32 argsz, flags;
	u32 pt_id;		/* in: an IOAS or a HWPT; out: the HWPT it got */
};

struct uapi_vfio_detach_iommufd_pt {
	u32 argsz, flags;
};

#ifndef VFIO_PCI_HOT_RESET_FLAG_DEV_ID
#define VFIO_PCI_HOT_RESET_FLAG_DEV_ID		(1 << 0)	/* device ids of the iommufd, not groups */
#define VFIO_PCI_HOT_RESET_FLAG_DEV_ID_OWNED	(1 << 1)	/* all of them the caller's */
#endif

/* Its first member is a group, or, with FLAG_DEV_ID, a device's id. */
struct uapi_vfio_dependent_device {
	u32 id;
	u16 segment;
	u8 bus, devfn;
};

struct uapi_vfio_hot_reset_info {
	u32 argsz, flags;
	u32 count;
	struct uapi_vfio_dependent_device device[];
};

/* Linux 6.2: migration in advance of the stop, and how much there is */
#ifndef VFIO_MIGRATION_PRE_COPY
#define VFIO_MIGRATION_PRE_COPY		(1 << 2)
#endif
#ifndef VFIO_MIG_GET_PRECOPY_INFO
#define VFIO_MIG_GET_PRECOPY_INFO	_IO(VFIO_TYPE, VFIO_BASE + 21)
#endif
#ifndef VFIO_DEVICE_FEATURE_MIG_DATA_SIZE
#define VFIO_DEVICE_FEATURE_MIG_DATA_SIZE	9
#endif

struct uapi_vfio_precopy_info {
	u32 argsz, flags;
	u64 initial_bytes, dirty_bytes;
};

struct uapi_vfio_mig_data_size {
	u64 stop_copy_length;
};

/* --- iommufd: every structure begins with its size, in bytes --- */

#define IOMMUFD_IO(nr) _IO(';', 0x80 + (nr))

#ifndef IOMMU_DESTROY
#define IOMMU_DESTROY			IOMMUFD_IO(0x0)
#define IOMMU_IOAS_ALLOC		IOMMUFD_IO(0x1)
#define IOMMU_IOAS_IOVA_RANGES		IOMMUFD_IO(0x4)
#define IOMMU_IOAS_MAP			IOMMUFD_IO(0x5)
#define IOMMU_IOAS_UNMAP		IOMMUFD_IO(0x6)
#define IOMMU_HWPT_ALLOC		IOMMUFD_IO(0x9)
#define IOMMU_GET_HW_INFO		IOMMUFD_IO(0xa)
#define IOMMU_HWPT_SET_DIRTY_TRACKING	IOMMUFD_IO(0xb)
#define IOMMU_HWPT_GET_DIRTY_BITMAP	IOMMUFD_IO(0xc)
#endif

struct uapi_iommu_destroy {
	u32 size, id;
};

struct uapi_iommu_ioas_alloc {
	u32 size, flags, out_ioas_id;
};

struct uapi_iommu_iova_range {
	u64 start, last;
};

struct uapi_iommu_ioas_iova_ranges {
	u32 size, ioas_id;
	u32 num_iovas;		/* in: room; out: how many there are. -EMSGSIZE: more than room */
	u32 reserved;
	u64 allowed_iovas;	/* pointer to struct uapi_iommu_iova_range[] */
	u64 out_iova_alignment;
};

enum {
	UAPI_IOAS_MAP_FIXED_IOVA = 1, UAPI_IOAS_MAP_WRITEABLE = 2, UAPI_IOAS_MAP_READABLE = 4,
	UAPI_HWPT_ALLOC_DIRTY_TRACKING = 2, UAPI_HWPT_DIRTY_TRACKING_ENABLE = 1,
	UAPI_HW_CAP_DIRTY_TRACKING = 1,
};

struct uapi_iommu_ioas_map {
	u32 size, flags, ioas_id, reserved;
	u64 user_va, length, iova;
};

struct uapi_iommu_ioas_unmap {
	u32 size, ioas_id;
	u64 iova, length;
};

struct uapi_iommu_hwpt_alloc {
	u32 size, flags, dev_id, pt_id, out_hwpt_id, reserved, data_type, data_len;
	u64 data_uptr;
};

struct uapi_iommu_hw_info {
	u32 size, flags, dev_id, data_len;
	u64 data_uptr;
	u32 out_data_type, reserved;
	u64 out_capabilities;
};

struct uapi_iommu_hwpt_set_dirty_tracking {
	u32 size, flags, hwpt_id, reserved;
};

struct uapi_iommu_hwpt_get_dirty_bitmap {
	u32 size, hwpt_id, flags, reserved;
	u64 iova, length, page_size, data;
};

#endif
