#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Guests found, paused, stopped by name; what is left of those that were killed; clients that are slow, many, or no clients at all.
set -u
cd "$(dirname "$0")/../.."
. tests/payload/lib.sh
export HOME=$T/home
mkdir "$HOME"
S=$XDG_RUNTIME_DIR/lkvm
declare -A pid=()
trap 'for p in "${pid[@]}"; do kill -KILL $p 2> /dev/null; done; rm -rf "$T"' EXIT

# until COMMAND: it succeeds within a minute
until_() {
	local i
	for i in $(seq 600); do "$@" && return; sleep 0.1; done
	problem "never: $*"
	return 1
}

# start NAME GUEST [OPTIONS]
start() {
	local name=$1 guest=$2
	shift 2
	timeout -k 5 120 "$LKVM" run -m 64 -c 1 --name "$name" -k "$GUESTS/$guest.bin" "$@" < /dev/null > "$T/$name.out" 2> "$T/$name.err" &
	pid[$name]=$!
	until_ listed "$name" running
}
# ended NAME STATUS: waits for its end
ended() {
	local got=0
	{ wait "${pid[$1]}" || got=$?; } 2> /dev/null	# the shell would tell how it ended
	unset "pid[$1]"
	[ $got = "$2" ] || problem "$1 ended with status $got, want $2"
}
# ctl COMMAND...: leaves $status, $T/out, $T/err
ctl() {
	status=0
	timeout -k 5 60 "$LKVM" "$@" > "$T/out" 2> "$T/err" < /dev/null || status=$?
}
want_exact() { [ "$(cat "$T/out")" = "$1" ] || problem "stdout is not: $1"$'\n'"but: $(cat "$T/out")"; }
want_empty() { [ -z "$(ls -A "$S" 2> /dev/null)" ] || problem "left in the folder: $(ls -A "$S")"; }
listed() { "$LKVM" list | grep -qE "^ *[0-9]+ $1 +$2\$"; }
# lkvm is a child of timeout
vm_pid() { "$LKVM" list --json | sed -n "s/.*\"name\":\"$1\",\"pid\":\([0-9]*\).*/\1/p"; }

ctl list; want_status 0
want_exact "   PID NAME                 STATE
------------------------------------"
report "list without guests is a header"

