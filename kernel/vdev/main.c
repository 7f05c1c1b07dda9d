// SPDX-License-Identifier: GPL-2.0-only
/*
 * lkvm_vdev: a PCI device in software, given to user space through VFIO, on any machine: no IOMMU,
 * no mdev, no PCI bus. Each is a platform device "lkvm_vdev.N" in an emulated IOMMU group of its
 * own; include/uapi/lkvm/vdev.h has what its registers do. It is there to show and test every part
 * of a VMM's VFIO code.
 *
 * Here: the module, its parameters, and the platform devices.
 */
#include <linux/module.h>
#include <linux/platform_device.h>

#include "vdev.h"

enum { DEVICES_MAX = 16 };

/* Those with a value for each device: the last one given is for all the rest. */
static unsigned int devices = 1;
static char *personality[DEVICES_MAX] = { "plain" };
static unsigned int mig[DEVICES_MAX] = {
	VDEV_MIG_STOP_COPY | VDEV_MIG_PRE_COPY | VDEV_MIG_P2P | VDEV_MIG_LOG,
};
static unsigned int irq[DEVICES_MAX] = { VDEV_IRQ_INTX | VDEV_IRQ_MSI | VDEV_IRQ_MSIX };
static int personalities = 1, migs = 1, irqs = 1;
unsigned int vdev_faults;

module_param(devices, uint, 0444);
MODULE_PARM_DESC(devices, "how many (1..16)");
module_param_array(personality, charp, &personalities, 0444);
MODULE_PARM_DESC(personality, "plain, serial or dsa");
module_param_array(mig, uint, &migs, 0444);
MODULE_PARM_DESC(mig,
		 "migration offered: 1 v2 stop-copy, 2 v2 pre-copy, 4 v2 P2P, 8 v1, 16 DMA logging");
module_param_array(irq, uint, &irqs, 0444);
MODULE_PARM_DESC(irq,
		 "interrupts offered: 1 INTx, 2 MSI, 4 MSI-X, 8 MSI-X vectors can be added later");
module_param_named(faults, vdev_faults, uint, 0644);
MODULE_PARM_DESC(faults,
		 "of migration: 1 bad stream, 2 slow, 4 next transition fails, 8 and ends in ERROR, 16 stream ends early");

static const struct vdev_personality *const all_personalities[] = {
	&vdev_plain,
	&vdev_serial,
	&vdev_dsa,
};

static struct platform_device *platform[DEVICES_MAX];

static const struct vdev_personality *find_personality(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(all_personalities); i++)
		if (!strcmp(all_personalities[i]->name, name))
			return all_personalities[i];
	return NULL;
}

struct vdev_offer vdev_offer(int id)
{
	return (struct vdev_offer){
		.p = find_personality(personality[min(id, personalities - 1)]),
		.irq = irq[min(id, irqs - 1)],
		.mig = mig[min(id, migs - 1)],
	};
}

static int vdev_probe(struct platform_device *pdev)
{
	struct vdev *v;
	int r;

	if (pdev->id < 0 || strcmp(pdev->name, "lkvm_vdev"))	/* none of ours, by driver_override */
		return -ENODEV;
	v = vfio_alloc_device(vdev, vfio, &pdev->dev, &vdev_ops);
	if (IS_ERR(v))
		return PTR_ERR(v);
	r = vfio_register_emulated_iommu_dev(&v->vfio);
	if (r) {
		vfio_put_device(&v->vfio);
		return r;
	}
	platform_set_drvdata(pdev, v);
	return 0;
}

static LKVM_REMOVE_TYPE vdev_remove(struct platform_device *pdev)
{
	struct vdev *v = platform_get_drvdata(pdev);

	vfio_unregister_group_dev(&v->vfio);
	vfio_put_device(&v->vfio);
	LKVM_REMOVE_RETURN;
}

static struct platform_driver vdev_driver = {
	.probe = vdev_probe,
	.remove = vdev_remove,
	.driver = {
		.name = "lkvm_vdev",
		.dev_groups = vdev_groups,
	},
	.driver_managed_dma = true,
};

static int check_parameters(void)
{
	unsigned int i;

	if (!devices || devices > DEVICES_MAX) {
		pr_err("lkvm_vdev: devices=%u is not 1 to %d\n", devices, DEVICES_MAX);
		return -EINVAL;
	}
	for (i = 0; i < personalities; i++) {
		if (find_personality(personality[i]))
			continue;
		pr_err("lkvm_vdev: no personality=%s\n", personality[i]);
		return -EINVAL;
	}
	return 0;
}

static void remove_devices(void)
{
	unsigned int i;

	for (i = devices; i--;)
		platform_device_unregister(platform[i]);
}

static int __init vdev_module_init(void)
{
	unsigned int i;
	int r = check_parameters();

	if (!r)
		r = platform_driver_register(&vdev_driver);
	if (r)
		return r;
	for (i = 0; i < devices && !r; i++) {
		platform[i] = platform_device_register_simple("lkvm_vdev", i, NULL, 0);
		if (IS_ERR(platform[i])) {
			r = PTR_ERR(platform[i]);
			platform[i] = NULL;
		} else if (!platform_get_drvdata(platform[i])) {
			r = -ENODEV;	/* the probe failed, and said so */
		}
	}
	if (r) {
		remove_devices();
		platform_driver_unregister(&vdev_driver);
	}
	return r;
}

static void __exit vdev_module_exit(void)
{
	remove_devices();
	platform_driver_unregister(&vdev_driver);
}

module_init(vdev_module_init);
module_exit(vdev_module_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A PCI device in software, given to user space through VFIO");
