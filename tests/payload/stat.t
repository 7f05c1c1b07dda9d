#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# lkvm stat: KVM's counters, ours, the devices'; once, repeatedly, as JSON; without root where that can be tried.
set -u
cd "$(dirname "$0")/../.."
. tests/payload/lib.sh
command -v python3 > /dev/null || skip_all "no python3 to read JSON"

mkfifo "$T/in"
trap '' PIPE
trap '[ -z "$pid" ] || kill -KILL $pid 2> /dev/null; rm -rf "$T"' EXIT
pid=

perl -e 'print pack("C", $_ & 255), "\0" x 511 for 0 .. 2047' > "$T/disk"
timeout -k 5 100 "$LKVM" run -m 64 -c 2 -k "$GUESTS/debug.elf" --name st -d "$T/disk,format=raw" < "$T/in" > "$T/out" 2> "$T/err" &
pid=$!
exec 9> "$T/in"
for _ in $(seq 400); do
	grep -qx ready "$T/out" && break
	sleep 0.05
done
grep -qx ready "$T/out" || problem "the guest is not ready"

# stat ARGS...: leaves its output in $T/st, $T/sterr and its status in $rc
stat_() {
	rc=0
	timeout -k 5 60 "$LKVM" stat "$@" > "$T/st" 2> "$T/sterr" || rc=$?
}
want_rc() { [ "$rc" = "$1" ] || problem "stat ended with $rc, want $1: $(cat "$T/sterr")"; }
want_st() { grep -qE -- "$1" "$T/st" || problem "not in the table: $1"; }
py() { python3 - "$@" > "$T/py" 2>&1 || problem "$(tail -n 3 "$T/py")"; }

stat_ -n st --json
want_rc 0
py "$T/st" << 'PY'
import json, sys
text = open(sys.argv[1]).read()
assert text.count("\n") == 1
d = json.loads(text)
assert d["ok"] is True and d["us"] > 0 and d["state"] == "running"
assert [v["index"] for v in d["vcpus"]] == [0, 1]
e = d["vcpus"][0]["exits"]
assert e["io"] > 50 and e["mmio"] >= 0 and e["hlt"] == 0, e
assert d["vcpus"][1]["exits"]["io"] < e["io"]
assert d["devices"]["serial0"]["bytes_sent"] > 20
b = d["devices"]["virtio-blk0"]
assert b["reads"] == 0 and b["failed"] == 0 and isinstance(b["queues"], list) and b["queues"][0]["kicks"] == 0
PY
report "--json has exits by name and the devices' counters"

if python3 -c 'import json, sys; sys.exit(not json.load(open(sys.argv[1]))["vm"].get("kvm"))' "$T/st"; then
	py "$T/st" << 'PY'
import json, sys
d = json.loads(open(sys.argv[1]).read())
assert len(d["vm"]["kvm"]) > 3
for v in d["vcpus"]:
    k = v["kvm"]
    assert len(k) > 10 and k["exits"] > 0, k
    assert all(isinstance(x, (int, list)) for x in k.values())
    for name in d["levels"]:
        assert name in k or name in d["vm"]["kvm"] or '"%s"' % name in json.dumps(d["devices"]) or name in ("target", "actual"), name
PY
	report "and KVM's own, of the VM and each vCPU"
else
	skip "and KVM's own, of the VM and each vCPU" "this KVM has no binary statistics"
fi

stat_ -n st
want_rc 0
want_st '^# guest st, running, [0-9]+\.[0-9]{3} s$'
want_st '^exits to lkvm +all +vcpu0 +vcpu1$'
want_st '^  io +[0-9]+ +[0-9]+ +[0-9]+$'
want_st '^serial0$'
want_st '^  bytes_sent +[1-9][0-9]*$'
grep -qE '^  .* 0$' <(grep -v ' .* .* ' "$T/st") && problem "a zero is shown"
grep -q 'hist\[' "$T/st" && problem "a histogram is shown"
report "a table of what is not 0"

stat_ st -z
want_rc 0
want_st '^  hlt +0 '
want_st '^  reads +0$'
want_st '^  queues\[0\]\.kicks +0$'
report "--all-counters shows the others as well"

stat_ st --only devices --json
want_rc 0
py "$T/st" << 'PY'
import json, sys
d = json.loads(open(sys.argv[1]).read())
assert "devices" in d and "vm" not in d and "vcpus" not in d
assert d["levels"] == ["status", "features", "size", "in_flight", "target", "actual"]	# KVM is not asked
PY
report "--only takes one section"

stat_ st -i 1 --count 2
want_rc 0
[ "$(grep -c '^# guest st' "$T/st")" = 2 ] || problem "not two looks"
want_st '^# guest st, running, .* s, a second$'
stat_ st -i 1 --count 2 --json
want_rc 0
py "$T/st" << 'PY'
import json, sys
a, b = [json.loads(l) for l in open(sys.argv[1])]
assert b["us"] > a["us"]
assert b["vcpus"][0]["exits"]["io"] > a["vcpus"][0]["exits"]["io"]
PY
report "--interval shows what happens meanwhile"

