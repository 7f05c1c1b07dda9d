/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PCI functions that a guest gives back: asked or not, twice, numbers that are not there, while others use them; what a reset does, and state.
 *
 * links: pci-eject.c pci.c pci-msi.c pci-host.c iomap.c mmio.c ioport.c device.c state.c event.c util/log.c util/io.c util/str.c util/error.c util/cleanup.c util/thread.c
 */
#include "vmm/pci.h"

#include "eject-fake.h"

enum { ASKED = EJECT_PORT + PCI_EJECT_ASKED, NOW = EJECT_PORT + PCI_EJECT_NOW };

static unsigned int left, freed;	/* a bit for each slot */

struct leaver {
	struct fake_dev fd;	/* first: fd.pdev.dev */
	unsigned int slot;
};

static void leaver_leave(struct device *dev)
{
	left |= BIT(container_of(dev, struct leaver, fd.pdev.dev)->slot);
}

static void leaver_free(struct device *dev)
{
	struct leaver *l = container_of(dev, struct leaver, fd.pdev.dev);

	freed |= BIT(l->slot);
	pci_dev_cleanup(&l->fd.pdev);
	free(l);
}

static void leaver_reset(struct device *dev)
{
	pci_dev_reset(&container_of(dev, struct leaver, fd.pdev.dev)->fd.pdev);
}

static int leaver_save(struct device *dev, struct state_writer *w, struct error *err)
{
	return 0;
}

static int leaver_load(struct device *dev, struct state_reader *r)
{
	return 0;
}

static const struct device_ops leaver_ops = {
	.reset = leaver_reset, .save = leaver_save, .load = leaver_load, .leave = leaver_leave, .free = leaver_free,
};

/* A function of @slot with a BAR that is decoded at @at, and may leave if @allowed. */
static struct leaver *leaver(struct vm *vm, unsigned int devfn, u32 at, bool allowed)
{
	struct leaver *l = calloc(1, sizeof(*l));

	fake_dev_init(&l->fd, 0x100);
	l->fd.pdev.dev.vm = vm;
	l->slot = devfn / 8;
	if (pci_dev_add_bar(&l->fd.pdev, 0, PCI_BAR_MEM32, 4096, &fake_bar_io) < 0 || pci_plug(vm->pci, &l->fd.pdev, (int)devfn) < 0)
		abort();
	device_add(vm, &l->fd.pdev.dev, &leaver_ops, "leaver%u", devfn);
	if (allowed && pci_eject_allow(&l->fd.pdev) < 0)
		abort();
	pci_config_write(vm->pci, 0, (u8)devfn, 0x10, 4, at);
	pci_config_write(vm->pci, 0, (u8)devfn, 4, 2, 2);
	return l;
}

/* Slots 3 and 31 may leave; 4 may not. */
static struct vm *machine(struct leaver **ret3)
{
	struct vm *vm = fake_vm();
	struct leaver *l;

	left = freed = 0;
	held.holds = held.told = 0;
	vm->cfg.cpus = FAKE_VCPUS;
	if (event_loop_create("test", &vm->loop) < 0 || pci_eject_create(vm, &eject_config) < 0)
		abort();
	l = leaver(vm, 3 * 8, MEM32, true);
	leaver(vm, 4 * 8, MEM32 + 0x10000, false);
	leaver(vm, 31 * 8, MEM32 + 0x20000, true);
	if (ret3)
		*ret3 = l;
	return vm;
}

static void end(struct vm *vm)
{
	struct event_loop *loop = vm->loop;

	CHECK_EQ(held.depth, 0);
	devices_free(vm);
	CHECK_EQ(fake.lines, 0);
	fake_vm_free(vm);
	event_loop_free(loop);
}

static u32 id(struct vm *vm, unsigned int slot)
{
	return pci_config_read(vm->pci, 0, (u8)(slot * 8), 0, 4);
}

