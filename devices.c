/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The devices every machine has in common, created from the config in the order written here: that order is also
 * their order on the PCI bus. What only one machine has is in its machine.c.
 */
#include <errno.h>

#include "vmm/chardev.h"
#include "vmm/disk.h"
#include "vmm/hw.h"
#include "vmm/net.h"
#include "vmm/vfio.h"
#include "vmm/virtio.h"
#include "vmm/vm.h"

enum { DISK_QUEUES_DEFAULT = 8 };

int devices_create_serial(struct vm *vm, enum io_space space, const struct serial_place *place, struct error *err)
{
	unsigned int i;
	int r;

	for (i = 0; i < CONFIG_SERIAL_PORTS; i++) {
		const struct serial_config cfg = {
			.space = space, .base = place[i].base, .gsi = place[i].gsi, .cd = vm->chardev[i],
			.wait_for_room = vm->chardev[i] && vm->chardev[i] == vm->console,
		};

		r = serial_create(vm, &cfg);
		if (r < 0)
			return error_set_errno(err, r, "serial port %u", i);
	}
	return 0;
}

static int create_disks(struct vm *vm, struct error *err)
{
	const struct disk_config *cfg;
	struct disk *disk;
	unsigned int i, queues;
	int r;

	for (i = 0; i < vm->cfg.nr_disks; i++) {
		cfg = &vm->cfg.disk[i];
		queues = cfg->queues ? cfg->queues : MIN(vm->cfg.cpus, (unsigned int)DISK_QUEUES_DEFAULT);
		r = disk_open(cfg, err, &disk);
		if (r < 0)
			return r;
		r = virtio_blk_create(vm, disk, queues, cfg->writethrough, err);
		if (r < 0) {
			disk_close(disk);
			return r;
		}
	}
	return 0;
}

static int create_console(struct vm *vm, struct error *err)
{
	struct virtio_console_port port[CONFIG_MAX_PORTS] = { 0 };
	unsigned int i;

	if (!vm->cfg.nr_ports)
		return 0;
	for (i = 0; i < vm->cfg.nr_ports; i++)
		port[i] = (struct virtio_console_port){
			.cd = vm->chardev[CONFIG_SERIAL_PORTS + i],
			.name = vm->cfg.port[i].name,
			.console = !vm->cfg.port[i].name,
		};
	return virtio_console_create(vm, port, vm->cfg.nr_ports, err);
}

static int create_nics(struct vm *vm, struct error *err)
{
	const struct net_config *cfg;
	struct net_backend *be;
	unsigned int i;
	int r;

	for (i = 0; i < vm->cfg.nr_nics; i++) {
		cfg = &vm->cfg.nic[i];
		r = net_open(cfg, err, &be);
		if (r < 0)
			return r;
		r = virtio_net_create(vm, be, cfg, i, err);
		if (r < 0) {
			net_close(be);
			return r;
		}
	}
	return 0;
}

int devices_create_common(struct vm *vm, struct error *err)
{
	int r = 0;

	if (vm->cfg.pvpanic)
		r = pvpanic_pci_create(vm);
	if (r < 0)
		return error_set_errno(err, r, "pvpanic");
	r = create_disks(vm, err);
	if (!r)
		r = create_nics(vm, err);
	if (!r)
		r = create_console(vm, err);
	if (!r && vm->cfg.balloon)
		r = virtio_balloon_create(vm, err);
	if (!r && vm->cfg.rng)
		r = virtio_rng_create(vm, err);
	if (!r && vm->cfg.nr_vfio)
		r = vfio_create(vm, err);
	return r;
}
