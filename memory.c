/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest physical addresses to host memory. The ranges are few and sorted, so a
 * lookup is a short scan; every test is made before the use, in a form that cannot wrap.
 */
#include "vmm/memory.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

int guest_mem_add(struct guest_mem *gm, gpa_t gpa, u64 size, void *hva)
{
	unsigned int i, at;

	if (!size || gpa + size < gpa)
		return -EINVAL;
	if (gm->nr == GUEST_RAM_RANGES)
		return -ENOSPC;
	for (at = 0; at < gm->nr && gm->ram[at].gpa < gpa; at++)
		;
	if (at > 0 && gpa - gm->ram[at - 1].gpa < gm->ram[at - 1].size)
		return -EINVAL;
	if (at < gm->nr && gm->ram[at].gpa - gpa < size)
		return -EINVAL;
	for (i = gm->nr; i > at; i--)
		gm->ram[i] = gm->ram[i - 1];
	gm->ram[at] = (struct guest_range){ .gpa = gpa, .size = size, .hva = hva };
	gm->nr++;
	return 0;
}

static const struct guest_range *find(const struct guest_mem *gm, gpa_t gpa)
{
	unsigned int i;

	for (i = 0; i < gm->nr; i++)
		if (gpa >= gm->ram[i].gpa && gpa - gm->ram[i].gpa < gm->ram[i].size)
			return &gm->ram[i];
	return NULL;
}

void *guest_ptr(const struct guest_mem *gm, gpa_t gpa, u64 len)
{
	const struct guest_range *r = find(gm, gpa);
	u64 off;

	if (!r || !len)
		return NULL;
	off = gpa - r->gpa;
	if (len > r->size - off)
		return NULL;
	return (char *)r->hva + off;
}

/*
 * The host piece at @gpa, at most @len bytes, or NULL. Gives its length in *ret_len.
 */
static void *piece(const struct guest_mem *gm, gpa_t gpa, u64 len, u64 *ret_len)
{
	const struct guest_range *r = find(gm, gpa);
	u64 off;

	if (!r)
		return NULL;
	off = gpa - r->gpa;
	*ret_len = MIN(len, r->size - off);
	return (char *)r->hva + off;
}

/* Copies ask first, so that one that fails leaves nothing half done. */
bool guest_is_ram(const struct guest_mem *gm, gpa_t gpa, u64 len)
{
	u64 n;

	if (len && gpa + (len - 1) < gpa)
		return false;
	for (; len; gpa += n, len -= n)
		if (!piece(gm, gpa, len, &n))
			return false;
	return true;
}

int guest_read(const struct guest_mem *gm, gpa_t gpa, void *dst, size_t len)
{
	void *src = guest_ptr(gm, gpa, len);
	u64 n;

	if (src) {
		memcpy(dst, src, len);
		return 0;
	}
	if (!guest_is_ram(gm, gpa, len))
		return -EFAULT;
	for (; len; gpa += n, len -= n, dst = (char *)dst + n) {
		src = piece(gm, gpa, len, &n);
		memcpy(dst, src, n);
	}
	return 0;
}

int guest_write(const struct guest_mem *gm, gpa_t gpa, const void *src, size_t len)
{
	void *dst = guest_ptr(gm, gpa, len);
	u64 n;

	if (dst) {
		memcpy(dst, src, len);
		return 0;
	}
	if (!guest_is_ram(gm, gpa, len))
		return -EFAULT;
	for (; len; gpa += n, len -= n, src = (const char *)src + n) {
		dst = piece(gm, gpa, len, &n);
		memcpy(dst, src, n);
	}
	return 0;
}

int guest_fill(const struct guest_mem *gm, gpa_t gpa, u8 byte, u64 len)
{
	void *dst;
	u64 n;

	if (!guest_is_ram(gm, gpa, len))
		return -EFAULT;
	for (; len; gpa += n, len -= n) {
		dst = piece(gm, gpa, len, &n);
		memset(dst, byte, n);
	}
	return 0;
}

int guest_iov(const struct guest_mem *gm, gpa_t gpa, u64 len, enum guest_dir dir, struct iovec *iov,
	      unsigned int room)
{
	unsigned int cnt = 0;
	void *p;
	u64 n;

	if (!len)
		return -EINVAL;
	if (gpa + (len - 1) < gpa)
		return -EFAULT;
	for (; len; gpa += n, len -= n) {
		p = piece(gm, gpa, len, &n);
		if (!p)
			return -EFAULT;
		if (cnt == room)
			return -E2BIG;
		iov[cnt++] = (struct iovec){ .iov_base = p, .iov_len = n };
	}
	return (int)cnt;
}

/* --- giving memory back --- */

/* Host memory inside one range, rounded inward to whole host pages. */
static int discard(const struct guest_mem *gm, void *hva, u64 len, u64 *done)
{
	u64 start = align_up((uintptr_t)hva, gm->host_page), end = align_down((uintptr_t)hva + len, gm->host_page);

	if (start >= end)
		return 0;
	/* A file keeps its content when a mapping lets go of it: there the hole is made in the file. [madvise(2)] */
	if (madvise((void *)(uintptr_t)start, end - start, gm->shared ? MADV_REMOVE : MADV_DONTNEED) < 0)
		return -errno;
	*done += end - start;
	return 0;
}

static int discard_refused(const struct guest_mem *gm)
{
	if (!gm->host_page)
		return -EOPNOTSUPP;
	return gm->pins ? -EBUSY : 0;
}

int guest_discard(const struct guest_mem *gm, gpa_t gpa, u64 len, u64 *ret_done)
{
	void *hva;
	u64 n;
	int r;

	*ret_done = 0;
	if (!guest_is_ram(gm, gpa, len))
		return -EFAULT;
	r = discard_refused(gm);
	for (; !r && len; gpa += n, len -= n) {
		hva = piece(gm, gpa, len, &n);
		r = discard(gm, hva, n, ret_done);
	}
	return r;
}

int guest_discard_piece(const struct guest_mem *gm, const struct iovec *p, u64 *ret_done)
{
	uintptr_t hva = (uintptr_t)p->iov_base, base;
	unsigned int i;
	int r;

	*ret_done = 0;
	for (i = 0; i < gm->nr; i++) {
		base = (uintptr_t)gm->ram[i].hva;
		if (hva < base || hva - base >= gm->ram[i].size || p->iov_len > gm->ram[i].size - (hva - base))
			continue;
		r = discard_refused(gm);
		return r < 0 ? r : discard(gm, p->iov_base, p->iov_len, ret_done);
	}
	return -EFAULT;
}

void guest_mem_pin(struct guest_mem *gm)
{
	gm->pins++;
}

void guest_mem_unpin(struct guest_mem *gm)
{
	assert(gm->pins);
	gm->pins--;
}

gpa_t guest_ram_end(const struct guest_mem *gm, gpa_t limit)
{
	gpa_t end = 0;
	unsigned int i;

	for (i = 0; i < gm->nr; i++)
		if (gm->ram[i].gpa < limit)
			end = MIN(gm->ram[i].gpa + gm->ram[i].size, limit);
	return end;
}

u64 guest_ram_size(const struct guest_mem *gm)
{
	u64 size = 0;
	unsigned int i;

	for (i = 0; i < gm->nr; i++)
		size += gm->ram[i].size;
	return size;
}
