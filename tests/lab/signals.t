#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A signal at any moment of a boot, the first milliseconds of lkvm included, ends it with that signal's status at once and
# leaves nothing behind: no file, no socket, no process, no lock. 100 moments, most of them early, where phases are short.

. "$(dirname "$0")/lab.sh"
lab_same
lab_enter 150 "$0"
export HOME=$W/home
mkdir "$HOME"
RANDOM=${LAB_SEED:=$$}
note "LAB_SEED=$LAB_SEED"

truncate -s 1M disk.img
export TMPDIR=$W/tmp
mkdir "$TMPDIR"
list() { { find "$W" ! -type d; find /dev/shm -name '*lkvm*'; } | sort; }
: >out; : >err; : >list; : >listed
list >listed

declare -A bad late
for ((i = 0; i < 100; i++)); do
	case $((i % 10)) in
	[0-4])	ms=$((RANDOM % 60)) ;;
	[5-7])	ms=$((RANDOM % 600)) ;;
	[89])	ms=$((RANDOM % 3000)) ;;
	esac
	signals=(TERM INT HUP)
	signal=${signals[$((i % 3))]}
	start $usual $((i % 4 + 1)) hello -d disk.img
	sleep "$(printf '0.%03d' $((ms % 1000)))"
	[ $ms -lt 1000 ] || sleep $((ms / 1000))
	kill -$signal $pid
	sent=$(now_ms)
	finish 10
	took=$(($(now_ms) - sent))
	want=$((128 + $(kill -l $signal)))
	# Before lkvm has said what is to happen, the kernel ends it: the same status.
	[ $status = $want ] || bad[$signal]+=" $status@${ms}ms"
	[ $took -lt $((2000 * patience)) ] || late[$signal]+=" $took@${ms}ms"
	list >list
	left=$(comm -13 listed list)
	[ -z "$left" ] || break
done
for signal in TERM INT HUP; do
	is "${bad[$signal]-}" "" "SIG$signal: status is that of the signal"
	is "${late[$signal]-}" "" "SIG$signal: ends soon"
done
is $i 100 "every moment was tried"
is "$left" "" "nothing is left behind"
is "$(pgrep -f "^$lkvm run")" "" "no process either"
boot $usual 1 hello -d disk.img
is $status 0 "the disk is free" || evidence out err

done_testing
