# SPDX-License-Identifier: GPL-2.0-only
#
# Sourced, with $release set: lkvm_pvlock and lkvm_ones of kernel/ on a host with that stock Debian kernel: loaded, used by tests/kernel/*, and
# unloaded, while every CPU has other processes to start and end. (lkvm_vdev is vdev.sh's.)

. "$(dirname "$0")/lab.sh"
lab_same
[[ " ${releases[*]} " = *" $release "* ]] || lab_skip "Debian has no kernel $release for $LAB_ARCH"
if [ -z "${LAB-}" ]; then
	LAB_BIN=$(mktemp -d)
	export LAB_BIN
	trap 'rm -rf "$LAB_BIN"' EXIT
	lab_cc -static -pthread
	for program in pvlock ones; do
		said=$($cc -O1 -g -Wall -Werror -I"$here/../../include/uapi" -static -pthread -o "$LAB_BIN/$program" "$here/../kernel/$program.c" 2>&1) ||
			lab_unbuilt 3 "program $program" "$said"
	done
	lab_modules "$release"
fi
host=(-k "$release")
if [ -z "${LAB-}" ]; then
	(lab_enter 60 "$0")
	exit
fi
lab_enter 60 "$0"
[ "$LAB" = emulated ] || lab_skip "modules are not loaded into the kernel of a machine that is no lab's"

# run MODULE: its program's tests as ours
run() {
	local line text
	insmod "$LAB_MODULES/lkvm_$1.ko" 2>err
	ok $? "$1: loads" || note "$(cat err)"
	timeout -s KILL $((150 * patience)) "$LAB_BIN/$1" >out 2>&1
	status=$?
	while read -r line; do
		text=${line#* - }
		case $line in
		"ok "*)	    ok 0 "$1: $text" ;;
		"not ok "*) ok 1 "$1: $text" ;;
		"#"*)	    echo "$line" ;;
		esac
	done <out
	[ $status = 0 ] && grep -q '^1\.\.' out
	ok $? "$1: all of it ran" || evidence out
	rmmod "lkvm_$1" 2>err
	ok $? "$1: unloads" || note "$(cat err)"
}

# again MODULE REFERENCES: loaded, refused to be unloaded while there are users, and unloaded as soon as they were killed, over and over.
again() {
	local n user references end wrong=
	for n in {1..8}; do
		insmod "$LAB_MODULES/lkvm_$1.ko" 2>err || { wrong="$n: does not load: $(cat err)"; break; }
		: >held	# here: the shell that is to become the program may come later than wait_for
		"$LAB_BIN/$1" hold >held 2>&1 &
		user=$!
		wait_for held ready || wrong="$n: no user"
		references=$(cat "/sys/module/lkvm_$1/refcnt")
		[ "$references" = "$2" ] || wrong="$n: $references references"
		! rmmod "lkvm_$1" 2>/dev/null || wrong="$n: unloaded while it is used"
		kill -9 $user
		wait $user 2>/dev/null
		# What is to be given back is so behind the killed one's back.
		end=$(($(now_ms) + 60000 * patience))
		until rmmod "lkvm_$1" 2>err; do
			[ "$(now_ms)" -lt $end ] || { wrong="$n: does not unload: $(cat err)"; break 2; }
		done
		[ ! "$wrong" ] || break
	done
	is "$wrong" "" "$1: goes as soon as its users are killed, and comes back"
}

dmesg -C
load=()
for _ in $(seq "$(nproc)"); do
	(while :; do (:); done) &
	load+=($!)
done
run pvlock
again pvlock 9	# the file, and eight threads
run ones
again ones 1
kill "${load[@]}"
dmesg | grep -E 'WARNING|BUG|Oops|Call Trace|refcount|leak' >said
is "$(cat said)" "" "the kernel has nothing to complain of"
done_testing
