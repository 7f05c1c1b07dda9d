/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Registers by number: names, widths, round trips, keeping and putting back in the order and past the refusals KVM has.
 * [Documentation/virt/kvm/api 4.68, 4.84]
 * links: riscv/onereg.c util/error.c util/log.c util/str.c
 */
#include "tests/riscv/onereg-fake.h"

#include "tests/tap.h"

static const char *name_of(u64 id)
{
	static char name[ONEREG_NAME];

	onereg_name(id, name);
	return name;
}

TEST(names_are_by_group_and_index)
{
	CHECK_STR(name_of(ONEREG_CONFIG_ID(CONFIG_SATP_MODE)), "config.satp_mode");
	CHECK_STR(name_of(ONEREG_CORE_ID(CORE_A0)), "core.a0");
	CHECK_STR(name_of(ONEREG_CORE_ID(CORE_MODE)), "core.mode");
	CHECK_STR(name_of(ONEREG_CORE_ID(31)), "core.t6");
	CHECK_STR(name_of(ONEREG_CSR_ID(CSR_SENVCFG)), "csr.senvcfg");
	CHECK_STR(name_of(ONEREG_U64(ONEREG_CSR, ONEREG_CSR_AIA, 6)), "csr.iprio2h");
	CHECK_STR(name_of(ONEREG_U64(ONEREG_CSR, ONEREG_CSR_SMSTATEEN, 0)), "csr.sstateen0");
	CHECK_STR(name_of(ONEREG_TIMER_ID(TIMER_COMPARE)), "timer.compare");
	CHECK_STR(name_of(ONEREG_ISA_ID(17)), "isa.zba");
	CHECK_STR(name_of(ONEREG_ISA_ID(61)), "isa.zawrs");
	CHECK_STR(name_of(ONEREG_SBI_ID(10)), "sbi.sta");
	CHECK_STR(name_of(ONEREG_U64(ONEREG_ISA_EXT, ONEREG_EXT_MULTI_DIS, 1)), "isa_disable.1");
	CHECK_STR(name_of(ONEREG_U64(ONEREG_VECTOR, 0, 4)), "vector.vlenb");
	CHECK_STR(name_of(KVM_REG_RISCV | KVM_REG_SIZE_U256 | (u64)ONEREG_VECTOR << 24 | 37), "vector.v31");
	CHECK_STR(name_of(KVM_REG_RISCV | KVM_REG_SIZE_U32 | (u64)ONEREG_FP_F << 24 | 32), "fp_f.fcsr");
	CHECK_STR(name_of(ONEREG_U64(ONEREG_FP_D, 0, 31)), "fp_d.f31");
	CHECK_STR(name_of(KVM_REG_RISCV | KVM_REG_SIZE_U32 | (u64)ONEREG_FP_D << 24 | 32), "fp_d.fcsr");
	CHECK_STR(name_of(ONEREG_U64(ONEREG_SBI_STATE, ONEREG_SBI_STA, 1)), "sbi_state.sta_shmem_hi");
	CHECK_STR(name_of(ONEREG_U64(ONEREG_SBI_STATE, ONEREG_SBI_FWFT, 5)), "sbi_state.fwft_pointer_masking_value");
}

TEST(what_is_not_known_has_a_name_too)
{
	CHECK_STR(name_of(ONEREG_CORE_ID(33)), "reg.0x8030000002000021");	/* beyond the group */
	CHECK_STR(name_of(ONEREG_U64(ONEREG_CSR, 9, 0)), "reg.0x8030000003090000");	/* no such subtype */
	CHECK_STR(name_of(ONEREG_U64(0x77, 0, 0)), "reg.0x8030000077000000");	/* no such type */
	CHECK_STR(name_of(ONEREG_U64(ONEREG_FP_F, 0, 1)), "reg.0x8030000005000001");	/* of another width */
	CHECK_STR(name_of(ONEREG_U64(ONEREG_VECTOR, 0, 5)), "reg.0x8030000009000005");	/* a hole */
}

TEST(every_listed_register_has_a_name_of_its_own)
{
	char name[FAKE_REGS][ONEREG_NAME];
	unsigned int i, j;

	fake_full();
	for (i = 0; i < fake.nr; i++) {
		onereg_name(fake.reg[i].id, name[i]);
		CHECK(i == fake.nr - 1 || strncmp(name[i], "reg.", 4));
		for (j = 0; j < i; j++)
			CHECK(strcmp(name[i], name[j]));
	}
}

TEST(size_is_in_the_number)
{
	CHECK_EQ(onereg_size(ONEREG_CORE_ID(0)), 8);
	CHECK_EQ(onereg_size(KVM_REG_RISCV | KVM_REG_SIZE_U32), 4);
	CHECK_EQ(onereg_size(KVM_REG_RISCV | KVM_REG_SIZE_U2048), 256);
	CHECK_EQ(onereg_size(KVM_REG_RISCV | 0x00d0000000000000ULL), ONEREG_BYTES);
	CHECK_EQ(onereg_size(KVM_REG_RISCV | 0x00e0000000000000ULL), 0);
}

