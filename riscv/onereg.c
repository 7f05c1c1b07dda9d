/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Registers by number. [Documentation/virt/kvm/api 4.68, 4.69, 4.84]
 *
 * A number is: RISC-V's tag, log2 of the size, type, subtype, index. A table names the groups; what KVM lists beyond it has a generic
 * name and is read and written all the same.
 *
 * Order of putting back: extensions first, since they decide which registers there are; the clock before what is compared with it, and that
 * before the timer's state; the floating point registers by 32 bits before those by 64, which are the same memory in KVM.
 *
 * Threads: the vCPU's own, or the main thread while the vCPU stands still.
 */
#include "riscv/onereg.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "riscv/isa-names.h"
#include "riscv/riscv.h"
#include "util/log.h"
#include "vmm/vcpu.h"

#ifdef __riscv
_Static_assert(KVM_REG_RISCV_CORE == ONEREG_CORE << 24, "");
_Static_assert(KVM_REG_RISCV_CSR == ONEREG_CSR << 24, "");
_Static_assert(KVM_REG_RISCV_TIMER == ONEREG_TIMER << 24, "");
_Static_assert(KVM_REG_RISCV_FP_F == ONEREG_FP_F << 24, "");
_Static_assert(KVM_REG_RISCV_FP_D == ONEREG_FP_D << 24, "");
_Static_assert(KVM_REG_RISCV_ISA_EXT == ONEREG_ISA_EXT << 24, "");
_Static_assert(KVM_REG_RISCV_CORE_REG(regs.a0) == CORE_A0 && KVM_REG_RISCV_CORE_REG(mode) == CORE_MODE, "");
_Static_assert(KVM_REG_RISCV_CSR_REG(satp) == CSR_SATP && KVM_REG_RISCV_TIMER_REG(state) == TIMER_STATE, "");
#ifdef KVM_REG_RISCV_SBI_STATE
_Static_assert(KVM_REG_RISCV_SBI_STATE == ONEREG_SBI_STATE << 24 && KVM_REG_RISCV_VECTOR == ONEREG_VECTOR << 24, "");
_Static_assert(KVM_REG_RISCV_CONFIG_REG(satp_mode) == CONFIG_SATP_MODE && KVM_REG_RISCV_CSR_REG(senvcfg) == CSR_SENVCFG, "");
_Static_assert(KVM_RISCV_ISA_EXT_ZAWRS == 61 && KVM_RISCV_ISA_EXT_ZKT == 35 && KVM_RISCV_SBI_EXT_STA == 10, "");
#endif
#endif

/* --- names --- */

static const char *const config_names[] = {
	"isa", "zicbom_block_size", "mvendorid", "marchid", "mimpid", "zicboz_block_size", "satp_mode", "zicbop_block_size",
};
static const char *const core_names[] = {
	"pc", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7",
	"s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6", "mode",
};
static const char *const csr_names[] = {
	"sstatus", "sie", "stvec", "sscratch", "sepc", "scause", "stval", "sip", "satp", "scounteren", "senvcfg",
};
static const char *const aia_names[] = { "siselect", "iprio1", "iprio2", "sieh", "siph", "iprio1h", "iprio2h" };
static const char *const smstateen_names[] = { "sstateen0" };
static const char *const timer_names[] = { "frequency", "time", "compare", "state" };
static const char *const fp_names[] = {
	"f0", "f1", "f2", "f3", "f4", "f5", "f6", "f7", "f8", "f9", "f10", "f11", "f12", "f13", "f14", "f15", "f16", "f17", "f18",
	"f19", "f20", "f21", "f22", "f23", "f24", "f25", "f26", "f27", "f28", "f29", "f30", "f31", "fcsr",
};
#define NAME(nr, name) [nr] = name,
static const char *const isa_names[] = { ISA_EXTENSIONS(NAME) };
static const char *const sbi_names[] = { SBI_EXTENSIONS(NAME) };
#undef NAME
/* 5 is a pointer of the kernel's own in the structure that numbers them. */
static const char *const vector_names[] = {
	"vstart", "vl", "vtype", "vcsr", "vlenb", NULL, "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11",
	"v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28",
	"v29", "v30", "v31",
};
static const char *const sta_names[] = { "shmem_lo", "shmem_hi" };
static const char *const fwft_names[] = {
	"misaligned_deleg_enable", "misaligned_deleg_flags", "misaligned_deleg_value",
	"pointer_masking_enable", "pointer_masking_flags", "pointer_masking_value",
};

