/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A KVM that is a table of registers, with the refusals that the real one has [Documentation/virt/kvm/api 4.68]. For tests that link a file of
 * riscv/ and call it with fake_vcpu; they have the one ioctl() of the program.
 */
#ifndef TESTS_RISCV_ONEREG_FAKE_H
#define TESTS_RISCV_ONEREG_FAKE_H

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>

#include "riscv/onereg.h"
#include "riscv/riscv.h"
#include "vmm/vm.h"

enum { FAKE_REGS = 256, FAKE_BYTES = 64, FAKE_EXTS = 96 };

struct fake_reg {
	u64 id;
	u8 val[FAKE_BYTES];
};

static struct fake_kvm {
	struct fake_reg reg[FAKE_REGS];
	unsigned int nr;
	bool ran;			/* extensions are as they are from now on */
	bool stuck[FAKE_EXTS];		/* isa extensions that cannot be switched off */
	bool sbi_stuck[FAKE_EXTS];
	u64 unreadable;			/* a register that is listed and not there; 0: none */
	int list_error;			/* errno of KVM_GET_REG_LIST; 0: none */
	u32 mp_state;
	unsigned int sets;		/* KVM_SET_ONE_REG that were done */
	u64 order[FAKE_REGS];		/* of those */
} fake;

static struct kvm_run fake_run;
static struct vm fake_vm;
static struct arch_vm fake_arch;
static struct arch_vcpu fake_arch_vcpu;
static struct vcpu fake_vcpu;

static struct fake_reg *fake_find(u64 id)
{
	unsigned int i;

	for (i = 0; i < fake.nr; i++)
		if (fake.reg[i].id == id)
			return &fake.reg[i];
	return NULL;
}

static inline void fake_add(u64 id, u64 val)
{
	struct fake_reg *r = &fake.reg[fake.nr++];

	r->id = id;
	memset(r->val, 0, sizeof(r->val));
	memcpy(r->val, &val, sizeof(val));
}

static inline u64 fake_val(u64 id)
{
	struct fake_reg *r = fake_find(id);
	u64 val = 0;

	memcpy(&val, r ? r->val : (u8 *)&val, sizeof(val));
	return val;
}

static int fake_refuses(const struct fake_reg *r, u64 val)
{
	unsigned int index = r->id & 0xffff;
	u64 now = fake_val(r->id);

	switch (onereg_type(r->id)) {
	case ONEREG_ISA_EXT:
		if (val == now)
			return 0;
		return fake.ran ? EBUSY : !val && fake.stuck[index] ? EINVAL : 0;
	case ONEREG_SBI_EXT:
		return fake.ran ? EBUSY : !val && fake.sbi_stuck[index] ? EINVAL : 0;
	case ONEREG_TIMER:
		if (index == TIMER_FREQUENCY)
			return val != now ? EINVAL : 0;
		return index == TIMER_STATE && val == TIMER_OFF && now == TIMER_OFF ? EINVAL : 0;
	default:
		return 0;
	}
}

static int fake_one(unsigned long req, const struct kvm_one_reg *one)
{
	struct fake_reg *r = fake_find(one->id);
	void *user = (void *)(uintptr_t)one->addr;
	unsigned int size = onereg_size(one->id);
	u64 val = 0;
	int e;

	if (!r || one->id == fake.unreadable || size > FAKE_BYTES)
		return ENOENT;
	if (req == KVM_GET_ONE_REG) {
		memcpy(user, r->val, size);
		return 0;
	}
	memcpy(&val, user, size < sizeof(val) ? size : sizeof(val));
	e = fake_refuses(r, val);
	if (e)
		return e;
	memcpy(r->val, user, size);
	if (fake.sets < FAKE_REGS)
		fake.order[fake.sets] = one->id;
	fake.sets++;
	return 0;
}

static int fake_list(struct kvm_reg_list *list)
{
	unsigned int i;

	if (fake.list_error)
		return fake.list_error;
	if (list->n < fake.nr) {
		list->n = fake.nr;
		return E2BIG;
	}
	list->n = fake.nr;
	for (i = 0; i < fake.nr; i++)
		list->reg[i] = fake.reg[i].id;
	return 0;
}

