/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The control command stat: KVM's counters of the VM and its vCPUs, our own of exits, and the devices'. Documentation/stat.md
 *
 * Nothing stops for it but once: see vcpu_kvm_stats(). Counters go on while they are read, so those of one reply are not of one instant.
 *
 * Threads: the main loop's.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "util/counter.h"
#include "vmm/arch.h"
#include "vmm/control.h"
#include "vmm/kvm-stats.h"
#include "vmm/vm.h"

/* Room for one more vCPU, and for the end of the reply. */
enum { REPLY_ENOUGH = CONTROL_REPLY_MAX - 128 * 1024 };
enum { VM = 1, VCPUS = 2, DEVICES = 4, ALL = 7 };

/* Leaves *@ret alone when it is not said. */
static int get_sections(const struct json_value *args, unsigned int *ret, struct error *err)
{
	static const struct { const char *name; unsigned int bit; } section[] = {
		{ "vm", VM }, { "vcpus", VCPUS }, { "devices", DEVICES },
	};
	const char *want;
	unsigned int i;
	int r;

	r = json_get_str(args, "only", &want);
	if (r == -ENOENT)
		return 0;
	for (i = 0; !r && i < ARRAY_SIZE(section); i++) {
		if (strcmp(want, section[i].name))
			continue;
		*ret = section[i].bit;
		return 0;
	}
	return error_set(err, -EINVAL, "only: want vm, vcpus or devices");
}

static void write_kvm(struct kvm_stats *s, struct strbuf *reply)
{
	if (!s)
		return;
	json_begin(reply, "kvm");
	kvm_stats_write(s, reply);	/* should it fail, there are none to see */
	json_end(reply);
}

/* All that this architecture has, and whatever else came. */
static void write_exits(struct vcpu *vcpu, struct strbuf *reply)
{
	const char *name;
	char other[24];
	u64 n;
	u32 i;

	json_begin(reply, "exits");
	for (i = 0; i < VCPU_EXIT_REASONS; i++) {
		n = counter_get(&vcpu->exits[i]);
		name = arch_exit_name(i);
		snprintf(other, sizeof(other), "reason_%u", i);
		if (name || n)
			json_u64(reply, name ? name : other, n);
	}
	json_end(reply);
}

/* Gives the first that is not in the reply. */
static u64 write_vcpus(struct vm *vm, u64 first, struct strbuf *reply)
{
	u64 i;

	json_array_begin(reply, "vcpus");
	for (i = first; i < vm->cfg.cpus && reply->len < REPLY_ENOUGH; i++) {
		json_begin(reply, NULL);
		json_u64(reply, "index", i);
		write_exits(&vm->vcpu[i], reply);
		write_kvm(vcpu_kvm_stats(vm, (unsigned int)i), reply);
		json_str(reply, "pv_lock", pvlock_kind_name(atomic_load(&vm->vcpu[i].pvlock.kind)));
		json_end(reply);
	}
	json_array_end(reply);
	return i;
}

static void write_devices(struct vm *vm, struct strbuf *reply)
{
	struct device *dev;

	json_begin(reply, "devices");
	list_for_each(dev, &vm->devices, node) {
		if (!dev->ops->stats)
			continue;
		json_begin(reply, dev->name);
		dev->ops->stats(dev, reply);
		json_end(reply);
	}
	json_end(reply);
}

static void write_kvm_levels(struct kvm_stats *s, struct strbuf *reply)
{
	if (s)
		kvm_stats_write_levels(s, reply);
}

/* What is no counter, by the last part of its name: those of KVM say so themselves. */
static void write_levels(struct vm *vm, unsigned int sections, struct strbuf *reply)
{
	static const char *const of_devices[] = { "status", "features", "size", "in_flight", "target", "actual" };
	static const char *const of_vfio[] = { "bar_bytes", "bar_bytes_mapped", "vectors", "slow_vectors", "initial", "dirty", "stop_copy" };
	unsigned int i;

	json_array_begin(reply, "levels");
	if (sections & (VM | VCPUS)) {
		write_kvm_levels(vm_kvm_stats(vm), reply);
		write_kvm_levels(vcpu_kvm_stats(vm, 0), reply);
	}
	for (i = 0; sections & DEVICES && i < ARRAY_SIZE(of_devices); i++)
		json_str(reply, NULL, of_devices[i]);
	for (i = 0; sections & DEVICES && vm->cfg.nr_vfio && i < ARRAY_SIZE(of_vfio); i++)
		json_str(reply, NULL, of_vfio[i]);
	json_array_end(reply);
}

/*
 * {"only":"vm"|"vcpus"|"devices"} one section, else all. vCPUs from {"first":N} on, as far as the reply goes: "next" is the first that is not in
 * it.
 */
int control_cmd_stat(struct vm *vm, const struct json_value *args, struct strbuf *reply, struct error *err)
{
	unsigned int sections = ALL;
	u64 first = 0, next;
	int r;

	r = get_sections(args, &sections, err);
	if (r < 0)
		return r;
	r = json_get_u64(args, "first", vm->cfg.cpus - 1, &first);
	if (r < 0 && r != -ENOENT)
		return error_set(err, -EINVAL, "first: want the number of a vCPU, 0 to %u", vm->cfg.cpus - 1);
	json_u64(reply, "us", vm_time_us(vm));
	json_str(reply, "state", vm->paused ? "paused" : "running");
	write_levels(vm, sections, reply);
	if (sections & VM) {
		json_begin(reply, "vm");
		write_kvm(vm_kvm_stats(vm), reply);
		json_end(reply);
	}
	if (sections & DEVICES)
		write_devices(vm, reply);
	if (sections & VCPUS) {
		next = write_vcpus(vm, first, reply);
		if (next < vm->cfg.cpus)
			json_u64(reply, "next", next);
	}
	return 0;
}
