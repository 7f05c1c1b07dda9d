/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A VFIO function as a device of the VM: made from the config, reset, stopped, saved, freed; and what is undone when a part of it fails.
 *
 * links: vfio/pci.c vfio/pci-rom.c vfio/pci-config.c vfio/pci-caps.c vfio/pci-extcaps.c pci-eject.c pci.c pci-msi.c pci-host.c iomap.c mmio.c ioport.c
 * links: device.c state.c event.c util/json.c util/log.c util/io.c util/str.c util/error.c util/cleanup.c util/thread.c
 */
#include "vfio/pci.h"

#include "config-rig.h"
#include "tests/eject-fake.h"
#include "util/json.h"
#include "vfio/migration.h"

static int open_error, bars_error, irq_error, migration_error, stream_error;
static bool migratable, has_button;
static unsigned int opened, forgotten;
static const struct vfio_iommu_ops way = { .name = "group" };
static struct vfio_iommu iommu = { .ops = &way };

int vfio_device_open(struct vm *vm, const struct vfio_config *cfg, struct vfio_device **ret, struct error *err)
{
	if (open_error)
		return error_set(err, open_error, "open");
	rig.vd.cfg = cfg;
	rig.vd.iommu = &iommu;
	*ret = &rig.vd;
	opened++;
	rig_log("open ");
	return 0;
}

void vfio_device_close(struct vfio_device *vd)
{
	opened--;
	rig_log("close ");
}

int vfio_pci_bars_init(struct vfio_pci *vp, struct error *err)
{
	rig.vp = vp;
	if (bars_error)
		return error_set(err, bars_error, "bars");
	rig_log("bars ");
	vp->bar[0].region = &rig.region[0];
	vp->bar[0].piece = calloc(1, sizeof(*vp->bar[0].piece));
	vp->bar[0].piece->area.size = 0x1000;
	vp->bar[0].nr_pieces = 1;
	return pci_dev_add_bar(&vp->pdev, 0, PCI_BAR_MEM32, RIG_BAR0_SIZE, &rig_bar_io);
}

void vfio_pci_bars_free(struct vfio_pci *vp)
{
	free(vp->bar[0].piece);
	rig_log("bars-free ");
}

int vfio_pci_irq_init(struct vfio_pci *vp, struct error *err)
{
	rig_log("irq-init ");
	return irq_error ? error_set(err, irq_error, "irq") : 0;
}

void vfio_pci_irq_free(struct vfio_pci *vp)
{
	rig_log("irq-free ");
}

void vfio_pci_irq_stats(struct vfio_pci *vp, struct strbuf *b)
{
	json_str(b, "interrupt", "none");
}

int vfio_migration_create(struct vfio_device *vd, struct vfio_migration **ret, struct error *err)
{
	if (migration_error)
		return error_set(err, migration_error, "migration");
	*ret = migratable ? (struct vfio_migration *)&rig : NULL;
	return 0;
}

void vfio_dirty_forget(struct vfio_device *vd)
{
	if (!opened)
		abort();
	forgotten++;
}

void vfio_migration_free(struct vfio_migration *m)
{
	if (m)
		rig_log("migration-free ");
}

int vfio_migration_quiesce_all(struct vm *of, enum vfio_mig_state to, struct error *err)
{
	rig_log("all=%u ", to);
	return stream_error ? error_set(err, stream_error, "state") : 0;
}

int vfio_migration_run_all(struct vm *of, struct error *err)
{
	rig_log("all=%u ", VFIO_MIG_RUNNING);
	return stream_error ? error_set(err, stream_error, "state") : 0;
}

int vfio_migration_save(struct vfio_migration *m, struct state_writer *w, struct error *err)
{
	state_begin(w, "stream", 1);
	state_put_u32(w, 0x1234);
	state_end(w);
	return stream_error ? error_set(err, stream_error, "stream") : 0;
}

