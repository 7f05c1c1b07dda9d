/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Extensions: what --cpu may say, what is taken from a vCPU and from what the guest is told, and the order of names.
 * [riscv-isa-manual, "ISA Extension Naming Conventions"]
 * links: riscv/isa.c riscv/onereg.c util/error.c util/log.c util/str.c
 */
#include "tests/riscv/onereg-fake.h"

#include "tests/tap.h"

static struct error err;
static struct strbuf isa;
static const char *list[64];

static int check(const char *cpu)
{
	struct vm_config cfg = { .cpu = cpu };

	err.msg[0] = '\0';
	return isa_check(&cfg, &err);
}

static int apply(const char *cpu)
{
	fake_vm.cfg.cpu = cpu;
	err.msg[0] = '\0';
	return isa_apply(&fake_vcpu, &err);
}

static const char *string(void)
{
	strbuf_free(&isa);
	isa = (struct strbuf){ 0 };
	return isa_string(&fake_vcpu, &isa, list, ARRAY_SIZE(list)) ? NULL : isa.s;
}

static bool listed(const char *name)
{
	unsigned int i;

	for (i = 0; list[i]; i++)
		if (!strcmp(list[i], name))
			return true;
	return false;
}

TEST(cpu_is_host_and_words_with_a_sign)
{
	CHECK_EQ(check(NULL), 0);
	CHECK_EQ(check("host"), 0);
	CHECK_EQ(check("host,-zbb,+zba,-sbi-sta,-sbi-legacy"), 0);
	CHECK_EQ(check("max"), -EINVAL);
	CHECK_STR(err.msg, "--cpu 'max': want host[,+EXTENSION|,-EXTENSION]...");
	CHECK_EQ(check(""), -EINVAL);
	CHECK_EQ(check("hosts"), -EINVAL);
	CHECK_EQ(check("host,zbb"), -EINVAL);
	CHECK_STR(err.msg, "--cpu 'host,zbb': 'zbb' is neither +EXTENSION nor -EXTENSION");
	CHECK_EQ(check("host,"), -EINVAL);
	CHECK_EQ(check("host,-"), -EINVAL);
	CHECK_EQ(check("host,-zbb,,-zba"), -EINVAL);
	CHECK_EQ(check("host,-zb"), -EINVAL);
	CHECK_STR(err.msg, "--cpu 'host,-zb': no extension is called 'zb'");
	CHECK_EQ(check("host,-sbi-"), -EINVAL);
	CHECK_EQ(check("host,-sbi-zbb"), -EINVAL);
	CHECK_EQ(check("host,-sta"), -EINVAL);
}

TEST(base_stays)
{
	struct vm_config cfg = { .machine.isa_off[5] = true };

	CHECK_EQ(check("host,-i"), -EINVAL);
	CHECK_STR(err.msg, "extension 'i' is the base of the instruction set and cannot be taken away");
	CHECK_EQ(isa_check(&cfg, &err), -EINVAL);
}

TEST(what_is_asked_for_needs_what_it_builds_on)
{
	CHECK_EQ(check("host,-f,+d"), -EINVAL);
	CHECK_STR(err.msg, "--cpu 'host,-f,+d': 'd' needs what is taken away");
	CHECK_EQ(check("host,-f,+zvbb"), -EINVAL);
	CHECK_EQ(check("host,+f,-d"), 0);
}

TEST(all_is_told_in_the_canonical_order)
{
	fake_full();
	CHECK_EQ(apply(NULL), 0);
	CHECK_STR(string(), "rv64imafdcv_zicbom_zicboz_zicntr_zicsr_zifencei_zihpm_zfh_zcd_zba_zbb_zkr_zvbb_zvfhmin_"
		  "smstateen_ssaia_sstc_svpbmt");
	CHECK_STR(list[0], "i");
	CHECK_STR(list[1], "m");
	CHECK_STR(list[6], "v");
	CHECK_STR(list[7], "zicbom");
	CHECK(list[23] && !list[24]);
	CHECK(!listed("h"));
}

TEST(list_that_is_too_short_is_an_error)
{
	const char *some[25] = { 0 };
	struct strbuf b = { 0 };

	fake_full();
	CHECK_EQ(apply(NULL), 0);
	CHECK_EQ(isa_string(&fake_vcpu, &b, some, 24), -ENOSPC);
	CHECK_EQ(b.len, 0);
	CHECK_EQ(isa_string(&fake_vcpu, &b, some, 25), 0);
	CHECK(!some[24]);
	strbuf_free(&b);
}

TEST(what_is_taken_away_is_gone_from_guest_and_tree)
{
	fake_full();
	CHECK_EQ(apply("host,-zba"), 0);
	CHECK_EQ(fake_val(ONEREG_ISA_ID(17)), 0);
	CHECK_EQ(fake_val(ONEREG_ISA_ID(13)), 1);
	CHECK(string());
	CHECK(!listed("zba"));
	CHECK(listed("zbb"));
	CHECK(!strstr(isa.s, "zba"));
}

TEST(what_kvm_cannot_take_away_is_not_told)
{
	fake_full();
	fake.stuck[13] = true;
	CHECK_EQ(apply("host,-zbb"), 0);
	CHECK_EQ(fake_val(ONEREG_ISA_ID(13)), 1);
	CHECK(string());
	CHECK(!listed("zbb"));
}