struct group {
	enum onereg_type type;
	unsigned int sub;
	const char *prefix;
	const char *const *name;	/* NULL: by number, after the prefix */
	unsigned int nr;
};

#define NAMES(n) n, ARRAY_SIZE(n)
static const struct group groups[] = {
	{ ONEREG_CONFIG, 0, "config.", NAMES(config_names) },
	{ ONEREG_CORE, 0, "core.", NAMES(core_names) },
	{ ONEREG_CSR, ONEREG_CSR_GENERAL, "csr.", NAMES(csr_names) },
	{ ONEREG_CSR, ONEREG_CSR_AIA, "csr.", NAMES(aia_names) },
	{ ONEREG_CSR, ONEREG_CSR_SMSTATEEN, "csr.", NAMES(smstateen_names) },
	{ ONEREG_TIMER, 0, "timer.", NAMES(timer_names) },
	{ ONEREG_FP_F, 0, "fp_f.", NAMES(fp_names) },
	{ ONEREG_FP_D, 0, "fp_d.", NAMES(fp_names) },
	{ ONEREG_ISA_EXT, ONEREG_EXT_SINGLE, "isa.", NAMES(isa_names) },
	{ ONEREG_ISA_EXT, ONEREG_EXT_MULTI_EN, "isa_enable.", NULL, 256 },
	{ ONEREG_ISA_EXT, ONEREG_EXT_MULTI_DIS, "isa_disable.", NULL, 256 },
	{ ONEREG_SBI_EXT, ONEREG_EXT_SINGLE, "sbi.", NAMES(sbi_names) },
	{ ONEREG_SBI_EXT, ONEREG_EXT_MULTI_EN, "sbi_enable.", NULL, 256 },
	{ ONEREG_SBI_EXT, ONEREG_EXT_MULTI_DIS, "sbi_disable.", NULL, 256 },
	{ ONEREG_VECTOR, 0, "vector.", NAMES(vector_names) },
	{ ONEREG_SBI_STATE, ONEREG_SBI_STA, "sbi_state.sta_", NAMES(sta_names) },
	{ ONEREG_SBI_STATE, ONEREG_SBI_FWFT, "sbi_state.fwft_", NAMES(fwft_names) },
};

static unsigned int type_field(u64 id)
{
	return id >> 24 & 0xff;
}

enum onereg_type onereg_type(u64 id)
{
	return (enum onereg_type)type_field(id);
}

unsigned int onereg_size(u64 id)
{
	unsigned int shift = (id & KVM_REG_SIZE_MASK) >> KVM_REG_SIZE_SHIFT;

	return 1U << shift <= ONEREG_BYTES ? 1U << shift : 0;
}

/* The size that a register of this group has; vector registers are as wide as the host's. */
static bool size_fits(const struct group *g, unsigned int index, unsigned int size)
{
	if (g->type == ONEREG_VECTOR && index > 5)
		return size;
	if (g->type == ONEREG_FP_F || (g->type == ONEREG_FP_D && index == 32))
		return size == 4;
	return size == 8;
}

