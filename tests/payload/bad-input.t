#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Bad input: one clear line that names option and value, status 125, nothing left behind.
set -u
cd "$(dirname "$0")/../.."
. tests/payload/lib.sh
K=$GUESTS/tiny.bin

# refused NAME TEXT OPTIONS...: 125, one line, with TEXT
refused() {
	local name=$1 text=$2
	shift 2
	lkvm_run --loglevel warning "$@"
	want_status 125; want_one_line; want_err "Fatal: "; want_err "$text"
	report "$name"
}
usage() {
	local name=$1 text=$2
	shift 2
	lkvm_run --loglevel warning "$@"
	want_status 129; want_err "$text"
	report "$name"
}

refused "missing kernel" "Unable to open kernel $T/none" -k "$T/none"
refused "directory as kernel" "directory" -k "$T"
: > "$T/empty"
refused "empty kernel" "$T/empty" -k "$T/empty"
head -c 100000 /dev/urandom > "$T/noise"; printf 'XX' | dd of="$T/noise" conv=notrunc 2> /dev/null
refused "a large file of no known kind" "$T/noise" -k "$T/noise"
printf '#!/bin/sh\nexit 0\n' > "$T/script"
refused "a shell script" "script" -k "$T/script"
if [ "$(id -u)" != 0 ]; then
	cp "$K" "$T/secret"; chmod 0 "$T/secret"
	refused "unreadable kernel" "Unable to open kernel $T/secret" -k "$T/secret"
fi
(head -c 56 /dev/zero; printf 'ARM\x64'; head -c 5000 /dev/zero) > "$T/arm64"
refused "an arm64 Image" "arm64" -k "$T/arm64"
(head -c 48 /dev/zero; printf 'RISCV\0\0\0RSC\x05'; head -c 5000 /dev/zero) > "$T/riscv"
refused "a riscv Image" "riscv" -k "$T/riscv"
tar -C "$T" -czf "$T/archive.tgz" script
refused "a gzip archive" "$T/archive.tgz" -k "$T/archive.tgz"

refused "missing initrd" "$T/none" -k "$GUESTS/blk.elf" -i "$T/none"
truncate -s 100M "$T/big"
refused "initrd larger than RAM" "$T/big" -k "$GUESTS/blk.elf" -i "$T/big"
refused "directory as initrd" "$T" -k "$GUESTS/blk.elf" -i "$T"
refused "missing disk" "$T/none" -k "$K" -d "$T/none"
refused "directory as disk" "directory" -k "$K" -d "$T"
head -c 1000 /dev/zero > "$T/odd"
refused "disk of no whole sectors" "512" -k "$K" -d "$T/odd"
truncate -s 1M "$T/disk"
refused "unknown disk option" "nonsense" -k "$K" -d "$T/disk,nonsense"
refused "unknown disk engine" "engine" -k "$K" -d "$T/disk,engine=steam"
printf 'QFI\xfb\0\0\0\3' > "$T/q.qcow2"; truncate -s 1M "$T/q.qcow2"
refused "another format's signature" "qcow2" -k "$K" -d "$T/q.qcow2"
lkvm_run -k "$K" -d "$T/q.qcow2,format=raw"; want_status 0; report "... is opened as raw when told so"

for m in 0 1 99999T 12x -5 '' 4097B; do
	refused "--mem '$m'" "--mem" -k "$K" -m "$m"
done
refused "--mem in bytes" "--mem 1B:" -k "$K" -m 1B
for c in 0 abc 99999 -1 ''; do
	refused "--cpus '$c'" "--cpus" -k "$K" -c "$c"
