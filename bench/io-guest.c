/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * /init of the guest of bench/60-io.sh and 90-vfio.sh: loads the modules that lie in /lib/modules, does what "io=" on the kernel's command line says, prints
 * "IO NAME NANOSECONDS-AN-OPERATION" for each measure, and resets the machine. Before each measure it says "COUNT begin", after it
 * "COUNT NAME OPERATIONS", for bench/boot-count.c. Run by anyone else, on a host, it only measures; the host's command line says what.
 *
 *	io=blk				/dev/vda, around the page cache
 *	io=nvme				/dev/nvme0n1, the same
 *	io=net guest=A.B.C.D peer=A.B.C.D	eth0, against bench/io-peer.c
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
	SMALL = 4096, SMALL_OPS = 1500, LARGE = 1 << 20, LARGE_OPS = 48,
	STREAM = 12 << 20, MESSAGE = 64, ROUNDS = 1500,
	PORT = 5001,
	COUNT_US = 60000,
	SETTLE_US = 1500000,		/* what a kernel still does after its boot */
};

static char params[4096];

static __attribute__((noreturn)) void end(int status)
{
	fflush(stdout);
	if (getpid() != 1)
		exit(status);
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}

static __attribute__((noreturn)) void die(const char *what)
{
	printf("IO failed: %s: %s\n", what, strerror(errno));
	end(1);
}

static const char *param(const char *name)
{
	static char value[64];
	const char *p = strstr(params, name);

	if (!p)
		die(name);
	snprintf(value, sizeof(value), "%.*s", (int)strcspn(p + strlen(name), " \n"), p + strlen(name));
	return value;
}

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void begin(void)
{
	printf("COUNT begin\n");
	usleep(COUNT_US);
}

static void report(const char *name, uint64_t began, unsigned int ops)
{
	uint64_t ns = now() - began;

	printf("IO %s %llu\nCOUNT %s %u\n", name, (unsigned long long)(ns / ops), name, ops);
	usleep(COUNT_US);
}

static void load_modules(void)
{
	char line[64], path[96];
	FILE *f = fopen("/lib/modules/order", "r");
	int fd;

	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		snprintf(path, sizeof(path), "/lib/modules/%s", line);
		fd = open(path, O_RDONLY);
		if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
			die(path);
		close(fd);
	}
	if (f)
		fclose(f);
}

static void transfer(int fd, void *buf, size_t size, uint64_t off, int write)
{
	if ((write ? pwrite(fd, buf, size, (off_t)off) : pread(fd, buf, size, (off_t)off)) != (ssize_t)size)
		die("the disk");
}

static void blk(const char *disk)
{
	static const char *const name[2][2] = { { "read-4k", "write-4k" }, { "read-1M", "write-1M" } };
	uint32_t random = 12345;
	int fd, write, i;
	uint64_t size, t;
	void *buf;

	for (i = 0; (fd = open(disk, O_RDWR | O_DIRECT)) < 0 && i < 200; i++)
		usleep(10000);
	if (fd < 0 || posix_memalign(&buf, 4096, LARGE))
		die(disk);
	memset(buf, 0x5a, LARGE);
	size = (uint64_t)lseek(fd, 0, SEEK_END);
	begin();
	report("nothing", now(), 1);	/* what the sleeps around a measure cost by themselves */
	for (write = 0; write < 2; write++) {
		begin();
		t = now();
		for (i = 0; i < SMALL_OPS; i++) {
			random = random * 1664525 + 1013904223;
			transfer(fd, buf, SMALL, (random >> 4) % (size / SMALL) * SMALL, write);
		}
		report(name[0][write], t, SMALL_OPS);
		begin();
		t = now();
		for (i = 0; i < LARGE_OPS; i++)
			transfer(fd, buf, LARGE, (uint64_t)i * LARGE % (size - LARGE), write);
		report(name[1][write], t, LARGE_OPS);
	}
}

static void set_address(struct ifreq *ifr, int fd, unsigned long request, const char *address)
{
	struct sockaddr_in *sin = (struct sockaddr_in *)&ifr->ifr_addr;

	memset(sin, 0, sizeof(*sin));
	sin->sin_family = AF_INET;
	inet_pton(AF_INET, address, &sin->sin_addr);
	if (ioctl(fd, request, ifr))
		die("eth0's address");
}

static void net_up(void)
{
	struct ifreq ifr = { .ifr_name = "eth0" };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	set_address(&ifr, fd, SIOCSIFADDR, param("guest="));
	set_address(&ifr, fd, SIOCSIFNETMASK, "255.255.255.0");
	ifr.ifr_flags = IFF_UP | IFF_RUNNING;
	if (ioctl(fd, SIOCSIFFLAGS, &ifr))
		die("eth0");
	close(fd);
}

static int dial(char what)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	inet_pton(AF_INET, param("peer="), &sin.sin_addr);
	if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)) || write(fd, &what, 1) != 1)
		die("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static void receive(int fd, char *buf, size_t room, size_t len)
{
	ssize_t n;

	for (; len; len -= (size_t)n) {
		n = read(fd, buf, len < room ? len : room);
		if (n <= 0)
			die("read");
	}
}

static void net(void)
{
	static char buf[65536];
	size_t left;
	ssize_t n;
	uint64_t t;
	int fd, i;

	net_up();
	begin();
	fd = dial('S');
	t = now();
	for (left = STREAM; left; left -= (size_t)n) {
		n = write(fd, buf, left < sizeof(buf) ? left : sizeof(buf));
		if (n <= 0)
			die("write");
	}
	receive(fd, buf, 1, 1);		/* it has it all */
	report("stream-out-64k", t, STREAM / sizeof(buf));
	close(fd);

	begin();
	fd = dial('R');
	t = now();
	receive(fd, buf, sizeof(buf), STREAM);
	report("stream-in-64k", t, STREAM / sizeof(buf));
	close(fd);

	begin();
	fd = dial('P');
	t = now();
	for (i = 0; i < ROUNDS; i++) {
		if (write(fd, buf, MESSAGE) != MESSAGE)
			die("write");
		receive(fd, buf, MESSAGE, MESSAGE);
	}
	report("round-trip-64", t, ROUNDS);
}

int main(void)
{
	int fd;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (getpid() == 1) {
		mount("dev", "/dev", "devtmpfs", 0, NULL);
		mount("proc", "/proc", "proc", 0, NULL);
	}
	fd = open("/proc/cmdline", O_RDONLY);
	if (fd < 0 || read(fd, params, sizeof(params) - 1) <= 0)
		die("/proc/cmdline");
	if (getpid() == 1)
		load_modules();
	usleep(SETTLE_US);
	if (!strcmp(param("io="), "blk"))
		blk("/dev/vda");
	else if (!strcmp(param("io="), "nvme"))
		blk("/dev/nvme0n1");
	else
		net();
	printf("IO end\n");
	end(0);
}
