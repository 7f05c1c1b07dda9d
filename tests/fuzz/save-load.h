/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Save and load of all devices of a VM, for fuzz targets.
 */
#ifndef TESTS_FUZZ_SAVE_LOAD_H
#define TESTS_FUZZ_SAVE_LOAD_H

#include "tests/fuzz/input.h"
#include "vmm/device.h"
#include "vmm/state.h"

static inline int load_devices(struct vm *vm, const struct state_writer *w)
{
	struct state_reader r;

	state_reader_init(&r, w->buf.s, w->buf.len);
	return devices_load(vm, &r, NULL);
}

/* Stopped devices. What was saved can always be loaded; what was spoilt in at least @least bytes gives an error or a device. */
static inline void save_and_load_stopped(struct vm *vm, struct input *in, bool spoil, unsigned int least)
{
	struct state_writer w = { 0 };
	unsigned int n;

	MUST(devices_save(vm, &w, NULL) >= 0);
	MUST(spoil || load_devices(vm, &w) >= 0);
	for (n = spoil ? (take(in, 1) & 7) + least : 0; n; n--)
		w.buf.s[take(in, 2) % w.buf.len] ^= (char)take(in, 1);
	if (spoil)
		load_devices(vm, &w);
	state_writer_free(&w);
}

static inline void save_and_load(struct vm *vm, struct input *in, bool spoil)
{
	devices_stop(vm);
	save_and_load_stopped(vm, in, spoil, 0);
	devices_start(vm);
}

#endif
