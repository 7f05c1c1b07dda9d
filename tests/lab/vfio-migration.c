/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lkvm's migration module (vfio/migration*.c, dirty.c) on two real devices, alike, of lkvm_vdev, without a guest:
 *
 *	vfio-migration PROTOCOL ABILITIES WAY IOMMU DEVICE DEVICE
 *
 * PROTOCOL is the one asked for, "v1" or "v2"; ABILITIES are VFIO_MIG_CAN_* that are to be found; WAY is "device" or "iommu",
 * how dirty pages are to be found, or "all" where they are not; IOMMU is "group" or "iommufd". vfio-migration.sh compiles it.
 *
 * links: vfio/sys.c vfio/info.c vfio/path.c vfio/device.c vfio/group.c vfio/group-map.c vfio/iommufd.c vfio/iommu.c vfio/kvm.c
 * links: vfio/migration.c vfio/migration-save.c vfio/migration-v1.c vfio/migration-v2.c vfio/dirty.c
 * links: memory.c memslot.c state.c util/str.c util/json.c util/error.c util/log.c util/cleanup.c util/io.c
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/pci_regs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/tap.h"
#include "uapi/lkvm/vdev.h"
#include "util/json.h"
#include "vfio/migration-protocol.h"
#include "vmm/vm.h"

enum { PAGE = 4096, RAM_PAGES = 1024, LOW = 0x100000, HIGH = 0x40000000, BAR2_SIZE = 65536, STREAM_MAX = 4 << 20, FIFO = 5 };

static struct vm vm;
static struct vfio_config cfg[2];
static struct vfio_device *dev[2];
static struct error err;
static const char *protocol, *way;
static unsigned int abilities;
static u8 stream[STREAM_MAX];

/* --- the device --- */

static u32 reg_read(struct vfio_device *vd, u32 off)
{
	u64 v = 0;
	int r = vfio_region_read(vd, vfio_region_get(vd, VFIO_PCI_BAR0_REGION_INDEX), off, 4, &v);

	if (r < 0)
		printf("# register %#x: error %d\n", off, -r);
	return (u32)v;
}

static void reg_write(struct vfio_device *vd, u32 off, u32 val)
{
	int r = vfio_region_write(vd, vfio_region_get(vd, VFIO_PCI_BAR0_REGION_INDEX), off, 4, val);

	if (r < 0)
		printf("# register %#x: error %d\n", off, -r);
}

static void reg_write64(struct vfio_device *vd, u32 off, u64 val)
{
	reg_write(vd, off, (u32)val);
	reg_write(vd, off + 4, (u32)(val >> 32));
}

static bool bar2(struct vfio_device *vd, u8 *buf, bool write)
{
	const struct vfio_region *r = vfio_region_get(vd, VFIO_PCI_BAR2_REGION_INDEX);

	return !(write ? vfio_region_pwrite(vd, r, 0, buf, BAR2_SIZE) : vfio_region_pread(vd, r, 0, buf, BAR2_SIZE));
}

static u8 pattern(unsigned int seed, unsigned int i)
{
	return (u8)(i * seed + (i >> 8) + seed);
}

