#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The host takes back what a stock guest uses: by ACPI hot-plug, whose driver (acpiphp) Debian's kernels have, at the guest's next reset where it
# does not react, or by its power button. Each time the host's unbind ends, and nothing of the device is left in lkvm, which goes on.

. "$(dirname "$0")/lab.sh"
lab_only x86_64 -- "the other machines have no ACPI to ask their guests by"
host+=(-I intel -D e1000e,netdev=n0 -D nvme,drive=image,serial=known)
lab_enter 90 "$0"
. "$here/vfio.sh"
vfio_host vfio_pci vfio_iommu_type1

e1000e=$(pci 8086:10d3) nvme=$(pci 1b36:0010)
pinned=$(pins)
bind vfio-pci "$e1000e" "$nvme"
truncate -s 1M once.img

# all but KVM's pseudo device, which knows of none then
vfio_files() { find "/proc/$pid/fd" -lname '*vfio*' ! -lname '*kvm-vfio*' | wc -l; }

# take NAME ADDRESS [SECONDS]: the host unbinds it and has it in the end, while lkvm goes on without
take() {
	echo "$2" >/sys/bus/pci/drivers/vfio-pci/unbind &
	local unbind=$!
	wait_for err "the host asks for device '$2' back" "${3-60}"
	ok $? "$1: lkvm hears of it"
	wait_unbound "$1" "$2" $unbind
}
wait_unbound() {
	local i=0
	while kill -0 "$3" 2>/dev/null && [ $i -lt 600 ]; do
		sleep 0.2
		i=$((i + 1))
	done
	# The driver's link is gone before the unbind ends, so that says less.
	! kill -0 "$3" 2>/dev/null
	ok $? "$1: the unbind ends"
	is "$(driver "$2")" "" "$1: unbound"
}

# --- asked, and given; then a reset, after which it stays away

PARAMS="lkvm.given=8086:10d3 lkvm.eject=1b36:0010" start $usual 2 given-back,reboot-once -d once.img --reboot --name unplug --loglevel info \
	--vfio-pci "$e1000e" --vfio "$nvme"
wait_for out 'given: answered=[1-9]' 90
ok $? "a card works" || evidence out err
"$lkvm" stat --name unplug --json >stat 2>&1
has stat '"levels":\[[^]]*"slow_vectors".*"vfio0":\{' "lkvm stat tells of the card, and which of its figures are levels"
has out 'given: ejected slot [0-9]' "the guest gives the disk back by itself, with its slot's switch"
has err 'vfio1: the guest gave it back' "and lkvm says so"
[ $(($(pins) - pinned)) -ge 65536 ]
ok $? "memory stays pinned for the other device"
bind none "$nvme"
is "$(driver "$nvme")" "" "and the host takes the disk at once"
take e1000e "$e1000e"
has err 'vfio0: the guest gave it back' "e1000e: because the guest gave it back" || evidence out
is "$(vfio_files)" 0 "no file of VFIO is open any more"
is "$(pins)" "$pinned" "nothing is pinned any more, while the guest runs"
"$lkvm" stat --name unplug --json >stat 2>&1
is $? 0 "lkvm stat answers" || evidence stat
hasnt stat '"vfio[01]"' "without them"
vfio_host e1000e nvme
bind e1000e "$e1000e"
is "$(ls "/sys/bus/pci/devices/$e1000e/net" | wc -l)" 1 "the host's driver takes the card"
finish 120
is $status 0 "the guest goes on, is reset, and ends well" || evidence out err
boots
has out.1 'given: left= net=lo, disks= end' "gone in the guest, also after a rescan"
has out.2 'given: left= net=lo, disks= end' "and after the reset"
has out.2 'reboot_once: second boot' "which was one"
hasnt out "$trouble" "the guest's kernel has nothing to complain about"
grep -v 'the host asks for device' err >others
hasnt others Warning "nor has lkvm, otherwise"

# --- a guest without hot-plug loses it at its reset

bind vfio-pci "$e1000e"
truncate -s 0 once.img && truncate -s 1M once.img
PARAMS="lkvm.given=8086:10d3 acpiphp.disable=1" start $other 1 given,reboot-once,given-back -d once.img --reboot --loglevel info --vfio-pci "$e1000e"
wait_for out 'given: first .*link=1' 90
take "no hot-plug" "$e1000e"
finish 120
is $status 0 "no hot-plug: ends well" || evidence out err
has err 'vfio0: it goes back as the guest is reset' "no hot-plug: given back at the reset"
boots
has out.2 'given: left= net=lo, disks= end' "no hot-plug: not there after it"
hasnt out "$trouble" "no hot-plug: nothing to complain about"
is "$(pins)" "$pinned" "no hot-plug: nothing is pinned any more"

# --- one that is asked before it has begun to listen

bind vfio-pci "$e1000e"
PARAMS="lkvm.given=8086:10d3" start $other 1 given-back --loglevel info --vfio-pci "$e1000e"
# before lkvm has the device itself open, nobody would be asked
until find "/proc/$pid/fd" -lname '*vfio-device*' 2>/dev/null | grep -q . || ! kill -0 $pid 2>/dev/null; do sleep 0.05; done
take "at boot" "$e1000e"
finish 90
is $status 0 "at boot: ends well" || evidence out err
has err 'vfio0: the guest gave it back' "at boot: given back all the same"
has out 'given: left= net=lo, disks= end' "at boot: gone"
hasnt out "$trouble" "at boot: nothing to complain about"

# --- or is asked to power off

bind vfio-pci "$e1000e"
PARAMS="lkvm.given=8086:10d3" start $usual 1 button --vfio "$e1000e,on-request=poweroff"
wait_for out 'button: ready' 90
take poweroff "$e1000e"
finish 60
is $status 0 "poweroff: the guest ends" || evidence out err
has err 'the guest is asked to power off' "poweroff: as lkvm asked it to"
has out 'button: event=' "poweroff: by its power button"

dmesg >dmesg
hasnt dmesg "$trouble|DMAR:.*fault" "the host's kernel has nothing to complain about"
is "$(pins)" "$pinned" "nothing is pinned any more"
done_testing
