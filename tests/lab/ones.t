#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A guest's scan of every PCI function of 256 buses (tests/guest/scan.c), and what KVM counts of it as left to user space: with lkvm_ones, without it,
# where lkvm uses a small file of its own, and with neither, which shows what these counters look like when absent functions do trap. The guest does
# nothing else that could count, so that the differences are exact.

LAB_HOST="-k 6.12 ${LAB_HOST-}"
. "$(dirname "$0")/lab.sh"
lab_same
lab_guests scan
lab_modules 6.12
lab_bin
if [ -z "${LAB-}" ]; then
	lab_cc -shared -fPIC
	$cc -O1 -Wall -Werror -shared -fPIC -o "$LAB_BIN/no-ones.so" -x c - 2>"$LAB_BIN/said" <<-END || lab_unbuilt 3 "library no-ones" "$(<"$LAB_BIN/said")"
		#define _GNU_SOURCE
		#include <errno.h>
		#include <string.h>
		#include <sys/mman.h>
		#include <sys/syscall.h>
		#include <unistd.h>

		int memfd_create(const char *name, unsigned int flags)
		{
			if (!strcmp(name, "lkvm-ones")) {
				errno = EMFILE;
				return -1;
			}
			return (int)syscall(SYS_memfd_create, name, flags);
		}
	END
	(lab_enter 100 "$0")
	exit
fi
lab_enter 100 "$0"
[ "$LAB" = emulated ] || lab_skip "modules are not loaded into the kernel of a machine that is no lab's"
case $LAB_ARCH in
x86_64)	counter=mmio_exits ;;
*)	counter=mmio_exit_user ;;
esac

# scan PARAMETERS [LIBRARY]: sets exits, present and gaps (functions and runs of absent ones on bus 0), pss (kB, of lkvm) and ms, the whole time
scan() {
	local began=$(now_ms) one two
	: >out
	env ${2:+LD_PRELOAD="$2"} "$lkvm" run -m 64 -c 1 --name scan -k "$GUESTS/scan.elf" -p "$1" -d disk --rng --loglevel debug \
		--timeout $((100 * patience)) </dev/null >out 2>err &
	pid=$!
	exits='' present=0 gaps=0 pss=0
	if wait_for out '^scanned: .*(yes|no)' 90; then
		ms=$(($(now_ms) - began))
		# The newline is still to come, an exit like each character on machines whose serial port is memory.
		while [ "$(tail -c 1 out)" ] && kill -0 $pid 2>/dev/null; do sleep 0.05; done
		two=$(count)
		until one=$two two=$(count) && [ "$one" = "$two" ]; do :; done	# its last character has been counted, too
		exits=$two present=$((10#$(value out present))) gaps=$((10#$(value out gaps)))
		pss=$(awk '/^Pss:/ { print $2 }' /proc/$pid/smaps_rollup)
	fi
	kill -TERM $pid
	finish 30
	[ "$exits" ] && [ "$(value out wrong)" = no ]
	ok $? "$what, $1: absent functions read ones, the others do not" || evidence out err
}
count() { "$lkvm" stat -n scan --only vcpus --json | grep -o "\"$counter\":[0-9]*" | cut -d: -f2; }

head -c 1048576 /dev/zero >disk

# with WHAT OTHERS: as many gaps on all buses but the first one
with() {
	local none once
	what=$1
	scan rounds=0
	none=$exits
	scan rounds=1
	once=$exits
	is $((exits - none)) $((present + gaps + $2)) "$what: a full scan costs an exit for each function that is there ($present), and for each gap ($gaps + $2)"
	note "$what: $ms ms with the first scan, lkvm's Pss is $pss kB"
	size=$pss
	scan rounds=4
	is $((exits - once)) 0 "$what: three more scans of the absent ones leave $counter as it was"
	note "$what: $ms ms with four scans, lkvm's Pss is $pss kB"
	[ "$pss" -lt $((size + 1024)) ]
	ok $? "$what: nor does it take memory" || note "$size kB, then $pss kB"
	scan "rounds=1 writes=200"
	is $((exits - once)) 200 "$what: each write to one is an exit, and changes nothing"
}

insmod "$LAB_MODULES/lkvm_ones.ko"
ok $? "the module loads"
with "lkvm_ones" 1
has err '/dev/lkvm_ones' "lkvm_ones: lkvm says that it uses it"
rmmod lkvm_ones
ok $? "the module goes"

with "a file of ones" 255
hasnt err '/dev/lkvm_ones' "a file of ones: there is no module"

what="neither"
scan "rounds=1 buses=4" "$LAB_BIN/no-ones.so"
once=$exits
scan "rounds=2 buses=4" "$LAB_BIN/no-ones.so"
is $((exits - once)) $((4 * 256 - present)) "$what: each absent function of 4 buses is an exit, at each scan"

kernel_is_quiet
done_testing