static void enable(struct vfio_device *vd)
{
	vfio_region_write(vd, vfio_region_get(vd, VFIO_PCI_CONFIG_REGION_INDEX), PCI_COMMAND, 2,
			  PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

/* From power-on, its registers, its FIFO and its memory tell @seed. */
static bool fill(struct vfio_device *vd, unsigned int seed)
{
	static u8 mem[BAR2_SIZE];
	unsigned int i;

	if (vfio_migration_reset(vd->migration, &err) < 0)
		return false;
	enable(vd);
	for (i = 0; i < BAR2_SIZE; i++)
		mem[i] = pattern(seed, i);
	reg_write(vd, LKVM_VDEV_SCRATCH, seed);
	for (i = 0; i < FIFO; i++)
		reg_write(vd, LKVM_VDEV_FIFO, seed * 16 + i);
	return bar2(vd, mem, true);
}

/* Takes the FIFO's words. */
static bool tells(struct vfio_device *vd, unsigned int seed)
{
	static u8 mem[BAR2_SIZE];
	unsigned int i, wrong = 0;

	if (reg_read(vd, LKVM_VDEV_SCRATCH) != seed || reg_read(vd, LKVM_VDEV_FIFO_LEVEL) != FIFO || !bar2(vd, mem, false)) {
		printf("# scratch %#x, FIFO has %#x words\n", reg_read(vd, LKVM_VDEV_SCRATCH), reg_read(vd, LKVM_VDEV_FIFO_LEVEL));
		return false;
	}
	for (i = 0; i < FIFO; i++)
		wrong += reg_read(vd, LKVM_VDEV_FIFO) != seed * 16 + i;
	for (i = 0; i < BAR2_SIZE; i++)
		wrong += mem[i] != pattern(seed, i);
	if (wrong)
		printf("# %u words or bytes are wrong\n", wrong);
	return !wrong;
}

/* As after a reset: its registers read, and hold nothing. */
static bool is_new(struct vfio_device *vd)
{
	enable(vd);
	return reg_read(vd, LKVM_VDEV_ID) == LKVM_VDEV_MAGIC && !reg_read(vd, LKVM_VDEV_SCRATCH) && !reg_read(vd, LKVM_VDEV_FIFO_LEVEL) &&
	       vfio_migration_state(vd->migration) == VFIO_MIG_RUNNING;
}

static void faults(unsigned int bits)
{
	FILE *f = fopen("/sys/module/lkvm_vdev/parameters/faults", "w");

	if (!f || fprintf(f, "%u\n", bits) < 0 || fclose(f))
		printf("# cannot set faults: %s\n", strerror(errno));
}

/* --- streams --- */

static ssize_t read_some(struct vfio_device *vd, u8 *buf, size_t room, size_t step)
{
	size_t at = 0;
	ssize_t n;

	while (at < room) {
		n = vfio_migration_read(vd->migration, buf + at, MIN(step, room - at));
		if (n < 0 && n != -EAGAIN)
			return n;
		if (n <= 0)
			return (ssize_t)at;
		at += (size_t)n;
	}
	return -E2BIG;
}

/*
 * @len bytes of stream to the device, which is to run then. @step 1: byte by byte; by v1, where each takes three accesses of
 * the region, only those at both ends.
 */
static int give(struct vfio_device *vd, size_t len, size_t step)
{
	const size_t ends = strcmp(protocol, "v1") ? len : 3000;
	size_t at, n;
	int r = vfio_migration_set_state(vd->migration, VFIO_MIG_RESUMING, &err);

	for (at = 0; r >= 0 && at < len; at += n) {
		n = MIN(step == 1 && at >= ends && at + ends < len ? 1000 : step, len - at);
		r = vfio_migration_write(vd->migration, stream + at, n);
	}
	return r < 0 ? r : vfio_migration_set_state(vd->migration, VFIO_MIG_RUNNING, &err);
}

static int load(struct vfio_device *vd, const struct state_writer *w)
{
	struct state_reader r;
	int ret;

	state_reader_init(&r, w->buf.s, w->buf.len);
	ret = vfio_migration_load(vd->migration, &r, &err);
	if (ret >= 0)
		ret = vfio_migration_run_all(&vm, &err);
	return ret;
}

/* As CHECK_EQ of 0, and what was said. */
#define CHECK_OK(r)                                                                                                    \
	do {                                                                                                           \
		int ok_ = (r);                                                                                         \
		if (ok_ < 0)                                                                                           \
			printf("# %s\n", err.msg);                                                                     \
		CHECK_EQ(ok_, 0);                                                                                      \
	} while (0)

/* --- tests --- */

TEST(the_device_offers_what_it_was_made_with)
{
	struct strbuf b = { NULL };

	json_begin(&b, NULL);
	vfio_migration_stats(dev[0], &b);
	json_end(&b);
	printf("# %.*s\n", (int)b.len, b.s);
	strbuf_free(&b);
	CHECK_STR(dev[0]->migration->ops->name, protocol);
	CHECK_EQ(dev[0]->migration->abilities, abilities);
	CHECK_EQ(vfio_migration_state(dev[0]->migration), VFIO_MIG_RUNNING);
}

TEST(one_device_becomes_the_other)
{
	struct state_writer w = { .open = false };

	CHECK(fill(dev[0], 3) && fill(dev[1], 4));
	CHECK_OK(vfio_migration_save(dev[0]->migration, &w, &err));
	CHECK_EQ(vfio_migration_state(dev[0]->migration), VFIO_MIG_STOP);
	CHECK_OK(load(dev[1], &w));
	CHECK(tells(dev[1], 3));
	CHECK(tells(dev[0], 3));	/* still itself */
	state_writer_free(&w);
}

TEST(byte_by_byte)
{
	static u8 again[STREAM_MAX];
	ssize_t len;

	CHECK(fill(dev[0], 5) && fill(dev[1], 6));
	CHECK_OK(vfio_migration_set_state(dev[0]->migration, VFIO_MIG_STOP_COPY, &err));
	len = read_some(dev[0], stream, sizeof(stream), 1);
	CHECK(len > BAR2_SIZE);
	CHECK_OK(vfio_migration_set_state(dev[0]->migration, VFIO_MIG_STOP, &err));
	CHECK_OK(vfio_migration_set_state(dev[0]->migration, VFIO_MIG_STOP_COPY, &err));
	CHECK_EQ(read_some(dev[0], again, sizeof(again), sizeof(again)), len);
	CHECK(!memcmp(stream, again, (size_t)len));
	CHECK_OK(vfio_migration_set_state(dev[0]->migration, VFIO_MIG_RUNNING, &err));
	CHECK_OK(give(dev[1], (size_t)len, 1));
	CHECK(tells(dev[1], 5));
}

TEST(pre_copy_then_what_changed)
{
	struct vfio_mig_pending p;
	ssize_t n, rest;
	u8 b;

	if (!(abilities & VFIO_MIG_CAN_PRE_COPY))
		SKIP("the device has no pre-copy");
	CHECK(fill(dev[0], 7) && fill(dev[1], 8));
	CHECK_OK(vfio_migration_set_state(dev[0]->migration, VFIO_MIG_PRE_COPY, &err));
	n = read_some(dev[0], stream, sizeof(stream), 1000);
	CHECK(n > 0);
	CHECK_EQ(vfio_migration_read(dev[0]->migration, &b, 1), -EAGAIN);
	CHECK_EQ(vfio_migration_pending(dev[0]->migration, &p), 0);
	CHECK_EQ(p.initial, 0);
	reg_write(dev[0], LKVM_VDEV_SCRATCH, 9);	/* it runs */
	CHECK_OK(vfio_migration_set_state(dev[0]->migration, VFIO_MIG_STOP_COPY, &err));
	CHECK_EQ(vfio_migration_set_state(dev[0]->migration, VFIO_MIG_PRE_COPY, &err), -EINVAL);
	rest = read_some(dev[0], stream + n, sizeof(stream) - (size_t)n, 1000);
	CHECK(rest > 0);
	CHECK_EQ(vfio_migration_read(dev[0]->migration, &b, 1), 0);
	CHECK_OK(vfio_migration_set_state(dev[0]->migration, VFIO_MIG_RUNNING, &err));
	CHECK_OK(give(dev[1], (size_t)(n + rest), 777));
	CHECK_EQ(reg_read(dev[1], LKVM_VDEV_SCRATCH), 9);
	reg_write(dev[1], LKVM_VDEV_SCRATCH, 7);
	CHECK(tells(dev[1], 7));
}

TEST(a_stream_that_is_cut_is_refused_and_reset_recovers)
{
	size_t cut[6];
	unsigned int i;
	ssize_t len;

	CHECK(fill(dev[0], 10));
	CHECK_OK(vfio_migration_set_state(dev[0]->migration, VFIO_MIG_STOP_COPY, &err));
	len = read_some(dev[0], stream, sizeof(stream), 4096);
	CHECK(len > BAR2_SIZE);
	CHECK_OK(vfio_migration_set_state(dev[0]->migration, VFIO_MIG_RUNNING, &err));
	cut[0] = 1;
	cut[1] = 30;
	cut[2] = 4096;
	cut[3] = (size_t)len / 2;
	cut[4] = (size_t)len - 100;
	cut[5] = (size_t)len - 1;
	for (i = 0; i < ARRAY_SIZE(cut); i++) {
		CHECK(fill(dev[1], 11));
		CHECK(give(dev[1], cut[i], 4096) < 0);
		CHECK_EQ(vfio_migration_state(dev[1]->migration), VFIO_MIG_ERROR);
		CHECK_EQ(vfio_migration_set_state(dev[1]->migration, VFIO_MIG_RUNNING, &err), -EIO);
		CHECK_OK(vfio_migration_reset(dev[1]->migration, &err));
		CHECK(is_new(dev[1]));
	}
	CHECK_OK(give(dev[1], (size_t)len, 4096));
	CHECK(tells(dev[1], 10));
}

TEST(a_changed_stream_is_refused_and_reset_recovers)
{
	struct state_writer w = { .open = false };
	unsigned int i;
	size_t at;

	CHECK(fill(dev[0], 12));
	CHECK_OK(vfio_migration_save(dev[0]->migration, &w, &err));
	CHECK_OK(vfio_migration_run_all(&vm, &err));
	/* 150: past our own head, which is refused before the device sees it */
	for (i = 0; i < 40; i++) {
		at = i < 20 ? 150 + i * 5 : 150 + (w.buf.len - 170) / 20 * (i - 20);
		CHECK(fill(dev[1], 13));
		w.buf.s[at] ^= 0x20;
		CHECK(load(dev[1], &w) < 0);
		w.buf.s[at] ^= 0x20;
		CHECK(is_new(dev[1]) || tells(dev[1], 13));
	}
	CHECK_OK(load(dev[1], &w));
	CHECK(tells(dev[1], 12));
	state_writer_free(&w);
}

TEST(a_device_that_fails_is_told_and_recovers)
{
	static const unsigned int bad[] = { 1, 16 };	/* a wrong byte, an end that is too early */
	struct state_writer w = { .open = false };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK(fill(dev[0], 14) && fill(dev[1], 15));
		faults(bad[i]);
		CHECK_OK(vfio_migration_save(dev[0]->migration, &w, &err));
		faults(0);
		CHECK_OK(vfio_migration_run_all(&vm, &err));
		CHECK(load(dev[1], &w) < 0);
		printf("# %s\n", err.msg);
		CHECK(is_new(dev[1]));
		state_writer_free(&w);
		w = (struct state_writer){ .open = false };
	}
	CHECK(fill(dev[0], 16));
	faults(4);	/* the next step fails */
	CHECK(vfio_migration_set_state(dev[0]->migration, VFIO_MIG_STOP, &err) < 0);
	printf("# %s\n", err.msg);
	CHECK(vfio_migration_state(dev[0]->migration) != VFIO_MIG_ERROR);
	CHECK_OK(vfio_migration_set_state(dev[0]->migration, VFIO_MIG_RUNNING, &err));
	faults(8);	/* in ERROR */
	CHECK(vfio_migration_save(dev[0]->migration, &w, &err) < 0);
	printf("# %s\n", err.msg);
	CHECK_EQ(w.buf.len, 0);
	CHECK(is_new(dev[0]));
	CHECK(fill(dev[0], 17) && fill(dev[1], 18));
	faults(2);	/* slow, and little at a time */
	CHECK_OK(vfio_migration_save(dev[0]->migration, &w, &err));
	CHECK_OK(load(dev[1], &w));
	faults(0);
	CHECK(tells(dev[1], 17));
	state_writer_free(&w);
}

/* --- two devices: the module numbers the transitions of all --- */

static unsigned int transition(unsigned int n, const char *to, unsigned int after)
{
	char path[VFIO_PATH + 32], line[128], from[32], there[32];
	unsigned int nr, found = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/transitions", cfg[n].device);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%u %31s %31s", &nr, from, there) == 3 && nr > after && !strcmp(there, to) && !found)
			found = nr;
	if (f)
		fclose(f);
	return found;
}

