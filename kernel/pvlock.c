// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/lkvm_pvlock: a flag in a thread's memory that is 1 while the thread is kept off the CPU that was taken from it. A VMM lays the flag of a vCPU's thread into
 * guest memory, where another vCPU that waits for a lock reads it: the holder will not let go soon. [lkvm/pvlock.h]
 *
 * Preempt notifiers tell when the thread goes and comes. Invariants:
 *
 *  1. The list of notifiers belongs to its task and has no lock: only the task itself changes it, with preemption off, and only while it
 *     is alive. What else wants an entry gone asks the task, by task work.
 *  2. A task that ended runs no task work any more, and leaves its CPU once more, as TASK_DEAD. That is under the run queue's lock, where
 *     nothing may be woken, and in the walk of the list: an irq_work leads out of there.
 *  3. So exactly one of three takes an entry off its task: the task's own UNREGISTER or close, its task work, its death. Whoever does frees
 *     it, or has the work queue free it. Until then the page is pinned and the task is referenced. The notifier tells of a death; one that it
 *     did not tell of, as the change to the scheduler's code had not come to that CPU, is found by the last close.
 *  4. An entry holds a reference of the module; it is given back by the work queue, which the module's exit waits for.
 *
 * The kernel writes through its own mapping: a page that the owner takes out of the address space, by MADV_DONTNEED or as a balloon, is no
 * longer the one written, and no dirty log of KVM sees the writes. Left out: anything but one flag for each thread of an open file.
 */
#include <linux/irq_work.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/preempt.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/task_work.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include "../include/uapi/lkvm/pvlock.h"
#include "compat.h"

#define PVLOCK_ALIGN 64
#define PVLOCK_MAX   8	/* entries of a task, of several files: each switch to or from it walks them with interrupts off */

struct pvlock_file {
	struct list_head entries;
};

struct pvlock_entry {
	struct preempt_notifier notifier;
	struct callback_head	ask;	/* runs in the task */
	struct irq_work		dead;
	struct work_struct	work;
	unsigned long		ended;	/* bit 0: of a task that dies; work is queued, or was */
	struct rcu_head		rcu;
	struct list_head	list;	/* of its file, or of none; pvlock_mutex */
	struct list_head	all;	/* in pvlock_all while it is in a file's; pvlock_mutex */
	struct task_struct     *task;	/* referenced, as its mm */
	struct mm_struct       *mm;
	struct page	       *page;	/* pinned */
	__le64		       *flag;
};

static DEFINE_MUTEX(pvlock_mutex);	/* the lists of all files, and this: */
static LIST_HEAD(pvlock_all);
static struct workqueue_struct *pvlock_queue;

static void pvlock_sched_in(struct preempt_notifier *notifier, int cpu)
{
	struct pvlock_entry *entry = container_of(notifier, struct pvlock_entry, notifier);

	WRITE_ONCE(*entry->flag, cpu_to_le64(0));
}

static void pvlock_sched_out(struct preempt_notifier *notifier, struct task_struct *next)
{
	struct pvlock_entry *entry = container_of(notifier, struct pvlock_entry, notifier);

	if (unlikely(READ_ONCE(current->__state) == TASK_DEAD))
		irq_work_queue(&entry->dead);	/* (inv. 2) */
	else if (lkvm_task_is_runnable(current))
		WRITE_ONCE(*entry->flag, cpu_to_le64(1));
}

static struct preempt_ops pvlock_ops = {
	.sched_in  = pvlock_sched_in,
	.sched_out = pvlock_sched_out,
};

/* Of an entry that is on no task's list any more */
static void pvlock_free(struct pvlock_entry *entry)
{
	WRITE_ONCE(*entry->flag, cpu_to_le64(0));
	unpin_user_pages_dirty_lock(&entry->page, 1, true);
	account_locked_vm(entry->mm, 1, false);
	mmdrop(entry->mm);
	put_task_struct(entry->task);
	/* A CPU may still be about to leave irq_work's own code. */
	kfree_rcu(entry, rcu);
	module_put(THIS_MODULE);
}

