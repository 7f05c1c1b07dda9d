#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Bare-metal drivers, right and hostile ones. Their own checks come out as one line each here.
set -u
cd "$(dirname "$0")/../.."
. tests/payload/lib.sh

disk() {
	perl -e 'print pack("C", $_ & 255), "\0" x 511 for 0 .. 2047' > "$1"
}
disk "$T/a"
disk "$T/b"
LIMIT=120
guest uart
guest pci -d "$T/a" -d "$T/b"
for engine in sync aio io_uring; do
	disk "$T/a"
	lkvm_run -k "$GUESTS/tiny.bin" -d "$T/a,engine=$engine"
	if [ "$status" != 0 ] && grep -q engine "$T/err"; then
		skip "blk with engine=$engine" "$(grep -o 'engine.*' "$T/err" | head -n 1)"
		continue
	fi
	guest blk -d "$T/a,engine=$engine"
	cmp -s <(dd if="$T/a" bs=512 skip=100 count=8 2> /dev/null) <(perl -e 'print pack("C", ($_ * 7) & 255) for 0 .. 4095') ||
		problem "the image does not hold what the guest wrote"
	report "blk: what was written is in the image, engine=$engine"
done

finish
