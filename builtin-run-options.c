/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The options of `lkvm run`: what users of kvmtool know keeps its name, and fills one typed vm_config.
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "builtin-run.h"
#include "builtin.h"
#include "util/log.h"
#include "util/options.h"
#include "util/str.h"
#include "vmm/arch.h"

enum { MIB_PER_CPU = 64 };

#define RUN_OPT(field) .offset = offsetof(struct run, field)

static int opt_cpus(void *ctx, const struct option_def *opt, const char *value, struct error *err)
{
	struct run *run = ctx;
	u64 v;

	run->cpus_given = value;
	if (!value)
		return 0;
	if (str_to_u64(value, 4096, &v) < 0 || !v)
		return option_bad(err, opt, value, "a number from 1 to 4096, and no more than KVM allows");
	run->cfg.cpus = (unsigned int)v;
	return 0;
}

static int opt_mem(void *ctx, const struct option_def *opt, const char *value, struct error *err)
{
	static const char want[] = "a size: a number and B, K, M, G, T or P (M without), and @ADDRESS where RAM may be moved";
	struct run *run = ctx;
	char size[32];
	const char *at;
	int r;

	run->mem_given = value;
	run->cfg.machine.ram_base = 0;
	run->cfg.machine.ram_base_given = false;
	if (!value)
		return 0;
	at = strchr(value, '@');
	if (at && ((size_t)(at - value) >= sizeof(size) || str_to_u64(at + 1, UINT64_MAX, &run->cfg.machine.ram_base) < 0))
		return option_bad(err, opt, value, want);
	run->cfg.machine.ram_base_given = at;
	if (at)
		snprintf(size, sizeof(size), "%.*s", (int)(at - value), value);
	r = str_to_size(at ? size : value, MIB, &run->cfg.mem_size);
	if (r == -ERANGE)
		return option_bad(err, opt, value, "a size that fits 64 bits");
	return r < 0 ? option_bad(err, opt, value, want) : 0;
}

/* A copy that may be cut in place; the config points into it for the rest of the run. */
static int keep_spec(struct run *run, const struct option_def *opt, const char *value, char **ret, struct error *err)
{
	if (run->nr_specs == ARRAY_SIZE(run->spec))	/* --no-disk and the like give none back */
		return error_set(err, -E2BIG, "--%s '%s': more than %zu --disk, --network, --vfio and --port options", opt->name, value,
				 ARRAY_SIZE(run->spec));
	*ret = strdup(value);
	if (!*ret)
		return error_set(err, -ENOMEM, "--%s: out of memory", opt->name);
	run->spec[run->nr_specs++] = *ret;
	return 0;
}

static int opt_disk(void *ctx, const struct option_def *opt, const char *value, struct error *err)
{
	struct run *run = ctx;
	char *spec;
	int r;

	if (!value) {
		run->cfg.nr_disks = 0;
		return 0;
	}
	if (run->cfg.nr_disks == CONFIG_MAX_DISKS)
		return error_set(err, -E2BIG, "--disk '%s': at most %u disks", value, CONFIG_MAX_DISKS);
	r = keep_spec(run, opt, value, &spec, err);
	if (r < 0)
		return r;
	return disk_parse(spec, &run->cfg.disk[run->cfg.nr_disks++], err);
}

static int opt_choice(const struct option_def *opt, const char *value, const char *const *names, unsigned int nr,
		      const char *want, struct error *err)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (names[i] && !strcmp(value, names[i]))
			return (int)i;
	return option_bad(err, opt, value, want);
}

static int opt_console(void *ctx, const struct option_def *opt, const char *value, struct error *err)
{
	static const char *const names[] = { "serial", "virtio", "hv" };
	struct run *run = ctx;
	int r = value ? opt_choice(opt, value, names, ARRAY_SIZE(names), "serial, virtio or hv", err) : 0;

	if (r < 0)
		return r;
	run->cfg.console = r ? CONSOLE_VIRTIO : CONSOLE_SERIAL;
	return 0;
}

