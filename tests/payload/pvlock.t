#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# --pv-lock: a guest whose vCPUs share one CPU reads of the one that waits for it. PV_LOCK_HOST says what is to be had of the host: full; on
# arm64 also patched, whose KVM does it, filter, without the module, or none.
set -u
cd "$(dirname "$0")/../.." || exit
. tests/payload/lib.sh
command -v taskset > /dev/null || skip_all "no taskset"
[ -e "$GUESTS/pvlock.elf" ] || skip_all "no guest pvlock in $GUESTS"
[ -e "/proc/$$/schedstat" ] || skip_all "this host does not account for waiting (CONFIG_SCHED_INFO)"

# The last CPU that we may run on, of a list such as 0-3,5
cpu=$(taskset -cp $$ | sed 's/.*[^0-9]//')
LIMIT=200

# refused WORDS...: --pv-lock is, in a line with these
refused() {
	lkvm_run -k "$GUESTS/pvlock.elf" --pv-lock
	want_status 125; want_err "Fatal: --pv-lock:"
	for word in "$@"; do
		want_err "$word"
	done
}

# state NAME OPTIONS...: what lkvm stat says of each vCPU of a guest that waits for input
state() {
	local pid said name=$1
	shift
	mkfifo "$T/in"
	"$LKVM" run --name pvlock -m 64 -c 2 -k "$GUESTS/pvtime.elf" "$@" <> "$T/in" > "$T/out" 2> "$T/err" &
	pid=$!
	for _ in {1..3000}; do
		! grep -q ready "$T/out" || break
		sleep 0.05
	done
	said=$("$LKVM" stat -n pvlock --json 2>&1 | tr -d ' \n' | grep -o '"pv_lock":"[^"]*"' | sort -u)
	[ "$said" = "\"pv_lock\":\"$name\"" ] || problem "lkvm stat says $said, want $name"
	printf q > "$T/in"
	wait $pid || problem "lkvm ends with status $?"
	rm -f "$T/in"
	report "lkvm stat: $name"
}

case ${GUESTS##*/} in
arm*)
	case ${PV_LOCK_HOST:-none} in
	full)
		guest pvlock -c 2 -p pv_lock=1 --pv-lock --vcpu-affinity "$cpu"
		guest pvlock -c 2 -p pv_lock=2 --pv-lock --vcpu-affinity "$cpu"
		guest pvlock -c 2 -p pv_lock=0 --vcpu-affinity "$cpu"
		state module --pv-lock
		state off
		;;
	patched)
		guest pvlock -c 2 -p pv_lock=1 --pv-lock --vcpu-affinity "$cpu"
		guest pvlock -c 2 -p pv_lock=0 --vcpu-affinity "$cpu"
		state kvm --pv-lock
		state off
		;;
	filter)	refused "'/dev/lkvm_pvlock'" "modprobe lkvm_pvlock"
		report "without the module it is refused, which is named" ;;
	none)	refused "Linux 6.4"
		report "without the filter it is refused in a line that says so" ;;
	esac ;;
riscv*)
	refused riscv64
	report "there is none on riscv64" ;;
*)
	lkvm_run -k "$GUESTS/pvlock.elf" --pv-lock --no-pvtime
	want_status 125; want_err "--pv-lock"; want_err "(--no-pvtime)"
	report "not without stolen time, beside which it is"
	# A KVM that is not Linux's own may offer it and never set it.
	[ "${PV_LOCK_HOST-}" != full ] || guest pvlock -c 2 -p pv_lock=1 --pv-lock --vcpu-affinity "$cpu"
	state kvm --pv-lock
	state off --no-pvtime
	;;
esac
finish