TEST(width_is_checked)
{
	u64 val = 0;
	u32 narrow;

	fake_full();
	CHECK_EQ(onereg_get(&fake_vcpu, ONEREG_CORE_ID(1), &narrow, sizeof(narrow)), -EINVAL);
	CHECK_EQ(onereg_set(&fake_vcpu, ONEREG_CORE_ID(1), &narrow, sizeof(narrow)), -EINVAL);
	CHECK_EQ(onereg_get(&fake_vcpu, KVM_REG_RISCV | 0x00f0000000000000ULL, &val, 0), -EINVAL);
	CHECK_EQ(onereg_set(&fake_vcpu, KVM_REG_RISCV | 0x00f0000000000000ULL, &val, 0), -EINVAL);
	CHECK_EQ(riscv_get_reg(&fake_vcpu, KVM_REG_RISCV | KVM_REG_SIZE_U128 | 0x77000099, &val), -EINVAL);
	CHECK_EQ(riscv_set_reg(&fake_vcpu, KVM_REG_RISCV | KVM_REG_SIZE_U32 | (u64)ONEREG_FP_F << 24, 1ULL << 32), -ERANGE);
	CHECK_EQ(riscv_set_reg(&fake_vcpu, KVM_REG_RISCV | KVM_REG_SIZE_U32 | (u64)ONEREG_FP_F << 24, 0xffffffff), 0);
	CHECK_EQ(riscv_get_reg(&fake_vcpu, KVM_REG_RISCV | KVM_REG_SIZE_U32 | (u64)ONEREG_FP_F << 24, &val), 0);
	CHECK_EQ(val, 0xffffffff);
	CHECK_EQ(riscv_get_reg(&fake_vcpu, ONEREG_CORE_ID(40), &val), -ENOENT);
	CHECK_EQ(val, 0xffffffff);
}

TEST(what_has_the_value_already_is_set)
{
	fake_full();
	CHECK_EQ(riscv_set_reg(&fake_vcpu, ONEREG_TIMER_ID(TIMER_STATE), TIMER_OFF), 0);
	CHECK_EQ(riscv_set_reg(&fake_vcpu, ONEREG_TIMER_ID(TIMER_FREQUENCY), 1), -EINVAL);
	fake.ran = true;
	CHECK_EQ(riscv_set_reg(&fake_vcpu, ONEREG_SBI_ID(10), 1), 0);
	CHECK_EQ(riscv_set_reg(&fake_vcpu, ONEREG_SBI_ID(10), 0), -EBUSY);
}

static unsigned int seen, wide;

static int count(void *arg, u64 id, const u8 *val, unsigned int size)
{
	seen++;
	wide += size == 16;
	return arg && id == *(u64 *)arg ? -ECANCELED : 0;
}

TEST(each_register_is_shown_once)
{
	u64 stop = ONEREG_CORE_ID(0);

	fake_full();
	seen = wide = 0;
	CHECK_EQ(onereg_each(&fake_vcpu, count, NULL), 0);
	CHECK_EQ(seen, fake.nr);
	CHECK_EQ(wide, 33);
	seen = 0;
	CHECK_EQ(onereg_each(&fake_vcpu, count, &stop), -ECANCELED);
	CHECK_EQ(seen, CONFIG_SATP_MODE + 2);
	fake.unreadable = ONEREG_CORE_ID(3);
	seen = 0;
	CHECK_EQ(onereg_each(&fake_vcpu, count, NULL), 0);
	CHECK_EQ(seen, fake.nr - 1);
}

TEST(no_list_is_an_error)
{
	struct riscv_kept *k = NULL;

	fake_full();
	fake.list_error = EINVAL;
	CHECK_EQ(onereg_each(&fake_vcpu, count, NULL), -EINVAL);
	CHECK_EQ(onereg_keep(&fake_vcpu, &k), -EINVAL);
	CHECK(!k);
	fake_setup();		/* no register */
	CHECK_EQ(onereg_keep(&fake_vcpu, &k), -ENOENT);
	CHECK(!k);
}

/* The unit half of the round trip; tests/riscv/onereg-kvm-test.c has the other, on a KVM. */
TEST(every_register_survives_get_set_get)
{
	u8 a[FAKE_BYTES], b[FAKE_BYTES];
	unsigned int i, size;
	u64 id;

	fake_full();
	for (i = 0; i < fake.nr; i++) {
		id = fake.reg[i].id;
		size = onereg_size(id);
		CHECK_EQ(onereg_get(&fake_vcpu, id, a, size), 0);
		CHECK_EQ(onereg_set(&fake_vcpu, id, a, size), 0);
		CHECK_EQ(onereg_get(&fake_vcpu, id, b, size), 0);
		CHECK(!memcmp(a, b, size));
	}
}

static void scramble(void)
{
	unsigned int i;

	for (i = 0; i < fake.nr; i++)
		if (onereg_type(fake.reg[i].id) != ONEREG_ISA_EXT && onereg_type(fake.reg[i].id) != ONEREG_SBI_EXT &&
		    onereg_type(fake.reg[i].id) != ONEREG_CONFIG && fake.reg[i].id != ONEREG_TIMER_ID(TIMER_FREQUENCY))
			memset(fake.reg[i].val, 0x5a, sizeof(fake.reg[i].val));
}

