/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the vCPUs have: `--cpu host[,+name,-name]`, and --pmu, --nested, --aarch32, --sve-max-vl.
 * [Documentation/virt/kvm/api 4.82 KVM_ARM_VCPU_INIT, 7.25 KVM_CAP_ARM_MTE]
 *
 * What KVM offers is there unless it was taken away; the PMU and nested guests only when asked for, since they cost those that do
 * not want them. Asked for by name and not to be had is an error.
 *
 * Features without a switch in KVM_ARM_VCPU_INIT are as KVM gives them.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "arm/arm.h"
#include "util/log.h"
#include "vmm/vm.h"

enum { CAP_ARM_EL2 = 240 };	/* Linux 6.16 */
enum { SVE_VQ = 128, SVE_MAX_VL = 2048 };

enum wish { AS_OFFERED, WANTED, REFUSED };
enum { F_SVE, F_PAUTH, F_MTE, F_PMU, FEATURES };

static const char *const feature_name[FEATURES] = { "sve", "pauth", "mte", "pmu" };

static int parse_one(const char *spec, const char *s, size_t len, enum wish wish[FEATURES], struct error *err)
{
	unsigned int i;

	if (len < 2 || (*s != '+' && *s != '-'))
		return error_set(err, -EINVAL, "--cpu '%s': '%.*s': want +FEATURE or -FEATURE", spec, (int)len, s);
	for (i = 0; i < FEATURES; i++)
		if (strlen(feature_name[i]) == len - 1 && !memcmp(feature_name[i], s + 1, len - 1))
			break;
	if (i == FEATURES)
		return error_set(err, -EINVAL, "--cpu '%s': no feature '%.*s': there are sve, pauth, mte and pmu", spec,
				 (int)len - 1, s + 1);
	wish[i] = *s == '+' ? WANTED : REFUSED;
	return 0;
}