TEST(the_guest_is_asked_by_a_level_until_it_acknowledges)
{
	struct leaver *l;
	struct vm *vm = machine(&l);

	CHECK_EQ(pci_eject_slots(vm->pci), BIT(3) | BIT(31));
	CHECK_EQ(port_read(vm, NOW, 4), BIT(3) | BIT(31));
	CHECK_EQ(port_read(vm, ASKED, 4), 0);
	CHECK(!fake.level[EJECT_GSI]);
	CHECK_EQ(pci_eject_ask(&l->fd.pdev), 0);
	CHECK(fake.level[EJECT_GSI]);
	CHECK_EQ(port_read(vm, ASKED, 4), BIT(3));
	port_write(vm, ASKED, 4, ~BIT(3));
	CHECK(fake.level[EJECT_GSI]);
	port_write(vm, ASKED, 4, BIT(3));
	CHECK(!fake.level[EJECT_GSI]);
	CHECK_EQ(port_read(vm, ASKED, 4), 0);
	CHECK_EQ(pci_eject_ask(&l->fd.pdev), 0);	/* the host repeats it */
	CHECK(fake.level[EJECT_GSI]);
	run_posted(vm);
	CHECK_EQ(freed, 0);
	end(vm);
}

TEST(what_is_given_back_is_gone_before_a_vcpu_runs_on)
{
	struct leaver *l;
	struct vm *vm = machine(&l);

	CHECK_EQ(mem_read(vm, MEM32, 4), 0x100);
	pci_eject_ask(&l->fd.pdev);
	port_write(vm, NOW, 4, BIT(3));
	CHECK_EQ(held.depth, 1);
	CHECK_EQ(port_read(vm, NOW, 4), BIT(31));
	CHECK_EQ(freed, 0);			/* that is the main loop's */
	run_posted(vm);
	CHECK_EQ(held.depth, 0);
	CHECK_EQ(held.told, FAKE_VCPUS);	/* a guest that was late is no guest that hangs */
	CHECK_EQ(freed, BIT(3));
	CHECK_EQ(id(vm, 3), 0xffffffff);
	CHECK_EQ(mem_read(vm, MEM32, 4), 0xffffffff);
	CHECK_EQ(mem_read(vm, MEM32 + 0x10000, 4), 0x100);
	CHECK_EQ(pci_eject_slots(vm->pci), BIT(31));
	CHECK_EQ(port_read(vm, ASKED, 4), 0);
	CHECK(!fake.level[EJECT_GSI]);
	end(vm);
}

TEST(nobody_needs_to_have_asked)
{
	struct vm *vm = machine(NULL);

	port_write(vm, NOW, 4, BIT(31));
	run_posted(vm);
	CHECK_EQ(freed, BIT(31));
	CHECK_EQ(left, BIT(31));
	CHECK_EQ(id(vm, 31), 0xffffffff);
	end(vm);
}

TEST(wrong_numbers_and_what_left_already_do_nothing)
{
	struct vm *vm = machine(NULL);
	unsigned int i;

	port_write(vm, NOW, 4, ~(BIT(3) | BIT(31)));	/* the host bridge and slot 4 among them */
	port_write(vm, NOW, 4, 0);
	port_write(vm, NOW, 1, BIT(3));			/* no dword: not taken */
	port_write(vm, NOW, 2, BIT(3));
	run_posted(vm);
	CHECK_EQ(freed, 0);
	CHECK_EQ(held.holds, 0);
	port_write(vm, NOW, 4, ~0U);
	port_write(vm, NOW, 4, ~0U);			/* another vCPU, at the same moment */
	CHECK_EQ(held.holds, 1);
	run_posted(vm);
	CHECK_EQ(freed, BIT(3) | BIT(31));
	for (i = 0; i < 100; i++)
		port_write(vm, NOW, 4, ~0U);
	run_posted(vm);
	CHECK_EQ(held.holds, 1);
	CHECK_EQ(id(vm, 0), 0x00081b36);
	CHECK_EQ(id(vm, 4), 0x56781234);
	end(vm);
}

