/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which of the host's PMUs counts for a guest: a sysfs of ours, and a KVM.
 * links: arm/pmu.c util/cpulist.c util/str.c util/error.c util/log.c
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arm/arm.h"
#include "arm/pmu.h"
#include "tests/tap.h"
#include "util/cpulist.h"
#include "vmm/vm.h"

static char dir[] = "/tmp/lkvm-pmu-XXXXXX";
static struct cpu_list cpus;
static struct error err;
static char calls[256];
static int fail_attr;
static unsigned int id;

int ioctl(int fd, unsigned long req, ...)
{
	struct kvm_device_attr *a;
	char one[32];
	va_list ap;

	va_start(ap, req);
	a = va_arg(ap, struct kvm_device_attr *);
	va_end(ap);
	if (req != KVM_SET_DEVICE_ATTR || a->group || (int)a->attr == fail_attr) {
		errno = EBUSY;
		return -1;
	}
	snprintf(one, sizeof(one), "%d:%d=%d ", fd, (int)a->attr, a->addr ? *(int *)(uintptr_t)a->addr : -1);
	strncat(calls, one, sizeof(calls) - strlen(calls) - 1);
	return 0;
}

static void write_file(const char *pmu, const char *name, const char *text)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, pmu);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/%s/%s", dir, pmu, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		abort();
	close(fd);
}

static void clear(void)
{
	static const char *const pmu[] = { "software", "uncore", "little", "big", "odd" }, *const file[] = { "type", "cpus", "cpumask" };
	unsigned int i, j;
	char path[128];

	for (i = 0; i < ARRAY_SIZE(pmu); i++) {
		for (j = 0; j < ARRAY_SIZE(file); j++) {
			snprintf(path, sizeof(path), "%s/%s/%s", dir, pmu[i], file[j]);
			unlink(path);
		}
		snprintf(path, sizeof(path), "%s/%s", dir, pmu[i]);
		rmdir(path);
	}
}

static void plain(void)
{
	clear();
	write_file("software", "type", "1\n");
	write_file("uncore", "type", "11\n");
	write_file("uncore", "cpumask", "0\n");
}

static void big_little(void)
{
	plain();
	write_file("little", "type", "8\n");
	write_file("little", "cpus", "0-3\n");
	write_file("big", "type", "9\n");
	write_file("big", "cpus", "4-5\n");
	write_file("odd", "cpus", "rubbish");
	write_file("odd", "type", "10\n");
}

static int find(const char *list)
{
	id = 77;
	return cpu_list_parse(list, &cpus) ?: arm_pmu_find(dir, &cpus, &id);
}

TEST(the_one_with_all_cpus_is_found)
{
	big_little();
	CHECK_EQ(find("0,2"), 0);
	CHECK_EQ(id, 8);
	CHECK_EQ(find("5"), 0);
	CHECK_EQ(id, 9);
	CHECK_EQ(find("3-4"), -ESRCH);
	CHECK_EQ(find("6"), -ESRCH);
	CHECK_EQ(id, 77);
}

TEST(one_without_a_sane_number_is_passed_over)
{
	big_little();
	write_file("big", "type", "4294967296\n");
	CHECK_EQ(find("5"), -ESRCH);
	write_file("big", "type", "");
	CHECK_EQ(find("5"), -ESRCH);
}

TEST(hosts_that_do_not_tell_leave_it_to_kvm)
{
	plain();
	CHECK_EQ(find("0"), -ENOENT);
	clear();
	CHECK_EQ(find("0"), -ENOENT);
	CHECK_EQ(arm_pmu_find("/nonexistent", &cpus, &id), -ENOENT);
}

TEST(each_vcpu_gets_its_interrupt_and_then_begins)
{
	struct arch_vm arch = { .features.pmu = true };
	struct vcpu vcpu[2] = { { .fd = 100 }, { .fd = 101 } };
	static struct vm vm;

	vm.arch = &arch;
	vm.vcpu = vcpu;
	vm.cfg.cpus = 2;
	fail_attr = -1;
	CHECK_EQ(arm_vcpus_finish(&vm, &err), 0);
	CHECK_STR(calls, "100:0=23 100:1=-1 101:0=23 101:1=-1 ");
	fail_attr = 1;
	CHECK_EQ(arm_vcpus_finish(&vm, &err), -EBUSY);
	CHECK(strstr(err.msg, "--pmu"));
	arch.features.pmu = false;
	CHECK_EQ(arm_vcpus_finish(&vm, &err), 0);
}

int main(void)
{
	int r;

	if (!mkdtemp(dir))
		abort();
	RUN(the_one_with_all_cpus_is_found);
	RUN(one_without_a_sane_number_is_passed_over);
	RUN(hosts_that_do_not_tell_leave_it_to_kvm);
	RUN(each_vcpu_gets_its_interrupt_and_then_begins);
	r = tap_done();
	clear();
	rmdir(dir);
	return r;
}