int vfio_migration_load(struct vfio_migration *m, struct state_reader *r, struct error *err)
{
	u32 version;

	if (state_open(r, "stream", 1, &version) < 0 || state_get_u32(r) != 0x1234 || state_close(r) < 0)
		return error_set(err, -EBADMSG, "stream");
	return stream_error ? error_set(err, stream_error, "stream") : 0;
}

void vfio_migration_stats(struct vfio_device *vd, struct strbuf *b)
{
	json_bool(b, "migration", vd->migration);
}

bool power_button_there(const struct vm *vm)
{
	return has_button;
}

static struct vfio_host host;

static void init(void)
{
	rig_init();
	host.ending = false;
	list_init(&host.devices);
	list_add_tail(&host.devices, &rig.vd.node);
	rig.vd.host = &host;
	open_error = bars_error = irq_error = migration_error = stream_error = 0;
	migratable = has_button = false;
	opened = forgotten = 0;
	rig.region[0].size = RIG_BAR0_SIZE;
	put_le16(rig.dev + PCI_COMMAND, 7);
	rig.vm->cfg.vfio[0] = rig.cfg;
	rig.vm->cfg.nr_vfio = 1;
}

static void start(void)
{
	init();
	migratable = true;
	if (vfio_create(rig.vm, NULL) < 0 || pci_assign_bars(rig.vm->pci, NULL) < 0)
		abort();
	rig_happened();
}

static struct device *device(void)
{
	return &rig.vp->pdev.dev;
}

TEST(a_function_is_made_in_order_and_undone_in_reverse)
{
	init();
	CHECK_EQ(vfio_create(rig.vm, NULL), 0);
	CHECK_STR(rig_happened(), "open bars w4.2=0000 irq-init ");
	CHECK_STR(device()->name, "vfio0");
	CHECK_EQ(cr(0, 4), 0x10d38086);
	CHECK_EQ(pci_assign_bars(rig.vm->pci, NULL), 0);
	cw(PCI_COMMAND, 2, 6);
	rig_happened();
	devices_free(rig.vm);
	CHECK_STR(rig_happened(), "irq-free irqoff -0 w4.2=0000 reset irq irq-free w4.2=0000 bars-free close ");
	CHECK_EQ(opened, 0);
	fake_vm_free(rig.vm);
}

TEST(no_device_named_none_made)
{
	init();
	rig.vm->cfg.nr_vfio = 0;
	CHECK_EQ(vfio_create(rig.vm, NULL), 0);
	CHECK_STR(rig_happened(), "");
	fake_vm_free(rig.vm);
}

static void fails(int code, const char *why)
{
	struct error err = { .msg = "" };

	CHECK_EQ(vfio_create(rig.vm, &err), code);
	CHECK(strstr(err.msg, why));
	CHECK_EQ(opened, 0);
	CHECK_EQ(fake.lines, 0);
	fake_vm_free(rig.vm);
}

TEST(what_fails_is_undone)
{
	init();
	open_error = -ENODEV;
	fails(-ENODEV, "open");
	init();
	migration_error = -EOPNOTSUPP;
	fails(-EOPNOTSUPP, "migration");
	init();
	rig.dev[PCI_HEADER_TYPE] = 1;
	fails(-EINVAL, "bridge");
	init();
	bars_error = -EINVAL;
	fails(-EINVAL, "bars");
	init();
	rig.vm->cfg.vfio[0].rom = VFIO_ROM_FILE;
	rig.vm->cfg.vfio[0].romfile = "/dev/null";
	fails(-EINVAL, "romfile");
	init();
	irq_error = -EMFILE;
	migratable = true;
	fails(-EMFILE, "irq");
}

TEST(a_full_bus_is_an_error_that_names_the_device)
{
	static struct fake_dev d[32];
	struct error err = { .msg = "" };
	unsigned int i;

	init();
	for (i = 1; i < 32; i++) {
		fake_dev_init(&d[i], 1);
		pci_plug(rig.vm->pci, &d[i].pdev, -1);
	}
	CHECK_EQ(vfio_create(rig.vm, &err), -ENOSPC);
	CHECK_STR(err.msg, "--vfio '0000:01:00.0': no place on the PCI bus: No space left on device");
	for (i = 1; i < 32; i++)
		pci_dev_cleanup(&d[i].pdev);
	CHECK_EQ(opened, 0);
	fake_vm_free(rig.vm);
}

