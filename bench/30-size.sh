#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Size of the stripped programs.
. "$(dirname "$0")/lib.sh"
while read -r subject limit; do
	[ -f "$O/$subject" ] || { echo "$subject is not built"; continue; }
	strip -o "$out/stripped" "$O/$subject"
	bytes=$(wc -c < "$out/stripped")
	printf '%-16s %9d bytes\n' "$subject" "$bytes"
	row "stripped" "$subject" "$bytes" bytes "$limit"
done <<-END
	lkvm 400000
	lkvm-static
	lkvm-minimal 1000000
END
rm -f "$out/stripped"
