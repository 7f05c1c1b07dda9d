#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What is left of lkvm's rights once the guest runs, as the kernel tells it of each thread; and that a run works with as little.
set -u
cd "$(dirname "$0")/../.."
. tests/payload/lib.sh

case $("$LKVM" version) in *+seccomp*) seccomp=2 ;; *) seccomp=0 ;; esac
case $(cat /proc/sys/kernel/seccomp/actions_avail 2> /dev/null) in *kill_process*) ;; *) seccomp=0 ;; esac
truncate -s 1M "$T/disk"

# start [OPTIONS]: a guest that spins; returns when it runs. $pid
start() {
	rm -f "$T/json"
	"$LKVM" run -m 64 -c 2 -k "$GUESTS/spin.bin" --json "$T/json" --timeout 60 "$@" < /dev/null > "$T/out" 2> "$T/err" &
	pid=$!
	for _ in $(seq 400); do grep -q started "$T/json" 2> /dev/null && return; sleep 0.05; done
	problem "the guest did not start"
}
stop() {
	kill -TERM "$pid"
	status=0
	wait "$pid" || status=$?
	want_status 143
}
# field THREAD NAME: of its status file
field() { sed -n "s/^$2:[[:space:]]*//p" "/proc/$pid/task/$1/status"; }
# TSan has a thread of its own, which has the program's name.
tsan=
grep -q __tsan_init "$LKVM" && tsan=1
threads() {
	local t
	for t in $(ls "/proc/$pid/task"); do
		[ "$tsan" ] && [ "$t" != "$pid" ] && [ "$(field "$t" Name)" = "$(basename "$LKVM")" ] && continue
		echo "$t"
	done
}
# each FIELD VALUE: of all threads, which may still be at their first instructions
each() {
	local t got
	for t in $(threads); do
		for _ in $(seq 100); do
			got=$(field "$t" "$1")
			[ "$got" = "$2" ] && break
			sleep 0.05
		done
		[ "$got" = "$2" ] || problem "thread $(field "$t" Name): $1 is '$got', want '$2'"
	done
}

start -d "$T/disk" --rng --balloon --port "unix:$T/sock,name=x" --serial 1,pty
[ "$(threads | wc -l)" -ge 4 ] || problem "only $(threads | wc -l) threads: want main, two vCPUs and a disk"
each Seccomp $seccomp
if [ $seccomp = 2 ]; then report "each thread has a filter"; else problems=; skip "each thread has a filter" "not in this build or kernel"; fi
each NoNewPrivs 1
report "no thread can gain privileges"
for caps in CapInh CapPrm CapEff CapAmb; do each $caps 0000000000000000; done
report "no thread has capabilities"
[ -e "$T/sock" ] || problem "no socket"
[ -n "$(ls "$T/run/lkvm")" ] || problem "no control socket"
stop
[ ! -e "$T/sock" ] || problem "the chardev's socket stays behind"
[ -z "$(ls "$T/run/lkvm")" ] || problem "the control socket stays behind"
report "what is to be removed at the end is removed"

start --no-sandbox-vmm -d "$T/disk"
each Seccomp 0
each NoNewPrivs 0
grep -q '"sandbox":""' "$T/json" || problem "the started event speaks of a sandbox"
stop
report "--no-sandbox-vmm leaves all as it was"

start
for part in no-new-privileges no-dump no-capabilities; do grep -q "\"sandbox\":\"[^\"]*$part" "$T/json" || problem "lacks $part"; done
[ $seccomp = 0 ] || grep -q '"sandbox":"[^"]*seccomp' "$T/json" || problem "lacks seccomp"
stop
report "the started event says what is in force"

cp "$GUESTS/boots.bin" "$T/boots.bin"
lkvm_run -k "$T/boots.bin" --reboot; want_status 5
report "a restart in place reads the kernel again"

# As nobody in particular; the device is a node of the same numbers, since the real one may be root's alone
as_nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/nonexistent XDG_RUNTIME_DIR="$T/nobody/run")
if [ "$(id -u)" != 0 ]; then
	skip "a user without rights can run it" "this is one: all of the above"
elif mkdir -p "$T/nobody/run" && cp "$LKVM" "$T/nobody/lkvm" && cp "$GUESTS/hello.bin" "$T/nobody/" &&
		mknod "$T/nobody/kvm" c $((16#$(stat -c %t /dev/kvm))) $((16#$(stat -c %T /dev/kvm))) 2> /dev/null &&
		chmod 755 "$T" "$T/nobody" && chmod 644 "$T/nobody/hello.bin" && chmod 666 "$T/nobody/kvm" &&
		chown 65534:65534 "$T/nobody/run" && chmod 700 "$T/nobody/run" &&
		"${as_nobody[@]}" sh -c ': < "$1"' - "$T/nobody/kvm" 2> /dev/null; then
	status=0
	"${as_nobody[@]}" "$T/nobody/lkvm" run -m 64 -c 1 -k "$T/nobody/hello.bin" --dev "$T/nobody/kvm" \
		< /dev/null > "$T/out" 2> "$T/err" || status=$?
	want_status 0
	want_out "hello from a flat guest"
	[ -z "$(ls "$T/nobody/run/lkvm")" ] || problem "its control socket stays behind"
	report "a user without rights can run it"
else
	skip "a user without rights can run it" "no setpriv, or no device node that works here"
fi

# Root's socket in a user's folder (sudo): removing it there is an owner's right, or takes a capability
if [ "$(id -u)" = 0 ] && mkdir -p "$T/his" && chown 65534:65534 "$T/his" && chmod 755 "$T/his" && [ "$(stat -c %u "$T/his")" = 65534 ]; then
	start -d "$T/disk" --port "unix:$T/his/sock,name=x"
	for t in $(threads); do
		[ "$t" = "$pid" ] || [ "$(field "$t" CapEff)" = 0000000000000000 ] || problem "thread $(field "$t" Name) has capabilities"
	done
	stop
	[ ! -e "$T/his/sock" ] || problem "it stays behind"
	report "root removes its socket from another user's folder"
else
	skip "root removes its socket from another user's folder" "not root"
fi

# What the sandbox finds when there is one around it already
if command -v setpriv > /dev/null; then
	status=0
	setpriv --no-new-privs "$LKVM" run -m 64 -c 1 -k "$GUESTS/hello.bin" < /dev/null > "$T/out" 2> "$T/err" || status=$?
	want_status 0
	report "it starts where new privileges are forbidden already"
else
	skip "it starts where new privileges are forbidden already" "no setpriv"
fi

finish
