#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The commands that talk to a running guest, with Linux in it: list, stat, debug, NMI, SysRq, pause and resume, stop. The second
# guest is nobody's, where that can be had: none of it needs root or debugfs.

. "$(dirname "$0")/lab.sh"
lab_enter 60 "$0"

# ctl COMMAND...: as whoever runs the guest; leaves $W/ctl, $W/ctlerr and rc
as=()
ctl() {
	timeout -s KILL 240 "${as[@]}" "$lkvm" "$@" >"$W/ctl" 2>"$W/ctlerr"
	rc=$?
}
ticks() { grep -ac '^lkvm ticks:' out; }
# more ticks than N
wait_ticks() {
	local end=$(($(now_ms) + 60000))
	until [ "$(ticks)" -gt "$1" ]; do
		[ "$(now_ms)" -lt $end ] || return 1
		sleep 0.05
	done
}
begin() {	# begin RELEASE: $name runs it
	guest $1 2 ticks,button --name $name --balloon --timeout 500
	: >out
	"${as[@]}" "${cmd[@]}" </dev/null >"$W/out" 2>"$W/err" &
	pid=$!
	wait_for out 'button: ready'
	ok $? "$who: a guest on 2 CPUs is up" || evidence err
}

look() {
	ctl list
	is $rc 0 "$who: list" || evidence ctlerr
	has ctl "$name +running" "$who: shows it running"

	ctl stat -n $name --json
	is $rc 0 "$who: stat" || evidence ctlerr
	is "$(grep -oE '"halt_exits":[1-9]' ctl | wc -l)" 2 "$who: has KVM's counters of each vCPU, without debugfs"
	has ctl '"index":0,"exits":\{[^}]*"io":[1-9][0-9]' "$who: and lkvm's"
	has ctl '"serial0":\{"bytes_sent":[1-9][0-9]{2}' "$who: and the devices'"
	ctl stat -n $name -i 1 --count 2
	has ctl '^  halt_exits +[1-9]' "$who: stat -i shows halts" || evidence ctlerr
	ctl stat -n $name -m
	has ctl '^Total +[1-9][0-9]* bytes' "$who: stat -m has the guest's memory" || evidence ctlerr

	ctl debug -n $name -d
	is $rc 0 "$who: debug --dump" || evidence ctlerr
	is "$(grep -cE '^vCPU [01] .*64-bit mode' ctl)" 2 "$who: of both vCPUs"
	has ctl '^rip +ffffffff[0-9a-f]{8} ' "$who: one is in the kernel"
	is "$(grep -cE '^  = gpa [0-9a-f]{16}, page of' ctl)" 4 "$who: RIP and RSP are mapped" || evidence ctl
	has ctl 'lstar +ffffffff' "$who: with the kernel's entry point in LSTAR"
}

poke() {
	ctl debug -n $name -m 1
	is $rc 0 "$who: debug --nmi" || evidence ctlerr
	wait_for out 'NMI received for unknown reason .* on CPU 1'
	ok $? "$who: Linux takes it on that CPU"
	ctl debug -n $name -s h
	is $rc 0 "$who: debug --sysrq" || evidence ctlerr
	wait_for out 'sysrq: HELP|SysRq : HELP'
	ok $? "$who: Linux prints its help"
}

rest() {
	local before after
	ctl pause -n $name
	is $rc 0 "$who: pause" || evidence ctlerr
	sleep 0.5	# for what was on its way
	before=$(ticks)
	sleep 1
	after=$(ticks)
	is "$after" "$before" "$who: the guest says nothing more"
	ctl list
	has ctl "$name +paused" "$who: list shows it paused"
	ctl debug -n $name -d
	is $rc 0 "$who: it can be looked at" || evidence ctlerr
	is "$(ticks)" "$before" "$who: and does not go on by that"
	ctl resume -n $name
	is $rc 0 "$who: resume" || evidence ctlerr
	wait_ticks $((before + 5))
	ok $? "$who: it goes on"
}

end() {
	ctl stop -n $name --timeout 200
	is $rc 0 "$who: stop" || evidence ctlerr
	finish
	is $status 0 "$who: the guest powers off by its button" || evidence err
	has out 'button: event=0001 0074 0001 0000' "$who: which was an input event"
	ctl list
	hasnt ctl "$name" "$who: and is not listed any more"
}

who=6.12 name=lab612
begin 6.12
look
poke
rest
end

who=6.1 name=lab61
if [ "$LAB" != native ] && [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	as=(setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/nonexistent)
	who="6.1 as nobody"
	mkdir bin	# what is below another's home folder is not for nobody
	cp "$(kernel 6.1)" bin/vmlinuz && cp "$(initrd 6.1)" bin/initrd && cp "$lkvm" bin/lkvm
	kernel_dir[1]=$W/bin initrd_of[1]=$W/bin/initrd lkvm=$W/bin/lkvm
	chmod -R a+rX bin "$W"
	chmod 666 /dev/kvm
	chown -R 65534:65534 "$XDG_RUNTIME_DIR"
fi
begin 6.1
look
poke
end

done_testing
