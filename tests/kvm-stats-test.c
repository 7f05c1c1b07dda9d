/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KVM's binary statistics from files of ours: what is read right, and each thing that makes no sense. [Documentation/virt/kvm/api 4.133]
 * links: kvm-stats.c util/str.c util/json.c util/json-parse.c util/log.c util/error.c
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/tap.h"
#include "util/json.h"
#include "util/log.h"
#include "vmm/kvm-stats.h"
#include "vmm/vm.h"

enum { NAME = 48, DESC = sizeof(struct kvm_stats_desc) + NAME, VALUES = 4, ID_OFF = 24, DESC_OFF = ID_OFF + NAME,
       DATA_OFF = DESC_OFF + VALUES * DESC, ITEMS = 7 };

static u8 file[DATA_OFF + ITEMS * 8];
static struct kvm_stats_header *head = (void *)file;
static int opened;		/* files that are open */

static struct kvm_stats_desc *desc(unsigned int i)
{
	return (void *)(file + DESC_OFF + i * DESC);
}

static char *name(unsigned int i)
{
	return (char *)(desc(i) + 1);
}

static void value(unsigned int i, const char *n, u32 type, u16 size, u32 item)
{
	*desc(i) = (struct kvm_stats_desc){ .flags = type, .size = size, .offset = item * 8 };
	strcpy(name(i), n);
}

static void good(void)
{
	u64 items[ITEMS] = { 5, ~0ULL, 1, 2, 3, 7, 9 };

	memset(file, 0, sizeof(file));
	*head = (struct kvm_stats_header){
		.name_size = NAME, .num_desc = VALUES, .id_offset = ID_OFF, .desc_offset = DESC_OFF, .data_offset = DATA_OFF,
	};
	value(0, "exits", KVM_STATS_TYPE_CUMULATIVE, 1, 1);
	value(1, "guest_mode", KVM_STATS_TYPE_INSTANT, 1, 0);
	value(2, "wait_hist", KVM_STATS_TYPE_LOG_HIST, 3, 2);
	value(3, "max_size", KVM_STATS_TYPE_PEAK, 1, 6);
	memcpy(file + DATA_OFF, items, sizeof(items));
}

static int make_file(size_t len)
{
	int fd = memfd_create("stats", MFD_CLOEXEC);

	if (fd < 0 || write(fd, file, len) != (ssize_t)len)
		abort();
	opened++;
	return fd;
}

static int try_open(size_t len)
{
	struct kvm_stats *s = NULL;
	int r = kvm_stats_open(make_file(len), &s);

	if ((r == 0) != (s != NULL))
		abort();
	kvm_stats_free(s);
	return r;
}

/* --- the VM's part, on an ioctl of ours --- */

static bool have_cap;
static unsigned int vcpu_fds;	/* so many can be had */
static unsigned int holds, released;

int vm_check_cap(const struct vm *vm, unsigned int cap) { return cap == KVM_CAP_BINARY_STATS_FD && have_cap; }
void vm_hold_vcpus(struct vm *vm) { holds++; }
void vm_release_vcpus(struct vm *vm) { released++; }

int ioctl(int fd, unsigned long req, ...)
{
	if (req != KVM_GET_STATS_FD || (fd != 100 && !vcpu_fds)) {
		errno = EMFILE;
		return -1;
	}
	vcpu_fds -= fd != 100;
	return make_file(sizeof(file));
}

static struct vcpu vcpu[200];
static struct vm vm = { .vm_fd = 100, .vcpu = vcpu, .cfg.cpus = 2 };

/* --- tests --- */

TEST(values_are_read_by_name)
{
	struct strbuf b = { 0 };
	struct kvm_stats *s;

	good();
	CHECK_EQ(kvm_stats_open(make_file(sizeof(file)), &s), 0);
	json_begin(&b, NULL);
	CHECK_EQ(kvm_stats_write(s, &b), 0);
	json_array_begin(&b, "levels");
	kvm_stats_write_levels(s, &b);
	json_array_end(&b);
	json_end(&b);
	strbuf_add(&b, "", 1);
	CHECK_STR(b.s, "{\"exits\":18446744073709551615,\"guest_mode\":5,\"wait_hist\":[1,2,3],\"max_size\":9,"
		  "\"levels\":[\"guest_mode\",\"max_size\"]}");
	strbuf_free(&b);
	kvm_stats_free(s);
}

TEST(each_look_reads_anew)
{
	struct strbuf b = { 0 };
	u64 now = 1234;
	struct kvm_stats *s;
	int fd;

	good();
	fd = make_file(sizeof(file));
	CHECK_EQ(kvm_stats_open(fd, &s), 0);
	CHECK_EQ(pwrite(fd, &now, 8, DATA_OFF + 8), 8);
	CHECK_EQ(kvm_stats_write(s, &b), 0);
	strbuf_add(&b, "", 1);
	CHECK(strstr(b.s, "\"exits\":1234,"));
	strbuf_free(&b);
	kvm_stats_free(s);
}

TEST(values_that_are_gone_add_nothing)
{
	struct strbuf b = { 0 };
	struct kvm_stats *s;
	int fd;

	good();
	fd = make_file(sizeof(file));
	CHECK_EQ(kvm_stats_open(fd, &s), 0);
	CHECK_EQ(ftruncate(fd, DATA_OFF + 8), 0);
	CHECK_EQ(kvm_stats_write(s, &b), -EPROTO);
	CHECK_EQ(b.len, 0);
	kvm_stats_free(s);
}

TEST(a_short_file_is_refused)
{
	size_t len;

	good();
	for (len = 0; len < DATA_OFF; len++)
		CHECK_EQ(try_open(len), -EPROTO);
	CHECK_EQ(try_open(DATA_OFF), 0);
}

