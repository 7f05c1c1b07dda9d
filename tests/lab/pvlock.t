#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# --pv-lock: tests/payload/pvlock.t on a stock kernel. On x86-64 KVM does it all. On arm64 that is one with SMCCC filter, first without lkvm_pvlock,
# then with it; killed, it leaves nothing. riscv64 has no such thing.

LAB_HOST="-k 6.12 ${LAB_HOST-}"
. "$(dirname "$0")/lab.sh"
lab_only x86_64 arm64 -- "KVM for riscv64 tells its guests nothing"
lab_guests pvlock
[ "$LAB_ARCH" != arm64 ] || lab_modules 6.12
lab_enter 60 "$0"
cd "$here/../.." || exit 125

# payload HOST: its tests as ours
payload() {
	PV_LOCK_HOST=$1 LKVM=$lkvm LKVM_SIGNALS=default bash tests/payload/pvlock.t >"$W/tap"
	as_ours "$1" <"$W/tap"
	is "$ours" all "$1: ran to its end"
}
references() { cat /sys/module/lkvm_pvlock/refcnt; }

if [ "$LAB_ARCH" = x86_64 ]; then
	payload full
	done_testing
fi
payload filter
insmod "$LAB_MODULES/lkvm_pvlock.ko" || exit 125
payload full
is "$(references)" 0 "nobody has the module open"

"$lkvm" run -m 64 -c 4 -k "$GUESTS/pvtime.elf" --pv-lock <>"$W/in.$$" >"$W/out" 2>"$W/err" &
pid=$!
wait_for "$W/out" ready
is "$(references)" 5 "the module is in use: the file, and four vCPUs"
kill -9 $pid
wait $pid 2>/dev/null
for _ in {1..600}; do
	[ "$(references)" != 0 ] || break
	sleep 0.1
done
is "$(references)" 0 "killed: nothing is left"
rmmod lkvm_pvlock
ok $? "the module goes"
kernel_is_quiet
done_testing