TEST(registers_come_back_as_they_were_kept)
{
	struct fake_reg before[FAKE_REGS];
	struct riscv_kept *k;
	u64 bad = 0;
	unsigned int i;

	fake_full();
	memcpy(before, fake.reg, sizeof(before));
	CHECK_EQ(onereg_keep(&fake_vcpu, &k), 0);
	scramble();
	fake.ran = true;
	CHECK_EQ(onereg_put_back(&fake_vcpu, k, true, &bad), 0);
	onereg_forget(k);
	for (i = 0; i < fake.nr; i++)
		CHECK(!memcmp(before[i].val, fake.reg[i].val, onereg_size(before[i].id)));
}

TEST(clock_may_go_on)
{
	struct riscv_kept *k;
	u64 bad = 0;

	fake_full();
	CHECK_EQ(onereg_keep(&fake_vcpu, &k), 0);
	scramble();
	CHECK_EQ(onereg_put_back(&fake_vcpu, k, false, &bad), 0);
	onereg_forget(k);
	CHECK_EQ(fake_val(ONEREG_TIMER_ID(TIMER_TIME)), 0x5a5a5a5a5a5a5a5a);
	CHECK_EQ(fake_val(ONEREG_TIMER_ID(TIMER_COMPARE)), 0);
}

static unsigned int place(u64 id)
{
	unsigned int i;

	for (i = 0; i < fake.sets; i++)
		if (fake.order[i] == id)
			return i;
	return FAKE_REGS;
}

TEST(order_is_one_that_kvm_takes)
{
	struct riscv_kept *k;
	u64 bad = 0;

	fake_full();
	fake_add(ONEREG_ISA_ID(24), 1);
	CHECK_EQ(onereg_keep(&fake_vcpu, &k), 0);
	fake.sets = 0;
	memcpy(fake_find(ONEREG_TIMER_ID(TIMER_STATE))->val, &(u64){ TIMER_ON }, 8);
	CHECK_EQ(onereg_put_back(&fake_vcpu, k, true, &bad), 0);
	onereg_forget(k);
	CHECK(place(ONEREG_ISA_ID(24)) < place(ONEREG_CONFIG_ID(CONFIG_ISA)));
	CHECK(place(ONEREG_SBI_ID(10)) < place(ONEREG_U64(ONEREG_SBI_STATE, ONEREG_SBI_STA, 0)));
	CHECK(place(ONEREG_ISA_ID(24)) < place(ONEREG_U64(ONEREG_VECTOR, 0, 0)));
	CHECK(place(ONEREG_TIMER_ID(TIMER_TIME)) < place(ONEREG_TIMER_ID(TIMER_COMPARE)));
	CHECK(place(ONEREG_TIMER_ID(TIMER_COMPARE)) < place(ONEREG_TIMER_ID(TIMER_STATE)));
	CHECK(place(KVM_REG_RISCV | KVM_REG_SIZE_U32 | (u64)ONEREG_FP_F << 24) < place(ONEREG_U64(ONEREG_FP_D, 0, 0)));
	CHECK_EQ(place(KVM_REG_RISCV | KVM_REG_SIZE_U128 | 0x77000099), fake.sets - 1);
}

TEST(one_that_is_refused_is_named_and_the_rest_is_put_back)
{
	struct riscv_kept *k;
	u64 bad = 0;

	fake_full();
	CHECK_EQ(onereg_keep(&fake_vcpu, &k), 0);
	memcpy(fake_find(ONEREG_SBI_ID(3))->val, &(u64){ 0 }, 8);
	memcpy(fake_find(ONEREG_TIMER_ID(TIMER_FREQUENCY))->val, &(u64){ 1 }, 8);	/* refused too, and later */
	memcpy(fake_find(ONEREG_CORE_ID(5))->val, &(u64){ 0 }, 8);
	fake.ran = true;
	CHECK_EQ(onereg_put_back(&fake_vcpu, k, true, &bad), -EBUSY);
	CHECK_EQ(bad, ONEREG_SBI_ID(3));
	CHECK_EQ(fake_val(ONEREG_CORE_ID(5)), 0x1005);
	onereg_forget(k);
	onereg_forget(NULL);
}

int main(void)
{
	RUN(names_are_by_group_and_index);
	RUN(what_is_not_known_has_a_name_too);
	RUN(every_listed_register_has_a_name_of_its_own);
	RUN(size_is_in_the_number);
	RUN(width_is_checked);
	RUN(what_has_the_value_already_is_set);
	RUN(each_register_is_shown_once);
	RUN(no_list_is_an_error);
	RUN(every_register_survives_get_set_get);
	RUN(registers_come_back_as_they_were_kept);
	RUN(clock_may_go_on);
	RUN(order_is_one_that_kvm_takes);
	RUN(one_that_is_refused_is_named_and_the_rest_is_put_back);
	return tap_done();
}
