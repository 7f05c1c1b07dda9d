#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The balloon, from both sides: a guest that drives it, `lkvm balloon` and `lkvm stat -m`, and the memory that lkvm has of the host.
set -u
cd "$(dirname "$0")/../.."
. tests/payload/lib.sh

name=balloon
MiB=1024	# of kB

# what lkvm has of the host's memory, of either kind
rss() { awk '/^(VmRSS|HugetlbPages):/ { n += $2 } END { print n }' /proc/$pid/status; }

# waiting WORD: until the guest is that far. The bound is for a guest that never gets there.
waiting() {
	local n
	for n in $(seq 2000); do
		grep -q "^waiting: $1" "$T/out" 2> /dev/null && return 0
		kill -0 $pid 2> /dev/null || break
		sleep 0.05
	done
	problem "the guest did not get to: $1"
	return 1
}

# ask ARGUMENTS: lkvm balloon; leaves $status, $T/said, $T/err
ask() {
	status=0
	timeout 60 "$LKVM" balloon "$@" > "$T/said" 2> "$T/err" || status=$?
}
said() { grep -qE -- "$1" "$T/said" || problem "lkvm balloon did not say: $1, but: $(cat "$T/said")"; }
refused() { want_status 125; want_one_line; want_err "$1"; }

# run TITLE COMMAND...: the guest is started by COMMAND, which becomes lkvm
run() {
	local title=$1
	shift
	rm -f "$T/out"
	"$@" < /dev/null > "$T/out" 2> "$T/log" &
	pid=$!
	waiting filled
	full=$(rss)
	[ "$full" -ge $((32 * MiB)) ] || problem "a guest that filled 32 MiB has $full kB"
	report "$title: the guest fills its memory"

	ask -n $name
	want_status 0; said 'target 0 MiB, actual 0 MiB$'
	report "$title: without a change it shows what there is"
	ask $name --json
	want_status 0; said '"target": *0[,}]'; said '"ok": *true'
	report "$title: and with --json the reply"
	ask -n $name -i 65; refused "of the guest's 64M"; report "$title: more than the guest has is refused"
	ask -n $name -d 1; refused "its target is 0M"; report "$title: less than nothing is refused"
	ask -n $name --target 1G; refused "target 1024M"; report "$title: an absolute target beyond RAM is refused"

	ask -n $name -i 32
	want_status 0
	[ -s "$T/said" ] && problem "it said: $(cat "$T/said")"
	waiting inflated
	now=$(rss)
	[ "$now" -le $((full - 30 * MiB)) ] || problem "$full kB before, $now kB inflated"
	report "$title: inflated pages are the host's again"
	ask -n $name
	said 'target 32 MiB, actual 32 MiB$'
	report "$title: what the guest gave is shown"
	timeout 60 "$LKVM" stat -n $name --only devices -i 1 --count 2 > "$T/said" 2> "$T/err" || problem "stat -i: status $?"
	[ "$(grep -cE '^  (target|actual) +33554432$' "$T/said")" = 4 ] || problem "not twice in: $(cat "$T/said")"
	[ "$(grep -cE '^  queues\[0\]\.size +16$' "$T/said")" = 2 ] || problem "no size of a queue, twice, in: $(cat "$T/said")"
	report "$title: and no rate is made of it"

	ask -n $name -d 32; want_status 0
	waiting deflated
	now=$(rss)
	[ "$now" -ge $((full - 2 * MiB)) ] || problem "$full kB before, $now kB deflated and filled"
	report "$title: deflated pages are the guest's again"

	timeout 60 "$LKVM" stat -m -n $name > "$T/said" 2> "$T/err" || problem "stat -m: status $?"
	grep -qw 67108864 "$T/said" || problem "no total memory in: $(cat "$T/said")"
	report "$title: statistics come from the guest"

	ask -n $name --target 1; want_status 0
	waiting reported
	now=$(rss)
	[ "$now" -le $((full - 30 * MiB)) ] || problem "$full kB before, $now kB reported free"
	report "$title: free pages that are reported are the host's"
	ask -n $name --target 0B; want_status 0
	wait $pid
	status=$?
	want_status 0
	while IFS= read -r line; do
		case $line in
		"ok "*) ;;
		"not ok "* | "#"*) problem "$line" ;;
		esac
	done < "$T/out"
	[ "$(tail -n 1 "$T/out" | cut -c1-3)" = 1.. ] || problem "the guest did not get to its end: $(tail -n 3 "$T/out")"
	cp "$T/log" "$T/err"
	report "$title: the guest is content"
}

machine=("$LKVM" run -m 64 -c 1 --balloon --name $name -k "$GUESTS/balloon.elf" --timeout 100)
run "ordinary memory" "${machine[@]}"

# In a mount namespace of its own, with pages reserved for as long as it takes. Lists are of whole huge pages here.
pages=/proc/sys/vm/nr_hugepages
exec 9< $pages && flock 9	# other tests may want some at the same time
had=$(cat $pages 2> /dev/null || echo 0)
if [ "$(id -u)" = 0 ] && mkdir "$T/huge" && unshare -m mount -t hugetlbfs none "$T/huge" 2> /dev/null &&
	echo $((had + 40)) > $pages 2> /dev/null && [ "$(cat $pages)" = $((had + 40)) ]; then
	run hugetlbfs unshare -m sh -c 'mount -t hugetlbfs none "$0" && exec "$@" --hugetlbfs "$0" -p list=512' "$T/huge" "${machine[@]}"
	echo "$had" > $pages
else
	skip hugetlbfs "needs root, a hugetlbfs and 80 MiB to reserve"
fi
exec 9<&-

ask; want_status 129; report "no guest is a matter of usage"
ask -n $name -i 1 -d 1; want_status 129; report "so are two changes"
ask -n $name -i x; [ $status = 0 ] && problem "status 0"; want_err "--inflate 'x'"; report "and what is no size"
ask -n $name; want_status 125; report "a guest that is not there"

"$LKVM" run -m 64 -c 1 --name $name -k "$GUESTS/spin.bin" --timeout 100 < /dev/null > "$T/out" 2> "$T/log" &
pid=$!
for _ in $(seq 2000); do [ -e "$T/run/lkvm/$name.sock" ] && break; sleep 0.05; done
ask -n $name; refused "no balloon"; report "a guest without a balloon"
kill -TERM $pid
wait $pid 2> /dev/null

finish
