// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/lkvm_ones: read-only mappings of any size in which every byte is 0xff, what a bus reads where nothing answers. A VMM makes a read-only
 * memory slot of one, and a guest that looks for PCI functions does so without leaving it. [lkvm/ones.h]
 *
 * The memory is one page, which all mappings show everywhere; where the kernel can map such memory by whole PMDs, as many pages as one
 * takes (2 MiB with 4 KiB pages), each with a reference count of its own: KVM takes references of what it maps. The mappings have no struct
 * page behind them (VM_PFNMAP), so no process is charged, and nothing in them can be pinned.
 */
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pfn_t.h>
#include <linux/string.h>

#include "../include/uapi/lkvm/ones.h"
#include "compat.h"

static struct page *ones_page;

static vm_fault_t ones_fault(struct vm_fault *vmf)
{
	return vmf_insert_pfn(vmf->vma, vmf->address, page_to_pfn(ones_page));
}

/* Before 6.12 no such mapping got PMDs, and KVM did not take them. */
#if defined(CONFIG_ARCH_SUPPORTS_PMD_PFNMAP) && defined(CONFIG_TRANSPARENT_HUGEPAGE)
#define ONES_ORDER PMD_ORDER

static vm_fault_t ones_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	unsigned long start = vmf->address & PMD_MASK;

	if (order != PMD_ORDER || start < vmf->vma->vm_start || vmf->vma->vm_end - start < PMD_SIZE)
		return VM_FAULT_FALLBACK;
	return vmf_insert_pfn_pmd(vmf, pfn_to_pfn_t(page_to_pfn(ones_page)), false);
}
#define ones_get_unmapped_area thp_get_unmapped_area
#else
#define ONES_ORDER 0
#define ones_huge_fault NULL
#define ones_get_unmapped_area NULL
#endif

static const struct vm_operations_struct ones_vm_ops = {
	.fault	    = ones_fault,
	.huge_fault = ones_huge_fault,
};

static int ones_mmap(struct file *file, struct vm_area_struct *vma)
{
	if (vma->vm_flags & VM_WRITE)
		return -EPERM;
	/* Without VM_MAYWRITE, mprotect() cannot make it writable, and a private one is no copy-on-write mapping. */
	lkvm_vm_flags_mod(vma, VM_PFNMAP | VM_DONTDUMP, VM_MAYWRITE);
	vma->vm_ops = &ones_vm_ops;
	return 0;
}

static const struct file_operations ones_fops = {
	.owner		   = THIS_MODULE,
	.mmap		   = ones_mmap,
	.get_unmapped_area = ones_get_unmapped_area,
	.llseek		   = noop_llseek,
};

static struct miscdevice ones_dev = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "lkvm_ones",
	.fops	= &ones_fops,
	.mode	= 0444,
};

static void ones_free(void)
{
	unsigned int i;

	for (i = 0; i < 1u << ONES_ORDER; i++)
		__free_page(ones_page + i);
}

static int __init ones_init(void)
{
	int ret;

	ones_page = alloc_pages(GFP_KERNEL, ONES_ORDER);
	if (!ones_page)
		return -ENOMEM;
	split_page(ones_page, ONES_ORDER);
	memset(page_address(ones_page), 0xff, PAGE_SIZE << ONES_ORDER);
	ret = misc_register(&ones_dev);
	if (ret)
		ones_free();
	return ret;
}

static void __exit ones_exit(void)
{
	misc_deregister(&ones_dev);
	ones_free();
}

module_init(ones_init);
module_exit(ones_exit);
MODULE_DESCRIPTION("Read-only memory of nothing but ones");
MODULE_AUTHOR("The lkvm project");
MODULE_LICENSE("GPL");
