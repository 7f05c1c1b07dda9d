/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From what the user named to the place where VFIO has it: an address on PCI, a device's folder in sysfs (PCI, mdev, platform), its own file
 * /dev/vfio/devices/vfioN, or that file already open. And when VFIO does not have it: why, and the commands that change it.
 * [Documentation/ABI/testing/sysfs-bus-pci: driver_override; Documentation/driver-api/vfio.rst]
 *
 * Main thread. All paths are the kernel's; nothing here opens a device.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "util/str.h"
#include "vfio/vfio.h"

#define CDEV_DIR "/dev/vfio/devices/"

/* The last component of the link @dir/@name; false: no such link. */
static bool link_of(const char *dir, const char *name, char *buf, size_t size)
{
	char path[VFIO_PATH + 32];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return !vfio_sys_read_link(path, buf, size);
}

static bool has(const char *dir, const char *name)
{
	char path[VFIO_PATH + 32];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return vfio_sys_exists(path);
}

/* --- what the user wrote --- */

static int no_such_device(const struct vfio_config *cfg, struct error *err)
{
	return error_set(err, -ENODEV, "%s '%s': no such device", cfg->option, cfg->device);
}

/* Hex digits up to @max; moves @s behind them. */
static bool take_hex(const char **s, u64 max, unsigned int *ret)
{
	u64 v = 0;
	int n;

	for (n = 0; isxdigit((unsigned char)**s); n++, (*s)++) {
		v = v << 4 | (u64)(isdigit((unsigned char)**s) ? **s - '0' : (**s | 0x20) - 'a' + 10);
		if (v > max)
			return false;
	}
	*ret = (unsigned int)v;
	return n > 0;
}

static bool take_char(const char **s, char c)
{
	return **s == c && *(*s)++;
}

/* [domain:]bus:device.function */
static bool parse_bdf(const char *s, char *ret, size_t size)
{
	unsigned int dom = 0, bus, dev, fn;

	if (!take_hex(&s, UINT32_MAX, &bus) || !take_char(&s, ':') || !take_hex(&s, 0xff, &dev))
		return false;
	if (take_char(&s, ':')) {
		dom = bus;
		bus = dev;
		if (!take_hex(&s, 0x1f, &dev))
			return false;
	}
	if (!take_char(&s, '.') || !take_hex(&s, 7, &fn) || *s || bus > 0xff || dev > 0x1f)
		return false;
	snprintf(ret, size, "%04x:%02x:%02x.%x", dom, bus, dev, fn);
	return true;
}

static int find_bdf(const struct vfio_config *cfg, struct vfio_place *p, struct error *err)
{
	if (!parse_bdf(cfg->device, p->name, sizeof(p->name)))
		return error_set(err, -EINVAL, "%s '%s': expected a PCI address ([domain:]bus:device.function), a device's folder in /sys, "
				 CDEV_DIR "vfioN or fd:N", cfg->option, cfg->device);
	snprintf(p->sysfs, sizeof(p->sysfs), "/sys/bus/pci/devices/%s", p->name);
	return vfio_sys_exists(p->sysfs) ? 0 : no_such_device(cfg, err);
}

/* A file of VFIO's tells its device through its class. @vfio: "vfioN" */
static void find_cdev(const char *vfio, struct vfio_place *p)
{
	char dir[VFIO_PATH];

	snprintf(p->cdev, sizeof(p->cdev), CDEV_DIR "%.*s", VFIO_NAME, vfio);
	snprintf(dir, sizeof(dir), "/sys/class/vfio-dev/%.*s/device", VFIO_NAME, vfio);
	if (!vfio_sys_read_link(dir, p->name, sizeof(p->name)))
		str_copy(p->sysfs, sizeof(p->sysfs), dir);
	else
		str_copy(p->name, sizeof(p->name), vfio);
}

