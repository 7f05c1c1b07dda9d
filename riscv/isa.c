/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Extensions of the ISA and of SBI: what the host's KVM offers, less what options take away; and what the guest is told of it.
 * [riscv-isa-manual, "ISA Extension Naming Conventions"], [riscv-sbi 2.0], [Documentation/virt/kvm/api 4.68]
 *
 * The guest has all that KVM's registers isa.* and sbi.* say it can have, and DBCN, which KVM leaves off although nothing else gives a guest
 * a console before it knows its devices. What is taken away takes with it what is defined on top of it ("-f" means "-f,-d,-v,...").
 *
 * Of many extensions KVM cannot keep a guest from executing the instructions. Such a one is still taken out of what the guest is told, as
 * on x86, and a line says so once. An extension that KVM can switch is switched for every vCPU.
 *
 * Left out: SUSP is not on by default ("+sbi-susp"), see sbi.c. Numbers beyond the list of names are in the guest, and not told.
 *
 * Main thread.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "riscv/isa-names.h"
#include "riscv/onereg.h"
#include "riscv/riscv.h"
#include "util/log.h"
#include "vmm/vm.h"

#define NAME(nr, name) [nr] = name,
static const char *const isa_name[] = { ISA_EXTENSIONS(NAME) };
static const char *const sbi_name[] = { SBI_EXTENSIONS(NAME) };
#undef NAME

enum { ISA_NR = ARRAY_SIZE(isa_name), SBI_NR = ARRAY_SIZE(sbi_name) };
enum { SBI_DBCN = 9, SBI_STA = 10 };

_Static_assert((int)ISA_NR <= (int)ARRAY_SIZE(((struct machine_config *)0)->isa_off), "isa_off[]");
_Static_assert((int)SBI_NR <= (int)ARRAY_SIZE(((struct machine_config *)0)->sbi_off), "sbi_off[]");

enum { AS_IT_IS, ON, OFF };

struct wanted {
	u8 isa[ISA_NR], sbi[SBI_NR];
};

/* What is defined on top of what, each after what says that of its own base. "zv" stands for all whose names begin so. */
static const struct { const char *name, *needs; } needs[] = {
	{ "d", "f" }, { "zfa", "f" }, { "zfh", "f" }, { "zfhmin", "f" }, { "zfbfmin", "f" }, { "zcf", "f" }, { "zcd", "d" }, { "v", "d" },
	{ "zv", "v" }, { "zcb", "zca" }, { "zcd", "zca" }, { "zcf", "zca" }, { "zcmop", "zca" }, { "zicntr", "zicsr" },
	{ "zihpm", "zicsr" }, { "zaamo", "a" }, { "zalrsc", "a" }, { "zabha", "zaamo" }, { "zacas", "zaamo" },
	{ "sscofpmf", "zihpm" }, { "zclsd", "zilsd" },
};

static int find(const char *const *list, unsigned int nr, const char *name, size_t len)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (list[i] && !strncmp(list[i], name, len) && !list[i][len])
			return (int)i;
	return -1;
}

/* --- cfg.cpu --- */

/* One "+name" or "-name" of @spec. */
static int take_word(const char *spec, const char *word, size_t len, struct wanted *w, struct error *err)
{
	const char *name = word + 1;
	size_t name_len = len - 1;
	bool sbi;
	u8 *what;
	int n;

	if (len < 2 || (*word != '+' && *word != '-'))
		return error_set(err, -EINVAL, "--cpu '%s': '%.*s' is neither +EXTENSION nor -EXTENSION", spec, (int)len, word);
	sbi = name_len > 4 && !strncmp(name, "sbi-", 4);
	n = sbi ? find(sbi_name, SBI_NR, name + 4, name_len - 4) : find(isa_name, ISA_NR, name, name_len);
	if (n < 0)
		return error_set(err, -EINVAL, "--cpu '%s': no extension is called '%.*s'", spec, (int)name_len, name);
	what = sbi ? &w->sbi[n] : &w->isa[n];
	*what = *word == '+' ? ON : OFF;
	return 0;
}