static int opt_serial(void *ctx, const struct option_def *opt, const char *value, struct error *err)
{
	static const char want[] = "N,BACKEND: N from 0 to 3; stdio, pty, null, file:PATH or unix:PATH";
	struct run *run = ctx;

	if (!value) {
		memset(run->cfg.serial, 0, sizeof(run->cfg.serial));
		run->serial0_given = false;
		return 0;
	}
	if (value[0] < '0' || value[0] > '3' || value[1] != ',')
		return option_bad(err, opt, value, want);
	if (chardev_parse(value + 2, &run->cfg.serial[value[0] - '0']) < 0)
		return option_bad(err, opt, value, want);
	run->serial0_given |= value[0] == '0';
	return 0;
}

static int opt_tty(void *ctx, const struct option_def *opt, const char *value, struct error *err)
{
	struct run *run = ctx;
	u64 n;

	if (!value)
		return 0;
	if (str_to_u64(value, CONFIG_SERIAL_PORTS - 1, &n) < 0)
		return option_bad(err, opt, value, "a serial port's number, 0 to 3");
	run->cfg.serial[n] = (struct chardev_config){ .kind = CHARDEV_PTY };
	return 0;
}

static int opt_port(void *ctx, const struct option_def *opt, const char *value, struct error *err)
{
	struct run *run = ctx;
	struct chardev_config *port;
	char *spec, *name;
	int r;

	if (!value) {
		run->cfg.nr_ports = 0;
		return 0;
	}
	if (!run->cfg.nr_ports)
		run->cfg.nr_ports = 1;	/* port 0 is the console */
	if (run->cfg.nr_ports == CONFIG_MAX_PORTS)
		return error_set(err, -E2BIG, "--port '%s': at most %u ports", value, CONFIG_MAX_PORTS - 1);
	r = keep_spec(run, opt, value, &spec, err);
	if (r < 0)
		return r;
	name = strstr(spec, ",name=");
	if (name)
		*name = '\0';
	port = &run->cfg.port[run->cfg.nr_ports];
	if (chardev_parse(spec, port) < 0 || (name && !name[6]))
		return option_bad(err, opt, value, "BACKEND[,name=NAME]: pty, null, stdio, file:PATH or unix:PATH");
	port->name = name ? name + 6 : NULL;
	run->cfg.nr_ports++;
	return 0;
}

static int opt_transport(void *ctx, const struct option_def *opt, const char *value, struct error *err)
{
	static const char *const names[] = {
		[VIRTIO_PCI_MODERN] = "pci", [VIRTIO_PCI_LEGACY] = "pci-legacy",
		[VIRTIO_MMIO_MODERN] = "mmio", [VIRTIO_MMIO_LEGACY] = "mmio-legacy",
	};
	struct run *run = ctx;
	int r = value ? opt_choice(opt, value, names, ARRAY_SIZE(names), "pci, pci-legacy, mmio or mmio-legacy", err) : VIRTIO_PCI_MODERN;

	if (r < 0)
		return r;
	run->cfg.virtio_transport = (enum virtio_transport_kind)r;
	return 0;
}

static int opt_format(void *ctx, const struct option_def *opt, const char *value, struct error *err)
{
	static const char *const names[] = {
		[KERNEL_AUTO] = "auto", [KERNEL_BZIMAGE] = "bzimage", [KERNEL_ELF] = "elf", [KERNEL_PVH] = "pvh",
		[KERNEL_MULTIBOOT] = "multiboot", [KERNEL_FLAT] = "flat", [KERNEL_IMAGE] = "image",
	};
	struct run *run = ctx;
	int r = value ? opt_choice(opt, value, names, ARRAY_SIZE(names),
				   "auto, bzimage, elf, pvh, multiboot, flat or image", err) : 0;

	if (r < 0)
		return r;
	run->cfg.kernel_format = (enum kernel_format)r;
	return 0;
}

static int opt_network(void *ctx, const struct option_def *opt, const char *value, struct error *err)
{
	struct run *run = ctx;
	struct net_config *nic;
	char *spec;
	int r;

	if (!value) {
		run->cfg.nr_nics = 0;
		return 0;
	}
	if (run->cfg.nr_nics == CONFIG_MAX_NICS)
		return error_set(err, -E2BIG, "--network '%s': at most %u NICs", value, CONFIG_MAX_NICS);
	r = keep_spec(run, opt, value, &spec, err);
	if (r < 0)
		return r;
	nic = &run->cfg.nic[run->cfg.nr_nics];
	r = net_parse(spec, run->cfg.nr_nics, nic, err);
	if (!r && nic->mode != NET_NONE)
		run->cfg.nr_nics++;
	return r;
}