#define REFUSED(change)                                                                                                \
	do {                                                                                                           \
		good();                                                                                                \
		change;                                                                                                \
		CHECK_EQ(try_open(sizeof(file)), -EPROTO);                                                             \
	} while (0)

TEST(a_header_without_sense_is_refused)
{
	REFUSED(head->num_desc = 0);
	REFUSED(head->num_desc = 1025);
	REFUSED(head->num_desc = ~0U);
	REFUSED(head->name_size = 0);
	REFUSED(head->name_size = 257);
	REFUSED(head->name_size = ~0U);
	REFUSED(head->desc_offset = ~0U);
	REFUSED(head->desc_offset = sizeof(file) - 8);
}

TEST(a_value_without_sense_is_refused)
{
	REFUSED(desc(1)->size = 0);
	REFUSED(desc(1)->size = 1025);
	REFUSED(desc(1)->size = 0xffff);
	REFUSED(desc(1)->offset = 4);
	REFUSED(desc(1)->offset = 0xfffffff8);
	REFUSED(desc(1)->offset = 256 * 1024);
	REFUSED(desc(2)->offset = 256 * 1024 - 16);
}

TEST(a_name_without_sense_is_refused)
{
	REFUSED(name(0)[0] = '\0');
	REFUSED(memset(name(0), 'a', NAME));
	REFUSED(name(0)[1] = '"');
	REFUSED(name(0)[1] = '\\');
	REFUSED(name(0)[1] = '\n');
	REFUSED(name(0)[1] = (char)0x9b);
}

TEST(a_value_far_away_is_read_there)
{
	struct strbuf b = { 0 };
	struct kvm_stats *s;
	u64 v = 77;
	int fd;

	good();
	desc(0)->offset = 256 * 1024 - 8;
	fd = make_file(sizeof(file));
	CHECK_EQ(pwrite(fd, &v, 8, DATA_OFF + 256 * 1024 - 8), 8);
	CHECK_EQ(kvm_stats_open(fd, &s), 0);
	CHECK_EQ(kvm_stats_write(s, &b), 0);
	strbuf_add(&b, "", 1);
	CHECK(strstr(b.s, "\"exits\":77,"));
	strbuf_free(&b);
	kvm_stats_free(s);
}

TEST(a_vm_opens_its_files_once_with_the_vcpus_held)
{
	good();
	have_cap = true;
	vcpu_fds = 2;
	opened = holds = released = 0;
	CHECK(vm_kvm_stats(&vm));
	CHECK(vcpu_kvm_stats(&vm, 0) && vcpu_kvm_stats(&vm, 1));
	CHECK(vcpu_kvm_stats(&vm, 0) != vcpu_kvm_stats(&vm, 1));
	CHECK_EQ(opened, 3);
	CHECK_EQ(holds, 1);
	CHECK_EQ(released, 1);
	vm_kvm_stats_free(&vm);
	vm_kvm_stats_free(&vm);
}

TEST(a_kvm_without_them_is_not_asked)
{
	have_cap = false;
	opened = holds = 0;
	CHECK(!vm_kvm_stats(&vm));
	CHECK(!vcpu_kvm_stats(&vm, 1));
	CHECK_EQ(opened, 0);
	CHECK_EQ(holds, 0);
	vm_kvm_stats_free(&vm);
}

TEST(vcpus_go_on_when_no_file_is_left_for_them)
{
	good();
	have_cap = true;
	vcpu_fds = 0;
	opened = holds = released = 0;
	CHECK(vm_kvm_stats(&vm));
	CHECK(!vcpu_kvm_stats(&vm, 0) && !vcpu_kvm_stats(&vm, 1));
	CHECK_EQ(opened, 1);
	CHECK_EQ(holds, released);
	vm_kvm_stats_free(&vm);
}

static unsigned int open_fds(void)
{
	unsigned int fd, n = 0;

	for (fd = 0; fd < 1000; fd++)
		n += fcntl((int)fd, F_GETFD) >= 0;
	return n;
}

/* A guest's driver, or a client, may need descriptors later: a look at counters does not keep the last of them. */
TEST(the_last_descriptors_are_given_back)
{
	unsigned int before = open_fds();

	good();
	have_cap = true;
	vcpu_fds = 100;
	vm.cfg.cpus = ARRAY_SIZE(vcpu);
	holds = released = 0;
	CHECK(vm_kvm_stats(&vm));
	CHECK(vcpu_kvm_stats(&vm, 0));
	CHECK(!vcpu_kvm_stats(&vm, 99) && !vcpu_kvm_stats(&vm, 100));
	CHECK(open_fds() <= before + 1 + 100 - 32);
	CHECK_EQ(holds, released);
	vm_kvm_stats_free(&vm);
	CHECK_EQ(open_fds(), before);
	vm.cfg.cpus = 2;
}

int main(void)
{
	log_set_level(LOG_ERROR);
	RUN(values_are_read_by_name);
	RUN(each_look_reads_anew);
	RUN(values_that_are_gone_add_nothing);
	RUN(a_short_file_is_refused);
	RUN(a_header_without_sense_is_refused);
	RUN(a_value_without_sense_is_refused);
	RUN(a_name_without_sense_is_refused);
	RUN(a_value_far_away_is_read_there);
	RUN(a_vm_opens_its_files_once_with_the_vcpus_held);
	RUN(a_kvm_without_them_is_not_asked);
	RUN(vcpus_go_on_when_no_file_is_left_for_them);
	RUN(the_last_descriptors_are_given_back);
	return tap_done();
}
