// SPDX-License-Identifier: GPL-2.0-only
/*
 * lkvm_vdev's DMA: every operation by vfio_dma_rw() and by pinned pages, at once and later; what is not the user's memory is refused; pins end.
 * usage: vdev-dma lkvm_vdev.N. A TAP producer; tests/lab/kernel-vdev.t runs it.
 *
 * links: vdev-user.c
 */
#include "vdev-user.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#define COMMAND (PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER)

enum { PAGE = 65536 };	/* no host has larger ones */

static const uint32_t ways[] = {
	0, LKVM_VDEV_DMA_PIN, LKVM_VDEV_DMA_ASYNC, LKVM_VDEV_DMA_PIN | LKVM_VDEV_DMA_ASYNC,
};
#define FOR_EACH_WAY(w) for (unsigned int w##_i = 0, w; w##_i < 4 && ((w = ways[w##_i]), 1); w##_i++)

/* Different at every call */
static void fill_random(void *p, size_t len)
{
	static uint64_t x = 88172645463325252ULL;
	uint8_t *b = p;

	while (len--) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		*b++ = x >> 32;
	}
}

/* [IEEE 802.3 3.2.9], as zlib's crc32() */
static uint32_t crc32(const uint8_t *p, size_t len)
{
	uint32_t crc = ~0u;
	unsigned int i;

	while (len--) {
		crc ^= *p++;
		for (i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

TEST(off_without_bus_master)
{
	enable(PCI_COMMAND_MEMORY);
	FOR_EACH_WAY(way)
		CHECK_EQ(dma(LKVM_VDEV_DMA_COPY | way, MEM_IOVA, MEM_IOVA + PAGE, 64), LKVM_VDEV_DMA_OFF);
	CHECK_EQ(counter("pinned"), 0);
	enable(COMMAND);
}

/* Odd addresses and lengths, over pages; nothing beside the target changes */
TEST(copy)
{
	const uint32_t lens[] = { 1, 3, 64, 4095, 4097, 70001, LKVM_VDEV_DMA_MAX };
	uint8_t *src = dev.mem + 4093, *dst = dev.mem + (2 << 20) + 1;

	FOR_EACH_WAY(way) {
		for (unsigned int i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
			fill_random(src, lens[i]);
			memset(dst - 1, 0x55, lens[i] + 2);
			CHECK_EQ(dma(LKVM_VDEV_DMA_COPY | way, MEM_IOVA + (src - dev.mem), MEM_IOVA + (dst - dev.mem), lens[i]),
				 LKVM_VDEV_DMA_DONE);
			CHECK_EQ(reg_read(LKVM_VDEV_DMA_RESULT), lens[i]);
			CHECK(!memcmp(src, dst, lens[i]));
			CHECK(dst[-1] == 0x55 && dst[lens[i]] == 0x55);
		}
	}
}

TEST(fill_and_crc)
{
	const uint32_t len = 3 * PAGE + 12;

	FOR_EACH_WAY(way) {
		uint32_t *words = (uint32_t *)(dev.mem + 4);

		reg_write(LKVM_VDEV_DMA_PATTERN, 0xdeadbe00 + way_i);
		CHECK_EQ(dma(LKVM_VDEV_DMA_FILL | way, 0, MEM_IOVA + 4, len), LKVM_VDEV_DMA_DONE);
		for (unsigned int i = 0; i < len / 4; i++)
			CHECK_EQ(words[i], 0xdeadbe00 + way_i);
		fill_random(dev.mem + 17, len);
		CHECK_EQ(dma(LKVM_VDEV_DMA_CRC | way, MEM_IOVA + 17, 0, len), LKVM_VDEV_DMA_DONE);
		CHECK_EQ(reg_read(LKVM_VDEV_DMA_RESULT), crc32(dev.mem + 17, len));
	}
}

TEST(to_and_from_the_bar)
{
	uint8_t got[5000];

	FOR_EACH_WAY(way) {
		fill_random(dev.mem, sizeof(got));
		CHECK_EQ(dma(LKVM_VDEV_DMA_TO_BAR | way, MEM_IOVA, 3000, sizeof(got)), LKVM_VDEV_DMA_DONE);
		CHECK_EQ(region_read(2, 3000, got, sizeof(got)), sizeof(got));
		CHECK(!memcmp(got, dev.mem, sizeof(got)));
		CHECK_EQ(dma(LKVM_VDEV_DMA_FROM_BAR | way, 3000, MEM_IOVA + PAGE + 1, sizeof(got)), LKVM_VDEV_DMA_DONE);
		CHECK(!memcmp(got, dev.mem + PAGE + 1, sizeof(got)));
	}
}

TEST(bad_commands)
{
	CHECK_EQ(dma(0, MEM_IOVA, MEM_IOVA, 4), LKVM_VDEV_DMA_BAD);
	CHECK_EQ(dma(6, MEM_IOVA, MEM_IOVA, 4), LKVM_VDEV_DMA_BAD);
	CHECK_EQ(dma(LKVM_VDEV_DMA_COPY, MEM_IOVA, MEM_IOVA, 0), LKVM_VDEV_DMA_BAD);
	CHECK_EQ(dma(LKVM_VDEV_DMA_COPY, MEM_IOVA, MEM_IOVA, LKVM_VDEV_DMA_MAX + 1), LKVM_VDEV_DMA_BAD);
	CHECK_EQ(dma(LKVM_VDEV_DMA_FILL, 0, MEM_IOVA, 6), LKVM_VDEV_DMA_BAD);
	CHECK_EQ(dma(LKVM_VDEV_DMA_TO_BAR, MEM_IOVA, 65536 - 3, 4), LKVM_VDEV_DMA_BAD);
	CHECK_EQ(dma(LKVM_VDEV_DMA_TO_BAR, MEM_IOVA, ~0ULL, 4), LKVM_VDEV_DMA_BAD);
	CHECK_EQ(dma(LKVM_VDEV_DMA_FROM_BAR, 65537, MEM_IOVA, 4), LKVM_VDEV_DMA_BAD);
	CHECK_EQ(dma(LKVM_VDEV_DMA_COPY, MEM_IOVA, MEM_IOVA + 64, 4), LKVM_VDEV_DMA_DONE);
}

/* Nowhere, past the end, into the hole, over the end of the address space; and writes to read-only memory */
TEST(what_is_not_ours_is_refused)
{
	const uint64_t bad[] = {
		0, HOLE_IOVA - 2, HOLE_IOVA, HOLE_IOVA + 12345, NOWHERE_IOVA, RO_IOVA + RO_SIZE - 3, 0xfffffffffffff000ULL, ~0ULL - 7, ~0ULL,
	};

	FOR_EACH_WAY(way) {
		for (unsigned int i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
			CHECK_EQ(dma(LKVM_VDEV_DMA_CRC | way, bad[i], 0, 16), LKVM_VDEV_DMA_FAULT);
			CHECK_EQ(dma(LKVM_VDEV_DMA_FILL | way, 0, bad[i], 16), LKVM_VDEV_DMA_FAULT);
		}
		memset(dev.ro, 0x77, 64);
		CHECK_EQ(dma(LKVM_VDEV_DMA_COPY | way, RO_IOVA, MEM_IOVA, 64), LKVM_VDEV_DMA_DONE);
		CHECK(!memcmp(dev.ro, dev.mem, 64));
		CHECK_EQ(dma(LKVM_VDEV_DMA_FILL | way, 0, RO_IOVA, 64), LKVM_VDEV_DMA_FAULT);
		CHECK_EQ(dev.ro[0], 0x77);
	}
}

/* A page that was pinned for reading is then written. */
TEST(pinned_pages)
{
	const uint32_t pin = LKVM_VDEV_DMA_PIN;
	long page = sysconf(_SC_PAGESIZE);

	CHECK_EQ(device_reset(), 0);
	enable(COMMAND);
	CHECK_EQ(counter("pinned"), 0);
	CHECK_EQ(dma(LKVM_VDEV_DMA_CRC | pin, MEM_IOVA, 0, 3 * page), LKVM_VDEV_DMA_DONE);
	CHECK_EQ(counter("pinned"), 3);
	CHECK_EQ(dma(LKVM_VDEV_DMA_FILL | pin, 0, MEM_IOVA + page, page), LKVM_VDEV_DMA_DONE);
	CHECK_EQ(counter("pinned"), 3);
	CHECK_EQ(dma(LKVM_VDEV_DMA_FILL, 0, MEM_IOVA + 8 * page, page), LKVM_VDEV_DMA_DONE);
	CHECK_EQ(counter("pinned"), 3);
	CHECK_EQ(device_reset(), 0);
	CHECK_EQ(counter("pinned"), 0);
	enable(COMMAND);
}

/* The user's unmap takes the pins away, and the device can no longer get there; mapped anew, it can. */
TEST(unmap_of_pinned_pages)
{
	const uint32_t pin = LKVM_VDEV_DMA_PIN;

	CHECK_EQ(dma(LKVM_VDEV_DMA_CRC | pin, MEM_IOVA, 0, LKVM_VDEV_DMA_MAX), LKVM_VDEV_DMA_DONE);
	CHECK_EQ(dma(LKVM_VDEV_DMA_CRC | pin, RO_IOVA, 0, 64), LKVM_VDEV_DMA_DONE);
	CHECK_EQ(unmap_dma(MEM_IOVA, MEM_SIZE), MEM_SIZE);
	CHECK_EQ(counter("pinned"), 1);
	FOR_EACH_WAY(way)
		CHECK_EQ(dma(LKVM_VDEV_DMA_CRC | way, MEM_IOVA, 0, 64), LKVM_VDEV_DMA_FAULT);
	CHECK_EQ(map_dma(MEM_IOVA, dev.mem, MEM_SIZE, VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE), 0);
	FOR_EACH_WAY(way)
		CHECK_EQ(dma(LKVM_VDEV_DMA_CRC | way, MEM_IOVA, 0, 64), LKVM_VDEV_DMA_DONE);
}

/* Unmapped and mapped again while the device is at it: it sees memory or a fault, and all pins end. */
TEST(unmap_under_load)
{
	const uint32_t cmd = LKVM_VDEV_DMA_COPY | LKVM_VDEV_DMA_PIN | LKVM_VDEV_DMA_ASYNC;

	reg_write64(LKVM_VDEV_DMA_SRC, MEM_IOVA);
	reg_write64(LKVM_VDEV_DMA_DST, MEM_IOVA + (2 << 20));
	reg_write(LKVM_VDEV_DMA_LEN, LKVM_VDEV_DMA_MAX);
	for (unsigned int i = 0; i < 100; i++) {
		reg_write(LKVM_VDEV_DMA_CMD, cmd);
		CHECK_EQ(unmap_dma(MEM_IOVA, MEM_SIZE), MEM_SIZE);
		CHECK_EQ(map_dma(MEM_IOVA, dev.mem, MEM_SIZE, VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE), 0);
	}
	CHECK_EQ(device_reset(), 0);
	CHECK_EQ(counter("pinned"), 0);
	enable(COMMAND);
}

/* The user's own memory is gone although it is mapped for DMA. */
TEST(memory_that_is_not_there)
{
	void *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK_EQ(map_dma(NOWHERE_IOVA, p, PAGE, VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE), 0);
	CHECK_EQ(munmap(p, PAGE), 0);
	FOR_EACH_WAY(way) {
		CHECK_EQ(dma(LKVM_VDEV_DMA_CRC | way, NOWHERE_IOVA, 0, 64), LKVM_VDEV_DMA_FAULT);
		CHECK_EQ(dma(LKVM_VDEV_DMA_FILL | way, 0, NOWHERE_IOVA, 64), LKVM_VDEV_DMA_FAULT);
	}
	CHECK_EQ(unmap_dma(NOWHERE_IOVA, PAGE), PAGE);
}

TEST(interrupt_at_the_end)
{
	uint32_t cmd = LKVM_VDEV_DMA_CRC | LKVM_VDEV_DMA_ASYNC | LKVM_VDEV_DMA_IRQ | 2 << LKVM_VDEV_DMA_VECTOR_SHIFT;
	int event[3] = { new_event(), new_event(), new_event() };

	CHECK_EQ(set_irqs(VFIO_PCI_MSIX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER, 0, 3, event, NULL), 0);
	reg_write64(LKVM_VDEV_DMA_SRC, MEM_IOVA);
	reg_write(LKVM_VDEV_DMA_LEN, 4096);
	for (unsigned int i = 0; i < 1000; i++) {
		reg_write(LKVM_VDEV_DMA_CMD, cmd | (i & 1 ? LKVM_VDEV_DMA_PIN : 0));
		CHECK_EQ(event_wait(event[2]), 1);
		CHECK_EQ(reg_read(LKVM_VDEV_DMA_STATUS), LKVM_VDEV_DMA_DONE);
	}
	reg_write64(LKVM_VDEV_DMA_SRC, NOWHERE_IOVA);
	reg_write(LKVM_VDEV_DMA_CMD, cmd);
	CHECK_EQ(event_wait(event[2]), 1);
	CHECK_EQ(reg_read(LKVM_VDEV_DMA_STATUS), LKVM_VDEV_DMA_FAULT);
	CHECK_EQ(event_take(event[0]) + event_take(event[1]), 0);
	CHECK_EQ(disable_irqs(VFIO_PCI_MSIX_IRQ_INDEX), 0);
	for (unsigned int i = 0; i < 3; i++)
		close(event[i]);
}

TEST(counters)
{
	long long read = counter("dma_read"), written = counter("dma_written");

	CHECK_EQ(dma(LKVM_VDEV_DMA_COPY, MEM_IOVA, MEM_IOVA + PAGE, 1000), LKVM_VDEV_DMA_DONE);
	CHECK_EQ(dma(LKVM_VDEV_DMA_CRC | LKVM_VDEV_DMA_PIN, MEM_IOVA, 0, 500), LKVM_VDEV_DMA_DONE);
	CHECK_EQ(counter("dma_read") - read, 1500);
	CHECK_EQ(counter("dma_written") - written, 1000);
}

int main(int argc, char **argv)
{
	user_start(argc, argv);
	RUN(off_without_bus_master);
	RUN(copy);
	RUN(fill_and_crc);
	RUN(to_and_from_the_bar);
	RUN(bad_commands);
	RUN(what_is_not_ours_is_refused);
	RUN(pinned_pages);
	RUN(unmap_of_pinned_pages);
	RUN(unmap_under_load);
	RUN(memory_that_is_not_there);
	RUN(interrupt_at_the_end);
	RUN(counters);
	return tap_done();
}