static int find_fd(const struct vfio_config *cfg, struct vfio_place *p, struct error *err)
{
	char path[64], file[VFIO_NAME];
	u64 fd;

	if (str_to_u64(cfg->device + 3, INT32_MAX, &fd) < 0)
		return error_set(err, -EINVAL, "%s '%s': want fd:N, the number of an open file", cfg->option, cfg->device);
	snprintf(path, sizeof(path), "/proc/self/fd/%llu", (unsigned long long)fd);
	if (vfio_sys_read_link(path, file, sizeof(file)) < 0)
		return error_set(err, -EBADF, "%s '%s': no such file is open", cfg->option, cfg->device);
	p->fd = (int)fd;
	if (!strncmp(file, "vfio", 4))
		find_cdev(file, p);
	else
		str_copy(p->name, sizeof(p->name), cfg->device);
	return 0;
}

static int find_path(const struct vfio_config *cfg, struct vfio_place *p, struct error *err)
{
	const char *base;
	size_t len;

	if (!str_copy(p->sysfs, sizeof(p->sysfs), cfg->device))
		return error_set(err, -ENAMETOOLONG, "%s '%s': the path is too long", cfg->option, cfg->device);
	for (len = strlen(p->sysfs); len > 1 && p->sysfs[len - 1] == '/'; len--)
		p->sysfs[len - 1] = '\0';
	if (!vfio_sys_exists(p->sysfs))
		return no_such_device(cfg, err);
	base = strrchr(p->sysfs, '/') + 1;
	if (!strncmp(p->sysfs, CDEV_DIR, strlen(CDEV_DIR))) {
		char vfio[VFIO_NAME];

		if (!str_copy(vfio, sizeof(vfio), base))
			return error_set(err, -ENAMETOOLONG, "%s '%s': the name is too long", cfg->option, cfg->device);
		p->sysfs[0] = '\0';
		find_cdev(vfio, p);
		return 0;
	}
	if (!has(p->sysfs, "subsystem"))
		return error_set(err, -EINVAL, "%s '%s': not a device's folder in /sys, nor a device's file in " CDEV_DIR, cfg->option, cfg->device);
	/* Where it is a link, as all in /sys/bus are, the device's name is its target's. */
	if (vfio_sys_read_link(p->sysfs, p->name, sizeof(p->name)) < 0 && !str_copy(p->name, sizeof(p->name), base))
		return error_set(err, -ENAMETOOLONG, "%s '%s': the name is too long", cfg->option, cfg->device);
	return 0;
}

/* --- why VFIO does not have it --- */

/*
 * The commands that give the PCI functions @names (separated by blanks) to vfio-pci. @bound: another driver has them.
 */
static void bind_commands(struct strbuf *b, const char *names, bool bound)
{
	const bool many = strchr(names, ' ');
	const char *d = many ? "$d" : names;

	if (!vfio_sys_exists("/sys/bus/pci/drivers/vfio-pci"))
		strbuf_addf(b, "modprobe vfio-pci; ");
	if (many)
		strbuf_addf(b, "for d in %s; do ", names);
	strbuf_addf(b, "echo vfio-pci > /sys/bus/pci/devices/%s/driver_override; ", d);
	if (bound)
		strbuf_addf(b, "echo %s > /sys/bus/pci/devices/%s/driver/unbind; ", d, d);
	strbuf_addf(b, "echo %s > /sys/bus/pci/drivers_probe%s", d, many ? "; done" : "");
}

static int explain_driver(const struct vfio_config *cfg, const struct vfio_place *p, bool pci, struct error *err)
{
	char driver[VFIO_NAME], how[VFIO_NAME + 32] = "bound to no driver";
	bool bound = link_of(p->sysfs, "driver", driver, sizeof(driver));
	struct strbuf b = { 0 };

	if (bound)
		snprintf(how, sizeof(how), "bound to driver '%s'", driver);
	if (!pci)
		return error_set(err, -EBUSY, "%s '%s': %s is %s, which does not give it to VFIO", cfg->option, cfg->device, p->name, how);
	bind_commands(&b, p->name, bound);
	error_set(err, -EBUSY, "%s '%s': %s is %s; to give it to VFIO: %s", cfg->option, cfg->device, p->name, how, b.failed ? "" : b.s);
	strbuf_free(&b);
	return -EBUSY;
}