/* Its scheduler has left the CPU to another one, and calls no notifier any more. */
static bool pvlock_off_for_good(struct task_struct *task)
{
	if (READ_ONCE(task->__state) != TASK_DEAD)
		return false;
#ifdef CONFIG_SMP
	return !smp_load_acquire(&task->on_cpu);
#else
	return true;
#endif
}

static void pvlock_work(struct work_struct *work)
{
	struct pvlock_entry *entry = container_of(work, struct pvlock_entry, work);

	if (test_bit(0, &entry->ended))
		while (!pvlock_off_for_good(entry->task))
			schedule_timeout_uninterruptible(1);
	irq_work_sync(&entry->dead);
	mutex_lock(&pvlock_mutex);
	list_del(&entry->list);
	list_del(&entry->all);
	mutex_unlock(&pvlock_mutex);
	pvlock_free(entry);
}

/* @entry's task is past its last task work. */
static void pvlock_ends(struct pvlock_entry *entry)
{
	if (!test_and_set_bit(0, &entry->ended))
		queue_work(pvlock_queue, &entry->work);
}

static void pvlock_dead(struct irq_work *dead)
{
	pvlock_ends(container_of(dead, struct pvlock_entry, dead));
}

/* Called by the entry's task */
static void pvlock_detach(struct pvlock_entry *entry)
{
	preempt_disable();
	preempt_notifier_unregister(&entry->notifier);
	preempt_enable();
}

static void pvlock_asked(struct callback_head *ask)
{
	struct pvlock_entry *entry = container_of(ask, struct pvlock_entry, ask);

	pvlock_detach(entry);
	queue_work(pvlock_queue, &entry->work);	/* not here: (inv. 4) */
}

static struct pvlock_entry *pvlock_find(struct pvlock_file *pf)
{
	struct pvlock_entry *entry;

	lockdep_assert_held(&pvlock_mutex);
	list_for_each_entry(entry, &pf->entries, list)
		if (entry->task == current)
			return entry;
	return NULL;
}

/* Whether the current task may have one more. Nobody else adds one of its. */
static int pvlock_room(struct pvlock_file *pf)
{
	struct pvlock_entry *entry;
	unsigned int n = 0;

	lockdep_assert_held(&pvlock_mutex);
	if (pvlock_find(pf))
		return -EEXIST;
	list_for_each_entry(entry, &pvlock_all, all)
		n += entry->task == current;
	return n < PVLOCK_MAX ? 0 : -EBUSY;
}

static int pvlock_pin(struct pvlock_entry *entry, u64 addr)
{
	int ret;

	ret = account_locked_vm(entry->mm, 1, true);
	if (ret)
		return ret;
	ret = pin_user_pages_fast(addr & PAGE_MASK, 1, FOLL_WRITE | FOLL_LONGTERM, &entry->page);
	if (ret == 1 && !lkvm_may_stay_pinned(entry->page)) {
		unpin_user_page(entry->page);
		ret = -EOPNOTSUPP;
	}
	if (ret == 1) {
		entry->flag = page_address(entry->page) + offset_in_page(addr);
		return 0;
	}
	account_locked_vm(entry->mm, 1, false);
	return ret < 0 ? ret : -EFAULT;
}

static int pvlock_register(struct pvlock_file *pf, const struct lkvm_pvlock_register __user *arg)
{
	struct lkvm_pvlock_register reg;
	struct pvlock_entry *entry;
	int ret;

	if (copy_from_user(&reg, arg, sizeof(reg)))
		return -EFAULT;
	if (reg.argsz < sizeof(reg) || reg.flags || !IS_ALIGNED(reg.addr, PVLOCK_ALIGN))
		return -EINVAL;
	if (!access_ok(u64_to_user_ptr(reg.addr), PVLOCK_ALIGN))
		return -EFAULT;
	entry = kzalloc(sizeof(*entry), GFP_KERNEL_ACCOUNT);
	if (!entry)
		return -ENOMEM;
	entry->task = current;
	entry->mm = current->mm;
	preempt_notifier_init(&entry->notifier, &pvlock_ops);
	init_task_work(&entry->ask, pvlock_asked);
	init_irq_work(&entry->dead, pvlock_dead);
	INIT_WORK(&entry->work, pvlock_work);

	/* Pinning may take as long as a user-space fault handler likes; nobody else adds an entry of this task. */
	mutex_lock(&pvlock_mutex);
	ret = pvlock_room(pf);
	mutex_unlock(&pvlock_mutex);
	if (!ret)
		ret = pvlock_pin(entry, reg.addr);
	if (ret) {
		kfree(entry);
		return ret;
	}
	mutex_lock(&pvlock_mutex);
	list_add(&entry->list, &pf->entries);
	list_add(&entry->all, &pvlock_all);
	mutex_unlock(&pvlock_mutex);
	__module_get(THIS_MODULE);	/* the open file has one */
	get_task_struct(entry->task);
	mmgrab(entry->mm);
	preempt_disable();
	WRITE_ONCE(*entry->flag, cpu_to_le64(0));
	preempt_notifier_register(&entry->notifier);
	preempt_enable();
	return 0;
}