start a button
start b spin
ctl list -i; want_status 0
grep -qE '^ *[0-9]+ a +running$' "$T/out" || problem "a is not listed"
grep -qE '^ *[0-9]+ b +running$' "$T/out" || problem "b is not listed"
ctl list --json
[ "$(sed 's/"pid":[0-9]*/P/' "$T/out")" = '{"name":"a",P,"state":"running"}
{"name":"b",P,"state":"running"}' ] || problem "list --json: $(cat "$T/out")"
[ "$(stat -c %a "$S" "$S/a.sock" | tr '\n' ' ')" = "700 600 " ] || problem "modes: $(stat -c %a "$S" "$S/a.sock")"
report "running guests are listed"

ctl pause a; want_status 0; want_exact "Guest a paused"
ctl pause -n a; want_status 0; want_exact "Guest a is already paused."
listed a paused || problem "not listed as paused"
sleep 0.2	# what it had written before is on its way
size=$(stat -c %s "$T/a.out")
sleep 0.3
[ "$size" = "$(stat -c %s "$T/a.out")" ] || problem "it goes on writing"
ctl resume -n a; want_status 0; want_exact "Guest a resumed"
ctl resume a; want_status 0; want_exact "Guest a is still running."
grown() { [ "$(stat -c %s "$T/a.out")" -gt "$size" ]; }
until_ grown
listed a running || problem "not listed as running"
report "a paused guest stands still, and goes on"

ctl pause -a --json; want_status 0
want_exact '{"name":"a","state":"paused","changed":true}
{"name":"b","state":"paused","changed":true}'
ctl resume --all; want_status 0
want_exact "Guest a resumed
Guest b resumed"
report "all guests at once"

lkvm_run --name a -k "$GUESTS/tiny.bin"; want_status 125; want_err "Guest socket file '$S/a.sock' already exists"
listed a running || problem "the first one is gone"
report "a name is given once"

ctl stop a; want_status 0; want_exact "Guest a stopped"
ended a 0
grep -q 'ended normally' "$T/a.err" || problem "$(cat "$T/a.err")"
[ ! -e "$S/a.sock" ] || problem "its socket is left"
report "stop presses the power button and waits for the end"

start a button
ctl pause a
ctl stop --json a; want_status 0; want_err "was paused"; want_exact '{"name":"a","state":"stopped"}'
ended a 0
report "stop resumes a paused guest"

ctl stop --timeout 1 b; want_status 124; want_err "did not end within 1 seconds"; want_err "--force"
ctl stop --no-wait b; want_status 0; want_exact "Guest b was told to stop"
listed b running || problem "it is gone"
ctl stop --force b; want_status 0; want_exact "Guest b stopped"
ended b 0
want_empty
report "stop --force ends a guest that does not listen"

for name in one two three; do start $name button; done
ctl stop -a; want_status 0
[ "$(sort "$T/out" | tr '\n' ' ')" = "Guest one stopped Guest three stopped Guest two stopped " ] || problem "$(cat "$T/out")"
for name in one two three; do ended $name 0; done
want_empty
report "stop --all waits for all"

for cmd in stop pause resume; do
	ctl $cmd nosuch; want_status 125; want_err "guest 'nosuch': no guest of that name"
	ctl $cmd; want_status 129; want_err "usage: lkvm $cmd"
	ctl $cmd -a x; want_status 129
	ctl $cmd x y; want_status 129; want_err "unexpected argument 'y'"
	ctl $cmd ../x; want_status 125; want_err "--name '../x'"
	ctl $cmd -a; want_status 0; want_exact ""
	ctl help $cmd; want_status 129; want_err "usage: lkvm $cmd"
done
ctl list x; want_status 129
lkvm_run --name a/b -k "$GUESTS/tiny.bin"; want_status 125; want_err "--name 'a/b'"; want_err "no '/'"
report "names that are none, and nobody's"

# --- killed, hung

start a spin
kill -KILL "$(vm_pid a)"
ended a 137
[ -S "$S/a.sock" ] || problem "kill -9 left no socket: nothing is tested"
ctl pause a; want_status 125; want_err "no guest of that name"
[ ! -e "$S/a.sock" ] || problem "a client left it there"
start a spin
kill -KILL "$(vm_pid a)"
ended a 137
ctl list -i; want_status 0
[ "$(wc -l < "$T/out")" = 2 ] || problem "list shows it: $(cat "$T/out")"
[ ! -e "$S/a.sock" ] || problem "list left it there"
start a spin
kill -KILL "$(vm_pid a)"
ended a 137
lkvm_run --name a -k "$GUESTS/tiny.bin"; want_status 0
want_empty
report "what a killed guest left is removed by who comes next"

start a spin
start b spin
hung=$(vm_pid a)
kill -STOP "$hung"
ctl list; want_status 0
grep -qE "^ *$hung a +not answering\$" "$T/out" || problem "a: $(cat "$T/out")"
grep -qE '^ *[0-9]+ b +running$' "$T/out" || problem "b: $(cat "$T/out")"
ctl stop --force a; want_status 125; want_err "guest 'a': does not answer"
kill -CONT "$hung"
ended a 0	# it was told
start a spin
report "a guest that hangs hangs nobody"

# --- clients

# perl_client NAME CODE: $s() opens a connection; what CODE prints is in $T/out
perl_client() {
	status=0
	timeout -k 5 100 perl -MIO::Socket::UNIX -e 'my $path = shift;
		$SIG{PIPE} = "IGNORE";
		sub s_ { IO::Socket::UNIX->new(Peer => $path) or die "connect: $!\n" }
		sub ask { my ($c, $q) = @_; $c->syswrite($q); my $r = <$c>; defined $r ? $r : "ended\n" }
		sub info { ask($_[0], qq({"v":1,"cmd":"info"}\n)) }
		'"$2" "$S/$1.sock" > "$T/out" 2> "$T/err" || status=$?
	want_status 0
}
if perl -MIO::Socket::UNIX -e 1 2> /dev/null && [ "$(ulimit -Hn)" -ge 2100 ]; then
	ulimit -Sn "$(ulimit -Hn)"
	perl_client b 'my @idle = map { s_() } 1 .. 1000;
		$_->syswrite("{\"v\"") for @idle[0 .. 499];
		my $c = s_();
		print info($c) =~ /"state":"running"/ ? "served\n" : "not\n";
		print info($idle[700]) =~ /"ok":true/ ? "served\n" : "not\n";
		close $_ for @idle;
		print info($c) =~ /"ok":true/ ? "served\n" : "not\n";'
	want_exact "served
served
served"
	listed b running || problem "b does not answer"
	report "a thousand connections"

	perl_client b 'for (1 .. 200) {
			my $c = s_();
			$c->syswrite(("", "{", "\0" x 100, qq({"v":1,"cmd":"info"}\n) x 50, "x" x 5000)[$_ % 5]);
		}
		my $c = s_();
		print ask($c, "x" x 5000), ask($c, "");
		$c = s_();
		print ask($c, "{}\n"), ask($c, qq({"v":7,"cmd":"info"}\n)), ask($c, qq({"v":1,"cmd":"fly"}\n));
		$c->syswrite(qq({"v":1,"cmd":"pause"}\n{"v":1,"cmd":"resume"}\n));
		shutdown($c, 1);
		print <$c>;'
	want_exact '{"v":1,"ok":false,"error":"the request is longer than 4096 bytes","errno":90}