static int opt_vfio(void *ctx, const struct option_def *opt, const char *value, struct error *err)
{
	struct run *run = ctx;
	char *spec;
	int r;

	if (!value) {
		run->cfg.nr_vfio = 0;
		return 0;
	}
	if (run->cfg.nr_vfio == CONFIG_MAX_VFIO)
		return error_set(err, -E2BIG, "--%s '%s': at most %u devices", opt->name, value, CONFIG_MAX_VFIO);
	r = keep_spec(run, opt, value, &spec, err);
	if (r < 0)
		return r;
	r = vfio_parse(spec, strcmp(opt->name, "vfio") ? "--vfio-pci" : "--vfio", &run->cfg.vfio[run->cfg.nr_vfio], err);
	if (!r)
		run->cfg.nr_vfio++;
	return r;
}

/* Options of kvmtool whose devices this version has not got: an error, so that no script runs on without what it asked for. */
static int opt_not_here(void *ctx, const struct option_def *opt, const char *value, struct error *err)
{
	if (!value)
		return 0;
	return error_set(err, -EOPNOTSUPP, "--%s%s%s: not in this version of lkvm for %s", opt->name, *value ? " " : "",
			 value, arch_name);
}

static int opt_nothing(void *ctx, const struct option_def *opt, const char *value, struct error *err)
{
	return 0;
}

static int opt_loglevel(void *ctx, const struct option_def *opt, const char *value, struct error *err)
{
	static const char *const names[] = { "error", "warning", "info", "debug" };
	int r = value ? opt_choice(opt, value, names, ARRAY_SIZE(names), "error, warning, info or debug", err) : LOG_INFO;

	if (r < 0)
		return r;
	log_set_level((enum log_level)r);
	return 0;
}

static int opt_debug(void *ctx, const struct option_def *opt, const char *value, struct error *err)
{
	log_set_level(value ? LOG_DEBUG : LOG_INFO);
	return 0;
}

/* "5", "0.25", "1.5": seconds. */
static int parse_seconds(const char *s, u64 *ret_ns)
{
	u64 whole = 0, frac = 0, scale = 1000000000ULL;
	const char *dot = strchr(s, '.'), *p;
	char buf[24];

	if (!str_copy(buf, sizeof(buf), s))
		return -EINVAL;
	if (dot)
		buf[dot - s] = '\0';
	if (!*s || (buf[0] == '0' && (buf[1] | 0x20) == 'x') || str_to_u64(buf, 1000000000ULL, &whole) < 0)
		return -EINVAL;
	for (p = dot ? dot + 1 : ""; *p; p++) {
		if (*p < '0' || *p > '9')
			return -EINVAL;
		scale /= 10;
		frac += (u64)(*p - '0') * scale;
	}
	*ret_ns = whole * 1000000000ULL + frac;
	return 0;
}

static int opt_timeout(void *ctx, const struct option_def *opt, const char *value, struct error *err)
{
	struct run *run = ctx;

	run->cfg.timeout_ns = 0;
	if (!value)
		return 0;
	if (parse_seconds(value, &run->cfg.timeout_ns) < 0 || !run->cfg.timeout_ns)
		return option_bad(err, opt, value, "seconds above 0, as 30 or 0.5");
	return 0;
}

static int opt_panic(void *ctx, const struct option_def *opt, const char *value, struct error *err)
{
	static const char *const names[] = { [PANIC_EXIT] = "exit", [PANIC_IGNORE] = "ignore" };
	struct run *run = ctx;
	int r = value ? opt_choice(opt, value, names, ARRAY_SIZE(names), "exit or ignore", err) : PANIC_EXIT;

	if (r < 0)
		return r;
	run->cfg.panic = (enum panic_policy)r;
	return 0;
}