TEST(both_are_quiet_before_one_stops)
{
	unsigned int before, i, k;

	if (!(abilities & VFIO_MIG_CAN_P2P))
		SKIP("the device has no P2P states");
	CHECK(fill(dev[0], 20) && fill(dev[1], 21));
	before = MAX(transition(0, "RUNNING", 0), transition(1, "RUNNING", 0));
	for (i = 0; i < 2; i++)		/* the latest of all */
		while ((k = transition(i, "RUNNING", before)))
			before = k;
	CHECK_OK(vfio_migration_quiesce_all(&vm, VFIO_MIG_STOP_COPY, &err));
	for (i = 0; i < 2; i++)
		for (k = 0; k < 2; k++)
			CHECK(transition(i, "RUNNING_P2P", before) && transition(i, "RUNNING_P2P", before) < transition(k, "STOP", before));
	before = MAX(transition(0, "STOP_COPY", before), transition(1, "STOP_COPY", before));
	CHECK(before);
	CHECK_OK(vfio_migration_run_all(&vm, &err));
	for (i = 0; i < 2; i++)
		for (k = 0; k < 2; k++)
			CHECK(transition(i, "RUNNING_P2P", before) && transition(i, "RUNNING_P2P", before) < transition(k, "RUNNING", before));
	CHECK(tells(dev[0], 20) && tells(dev[1], 21));
}