/* The last word on a feature holds. */
static int parse_spec(const char *spec, enum wish wish[FEATURES], struct error *err)
{
	const char *s = spec, *end;
	int r;

	if (!spec)
		return 0;
	if (strncmp(s, "host", 4) || (s[4] && s[4] != ','))
		return error_set(err, -EINVAL, "--cpu '%s': want host[,+FEATURE,-FEATURE...]", spec);
	for (s += 4; *s == ','; s = end) {
		s++;
		end = s + strcspn(s, ",");
		r = parse_one(spec, s, (size_t)(end - s), wish, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int contradiction(struct error *err, const struct vm_config *cfg, const char *option, const char *why)
{
	return error_set(err, -EINVAL, "%s: not with --cpu %s: %s", option, cfg->cpu, why);
}

/* What @cfg wants of each; a 32-bit kernel has none of the 64-bit features. */
static int wishes(const struct vm_config *cfg, enum wish wish[FEATURES], struct error *err)
{
	const struct machine_config *m = &cfg->machine;
	unsigned int i;
	int r;

	memset(wish, 0, FEATURES * sizeof(*wish));
	r = parse_spec(cfg->cpu, wish, err);
	if (r < 0)
		return r;
	if (m->pmu && wish[F_PMU] == REFUSED)
		return contradiction(err, cfg, "--pmu", "one gives it, one takes it away");
	if (m->sve_max_vl && wish[F_SVE] == REFUSED)
		return contradiction(err, cfg, "--sve-max-vl", "there is no SVE then");
	if (m->disable_mte && wish[F_MTE] == WANTED)
		return contradiction(err, cfg, "--disable-mte", "one gives it, one takes it away");
	if (m->pmu)
		wish[F_PMU] = WANTED;
	if (m->sve_max_vl)
		wish[F_SVE] = WANTED;
	if (m->disable_mte)
		wish[F_MTE] = REFUSED;
	if (cfg->hugetlbfs && wish[F_MTE] == WANTED)
		return contradiction(err, cfg, "--hugetlbfs", "such memory has no tags");
	if (cfg->hugetlbfs)
		wish[F_MTE] = REFUSED;
	for (i = 0; m->aarch32 && i <= F_MTE; i++) {
		if (wish[i] == WANTED)
			return error_set(err, -EINVAL, "--aarch32: a 32-bit guest has no %s", feature_name[i]);
		wish[i] = REFUSED;
	}
	return 0;
}

int arm_features_check(const struct vm_config *cfg, struct error *err)
{
	const struct machine_config *m = &cfg->machine;
	enum wish wish[FEATURES];

	if (m->sve_max_vl && (m->sve_max_vl % SVE_VQ || m->sve_max_vl > SVE_MAX_VL))
		return error_set(err, -EINVAL, "--sve-max-vl %u: want a multiple of %d bits, at most %d", m->sve_max_vl, SVE_VQ,
				 SVE_MAX_VL);
	if (m->nested && m->aarch32)
		return error_set(err, -EINVAL, "--nested: not with --aarch32");
	return wishes(cfg, wish, err);
}

/* Whether the guest gets one that @offered says KVM has. */
static int decide(const enum wish wish[FEATURES], unsigned int f, bool by_default, bool offered, bool *ret, struct error *err)
{
	bool want = wish[f] == WANTED || (wish[f] == AS_OFFERED && by_default);

	if (wish[f] == WANTED && !offered)
		return error_set(err, -EOPNOTSUPP, "%s: KVM on this host does not offer it",
				 f == F_SVE ? "--cpu host,+sve" : f == F_PAUTH ? "--cpu host,+pauth" :
				 f == F_MTE ? "--cpu host,+mte" : "--pmu");
	*ret = want && offered;
	return 0;
}

static int enable_mte(struct vm *vm, struct error *err)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_ARM_MTE };

	if (ioctl(vm->vm_fd, KVM_ENABLE_CAP, &cap) < 0)
		return error_set_errno(err, -errno, "--cpu host,+mte: KVM");
	return 0;
}

int arm_features_get(struct vm *vm, struct arm_features *ret, struct error *err)
{
	const struct machine_config *m = &vm->cfg.machine;
	struct arm_features f = { .nested = m->nested, .aarch32 = m->aarch32, .sve_max_vl = m->sve_max_vl };
	enum wish wish[FEATURES];
	bool pauth;
	int r;

	r = wishes(&vm->cfg, wish, err);
	if (r < 0)
		return r;
	if (f.nested && !vm_check_cap(vm, CAP_ARM_EL2))
		return error_set(err, -EOPNOTSUPP, "--nested: KVM on this host has no guests with EL2");
	if (f.aarch32 && !vm_check_cap(vm, KVM_CAP_ARM_EL1_32BIT))
		return error_set(err, -EOPNOTSUPP, "--aarch32: this host's CPUs have no 32-bit EL1");
	/* One switch: KVM takes both or none. */
	pauth = vm_check_cap(vm, KVM_CAP_ARM_PTRAUTH_ADDRESS) && vm_check_cap(vm, KVM_CAP_ARM_PTRAUTH_GENERIC);
	r = decide(wish, F_SVE, true, vm_check_cap(vm, KVM_CAP_ARM_SVE), &f.sve, err);
	if (!r)
		r = decide(wish, F_PAUTH, true, pauth, &f.pauth, err);
	if (!r)
		r = decide(wish, F_MTE, true, vm_check_cap(vm, KVM_CAP_ARM_MTE), &f.mte, err);
	if (!r)
		r = decide(wish, F_PMU, false, vm_check_cap(vm, KVM_CAP_ARM_PMU_V3), &f.pmu, err);
	if (!r && f.mte)
		r = enable_mte(vm, err);
	if (r < 0)
		return r;
	log_debug("cpu", "sve %d, pauth %d, mte %d, pmu %d, nested %d, aarch32 %d", f.sve, f.pauth, f.mte, f.pmu, f.nested,
		  f.aarch32);
	*ret = f;
	return 0;
}