static int opt_panic_silence(void *ctx, const struct option_def *opt, const char *value, struct error *err)
{
	struct run *run = ctx;

	run->cfg.panic_silence_ns = RUN_DEFAULT_PANIC_SILENCE_S * 1000000000ULL;
	if (!value)
		return 0;
	if (parse_seconds(value, &run->cfg.panic_silence_ns) < 0 || !run->cfg.panic_silence_ns)
		return option_bad(err, opt, value, "seconds above 0, as 5 or 0.5");
	return 0;
}

static int opt_sandbox_vmm(void *ctx, const struct option_def *opt, const char *value, struct error *err)
{
	struct run *run = ctx;

	run->cfg.no_sandbox = !value;
	return 0;
}

static int opt_pvtime(void *ctx, const struct option_def *opt, const char *value, struct error *err)
{
	struct run *run = ctx;

	run->cfg.machine.no_pvtime = !value;
	return 0;
}

static const struct option_def run_options[] = {
	{ 'k', "kernel", "file", "kernel: bzImage, vmlinux (PVH or ELF), multiboot, Image, or flat; compressed or not", option_str,
	  RUN_OPT(cfg.kernel) },
	{ 'i', "initrd", "file", "initial ramdisk (multiboot: first module)", option_str, RUN_OPT(cfg.initrd) },
	{ 'p', "params", "string", "added to the kernel command line", option_str, RUN_OPT(cfg.params) },
	{ 'f', "firmware", "file", "firmware to start instead of a kernel", option_str, RUN_OPT(cfg.firmware) },
	{ 0, "kernel-format", "format", "auto; x86: bzimage, elf, pvh, multiboot; arm64, riscv64: image; flat", opt_format },
	{ 'c', "cpus", "n", "number of vCPUs (default: the host's online CPUs)", opt_cpus },
	{ 'm', "mem", "size[@addr]", "guest memory, in MiB or with B K M G T P", opt_mem },
	{ 0, "cpu", "model", "host[,+feature,-feature,+feature=force...]", option_str, RUN_OPT(cfg.cpu) },
	{ 0, "hugetlbfs", "dir", "guest memory from the hugetlbfs mounted there", option_str, RUN_OPT(cfg.hugetlbfs) },
	{ 0, "name", "name", "name of the guest: of its control socket and in messages (default guest-PID)", option_str, RUN_OPT(cfg.name) },
	{ 0, "dev", "file", "KVM device (default /dev/kvm)", option_str, RUN_OPT(cfg.dev) },
	{ 'd', "disk", "image[,opt...]",
	  "disk: ro, direct, engine=auto|sync|aio|io_uring, format=raw, serial=S, queues=N, cache=writeback|writethrough",
	  opt_disk },
	{ 'F', "flash", "file", "CFI flash with that file behind it (arm64, riscv64)", option_str, RUN_OPT(cfg.machine.flash) },
	{ 0, "balloon", NULL, "memory balloon device", option_bool, RUN_OPT(cfg.balloon) },
	{ 0, "rng", NULL, "random number device", option_bool, RUN_OPT(cfg.rng) },
	{ 0, "pvpanic", NULL, "panic notification device (on unless --no-pvpanic)", option_bool, RUN_OPT(cfg.pvpanic) },
	{ 0, "console", "serial|virtio", "which device stdin and stdout belong to", opt_console },
	{ 0, "serial", "n,backend", "what is behind serial port n: stdio, pty, null, file:PATH, unix:PATH", opt_serial },
	{ 0, "port", "backend[,name=N]", "one more virtio console port: pty, null, file:PATH, unix:PATH", opt_port },
	{ 0, "tty", "n", "serial port n on a host pty", opt_tty },
	{ 0, "console-log", "file", "keep a copy of the console's output", option_str, RUN_OPT(cfg.console_log) },
	{ 'n', "network", "user|tap|key=value...",
	  "NIC: mode=user|tap|none, tapif=NAME, fd=N, script=FILE, downscript=FILE, guest_ip=A, host_ip=A, guest_mac=M, host_mac=M, "
	  "vhost=1, mq=N, mtu=N, hostfwd=tcp|udp:[A]:PORT-[A]:PORT, ipv6=on|off", opt_network },
	{ 0, "vfio-pci", "[dom:]bus:dev.fn", "give the guest that PCI device of the host's", opt_vfio },
	{ 0, "vfio", "device[,opt...]",
	  "give the guest a VFIO device: a PCI address, a path (mdev, /dev/vfio/devices/vfioN) or fd:N; iommu=auto|group|iommufd, rom=on|off, "
	  "romfile=FILE, on-error=stop|report, on-request=auto|unplug|poweroff|report, migration=auto|v2|v1|off, aer, p2p", opt_vfio },
	{ 0, "virtio-transport", "pci|pci-legacy|mmio|mmio-legacy", "how virtio devices are attached", opt_transport },
	{ 0, "virtio-packed", NULL, "offer packed virtqueues", option_bool, RUN_OPT(cfg.virtio_packed) },
	{ 0, "virtio-in-order", NULL, "offer in-order completion", option_bool, RUN_OPT(cfg.virtio_in_order) },
	{ 0, "nodefaults", NULL, "no kernel parameters but those of --params", option_bool, RUN_OPT(cfg.nodefaults) },
	{ 0, "sandbox-vmm", NULL, "give up all rights not needed once the guest runs (on unless --no-sandbox-vmm)", opt_sandbox_vmm },
	{ 0, "pvtime", NULL, "tell the guest how long its CPUs were kept from running (on unless --no-pvtime)", opt_pvtime },
	{ 0, "pv-lock", NULL, "tell the guest which of its CPUs are kept from running just now", option_bool, RUN_OPT(cfg.pv_lock) },
	{ 0, "vcpu-affinity", "cpulist", "vCPUs run on those host CPUs only, as 0-3,5", option_str, RUN_OPT(cfg.machine.vcpu_affinity) },
	{ 0, "reboot", NULL, "a reset by the guest starts it again instead of ending the run", option_bool,
	  RUN_OPT(cfg.reboot) },
	{ 0, "on-panic", "exit|ignore", "what a panicking guest means (default exit: status 126)", opt_panic },
	{ 0, "panic-silence", "seconds", "silence after a panic line that ends the run (default 5)", opt_panic_silence },
	{ 0, "timeout", "seconds", "end the run after that time with status 124", opt_timeout },
	{ 0, "json", "file|fd:n", "write one JSON object per event", option_str, RUN_OPT(json) },
	{ 0, "loglevel", "level", "error, warning, info or debug", opt_loglevel },
	{ 0, "debug", NULL, NULL, opt_debug },
	{ 0, "no-dhcp", NULL, NULL, opt_nothing },
	{ 0, "vnc", NULL, NULL, opt_not_here },
	{ 0, "gtk", NULL, NULL, opt_not_here },
	{ 0, "sdl", NULL, NULL, opt_not_here },
	{ 0, "9p", "dir[,tag]", NULL, opt_not_here },
	{ 0, "vsock", "cid", NULL, opt_not_here },
	{ 0, "sandbox", "script", NULL, opt_not_here },
	{ 0, "vidmode", "mode", NULL, opt_not_here },
	{ 0, "debug-single-step", NULL, NULL, opt_not_here },
	{ 0, "debug-ioport", NULL, NULL, opt_not_here },
	{ 0, "debug-mmio", NULL, NULL, opt_not_here },
	{ 0, "debug-iodelay", "ms", NULL, opt_nothing },
	{ 0, NULL },
};