TEST(reset_of_the_vm_resets_the_device)
{
	start();
	cw(PCI_COMMAND, 2, 6);
	rig_happened();
	devices_reset(rig.vm);
	CHECK_STR(rig_happened(), "irqoff -0 w4.2=0000 reset irq ");
	fake_vm_free(rig.vm);
}

TEST(a_device_that_can_be_migrated_stops_and_starts)
{
	start();
	devices_start(rig.vm);			/* it runs already */
	CHECK_STR(rig_happened(), "");
	devices_stop(rig.vm);
	devices_stop(rig.vm);
	CHECK_STR(rig_happened(), "all=1 ");
	devices_start(rig.vm);
	CHECK_STR(rig_happened(), "all=2 ");
	stream_error = -EIO;			/* said, and the VM goes on */
	devices_stop(rig.vm);
	devices_start(rig.vm);
	CHECK_STR(rig_happened(), "all=1 all=2 ");
	fake_vm_free(rig.vm);
}

TEST(a_device_without_migration_is_named_as_what_cannot_be_saved)
{
	struct state_writer w = { .open = false };
	struct error err = { .msg = "" };

	init();
	CHECK_EQ(vfio_create(rig.vm, NULL), 0);
	devices_stop(rig.vm);
	CHECK_EQ(devices_save(rig.vm, &w, &err), -EOPNOTSUPP);
	CHECK_STR(err.msg, "vfio0 cannot be saved");
	devices_start(rig.vm);
	state_writer_free(&w);
	fake_vm_free(rig.vm);
}

TEST(state_is_config_space_and_the_devices_stream)
{
	struct state_writer w = { .open = false };
	struct state_reader r;
	struct error err = { .msg = "" };

	start();
	cw(PCI_COMMAND, 2, 6);
	cw(PCI_INTERRUPT_LINE, 1, 0x77);
	CHECK_EQ(devices_save(rig.vm, &w, NULL), 0);
	devices_reset(rig.vm);
	CHECK(cr(PCI_INTERRUPT_LINE, 1) != 0x77);
	rig_happened();
	state_reader_init(&r, w.buf.s, w.buf.len);
	CHECK_EQ(devices_load(rig.vm, &r, NULL), 0);
	CHECK_STR(rig_happened(), "w4.2=0006 +0 irq ");
	CHECK_EQ(cr(PCI_INTERRUPT_LINE, 1), 0x77);
	devices_start(rig.vm);
	CHECK_STR(rig_happened(), "all=2 ");

	state_reader_init(&r, w.buf.s, w.buf.len - 1);
	CHECK_EQ(devices_load(rig.vm, &r, &err), -EBADMSG);
	CHECK(strstr(err.msg, "vfio0"));
	stream_error = -EIO;
	state_reader_init(&r, w.buf.s, w.buf.len);
	CHECK_EQ(devices_load(rig.vm, &r, &err), -EIO);
	state_writer_free(&w);
	w = (struct state_writer){ .open = false };
	CHECK_EQ(devices_save(rig.vm, &w, &err), -EIO);
	CHECK_STR(err.msg, "stream");
	state_writer_free(&w);
	fake_vm_free(rig.vm);
}

TEST(state_of_another_device_is_refused)
{
	struct state_writer w = { .open = false };
	struct state_reader r;

	start();
	CHECK_EQ(devices_save(rig.vm, &w, NULL), 0);
	devices_free(rig.vm);
	fake_vm_free(rig.vm);
	start();
	rig.vp->pdev.config[2]++;
	state_reader_init(&r, w.buf.s, w.buf.len);
	CHECK_EQ(devices_load(rig.vm, &r, NULL), -EBADMSG);
	state_writer_free(&w);
	fake_vm_free(rig.vm);
}

