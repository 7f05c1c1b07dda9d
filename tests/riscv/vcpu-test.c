/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A vCPU's life: what it begins with, what a restart in place gives back, and the exits that are ours.
 * [Linux Documentation/arch/riscv/boot], [riscv-sbi 2.0, 9]
 * links: riscv/vcpu.c riscv/isa.c riscv/onereg.c riscv/exits.c util/error.c util/log.c util/str.c
 */
#include "tests/riscv/onereg-fake.h"

#include "tests/tap.h"
#include "vmm/arch.h"

static struct error err;
static unsigned int sbi_exits, csr_exits, resets, consoles;
static struct vcpu *v = &fake_vcpu;

int sbi_exit(struct vcpu *vcpu) { sbi_exits++; return 0; }
int csr_exit(struct vcpu *vcpu) { csr_exits++; return 0; }
void sbi_reset(struct vm *vm) { resets++; }

int sbi_init(struct vm *vm)
{
	consoles++;
	vm->arch->console = (struct sbi_console *)&consoles;
	return 0;
}

void sbi_free(struct vm *vm)
{
	consoles -= vm->arch->console != NULL;
	vm->arch->console = NULL;
}

static int start(unsigned int index, bool reboot)
{
	fake_full();
	resets = 0;
	v->arch = NULL;
	v->index = index;
	fake_vm.cfg.reboot = reboot;
	fake_arch.entry = (struct dt_entry){ .kernel = 0x80200000, .dtb = 0x8f000000 };
	err.msg[0] = '\0';
	return arch_vcpu_init(v, &err);
}

static void end(void)
{
	arch_vcpu_free(v);
	arch_vcpu_free(v);
}

static bool at_entry(void)
{
	return fake_val(ONEREG_CORE_ID(CORE_PC)) == 0x80200000 && fake_val(ONEREG_CORE_ID(CORE_A0)) == 0 &&
	       fake_val(ONEREG_CORE_ID(CORE_A1)) == 0x8f000000 && fake_val(ONEREG_CORE_ID(CORE_MODE)) == MODE_S &&
	       fake_val(ONEREG_CSR_ID(CSR_SATP)) == 0 && fake.mp_state == KVM_MP_STATE_RUNNABLE;
}

TEST(first_hart_enters_the_kernel)
{
	CHECK_EQ(start(0, false), 0);
	CHECK_EQ(fake_arch.timebase, 10000000);
	CHECK_EQ(arch_vcpu_reset(v, &err), 0);
	CHECK(at_entry());
	CHECK_EQ(fake_val(ONEREG_CORE_ID(CORE_SP)), 0x1000 + CORE_SP);	/* as KVM had it */
	CHECK_EQ(resets, 1);
	CHECK(!v->arch->kept);		/* nobody will ask for it */
	end();
	CHECK_EQ(consoles, 0);
}

TEST(others_wait_to_be_started)
{
	CHECK_EQ(start(3, false), 0);
	CHECK_EQ(arch_vcpu_reset(v, &err), 0);
	CHECK_EQ(fake.mp_state, KVM_MP_STATE_STOPPED);
	CHECK_EQ(fake_val(ONEREG_CORE_ID(CORE_PC)), 0x1000);
	CHECK_EQ(resets, 0);
	end();
}

TEST(restart_begins_as_the_first_start_did)
{
	unsigned int i;

	CHECK_EQ(start(0, true), 0);
	CHECK_EQ(arch_vcpu_reset(v, &err), 0);
	fake.ran = true;
	for (i = 0; i <= CORE_MODE; i++)
		memset(fake_find(ONEREG_CORE_ID(i))->val, 0xee, 8);
	memset(fake_find(ONEREG_CSR_ID(CSR_STVEC))->val, 0xee, 8);
	memset(fake_find(ONEREG_CSR_ID(CSR_SATP))->val, 0xee, 8);
	memset(fake_find(ONEREG_TIMER_ID(TIMER_TIME))->val, 0xee, 8);
	fake.mp_state = KVM_MP_STATE_STOPPED;
	CHECK_EQ(arch_vcpu_reset(v, &err), 0);
	CHECK(at_entry());
	CHECK_EQ(fake_val(ONEREG_CORE_ID(CORE_SP)), 0x1000 + CORE_SP);
	CHECK_EQ(fake_val(ONEREG_CSR_ID(CSR_STVEC)), 0);
	CHECK_EQ(fake_val(ONEREG_TIMER_ID(TIMER_TIME)), 0xeeeeeeeeeeeeeeee);	/* the clock goes on */
	CHECK_EQ(resets, 2);
	end();
}

TEST(register_that_cannot_be_set_back_is_named)
{
	CHECK_EQ(start(0, true), 0);
	CHECK_EQ(arch_vcpu_reset(v, &err), 0);
	fake.ran = true;
	memcpy(fake_find(ONEREG_SBI_ID(3))->val, &(u64){ 0 }, 8);
	CHECK_EQ(arch_vcpu_reset(v, &err), -EBUSY);
	CHECK(!strncmp(err.msg, "vCPU 0: setting register sbi.rfence back: ", 42));
	end();
}

TEST(kvm_that_cannot_is_an_error)
{
	CHECK_EQ(start(0, true), 0);
	fake.list_error = EINVAL;
	CHECK_EQ(arch_vcpu_reset(v, &err), -EINVAL);
	CHECK(!strncmp(err.msg, "vCPU 0: reading registers: ", 27));
	end();
	fake_setup();
	v->arch = NULL;
	CHECK_EQ(arch_vcpu_init(v, &err), -ENOENT);	/* no timer */
	CHECK(!strncmp(err.msg, "vCPU 0: frequency of the timer: ", 32));
	end();
}

TEST(exits_of_ours_are_finished_at_the_next_entry)
{
	CHECK_EQ(start(0, false), 0);
	fake_run.exit_reason = KVM_EXIT_RISCV_SBI;
	CHECK_EQ(arch_vcpu_exit(v), 0);
	CHECK(v->pending_io);
	CHECK_EQ(sbi_exits, 1);
	v->pending_io = false;
	fake_run.exit_reason = KVM_EXIT_RISCV_CSR;
	CHECK_EQ(arch_vcpu_exit(v), 0);
	CHECK(v->pending_io);
	CHECK_EQ(csr_exits, 1);
	v->pending_io = false;
	fake_run.exit_reason = KVM_EXIT_HLT;
	CHECK_EQ(arch_vcpu_exit(v), -ENOSYS);
	CHECK(!v->pending_io);
	end();
}

TEST(exits_have_names)
{
	CHECK_STR(arch_exit_name(KVM_EXIT_RISCV_SBI), "riscv_sbi");
	CHECK_STR(arch_exit_name(KVM_EXIT_RISCV_CSR), "riscv_csr");
	CHECK_STR(arch_exit_name(KVM_EXIT_MMIO), "mmio");
	CHECK(!arch_exit_name(KVM_EXIT_HLT));
	CHECK(!arch_exit_name(1000));
}

TEST(there_is_no_nmi)
{
	CHECK_EQ(arch_vcpu_nmi(v), -EOPNOTSUPP);
}

int main(void)
{
	RUN(first_hart_enters_the_kernel);
	RUN(others_wait_to_be_started);
	RUN(restart_begins_as_the_first_start_did);
	RUN(register_that_cannot_be_set_back_is_named);
	RUN(kvm_that_cannot_is_an_error);
	RUN(exits_of_ours_are_finished_at_the_next_entry);
	RUN(exits_have_names);
	RUN(there_is_no_nmi);
	return tap_done();
}
