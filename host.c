/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host's KVM, vhost and our own modules, as lines of text. Opening a device of a module that is not loaded may load it, as a run would.
 *
 * Main thread.
 */
#include "vmm/host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "uapi/lkvm/ones.h"
#include "util/str.h"
#include "util/types.h"
#include "vmm/pvlock.h"

#define SYS_VDEV "/sys/module/lkvm_vdev"

/* Those whose lack changes what lkvm offers, or how fast it is. Younger ones have no name in older headers. */
static const struct { unsigned int cap; const char *name; } kvm_caps[] = {
	{ KVM_CAP_READONLY_MEM, "READONLY_MEM" }, { KVM_CAP_IOEVENTFD, "IOEVENTFD" }, { KVM_CAP_IRQFD, "IRQFD" },
	{ KVM_CAP_IRQFD_RESAMPLE, "IRQFD_RESAMPLE" }, { KVM_CAP_SIGNAL_MSI, "SIGNAL_MSI" }, { KVM_CAP_MSI_DEVID, "MSI_DEVID" },
	{ KVM_CAP_IMMEDIATE_EXIT, "IMMEDIATE_EXIT" }, { KVM_CAP_STEAL_TIME, "STEAL_TIME" },
	{ KVM_CAP_DIRTY_LOG_RING, "DIRTY_LOG_RING" }, { 223, "DIRTY_LOG_RING_ACQ_REL" },
	{ KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, "MANUAL_DIRTY_LOG_PROTECT2" }, { KVM_CAP_BINARY_STATS_FD, "BINARY_STATS_FD" },
	{ KVM_CAP_VM_GPA_BITS, "VM_GPA_BITS" }, { 231, "USER_MEMORY2" }, { 232, "MEMORY_FAULT_INFO" }, { 234, "GUEST_MEMFD" },
};

static void describe_caps(struct strbuf *out, int fd)
{
	unsigned int i;
	int have;

	for (have = 1; have >= 0; have--) {
		strbuf_addf(out, "kvm: %s:", have ? "has" : "lacks");
		for (i = 0; i < ARRAY_SIZE(kvm_caps); i++)
			if ((ioctl(fd, KVM_CHECK_EXTENSION, (unsigned long)kvm_caps[i].cap) > 0) == have)
				strbuf_addf(out, " %s", kvm_caps[i].name);
		strbuf_addf(out, "\n");
	}
}

static void describe_kvm(struct strbuf *out, const char *dev)
{
	AUTO_CLOSE int fd = open(dev, O_RDWR | O_CLOEXEC);
	int api;

	if (fd < 0) {
		strbuf_addf(out, "kvm: device: no: %s: %s\n", dev, strerror(errno));
		return;
	}
	api = ioctl(fd, KVM_GET_API_VERSION, 0);
	if (api < 0) {
		strbuf_addf(out, "kvm: device: no: %s is not a KVM device\n", dev);
		return;
	}
	strbuf_addf(out, "kvm: device: %s, API version %d\n", dev, api);
	strbuf_addf(out, "kvm: vcpus: at most %d, recommended %d\n", ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS),
		    ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_NR_VCPUS));
	describe_caps(out, fd);
}

/* A device is there when it can be opened: its node may be there without its driver, and not for us. */
static void describe_device(struct strbuf *out, const char *what, const char *dev, int flags)
{
	AUTO_CLOSE int fd = open(dev, flags | O_CLOEXEC);

	if (fd < 0)
		strbuf_addf(out, "%s: no: %s: %s\n", what, dev, strerror(errno));
	else
		strbuf_addf(out, "%s: yes\n", what);
}

void host_describe(struct strbuf *out, const char *kvm_dev)
{
	describe_kvm(out, kvm_dev);
	describe_device(out, "vhost: net", "/dev/vhost-net", O_RDWR);
	describe_device(out, "vhost: vsock", "/dev/vhost-vsock", O_RDWR);
	describe_device(out, "module: lkvm_pvlock", PVLOCK_DEVICE, O_RDWR);
	describe_device(out, "module: lkvm_ones", LKVM_ONES_PATH, O_RDONLY);
	if (access(SYS_VDEV, F_OK) == 0)
		strbuf_addf(out, "module: lkvm_vdev: yes\n");
	else
		strbuf_addf(out, "module: lkvm_vdev: no: not loaded\n");
}
