#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# lkvm built with ASan and UBSan ($LKVM_ASAN) under stock guests that use every device: nothing is reported, nothing leaks.

if [ -z "${LKVM_ASAN-}" ]; then
	echo "1..0 # SKIP LKVM_ASAN names no lkvm built with SAN=address"
	exit
fi
LKVM=$LKVM_ASAN
. "$(dirname "$0")/lab.sh"
lab_same
lab_enter 120 "$0"
cd "$LAB_SCRATCH" || exit 125
export ASAN_OPTIONS=exitcode=99:detect_leaks=1:log_path=stderr UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1

clean() { hasnt "$W/err" 'Sanitizer|runtime error' "$1: nothing reported" || evidence "$W/err"; }

seed=300
for form in "--console virtio" "--virtio-packed --virtio-in-order" "--virtio-transport pci-legacy --console virtio"; do
	disks=()
	for engine in sync aio io_uring; do
		head -c 1048576 /dev/urandom >$engine.img
		cp $engine.img $engine.orig
		disks+=(-d "$engine.img,engine=$engine")
	done
	seed=$((seed + 1))
	PARAMS="lkvm.seed=$seed" boot $usual 4 disk,rng,discard,pci "${disks[@]}" --rng $form
	is $status 0 "$form: ends well" || evidence "$W/out" "$W/err"
	clean "$form"
	for engine in aio io_uring; do	# the first disk was written to by the other tests
		is "$(tail -c 524288 $engine.img | sum)" "$(second_half $engine.orig $seed)" "$form: $engine wrote all"
	done
done

file=vmlinuz
[ $LAB_ARCH != x86_64 ] || file=vmlinux
boot $other 2 panic
is $status 126 "panic"
clean panic
boot $other/$file 1 reboot-once -d sync.img --reboot
is $status 0 "reset in place"
clean "reset in place"
PARAMS=lkvm.status=33 boot $usual/$file 1 status
is $status 33 "status"
clean status
for signal in TERM HUP INT; do
	start $usual 2 hang --rng -d sync.img
	sleep 0.$((RANDOM % 10))
	kill -$signal $pid
	finish 20
	is $status $((128 + $(kill -l $signal))) "SIG$signal"
	clean "SIG$signal"
done

done_testing
