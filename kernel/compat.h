/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What changed in the kernel's own interfaces between 6.1 and 6.12, in one place. The modules are
 * written for the newer one.
 */
#ifndef LKVM_COMPAT_H
#define LKVM_COMPAT_H

#include <linux/eventfd.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched.h>
#include <linux/shmem_fs.h>
#include <linux/version.h>

static inline void lkvm_eventfd_signal(struct eventfd_ctx *ctx)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
	eventfd_signal(ctx, 1);
#else
	eventfd_signal(ctx);
#endif
}

static inline void lkvm_vm_flags_mod(struct vm_area_struct *vma, unsigned long set,
				     unsigned long clear)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
	vma->vm_flags = (vma->vm_flags | set) & ~clear;
#else
	vm_flags_mod(vma, set, clear);
#endif
}

/* Since 6.12 a task that went to sleep may stay in the run queue until its turn comes. */
static inline bool lkvm_task_is_runnable(struct task_struct *task)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
	return task->on_rq;
#else
	return task_is_runnable(task);
#endif
}

/*
 * A page that was pinned for long, to be written, by a user who may write it. Since 6.5 no such page
 * is of a file that a disk is behind: a write after its last fault would go unnoticed by the file
 * system. Before, it is looked for here.
 */
static inline bool lkvm_may_stay_pinned(struct page *page)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
	struct address_space *mapping;
	bool may;

	if (PageAnon(page) || PageHuge(page))
		return true;
	lock_page(page);	/* its mapping stays */
	mapping = page_mapping(page);
	may = !mapping || PageSwapCache(page) || shmem_mapping(mapping);
	unlock_page(page);
	return may;
#else
	return true;
#endif
}

/* platform_driver.remove gives nothing since 6.11 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 11, 0)
#define LKVM_REMOVE_TYPE	int
#define LKVM_REMOVE_RETURN	return 0
#else
#define LKVM_REMOVE_TYPE	void
#define LKVM_REMOVE_RETURN	return
#endif

#endif