TEST(all_functions_of_a_slot_leave)
{
	struct vm *vm = machine(NULL);

	leaver(vm, 3 * 8 + 7, MEM32 + 0x30000, true);
	port_write(vm, NOW, 4, BIT(3));
	run_posted(vm);
	CHECK_EQ(id(vm, 3), 0xffffffff);
	CHECK_EQ(pci_config_read(vm->pci, 0, 3 * 8 + 7, 0, 4), 0xffffffff);
	CHECK_EQ(mem_read(vm, MEM32 + 0x30000, 4), 0xffffffff);
	end(vm);
}

TEST(a_function_that_may_not_leave_is_not_asked_for)
{
	struct vm *vm = machine(NULL);

	CHECK_EQ(pci_eject_ask(pci_find(vm->pci, 4 * 8)), -EOPNOTSUPP);
	CHECK_EQ(port_read(vm, ASKED, 4), 0);
	CHECK(!fake.level[EJECT_GSI]);
	end(vm);
}

TEST(a_stopped_machine_is_asked_when_it_goes_on)
{
	struct leaver *l;
	struct vm *vm = machine(&l);

	devices_stop(vm);
	CHECK_EQ(pci_eject_ask(&l->fd.pdev), 0);
	CHECK(!fake.level[EJECT_GSI]);
	devices_start(vm);
	CHECK(fake.level[EJECT_GSI]);
	CHECK_EQ(port_read(vm, ASKED, 4), BIT(3));
	devices_stop(vm);
	devices_start(vm);
	CHECK(fake.level[EJECT_GSI]);
	end(vm);
}

TEST(a_machine_without_the_registers_cannot)
{
	struct vm *vm = fake_vm();
	struct leaver *l = leaver(vm, 8, MEM32, false);

	CHECK_EQ(pci_eject_allow(&l->fd.pdev), -EOPNOTSUPP);
	CHECK_EQ(pci_eject_ask(&l->fd.pdev), -EOPNOTSUPP);
	CHECK_EQ(pci_eject_slots(vm->pci), 0);
	fake_vm_free(vm);
}

TEST(reset_takes_what_was_asked_for_and_nothing_else)
{
	struct leaver *l;
	struct vm *vm = machine(&l);

	pci_eject_ask(&l->fd.pdev);
	port_write(vm, ASKED, 4, ~0U);
	devices_stop(vm);
	CHECK_EQ(freed, 0);
	devices_reset(vm);
	CHECK_EQ(freed, BIT(3));
	CHECK(!fake.level[EJECT_GSI]);
	CHECK_EQ(id(vm, 3), 0xffffffff);
	CHECK_EQ(id(vm, 31), 0x56781234);
	devices_reset(vm);
	CHECK_EQ(freed, BIT(3));
	CHECK_EQ(held.holds, 0);
	end(vm);
}

TEST(what_was_given_back_right_before_a_stop_is_gone_after_it)
{
	struct vm *vm = machine(NULL);

	port_write(vm, NOW, 4, BIT(31));
	devices_stop(vm);
	CHECK_EQ(freed, BIT(31));
	devices_reset(vm);
	CHECK_EQ(held.depth, 1);	/* by the write, as ever, till its work is done */
	run_posted(vm);
	CHECK_EQ(freed, BIT(31));
	end(vm);
}

TEST(a_vm_that_ends_forgets_what_was_posted)
{
	struct vm *vm = machine(NULL);

	port_write(vm, NOW, 4, BIT(31));
	vcpus_resume(vm);
	devices_free(vm);
	run_posted(vm);		/* what is left would be done for a device that is not there */
	end(vm);
	CHECK_EQ(held.told, 0);
	CHECK_EQ(freed, BIT(3) | BIT(4) | BIT(31));
	CHECK_EQ(left, 0);	/* as the VM does not go on */
}

TEST(no_interrupt_no_registers)
{
	static const struct pci_eject_config bad = { .space = IO_PORT, .base = EJECT_PORT, .gsi = FAKE_GSIS };
	struct vm *vm = fake_vm();

	CHECK_EQ(pci_eject_create(vm, &bad), -EINVAL);
	fake_vm_free(vm);
}

