#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Many boots: one after the other, many at once, and many in one process (a guest that resets, with --reboot). None fails, and nothing
# grows: no process, socket or kernel object stays, and the process that restarts has no more descriptors, threads or memory after the
# last boot than after the first few.
#
#	SOAK=2000	boots in a row; the default is what takes seconds
set -u
cd "$(dirname "$0")/../.."
. tests/payload/lib.sh
: "${SOAK:=60}"
at_once=$((SOAK < 500 ? 12 : 50))
truncate -s 1M "$T/disk"
everything=(--rng --balloon -d "$T/disk,ro" --port "null,name=x" --serial 1,null)

bad=0
boots() {	# boots NUMBER OPTIONS...
	local n=$1 i
	shift
	for ((i = 0; i < n; i++)); do
		lkvm_run -k "$GUESTS/tiny.bin" "$@"
		[ "$status" = 0 ] || { bad=$((bad + 1)); problem "boot $i: status $status: $(tail -n 1 "$T/err")"; }
		[ $bad -gt 5 ] && break
	done
}
# What the kernel holds for all of us, in pages: what a VM leaves behind would add up. Others work on this machine too.
kernel_pages() { awk '/^(Slab|KernelStack|PageTables|Unevictable|Mlocked|Shmem):/ { n += $2 } END { print n / 4 }' /proc/meminfo; }

boots 5 "${everything[@]}"
before=$(kernel_pages)
boots $((SOAK - SOAK / 4))
boots $((SOAK / 4)) "${everything[@]}"
after=$(kernel_pages)
report "$SOAK boots in a row"

grown=$(awk -v a="$before" -v b="$after" -v n="$SOAK" 'BEGIN { print (b - a) / n }')
echo "# kernel memory: $grown pages a boot"
# One leaked VM of 64 MiB has page tables, a kvm structure and a stack a thread: far more than 32 pages
if [ "$SOAK" -ge 500 ]; then
	awk -v g="$grown" 'BEGIN { exit !(g > 32) }' && problem "$grown pages of kernel memory a boot stay"
	report "the kernel holds no more than before"
fi
[ -z "$(ls -A "$XDG_RUNTIME_DIR"/lkvm 2> /dev/null)" ] || problem "left: $(ls "$XDG_RUNTIME_DIR/lkvm")"
report "no socket is left"

pids=()
for ((i = 0; i < at_once; i++)); do
	timeout -k 5 300 "$LKVM" run -m 64 -c 2 -k "$GUESTS/tiny.bin" --name "soak$i" "${everything[@]}" < /dev/null > /dev/null 2> "$T/err.$i" &
	pids+=($!)
done
for ((i = 0; i < at_once; i++)); do
	wait "${pids[i]}" || problem "guest $i: status $?: $(tail -n 1 "$T/err.$i")"
done
[ -z "$(ls -A "$XDG_RUNTIME_DIR"/lkvm 2> /dev/null)" ] || problem "left: $(ls "$XDG_RUNTIME_DIR/lkvm")"
report "$at_once at once"

# One process, many guests: --json tells of each restart
mkfifo "$T/events"
timeout -k 5 1200 "$LKVM" run -m 64 -c 2 -k "$GUESTS/tiny-reset.bin" --reboot "${everything[@]}" --json "$T/events" \
	< /dev/null > /dev/null 2> "$T/err" &
pid=$!
# fds, threads, resident KiB of the lkvm under timeout
look() {
	local p
	p=$(pgrep -P $pid)
	echo "$(ls "/proc/$p/fd" | wc -l) $(ls "/proc/$p/task" | wc -l) $(awk '/^VmRSS/ { print $2 }' "/proc/$p/status")"
}
restarts=0 first= last=
while read -r line; do
	case $line in *restart*) ;; *) continue ;; esac
	restarts=$((restarts + 1))
	[ $restarts = 20 ] && first=$(look)
	[ $restarts = "$SOAK" ] && { last=$(look); break; }
done < "$T/events"
kill $(pgrep -P $pid) 2> /dev/null
wait $pid
status=$?
read -r fds threads rss <<< "${first:-0 0 0}"
read -r fds2 threads2 rss2 <<< "${last:-0 0 0}"
echo "# after 20 restarts and after $restarts: descriptors $fds $fds2, threads $threads $threads2, resident KiB $rss $rss2"
[ "$restarts" = "$SOAK" ] || problem "$restarts restarts, want $SOAK"
[ "$fds" = "$fds2" ] || problem "descriptors: $fds, later $fds2"
[ "$threads" = "$threads2" ] || problem "threads: $threads, later $threads2"
# A sanitizer keeps what was freed for a while
[ "$rss2" -le $((rss + 512)) ] || nm "$LKVM" 2> /dev/null | grep -q '__asan_init\|__tsan_init' || problem "resident: $rss KiB, later $rss2"
want_status 143
report "$SOAK restarts in one process"

finish
