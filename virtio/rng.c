// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entropy device [virtio-1.2 5.4]: random bytes from the host's getrandom(2),
 * written straight into the driver's buffers.
 *
 * A device may give fewer bytes than the buffer holds [virtio-1.2 5.4.6.2], so one request
 * gets RNG_REQUEST_MAX at most, and one run of the handler makes RNG_RUN_MAX
 * before other users of the loop have their turn: a guest that never stops
 * asking slows down itself only. Nothing is in flight between two runs.
 *
 * Threads: all on the VM's main loop but create and free.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "util/json.h"
#include "virtio/virtio.h"
#include "vmm/virtio.h"

enum {
	RNG_QUEUE_SIZE = 16,
	RNG_IOV = RNG_QUEUE_SIZE + GUEST_RAM_RANGES,
	RNG_REQUEST_MAX = 64 * 1024,
	RNG_RUN_MAX = 128 * 1024,
	RNG_RUN_REQUESTS = 64,
};

struct virtio_rng {
	struct virtio_dev vdev;
	_Atomic u64 requests, bytes;	/* served */
	struct iovec iov[RNG_IOV];
};

static struct virtio_rng *to_rng(struct virtio_dev *vdev)
{
	return container_of(vdev, struct virtio_rng, vdev);
}

/* Gives the bytes made, at most @max; fewer only when the host has none to give. */
static size_t fill(const struct iovec *iov, unsigned int cnt, size_t max)
{
	size_t done = 0, off = 0;
	ssize_t n;

	while (cnt && done < max) {
		if (off == iov->iov_len) {
			iov++;
			cnt--;
			off = 0;
			continue;
		}
		n = getrandom((u8 *)iov->iov_base + off, MIN(iov->iov_len - off, max - done), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
		off += (size_t)n;
	}
	return done;
}

/* One request. Gives what it cost, in bytes; 0 when there was none or the ring broke. */
static size_t serve(struct virtio_rng *rng, struct virtq *q)
{
	struct virtq_chain c = { .iov = rng->iov, .room = RNG_IOV };
	size_t want, done;

	if (virtq_pop(q, &c) <= 0)
		return 0;
	/* [virtio-1.2 5.4.6.1] device-readable parts are the driver's mistake, and are ignored. */
	want = MIN(c.in_len, (u64)RNG_REQUEST_MAX);
	done = fill(c.iov + c.out_cnt, c.in_cnt, want);
	counter_add(&rng->requests, 1);
	counter_add(&rng->bytes, done);
	virtq_push(q, &c, (u32)done);
	if (done < want)
		virtio_needs_reset(&rng->vdev, "the host has no random numbers");
	return MAX(done, (size_t)(RNG_RUN_MAX / RNG_RUN_REQUESTS));
}

static void rng_notify(struct virtio_dev *vdev, unsigned int queue)
{
	struct virtq *q = virtio_queue(vdev, queue);
	size_t cost, sum = 0;

	do {
		virtq_disable_notify(q);
		while (sum < RNG_RUN_MAX && (cost = serve(to_rng(vdev), q)))
			sum += cost;
	} while (sum < RNG_RUN_MAX && virtq_enable_notify(q));
	virtio_queue_interrupt(vdev, queue);
	if (sum >= RNG_RUN_MAX)
		virtio_queue_kick(vdev, queue);	/* goes on when the loop comes round */
}

static void rng_queue_stop(struct virtio_dev *vdev, unsigned int queue)
{
	/* Every request is completed by the handler that popped it. */
}

static void rng_stats(struct virtio_dev *vdev, struct strbuf *b)
{
	json_u64(b, "requests", counter_get(&to_rng(vdev)->requests));
	json_u64(b, "bytes", counter_get(&to_rng(vdev)->bytes));
}

static void rng_free(struct virtio_dev *vdev)
{
	free(to_rng(vdev));
}

static const struct virtio_ops rng_ops = {
	.id = VIRTIO_ID_RNG,
	.pci_class = 0xff0000,
	.legacy_pci_id = 0x1005,
	.queue_stop = rng_queue_stop,
	.queue_notify = rng_notify,
	.stats = rng_stats,
	.free = rng_free,
};

int virtio_rng_create(struct vm *vm, struct error *err)
{
	static const u16 sizes[] = { RNG_QUEUE_SIZE };
	static const struct virtio_init init = {
		.ops = &rng_ops,
		.nr_queues = 1,
		.queue_sizes = sizes,
		.in_order_ok = true,
		.kind = "rng",
	};
	struct virtio_rng *rng = calloc(1, sizeof(*rng));
	int r;

	if (!rng)
		return error_set_errno(err, -ENOMEM, "virtio-rng");
	r = virtio_dev_create(vm, &rng->vdev, &init, err);
	if (r < 0)
		free(rng);
	return r;
}