TEST(state_is_the_slots_and_not_who_asks)
{
	struct state_writer w = { .open = false };
	struct state_reader r;
	struct device *dev;
	struct leaver *l;
	struct vm *vm = machine(&l);

	dev = device_find(vm, DEV_PCI_EJECT, 0);
	devices_stop(vm);
	CHECK_EQ(dev->ops->save(dev, &w, NULL), 0);
	pci_eject_ask(&l->fd.pdev);
	state_reader_init(&r, w.buf.s, w.buf.len);
	CHECK_EQ(dev->ops->load(dev, &r), 0);
	devices_start(vm);
	CHECK_EQ(port_read(vm, ASKED, 4), BIT(3));	/* as this host has it */
	CHECK(fake.level[EJECT_GSI]);
	CHECK_EQ(freed, 0);
	state_writer_free(&w);
	end(vm);
	/* Whoever asked where it was saved is not here. */
	vm = machine(&l);
	dev = device_find(vm, DEV_PCI_EJECT, 0);
	pci_eject_ask(&l->fd.pdev);
	w = (struct state_writer){ .open = false };
	CHECK_EQ(dev->ops->save(dev, &w, NULL), 0);
	end(vm);
	vm = machine(NULL);
	dev = device_find(vm, DEV_PCI_EJECT, 0);
	state_reader_init(&r, w.buf.s, w.buf.len);
	CHECK_EQ(dev->ops->load(dev, &r), 0);
	CHECK_EQ(port_read(vm, ASKED, 4), 0);
	CHECK(!fake.level[EJECT_GSI]);
	state_writer_free(&w);
	end(vm);
}

/* By the walk over all devices, of which one leaves on the way. */
TEST(what_was_given_back_before_the_save_leaves_at_the_load)
{
	struct state_writer w = { .open = false };
	struct error err = { "" };
	struct state_reader r;
	struct leaver *l;
	struct vm *vm = machine(NULL);

	port_write(vm, NOW, 4, BIT(3));
	run_posted(vm);
	devices_stop(vm);
	CHECK_EQ(devices_save(vm, &w, &err), 0);
	end(vm);
	vm = machine(&l);
	devices_stop(vm);
	pci_eject_ask(&l->fd.pdev);
	state_reader_init(&r, w.buf.s, w.buf.len);
	CHECK_EQ(devices_load(vm, &r, &err), 0);
	CHECK_EQ(freed, BIT(3));
	devices_start(vm);
	CHECK_EQ(pci_eject_slots(vm->pci), BIT(31));
	CHECK_EQ(port_read(vm, ASKED, 4), 0);
	CHECK(!fake.level[EJECT_GSI]);
	CHECK_EQ(id(vm, 3), 0xffffffff);
	CHECK_EQ(id(vm, 31), 0x56781234);
	state_writer_free(&w);
	end(vm);
}

TEST(state_with_slots_that_are_not_there_is_refused)
{
	struct state_writer w = { .open = false };
	struct state_reader r;
	struct vm *vm = machine(NULL);
	struct device *dev = device_find(vm, DEV_PCI_EJECT, 0);

	state_begin(&w, "pci-eject", 1);
	state_put_u32(&w, BIT(3) | BIT(5));
	state_end(&w);
	state_reader_init(&r, w.buf.s, w.buf.len);
	CHECK_EQ(dev->ops->load(dev, &r), -EBADMSG);
	CHECK_EQ(freed, 0);		/* the one that it lacks, too, stays */
	CHECK_EQ(pci_eject_slots(vm->pci), BIT(3) | BIT(31));
	state_writer_free(&w);
	end(vm);
}

/* --- vCPUs that use, move and give back at once, while the host asks --- */

enum { WORKERS = 3, ACCESSES = 3000 };

struct worker {
	struct vm *vm;
	unsigned int index;
	unsigned int bad;
};

