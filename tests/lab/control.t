#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The commands that talk to a running guest, with Linux in it: list, stat, debug, NMI, SysRq, pause and resume, stop. The second
# guest is nobody's, where that can be had: none of it needs root or debugfs.

. "$(dirname "$0")/lab.sh"
lab_enter 60 "$0"

# What each architecture calls its halts, its devices' exits, a mode and the registers that point into the kernel
case $LAB_ARCH in
x86_64)	 halts=halt_exits exit=io mode='64-bit mode' pc='^rip +ffffffff[0-9a-f]{8} ' vector='lstar +ffffffff' ;;
arm64)	 halts=wfi_exit_stat exit=mmio mode=' EL[01][th]?,' pc='^pc +ffff[0-9a-f]{12} ' vector='vbar_el1 +ffff[0-9a-f]{12}' ;;
riscv64) halts=wfi_exit_stat exit=mmio mode=' [SU] mode' pc='(^| )pc +ffffffff[0-9a-f]{8}' vector='stvec +ffffffff[0-9a-f]{8}' ;;
esac

does=ticks,button up='button: ready'
[ $LAB_ARCH != riscv64 ] || does=ticks,hang up='hang: now'	# that machine has no button

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
	guest $1 2 $does --name $name --balloon --timeout $((500 * patience))
	: >out
	"${as[@]}" "${cmd[@]}" </dev/null >"$W/out" 2>"$W/err" &
	pid=$!
	wait_for out "$up"
	ok $? "$who: a guest on 2 CPUs is up" || evidence err
}

look() {
	ctl list
	is $rc 0 "$who: list" || evidence ctlerr
	has ctl "$name +running" "$who: shows it running"

	ctl stat -n $name --json
	is $rc 0 "$who: stat" || evidence ctlerr
	is "$(grep -oE "\"$halts\":[1-9]" ctl | wc -l)" 2 "$who: has KVM's counters of each vCPU, without debugfs"
	has ctl "\"index\":0,\"exits\":\{[^}]*\"$exit\":[1-9][0-9]" "$who: and lkvm's"
	has ctl '"serial0":\{"bytes_sent":[1-9][0-9]{2}' "$who: and the devices'"
	ctl stat -n $name -i 1 --count 2
	has ctl "^  $halts +[1-9]" "$who: stat -i shows halts" || evidence ctlerr
	ctl stat -n $name -m
	has ctl '^Total +[1-9][0-9]* bytes' "$who: stat -m has the guest's memory" || evidence ctlerr

	ctl debug -n $name -d
	is $rc 0 "$who: debug --dump" || evidence ctlerr
	is "$(grep -cE "^vCPU [01] .*$mode" ctl)" 2 "$who: of both vCPUs"
	has ctl "$pc" "$who: one is in the kernel"
	is "$(grep -cE '^  = gpa [0-9a-f]{16}, page of' ctl)" 4 "$who: program counter and stack are mapped" || evidence ctl
	has ctl "$vector" "$who: with the kernel's entry point where the CPU looks for it"
}

poke() {
	ctl debug -n $name -m 1
	if [ $LAB_ARCH = x86_64 ]; then
		is $rc 0 "$who: debug --nmi" || evidence ctlerr
		wait_for out 'NMI received for unknown reason .* on CPU 1'
		ok $? "$who: Linux takes it on that CPU"
	else
		is "$rc $(wc -l <ctlerr)" "125 1" "$who: debug --nmi says in one line"
		has ctlerr 'no NMI' "$who: that there is none"
	fi
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
	local force=
	if [ $LAB_ARCH = riscv64 ]; then
		ctl stop -n $name --timeout 200
		is "$rc $(wc -l <ctlerr)" "125 1" "$who: stop says in one line"
		has ctlerr 'no power button' "$who: that there is no button to press"
		force=--force
	fi
	ctl stop -n $name --timeout 200 $force
	is $rc 0 "$who: stop $force" || evidence ctlerr
	finish
	is $status 0 "$who: the guest ends" || evidence err
	[ "$force" ] || has out 'button: event=0001 0074 0001 0000' "$who: by its button, which was an input event"
	ctl list
	hasnt ctl "$name" "$who: and is not listed any more"
}

who=$usual name=lab612
begin $usual
look
poke
rest
end

who=$other name=lab61
if [ "$LAB" != native ] && [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	as=(setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/nonexistent)
	who="$other as nobody"
	mkdir bin	# what is below another's home folder is not for nobody
	cp "$(kernel $other)" bin/vmlinuz && cp "$(initrd $other)" bin/initrd && cp "$lkvm" bin/lkvm
	kernel_dir[${other#*.}]=$W/bin initrd_of[${other#*.}]=$W/bin/initrd lkvm=$W/bin/lkvm
	chmod -R a+rX bin "$W"
	chmod 666 /dev/kvm
	chown -R 65534:65534 "$XDG_RUNTIME_DIR"
fi
begin $other
look
poke
end

done_testing
