#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# lkvm debug: vCPUs with known registers and page tables, NMI, SysRq; and a crash report, which says the same.
set -u
cd "$(dirname "$0")/../.."
. tests/payload/lib.sh
command -v python3 > /dev/null || skip_all "no python3 to read JSON"

mkfifo "$T/in"
trap '' PIPE
trap '[ -z "$pid" ] || kill -KILL $pid 2> /dev/null; rm -rf "$T"' EXIT
pid=

# start NAME OPTIONS...: debug.elf in the background; bytes written to descriptor 9 are keys on its console
start() {
	local name=$1
	shift
	: > "$T/out"
	timeout -k 5 60 "$LKVM" run -m 64 -c 2 -k "$GUESTS/debug.elf" --name "$name" "$@" < "$T/in" > "$T/out" 2> "$T/err" &
	pid=$!
	exec 9> "$T/in"
	wait_out ready
}
# The guest has said it: a line of its own
wait_out() {
	local n
	for n in $(seq 400); do
		grep -qx -- "$1" "$T/out" && return
		kill -0 $pid 2> /dev/null || break
		sleep 0.05
	done
	problem "the guest did not say: $1"
}
finish_guest() {
	printf q >&9
	exec 9>&-
	wait $pid
	status=$?
	pid=
}
# debug ARGS...: leaves its output in $T/dbg, $T/dbgerr and its status in $rc
debug() {
	rc=0
	timeout -k 5 30 "$LKVM" debug "$@" > "$T/dbg" 2> "$T/dbgerr" || rc=$?
}
want_rc() { [ "$rc" = "$1" ] || problem "debug ended with $rc, want $1: $(cat "$T/dbgerr")"; }
want_dbg() { grep -qE -- "$1" "$T/dbg" || problem "not in the dump: $1"; }
want_dbgerr() { grep -qF -- "$1" "$T/dbgerr" || problem "debug did not say: $1, but: $(cat "$T/dbgerr")"; }

start dbg
read -r _ loop end _ stack < <(grep '^spin' "$T/out")

debug -n dbg -d
want_rc 0
[ "$(grep -c '^vCPU [01] .*64-bit mode, CPL 0' "$T/dbg")" = 2 ] || problem "not two vCPUs"
report "--dump shows every vCPU"

debug -n dbg -d --cpu 1
want_rc 0
[ "$(grep -c '^vCPU' "$T/dbg")" = 1 ] || problem "not one vCPU"
want_dbg 'rax +1111111111111111$'
want_dbg 'rbx +2{16} rcx +3{16} rdx +4{16} rsi +5{16}'
want_dbg 'rdi +6{16} rbp +7{16} r8 +8{16}'
want_dbg 'r15 +f{16}'
want_dbg 'rsp +0000123456789fe0'
report "the registers are the guest's"

