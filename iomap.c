/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From an address to the region that answers, without a lock; the contract is in the header.
 *
 * The map is a snapshot: segments sorted by address, disjoint, overlaps already decided. Dispatch searches it under a
 * hazard pointer; a change builds the next snapshot from the current one and swaps it in.
 *
 * Invariants:
 *  1. A snapshot is never changed once map->cur has pointed at it, and never becomes current again.
 *  2. A snapshot is freed only after it stopped being current and was then seen in no reader. The reader shows it
 *     first and checks after that that it is still current. Both sides are sequentially consistent, so either
 *     the writer sees it shown, or the reader sees that it is not current and does not look inside.
 *  3. A region's handler runs only while its reader shows it, and it was shown before a check found the snapshot
 *     it came from still current. io_map_del() swaps in a snapshot without it first and looks at readers after
 *     that, so it sees every handler that is running, and a reader it does not see will not find the region.
 *  4. A reader shows a snapshot only during a search. Nothing waits for that: replaced snapshots are
 *     kept and looked at again at the next change. They are at most as many as there are readers.
 *
 * Waiting and deadlock. Only io_map_del() waits, only for handlers of the region it removes, and holds neither
 * map->lock nor anything else of this module meanwhile. Call a wait "T1 for T2" when T2 runs a handler of the
 * region T1 removes. T2 then is in a region that is unmapped now and then, so by the header's rule its handler
 * neither maps nor unmaps: T2 waits for nobody here, and takes no lock T1 holds. So no wait is part of a cycle.
 * Two vCPUs that each unmap from inside ECAM or CF8 handlers show those permanent regions, which nobody ever
 * waits for. (They are also serialised by pci_host.lock, which the one who waits holds: no BAR handler takes
 * it.) map->lock is held for building and swapping only, and no handler runs under it.
 *
 * Threads: dispatch from any thread that owns a reader; changes from any thread.
 */
#include "vmm/iomap.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "util/endian.h"

struct io_segment {
	u64 first, last;
	struct io_region *region;
};

struct io_snapshot {
	struct io_snapshot *next;	/* on map->retired */
	unsigned int nr;
	struct io_segment seg[];
};

/* --- building snapshots; map->lock held --- */

/*
 * @n regions have at most 2n ends, so at most 2n - 1 segments once neighbours of the same region are one: emit()
 * sees to that.
 */
static struct io_snapshot *snapshot_alloc(unsigned int regions)
{
	return calloc(1, sizeof(struct io_snapshot) + 2 * (size_t)regions * sizeof(struct io_segment));
}

static void emit(struct io_snapshot *s, u64 first, u64 last, struct io_region *r)
{
	struct io_segment *prev = s->nr ? &s->seg[s->nr - 1] : NULL;

	if (prev && prev->region == r && prev->last + 1 == first)
		prev->last = last;
	else
		s->seg[s->nr++] = (struct io_segment){ first, last, r };
}

/* @to becomes @from with @r in every place of it that nobody has. */
static void fill_gaps(struct io_snapshot *to, const struct io_snapshot *from, struct io_region *r)
{
	u64 at = r->base, last = r->base + (r->size - 1);
	bool left = true;	/* [at, last] is still to be placed */
	unsigned int i;

	to->nr = 0;
	for (i = 0; i < from->nr; i++) {
		const struct io_segment *seg = &from->seg[i];

		if (left && at < seg->first) {
			emit(to, at, MIN(last, seg->first - 1), r);
			at = seg->first;
		}
		if (left && seg->last >= at) {
			left = seg->last < last;
			at = seg->last + 1;	/* may wrap: then left is false */
		}
		left = left && at <= last;
		emit(to, seg->first, seg->last, seg->region);
	}
	if (left)
		emit(to, at, last, r);
}

static bool regions_overlap(const struct io_region *a, const struct io_region *b)
{
	return a->base <= b->base + (b->size - 1) && b->base <= a->base + (a->size - 1);
}

/* The current snapshot without @r, which is off map->regions: those below it come up, oldest first. */
static struct io_snapshot *snapshot_without(struct io_map *map, const struct io_region *r)
{
	const struct io_snapshot *cur = atomic_load(&map->cur);
	struct io_snapshot *a = snapshot_alloc(map->nr_regions + 1), *b = snapshot_alloc(map->nr_regions + 1), *swap;
	struct io_region *below;
	unsigned int i;