static int take_spec(const char *spec, struct wanted *w, struct error *err)
{
	const char *p = spec + strcspn(spec, ",");
	size_t len;
	int r = 0;

	if (p - spec != 4 || strncmp(spec, "host", 4))
		return error_set(err, -EINVAL, "--cpu '%s': want host[,+EXTENSION|,-EXTENSION]...", spec);
	for (; !r && *p; p += len) {
		p++;		/* the comma */
		len = strcspn(p, ",");
		r = take_word(spec, p, len, w, err);
	}
	return r;
}

static bool builds_on(unsigned int i, const char *name)
{
	size_t len = strlen(name);

	return !strcmp(name, "zv") ? !strncmp(isa_name[i], name, len) : !strcmp(isa_name[i], name);
}

/* Takes away what is on top of what is away. Gives the first of those that was asked for by name, or -1. */
static int close_over(struct wanted *w)
{
	unsigned int i, j;
	int base;

	for (i = 0; i < ARRAY_SIZE(needs); i++) {
		base = find(isa_name, ISA_NR, needs[i].needs, strlen(needs[i].needs));
		if (w->isa[base] != OFF)
			continue;
		for (j = 0; j < ISA_NR; j++) {
			if (!builds_on(j, needs[i].name))
				continue;
			if (w->isa[j] == ON)
				return (int)j;
			w->isa[j] = OFF;
		}
	}
	return -1;
}

static int wanted_of(const struct vm_config *cfg, struct wanted *w, struct error *err)
{
	unsigned int i;
	int r;

	memset(w, 0, sizeof(*w));
	w->sbi[SBI_DBCN] = ON;
	if (cfg->machine.no_pvtime)
		w->sbi[SBI_STA] = OFF;
	for (i = 0; i < ISA_NR; i++)
		if (cfg->machine.isa_off[i])
			w->isa[i] = OFF;
	for (i = 0; i < SBI_NR; i++)
		if (cfg->machine.sbi_off[i])
			w->sbi[i] = OFF;
	r = cfg->cpu ? take_spec(cfg->cpu, w, err) : 0;
	if (r < 0)
		return r;
	if (w->isa[find(isa_name, ISA_NR, "i", 1)] == OFF)
		return error_set(err, -EINVAL, "extension 'i' is the base of the instruction set and cannot be taken away");
	r = close_over(w);
	if (r >= 0)
		return error_set(err, -EINVAL, "--cpu '%s': '%s' needs what is taken away", cfg->cpu, isa_name[r]);
	return 0;
}

int isa_check(const struct vm_config *cfg, struct error *err)
{
	struct wanted w;

	return wanted_of(cfg, &w, err);
}

/* --- at a vCPU --- */

static int refused(struct error *err, const char *prefix, const char *name, const char *what)
{
	return error_set(err, -EOPNOTSUPP, "extension '%s%s' cannot be %s: KVM of this host refuses", prefix, name, what);
}

static int apply_isa(struct vcpu *vcpu, unsigned int nr, u8 want, struct error *err)
{
	u64 now = 0;

	if (want == AS_IT_IS)
		return 0;
	if (riscv_get_reg(vcpu, ONEREG_ISA_ID(nr), &now) < 0 || now == (want == ON))
		return want == OFF || now ? 0 : refused(err, "", isa_name[nr], "had");
	if (!riscv_set_reg(vcpu, ONEREG_ISA_ID(nr), want == ON))
		return 0;
	if (want == ON)
		return refused(err, "", isa_name[nr], "had");
	if (!vcpu->index)
		log_info("vcpu", "KVM cannot keep extension '%s' from the guest, which is only not told of it", isa_name[nr]);
	return 0;
}

