#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Machines of unusual size: many vCPUs, odd and large memory, memory from hugetlbfs.
set -u
cd "$(dirname "$0")/../.."
. tests/payload/lib.sh

lkvm_run -k "$GUESTS/tiny.bin" -c 288
if grep -q 'KVM here allows at most' "$T/err"; then
	skip "288 vCPUs" "$(grep -o 'KVM here.*' "$T/err")"
else
	want_status 0
	report "288 vCPUs"
fi
lkvm_run -k "$GUESTS/hello.bin" -m 65540K; want_status 0; want_out hello; report "memory of one page over 64 MiB"
lkvm_run -k "$GUESTS/hello.bin" -m 5G; want_status 0; want_out hello; report "memory on both sides of the hole below 4 GiB"
lkvm_run -k "$GUESTS/hello.bin" -m 2M; want_status 0; want_out hello; report "the smallest memory there may be"

# In a mount namespace of its own, with pages reserved for as long as it takes
pages=/proc/sys/vm/nr_hugepages
exec 9< $pages && flock 9	# other tests may want some at the same time
had=$(cat $pages 2> /dev/null || echo 0)
if [ "$(id -u)" = 0 ] && mkdir "$T/huge" && unshare -m mount -t hugetlbfs none "$T/huge" 2> /dev/null &&
	echo $((had + 40)) > $pages 2> /dev/null && [ "$(cat $pages)" = $((had + 40)) ]; then
	huge() { # MEM
		status=0
		unshare -m sh -c 'mount -t hugetlbfs none "$1/huge" && exec "$2" run -k "$3/hello.bin" -c 1 -m "$4" --hugetlbfs "$1/huge" --loglevel warning' \
			sh "$T" "$LKVM" "$GUESTS" "$1" < /dev/null > "$T/out" 2> "$T/err" || status=$?
	}
	huge 64M; want_status 0; want_out hello; report "memory from hugetlbfs"
	huge 100G; want_status 125; want_one_line; want_err "--hugetlbfs"; report "more than hugetlbfs has is refused"
	echo "$had" > $pages
else
	skip "memory from hugetlbfs" "needs root, a hugetlbfs and 80 MiB to reserve"
fi
exec 9<&-

finish
