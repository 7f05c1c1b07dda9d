/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest's performance counters: KVM counts with a PMU of the host's. Where cores differ (big.LITTLE) the host has several, each
 * for some of its CPUs, and KVM refuses to run a vCPU on another's: --vcpu-affinity then says which one it is to be.
 * [Documentation/virt/kvm/devices/vcpu 1.]
 *
 * Main thread, before the guest runs.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "arm/arm.h"
#include "arm/pmu.h"
#include "util/cpulist.h"
#include "util/log.h"
#include "util/str.h"
#include "vmm/vm.h"

/* Of a vCPU's attributes; <asm/kvm.h> has them for arm64 only. */
enum { VCPU_PMU_V3_CTRL = 0, PMU_V3_IRQ = 0, PMU_V3_INIT = 1, PMU_V3_SET_PMU = 3 };

static int read_number(const char *path, u64 *ret)
{
	char text[24];
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return -EIO;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return str_to_u64(text, INT32_MAX, ret);
}

int arm_pmu_find(const char *dir, const struct cpu_list *cpus, unsigned int *ret_id)
{
	struct cpu_list own;
	struct dirent *e;
	char path[512];
	int r = -ENOENT;
	u64 id;
	DIR *d = opendir(dir);

	if (!d)
		return -errno;
	while (r < 0 && (e = readdir(d))) {
		/* A core's PMU tells its CPUs; those of other hardware have "cpumask", software none. */
		snprintf(path, sizeof(path), "%s/%s/cpus", dir, e->d_name);
		if (e->d_name[0] == '.' || cpu_list_read(path, &own) < 0)
			continue;
		if (r == -ENOENT)
			r = -ESRCH;
		snprintf(path, sizeof(path), "%s/%s/type", dir, e->d_name);
		if (cpu_list_outside(cpus, &own) >= 0 || read_number(path, &id) < 0)
			continue;
		*ret_id = (unsigned int)id;
		r = 0;
	}
	closedir(d);
	return r;
}

static int set_attr(struct vcpu *vcpu, u64 attr, const void *val)
{
	struct kvm_device_attr a = { .group = VCPU_PMU_V3_CTRL, .attr = attr, .addr = (uintptr_t)val };

	return ioctl(vcpu->fd, KVM_SET_DEVICE_ATTR, &a) < 0 ? -errno : 0;
}

/* The host PMU that counts on all the CPUs that vCPUs may run on. *ret_id -1: KVM's choice. */
static int choose(struct vm *vm, int *ret_id, struct error *err)
{
	const char *list = vm->cfg.machine.vcpu_affinity;
	struct cpu_list cpus;
	unsigned int id;
	int r;

	*ret_id = -1;
	if (!list)
		return 0;
	r = cpu_list_parse(list, &cpus);
	if (!r)
		r = arm_pmu_find("/sys/bus/event_source/devices", &cpus, &id);
	if (r == -ESRCH)
		return error_set(err, -EINVAL, "--pmu: no performance counters of the host's are those of all CPUs of --vcpu-affinity %s",
				 list);
	if (r < 0)
		log_debug("pmu", "the host names no counters of its CPUs: KVM chooses");
	else
		*ret_id = (int)id;
	return 0;
}

int arm_vcpus_finish(struct vm *vm, struct error *err)
{
	const int intid = PPI_PMU + 16;
	unsigned int i;
	int id, r;

	if (!vm->arch->features.pmu)
		return 0;
	r = choose(vm, &id, err);
	if (r < 0)
		return r;
	for (i = 0; i < vm->cfg.cpus; i++) {
		/* Linux before 5.18 has no choice, and such an old host's vCPUs count wherever they run. */
		if (id >= 0 && set_attr(&vm->vcpu[i], PMU_V3_SET_PMU, &id) < 0)
			log_debug("pmu", "KVM takes no choice of the host's counters");
		r = set_attr(&vm->vcpu[i], PMU_V3_IRQ, &intid);
		if (!r)
			r = set_attr(&vm->vcpu[i], PMU_V3_INIT, NULL);
		if (r < 0)
			return error_set_errno(err, r, "--pmu: vCPU %u", i);
	}
	return 0;
}