static void *worker(void *arg)
{
	struct worker *w = arg;
	struct vcpu *vcpu = &w->vm->vcpu[w->index + 1];
	unsigned int i;
	u8 data[8];
	u32 val;

	fake_current = vcpu;
	for (i = 0; i < ACCESSES; i++) {
		vcpu_point();
		memset(data, 0, sizeof(data));
		switch ((i + w->index) % 4) {
		case 0:		/* a BAR moves */
			pci_config_write(w->vm->pci, 0, 3 * 8, 0x10, 4, MEM32 + (i & 7) * 0x1000);
			break;
		case 1:
			mmio_access(vcpu, MEM32 + (i / 4 & 7) * 0x1000, data, 4, false);
			val = get_le32(data);
			w->bad += val != 0x100 && val != 0xffffffff;
			break;
		case 2:
			ioport_access(vcpu, ASKED, data, 4, 1, false);
			ioport_access(vcpu, ASKED, data, 4, 1, true);
			break;
		default:	/* 4 stays, 3 leaves late, all others at any time */
			put_le32(data, i < ACCESSES / 2 ? ~BIT(3) : ~0U);
			ioport_access(vcpu, NOW, data, 4, 1, true);
		}
	}
	pthread_mutex_lock(&held.lock);
	held.runners--;
	pthread_cond_broadcast(&held.cond);
	pthread_mutex_unlock(&held.lock);
	return NULL;
}

TEST(vcpus_use_move_and_give_back_at_once)
{
	struct worker w[WORKERS];
	pthread_t thread[WORKERS];
	struct vm *vm = machine(NULL);
	struct pci_dev *pdev;
	unsigned int i, running;

	for (i = 5; i < 25; i++)
		leaver(vm, i * 8, MEM32 + 0x100000 + i * 0x1000, true);
	held.runners = WORKERS;
	for (i = 0; i < WORKERS; i++) {
		w[i] = (struct worker){ vm, i, 0 };
		if (pthread_create(&thread[i], NULL, worker, &w[i]))
			abort();
	}
	do {
		run_posted(vm);
		pdev = pci_find(vm->pci, 3 * 8);
		if (pdev)	/* only this thread takes it away */
			pci_eject_ask(pdev);
		pthread_mutex_lock(&held.lock);
		running = held.runners;
		pthread_mutex_unlock(&held.lock);
	} while (running);
	for (i = 0; i < WORKERS; i++) {
		pthread_join(thread[i], NULL);
		CHECK_EQ(w[i].bad, 0);
	}
	run_posted(vm);
	CHECK_EQ(freed, ~(BIT(4) | BIT(0) | BIT(1) | BIT(2)) & (BIT(25) - 1 + BIT(31)));
	CHECK_EQ(pci_eject_slots(vm->pci), 0);
	CHECK_EQ(id(vm, 4), 0x56781234);
	end(vm);
}

int main(void)
{
	RUN(the_guest_is_asked_by_a_level_until_it_acknowledges);
	RUN(what_is_given_back_is_gone_before_a_vcpu_runs_on);
	RUN(nobody_needs_to_have_asked);
	RUN(wrong_numbers_and_what_left_already_do_nothing);
	RUN(all_functions_of_a_slot_leave);
	RUN(a_function_that_may_not_leave_is_not_asked_for);
	RUN(a_stopped_machine_is_asked_when_it_goes_on);
	RUN(a_machine_without_the_registers_cannot);
	RUN(reset_takes_what_was_asked_for_and_nothing_else);
	RUN(what_was_given_back_right_before_a_stop_is_gone_after_it);
	RUN(a_vm_that_ends_forgets_what_was_posted);
	RUN(no_interrupt_no_registers);
	RUN(state_is_the_slots_and_not_who_asks);
	RUN(what_was_given_back_before_the_save_leaves_at_the_load);
	RUN(state_with_slots_that_are_not_there_is_refused);
	RUN(vcpus_use_move_and_give_back_at_once);
	return tap_done();
}