/* --- dirty pages --- */

static bool dma_fill(struct vfio_device *vd, u64 gpa, u32 len)
{
	reg_write64(vd, LKVM_VDEV_DMA_DST, gpa);
	reg_write(vd, LKVM_VDEV_DMA_LEN, len);
	reg_write(vd, LKVM_VDEV_DMA_PATTERN, 0x5a5a5a5a);
	reg_write(vd, LKVM_VDEV_DMA_CMD, LKVM_VDEV_DMA_FILL);
	return reg_read(vd, LKVM_VDEV_DMA_STATUS) == LKVM_VDEV_DMA_DONE;
}

static unsigned int count(const u64 *bits)
{
	unsigned int i, n = 0;

	for (i = 0; i < RAM_PAGES / 64; i++)
		n += (unsigned int)__builtin_popcountll(bits[i]);
	return n;
}

static bool bit(const u64 *bits, unsigned int i)
{
	return bits[i / 64] >> i % 64 & 1;
}

static enum vfio_dirty_way way_wanted(void)
{
	if (!strcmp(way, "all"))
		return VFIO_DIRTY_ALL;
	return !strcmp(way, "device") ? VFIO_DIRTY_DEVICE : VFIO_DIRTY_IOMMU;
}

TEST(where_nothing_is_found_all_pages_count)
{
	u64 low[RAM_PAGES / 64] = { 0 };
	struct vfio_dirty *d;

	if (way_wanted() != VFIO_DIRTY_ALL)
		SKIP("there is a way to find them");
	CHECK_EQ(vfio_dirty_start(&vm, &d, &err), 0);
	CHECK_EQ(vfio_dirty_way_of(d, dev[0]), VFIO_DIRTY_ALL);
	CHECK_EQ(vfio_dirty_read(d, LOW, RAM_PAGES * PAGE, low), 0);
	CHECK_EQ(count(low), RAM_PAGES);
	vfio_dirty_stop(d);
}

