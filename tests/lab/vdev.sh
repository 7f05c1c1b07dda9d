# SPDX-License-Identifier: GPL-2.0-only
#
# Sourced, with $release set: lkvm_vdev, the software PCI device of kernel/, given to a bare-metal guest of ours that tries all of it
# (tests/guest/vdev.c), on a host with that stock Debian kernel. Needs no IOMMU.

. "$(dirname "$0")/lab.sh"
lab_only x86_64 arm64 -- "stock riscv64 kernels have no VFIO container"
lab_guests vdev
lab_modules "$release"
host=(-k "$release")
lab_enter 60 "$0"

cd "$here/../.." || exit 125
export LKVM_SIGNALS=default
# shellcheck disable=SC2034
LIMIT=300
. tests/payload/lib.sh
trap 'rm -rf "$T"; lab_leave' EXIT
. "$here/vfio.sh"

vfio_host vfio_pci vfio_iommu_type1
insmod "$LAB_MODULES/lkvm_vdev.ko" || exit 125
vdev=/sys/bus/platform/devices/lkvm_vdev.0
started=$(pins)

gone() {
	[ "$(pins)" = "$started" ] || problem "$(($(pins) - started)) pages are still pinned"
	report "$1: no page stays pinned"
}

irqs=10000 stress=1000
[ "$LAB_ARCH" = x86_64 ] || stress=300
guest vdev -c 4 -p "irqs=$irqs stress=$stress cpus=4" --vfio "$vdev,iommu=group"
gone vdev

if [ -x "${LKVM_ASAN-}" ] && [ "$LAB_ARCH" = x86_64 ]; then
	LKVM=$LKVM_ASAN guest vdev -c 4 -p "irqs=500 stress=200 cpus=4" --vfio "$vdev"
fi

# killed in the middle of it
"$LKVM" run -m 64 -c 1 -k "$GUESTS/vdev.elf" -p "irqs=10000000" --vfio "$vdev" --timeout 100 </dev/null >"$T/out" 2>"$T/err" &
pid=$!
for _ in {1..1000}; do
	! grep -q 'CPU reads there\|BAR 2 has memory' "$T/out" || break
	sleep 0.05
done
kill -9 $pid
wait $pid
gone "killed"
lkvm_run -k "$GUESTS/vdev.elf" -p irqs=10 --vfio "$vdev"
want_status 0
report "killed: the next guest gets the device"

lkvm_run --loglevel warning -k "$GUESTS/vdev.elf" --vfio "$vdev" --vfio "$vdev"
want_status 125; want_one_line; want_err "$vdev"
report "given twice: refused in a line that names it"
lkvm_run --loglevel warning -k "$GUESTS/vdev.elf" --vfio "${vdev%0}7"
want_status 125; want_one_line; want_err "${vdev%0}7"
report "a device that is not there: refused in a line that names it"

rmmod lkvm_vdev || problem "rmmod fails"
dmesg | grep -E "$kernel_complaint" >"$T/err" && problem "the host's kernel complains"
report "the module goes, and the host's kernel has nothing to complain of"
finish