static void add_name(void *arg, const char *name)
{
	struct strbuf *b = arg;

	strbuf_addf(b, "%s%s", b->len ? " " : "", name);
}

static int explain_no_iommu(const struct vfio_config *cfg, const struct vfio_place *p, struct error *err)
{
	struct strbuf b = { 0 };

	vfio_sys_list("/sys/class/iommu", add_name, &b);
	if (b.len && !b.failed)
		error_set(err, -ENODEV, "%s '%s': %s is in no IOMMU group: no IOMMU of this host (%s) serves it", cfg->option, cfg->device, p->name,
			  b.s);
	else
		error_set(err, -ENODEV, "%s '%s': %s is in no IOMMU group: the host's IOMMU is off; switch it on in the firmware, and boot the "
			  "host's kernel with intel_iommu=on where it is Intel's, without amd_iommu=off and iommu=off where it is another's",
			  cfg->option, cfg->device, p->name);
	strbuf_free(&b);
	return -ENODEV;
}

static void first_name(void *arg, const char *name)
{
	char *first = arg;

	if (!*first && !strncmp(name, "vfio", 4))
		str_copy(first, VFIO_NAME, name);
}

/* Group and file of the device at p->sysfs, and whether VFIO has it. */
static int look(const struct vfio_config *cfg, struct vfio_place *p, struct error *err)
{
	char subsystem[VFIO_NAME] = "", driver[VFIO_NAME] = "", group[VFIO_NAME], vfio[VFIO_NAME] = "", path[VFIO_PATH + 32];
	bool pci, ours;
	u64 nr;

	if (link_of(p->sysfs, "iommu_group", group, sizeof(group)) && !str_to_u64(group, INT32_MAX, &nr))
		p->group = (int)nr;
	snprintf(path, sizeof(path), "%s/vfio-dev", p->sysfs);
	vfio_sys_list(path, first_name, vfio);
	link_of(p->sysfs, "subsystem", subsystem, sizeof(subsystem));
	link_of(p->sysfs, "driver", driver, sizeof(driver));
	pci = !strcmp(subsystem, "pci");
	ours = *vfio;
	/* Linux before 6.1 has no such class: a name must do, and a group, which a device that is no PCI function has from VFIO alone. */
	if (!ours && !vfio_sys_exists("/sys/class/vfio-dev"))
		ours = pci ? strstr(driver, "vfio") != NULL : p->group >= 0;
	if (pci && p->group < 0 && !ours)
		return explain_no_iommu(cfg, p, err);
	if (!ours)
		return explain_driver(cfg, p, pci, err);
	if (!p->cdev[0] && *vfio) {
		snprintf(p->cdev, sizeof(p->cdev), CDEV_DIR "%s", vfio);
		if (!vfio_sys_exists(p->cdev))
			p->cdev[0] = '\0';
	}
	if (p->group < 0)
		return 0;
	snprintf(path, sizeof(path), "/dev/vfio/noiommu-%d", p->group);
	if (vfio_sys_exists(path))
		return error_set(err, -EPERM, "%s '%s': %s is in VFIO's no-IOMMU mode, where its DMA reaches all of the host's memory: not used",
				 cfg->option, cfg->device, p->name);
	return 0;
}

int vfio_place_find(const struct vfio_config *cfg, struct vfio_place *ret, struct error *err)
{
	struct vfio_place p = { .group = -1, .fd = -1 };
	int r;

	if (!strncmp(cfg->device, "fd:", 3))
		r = find_fd(cfg, &p, err);
	else if (cfg->device[0] == '/')
		r = find_path(cfg, &p, err);
	else
		r = find_bdf(cfg, &p, err);
	if (!r && p.sysfs[0])
		r = look(cfg, &p, err);
	if (!r)
		*ret = p;
	return r;
}