done
refused "unknown value of --console" "--console 'x'" -k "$K" --console x
refused "unknown value of --virtio-transport" "--virtio-transport 'isa'" -k "$K" --virtio-transport isa
refused "unknown value of --kernel-format" "--kernel-format 'zip'" -k "$K" --kernel-format zip
refused "bad --timeout" "--timeout '1h'" -k "$K" --timeout 1h
refused "zero --timeout" "--timeout '0'" -k "$K" --timeout 0
refused "bad --serial" "--serial '9,stdio'" -k "$K" --serial 9,stdio
refused "--serial to nowhere" "--serial 1: file:$T/no/where" -k "$K" --serial "1,file:$T/no/where"
refused "--port to nowhere" "--port 1: file:$T/no/where" -k "$K" --port "file:$T/no/where"
refused "unknown option of --vfio" "--vfio '01:00.0': unknown option 'speed'" -k "$K" --vfio 01:00.0,speed=1
refused "unknown value of --vfio's iommu" "iommu 'ipu'" -k "$K" --vfio 01:00.0,iommu=ipu
refused "unknown value of --vfio's on-request" "on-request 'beg'" -k "$K" --vfio 01:00.0,on-request=beg
refused "--vfio-pci without a device" "--vfio-pci ''" -k "$K" --vfio-pci ""
refused "--vfio-pci of no device" "--vfio-pci 'ffff:ff:1f.7'" -k "$K" --vfio-pci ffff:ff:1f.7
refused "more devices of the host's than there is room for" "at most 8 devices" -k "$K" $(for i in $(seq 9); do echo --vfio-pci 0$i:00.0; done)
refused "more --disk options than there is room for" "more than" -k "$K" $(for i in $(seq 100); do echo --disk x --no-disk; done)
refused "bad --port" "--port 'smoke'" -k "$K" --port smoke
refused "unknown CPU" "--cpu" -k "$K" --cpu 486
refused "unknown CPU feature" "--cpu 'host,-nosuchfeature'" -k "$K" --cpu host,-nosuchfeature
refused "a CPU feature with a value" "'+sse2=1': no value but =force" -k "$K" --cpu host,+sse2=1
refused "a CPU feature taken away by force" "'-sse2=force': no value but =force" -k "$K" --cpu host,-sse2=force
refused "--hugetlbfs that is none" "--hugetlbfs '$T'" -k "$K" --hugetlbfs "$T"
refused "stdio twice" "stdio" -k "$K" --serial 0,stdio --serial 1,stdio
refused "kernel and firmware" "--firmware" -k "$K" -f "$K"
refused "bad --network" "--network 'mq=9'" -k "$K" -n mq=9
refused "more NICs than a machine has" "--network 'mode=tap'" -k "$K" $(for i in $(seq 9); do echo --network mode=tap; done)
refused "a tap that is not there" "nosuchtap" -k "$K" -n mode=tap,tapif=nosuchtap
refused "device that is not there" "--vnc" -k "$K" --vnc
refused "--json to a closed descriptor" "--json 'fd:77'" -k "$K" --json fd:77
refused "--json to nowhere" "--json '$T/no/where'" -k "$K" --json "$T/no/where"
refused "--console-log to nowhere" "--console-log '$T/no/where'" -k "$K" --console-log "$T/no/where"

mkfifo "$T/fifo"
refused "--console-log to a pipe that nobody reads" "--console-log '$T/fifo'" -k "$K" --console-log "$T/fifo"
refused "a failure after a socket was made" "$T/none" -k "$K" --serial "1,unix:$T/sock" -d "$T/none"
lkvm_run -k "$K" --dev "$T/none" --no-dev; want_status 0; report "--no-dev is the default device"

refused "no KVM device" "--dev '$T/none': No such file" -k "$K" --dev "$T/none"
refused "not a KVM device" "--dev '/dev/null' is not a KVM device" -k "$K" --dev /dev/null
if [ "$(id -u)" = 0 ] && command -v setpriv > /dev/null; then
	: > "$T/nokvm"; chmod 600 "$T/nokvm"; chmod 755 "$T"; cp "$K" "$T/k.bin"; cp "$LKVM" "$T/lkvm"
	status=0
	setpriv --reuid 65534 --clear-groups "$T/lkvm" run --loglevel warning -m 64 -c 1 -k "$T/k.bin" --dev "$T/nokvm" < /dev/null > "$T/out" 2> "$T/err" || status=$?
	want_status 125; want_one_line; want_err "permission denied"; want_err "kvm"
	report "KVM device without permission"
else
	skip "KVM device without permission" "needs root and setpriv to become somebody else"
fi

# locked by another VM
"$LKVM" run -m 64 -c 1 -k "$GUESTS/spin.bin" -d "$T/disk" --json "$T/json" --timeout 50 < /dev/null > /dev/null 2>&1 &
pid=$!
for _ in $(seq 200); do grep -q started "$T/json" 2> /dev/null && break; sleep 0.05; done
refused "disk locked by another VM" "$T/disk" -k "$K" -d "$T/disk"
refused "... also for a reader" "$T/disk" -k "$K" -d "$T/disk,ro"
kill -TERM $pid
wait $pid 2> /dev/null
lkvm_run -k "$K" -d "$T/disk"; want_status 0; report "... and free again when that VM is gone"

usage "unknown option" "--nope" -k "$K" --nope
usage "unknown short option" "-Z" -k "$K" -Z
usage "ambiguous prefix" "ambiguous" -k "$K" --no-virtio
usage "value missing" "--kernel" -k "$K" --kernel
usage "unknown option after a disk" "--nope" -k "$K" -d "$T/disk" --nope
usage "two kernels" "unexpected" "$K" "$K"

"$LKVM" > "$T/out" 2> "$T/err"; status=$?
want_status 0; want_out "The most commonly used"
report "no command: help on stdout, 0"
"$LKVM" --help > "$T/out" 2> "$T/err"; status=$?
want_status 0; want_out "The most commonly used"
report "--help: the same"
"$LKVM" frobnicate > "$T/out" 2> "$T/err"; status=$?
want_status 129; want_out "The most commonly used"
report "unknown command: usage"
"$LKVM" version > "$T/out" 2> "$T/err"; status=$?
want_status 0; want_out "lkvm "
report "version"

ls "$T" | grep -E 'sock|lkvm\.' && problem "left behind: $(ls "$T")"
report "nothing is left behind"

finish