TEST(stats_tell_device_way_and_how_much_is_mapped)
{
	struct strbuf b = { .s = NULL };

	start();
	json_begin(&b, NULL);
	device()->ops->stats(device(), &b);
	json_end(&b);
	CHECK_STR(b.s, "{\"device\":\"0000:01:00.0\",\"iommu\":\"group\",\"bar_bytes\":65536,\"bar_bytes_mapped\":4096,"
		       "\"interrupt\":\"none\",\"migration\":true}");
	strbuf_free(&b);
	fake_vm_free(rig.vm);
}

/* A machine with ACPI. */
static void init_with_eject(void)
{
	init();
	if (event_loop_create("test", &rig.vm->loop) < 0 || pci_eject_create(rig.vm, &eject_config) < 0)
		abort();
}

static void end_with_eject(void)
{
	struct event_loop *loop = rig.vm->loop;

	devices_free(rig.vm);
	fake_vm_free(rig.vm);
	event_loop_free(loop);
}

TEST(a_guest_gives_the_device_back_and_it_is_closed)
{
	init_with_eject();
	rig.vm->cfg.vfio[0].on_request = VFIO_REQUEST_UNPLUG;
	CHECK_EQ(vfio_create(rig.vm, NULL), 0);
	CHECK_EQ(pci_assign_bars(rig.vm->pci, NULL), 0);
	CHECK_EQ(pci_eject_slots(rig.vm->pci), BIT(RIG_FN / 8));
	cw(PCI_COMMAND, 2, 6);
	CHECK_EQ(pci_eject_ask(&rig.vp->pdev), 0);
	rig_happened();
	port_write(rig.vm, EJECT_PORT + PCI_EJECT_NOW, 4, BIT(RIG_FN / 8));
	CHECK_STR(rig_happened(), "");
	run_posted(rig.vm);
	CHECK_STR(rig_happened(), "irq-free irqoff -0 w4.2=0000 reset irq irq-free w4.2=0000 bars-free close ");
	CHECK_EQ(opened, 0);
	CHECK(!host.ending);		/* the guest goes on */
	CHECK_EQ(forgotten, 1);
	CHECK_EQ(cr(0, 4), 0xffffffff);
	/* What the VM does later does not find it. */
	devices_stop(rig.vm);
	devices_reset(rig.vm);
	devices_start(rig.vm);
	CHECK_STR(rig_happened(), "");
	CHECK_EQ(cr(0, 4), 0xffffffff);
	end_with_eject();
}

TEST(a_stopped_device_that_can_be_migrated_goes_back_at_a_reset)
{
	init_with_eject();
	migratable = true;
	CHECK_EQ(vfio_create(rig.vm, NULL), 0);
	CHECK_EQ(pci_eject_ask(&rig.vp->pdev), 0);
	rig_happened();
	devices_stop(rig.vm);
	CHECK_STR(rig_happened(), "all=1 ");
	devices_reset(rig.vm);
	CHECK_STR(rig_happened(), "irq-free irqoff reset irq irq-free w4.2=0000 bars-free migration-free close ");
	end_with_eject();
}

