# SPDX-License-Identifier: GPL-2.0-only
#
# Sourced by the lab's tests, which are TAP producers for prove. A test calls lab_enter first: that runs the test again
# inside the lab host (tests/lab/host), once for all its boots, and returns there only. A machine on which that cannot be
# done skips the test and says why.
#
#	lkvm		$LKVM, or lkvm in the build folder
#	W		an empty folder of this test
#	LAB_SCRATCH	an empty folder on a disk that can do O_DIRECT

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lkvm=$(realpath -m "${LKVM:-$here/../../build/lkvm}")

lab_skip() { echo "1..0 # SKIP $*"; exit 0; }

# lab_enter SECONDS "$0": the whole test may take that long on an idle machine of two cores; six times that is the end
lab_enter() {
	local limit=$1 test=$2 release
	if [ -z "${LAB-}" ]; then
		[ "$(uname -m)" = x86_64 ] || lab_skip "the lab's guests are for x86-64"
		[ -x "$lkvm" ] || lab_skip "no lkvm at $lkvm; LKVM names another"
		for release in 6.1 6.12; do
			"$here/mkguest" $release >/dev/null || lab_skip "no Debian kernel $release (see above)"
		done
		command -v qemu-system-x86_64 >/dev/null || grep -qE '^flags.* (vmx|svm)( |$)' /proc/cpuinfo ||
			lab_skip "no KVM for full kernels here and no qemu-system-x86_64 to emulate it"
		export LKVM=$lkvm
		exec "$here/host" -b -t $((limit * 6)) -- "$(readlink -f "$test")"
	fi
	W=$(mktemp -d)
	trap 'lab_leave' EXIT
	cd "$W" || exit 125
	export XDG_RUNTIME_DIR=$W/run
	mkdir -m 700 "$XDG_RUNTIME_DIR"
	for release in 6.1 6.12; do
		kernel_dir[${release#*.}]=$("$here/fetch" $release) || exit 125
		initrd_of[${release#*.}]=$("$here/mkguest" $release) || exit 125
	done
}

lab_leave() {
	cd /
	rm -rf "$W"
}

# --- TAP

tests=0
failures=0
ok() {	# ok STATUS NAME
	tests=$((tests + 1))
	if [ "$1" = 0 ]; then
		echo "ok $tests - $2"
	else
		failures=$((failures + 1))
		echo "not ok $tests - $2"
		return 1
	fi
}
note() { sed 's/^/# /' <<<"$*"; }
is() {	# is GOT WANTED NAME
	[ "$1" = "$2" ]
	ok $? "$3" || { note "got:    $1"; note "wanted: $2"; return 1; }
}
# The guest's or lkvm's words on failure, printable and not too many.
evidence() {
	local f
	for f in "$@"; do
		[ -s "$f" ] && grep -av '\] *? ' "$f" | tail -n 12 | tr -cd '\11\12\40-\176' | cut -c1-200 | sed "s|^|# ${f##*/}: |"
	done
}
has() {	# has FILE REGEX NAME
	grep -aqE -- "$2" "$1"
	ok $? "$3" || { note "not found: $2"; evidence "$1" "$W/err"; return 1; }
}
hasnt() { # hasnt FILE REGEX NAME
	! grep -aqE -- "$2" "$1"
	ok $? "$3" || { note "found: $(grep -aE -m 3 -- "$2" "$1")"; return 1; }
}
done_testing() {
	echo "1..$tests"
	[ $failures = 0 ]
	exit
}
# value FILE KEY: of a guest's line "... KEY=value ..."; the first of them
value() { sed -n "s/.*[ :]$2=\([^ ]*\).*/\1/p" "$1" | tr -d '\r' | head -n 1; }
now_ms() { local t=${EPOCHREALTIME/[.,]/}; echo $((t / 1000)); }

sum() { md5sum | cut -c1-32; }
# second_half IMAGE SEED: checksum of what guest-init's t_disk makes of the second half of such an image
second_half() {
	local half=$(($(stat -c %s "$1") / 2)) pattern=66048
	{ head -c $((half - pattern)) "$1"; seq -w $((10000000 + $2)) 99999999 | head -c $pattern; } | sum
}

# --- guests

declare -a kernel_dir initrd_of

# kernel RELEASE[/vmlinux]
kernel() {
	local release=${1%%/*} file=vmlinuz
	[ "$1" = "$release" ] || file=${1#*/}
	echo "${kernel_dir[${release#*.}]}/$file"
}
initrd() { local release=${1%%/*}; echo "${initrd_of[${release#*.}]}"; }

# guest RELEASE[/vmlinux] CPUS TESTS [OPTION...]: fills the array cmd. PARAMS adds to the guest's command line.
guest() {
	local release=$1 cpus=$2 run=$3
	shift 3
	cmd=("$lkvm" run -k "$(kernel "$release")" -i "$(initrd "$release")" -c "$cpus" -m 256
		-p "quiet lkvm.test=$run ${PARAMS-}" --timeout 90 --loglevel warning "$@")
}

# boot ...: as guest; runs it to its end. Standard output and errors go to $W/out and $W/err, the status to $status. The
# guard (status 137) is for an lkvm whose own --timeout does not work.
boot() {
	guest "$@"
	timeout -s KILL 150 "${cmd[@]}" </dev/null >"$W/out" 2>"$W/err"
	status=$?
}

# start ...: as boot, but goes on at once; $pid is lkvm itself. Its standard input is what STDIN names.
start() {
	guest "$@"
	: >"$W/out"
	set -m	# else the shell would have lkvm ignore SIGINT
	"${cmd[@]}" <"${STDIN:-/dev/null}" >"$W/out" 2>"$W/err" &
	pid=$!
	set +m
}

# wait_for FILE REGEX [SECONDS]: until the file has such a line
wait_for() {
	local end=$(($(now_ms) + ${3:-60} * 1000))
	until grep -aqE -- "$2" "$1" 2>/dev/null; do
		[ "$(now_ms)" -lt $end ] || { note "did not come: $2"; evidence "$1" "$W/err"; return 1; }
		sleep 0.05
	done
}

# finish [SECONDS]: waits for what start began; kills it when it takes longer; sets status
finish() {
	local end=$(($(now_ms) + ${1:-60} * 1000))
	while kill -0 "$pid" 2>/dev/null && [ "$(now_ms)" -lt $end ]; do
		sleep 0.05
	done
	kill -KILL "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	status=$?
}