enum { ARCH_OPTIONS_MAX = 128 };

/* All there are: every machine's, then this one's. */
struct run_table {
	struct option_def def[ARRAY_SIZE(run_options) + ARCH_OPTIONS_MAX];
};

static const struct option_def *run_table(struct run_table *t)
{
	unsigned int own = ARRAY_SIZE(run_options) - 1, i;

	memcpy(t->def, run_options, sizeof(run_options));
	for (i = 0; arch_options[i].name; i++) {
		assert(i < ARCH_OPTIONS_MAX);
		t->def[own + i] = arch_options[i];
	}
	t->def[own + i] = (struct option_def){ 0, NULL };
	return t->def;
}

void run_usage(void)
{
	struct run_table t;

	fprintf(stderr, "\n usage: lkvm run [OPTIONS] [KERNEL]\n\n");
	options_usage(run_table(&t), stderr);
	fprintf(stderr, "\n");
}

void run_list_options(void)
{
	struct run_table t;

	options_list(run_table(&t), stdout);
}

/* --- from options to a whole config --- */

static unsigned int host_cpus(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : (unsigned int)n;
}

static u64 default_mem(unsigned int cpus)
{
	u64 host = (u64)sysconf(_SC_PHYS_PAGES) * (u64)sysconf(_SC_PAGESIZE) / 10 * 8;

	return MIN((u64)MIB_PER_CPU * (cpus + 3) * MIB, align_down(host, MIB));
}