static int apply_sbi(struct vcpu *vcpu, unsigned int nr, u8 want, bool asked, struct error *err)
{
	u64 now = 0;

	if (want == AS_IT_IS)
		return 0;
	if (riscv_get_reg(vcpu, ONEREG_SBI_ID(nr), &now) < 0)
		return want == ON && asked ? refused(err, "sbi-", sbi_name[nr], "had") : 0;
	if (now == (want == ON) || !riscv_set_reg(vcpu, ONEREG_SBI_ID(nr), want == ON) || !asked)
		return 0;
	return refused(err, "sbi-", sbi_name[nr], want == ON ? "had" : "taken away");
}

static int set_id(struct vcpu *vcpu, const char *option, unsigned int index, bool given, u64 val, struct error *err)
{
	int r = given ? riscv_set_reg(vcpu, ONEREG_CONFIG_ID(index), val) : 0;

	return r < 0 ? error_set_errno(err, r, "option --custom-%s 0x%llx", option, (unsigned long long)val) : 0;
}

int isa_apply(struct vcpu *vcpu, struct error *err)
{
	const struct machine_config *m = &vcpu->vm->cfg.machine;
	bool asked;
	struct wanted w;
	unsigned int i;
	int r;

	r = wanted_of(&vcpu->vm->cfg, &w, err);
	for (i = 0; !r && i < ISA_NR; i++)
		r = apply_isa(vcpu, i, w.isa[i], err);
	for (i = 0; !r && i < SBI_NR; i++) {
		asked = i != SBI_DBCN || (vcpu->vm->cfg.cpu && strstr(vcpu->vm->cfg.cpu, "sbi-dbcn"));
		r = apply_sbi(vcpu, i, w.sbi[i], asked, err);
	}
	if (!r)
		r = set_id(vcpu, "mvendorid", CONFIG_MVENDORID, m->mvendorid_given, m->mvendorid, err);
	if (!r)
		r = set_id(vcpu, "marchid", CONFIG_MARCHID, m->marchid_given, m->marchid, err);
	if (!r)
		r = set_id(vcpu, "mimpid", CONFIG_MIMPID, m->mimpid_given, m->mimpid, err);
	return r;
}

/* --- telling the guest --- */

static const char canonical[] = "iemafdqlcbkjtpvnh";

static int letter(char c)
{
	const char *p = strchr(canonical, c);

	return p ? (int)(p - canonical) : (int)sizeof(canonical);
}

/* Single letters, then Z by the category that the second letter names, then S, each by the alphabet. */
static int by_convention(const void *a, const void *b)
{
	const char *x = *(const char *const *)a, *y = *(const char *const *)b;
	bool long_x = x[1], long_y = y[1];

	if (long_x != long_y)
		return long_x - long_y;
	if (!long_x)
		return letter(x[0]) - letter(y[0]);
	if (x[0] != y[0])
		return x[0] == 'z' ? -1 : 1;
	if (x[0] == 'z' && letter(x[1]) != letter(y[1]))
		return letter(x[1]) - letter(y[1]);
	return strcmp(x, y);
}

int isa_string(struct vcpu *vcpu, struct strbuf *ret, const char **ret_list, unsigned int room)
{
	const char *list[ISA_NR];
	unsigned int nr = 0, i;
	struct wanted w;
	u64 val;
	int r;

	r = wanted_of(&vcpu->vm->cfg, &w, NULL);
	if (r < 0)
		return r;
	for (i = 0; i < ISA_NR; i++)
		if (w.isa[i] != OFF && !riscv_get_reg(vcpu, ONEREG_ISA_ID(i), &val) && val)
			list[nr++] = isa_name[i];
	if (nr >= room)
		return -ENOSPC;
	qsort(list, nr, sizeof(list[0]), by_convention);
	strbuf_addf(ret, "rv64");
	for (i = 0; i < nr; i++) {
		strbuf_addf(ret, "%s%s", list[i][1] ? "_" : "", list[i]);
		ret_list[i] = list[i];
	}
	ret_list[nr] = NULL;
	return ret->failed ? -ENOMEM : 0;
}
