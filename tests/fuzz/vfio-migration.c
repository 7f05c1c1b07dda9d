/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Migration with a device that lies and a state that somebody else wrote. Two devices answer from the input: states, files,
 * offsets and lengths that are wrong, errors anywhere. What must hold: nothing outside the region is touched, every file that
 * came is closed once, what was saved is well formed and a save that failed left nothing, a device that was loaded waits, and
 * everything ends.
 *
 *	input := wish, flags, areas | op*		op := kind, device | operands
 *
 * links: vfio/migration.c vfio/migration-save.c vfio/migration-v1.c vfio/migration-v2.c
 * links: state.c util/str.c util/json.c util/error.c util/log.c util/cleanup.c
 */
#include <errno.h>

#include "tests/fuzz/input.h"
#include "util/json.h"
#include "util/log.h"
#include "vfio/migration-protocol.h"
#include "vmm/vm.h"

enum { DEVICES = 2, REGION = 3 * 4096, FIRST_FILE = 1000, FILES = 4096 };

struct liar {
	struct vfio_device vd;		/* first */
	struct vfio_config cfg;
	struct vfio_region regions[10];
	u64 flags;
	u32 state;			/* as the protocol has it */
	u8 regs[32];
};

static struct liar dev[DEVICES];
static struct vfio_host host;
static struct vm vm;
static struct input in;
static bool open_file[FILES];
static unsigned int files, maps;

/* Not this time: a few answers of a hundred. After the input's end the device is honest. */
static bool lies(void)
{
	return take(&in, 1) > 240;
}

static int new_file(void)
{
	if (files == FILES)
		return -1;
	open_file[files] = true;
	return FIRST_FILE + (int)files++;
}

void vfio_sys_close(int fd)
{
	if (fd < 0)
		return;
	MUST(fd >= FIRST_FILE && fd - FIRST_FILE < (int)files && open_file[fd - FIRST_FILE]);
	open_file[fd - FIRST_FILE] = false;
}

static bool is_open(int fd)
{
	return fd >= FIRST_FILE && open_file[fd - FIRST_FILE];
}

ssize_t vfio_sys_read(int fd, void *buf, size_t len)
{
	size_t n = MIN(len, (size_t)take(&in, 2));

	MUST(len);
	if (lies())
		return -(ssize_t)take(&in, 1);
	if (!is_open(fd))
		return -EBADF;
	n = MIN(n, in.left);
	take_bytes(&in, buf, n);
	return (ssize_t)n;
}

ssize_t vfio_sys_write(int fd, const void *buf, size_t len)
{
	if (lies())
		return (ssize_t)take(&in, 2) - 200;
	return is_open(fd) ? (ssize_t)MIN(len, (size_t)take(&in, 1) + 1) : -EBADF;
}

int vfio_sys_ioctl(int fd, unsigned long request, void *arg)
{
	struct uapi_vfio_precopy_info *info = arg;

	if (lies() || !is_open(fd))
		return -EINVAL;
	info->initial_bytes = take(&in, 8);
	info->dirty_bytes = take(&in, 8);
	return 0;
}

static int feature_state(struct liar *l, bool set, struct vfio_device_feature_mig_state *s)
{
	bool lie = lies();
	u8 how = lie ? (u8)take(&in, 1) : 0;

	if (!set) {
		s->device_state = lie ? (u32)take(&in, 4) : l->state;
		return how & 1 ? -EIO : 0;
	}
	if (how & 2)
		l->state = (u32)take(&in, 1) % 9;	/* came somewhere else */
	if (how & 1)
		return -EIO;
	if (!lie && l->state == VFIO_MIG_ERROR)
		return -EINVAL;
	/* a file where there is to be one; a lie is the other way round */
	if ((vfio_mig_saves(s->device_state) || s->device_state == VFIO_MIG_RESUMING) != !!(how & 4) &&
	    !(vfio_mig_saves(s->device_state) && vfio_mig_saves(l->state)))
		s->data_fd = new_file();
	if (!(how & 2))
		l->state = s->device_state;
	return 0;
}

int vfio_feature(struct vfio_device *vd, u32 flags, void *data, size_t len)
{
	struct liar *l = container_of(vd, struct liar, vd);

	switch (flags & VFIO_DEVICE_FEATURE_MASK) {
	case VFIO_DEVICE_FEATURE_MIGRATION:
		((struct vfio_device_feature_migration *)data)->flags = l->flags;
		return l->flags ? 0 : -ENOTTY;
	case VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE:
		return feature_state(l, flags & VFIO_DEVICE_FEATURE_SET, data);
	case VFIO_DEVICE_FEATURE_MIG_DATA_SIZE:
		*(u64 *)data = take(&in, 8);
		return lies() ? -ENOTTY : 0;
	}
	return -ENOTTY;
}