stat_ st -m
want_rc 125
grep -q balloon "$T/sterr" || problem "it does not say that there is no balloon: $(cat "$T/sterr")"
report "--memory without a balloon says so"

stat_
want_rc 129
stat_ st --only everything
want_rc 129
stat_ -a -i 1
want_rc 129
stat_ nobody
want_rc 125
report "what cannot be done is said"

timeout -k 5 60 "$LKVM" stat st -i 1 > "$T/watch" 2> "$T/watcherr" &
watch=$!
for _ in $(seq 400); do
	grep -q '^# guest' "$T/watch" && break
	sleep 0.05
done
printf q >&9
exec 9>&-
wait $pid
status=$?
pid=
want_status 0
wait $watch
rc=$?
cp "$T/watcherr" "$T/sterr"
want_rc 0
[ ! -s "$T/watcherr" ] || problem "it complains: $(cat "$T/watcherr")"
report "a watch ends with the guest"

# Somebody who is not root, with his own guest. The device is a node of the same numbers, since the real one may be root's alone.
as_nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/nonexistent XDG_RUNTIME_DIR="$T/nobody/run")
if [ "$(id -u)" = 0 ] && mkdir -p "$T/nobody/run" && cp "$LKVM" "$T/nobody/lkvm" && cp "$GUESTS/spin.bin" "$T/nobody/" &&
		mknod "$T/nobody/kvm" c $((16#$(stat -c %t /dev/kvm))) $((16#$(stat -c %T /dev/kvm))) 2> /dev/null &&
		chmod 755 "$T" "$T/nobody" && chmod 644 "$T/nobody/spin.bin" && chmod 666 "$T/nobody/kvm" &&
		chown -R 65534:65534 "$T/nobody/run" && chmod 700 "$T/nobody/run" &&
		"${as_nobody[@]}" sh -c ': < "$1"' - "$T/nobody/kvm" 2> /dev/null; then
	timeout -k 5 100 "${as_nobody[@]}" "$T/nobody/lkvm" run -m 64 -c 1 -k "$T/nobody/spin.bin" --dev "$T/nobody/kvm" --name his \
		< /dev/null > "$T/out" 2> "$T/err" &
	pid=$!
	for _ in $(seq 400); do
		timeout 60 "${as_nobody[@]}" "$T/nobody/lkvm" stat his > "$T/st" 2> "$T/sterr" && break
		kill -0 $pid 2> /dev/null || break
		sleep 0.05
	done
	want_st '^# guest his, running'
	timeout 60 "${as_nobody[@]}" "$T/nobody/lkvm" debug his -d > "$T/st" 2> "$T/sterr" || problem "debug: $(cat "$T/sterr")"
	want_st '^walk rip'
	kill -0 $pid 2> /dev/null || problem "the guest did not outlive it"
	report "who is not root looks at his own guest"
	kill -TERM $pid 2> /dev/null
	wait $pid
	pid=
else
	skip "who is not root looks at his own guest" "no way to try it here"
fi

# More vCPUs than one reply has room for
timeout -k 5 100 "$LKVM" run -m 64 -c 800 -k "$GUESTS/spin.bin" --name many < /dev/null > "$T/out" 2> "$T/err" &
pid=$!
for _ in $(seq 400); do
	stat_ many --json
	[ "$rc" = 0 ] && break
	kill -0 $pid 2> /dev/null || break
	sleep 0.05
done
if kill -0 $pid 2> /dev/null; then
	want_rc 0
	timeout -k 5 60 "$LKVM" debug many -d --json > "$T/dbg" 2>&1 || problem "debug: $(tail -n 1 "$T/dbg")"
	py "$T/st" "$T/dbg" << 'PY'
import json, sys
for name in sys.argv[1:]:
    replies = [json.loads(l) for l in open(name)]
    assert [v["index"] for r in replies for v in r["vcpus"]] == list(range(800)), name
    assert all("vm" not in r and "devices" not in r for r in replies[1:])
assert len(replies) > 1
PY
	report "a guest of very many vCPUs is told in several replies"
	kill -TERM $pid
else
	skip "a guest of very many vCPUs is told in several replies" "$(head -n 3 "$T/err" | tail -n 1)"
fi
wait $pid
pid=

# A disk's counters can be asked for only while its guest works: that is tried until it comes out
for _ in $(seq 20); do
	timeout -k 5 100 "$LKVM" run -m 64 -c 1 -k "$GUESTS/blk.elf" --name st -d "$T/disk,format=raw" < /dev/null > "$T/out" 2> "$T/err" &
	pid=$!
	while kill -0 $pid 2> /dev/null; do
		stat_ st --only devices --json
		[ "$rc" = 0 ] && grep -q '"reads":[1-9]' "$T/st" && break
	done
	wait $pid
	status=$?
	pid=
	want_status 0
	[ "$rc" = 0 ] && break
done
py "$T/st" << 'PY'
import json, sys
b = json.loads(open(sys.argv[1]).read())["devices"]["virtio-blk0"]
assert b["reads"] > 0 and b["read_bytes"] >= 512 * b["reads"] and b["queues"][0]["kicks"] > 0, b
PY
report "a disk's requests are counted"

finish
