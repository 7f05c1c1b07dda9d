/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host's kernel behind /dev/vhost-net, played: ioctl() of its descriptors keeps what it is told, judges the order as the real one does,
 * and moves the rings when a test says so. Its taps are pipes, in the back end of net-fake.h.
 */
#ifndef TESTS_VIRTIO_VHOST_KERNEL_H
#define TESTS_VIRTIO_VHOST_KERNEL_H

#include <fcntl.h>
#include <linux/vhost.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/virtio/net-fake.h"

#define KERNEL_FEATURES                                                                                                         \
	(BIT_ULL(VIRTIO_F_NOTIFY_ON_EMPTY) | BIT_ULL(VHOST_F_LOG_ALL) | BIT_ULL(VHOST_NET_F_VIRTIO_NET_HDR) | BIT_ULL(NET_F_MRG_RXBUF) |             \
	 BIT_ULL(VIRTIO_F_INDIRECT_DESC) | BIT_ULL(VIRTIO_F_EVENT_IDX) | BIT_ULL(VIRTIO_F_VERSION_1) |                          \
	 BIT_ULL(VIRTIO_F_ACCESS_PLATFORM) | BIT_ULL(VIRTIO_F_IN_ORDER))

enum { PAIRS = 2, NO_FD = -2 };

static struct kernel {
	int fd;
	unsigned int owners;
	u64 can, features;
	unsigned int regions;
	struct vhost_memory_region region[8];
	struct kernel_ring {
		unsigned int num, base;
		struct vhost_vring_addr addr;
		int kick, call, err, tap;	/* NO_FD: never set */
	} ring[2];
} kernel[PAIRS];

static unsigned int calls, fail_at;	/* the n-th call from now on fails; 0: none */
static unsigned int wrong;		/* calls that the kernel would have refused, or that make no sense */

static int set_backend(struct kernel *k, const struct vhost_vring_file *f)
{
	struct kernel_ring *r = &k->ring[f->index];

	if (f->fd >= 0 && (!k->owners || !k->regions || !r->num || !r->addr.desc_user_addr || r->kick < 0 || r->call < 0 || r->err < 0))
		wrong++;
	r->tap = f->fd;
	return 0;
}

static int kernel_ioctl(struct kernel *k, unsigned long req, void *arg)
{
	struct vhost_vring_state *state = arg;
	struct vhost_vring_file *file = arg;
	struct vhost_memory *mem = arg;
	struct kernel_ring *r = NULL;

	if (_IOC_NR(req) >= 0x10 && _IOC_NR(req) != 0x25) {
		if (*(unsigned int *)arg >= 2)
			return -ENOBUFS;
		r = &k->ring[*(unsigned int *)arg];
	}
	switch (req) {
	case VHOST_SET_OWNER:
		return k->owners++ ? -EBUSY : 0;
	case VHOST_GET_FEATURES:
		*(u64 *)arg = k->can;
		return 0;
	case VHOST_SET_FEATURES:
		k->features = *(u64 *)arg;
		return k->features & ~k->can ? -EOPNOTSUPP : 0;
	case VHOST_SET_MEM_TABLE:
		if (mem->padding || mem->nregions > ARRAY_SIZE(k->region))
			return -EOPNOTSUPP;
		k->regions = mem->nregions;
		memcpy(k->region, mem->regions, mem->nregions * sizeof(k->region[0]));
		return 0;
	case VHOST_SET_VRING_NUM:
		if (r->tap >= 0)
			return -EBUSY;
		r->num = state->num;
		return 0;
	case VHOST_SET_VRING_BASE:
		if (r->tap >= 0)
			return -EBUSY;
		r->base = state->num;
		return state->num > 0xffff ? -EINVAL : 0;
	case VHOST_GET_VRING_BASE:
		wrong += r->tap >= 0;	/* still at work */
		state->num = r->base;
		return 0;
	case VHOST_SET_VRING_ADDR:
		r->addr = *(struct vhost_vring_addr *)arg;
		return r->addr.flags ? -EOPNOTSUPP : 0;
	case VHOST_SET_VRING_KICK:
		r->kick = file->fd;
		return 0;
	case VHOST_SET_VRING_CALL:
		r->call = file->fd;
		return 0;
	case VHOST_SET_VRING_ERR:
		r->err = file->fd;
		return 0;
	case VHOST_NET_SET_BACKEND:
		return set_backend(k, file);
	}
	wrong++;
	return -ENOTTY;
}

int ioctl(int fd, unsigned long req, ...)
{
	struct kernel *k;
	va_list ap;
	void *arg;
	int r;

	va_start(ap, req);
	arg = va_arg(ap, void *);
	va_end(ap);
	for (k = kernel; k < kernel + PAIRS; k++) {
		if (fd != k->fd)
			continue;
		r = ++calls == fail_at ? -EFAULT : kernel_ioctl(k, req, arg);
		if (r < 0)
			errno = -r;
		return r < 0 ? -1 : 0;
	}
	return (int)syscall(SYS_ioctl, fd, req, arg);
}

/* Completes all that is available, @len bytes each, and calls. Gives how many, or -1: it does not serve this ring. */
static int serve(unsigned int pair, unsigned int vring, u32 len)
{
	struct kernel_ring *r = &kernel[pair].ring[vring];
	u8 *avail = (u8 *)(uintptr_t)r->addr.avail_user_addr, *used = (u8 *)(uintptr_t)r->addr.used_user_addr;
	u16 idx, u;
	int n = 0;

	if (r->tap < 0)
		return -1;
	idx = get_le16(avail + 2);
	for (u = get_le16(used + 2); (u16)r->base != idx; r->base = (u16)(r->base + 1), n++) {
		put_le32(used + 4 + 8 * (u % r->num), get_le16(avail + 4 + 2 * (r->base % r->num)));
		put_le32(used + 8 + 8 * (u % r->num), len);
		put_le16(used + 2, ++u);
	}
	if (n)
		eventfd_signal(r->call);
	return n;
}

static int tap_pipe[PAIRS][2];

/* After fake_init(). */
static void kernel_up(void)
{
	unsigned int i, v;

	calls = fail_at = wrong = 0;
	for (i = 0; i < PAIRS; i++) {
		kernel[i] = (struct kernel){ .fd = eventfd_create(), .can = KERNEL_FEATURES };
		for (v = 0; v < 2; v++)
			kernel[i].ring[v].kick = kernel[i].ring[v].call = kernel[i].ring[v].err = kernel[i].ring[v].tap = NO_FD;
		if (pipe2(tap_pipe[i], O_CLOEXEC) < 0)
			abort();
		fake.tap[i] = tap_pipe[i][0];
		fake.vhost[i] = kernel[i].fd;
	}
}

static void kernel_down(void)
{
	unsigned int i;

	for (i = 0; i < PAIRS; i++) {
		close(kernel[i].fd);
		close(tap_pipe[i][0]);
		if (tap_pipe[i][1] >= 0)
			close(tap_pipe[i][1]);
	}
}

#endif