int vfio_device_reset(struct vfio_device *vd)
{
	struct liar *l = container_of(vd, struct liar, vd);

	if (lies())
		return -EIO;
	l->state = VFIO_MIG_RUNNING;
	l->regs[0] = VFIO_DEVICE_STATE_V1_RUNNING;
	return 0;
}

const char *vfio_device_name(const struct vfio_device *vd)
{
	return "liar";
}

/* --- the region --- */

static void must_be_inside(const struct vfio_region *r, u64 off, u64 len)
{
	MUST(off <= r->size && len <= r->size - off);
}

int vfio_region_read(struct vfio_device *vd, const struct vfio_region *r, u64 off, unsigned int size, u64 *ret)
{
	struct liar *l = container_of(vd, struct liar, vd);

	must_be_inside(r, off, size);
	if (lies())
		return -EIO;
	*ret = 0;
	if (r->index == VFIO_PCI_CONFIG_REGION_INDEX)
		*ret = 0x1234;
	else if (off == 0)
		*ret = lies() ? take(&in, 4) : l->regs[0];
	else if (off == 16)
		*ret = lies() ? take(&in, 8) : 4000;
	else if (off == 24)
		*ret = lies() ? take(&in, 8) : MIN(take(&in, 2), in.left);
	else
		*ret = in.left;		/* pending_bytes: ends with the input */
	return 0;
}

int vfio_region_write(struct vfio_device *vd, const struct vfio_region *r, u64 off, unsigned int size, u64 val)
{
	struct liar *l = container_of(vd, struct liar, vd);

	must_be_inside(r, off, size);
	MUST(off == 0 || off == 24);
	if (lies())
		return -EIO;
	if (!off)
		l->regs[0] = lies() ? (u8)take(&in, 1) : (u8)val;
	return 0;
}

int vfio_region_pread(struct vfio_device *vd, const struct vfio_region *r, u64 off, void *buf, size_t len)
{
	must_be_inside(r, off, len);
	take_bytes(&in, buf, len);
	return lies() ? -EIO : 0;
}

int vfio_region_pwrite(struct vfio_device *vd, const struct vfio_region *r, u64 off, const void *buf, size_t len)
{
	must_be_inside(r, off, len);
	return lies() ? -EIO : 0;
}

int vfio_region_mmap(struct vfio_device *vd, const struct vfio_region *r, const struct vfio_area *area, void **ret)
{
	must_be_inside(r, area->off, area->size);
	if (lies())
		return -ENOMEM;
	*ret = calloc(1, area->size);	/* of exact size: one byte too far is seen */
	MUST(*ret);
	maps++;
	return 0;
}

void vfio_sys_munmap(void *p, size_t len)
{
	free(p);
	maps--;
}

const struct vfio_region *vfio_region_get(const struct vfio_device *vd, u32 index)
{
	return vd->region[index].size ? &vd->region[index] : NULL;
}

const struct vfio_region *vfio_region_find(const struct vfio_device *vd, u32 type, u32 subtype)
{
	return vd->region[9].size ? &vd->region[9] : NULL;
}

/* --- */

static void make(struct liar *l)
{
	u8 kind = (u8)take(&in, 1), areas = (u8)take(&in, 1);
	unsigned int i;

	memset(l, 0, sizeof(*l));
	l->cfg = (struct vfio_config){ .device = "x", .option = "--vfio", .migration = (enum vfio_migration_kind)(kind & 3) };
	l->vd.cfg = &l->cfg;
	l->vd.region = l->regions;
	l->vd.nr_regions = ARRAY_SIZE(l->regions);
	for (i = 0; i < l->vd.nr_regions; i++)
		l->regions[i].index = i;
	l->regions[VFIO_PCI_CONFIG_REGION_INDEX].size = 256;
	l->flags = kind >> 2 & 7;
	l->state = VFIO_MIG_RUNNING;
	l->regs[0] = VFIO_DEVICE_STATE_V1_RUNNING;
	if (kind & 0x20) {
		l->regions[9].size = kind & 0x40 ? REGION : kind & 0x80 ? 33 : 32;
		l->regions[9].flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	}
	/* pages 0..2 that may be mapped */
	for (i = 0; i < 3 && l->regions[9].size == REGION; i++)
		if (areas >> i & 1)
			l->regions[9].area[l->regions[9].nr_areas++] = (struct vfio_area){ i * 4096, 4096 };
	list_add_tail(&host.devices, &l->vd.node);
	if (vfio_migration_create(&l->vd, &l->vd.migration, NULL) < 0)
		MUST(!l->vd.migration);
}

