/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The control commands that look into vCPUs or poke them: debug, nmi, sysrq. Documentation/debug.md
 *
 * vCPUs stand still for the time it takes to read them, and no longer: KVM has most of a vCPU's ioctls wait for its KVM_RUN.
 *
 * Threads: the main loop's.
 */
#include <errno.h>
#include <string.h>

#include "vmm/arch.h"
#include "vmm/control.h"
#include "vmm/hw.h"
#include "vmm/vm.h"

/* Room for one more vCPU, and the end of the reply. */
enum { REPLY_ENOUGH = CONTROL_REPLY_MAX - 64 * 1024 };

static int get_cpu(const struct vm *vm, const struct json_value *args, const char *name, u64 *ret, struct error *err)
{
	int r = json_get_u64(args, name, vm->cfg.cpus - 1, ret);

	if (r < 0 && r != -ENOENT)
		return error_set(err, -EINVAL, "%s: want the number of a vCPU, 0 to %u", name, vm->cfg.cpus - 1);
	return r;
}

static void dump_vcpu(struct vcpu *vcpu, bool text, struct strbuf *reply)
{
	struct strbuf lines = { 0 };

	json_begin(reply, NULL);
	json_u64(reply, "index", vcpu->index);
	if (text) {
		arch_vcpu_dump(vcpu, &lines);
		json_str(reply, "text", lines.failed ? "" : lines.s);
		strbuf_free(&lines);
	} else {
		arch_vcpu_dump_json(vcpu, reply);
	}
	json_end(reply);
}

/*
 * {"cpu":N} one, else all from {"first":N} on, as far as the reply goes: "next" is the first that is not in it. {"text":true}: as people read
 * it.
 */
int control_cmd_debug(struct vm *vm, const struct json_value *args, struct strbuf *reply, struct error *err)
{
	u64 i = 0, end = vm->cfg.cpus, one;
	bool text = false;
	int r;

	r = json_get_bool(args, "text", &text);
	if (r < 0 && r != -ENOENT)
		return error_set(err, -EINVAL, "text: want true or false");
	r = get_cpu(vm, args, "first", &i, err);
	if (r < 0 && r != -ENOENT)
		return r;
	r = get_cpu(vm, args, "cpu", &one, err);
	if (r < 0 && r != -ENOENT)
		return r;
	if (!r) {
		i = one;
		end = one + 1;
	}
	json_str(reply, "arch", arch_name);
	json_array_begin(reply, "vcpus");
	vm_hold_vcpus(vm);
	for (; i < end && reply->len < REPLY_ENOUGH; i++)
		dump_vcpu(&vm->vcpu[i], text, reply);
	vm_release_vcpus(vm);
	json_array_end(reply);
	if (i < end)
		json_u64(reply, "next", i);
	return 0;
}

/* {"cpu":N} */
int control_cmd_nmi(struct vm *vm, const struct json_value *args, struct strbuf *reply, struct error *err)
{
	u64 cpu;
	int r;

	r = get_cpu(vm, args, "cpu", &cpu, err);
	if (r == -ENOENT)
		return error_set(err, -EINVAL, "cpu: which vCPU gets the NMI?");
	if (r < 0)
		return r;
	vm_hold_vcpus(vm);
	r = arch_vcpu_nmi(&vm->vcpu[cpu]);
	vm_release_vcpus(vm);
	if (r == -EOPNOTSUPP)
		return error_set(err, r, "%s has no NMI to inject", arch_name);
	return r < 0 ? error_set_errno(err, r, "NMI for vCPU %llu", (unsigned long long)cpu) : 0;
}

/* {"key":"h"} */
int control_cmd_sysrq(struct vm *vm, const struct json_value *args, struct strbuf *reply, struct error *err)
{
	const char *key;
	int r;

	if (json_get_str(args, "key", &key) < 0 || strlen(key) != 1 || key[0] <= ' ' || key[0] > '~')
		return error_set(err, -EINVAL, "key: want one character");
	if (vm->cfg.console != CONSOLE_SERIAL || !vm->console)
		return error_set(err, -EOPNOTSUPP, "sysrq is BREAK and a key on a serial line: the console is a virtio one, which has no BREAK");
	if (vm->paused)
		return error_set(err, -EAGAIN, "sysrq: the guest is paused");
	r = serial_send_sysrq(vm, vm->console, (u8)key[0]);
	switch (r) {
	case 0:
		return 0;
	case -EAGAIN:
		return error_set(err, r, "sysrq: no driver in the guest reads its serial console yet (does a program have it open?)");
	case -EBUSY:
		return error_set(err, r, "sysrq: the guest has not read the last one");
	default:
		return error_set_errno(err, r, "sysrq: the console's serial port");
	}
}
