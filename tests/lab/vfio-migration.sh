# SPDX-License-Identifier: GPL-2.0-only
#
# Sourced, with $release set: lkvm's migration module against lkvm_vdev, without a guest, on a host with that stock Debian
# kernel, or our own ("own", see mkkernel). Both protocols, what each may lack, faults of the device, and dirty pages by the device's log where the kernel can
# report one (6.12 of Debian cannot), else the container's. Our own kernel has iommufd, too, which cannot track what devices without an IOMMU of
# their own write. The program is vfio-migration.c, compiled beside lkvm.

. "$(dirname "$0")/lab.sh"
lab_only x86_64 arm64 -- "stock riscv64 kernels have no VFIO container"
. "$here/programs.sh"
if [ "$release" = own ] && [ -z "${LAB-}" ]; then
	[ "$LAB_ARCH" = x86_64 ] || lab_skip "the kernel of our own is for x86-64"
	"$here/mkkernel" ${LAB_NO_BUILD:+-n} >/dev/null || lab_unbuilt $? "host kernel of our own" "see above"
fi
program=${lkvm%/*}/tests/lab/vfio-migration
if [ -z "${LAB-}" ]; then
	said=$(modules_for "$release" 2>&1) || lab_unbuilt $? "modules for $release" "$said"
	export LAB_MODULES=${said##*$'\n'}
	cc=${CC:-cc} static=
	[ "$LAB_ARCH" = "$(lab_arch /bin/sh)" ] || cc=aarch64-linux-gnu-gcc static=-static
	command -v "$cc" >/dev/null || lab_skip "no $cc"
	mkdir -p "${program%/*}"
	(cd "$here/../.." && "$cc" $static -std=gnu11 -O1 -g -Wall -Iinclude -I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -pthread -o "$program.$$" \
		tests/lab/vfio-migration.c $(sed -n 's/^ \* links: //p' tests/lab/vfio-migration.c)) && mv -f "$program.$$" "$program" || exit 125
fi
host=(-k "$release")
if [ -z "${LAB-}" ]; then
	(lab_enter 60 "$0")
	exit	# LAB_BIN goes
fi
lab_enter 60 "$0"
. "$here/vfio.sh"
vfio_host vfio_pci vfio_iommu_type1
insmod "$LAB_MODULES/lkvm_vdev.ko" devices=8 mig=23,23,24,24,1,1,9,9 || exit 125
started=$(pins) log=device
[ "$release" != 6.12 ] || log=iommu

# migrated PROTOCOL ABILITIES WAY DEVICE DEVICE NAME [IOMMU]: the program's tests are some of ours
migrated() {
	local d=/sys/bus/platform/devices/lkvm_vdev name=$6
	timeout $((300 * patience)) "$program" "$1" "$2" "$3" "${7-group}" $d.$4 $d.$5 >out 2>err
	status=$?
	as_ours "$name" <out
	is "$status $ours $(grep -c '^1\.\.10$' out)" "0 all 1" "$name: ends well" || evidence out err
	is "$(pins)" "$started" "$name: no page stays pinned"
}

migrated v2 7 $log 0 1 "v2 with all"
migrated v1 5 $log 2 3 "v1"
migrated v2 0 iommu 4 5 "v2 with little"
migrated v1 1 iommu 6 7 "v1 of a device that has both"
if [ -e /dev/iommu ]; then
	migrated v2 7 device 0 1 "v2 with all, by iommufd" iommufd
	migrated v2 0 all 4 5 "v2 with little, by iommufd" iommufd
fi

rmmod lkvm_vdev
ok $? "the module goes"
kernel_is_quiet
done_testing