TEST(pages_that_devices_write_are_found_once)
{
	u64 low[RAM_PAGES / 64] = { 0 }, high[RAM_PAGES / 64] = { 0 };
	struct vfio_dirty *d;

	if (way_wanted() == VFIO_DIRTY_ALL)
		SKIP("there is no way to find them");
	CHECK(fill(dev[0], 22) && fill(dev[1], 23));
	CHECK_EQ(vfio_dirty_start(&vm, &d, &err), 0);
	CHECK_EQ(vfio_dirty_way_of(d, dev[0]), way_wanted());
	CHECK_EQ(vfio_dirty_way_of(d, dev[1]), vfio_dirty_way_of(d, dev[0]));
	CHECK(dma_fill(dev[0], LOW, 4) && dma_fill(dev[0], LOW + 5 * PAGE + 4092, 8) && dma_fill(dev[1], HIGH + 1023ULL * PAGE, PAGE));
	CHECK_EQ(*(u32 *)vm.mem.ram[0].hva, 0x5a5a5a5a);
	CHECK_EQ(vfio_dirty_read(d, LOW, RAM_PAGES * PAGE, low), 0);
	CHECK_EQ(vfio_dirty_read(d, HIGH, RAM_PAGES * PAGE, high), 0);
	CHECK_EQ(count(low), 3);
	CHECK(bit(low, 0) && bit(low, 5) && bit(low, 6));
	CHECK_EQ(count(high), 1);
	CHECK(bit(high, 1023));
	memset(low, 0, sizeof(low));
	memset(high, 0, sizeof(high));
	CHECK(dma_fill(dev[1], LOW + 70 * PAGE, 4) && dma_fill(dev[1], LOW + 200 * PAGE, 4));
	CHECK_EQ(vfio_dirty_read(d, LOW + 64 * PAGE, 10 * PAGE, low), 0);	/* a part, then the rest */
	CHECK_EQ(low[0], 1 << 6);
	memset(low, 0, sizeof(low));
	CHECK_EQ(vfio_dirty_read(d, LOW, RAM_PAGES * PAGE, low), 0);
	CHECK_EQ(count(low), 1);
	CHECK(bit(low, 200));
	CHECK_EQ(vfio_dirty_read(d, HIGH, RAM_PAGES * PAGE, high), 0);
	CHECK_EQ(count(high), 0);
	vfio_dirty_stop(d);
	CHECK_EQ(vfio_dirty_start(&vm, &d, &err), 0);	/* once more */
	vfio_dirty_stop(d);
}