/* The default kernel: the first that can be read. */
static int find_kernel(struct run *run, struct error *err)
{
	const char *const *pattern;
	struct strbuf tried = { 0 };
	struct utsname uts;
	const char *rel;
	char *path;

	uname(&uts);
	for (pattern = arch_kernel_search(); *pattern; pattern++) {
		rel = strstr(*pattern, "%r");	/* the host kernel's release */
		path = rel ? str_printf("%.*s%s%s", (int)(rel - *pattern), *pattern, uts.release, rel + 2) : strdup(*pattern);
		if (path && !access(path, R_OK)) {
			strbuf_free(&tried);
			run->cfg.kernel = run->kernel = path;
			return 0;
		}
		strbuf_addf(&tried, " %s", path ? path : *pattern);
		free(path);
	}
	error_set(err, -ENOENT, "could not find default kernel image in:%s", tried.s ? tried.s : "");
	strbuf_free(&tried);
	return -ENOENT;
}

static bool uses_stdio(const struct vm_config *cfg)
{
	unsigned int i;

	for (i = 0; i < CONFIG_SERIAL_PORTS; i++)
		if (cfg->serial[i].kind == CHARDEV_STDIO)
			return true;
	for (i = 0; i < cfg->nr_ports; i++)
		if (cfg->port[i].kind == CHARDEV_STDIO)
			return true;
	return false;
}

static int complete_config(struct run *run, struct error *err)
{
	struct vm_config *cfg = &run->cfg;
	int r;

	if (!cfg->kernel && !cfg->firmware) {
		r = find_kernel(run, err);
		if (r < 0)
			return r;
	}
	if (!cfg->dev)
		cfg->dev = CONFIG_DEV;
	if (!run->cpus_given)
		cfg->cpus = host_cpus();
	if (!run->mem_given)
		cfg->mem_size = default_mem(cfg->cpus);
	if (!cfg->name) {
		run->name = str_printf("guest-%d", (int)getpid());
		cfg->name = run->name ? run->name : "guest";
	}
	if (cfg->console == CONSOLE_VIRTIO && !cfg->nr_ports)
		cfg->nr_ports = 1;
	if (!uses_stdio(cfg)) {	/* unless the user put something else there */
		struct chardev_config *c = cfg->console == CONSOLE_SERIAL ? &cfg->serial[0] : &cfg->port[0];

		if (c->kind == CHARDEV_NONE && !(cfg->console == CONSOLE_SERIAL && run->serial0_given))
			c->kind = CHARDEV_STDIO;
	}
	return vm_config_check(cfg, err);
}

int run_parse_options(struct run *run, int argc, char **argv, struct error *err)
{
	char *args[argc > 0 ? argc : 1];
	struct run_table t;
	int nr = 0, after = 0, r;

	r = options_parse(run_table(&t), run, argc, argv, args, &nr, &after, err);
	if (r)
		return r;
	if (nr > 1 || (nr == 1 && run->cfg.kernel)) {
		error_set(err, -EINVAL, "unexpected argument '%s'", args[nr - 1]);
		return OPTIONS_USAGE;
	}
	if (nr == 1)
		run->cfg.kernel = args[0];
	return complete_config(run, err);
}

void run_free_options(struct run *run)
{
	unsigned int i;

	free(run->name);
	free(run->kernel);
	for (i = 0; i < run->nr_specs; i++)
		free(run->spec[i]);
}
