/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a vCPU's thread has its flag, against a module that takes it, or does not.
 * links: pvlock.c util/error.c
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tests/tap.h"
#include "uapi/lkvm/pvlock.h"
#include "vmm/vm.h"

enum { FD = 77 };

static struct vm vm = { .pvlock_fd = FD };
static struct vcpu vcpu;
static char home[64], ram[128];
static void *registered;
static void *refused;
static unsigned int calls;

int ioctl(int fd, unsigned long req, ...)
{
	struct lkvm_pvlock_register *reg;
	va_list ap;

	va_start(ap, req);
	reg = va_arg(ap, struct lkvm_pvlock_register *);
	va_end(ap);
	calls++;
	errno = ENOTTY;
	if (fd != FD)
		return -1;
	if (req == LKVM_PVLOCK_UNREGISTER) {
		errno = ENOENT;
		if (!registered)
			return -1;
		registered = NULL;
		return 0;
	}
	errno = EEXIST;
	if (req != LKVM_PVLOCK_REGISTER || registered)
		return -1;
	errno = EINVAL;
	if (reg->argsz != sizeof(*reg) || reg->flags)
		return -1;
	errno = ENOMEM;
	if ((void *)(uintptr_t)reg->addr == refused)
		return -1;
	registered = (void *)(uintptr_t)reg->addr;
	return 0;
}

static void begin(void *where)
{
	vcpu = (struct vcpu){ .vm = &vm, .pvlock.home = where };
	registered = refused = NULL;
	calls = 0;
}

TEST(without_the_option_nothing_is_asked)
{
	begin(NULL);
	vcpu.pvlock.guest = ram;
	CHECK_EQ(pvlock_update(&vcpu), 0);
	CHECK_EQ(calls, 0);
	CHECK_EQ(vcpu.pvlock.kind, PVLOCK_OFF);
}

TEST(a_thread_begins_with_the_flag_at_home_once)
{
	begin(home);
	CHECK_EQ(pvlock_update(&vcpu), 0);
	CHECK(registered == home);
	CHECK_EQ(vcpu.pvlock.kind, PVLOCK_SLOT);
	CHECK_EQ(pvlock_update(&vcpu), 0);
	CHECK_EQ(calls, 1);
}

TEST(the_flag_goes_where_the_guest_says_and_back)
{
	begin(home);
	CHECK_EQ(pvlock_update(&vcpu), 0);
	vcpu.pvlock.guest = ram + 64;
	CHECK_EQ(pvlock_update(&vcpu), 0);
	CHECK(registered == ram + 64);
	CHECK_EQ(vcpu.pvlock.kind, PVLOCK_GUEST);
	vcpu.pvlock.guest = NULL;
	CHECK_EQ(pvlock_update(&vcpu), 0);
	CHECK(registered == home);
	CHECK_EQ(vcpu.pvlock.kind, PVLOCK_SLOT);
}

TEST(what_the_module_refuses_is_an_error_and_can_be_tried_again)
{
	begin(home);
	CHECK_EQ(pvlock_update(&vcpu), 0);
	refused = ram;
	vcpu.pvlock.guest = ram;
	CHECK_EQ(pvlock_update(&vcpu), -ENOMEM);
	CHECK(!registered);
	vcpu.pvlock.guest = NULL;
	CHECK_EQ(pvlock_update(&vcpu), 0);
	CHECK(registered == home);
	registered = NULL;	/* behind our back */
	vcpu.pvlock.guest = ram;
	CHECK_EQ(pvlock_update(&vcpu), -ENOENT);
}

TEST(a_host_without_the_module_is_told_by_name)
{
	struct vm other = { .pvlock_fd = -1 };
	struct error err = { 0 };

	if (access(PVLOCK_DEVICE, F_OK) == 0)
		SKIP("the module is loaded here");
	CHECK_EQ(pvlock_open(&other, &err), -ENODEV);
	CHECK(strstr(err.msg, "--pv-lock") && strstr(err.msg, PVLOCK_DEVICE) && strstr(err.msg, "modprobe"));
	CHECK_EQ(other.pvlock_fd, -1);
	pvlock_close(&other);
}

TEST(every_kind_has_a_name)
{
	CHECK_STR(pvlock_kind_name(PVLOCK_OFF), "off");
	CHECK_STR(pvlock_kind_name(PVLOCK_KVM), "kvm");
	CHECK_STR(pvlock_kind_name(PVLOCK_SLOT), "module");
	CHECK_STR(pvlock_kind_name(PVLOCK_GUEST), "module, guest memory");
}

int main(void)
{
	RUN(without_the_option_nothing_is_asked);
	RUN(a_thread_begins_with_the_flag_at_home_once);
	RUN(the_flag_goes_where_the_guest_says_and_back);
	RUN(what_the_module_refuses_is_an_error_and_can_be_tried_again);
	RUN(a_host_without_the_module_is_told_by_name);
	RUN(every_kind_has_a_name);
	return tap_done();
}