int ioctl(int fd, unsigned long req, ...)
{
	va_list ap;
	void *arg;
	int e = EINVAL;

	va_start(ap, req);
	arg = va_arg(ap, void *);
	va_end(ap);
	switch (req) {
	case KVM_GET_ONE_REG:
	case KVM_SET_ONE_REG:
		e = fake_one(req, arg);
		break;
	case KVM_GET_REG_LIST:
		e = fake_list(arg);
		break;
	case KVM_GET_MP_STATE:
		((struct kvm_mp_state *)arg)->mp_state = fake.mp_state;
		return 0;
	case KVM_SET_MP_STATE:
		fake.mp_state = ((struct kvm_mp_state *)arg)->mp_state;
		return 0;
	}
	errno = e;
	return e ? -1 : 0;
}

static inline void fake_setup(void)
{
	memset(&fake, 0, sizeof(fake));
	memset(&fake_run, 0, sizeof(fake_run));
	memset(&fake_vm, 0, sizeof(fake_vm));
	memset(&fake_arch, 0, sizeof(fake_arch));
	memset(&fake_arch_vcpu, 0, sizeof(fake_arch_vcpu));
	fake_vm.arch = &fake_arch;
	fake_vcpu = (struct vcpu){ .vm = &fake_vm, .fd = 5, .run = &fake_run, .arch = &fake_arch_vcpu };
	fake_vm.vcpu = &fake_vcpu;
	fake_vm.cfg.cpus = 1;
}

/* All that a hart with F, D and V of 128 bits has. */
static inline void fake_full(void)
{
	static const u8 isa[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15, 17, 19, 20, 21, 22, 23, 32, 36, 46, 50, 58 };
	unsigned int i;

	fake_setup();
	for (i = 0; i <= CONFIG_SATP_MODE; i++)
		fake_add(ONEREG_CONFIG_ID(i), 0x100 + i);
	for (i = 0; i <= CORE_MODE; i++)
		fake_add(ONEREG_CORE_ID(i), 0x1000 + i);
	for (i = 0; i <= CSR_SENVCFG; i++)
		fake_add(ONEREG_CSR_ID(i), 0);
	for (i = 0; i < 7; i++)
		fake_add(ONEREG_U64(ONEREG_CSR, ONEREG_CSR_AIA, i), i);
	fake_add(ONEREG_U64(ONEREG_CSR, ONEREG_CSR_SMSTATEEN, 0), 0);
	for (i = 0; i <= TIMER_STATE; i++)
		fake_add(ONEREG_TIMER_ID(i), i == TIMER_FREQUENCY ? 10000000 : 0);
	for (i = 0; i <= 32; i++)
		fake_add(KVM_REG_RISCV | KVM_REG_SIZE_U32 | (u64)ONEREG_FP_F << 24 | i, i);
	for (i = 0; i < 32; i++)
		fake_add(ONEREG_U64(ONEREG_FP_D, 0, i), i);
	fake_add(KVM_REG_RISCV | KVM_REG_SIZE_U32 | (u64)ONEREG_FP_D << 24 | 32, 0);
	for (i = 0; i < sizeof(isa); i++)
		fake_add(ONEREG_ISA_ID(isa[i]), isa[i] != 4);
	for (i = 0; i < 5; i++)
		fake_add(ONEREG_U64(ONEREG_VECTOR, 0, i), i);
	for (i = 0; i < 32; i++)
		fake_add(KVM_REG_RISCV | KVM_REG_SIZE_U128 | (u64)ONEREG_VECTOR << 24 | (6 + i), i);
	for (i = 0; i < 11; i++)
		fake_add(ONEREG_SBI_ID(i), i != 9);
	for (i = 0; i < 2; i++)
		fake_add(ONEREG_U64(ONEREG_SBI_STATE, ONEREG_SBI_STA, i), ~0ULL);
	fake_add(KVM_REG_RISCV | KVM_REG_SIZE_U128 | 0x77000099, 0x1234);	/* of a KVM newer than we are */
	fake.mp_state = KVM_MP_STATE_RUNNABLE;
}

#endif