static void check_sections(const struct state_writer *w)
{
	struct state_reader r;
	unsigned int n = 0;
	u32 version;

	state_reader_init(&r, w->buf.s, w->buf.len);
	for (; r.off < r.len; r.off = r.end, n++)
		MUST(!state_open(&r, n ? "vfio-migration-data" : "vfio-migration", 1, &version));
	MUST(n >= 2);
}

static void load(struct vfio_migration *m, const char *p, size_t len)
{
	char *copy = malloc(len + !len);
	enum vfio_mig_state now;
	struct state_reader r;
	struct error err;

	MUST(copy);
	if (len)
		memcpy(copy, p, len);
	state_reader_init(&r, copy, len);
	if (!vfio_migration_load(m, &r, &err)) {
		now = m->state;
		MUST(r.off <= r.len && (now == VFIO_MIG_STOP || now == VFIO_MIG_RESUMING));
	}
	free(copy);
}

/* What the device saves is loaded with a few bytes changed, or cut. */
static void save_and_load(struct vfio_migration *from, struct vfio_migration *to)
{
	struct state_writer w = { .open = false };
	unsigned int n = (unsigned int)take(&in, 1) % 8;

	if (vfio_migration_save(from, &w, NULL) < 0) {
		MUST(!w.buf.len && !w.open);
	} else {
		check_sections(&w);
		for (; n > 1; n--) {
			u64 at = take(&in, 2) % w.buf.len;

			w.buf.s[at] = (char)take(&in, 1);
		}
		load(to, w.buf.s, n ? w.buf.len : take(&in, 2) % w.buf.len);
	}
	state_writer_free(&w);
}

static void load_raw(struct vfio_migration *m)
{
	static const char *const names[] = { "vfio-migration", "vfio-migration-data" };
	struct state_writer w = { .open = false };
	unsigned int i, sections = (unsigned int)take(&in, 1) % 4;

	for (i = 0; i < sections; i++) {
		size_t len = MIN((size_t)take(&in, 1), in.left);

		state_begin(&w, names[!!i], 1);
		strbuf_add(&w.buf, in.p, len);
		state_end(&w);
		in.p += len;
		in.left -= len;
	}
	load(m, w.buf.s, w.buf.len);
	state_writer_free(&w);
}

static void stats(struct vfio_device *vd)
{
	struct strbuf b = { NULL };

	json_begin(&b, NULL);
	vfio_migration_stats(vd, &b);
	json_end(&b);
	strbuf_free(&b);
}

static void step(void)
{
	u8 op = (u8)take(&in, 1);
	struct vfio_device *vd = &dev[op >> 7].vd;
	struct vfio_migration *m = vd->migration, *other = dev[!(op >> 7)].vd.migration;
	struct vfio_mig_pending pending;
	u8 buf[300];
	ssize_t n;
	size_t len;

	if ((op & 15) == 8) {
		vfio_migration_quiesce_all(&vm, op & 16 ? VFIO_MIG_STOP : VFIO_MIG_STOP_COPY, NULL);
		return;
	}
	if ((op & 15) == 9)
		vfio_migration_run_all(&vm, NULL);
	if ((op & 15) == 10)
		stats(vd);
	if (!m)
		return;
	switch (op & 15) {
	case 0:
	case 1:
		vfio_migration_set_state(m, (enum vfio_mig_state)(op >> 4 & 7), NULL);
		break;
	case 2:
		len = (size_t)take(&in, 2) % (sizeof(buf) + 1);
		n = vfio_migration_read(m, buf, len);
		MUST(n <= (ssize_t)len);
		break;
	case 3:
		take_bytes(&in, buf, sizeof(buf));
		vfio_migration_write(m, buf, take(&in, 2) % (sizeof(buf) + 1));
		break;
	case 4:
		vfio_migration_pending(m, &pending);
		break;
	case 5:
		vfio_migration_reset(m, NULL);
		break;
	case 6:
		save_and_load(m, other ? other : m);
		break;
	case 7:
		load_raw(m);
		break;
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	unsigned int i;

	log_set_level(LOG_ERROR);
	in = (struct input){ data, size };
	files = maps = 0;
	list_init(&host.devices);
	vm.vfio = &host;
	for (i = 0; i < DEVICES; i++)
		make(&dev[i]);
	while (in.left)
		step();
	for (i = 0; i < DEVICES; i++)
		vfio_migration_free(dev[i].vd.migration);
	for (i = 0; i < files; i++)
		MUST(!open_file[i]);
	MUST(!maps);
	return 0;
}