void onereg_name(u64 id, char ret[ONEREG_NAME])
{
	unsigned int sub = id >> 16 & 0xff, index = id & 0xffff, i;
	const struct group *g;

	for (i = 0; i < ARRAY_SIZE(groups); i++) {
		g = &groups[i];
		if (g->type != type_field(id) || g->sub != sub || index >= g->nr || !size_fits(g, index, onereg_size(id)))
			continue;
		if (!g->name)
			snprintf(ret, ONEREG_NAME, "%s%u", g->prefix, index);
		else if (g->name[index])
			snprintf(ret, ONEREG_NAME, "%s%s", g->prefix, g->name[index]);
		else
			break;
		return;
	}
	snprintf(ret, ONEREG_NAME, "reg.0x%llx", (unsigned long long)id);
}

/* --- one --- */

static int one_reg(struct vcpu *vcpu, unsigned long req, u64 id, const void *val)
{
	struct kvm_one_reg reg = { .id = id, .addr = (u64)(uintptr_t)val };

	return ioctl(vcpu->fd, req, &reg) < 0 ? -errno : 0;
}

int onereg_get(struct vcpu *vcpu, u64 id, void *ret, unsigned int size)
{
	if (!size || size != onereg_size(id))
		return -EINVAL;
	return one_reg(vcpu, KVM_GET_ONE_REG, id, ret);
}

int onereg_set(struct vcpu *vcpu, u64 id, const void *val, unsigned int size)
{
	u8 now[ONEREG_BYTES];
	int r;

	if (!size || size != onereg_size(id))
		return -EINVAL;
	r = one_reg(vcpu, KVM_SET_ONE_REG, id, val);
	if (r < 0 && !one_reg(vcpu, KVM_GET_ONE_REG, id, now) && !memcmp(now, val, size))
		return 0;
	return r;
}

/* KVM moves as many bytes as the number says, from and to memory of the host's byte order. */
int riscv_get_reg(struct vcpu *vcpu, u64 id, u64 *ret)
{
	u64 wide;
	u32 narrow;
	int r;

	if (onereg_size(id) == sizeof(narrow)) {
		r = onereg_get(vcpu, id, &narrow, sizeof(narrow));
		wide = narrow;
	} else {
		r = onereg_get(vcpu, id, &wide, sizeof(wide));
	}
	if (!r)
		*ret = wide;
	return r;
}

int riscv_set_reg(struct vcpu *vcpu, u64 id, u64 val)
{
	u32 narrow = (u32)val;

	if (onereg_size(id) != sizeof(narrow))
		return onereg_set(vcpu, id, &val, sizeof(val));
	return narrow == val ? onereg_set(vcpu, id, &narrow, sizeof(narrow)) : -ERANGE;
}

/* --- all --- */

int onereg_list(struct vcpu *vcpu, u64 **ret_id, unsigned int *ret_nr)
{
	enum { MOST = 65536 };
	struct kvm_reg_list probe = { .n = 0 }, *list;
	u64 n, *id;
	int r;

	if (!ioctl(vcpu->fd, KVM_GET_REG_LIST, &probe))
		return -ENOENT;	/* none at all is no vCPU */
	if (errno != E2BIG)
		return -errno;
	n = probe.n;
	if (!n || n > MOST)
		return -EIO;
	list = calloc(1, sizeof(*list) + n * sizeof(list->reg[0]));
	id = calloc(n, sizeof(*id));
	r = list && id ? 0 : -ENOMEM;
	if (!r) {
		list->n = n;
		r = ioctl(vcpu->fd, KVM_GET_REG_LIST, list) < 0 ? -errno : 0;
	}
	if (!r) {
		*ret_nr = (unsigned int)MIN(n, (u64)list->n);
		memcpy(id, list->reg, *ret_nr * sizeof(*id));
		*ret_id = id;
		id = NULL;
	}
	free(list);
	free(id);
	return r;
}

