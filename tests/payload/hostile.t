#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Hostile drivers. Each attack is a check of the guest's: the device that is attacked breaks or answers, a second one works on, and
# the first one works again after a reset. Here: lkvm lives, no sanitizer speaks, what it says stays little, and it sleeps when the
# guest does.
set -u
cd "$(dirname "$0")/../.."
. tests/payload/lib.sh

LIMIT=900
disks() {
	local f
	for f in a b c; do
		perl -e 'print pack("C", $_ & 255), "\0" x 511 for 0 .. 2047' > "$T/$f"
	done
}

# has OPTION: this lkvm offers it
has() { "$LKVM" run --help 2>&1 | grep -qE -- "^ +(-., +)?--$1( |$)"; }

# rate-limited: five lines in five seconds of each kind and device, whatever the guest does
want_few_lines() {
	[ "$(wc -l < "$T/err")" -lt 20000 ] || problem "$(wc -l < "$T/err") lines on stderr"
	report "$1: said what there was to say in few lines"
}

devices=(-d "$T/a" -d "$T/b" --rng --port null)
if has balloon; then
	devices+=(--balloon)
	guests=(balloon)
else
	guests=()
	skip "balloon" "this lkvm has no --balloon"
fi
if "$LKVM" run --help 2>&1 | grep -qE -- '--network .*user'; then
	devices+=(-n mode=user)
	guests+=(net)
else
	skip "net" "this lkvm has no --network mode=user"
fi

for transport in pci pci-legacy; do
	over=(--virtio-transport "$transport")
	[ $transport = pci ] && over+=(--virtio-packed)
	vm=("${devices[@]}" "${over[@]}")
	disks
	guest hostile-ring "${vm[@]}"
	guest hostile-pci "${vm[@]}"
	disks
	guest hostile-blk "${vm[@]}" -d "$T/c,ro"
	cmp -s "$T/c" <(perl -e 'print pack("C", $_ & 255), "\0" x 511 for 0 .. 2047') || problem "the read-only image was written"
	report "hostile-blk: the read-only image is as it was, $transport"
	TAP=$T/tap STDIN=<(exec cat /dev/zero) guest hostile-console -d "$T/a" --rng --console virtio --serial "0,file:$T/tap" \
		--port "file:$T/port" "${over[@]}"
	for name in "${guests[@]}"; do
		guest hostile-$name "${vm[@]}"
	done
	guest hostile-reset -c 4 "${vm[@]}" --loglevel debug
	want_few_lines "hostile-reset $transport"
done
guest hostile-legacy "${devices[@]}" --virtio-transport pci-legacy

# A tap with two queues, in a network namespace whose kernel answers ARP
cat > "$T/in-netns" <<'END'
#!/bin/sh
exec unshare -n sh -c 'ip tuntap add mode tap multi_queue dev tap0 && ip addr add 192.168.33.1/24 dev tap0 &&
	ip link set tap0 up && exec "$0" "$@"' "$REAL" "$@"
END
chmod +x "$T/in-netns"
if ! "$LKVM" run --help 2>&1 | grep -qE -- '--network .*tap'; then
	skip "net over a tap" "this lkvm has no --network mode=tap"
elif REAL=true "$T/in-netns" 2> /dev/null; then
	disks
	export REAL=$LKVM
	LKVM=$T/in-netns guest hostile-net -d "$T/a" --rng -n mode=tap,tapif=tap0,mq=2 --virtio-packed
else
	skip "net over a tap" "needs root, ip, and a network namespace"
fi

# Every thread of lkvm but this many samples in a row asleep, and none woken in between
asleep() {
	local n calm=0 now was=
	for n in $(seq 600); do
		now=$(cat /proc/$pid/task/*/status 2> /dev/null | grep -E '^(State|voluntary_ctxt_switches|nonvoluntary_ctxt_switches):')
		if [ -n "$now" ] && [ "$now" = "$was" ] && ! grep -q '^State:.[^SI]' <<< "$now"; then
			calm=$((calm + 1))
			[ $calm = 10 ] && return 0
		else
			calm=0
		fi
		was=$now
		sleep 0.1
	done
	problem "lkvm does not come to rest: $now"
}

if grep -q __tsan_init "$LKVM"; then
	skip "with all devices attacked and the guest halted, every thread sleeps" "the thread sanitizer has a thread that does not"
	finish
fi

# The guest leaves every device broken or full and kicked, and halts: with nothing to do, nothing is done.
disks
"$LKVM" run -m 64 -c 4 -k "$GUESTS/hostile-reset.elf" "${devices[@]}" --virtio-packed -p park=1 --timeout $LIMIT \
	< /dev/null > "$T/out" 2> "$T/err" &
pid=$!
while ! grep -q '^parked' "$T/out" && kill -0 $pid 2> /dev/null; do
	sleep 0.1
done
want_out parked
kill -0 $pid && asleep
kill $pid 2> /dev/null
wait $pid
report "with all devices attacked and the guest halted, every thread sleeps"

finish