TEST(a_device_that_leaves_others_behind_is_not_reset_by_their_bus)
{
	static struct vfio_device other;

	init_with_eject();
	list_add_tail(&host.devices, &other.node);
	rig.vd.flags &= ~(u32)VFIO_DEVICE_FLAGS_RESET;
	CHECK_EQ(vfio_create(rig.vm, NULL), 0);
	CHECK_EQ(pci_assign_bars(rig.vm->pci, NULL), 0);
	cw(PCI_COMMAND, 2, 6);
	rig_happened();
	port_write(rig.vm, EJECT_PORT + PCI_EJECT_NOW, 4, BIT(RIG_FN / 8));
	run_posted(rig.vm);
	CHECK_STR(rig_happened(), "irq-free irq-free -0 w4.2=0000 bars-free close ");
	end_with_eject();
	/* It has a reset of its own. */
	init_with_eject();
	list_add_tail(&host.devices, &other.node);
	rig.vd.flags |= VFIO_DEVICE_FLAGS_RESET;
	CHECK_EQ(vfio_create(rig.vm, NULL), 0);
	rig_happened();
	port_write(rig.vm, EJECT_PORT + PCI_EJECT_NOW, 4, BIT(RIG_FN / 8));
	run_posted(rig.vm);
	CHECK_STR(rig_happened(), "irq-free irqoff reset irq irq-free w4.2=0000 bars-free close ");
	end_with_eject();
	/* The VM ends, and all of them with it. */
	init_with_eject();
	list_add_tail(&host.devices, &other.node);
	rig.vd.flags &= ~(u32)VFIO_DEVICE_FLAGS_RESET;
	CHECK_EQ(vfio_create(rig.vm, NULL), 0);
	rig_happened();
	CHECK(!host.ending);
	devices_free(rig.vm);
	CHECK(host.ending);
	CHECK_STR(rig_happened(), "irq-free irqoff reset irq irq-free w4.2=0000 bars-free close ");
	end_with_eject();
}

TEST(what_cannot_be_done_when_the_host_asks_is_refused)
{
	init();
	rig.vm->cfg.vfio[0].on_request = VFIO_REQUEST_UNPLUG;
	fails(-EOPNOTSUPP, "--vfio '0000:01:00.0': on-request 'unplug': this machine has no ACPI tables of ours, which its guest would be asked by; "
			   "want report");
	init();
	rig.vm->cfg.vfio[0].on_request = VFIO_REQUEST_UNPLUG;
	has_button = true;
	fails(-EOPNOTSUPP, "want poweroff or report");
	init();
	rig.vm->cfg.vfio[0].on_request = VFIO_REQUEST_POWEROFF;
	fails(-EOPNOTSUPP, "--vfio '0000:01:00.0': on-request 'poweroff'");
	init();
	rig.vm->cfg.vfio[0].on_request = VFIO_REQUEST_POWEROFF;
	has_button = true;
	CHECK_EQ(vfio_create(rig.vm, NULL), 0);
	CHECK_EQ(pci_eject_ask(&rig.vp->pdev), -EOPNOTSUPP);
	fake_vm_free(rig.vm);
}

TEST(a_device_that_is_only_reported_cannot_be_given_back)
{
	static const enum vfio_request_policy policy[] = { VFIO_REQUEST_REPORT, VFIO_REQUEST_POWEROFF };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(policy); i++) {
		init_with_eject();
		has_button = true;
		rig.vm->cfg.vfio[0].on_request = policy[i];
		CHECK_EQ(vfio_create(rig.vm, NULL), 0);
		CHECK_EQ(pci_eject_slots(rig.vm->pci), 0);
		port_write(rig.vm, EJECT_PORT + PCI_EJECT_NOW, 4, ~0U);
		run_posted(rig.vm);
		CHECK_EQ(opened, 1);
		end_with_eject();
	}
}

int main(void)
{
	RUN(a_function_is_made_in_order_and_undone_in_reverse);
	RUN(no_device_named_none_made);
	RUN(what_fails_is_undone);
	RUN(a_full_bus_is_an_error_that_names_the_device);
	RUN(reset_of_the_vm_resets_the_device);
	RUN(a_device_that_can_be_migrated_stops_and_starts);
	RUN(a_device_without_migration_is_named_as_what_cannot_be_saved);
	RUN(state_is_config_space_and_the_devices_stream);
	RUN(state_of_another_device_is_refused);
	RUN(stats_tell_device_way_and_how_much_is_mapped);
	RUN(a_guest_gives_the_device_back_and_it_is_closed);
	RUN(a_stopped_device_that_can_be_migrated_goes_back_at_a_reset);
	RUN(a_device_that_leaves_others_behind_is_not_reset_by_their_bus);
	RUN(what_cannot_be_done_when_the_host_asks_is_refused);
	RUN(a_device_that_is_only_reported_cannot_be_given_back);
	return tap_done();
}
