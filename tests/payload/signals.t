#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Signals at a hundred random moments of a run's life: it ends with their status, and no socket stays behind.
set -u
cd "$(dirname "$0")/../.."
. tests/payload/lib.sh
# A job that is signalled before it has become lkvm is a copy of this shell, trap included: the folder is removed below instead.
trap - EXIT

truncate -s 1M "$T/disk"
set -m	# so that a background job does not ignore INT
signals=(TERM INT HUP)
declare -A want=([TERM]=143 [INT]=130 [HUP]=129)
bad=0 ran=0 early=0
exec 3>&2 2> /dev/null	# the shell tells of every job that ends
for i in $(seq 100); do
	sig=${signals[$((RANDOM % 3))]}
	"$LKVM" run -m 64 -c 2 -k "$GUESTS/spin.bin" -d "$T/disk" --rng --serial "1,unix:$T/sock" --port "unix:$T/sock2,name=x" \
		--timeout 60 < /dev/null > "$T/out" 2> "$T/err" &
	pid=$!
	sleep "0.0$(printf '%02d' $((RANDOM % 80)))"
	kill -$sig $pid 2> /dev/null
	status=0
	wait $pid || status=$?
	# Before lkvm blocks its signals the default action ends it: the same status to a shell.
	[ "$status" = "${want[$sig]}" ] || { bad=$((bad + 1)); problem "run $i: SIG$sig gave status $status"; }
	grep -q 'lkvm run' "$T/err" && ran=$((ran + 1)) || early=$((early + 1))
	[ -e "$T/sock" ] || [ -e "$T/sock2" ] && { bad=$((bad + 1)); problem "run $i: a socket is left"; rm -f "$T/sock" "$T/sock2"; }
	[ $bad -gt 5 ] && break
done
exec 2>&3
set +m
echo "# $ran runs were signalled after lkvm spoke, $early before"
report "100 signals at random moments leave nothing behind"

lkvm_run -k "$GUESTS/tiny.bin" -d "$T/disk"; want_status 0
report "and the disk is not locked"
rm -rf "$T"
finish