/* --- */

static int setup(const char *iommu, char **path)
{
	static const u64 gpa[] = { LOW, HIGH };
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), r = 0;
	unsigned int i;

	vm.vm_fd = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, 0);
	close(kvm);
	if (vm.vm_fd < 0)
		return error_set_errno(&err, -errno, "/dev/kvm");
	pthread_mutex_init(&vm.slot_lock, NULL);
	list_init(&vm.ram_listeners);
	for (i = 0; i < ARRAY_SIZE(gpa); i++) {
		void *p = mmap(NULL, RAM_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED || guest_mem_add(&vm.mem, gpa[i], RAM_PAGES * PAGE, p) < 0)
			return error_set(&err, -ENOMEM, "no memory");
	}
	for (i = 0; r >= 0 && i < ARRAY_SIZE(dev); i++) {
		cfg[i] = (struct vfio_config){ .device = path[i], .option = "--vfio",
					       .iommu = !strcmp(iommu, "group") ? VFIO_IOMMU_GROUP : VFIO_IOMMU_IOMMUFD,
					       .migration = !strcmp(protocol, "v1") ? VFIO_MIGRATION_V1 : VFIO_MIGRATION_V2 };
		r = vfio_device_open(&vm, &cfg[i], &dev[i], &err);
		if (r >= 0)
			r = vfio_migration_create(dev[i], &dev[i]->migration, &err);
	}
	return r;
}

int main(int argc, char **argv)
{
	unsigned int i;

	if (argc != 7)
		return 2;
	protocol = argv[1];
	abilities = (unsigned int)atoi(argv[2]);
	way = argv[3];
	if (setup(argv[4], argv + 5) < 0) {
		printf("Bail out! %s\n", err.msg);
		return 1;
	}
	RUN(the_device_offers_what_it_was_made_with);
	RUN(one_device_becomes_the_other);
	RUN(byte_by_byte);
	RUN(pre_copy_then_what_changed);
	RUN(a_stream_that_is_cut_is_refused_and_reset_recovers);
	RUN(a_changed_stream_is_refused_and_reset_recovers);
	RUN(a_device_that_fails_is_told_and_recovers);
	RUN(both_are_quiet_before_one_stops);
	RUN(pages_that_devices_write_are_found_once);
	RUN(where_nothing_is_found_all_pages_count);
	for (i = 0; i < ARRAY_SIZE(dev); i++) {
		vfio_migration_free(dev[i]->migration);
		vfio_device_close(dev[i]);
	}
	vfio_free(&vm);
	return tap_done();
}
