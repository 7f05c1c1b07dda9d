// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/lkvm_ones: read-only mappings of any size in which every byte is 0xff, what a bus reads where nothing answers. A VMM makes a read-only
 * memory slot of one, and a guest that looks for PCI functions does so without leaving it. [lkvm/ones.h]
 *
 * All mappings show one page everywhere. It is mapped as the page it is, and counted as resident as often as it is seen, though it is there
 * once: with VM_PFNMAP it would not be, but KVM on arm64 takes such an area for physically contiguous memory (get_vma_page_shift()), and on
 * riscv64 for what its offset says, so that a guest would read whatever lies behind the page.
 */
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/string.h>

#include "../include/uapi/lkvm/ones.h"
#include "compat.h"

static struct page *ones_page;

/* A page has room for 2^31 references; who wants more gets none. */
static vm_fault_t ones_fault(struct vm_fault *vmf)
{
	if (!try_get_page(ones_page))
		return VM_FAULT_SIGBUS;
	vmf->page = ones_page;
	return 0;
}

static const struct vm_operations_struct ones_vm_ops = {
	.fault = ones_fault,
};

static int ones_mmap(struct file *file, struct vm_area_struct *vma)
{
	if (vma->vm_flags & VM_WRITE)
		return -EPERM;
	/* Without VM_MAYWRITE, mprotect() cannot make it writable, and a private one is no copy-on-write mapping. */
	lkvm_vm_flags_mod(vma, VM_DONTDUMP, VM_MAYWRITE);
	vma->vm_ops = &ones_vm_ops;
	return 0;
}

static const struct file_operations ones_fops = {
	.owner	= THIS_MODULE,
	.mmap	= ones_mmap,
	.llseek	= noop_llseek,
};

static struct miscdevice ones_dev = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "lkvm_ones",
	.fops	= &ones_fops,
	.mode	= 0444,
};

static int __init ones_init(void)
{
	int ret;

	ones_page = alloc_page(GFP_KERNEL);
	if (!ones_page)
		return -ENOMEM;
	memset(page_address(ones_page), 0xff, PAGE_SIZE);
	ret = misc_register(&ones_dev);
	if (ret)
		__free_page(ones_page);
	return ret;
}

static void __exit ones_exit(void)
{
	misc_deregister(&ones_dev);
	__free_page(ones_page);
}

module_init(ones_init);
module_exit(ones_exit);
MODULE_DESCRIPTION("Read-only memory of nothing but ones");
MODULE_AUTHOR("The lkvm project");
MODULE_LICENSE("GPL");
