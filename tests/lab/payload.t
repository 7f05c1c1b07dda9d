#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The bare-metal guests of tests/guest/, which tests/payload/*.t run on x86-64's own /dev/kvm, on the other architectures: UART, PCI, disk,
# balloon, BARs that move under eight CPUs, hostile drivers. GUESTS names the folder of their images.

. "$(dirname "$0")/lab.sh"
lab_only arm64 riscv64 -- "on x86-64 tests/payload runs them"
lab_guests pci
lab_enter 100 "$0"

cd "$here/../.." || exit 125
export LKVM_SIGNALS=default
. tests/payload/lib.sh
trap 'rm -rf "$T"; lab_leave' EXIT
LIMIT=300

disks() {
	local f
	for f in a b c; do
		head -c 1048576 /dev/zero >"$T/$f"
	done
}
# what tests/guest/blk.c looks for: sector N begins with the byte N
pattern() {
	local n byte sectors=()
	head -c 511 /dev/zero >"$T/zeros"
	for n in {0..255}; do
		printf -v byte '\\x%02x' $n
		printf "$byte" >"$T/byte.$n"
		sectors+=("$T/byte.$n" "$T/zeros")
	done
	cat "${sectors[@]}" >"$T/sectors"
	cat "$T"/sectors{,,,,,,,}
	rm "$T"/byte.* "$T/zeros" "$T/sectors"
}
pattern >"$T/pattern"

# balloon OPTIONS...: the guest of that name, and what it waits for: as in tests/payload/balloon.t, shorter
rss() { awk '$1 == "VmRSS:" { print $2 }' "/proc/$pid/status" 2> /dev/null; }
target() { timeout 60 "$LKVM" balloon -n payload --target "$1" > /dev/null 2>> "$T/err" || problem "lkvm balloon --target $1: status $?"; }
waiting() {
	local _
	for _ in {1..2000}; do
		! grep -q "^waiting: $1" "$T/out" || return 0
		kill -0 $pid 2> /dev/null || break
		sleep 0.05
	done
	problem "the guest did not get to: $1"
}
balloon() {
	local full=0 now=0 step line
	: > "$T/out"
	"$LKVM" run -m 64 -c 1 --balloon --name payload -k "$GUESTS/balloon.elf" --timeout $LIMIT "$@" \
		< /dev/null > "$T/out" 2> "$T/err" &
	pid=$!
	for step in filled:32M inflated:0B deflated:1M reported:0B; do
		waiting ${step%:*}
		case $step in
		filled*) full=$(rss) ;;
		inflated*) now=$(rss) ;;
		esac
		target ${step#*:}
	done
	status=0
	wait $pid || status=$?
	[ "${now:-0}" -le $((full - 30 * 1024)) ] || problem "$full kB before, $now kB inflated"
	while IFS= read -r line; do
		case $line in
		"not ok "* | "#"*) problem "$line" ;;
		esac
	done < "$T/out"
	[ "$(tail -n 1 "$T/out" | cut -c1-3)" = 1.. ] || problem "the guest did not get to its end: $(tail -n 3 "$T/out")"
	want_status 0
	report "balloon: ran to its end $*"
}

disks
guest uart
{ printf lkvm; head -c 1048572 /dev/zero | tr '\0' '\377'; } >"$T/flash"
guest flash --flash "$T/flash"
[ "$(od -An -tx4 -j 65596 -N 4 "$T/flash" | tr -d ' ')$(head -c 4 "$T/flash")" = c0de000flkvm ] || problem "the file is not what the guest wrote"
report "flash: the file holds what the guest programmed"
guest pci -d "$T/a" -d "$T/b"
cp "$T/pattern" "$T/a"
guest blk -d "$T/a"
balloon --virtio-transport pci
balloon --virtio-transport mmio -p mmio=1
cp "$T/pattern" "$T/a"
guest mmio -d "$T/a" --virtio-transport mmio
guest bar-stress -c 8 -d "$T/a,queues=2" -d "$T/b,queues=3" -p "stress=200 live=10"

devices=(-d "$T/a" -d "$T/b" --rng --port null)
cp "$T/pattern" "$T/a" && cp "$T/pattern" "$T/b" && cp "$T/pattern" "$T/c"
guest hostile-ring "${devices[@]}" --virtio-packed
guest hostile-blk "${devices[@]}" --virtio-packed -d "$T/c,ro"
cmp -s "$T/c" "$T/pattern" || problem "the read-only image was written"
report "hostile-blk: the read-only image is as it was"
cp "$T/pattern" "$T/a" && cp "$T/pattern" "$T/b"
guest hostile-ring -d "$T/a" -d "$T/b" --rng --virtio-transport pci-legacy	# requests are the same over any transport
guest hostile-legacy "${devices[@]}" --virtio-transport pci-legacy
guest hostile-pci "${devices[@]}"
guest hostile-reset -c 4 "${devices[@]}"

finish