ended
{"v":1,"ok":false,"error":"this lkvm speaks version 1: want \"v\":1","errno":93}
{"v":1,"ok":false,"error":"this lkvm speaks version 1: want \"v\":1","errno":93}
{"v":1,"ok":false,"error":"unknown command '\''fly'\''","errno":38}
{"v":1,"ok":true,"state":"paused"}
{"v":1,"ok":true,"state":"running"}'
	listed b running || problem "b does not answer"
	report "clients that die, say too much, or know no better"

	perl_client b '$_ = ask(s_(), qq({"v":1,"cmd":"stop","force":true}\n)); print'
	want_out '"ok":true'
	ended b 0
	report "stopped by hand"
else
	for i in 1 2 3; do skip "clients by hand" "no perl, or no descriptors"; done
	ctl stop --force b
	ended b 0
fi
ctl stop -f a
ended a 0

# --- no place for a socket

lkvm_run --loglevel warning -k "$GUESTS/hello.bin"; want_status 0
[ ! -s "$T/err" ] || problem "it says something"
want_empty
(
	unset HOME XDG_RUNTIME_DIR
	lkvm_run -k "$GUESTS/hello.bin"; want_status 0; want_out hello; want_err "no control socket: neither XDG_RUNTIME_DIR nor HOME"
	lkvm_run --name x -k "$GUESTS/hello.bin"; want_status 125; want_err "neither XDG_RUNTIME_DIR nor HOME"
	ctl list; want_status 125
	printf %s "$problems" > "$T/problems"
)
problems="$problems$(cat "$T/problems")"
chmod 0777 "$S"
lkvm_run -k "$GUESTS/hello.bin"; want_status 0; want_err "folder '$S': others may write to it"
lkvm_run --name x -k "$GUESTS/hello.bin"; want_status 125; want_err "mode 0700"
ctl list; want_status 125; want_err "folder '$S'"
chmod 0700 "$S"
report "without a place for the socket a guest runs, unless it was named"

# --- signals

set -m	# so that a background job does not ignore INT
trap - EXIT	# a job that is signalled before it has become lkvm is a copy of this shell, trap included
signals=(TERM INT HUP)
declare -A want=([TERM]=143 [INT]=130 [HUP]=129)
bad=0
exec 3>&2 2> /dev/null	# the shell tells of every job that ends
for i in $(seq 100); do
	sig=${signals[$((RANDOM % ${#signals[@]}))]}
	"$LKVM" run -m 64 -c 2 --name same -k "$GUESTS/spin.bin" --timeout 60 < /dev/null > "$T/out" 2> "$T/err" &
	p=$!
	sleep "0.0$(printf '%02d' $((RANDOM % 60)))"
	kill -$sig $p 2> /dev/null
	status=0
	wait $p || status=$?
	[ "$status" = "${want[$sig]}" ] || { bad=$((bad + 1)); problem "run $i: SIG$sig gave status $status"; }
	[ -z "$(ls -A "$S")" ] || { bad=$((bad + 1)); problem "run $i: left: $(ls -A "$S")"; rm -f "$S"/*; }
	[ $bad -gt 5 ] && break
done
exec 2>&3
set +m
report "100 signals at random moments leave no socket"
rm -rf "$T"
finish
