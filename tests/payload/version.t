#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# lkvm version --host: what it says of this host, in text and in JSON, with and without a KVM.
set -u
cd "$(dirname "$0")/../.." || exit
. tests/payload/lib.sh

version() {
	status=0
	"$LKVM" version "$@" > "$T/out" 2> "$T/err" || status=$?
}

version --host
want_status 0
want_out "kvm: device: /dev/kvm, API version 12"
want_out "kvm: has:"
for line in "vhost: net: " "vhost: vsock: " "module: lkvm_pvlock: " "module: lkvm_ones: " "module: lkvm_vdev: " "vfio: groups: " "vfio: iommufd: "; do
	grep -qE "^$line(yes|no: |type 1)" "$T/out" || problem "no line $line: $(grep "^$line" "$T/out")"
done
[ -e /dev/vhost-net ] || want_out "vhost: net: no: /dev/vhost-net: No such file or directory"
[ -s "$T/err" ] && problem "it says something on stderr"
report "each thing has its line"
grep -E '^(kvm|vhost|module|vfio): ' "$T/out" > "$T/lines"

version --host --json
want_status 0
if command -v python3 > /dev/null; then
	python3 - "$T/out" > "$T/from-json" <<- 'END' || problem "no JSON"
		import json, sys
		for section, lines in json.load(open(sys.argv[1]))["host"].items():
		    for line in lines:
		        print(section + ": " + line)
	END
	cmp -s "$T/lines" "$T/from-json" || problem "$(diff "$T/lines" "$T/from-json")"
	report "--json says the same"
else
	skip "--json says the same" "no python3"
fi

version --host --dev "$T/none"
want_status 0
want_out "kvm: device: no: $T/none: No such file or directory"
report "no KVM is a line, too"
version --host --dev /dev/null
want_status 0
want_out "kvm: device: no: /dev/null is not a KVM device"
report "so is what is none"

version
! grep -q '^kvm:' "$T/out" || problem "it asked the host"
version now
want_status 129
want_err "unexpected argument 'now'"
report "without --host nothing of it; an argument is refused"
finish
