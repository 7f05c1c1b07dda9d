#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Disks through each engine, with checksums: what the host wrote is what the guest reads, around the page cache and through
# it, and the other way round. Then read-only, discard, a file system, a host disk without room, kill -9, the lock.

. "$(dirname "$0")/lab.sh"
lab_same
lab_enter 150 "$0"
cd "$LAB_SCRATCH" || exit 125
size=4194304
half=$((size / 2))

# --- every engine, buffered and direct; three disks at once, so they also must not be mistaken for each other

seed=100
for mode in "" ,direct; do
	disks=()
	for engine in sync aio io_uring; do
		head -c $size /dev/urandom >$engine.img
		cp $engine.img $engine.orig
		disks+=(-d "$engine.img,engine=$engine$mode")
	done
	seed=$((seed + 1))
	if [ "$mode" ]; then release=$other cpus=1; else release=$usual cpus=4; fi
	PARAMS="lkvm.seed=$seed" boot $release $cpus disk "${disks[@]}"
	is $status 0 "$release$mode: ends well" || evidence "$W/out" "$W/err"
	n=0
	for engine in sync aio io_uring; do
		d=vd$(printf "\\$(printf %o $((97 + n)))")
		n=$((n + 1))
		grep -a "^lkvm disk: $d " "$W/out" >lines
		name="$release engine=$engine$mode"
		is "$(value lines sectors)" $((size / 512)) "$name: size"
		is "$(value lines first)" "$(head -c $half $engine.orig | sum)" "$name: reads what the host wrote"
		want=$(second_half $engine.orig $seed)
		is "$(value lines cached)" "$want" "$name: reads back through the cache"
		is "$(value lines direct)" "$want" "$name: reads back directly"
		is "$(tail -c $half $engine.img | sum)" "$want" "$name: the host finds what the guest wrote"
		is "$(head -c $half $engine.img | sum)" "$(head -c $half $engine.orig | sum)" "$name: nothing else is touched"
		hasnt lines "cannot" "$name: no request failed"
	done
done

# --- read-only, by the option and for a file that is not writable

cp sync.orig ro.img
before=$(sum <ro.img)
for engine in sync aio io_uring; do
	boot $usual 1 disk-ro -d ro.img,ro,engine=$engine
	has "$W/out" "vda ro=1 all=$before" "ro, $engine: read-only and readable"
	has "$W/out" "vda refused" "ro, $engine: a write is refused"
done
is "$(sum <ro.img)" "$before" "ro: image unchanged"

# --- discard gives room back, a file system survives, queues and ids

head -c $size /dev/urandom >discard.img
blocks=$(stat -c %b discard.img)
boot $usual 2 discard,queues -d discard.img
has "$W/out" "discard: done" "discard is accepted"
is "$(value "$W/out" now)" "$(head -c 1048576 /dev/zero | sum)" "discarded blocks read as zeroes"
[ "$(stat -c %b discard.img)" -lt "$blocks" ]
ok $? "discard frees blocks of the image" || note "blocks: $blocks before, $(stat -c %b discard.img) after"
is "$(value "$W/out" cache)" write_back "the guest knows that it must flush"
[ -n "$(value "$W/out" serial)" ]
ok $? "the disk has a serial number" || evidence "$W/out"

mkdir tree && head -c 3000000 /dev/urandom >tree/from-host
truncate -s 16M ext4.img
mkfs.ext4 -q -F -d tree ext4.img
boot $other 4 ext4 -d ext4.img,engine=io_uring
has "$W/out" "ext4: seen=$(sum <tree/from-host)" "ext4: the guest reads a file"
has "$W/out" "ext4: unmounted" "ext4: and unmounts"
e2fsck -fn ext4.img >fsck 2>&1
ok $? "ext4: the file system is clean after the guest" || evidence fsck
is "$(debugfs -R 'cat /from-guest' ext4.img 2>/dev/null | sum)" "$(sum <tree/from-host)" "ext4: the guest's copy is on the image"

# --- a host without room: the guest gets an I/O error, lkvm and the guest go on

for engine in sync aio io_uring; do
	if ! mkdir -p small || ! mount -t tmpfs -o size=1m tmpfs small 2>/dev/null; then
		ok 0 "no room, $engine # SKIP cannot mount a small tmpfs here"
		continue
	fi
	truncate -s 8M small/disk.img
	boot $usual 1 disk-full -d small/disk.img,engine=$engine
	is $status 0 "no room, $engine: lkvm lives" || evidence "$W/out" "$W/err"
	has "$W/out" "disk_full: error=" "no room, $engine: the guest's write fails"
	has "$W/out" "disk_full: read=65536" "no room, $engine: the disk still reads"
	umount small
done

# --- what was synced is on the disk, whatever becomes of lkvm

for engine in sync aio io_uring; do
	truncate -s 0 sync.img
	truncate -s $size sync.img
	start $usual 1 fsync-loop -d sync.img,engine=$engine
	wait_for "$W/out" 'fsync_loop: synced=2[0-9]'
	sleep 0.$((RANDOM % 10))
	kill -KILL $pid
	wait $pid 2>/dev/null
	last=$(sed -n 's/.*fsync_loop: synced=\([0-9]*\).*/\1/p' "$W/out" | tail -n 1)
	bad=
	for ((i = 1; i <= ${last:-0}; i++)); do
		[ "$(dd if=sync.img bs=512 skip=$i count=1 2>/dev/null | tr -d '\0')" = "$(printf 'record %-504d' $i)" ] || bad+=" $i"
	done
	[ "${last:-0}" -ge 20 ] && [ -z "$bad" ]
	ok $? "kill -9, $engine: every synced record is on the disk" || note "last=$last missing:${bad:0:100}"
done

# --- one writer only

start $usual 1 hang -d sync.img
wait_for "$W/out" 'hang: now'
timeout $((20 * patience)) "$lkvm" run -k "$(kernel $usual)" -m 128 -d sync.img --loglevel warning </dev/null >second.out 2>second.err
is $? 125 "a second writer is refused"
is "$(wc -l <second.err)" 1 "in one line" || evidence second.err
has second.err "sync.img" "that names the image"
kill -TERM $pid
finish 10
is $status 143 "SIGTERM ends the first"
boot $usual 1 hello -d sync.img
is $status 0 "then the image is free again" || evidence "$W/err"

done_testing