/* --- groups --- */

enum { TOLD = 100 };		/* of them: the commands must fit, too */

struct siblings {
	const char *dir;
	struct strbuf told;		/* "NAME (driver)" */
	struct strbuf pci, other;	/* names */
};

/* Those that a group may have beside VFIO's [drivers/iommu/iommu.c: driver_managed_dma] */
static bool leaves_group_viable(const char *driver)
{
	return strstr(driver, "vfio") || !strcmp(driver, "pcieport") || !strcmp(driver, "pci-stub");
}

static void judge_sibling(void *arg, const char *name)
{
	char dir[VFIO_PATH], driver[VFIO_NAME], subsystem[VFIO_NAME];
	struct siblings *s = arg;

	snprintf(dir, sizeof(dir), "%s/%.*s", s->dir, VFIO_NAME, name);
	if (!link_of(dir, "driver", driver, sizeof(driver)) || leaves_group_viable(driver))
		return;
	if (s->told.len < TOLD)
		strbuf_addf(&s->told, "%s%s is bound to '%s'", s->told.len ? ", " : "", name, driver);
	else if (strcmp(s->told.s + s->told.len - 3, "..."))
		strbuf_addf(&s->told, ", ...");
	if (link_of(dir, "subsystem", subsystem, sizeof(subsystem)) && !strcmp(subsystem, "pci"))
		add_name(&s->pci, name);
	else
		strbuf_addf(&s->other, "%secho %s > %s/%s/driver/unbind", s->other.len ? "; " : "", name, s->dir, name);
}

static void look_at_siblings(int group, char *dir, size_t size, struct siblings *ret)
{
	snprintf(dir, size, "/sys/kernel/iommu_groups/%d/devices", group);
	*ret = (struct siblings){ .dir = dir };
	vfio_sys_list(dir, judge_sibling, ret);
}

static void siblings_free(struct siblings *s)
{
	strbuf_free(&s->told);
	strbuf_free(&s->pci);
	strbuf_free(&s->other);
}

bool vfio_group_viable(int group)
{
	char dir[VFIO_PATH];
	struct siblings s;
	bool viable;

	look_at_siblings(group, dir, sizeof(dir), &s);
	viable = !s.told.len && !s.told.failed;
	siblings_free(&s);
	return viable;
}

int vfio_group_explain(const struct vfio_config *cfg, int group, struct error *err)
{
	char dir[VFIO_PATH];
	struct strbuf b = { 0 }, line = { 0 };
	struct siblings s;

	look_at_siblings(group, dir, sizeof(dir), &s);
	if (s.other.len)
		strbuf_add(&b, s.other.s, s.other.len);
	if (s.other.len && s.pci.len)
		strbuf_addf(&b, "; ");
	if (s.pci.len)
		bind_commands(&b, s.pci.s, true);
	if (b.len && !b.failed && !s.told.failed && !s.pci.failed && !s.other.failed)
		strbuf_addf(&line, "the other devices of its IOMMU group %d must be VFIO's, too: %s; to do so: %s", group, s.told.s, b.s);
	/* A command that is cut is worse than none. */
	if (line.len && !line.failed && line.len + strlen(cfg->option) + strlen(cfg->device) + strlen(" '': ") < sizeof(err->msg))
		error_set(err, -EBUSY, "%s '%s': %s", cfg->option, cfg->device, line.s);
	else
		error_set(err, -EBUSY, "%s '%s': its IOMMU group %d is not viable; all devices in %s must be VFIO's or no driver's", cfg->option,
			  cfg->device, group, dir);
	siblings_free(&s);
	strbuf_free(&line);
	strbuf_free(&b);
	return -EBUSY;
}