rip=$(sed -n 's/^rip *\([0-9a-f]*\) .*/\1/p' "$T/dbg")
[ $((16#${rip:-0})) -ge $((16#$loop)) ] && [ $((16#${rip:-0})) -lt $((16#$end)) ] || problem "rip $rip is not in $loop..$end"
want_dbg '^code .* (f3 90 <eb> fc|<f3> 90 eb fc)'
want_dbg '^stack 00000000feed01fc 00000000feed01fd 00000000feed01fe 00000000feed01ff --$'
report "code at RIP and the stack, which ends with its page"

want_dbg '^walk rsp 0000123456789fe0, paging 4-level$'
[ "$(sed -n '/^walk rsp/,$p' "$T/dbg" | grep -cE '^  (PML4|PDPT|PD  |PT  ) [0-9a-f]{16}: [0-9a-f]{16} P RW')" = 4 ] ||
	problem "not four levels: $(sed -n '/^walk rsp/,$p' "$T/dbg")"
want_dbg "^  = gpa $(printf %016x $((16#$stack + 0xfe0))), page of 4 KiB, kernel write exec$"
want_dbg '^  = gpa 0000000000200[0-9a-f]{3}, page of 2048 KiB, kernel write exec$'
report "page walks lead where the guest mapped"

debug -n dbg -d --json
want_rc 0
python3 - "$T/dbg" "$loop" "$end" "$stack" > "$T/py" 2>&1 << 'PY' || problem "$(cat "$T/py")"
import json, sys
text, loop, end, stack = open(sys.argv[1]).read(), *(int(a, 16) for a in sys.argv[2:])
assert text.count("\n") == 1
d = json.loads(text)
assert d["ok"] is True and d["v"] == 1 and [v["index"] for v in d["vcpus"]] == [0, 1]
v = d["vcpus"][1]
g = v["general"]
assert g["rax"] == "0x1111111111111111" and g["rsp"] == "0x123456789fe0", g
assert loop <= int(g["rip"], 16) < end
assert v["mode"] == "64-bit" and v["cpl"] == 0 and v["segments"]["cs"]["l"] == 1
w = v["walk"]["rsp"]
assert w["end"] == "mapped" and [s["table"] for s in w["steps"]] == ["PML4", "PDPT", "PD", "PT"], w
assert int(w["gpa"], 16) == stack + 0xfe0 and w["page_size"] == 4096 and w["write"] is True and w["user"] is False
assert [int(x, 16) for x in v["stack"]["words"]] == [0xfeed01fc, 0xfeed01fd, 0xfeed01fe, 0xfeed01ff]
assert "f390ebfc" in v["code"]["bytes"] and len(v["code"]["bytes"]) == 128
assert int(v["control"]["cr3"], 16) == int(d["vcpus"][0]["control"]["cr3"], 16)
PY
report "--json says the same"

kill -0 $pid 2> /dev/null || problem "the guest is gone"
debug -n dbg -m 0
want_rc 0
wait_out 'NMI 1'
debug -n dbg --nmi 0
want_rc 0
wait_out 'NMI 2'
report "--nmi interrupts that vCPU"

debug -n dbg -s h
want_rc 0
wait_out BREAK
wait_out 'key h'
[ "$(grep -xA1 BREAK "$T/out" | tail -n 1)" = "key h" ] || problem "the key does not follow the BREAK"
report "--sysrq is BREAK and the key, with a pipe for standard input"

"$LKVM" pause -n dbg > /dev/null 2>&1 || problem "cannot pause"
debug -n dbg -d --cpu 1
want_rc 0
want_dbg 'rax +1111111111111111$'
debug -n dbg -m 0
want_rc 0
debug -n dbg -s h
want_rc 125
want_dbgerr "paused"
"$LKVM" resume -n dbg > /dev/null 2>&1 || problem "cannot resume"
wait_out 'NMI 3'
report "a paused guest can be looked at, and stays paused"

debug -n dbg -d --cpu 2
want_rc 125
want_dbgerr "want the number of a vCPU, 0 to 1"
debug -n dbg -m 2
want_rc 125
want_dbgerr "want the number of a vCPU, 0 to 1"
debug -n dbg
want_rc 129
debug -n dbg -s hh
want_rc 129
debug -n nobody -d
want_rc 125
report "what cannot be done is said"

# Requests as no client of ours would send them
python3 - "$T/run/lkvm/dbg.sock" > "$T/py" 2>&1 << 'PY' || problem "$(cat "$T/py")"
import json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(20)
s.connect(sys.argv[1])
f = s.makefile("rwb")
def ask(**kw):
    f.write(json.dumps({"v": 1, **kw}).encode() + b"\n")
    f.flush()
    return json.loads(f.readline())
for bad in (dict(cmd="debug", cpu=-1), dict(cmd="debug", cpu="0"), dict(cmd="debug", cpu=2**64), dict(cmd="debug", first=2),
            dict(cmd="debug", text=1), dict(cmd="nmi"), dict(cmd="nmi", cpu=1.5), dict(cmd="nmi", cpu=2), dict(cmd="sysrq"),
            dict(cmd="sysrq", key=""), dict(cmd="sysrq", key="ab"), dict(cmd="sysrq", key="\u0001"), dict(cmd="sysrq", key="\u00e4"),
            dict(cmd="sysrq", key=5), dict(cmd="stat", first=2), dict(cmd="stat", only="nothing"), dict(cmd="stat", only=3)):
    r = ask(**bad)
    assert r["ok"] is False and r["errno"] == 22 and "\n" not in r["error"], (bad, r)
assert [v["index"] for v in ask(cmd="debug", first=1)["vcpus"]] == [1]
assert [v["index"] for v in ask(cmd="stat", first=1)["vcpus"]] == [1]
PY
report "bad requests are refused"

finish_guest
want_status 0
report "and the guest ends as if nothing had been"

# A 16-bit guest that never exits, on a virtio console
timeout -k 5 60 "$LKVM" run -m 64 -c 1 -k "$GUESTS/spin.bin" --name real --console virtio < /dev/null > "$T/out" 2> "$T/err" &
pid=$!
for _ in $(seq 400); do
	debug -n real -d
	[ $rc = 0 ] && break
	sleep 0.05
done
want_rc 0
want_dbg '^vCPU 0 runnable, real mode, CPL 0$'
want_dbg '^cs  1000 base 0000000000010000'
want_dbg '^code .* <eb> fe '
want_dbg '^walk rip 0000000000010000, paging none$'
report "a 16-bit guest that never exits is looked at all the same"
debug -n real -s h
want_rc 125
want_dbgerr "virtio"
report "a virtio console has no BREAK"
kill -TERM $pid
wait $pid
status=$?
pid=
want_status 143
report "and it can be ended"

lkvm_run -k "$GUESTS/triple.elf"
want_status 126
want_err "64-bit mode"
want_err "walk rip"
report "a crash report has it all"

finish