	if (!a || !b) {
		free(a);
		free(b);
		return NULL;
	}
	for (i = 0; i < cur->nr; i++)
		if (cur->seg[i].region != r)
			a->seg[a->nr++] = cur->seg[i];
	list_for_each(below, &map->regions, node) {
		if (!regions_overlap(below, r))
			continue;
		fill_gaps(b, a, below);
		swap = a;
		a = b;
		b = swap;
	}
	free(b);
	return a;
}

static bool shown_by_reader(struct io_map *map, const struct io_snapshot *s)
{
	struct io_reader *rd;

	list_for_each(rd, &map->readers, node)
		if (atomic_load(&rd->snapshot) == s)
			return true;
	return false;
}

/* (inv. 2, 4) */
static void snapshot_replace(struct io_map *map, struct io_snapshot *next)
{
	struct io_snapshot *old = atomic_exchange(&map->cur, next), **p = &map->retired;

	old->next = map->retired;
	map->retired = old;
	while (*p) {
		old = *p;
		if (shown_by_reader(map, old)) {
			p = &old->next;
			continue;
		}
		*p = old->next;
		free(old);
	}
}

int io_map_add(struct io_map *map, struct io_region *r, u64 base, u64 size, const struct io_ops *ops,
	       struct io_overlap *ret_overlap)
{
	struct io_overlap overlap = { .name = "" };
	struct io_region *other;
	struct io_snapshot *next;

	if (!size || base > map->limit || size - 1 > map->limit - base)
		return -EINVAL;
	pthread_mutex_lock(&map->lock);
	if (r->mapped) {
		pthread_mutex_unlock(&map->lock);
		return -EBUSY;
	}
	next = snapshot_alloc(map->nr_regions + 1);
	if (!next) {
		pthread_mutex_unlock(&map->lock);
		return -ENOMEM;
	}
	r->base = base;
	r->size = size;
	r->ops = ops;
	r->mapped = true;
	list_for_each(other, &map->regions, node) {
		if (!regions_overlap(other, r))
			continue;
		overlap.base = other->base;
		snprintf(overlap.name, sizeof(overlap.name), "%s", other->name ? other->name : "another region");
		break;
	}
	list_add_tail(&map->regions, &r->node);
	map->nr_regions++;
	fill_gaps(next, atomic_load(&map->cur), r);
	snapshot_replace(map, next);
	pthread_mutex_unlock(&map->lock);
	if (ret_overlap)
		*ret_overlap = overlap;
	return 0;
}

/* --- waiting for handlers (inv. 3) --- */

static bool region_in_use(struct io_map *map, const struct io_region *r, const struct io_reader *self)
{
	struct io_reader *rd;

	list_for_each(rd, &map->readers, node)
		if (rd != self && atomic_load(&rd->region) == r)
			return true;
	return false;
}

/*
 * The waiter counts itself before it looks, a reader stops showing before it looks at the count: one sees the
 * other.
 */
static void wait_for_handlers(struct io_map *map, const struct io_region *r, const struct io_reader *self)
{
	atomic_fetch_add(&map->waiters, 1);
	if (region_in_use(map, r, self)) {
		pthread_mutex_lock(&map->wait_lock);
		while (region_in_use(map, r, self))
			pthread_cond_wait(&map->wait_cond, &map->wait_lock);
		pthread_mutex_unlock(&map->wait_lock);
	}
	atomic_fetch_sub(&map->waiters, 1);
}

static void reader_leave(struct io_map *map, struct io_reader *rd)
{
	atomic_store(&rd->region, NULL);
	if (!atomic_load(&map->waiters))
		return;
	pthread_mutex_lock(&map->wait_lock);
	pthread_cond_broadcast(&map->wait_cond);
	pthread_mutex_unlock(&map->wait_lock);
}