TEST(options_of_one_extension_do_the_same)
{
	fake_full();
	fake_vm.cfg.machine.isa_off[17] = true;
	fake_vm.cfg.machine.sbi_off[9] = true;
	CHECK_EQ(apply(NULL), 0);
	CHECK_EQ(fake_val(ONEREG_ISA_ID(17)), 0);
	CHECK_EQ(fake_val(ONEREG_SBI_ID(9)), 0);
	CHECK(string());
	CHECK(!listed("zba"));
}

TEST(what_builds_on_it_goes_too)
{
	fake_full();
	CHECK_EQ(apply("host,-f"), 0);
	CHECK_STR(string(), "rv64imac_zicbom_zicboz_zicntr_zicsr_zifencei_zihpm_zba_zbb_zkr_smstateen_ssaia_sstc_svpbmt");
	CHECK_EQ(fake_val(ONEREG_ISA_ID(2)), 0);	/* d */
	CHECK_EQ(fake_val(ONEREG_ISA_ID(36)), 0);	/* zvbb, by v, by d */
}

TEST(what_the_host_lacks_may_be_taken_away_but_not_asked_for)
{
	fake_full();
	CHECK_EQ(apply("host,-zvkg"), 0);
	CHECK_EQ(apply("host,+zvkg"), -EOPNOTSUPP);
	CHECK_STR(err.msg, "extension 'zvkg' cannot be had: KVM of this host refuses");
	CHECK_EQ(apply("host,+sbi-susp"), -EOPNOTSUPP);
	CHECK_STR(err.msg, "extension 'sbi-susp' cannot be had: KVM of this host refuses");
	CHECK_EQ(apply("host,+h"), 0);		/* KVM has it, and it was off */
	CHECK_EQ(fake_val(ONEREG_ISA_ID(4)), 1);
}

TEST(console_of_sbi_is_on_by_default)
{
	fake_full();
	CHECK_EQ(fake_val(ONEREG_SBI_ID(9)), 0);
	CHECK_EQ(apply(NULL), 0);
	CHECK_EQ(fake_val(ONEREG_SBI_ID(9)), 1);
	CHECK_EQ(apply("host,-sbi-dbcn"), 0);
	CHECK_EQ(fake_val(ONEREG_SBI_ID(9)), 0);
	fake_setup();			/* a KVM without it */
	fake_add(ONEREG_ISA_ID(5), 1);
	CHECK_EQ(apply(NULL), 0);
	CHECK_EQ(apply("host,+sbi-dbcn"), -EOPNOTSUPP);
}

TEST(no_pvtime_is_no_sta)
{
	fake_full();
	CHECK_EQ(apply(NULL), 0);
	CHECK_EQ(fake_val(ONEREG_SBI_ID(10)), 1);
	fake_vm.cfg.machine.no_pvtime = true;
	CHECK_EQ(apply(NULL), 0);
	CHECK_EQ(fake_val(ONEREG_SBI_ID(10)), 0);
}

TEST(sbi_that_cannot_be_taken_away_is_refused_by_name)
{
	fake_full();
	fake.sbi_stuck[1] = true;
	CHECK_EQ(apply("host,-sbi-time"), -EOPNOTSUPP);
	CHECK_STR(err.msg, "extension 'sbi-time' cannot be taken away: KVM of this host refuses");
}

TEST(machine_ids_are_set)
{
	fake_full();
	fake_vm.cfg.machine.mvendorid_given = fake_vm.cfg.machine.mimpid_given = true;
	fake_vm.cfg.machine.mvendorid = 0x1234;
	fake_vm.cfg.machine.mimpid = 0;
	CHECK_EQ(apply(NULL), 0);
	CHECK_EQ(fake_val(ONEREG_CONFIG_ID(CONFIG_MVENDORID)), 0x1234);
	CHECK_EQ(fake_val(ONEREG_CONFIG_ID(CONFIG_MARCHID)), 0x103);
	CHECK_EQ(fake_val(ONEREG_CONFIG_ID(CONFIG_MIMPID)), 0);
	fake_setup();
	fake_vm.cfg.machine.marchid_given = true;
	CHECK_EQ(apply(NULL), -ENOENT);
	CHECK(!strncmp(err.msg, "option --custom-marchid 0x0: ", 29));
}

int main(void)
{
	RUN(cpu_is_host_and_words_with_a_sign);
	RUN(base_stays);
	RUN(what_is_asked_for_needs_what_it_builds_on);
	RUN(all_is_told_in_the_canonical_order);
	RUN(list_that_is_too_short_is_an_error);
	RUN(what_is_taken_away_is_gone_from_guest_and_tree);
	RUN(what_kvm_cannot_take_away_is_not_told);
	RUN(options_of_one_extension_do_the_same);
	RUN(what_builds_on_it_goes_too);
	RUN(what_the_host_lacks_may_be_taken_away_but_not_asked_for);
	RUN(console_of_sbi_is_on_by_default);
	RUN(no_pvtime_is_no_sta);
	RUN(sbi_that_cannot_be_taken_away_is_refused_by_name);
	RUN(machine_ids_are_set);
	strbuf_free(&isa);
	return tap_done();
}
