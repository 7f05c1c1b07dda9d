# SPDX-License-Identifier: GPL-2.0-only
#
# Sourced, with $release set: lkvm_pvlock and lkvm_ones of kernel/ on a host with that stock Debian kernel: loaded, used by tests/kernel/*, and
# unloaded, while every CPU has other processes to start and end. (lkvm_vdev is vdev.sh's.)

. "$(dirname "$0")/lab.sh"
lab_same
[[ " ${releases[*]} " = *" $release "* ]] || lab_skip "Debian has no kernel $release for $LAB_ARCH"
export LAB_KERNELS=$release
. "$here/programs.sh"
compile_program pvlock
compile_program ones
programs_on_hosts "$0" 60

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
module_program pvlock
again pvlock 9	# the file, and eight threads
module_program ones
again ones 1
kill "${load[@]}"
kernel_is_quiet
done_testing
