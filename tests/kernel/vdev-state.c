// SPDX-License-Identifier: GPL-2.0-only
/* See vdev-state.h. */
#include "vdev-state.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#ifndef VFIO_DEVICE_FEATURE
#define VFIO_DEVICE_FEATURE _IO(VFIO_TYPE, VFIO_BASE + 17)
#endif

struct user source, target;
unsigned int offer;
uint8_t stream[ROOM];
size_t stream_len;

void with(const struct user *u)
{
	dev = *u;
}

void pair_start(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "usage: %s lkvm_vdev.N lkvm_vdev.M MIG\n", argv[0]);
		exit(2);
	}
	offer = (unsigned int)strtoul(argv[3], NULL, 0);
	user_start(2, (char *[]){ argv[0], argv[2], NULL });
	target = dev;
	user_start(2, argv);
	source = dev;
}

void set_faults(unsigned int faults)
{
	int fd = open("/sys/module/lkvm_vdev/parameters/faults", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || dprintf(fd, "%u\n", faults) < 0) {
		printf("Bail out! cannot set faults=: %s\n", strerror(errno));
		exit(1);
	}
	close(fd);
}

int feature(uint32_t flags, void *data, size_t size)
{
	struct {
		uint32_t argsz, flags;
		uint8_t data[128];
	} f = { .argsz = 8 + (uint32_t)size, .flags = flags };

	memcpy(f.data, data, size);
	if (ioctl(dev.fd, VFIO_DEVICE_FEATURE, &f) < 0)
		return -errno;
	memcpy(data, f.data, size);
	return 0;
}

int set_state(uint32_t state)
{
	int32_t s[2] = { (int32_t)state, -1 };
	int r = feature(VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, s, sizeof(s));

	return r ? r - 1000 : s[1];
}

void stream_save(size_t piece)
{
	int fd = set_state(STATE_STOP_COPY);

	stream_len = 0;
	for (ssize_t n = 1; n > 0; stream_len += n > 0 ? (size_t)n : 0)
		n = read(fd, stream + stream_len, piece < ROOM - stream_len ? piece : ROOM - stream_len);
	close(fd);
}

int stream_load(void)
{
	int fd = set_state(STATE_RESUMING), wrote = 0, r;
	ssize_t n;

	for (size_t done = 0; done < stream_len && !wrote; done += n > 0 ? (size_t)n : 0) {
		n = write(fd, stream + done, stream_len - done);
		wrote = n > 0 ? 0 : n ? -errno : -EIO;
	}
	close(fd);
	r = set_state(STATE_RUNNING);
	return wrote || r == -1 ? wrote : r + 1000;
}

static void bytes(uint8_t *p, size_t len, uint32_t seed)
{
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1103515245 + 12345;
		p[i] = (uint8_t)(seed >> 16);
	}
}

void plain_scramble(unsigned int seed)
{
	uint8_t data[65536];
	uint32_t entry[4];

	device_reset();
	enable(PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	config_write(PCI_INTERRUPT_LINE, 1, seed & 0xff);
	config_write(PCI_BASE_ADDRESS_0, 4, 0xfe000000 + (seed << 16));
	bytes(data, sizeof(data), seed);
	region_write(2, 0, data, sizeof(data));
	bytes(data, 4096, seed + 1);
	region_write(4, 4096, data, 4096);
	reg_write(LKVM_VDEV_SCRATCH, seed * 0x01010101);
	region_write(1, 0, &(uint32_t){ ~seed }, 4);
	reg_write64(LKVM_VDEV_DMA_SRC, MEM_IOVA + seed);
	reg_write64(LKVM_VDEV_DMA_DST, MEM_IOVA + 8192 + seed);
	reg_write(LKVM_VDEV_DMA_PATTERN, ~seed);
	for (unsigned int i = 0; i < LKVM_VDEV_MSIX_VECTORS; i++) {
		for (int k = 0; k < 4; k++)
			entry[k] = k == 3 ? (seed + i) & 1 : (0x1000 * seed + 16 * i + k) & ~3u;
		region_write(4, LKVM_VDEV_MSIX_TABLE + 16 * i, entry, 16);
	}
	for (unsigned int i = 0; i < 3 + seed % 10; i++)
		reg_write(LKVM_VDEV_FIFO, seed * 256 + i);
	reg_write(LKVM_VDEV_IRQ_TRAIN, (seed % 50 + 2) << 8);	/* INTx' level is up now */
}

void plain_look(struct plain_state *s)
{
	memset(s, 0, sizeof(*s));
	region_read(VFIO_PCI_CONFIG_REGION_INDEX, 0, s->config, sizeof(s->config));
	for (unsigned int off = 0; off < sizeof(s->regs); off += 4)
		if (off != LKVM_VDEV_FIFO && off != LKVM_VDEV_RESETS)	/* the resets stay the device's own */
			region_read(0, off, s->regs + off, 4);
	region_read(2, 0, s->bar2, sizeof(s->bar2));
	region_read(4, 0x1000, s->bar4 + 0x1000, sizeof(s->bar4) - 0x1000);
	region_read(1, 0, &s->io, 4);
}

const char *plain_differ(const struct plain_state *a, const struct plain_state *b)
{
	static char what[64];
	const struct {
		const char *name;
		const uint8_t *a, *b;
		size_t len;
	} part[] = {
		{ "config", a->config, b->config, sizeof(a->config) }, { "register", a->regs, b->regs, sizeof(a->regs) },
		{ "BAR 2", a->bar2, b->bar2, sizeof(a->bar2) },	       { "BAR 4", a->bar4, b->bar4, sizeof(a->bar4) },
	};

	for (size_t i = 0; i < sizeof(part) / sizeof(*part); i++) {
		for (size_t n = 0; n < part[i].len; n++) {
			if (part[i].a[n] != part[i].b[n]) {
				snprintf(what, sizeof(what), "%s 0x%zx: %02x %02x", part[i].name, n, part[i].a[n], part[i].b[n]);
				return what;
			}
		}
	}
	return a->io == b->io ? NULL : "I/O scratch";
}

unsigned int plain_fifo(uint32_t *words)
{
	unsigned int n = 0;

	while (n < 16 && (reg_read(LKVM_VDEV_FIFO_LEVEL) & 0xff))
		words[n++] = reg_read(LKVM_VDEV_FIFO);
	return n;
}

uint32_t field(unsigned int off)
{
	uint32_t val;

	memcpy(&val, stream + off, 4);
	return val;
}

void set_field(unsigned int off, uint32_t val)
{
	memcpy(stream + off, &val, 4);
}

unsigned int frame_part(unsigned int n)
{
	unsigned int off = FRAME_HEADER + field(FRAME_CONFIG);

	while (n--)
		off += 4 + field(off);
	return off;
}

void sign(void)
{
	uint32_t crc = ~0u;

	set_field(FRAME_CRC, 0);
	for (size_t i = 0; i < stream_len; i++) {
		crc ^= stream[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	set_field(FRAME_CRC, crc);
}
