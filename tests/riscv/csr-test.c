/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The entropy source, and CSRs that are none of ours. [riscv-crypto-spec-scalar 1.0.1, 4.1]
 * links: riscv/csr.c riscv/onereg.c util/error.c util/log.c util/str.c
 */
#include "tests/riscv/onereg-fake.h"

#include <sys/random.h>

#include "tests/tap.h"

enum { OPST_WAIT = 1, OPST_ES16 = 2 };

static bool dry;
static unsigned int asked;
static u16 next_bits;

ssize_t getrandom(void *buf, size_t len, unsigned int flags)
{
	asked++;
	if (dry || len != sizeof(next_bits) || flags != GRND_NONBLOCK) {
		errno = EAGAIN;
		return -1;
	}
	memcpy(buf, &next_bits, len);
	return (ssize_t)len;
}

static unsigned long csr(unsigned long num, unsigned long mask)
{
	fake_run.riscv_csr.csr_num = num;
	fake_run.riscv_csr.write_mask = mask;
	fake_run.riscv_csr.ret_value = 0xdeadbeef;
	return csr_exit(&fake_vcpu) ? 0xbad : fake_run.riscv_csr.ret_value;
}

TEST(seed_gives_16_bits_of_the_host)
{
	fake_setup();
	next_bits = 0xabcd;
	CHECK_EQ(csr(0x15, ~0UL), (unsigned long)OPST_ES16 << 30 | 0xabcd);
	next_bits = 0;
	CHECK_EQ(csr(0x15, ~0UL), (unsigned long)OPST_ES16 << 30);
	CHECK_EQ(asked, 2);
}

TEST(seed_says_wait_when_the_host_has_none)
{
	fake_setup();
	dry = true;
	CHECK_EQ(csr(0x15, ~0UL), (unsigned long)OPST_WAIT << 30);
	dry = false;
}

TEST(seed_is_not_for_reading_alone)
{
	fake_setup();
	asked = 0;
	CHECK_EQ(csr(0x15, 0), (unsigned long)OPST_WAIT << 30);
	CHECK_EQ(asked, 0);
}

TEST(other_csrs_read_as_zero)
{
	fake_setup();
	CHECK_EQ(csr(0x5a8, ~0UL), 0);
	CHECK_EQ(csr(0xffffffffUL, 0), 0);
}

int main(void)
{
	RUN(seed_gives_16_bits_of_the_host);
	RUN(seed_says_wait_when_the_host_has_none);
	RUN(seed_is_not_for_reading_alone);
	RUN(other_csrs_read_as_zero);
	return tap_done();
}
