#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What else a stock guest does with the machine: random numbers, a PCI function taken away and found again, further ports
# of the virtio console.

. "$(dirname "$0")/lab.sh"
lab_same
lab_enter 110 "$0"

head -c 1048576 /dev/urandom >pci.img
before=$(sum <pci.img)
for release in "${releases[@]}"; do
	boot $release 2 rng,pci -d pci.img --rng
	is $status 0 "$release: ends well" || evidence out err
	has out 'rng: current=virtio_rng' "$release: the guest's random numbers come from virtio"
	is "$(value out bytes)" 1024 "$release: as many as it asks for"
	[ -n "$(value out one)" ] && [ "$(value out one)" != "$(value out two)" ]
	ok $? "$release: and each time others"
	is "$(value out before)" "$before" "$release: disk reads before its function is removed"
	has out 'pci: removed' "$release: function removed"
	is "$(value out after)" "$before" "$release: found again by a rescan, the disk reads"
	has out 'pci: written' "$release: and writes"
	is "$(head -c 8 pci.img)" "changed" "$release: on the host's image"
	head -c 1048576 /dev/urandom >pci.img
	before=$(sum <pci.img)
done

# --- the power button, pressed by SIGPWR, is an input event: type 1 (key), code 0x74 (power), value 1. The riscv64 machine has none.

if [ $LAB_ARCH != riscv64 ]; then
	start $usual 1 button
	wait_for out 'button: ready=event' 60
	kill -PWR $pid
	finish 60
	is $status 0 "power button: ends well" || evidence out err
	has out 'button: event=0001 0074 0001 0000' "power button: the guest's driver hears it"
fi

# --- console ports: a socket that talks, a file that listens

start $usual 2 vport --console virtio --port unix:talk.sock,name=talk0 --port file:port.out,name=file0
until [ -S talk.sock ] || ! kill -0 $pid 2>/dev/null; do sleep 0.05; done
timeout $((60 * patience)) socat -t 30 UNIX-CONNECT:talk.sock SYSTEM:'read l; echo "$l" >said; echo the host; read l; echo "$l" >answered' 2>socat
finish 60
is $status 0 "ports: ends well" || evidence out err socat
has out 'name=talk0' "ports: the guest sees their names"
is "$(cat said)" "hello from talk0" "ports: the guest speaks on its port"
has out 'talk0 line=the host' "ports: the guest hears"
is "$(cat answered)" "got the host" "ports: and answers"
is "$(sum <port.out)" "$(seq -w 10000000 99999999 | head -c 100000 | sum)" "ports: 100000 bytes into a file"
[ ! -e talk.sock ]
ok $? "ports: the socket is removed"

done_testing