int onereg_each(struct vcpu *vcpu, onereg_fn fn, void *arg)
{
	u8 val[ONEREG_BYTES] __attribute__((aligned(8)));
	unsigned int nr, i;
	char name[ONEREG_NAME];
	u64 *id;
	int r;

	r = onereg_list(vcpu, &id, &nr);
	if (r < 0)
		return r;
	for (i = 0; !r && i < nr; i++) {
		r = onereg_get(vcpu, id[i], val, onereg_size(id[i]));
		if (!r) {
			r = fn(arg, id[i], val, onereg_size(id[i]));
			continue;
		}
		onereg_name(id[i], name);
		log_debug("vcpu", "register %s is listed and cannot be read: %s", name, strerror(-r));
		r = 0;
	}
	free(id);
	return r;
}

/* --- keeping --- */

struct kept_reg {
	u64 id;
	size_t off;	/* into data */
};

struct riscv_kept {
	unsigned int nr, room;
	struct kept_reg *reg;	/* owned */
	size_t len, data_room;
	u8 *data;		/* owned */
};

static int keep_one(void *arg, u64 id, const u8 *val, unsigned int size)
{
	struct riscv_kept *k = arg;
	void *p;

	if (k->nr == k->room) {
		p = realloc(k->reg, (k->room + 128) * sizeof(*k->reg));
		if (!p)
			return -ENOMEM;
		k->reg = p;
		k->room += 128;
	}
	if (size > k->data_room - k->len) {
		p = realloc(k->data, k->data_room + ONEREG_BYTES);
		if (!p)
			return -ENOMEM;
		k->data = p;
		k->data_room += ONEREG_BYTES;
	}
	k->reg[k->nr++] = (struct kept_reg){ .id = id, .off = k->len };
	memcpy(k->data + k->len, val, size);
	k->len += size;
	return 0;
}

/* Of what is put back first; what is not known comes last. */
static unsigned int rank(u64 id)
{
	static const unsigned int of[ONEREG_TYPES] = {
		[ONEREG_ISA_EXT] = 1, [ONEREG_SBI_EXT] = 2, [ONEREG_CONFIG] = 3, [ONEREG_CORE] = 4, [ONEREG_CSR] = 5,
		[ONEREG_TIMER] = 6, [ONEREG_FP_F] = 7, [ONEREG_FP_D] = 8, [ONEREG_VECTOR] = 9, [ONEREG_SBI_STATE] = 10,
	};
	unsigned int type = type_field(id);

	return type < ONEREG_TYPES && of[type] ? of[type] : ONEREG_TYPES;
}

static int by_rank(const void *a, const void *b)
{
	u64 x = ((const struct kept_reg *)a)->id, y = ((const struct kept_reg *)b)->id;

	if (rank(x) != rank(y))
		return rank(x) < rank(y) ? -1 : 1;
	return x < y ? -1 : x > y;
}

int onereg_keep(struct vcpu *vcpu, struct riscv_kept **ret)
{
	struct riscv_kept *k = calloc(1, sizeof(*k));
	int r;

	r = k ? onereg_each(vcpu, keep_one, k) : -ENOMEM;
	if (!r && !k->nr)
		r = -EIO;
	if (r < 0) {
		onereg_forget(k);
		return r;
	}
	qsort(k->reg, k->nr, sizeof(*k->reg), by_rank);
	*ret = k;
	return 0;
}

int onereg_put_back(struct vcpu *vcpu, const struct riscv_kept *kept, bool time, u64 *ret_id)
{
	const struct kept_reg *reg;
	unsigned int i;
	int r, first = 0;

	for (i = 0; i < kept->nr; i++) {
		reg = &kept->reg[i];
		if (!time && reg->id == ONEREG_TIMER_ID(TIMER_TIME))
			continue;
		r = onereg_set(vcpu, reg->id, kept->data + reg->off, onereg_size(reg->id));
		if (!r || first)
			continue;
		first = r;
		*ret_id = reg->id;
	}
	return first;
}

void onereg_forget(struct riscv_kept *kept)
{
	if (!kept)
		return;
	free(kept->reg);
	free(kept->data);
	free(kept);
}
