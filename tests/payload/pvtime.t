#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Stolen time: what a busy guest reads while another process competes for its CPU is what the host accounts to the vCPU's thread; and
# --vcpu-affinity, which makes them meet.
set -u
cd "$(dirname "$0")/../.." || exit
. tests/payload/lib.sh
[ -e "/proc/$$/schedstat" ] || skip_all "this host does not account for waiting (CONFIG_SCHED_INFO)"
command -v taskset > /dev/null || skip_all "no taskset"

# The last CPU that we may run on, of a list such as 0-3,5
cpu=$(taskset -cp $$ | sed 's/.*[^0-9]//')

for bad in '' ',' 0- 1-0 0,,1 x 8192 -1; do
	lkvm_run -k "$GUESTS/pvtime.elf" --vcpu-affinity="$bad"
	want_status 125
	want_err "--vcpu-affinity '$bad'"
	want_one_line
done
report "lists that are none are refused by name"

lkvm_run -k "$GUESTS/pvtime.elf" --vcpu-affinity="0,8191"
want_status 125
want_err "--vcpu-affinity '0,8191': this host has no CPU"
report "CPUs that this host has not are refused"

pid='' rival='' limit=150	# seconds, which only matter when something hangs
trap '[ -z "$pid$rival" ] || kill -KILL $pid $rival 2> /dev/null; rm -rf "$T"' EXIT
mkfifo "$T/in" "$T/answers"

# begin OPTIONS: a guest on the CPU that answers on fd 8 what it is asked on fd 9; $vcpu is the folder of its thread
begin() {
	local d
	# opened for both, so that it does not wait for the other end, and ends when the guest does not
	exec 9<> "$T/in" 8<> "$T/answers"
	"$LKVM" run -m 64 -c 1 -k "$GUESTS/pvtime.elf" --vcpu-affinity "$cpu" "$@" < "$T/in" > "$T/answers" 2> "$T/err" 8>&- 9>&- &
	pid=$!
	IFS= read -r -t $limit word <&8 || word=
	word=${word%$'\r'}
	[ "$word" = ready ] || problem "the guest is not ready: $word"
	for d in /proc/$pid/task/*/; do
		[ "$(cat "$d/comm")" = vcpu0 ] && vcpu=$d
	done
}

ask() {
	printf r >&9
	read -r -t $limit _ stolen <&8 || problem "no answer from the guest"
	stolen=${stolen%$'\r'}
}

end() {
	printf q >&9
	status=0
	wait $pid || status=$?
	pid=
	want_status 0
	exec 8>&- 9>&-
}

# What the host accounts to the vCPU's thread: $ran, $waited in ns
account() { read -r ran waited _ < "$vcpu/schedstat"; }

# sample: the guest's number between two of the host's, which moves on meanwhile
sample() {
	account
	before=$waited
	ask
	account
}
from() { sample; before0=$before stolen0=$stolen after0=$waited; }

# agree WHAT: within 10 % between from() and now; 20 ms for what is not yet accounted of a turn
agree() {
	local low high guest
	sample
	low=$((before - after0)) high=$((waited - before0)) guest=$((stolen - stolen0))
	echo "# $1: host $((low / 1000000)) to $((high / 1000000)) ms, guest $((guest / 1000000)) ms"
	[ $((guest * 10)) -ge $((low * 9 - 200000000)) ] && [ $((guest * 10)) -le $((high * 11 + 200000000)) ] ||
		problem "$1: the guest says $guest ns, the host $low to $high"
}

# until FIELD NS: till the host accounts so much, however long that takes on a busy machine
till() {
	local stop=$((SECONDS + limit))
	account
	while [ "${!1}" -lt "$2" ] && { [ $SECONDS -lt $stop ] || { problem "$1 does not get to $2 ns"; false; }; }; do
		sleep 0.05
		account
	done
}

begin
allowed=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' "$vcpu/status")
[ "$allowed" = "$cpu" ] || problem "the vCPU may run on $allowed"
report "--vcpu-affinity $cpu keeps it there"

ask
if [ "$stolen" = none ]; then
	skip "the guest's stolen time is the host's run delay" "this host's KVM has none"
else
	from
	till ran $((ran + 1000000000))
	agree alone
	taskset -c "$cpu" bash -c 'while :; do :; done' &
	rival=$!
	from
	till waited $((after0 + 1500000000))
	agree "with a competitor"
	[ $((stolen - stolen0)) -gt 1000000000 ] || problem "nothing was stolen"
	kill -KILL $rival
	wait $rival 2> /dev/null
	rival=
	report "the guest's stolen time is the host's run delay, and none that nobody took"
fi
end

begin --no-pvtime
ask
[ "$stolen" = none ] || problem "the guest is told $stolen"
end
report "--no-pvtime: the guest is not told"

finish