void io_map_del(struct io_map *map, struct io_region *r, struct io_reader *self)
{
	struct io_snapshot *next;

	pthread_mutex_lock(&map->lock);
	if (!r->mapped || list_empty(&r->node)) {	/* empty: another thread is removing it */
		pthread_mutex_unlock(&map->lock);
		return;
	}
	list_del(&r->node);
	map->nr_regions--;
	/*
	 * It has no way to fail: the caller frees the region next. Without memory for a few segments
	 * there is no going on.
	 */
	next = snapshot_without(map, r);
	if (!next) {
		log_err("bus", "out of memory");
		abort();
	}
	snapshot_replace(map, next);
	pthread_mutex_unlock(&map->lock);
	wait_for_handlers(map, r, self);
	pthread_mutex_lock(&map->lock);
	r->mapped = false;
	pthread_mutex_unlock(&map->lock);
}

/* --- dispatch --- */

/* The first segment that ends at @addr or after it; s->nr when there is none. */
static unsigned int snapshot_search(const struct io_snapshot *s, u64 addr)
{
	unsigned int lo = 0, hi = s->nr, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (s->seg[mid].last < addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/*
 * Who answers at @addr, or NULL. @ret_last: up to there it is the same. @last_found: where the reader found something before, be it in
 * another snapshot: a guess, for what is accessed is accessed again.
 */
static struct io_region *snapshot_find(const struct io_snapshot *s, u64 addr, unsigned int *last_found, u64 *ret_last)
{
	unsigned int i = *last_found;

	if (i >= s->nr || addr < s->seg[i].first || addr > s->seg[i].last)
		i = snapshot_search(s, addr);
	if (i == s->nr) {
		*ret_last = UINT64_MAX;
		return NULL;
	}
	if (s->seg[i].first > addr) {
		*ret_last = s->seg[i].first - 1;
		return NULL;
	}
	*last_found = i;
	*ret_last = s->seg[i].last;
	return s->seg[i].region;
}

/* Who answers at @addr, up to @ret_last; shown in @rd until reader_leave(). NULL: nobody, and then nothing is shown. */
static struct io_region *reader_enter(struct io_map *map, struct io_reader *rd, u64 addr, u64 *ret_last)
{
	struct io_snapshot *s;
	struct io_region *r;

	for (;;) {
		s = atomic_load(&map->cur);
		atomic_store(&rd->snapshot, s);
		if (atomic_load(&map->cur) != s)
			continue;	/* (inv. 2) */
		r = snapshot_find(s, addr, &rd->last_found, ret_last);
		if (!r)
			break;
		atomic_store(&rd->region, r);
		if (atomic_load(&map->cur) == s)
			break;
		reader_leave(map, rd);	/* (inv. 3) it may be on its way out */
	}
	atomic_store_explicit(&rd->snapshot, NULL, memory_order_release);
	return r;
}

/* The largest access @r takes at @off of at most @room bytes; 0: none. */
static unsigned int piece_size(const struct io_region *r, u64 off, unsigned int room)
{
	unsigned int size;

	if (room > r->size - off)
		room = (unsigned int)(r->size - off);
	for (size = 8; size; size >>= 1)
		if (size <= room && (r->ops->sizes & size) && is_aligned(off, size))
			break;
	return size;
}

/* One piece of at most @room bytes, by a region that is shown. Gives its size, 0 when the region takes none such. */
static unsigned int piece_access(struct io_region *r, u64 addr, unsigned int room, bool is_write, u64 *val)
{
	unsigned int n = piece_size(r, addr - r->base, room);

	if (n && is_write)
		r->ops->write(r, addr - r->base, *val & ones(n), n);
	else if (n)
		*val = r->ops->read(r, addr - r->base, n) & ones(n);
	return n;
}

/*
 * All of an access by one region that takes it as it is, or by nobody: what nearly every access is. IN_PIECES: neither, and nothing was
 * done. Inline, because it is on the way of every exit and half of it falls away where @is_write is known.
 */
enum access_end { NOBODY, SERVED, IN_PIECES };
static inline __attribute__((always_inline)) enum access_end access_at_once(struct io_map *map, struct io_reader *rd, u64 addr,
									     unsigned int size, bool is_write, u64 *val)
{
	struct io_region *r;
	bool whole;
	u64 last;

	assert(!atomic_load_explicit(&rd->region, memory_order_relaxed));
	r = reader_enter(map, rd, addr, &last);
	whole = last - addr >= size - 1;
	if (!r) {
		if (whole && !is_write)
			*val = ones(size);
		return whole ? NOBODY : IN_PIECES;
	}
	whole = whole && (r->ops->sizes & size) && !(size & (size - 1)) && is_aligned(addr - r->base, size);
	if (whole && is_write)
		r->ops->write(r, addr - r->base, *val & ones(size), size);
	else if (whole)
		*val = r->ops->read(r, addr - r->base, size) & ones(size);
	reader_leave(map, rd);
	return whole ? SERVED : IN_PIECES;
}

/*
 * @val: what is written, or what was read. Regions come and go meanwhile, and no register may be seen in part: where nobody
 * answers, nobody does for all of the access that was unclaimed at that moment; and a read's pieces stay with their region. A write
 * looks anew for each, for its handler may have changed the map.
 */
static bool access_in_pieces(struct io_map *map, struct io_reader *rd, u64 addr, unsigned int size, bool is_write, u64 *val)
{
	unsigned int done = 0, end, n;
	struct io_region *r;
	u64 out = 0, piece, last;
	bool served = true;

	while (done < size) {
		r = NULL;
		last = UINT64_MAX;
		if (addr + done >= addr)	/* an access that runs over the end of the space does not start again at 0 */
			r = reader_enter(map, rd, addr + done, &last);
		end = done + (unsigned int)MIN(last - (addr + done), (u64)(size - done - 1)) + 1;
		do {
			piece = is_write ? *val >> done * 8 : 0;
			n = r ? piece_access(r, addr + done, size - done, is_write, &piece) : 0;
			if (!n) {
				served = false;
				n = r ? 1 : end - done;
				piece = ones(n);
			}
			if (!is_write)
				out |= piece << done * 8;
			done += n;
		} while (done < end && !is_write);
		if (r)
			reader_leave(map, rd);
	}
	if (!is_write)
		*val = out;
	return served;
}

bool io_map_read(struct io_map *map, struct io_reader *rd, u64 addr, unsigned int size, u64 *ret)
{
	enum access_end end = access_at_once(map, rd, addr, size, false, ret);

	return end == IN_PIECES ? access_in_pieces(map, rd, addr, size, false, ret) : end == SERVED;
}

bool io_map_write(struct io_map *map, struct io_reader *rd, u64 addr, unsigned int size, u64 val)
{
	enum access_end end = access_at_once(map, rd, addr, size, true, &val);

	return end == IN_PIECES ? access_in_pieces(map, rd, addr, size, true, &val) : end == SERVED;
}

/* --- life --- */

int io_map_init(struct io_map *map, u64 limit)
{
	struct io_snapshot *empty = snapshot_alloc(0);

	if (!empty)
		return -ENOMEM;
	atomic_init(&map->cur, empty);
	atomic_init(&map->waiters, 0);
	pthread_mutex_init(&map->lock, NULL);
	pthread_mutex_init(&map->wait_lock, NULL);
	pthread_cond_init(&map->wait_cond, NULL);
	list_init(&map->regions);
	list_init(&map->readers);
	map->nr_regions = 0;
	map->retired = NULL;
	map->limit = limit;
	map->overlaps = (struct log_rate){ 0 };
	return 0;
}

void io_map_free(struct io_map *map)
{
	struct io_snapshot *s = atomic_load(&map->cur), *next;

	if (!s)
		return;		/* never initialised */
	free(s);
	for (s = map->retired; s; s = next) {
		next = s->next;
		free(s);
	}
	map->retired = NULL;
	atomic_store(&map->cur, NULL);
	pthread_cond_destroy(&map->wait_cond);
	pthread_mutex_destroy(&map->wait_lock);
	pthread_mutex_destroy(&map->lock);
}

void io_reader_add(struct io_map *map, struct io_reader *rd)
{
	atomic_init(&rd->snapshot, NULL);
	atomic_init(&rd->region, NULL);
	rd->last_found = 0;
	list_add_tail(&map->readers, &rd->node);
}

void io_reader_del(struct io_map *map, struct io_reader *rd)
{
	if (rd->node.next)	/* NULL: never added */
		list_del(&rd->node);
}