static int pvlock_unregister(struct pvlock_file *pf)
{
	struct pvlock_entry *entry;

	mutex_lock(&pvlock_mutex);
	entry = pvlock_find(pf);
	if (entry) {
		list_del(&entry->list);
		list_del(&entry->all);
	}
	mutex_unlock(&pvlock_mutex);
	if (!entry)
		return -ENOENT;
	pvlock_detach(entry);
	pvlock_free(entry);
	return 0;
}

static long pvlock_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct pvlock_file *pf = file->private_data;

	switch (cmd) {
	case LKVM_PVLOCK_REGISTER:
		return pvlock_register(pf, (void __user *)arg);
	case LKVM_PVLOCK_UNREGISTER:
		return pvlock_unregister(pf);
	}
	return -ENOTTY;
}

static int pvlock_open(struct inode *inode, struct file *file)
{
	struct pvlock_file *pf = kzalloc(sizeof(*pf), GFP_KERNEL_ACCOUNT);

	if (!pf)
		return -ENOMEM;
	INIT_LIST_HEAD(&pf->entries);
	file->private_data = pf;
	return 0;
}

/* No ioctl is under way any more, but tasks end. */
static int pvlock_release(struct inode *inode, struct file *file)
{
	struct pvlock_file *pf = file->private_data;
	struct pvlock_entry *entry;

	mutex_lock(&pvlock_mutex);
	while ((entry = list_first_entry_or_null(&pf->entries, struct pvlock_entry, list))) {
		list_del_init(&entry->list);
		list_del_init(&entry->all);
		if (entry->task == current) {
			pvlock_detach(entry);
			queue_work(pvlock_queue, &entry->work);
		} else if (task_work_add(entry->task, &entry->ask, TWA_SIGNAL)) {
			pvlock_ends(entry);
		}
	}
	mutex_unlock(&pvlock_mutex);
	kfree(pf);
	return 0;
}

static const struct file_operations pvlock_fops = {
	.owner		= THIS_MODULE,
	.open		= pvlock_open,
	.release	= pvlock_release,
	.unlocked_ioctl	= pvlock_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.llseek		= noop_llseek,
};

static struct miscdevice pvlock_dev = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "lkvm_pvlock",
	.fops	= &pvlock_fops,
};

static int __init pvlock_init(void)
{
	int ret;

	pvlock_queue = alloc_workqueue("lkvm_pvlock", 0, 0);
	if (!pvlock_queue)
		return -ENOMEM;
	/* This changes the scheduler's code, so once, and not with each thread that comes and goes. */
	preempt_notifier_inc();
	kick_all_cpus_sync();	/* arm64 before 6.11, and early releases of 6.1, left other CPUs at the code of before for a while */
	ret = misc_register(&pvlock_dev);
	if (ret) {
		preempt_notifier_dec();
		destroy_workqueue(pvlock_queue);
	}
	return ret;
}

static void __exit pvlock_exit(void)
{
	misc_deregister(&pvlock_dev);
	destroy_workqueue(pvlock_queue);
	preempt_notifier_dec();
	/* A task may have been preempted on pvlock_asked()'s last instruction. */
	synchronize_rcu_tasks();
}

module_init(pvlock_init);
module_exit(pvlock_exit);
MODULE_DESCRIPTION("Says in a thread's memory whether it was taken off its CPU");
MODULE_AUTHOR("The lkvm project");
MODULE_LICENSE("GPL");
