# SPDX-License-Identifier: GPL-2.0-only
# What the parts of the benchmark share; sourced by them. A part is an executable bench/NN-NAME.sh that prints a table for people and
# leaves $O/bench/NAME.tsv for the summary and the plot: one row a figure, by row(). It runs alone, too: bench/10-start.sh
#   O=DIR LKVM=PATH CC=cc   the build that is measured (default: build)
#   KVMTOOL=PATH            upstream kvmtool's binary, when there is one
#   RUNS=50                 runs of each command
set -eu
cd "$(dirname "$0")/.."
: "${O:=build}" "${CC:=cc}" "${RUNS:=50}" "${KVMTOOL:=}"
: "${LKVM:=$O/lkvm}"
out=$O/bench
guests=$O/tests/guest/x86
name=$(basename "$0" .sh)
name=${name#[0-9][0-9]-}
tsv=$out/$name.tsv
mkdir -p "$out"
: > "$tsv"

# row MEASURE SUBJECT VALUE UNIT [LIMIT]: a figure; with LIMIT, the summary says whether VALUE is at most that
row() {
	printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$name" "$1" "$2" "$3" "$4" "${5-}" >> "$tsv"
}

# point MEASURE SUBJECT X VALUE UNIT: a figure that is drawn on a curve, not judged
point() {
	printf '%s\t%s\t%s\t%s\t%s\t\t%s\n' "$name" "$1" "$2" "$4" "$5" "$3" >> "$tsv"
}

# tool NAME: builds bench/NAME.c, prints where it is
tool() {
	[ "$out/$1" -nt "bench/$1.c" ] || $CC -O2 -Wall -D_GNU_SOURCE -o "$out/$1" "bench/$1.c" >&2
	echo "$out/$1"
}

# skip WHY: this part cannot run here. No figure, no failure.
skip() {
	echo "skipped: $*"
	exit 0
}

need_kvm() {
	[ -r /dev/kvm ] && [ -w /dev/kvm ] || skip "no /dev/kvm that we may open"
}

# Is there a kvmtool that runs here? Sets kvmtool_env to what its environment needs. What fails at once has no time.
# Upstream looks for vmx or svm in CPUID before it opens /dev/kvm: where KVM works without, bench/svm.c is put in front (dynamic binary only).
kvmtool_env=
kvmtool_runs() {
	[ "$KVMTOOL" ] || return 1
	set -- "$KVMTOOL" run -k "$guests/tiny-reset.bin" -m 64 -c 1 --nodefaults --network mode=none
	timeout 20 "$@" > "$out/kvmtool.log" 2>&1 < /dev/null && return 0
	if $CC -O2 -D_GNU_SOURCE -shared -fPIC -o "$out/svm.so" bench/svm.c 2> /dev/null &&
	   LD_PRELOAD=$out/svm.so timeout 20 "$@" > /dev/null 2>&1 < /dev/null; then
		kvmtool_env=LD_PRELOAD=$out/svm.so
		return 0
	fi
	echo "kvmtool is left out, it fails:"
	sed 's/^/  /' "$out/kvmtool.log"
	return 1
}

# flat_guest NAME -DX=Y...: builds bench/guest/NAME.c for ring 3 of any VMM, prints where it is
flat_guest() {
	bin=$out/guest-$(echo "$@" | tr -d ' =').bin
	gcc_guest="-std=gnu11 -O2 -m64 -ffreestanding -fno-pic -fno-stack-protector -fcf-protection=none -mno-red-zone -mgeneral-regs-only
		-fno-asynchronous-unwind-tables -nostdlib -static -no-pie -Itests/guest -Ibench/guest -Wl,--build-id=none -Wl,-z,noexecstack
		-Wl,--oformat=binary -Wl,-T,bench/guest/guest.ld"
	guest=$1
	shift
	$CC $gcc_guest "$@" -o "$bin" bench/guest/start.S bench/guest/lib.c "bench/guest/$guest.c" >&2
	echo "$bin"
}
