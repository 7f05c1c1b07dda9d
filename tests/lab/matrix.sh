# SPDX-License-Identifier: GPL-2.0-only
#
# Sourced by the tests that put the same guest on each host of arm64 and riscv64: every interrupt controller that the host
# offers, every transport of virtio, one CPU and four, judged by disk, network, random numbers, console and what the guest's kernel says
# of its interrupts; then each way to end.

. "$(dirname "${BASH_SOURCE[0]}")/lab.sh"

# interrupts IRQCHIP TRANSPORT: how a virtio device's show in /proc/interrupts
interrupts() {
	case $1.$2 in
	gicv3-its.pci*)	echo '(ITS-MSI|ITS-PCI-MSIX-[0-9a-f:.]+) +[0-9]+ Edge +virtio' ;;
	gicv3*)		echo 'GICv3 +[0-9]+ (Level|Edge) +virtio' ;;
	gicv2m.pci*)	echo '(MSI|GICv2m-PCI-MSIX-[0-9a-f:.]+) +[0-9]+ Edge +virtio' ;;
	gicv2*)		echo 'GIC-0 +[0-9]+ (Level|Edge) +virtio' ;;
	aia.pci*)	echo 'PCI-MSIX-[0-9a-f:.]+ +[0-9]+ Edge +virtio' ;;
	aia.*)		echo 'APLIC-MSI-[^ ]+ .*virtio' ;;
	plic.*)		echo 'SiFive PLIC +[0-9]+ (Level|Edge) +virtio' ;;
	esac
}

# matrix_boot IRQCHIP TRANSPORT CPUS [OPTION...]
matrix_boot() {
	local irqchip=$1 transport=$2 cpus=$3 name="$1, $2, $3 cpus" run=disk,rng,net,irqs want sink began
	shift 3
	case $transport in
	pci*) run=$run,pci ;;
	esac
	head -c 1048576 /dev/urandom >disk.img
	cp disk.img disk.orig
	seed=$((seed + 1))
	rm -f up.bin tree.dtb
	socat -u TCP-LISTEN:8081,reuseaddr OPEN:up.bin,creat,trunc 2>/dev/null &
	sink=$!
	began=$(now_ms)
	PARAMS="loglevel=5 lkvm.seed=$seed lkvm.net=192.168.77.2/24 lkvm.peer=192.168.77.1" boot $usual $cpus $run -d disk.img --rng \
		-n mode=tap,host_ip=192.168.77.1,guest_ip=192.168.77.2 --virtio-transport $transport --irqchip $irqchip --dump-dtb tree.dtb "$@"
	note "$name: $(($(now_ms) - began)) ms"
	kill $sink 2>/dev/null
	wait $sink 2>/dev/null
	is $status 0 "$name: ends by power-off" || evidence out err
	has out "^lkvm guest: Linux .* on $cpus cpus" "$name: all CPUs are there"
	want=$(second_half disk.orig $seed)
	is "$(value out cached)" "$want" "$name: disk reads back what was written"
	is "$(value out direct)" "$want" "$name: and directly"
	is "$(value out pings)" 3 "$name: pings come back"
	is "$(value out down)" "$down" "$name: a file from the host"
	is "$(value out up)" "$(sum <up.bin)" "$name: a file to the host"
	is "$(value out bytes)" 1024 "$name: random numbers"
	has out "$(interrupts $irqchip $transport)" "$name: interrupts come the way they should" || grep -a '^lkvm irqs' out | sed 's/^/# /'
	case $transport in
	pci*)
		has out 'pci: removed' "$name: a function is removed"
		is "$(value out after)" "$(value out before)" "$name: and found again, its BARs assigned anew"
		has out 'pci: written' "$name: its disk writes" ;;
	*)	is "$(tail -c 524288 disk.img | sum)" "$want" "$name: the image has it" ;;
	esac
	hasnt out 'cannot|WARNING:|BUG:|Oops|Call trace|nobody cared|soft lockup|rcu.*stall|timed out|can.t (claim|assign)|no space for|exceeds max' \
		"$name: neither guest nor kernel has anything to complain about"
	is "$(wc -c <err)" 0 "$name: nor has lkvm" || evidence err
	dtc -I dtb -O dts -o tree.dts tree.dtb 2>dtc
	is "$? $(cat dtc)" "0 " "$name: dtc finds nothing wrong with the device tree"
}

# matrix PAIRS IRQCHIP...: the controllers that this host offers, best first. PAIRS (TRANSPORT.CPUS, or "all") are for the first. The others
# differ in how interrupts come: one transport that has MSIs and one that has lines show that. LAB_FULL=1 is all with all.
all="pci.1 pci.4 pci-legacy.4 mmio.4 mmio-legacy.1"
matrix() {
	local first=${1/#all/$all} irqchip pair transport cpus refused pairs options
	shift
	busybox head -c 300000 /dev/urandom >from-host
	down=$(sum <from-host)
	busybox httpd -p 8080 -h "$W"
	seed=400
	for irqchip; do
		pairs="pci.4 mmio.1"
		[ $irqchip != "$1" ] || pairs=$first
		[ ! "${LAB_FULL-}" ] || pairs=$(echo {pci,pci-legacy,mmio,mmio-legacy}.{1,4})
		for pair in $pairs; do
			transport=${pair%.*} cpus=${pair#*.} options=()
			[ $cpus = 1 ] || options=(--console virtio)
			matrix_boot $irqchip $transport $cpus "${options[@]}"
		done
	done

	truncate -s 1M vda.img
	boot $usual 1 hello,irqs -d vda.img
	is $status 0 "default: boots" || evidence out err
	has out "$(interrupts "$1" pci)" "default: is $1"
	for refused in gicv3-its gicv3 gicv2m gicv2 aia plic; do
		case " $* " in *" $refused "*) continue ;; esac
		[ $refused.$LAB_ARCH != plic.riscv64 ] || continue	# lkvm's own: each host has it
		boot $usual 1 hello --irqchip $refused
		is "$status $(wc -l <err)" "125 1" "$refused, which this host has not, is refused in one line" || evidence err
		has err "irqchip.*$refused" "$refused: which names it"
	done
}

# --- each way to end; a restart in place is what an interrupt controller has a part in

restart() {
	truncate -s 0 once.img && truncate -s 1M once.img
	boot $usual 4 reboot-once -d once.img --reboot
	is $status 0 "--reboot: ends at power-off" || evidence out err
	has out 'reboot_once: second boot' "--reboot: boots again in place"
	is "$(grep -ac "^lkvm guest: .* on 4 cpus" out)" 2 "--reboot: all CPUs both times"
}

ends() {
	boot $usual 1 reboot
	is $status 0 "reset ends the run with 0" || evidence out err
	PARAMS="panic=-1" boot $usual 4 panic
	is $status 126 "a panic is status 126" || evidence out err
	PARAMS="lkvm.status=42" boot $usual 1 status
	is $status 42 "the guest's own status comes out" || evidence out err
	boot $usual 4 hang --timeout 15
	is $status 124 "--timeout is status 124" || evidence out err
}
