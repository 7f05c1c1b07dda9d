#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A riscv64 guest's CPUs: every register of KVM's there and back, extensions taken away and gone from the guest and its tree, the console
# that SBI gives, both ways, and what `lkvm debug` shows.

. "$(dirname "$0")/lab.sh"
lab_only riscv64 -- "for riscv64 only"
lab_enter 150 "$0"

# --- registers, by the unit test that needs a KVM

registers=$(dirname "$lkvm")/tests/riscv/onereg-kvm-test
if [ -x "$registers" ]; then
	"$registers" >registers 2>&1
	is "$? $(grep -c '^ok' registers) $(grep -c SKIP registers)" "0 3 0" "every register survives get, set, get" || evidence registers
	grep '^#' registers
else
	echo "ok $((tests += 1)) - registers # SKIP $registers is not built (make unit-bins)"
fi

# --- extensions. Not sstc: without it QEMU 7.2's emulated host has been seen to stand still, guest and all.

boot $usual 1 cpuinfo
is $status 0 "all extensions: ends by power-off" || evidence out err
all=$(value out isa)
note "$all; SBI $(value out sbi)"
has out 'isa=rv64ima' "all extensions: there is a base"
has out 'sbi=.*DBCN' "all extensions: SBI's console is there"
has out 'tree=i m a .*zbb' "all extensions: the tree lists them"

boot $usual 1 cpuinfo --cpu host,-zbb,-zbc,-sbi-dbcn --disable-zba
is $status 0 "four less: ends by power-off" || evidence out err
is "$(value out isa)" "$(sed 's/_zbb//; s/_zbc//; s/_zba//' <<<"$all")" "four less: they are gone from /proc/cpuinfo, and no others"
hasnt out 'tree=.*(zbb|zbc|zba)' "four less: and from the tree"
hasnt out 'sbi=.*DBCN' "four less: SBI's console is gone"

boot $usual 1 hello --cpu host,-zbx
is "$status $(wc -l <err)" "125 1" "an extension that there is not is refused in one line" || evidence err
has err "zbx" "which names it"

# --- SBI's console: an early one of Linux, which Debian's has for output only, and a guest of ours both ways

PARAMS="loglevel=8 earlycon=sbi" boot $usual 1 hello --loglevel error
is $status 0 "earlycon=sbi: ends by power-off" || evidence out err
has out '^.{0,20} earlycon: sbi0 at' "earlycon=sbi: speaks before there is a UART" || note "$(head -n 5 out)"

image=$(dirname "$lkvm")/tests/guest/riscv/sbi.elf
# talk OPTION...: with that guest, by standard input and output
talk() {
	mkfifo in
	"$lkvm" run -k "$image" -c 1 -m 64 --timeout 60 "$@" <in >out 2>err &
	pid=$!
	exec 5<>in
	wait_for out '^# ready' && echo ping >&5 && wait_for out '^# pong'
	ok $? "SBI: a line goes in and another comes out" || { evidence out err; kill $pid; finish 10; return; }
	"$lkvm" debug -a -d >dump 2>ctlerr
	is "$(grep -c '^vCPU 0 runnable, S mode' dump)" 1 "debug shows the vCPU" || evidence dump ctlerr
	has dump '^satp: bare, asid 0' "debug: and its address space"
	has dump 'walk pc 00000000802[0-9a-f]*, bare' "debug: and where pc leads"
	"$lkvm" debug -a -d --json >dump 2>ctlerr
	has dump '"core.a7":"0x4442434e"' "debug: and each register by name"
	"$lkvm" stat -a --json >stat 2>ctlerr
	has stat '"riscv_sbi":[1-9]' "stat: SBI exits have their name"
	echo end >&5
	finish 30
	exec 5>&-
	rm in
	is "$status $(grep -c '^ok' out) $(grep -c '^not ok' out)" "0 12 0" "SBI: the guest's own checks pass" || evidence out err
	has out '^# by SBI, across two pages' "SBI: what it wrote is there"
}
if [ -e "$image" ]; then
	talk ${LAB_OPTIONS-}
else
	echo "ok $((tests += 1)) - SBI's console # SKIP $image is not built (make guest-bins)"
fi

done_testing
