# SPDX-License-Identifier: GPL-2.0-only
#
# Sourced, after lab.sh, by the tests that give devices of the host to guests. Such a test names the host's IOMMU and devices in the array host
# before lab_enter (see host -I and -D), and the devices by their ids then. What the guest does with them is guest-init's t_given*.

# One guest does more here than elsewhere.
[ "${patience-0}" -ge 3 ] || patience=3

# vfio_host MODULE...: modules of the host's kernel, with all they need; one that is there or built in already is fine
vfio_host() {
	local m
	. "$here/initramfs.sh"
	for m in $(module_order "$LAB_KERNEL" "$@"); do
		[ -e "/sys/module/${m%.ko}" ] || insmod "$LAB_KERNEL/modules/$m" || note "cannot load $m"
	done
	known=$(seq -w 10000000 99999999 | head -c 4194304 | sum)
	half=$(seq -w 10000000 99999999 | head -c 2097152 | sum)
}

# pci VENDOR:DEVICE [N]: the address of the first (Nth) such function of the host
pci() {
	local d n=${2-1}
	for d in /sys/bus/pci/devices/*; do
		[ "$(<"$d/vendor"):$(<"$d/device")" = "0x${1/:/:0x}" ] || continue
		n=$((n - 1))
		[ $n != 0 ] || { echo "${d##*/}"; return; }
	done
	note "the host has no $1" >&2
	return 1
}
driver() { local l=/sys/bus/pci/devices/$1/driver; [ -e "$l" ] && basename "$(readlink "$l")"; }

# bind DRIVER ADDRESS...: to this driver, whatever they are bound to; "none" for no driver at all
bind() {
	local to=$1 a d
	shift
	for a; do
		d=/sys/bus/pci/devices/$a
		[ ! -e "$d/driver" ] || echo "$a" >"$d/driver/unbind"
		echo "$to" >"$d/driver_override"
		[ "$to" = none ] || echo "$a" >/sys/bus/pci/drivers_probe
	done
}

# pages that are pinned now, counted without delay, and this process's locked ones
pins() { cat /proc/sys/vm/stat_refresh; awk '/^nr_foll_pin_acquired/ { a = $2 } /^nr_foll_pin_released/ { r = $2 } END { print a - r }' /proc/vmstat; }
locked() { awk '/^VmLck/ { print $2 }' "/proc/$1/status"; }

# group ADDRESS: the number of its IOMMU group
group() { basename "$(readlink "/sys/bus/pci/devices/$1/iommu_group")"; }

# what a kernel says when something went wrong
trouble='cannot|WARNING:|BUG:|Oops|Call [Tt]race|nobody cared|soft lockup|rcu.*stall|timed? ?out|can.t (claim|assign)|Detected Hardware Unit Hang'

# vfio_refused DEVICE NAME REGEX OPTION...: lkvm run with these ends with 125 and one line that names the device and has REGEX
vfio_refused() {
	local device=$1 name=$2 want=$3
	shift 3
	boot $usual 1 hello "$@"
	is "$status $(wc -l <err)" "125 1" "$name: refused in one line" || evidence out err
	has err "vfio.*${device#0000:}" "$name: which names the device"
	[ -z "$want" ] || has err "$want" "$name: and why"
}

# --- what a guest said of what it was given. It is $from: out, or out.1, out.2, ... with the boots of one run.

from=out
boots() {
	rm -f out.[0-9]
	awk '/^lkvm guest:/ { n++ } n { print >"out." n }' out
}
# said PASS ID KEY: of the line "lkvm given: PASS ID ... KEY=value"
said() { sed -n "s/^lkvm given: $1 $2 at=.*[ :]$3=\([^ ]*\).*/\1/p" $from | tr -d '\r' | head -n 1; }
line_of() { grep -a "^lkvm given: $1 $2" $from | tr -d '\r' | sed 's/^/# /'; }

pattern() { seq -w "$1" 99999999 2>/dev/null | head -c "$2"; }
disk_written() { pattern $((10000000 + seed + $1)) 2097152 | sum; }	# by pass N
disk_half() { dd if="$1" bs=64k iflag=direct skip=32 status=none | sum; }

# nic_ok NAME PASS ID N: in that pass, the boot's Nth, the card was in order
nic_ok() {
	local name="$1, $2" up
	is "$(said "$2" "$3" pings)" 3 "$name: pings come back" || line_of "$2" "$3"
	is "$(said "$2" "$3" down)" "$known" "$name: 4 MiB by TCP, unharmed"
	up=$(pattern $((10000000 + seed + $4)) 1000001 | sum)
	is "$(said "$2" "$3" up) $(said "$2" "$3" there)" "$up $up" "$name: 1 MB by TCP to the host, unharmed"
}

# disk_ok NAME PASS ID N
disk_ok() {
	local name="$1, $2"
	is "$(said "$2" "$3" first)" "$half" "$name: reads what the host wrote" || line_of "$2" "$3"
	is "$(said "$2" "$3" second)" "$(disk_written "$4")" "$name: and what it wrote itself"
}

# moved_ok NAME ID: it has as many BARs, elsewhere
moved_ok() {
	local before=$(said rebound "$2" bars) after=$(said moved "$2" bars)
	[ "$(tr -cd , <<<"$after" | wc -c)" = "$(tr -cd , <<<"$before" | wc -c)" ] && [ "$before" != "$after" ]
	ok $? "$1: BARs moved from $before to $after"
}

# msix NAME, line NAME: how a device's interrupts show in /proc/interrupts, when there were any
msix() { echo "irqs: +[0-9]+: +[0-9 ]*[1-9][0-9 ]* (PCI-MSI|ITS-MSI|ITS-PCI-MSI)[^ ]* .* $1"; }
line() { echo "irqs: +[0-9]+: +[0-9 ]*[1-9][0-9 ]* (IO-APIC +[0-9]+-fasteoi|GICv3 +[0-9]+ Level) +([^ ]+, )*$1"; }

# vfio_clean [DEVICE...]: after a guest's end nobody has complained, and nothing is left. lkvm warns of the devices, which the host cannot reset.
vfio_clean() {
	local a warned=nothing
	hasnt out "$trouble" "the guest's kernel has nothing to complain about"
	for a; do
		warned="$warned|Warning: $a: not reset"
		has err "Warning: $a: not reset" "lkvm warns that $a cannot be reset"
	done
	is "$(grep -vE "$warned" err)" "" "lkvm has nothing to complain about${1:+ otherwise}"
	dmesg >dmesg
	hasnt dmesg "$trouble|DMAR:.*fault|AMD-Vi: Event|arm-smmu.*event 0x" "nor has the host's"
	is "$(pins)" "$pinned" "nothing is pinned any more"
}
