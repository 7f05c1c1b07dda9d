# SPDX-License-Identifier: GPL-2.0-only
#
# Sourced by the lab's tests, which are TAP producers for prove. A test calls lab_enter first: that runs the test again
# inside the lab host (tests/lab/host), once for all its boots, and returns there only. A machine on which that cannot be
# done skips the test and says why.
#
#	lkvm		$LKVM, or lkvm in the build folder
#	W		an empty folder of this test
#	LAB_SCRATCH	an empty folder on a disk that can do O_DIRECT
#	LAB_ARCH	x86_64, arm64 or riscv64: what lkvm was built for
#	releases	of the kernels that guests run: the usual one is $usual, another one, where there is one, $other
#
# LAB_HOST has further options of tests/lab/host, such as "-C neoverse-n1" or "-M gic-version=2", LAB_OPTIONS some of lkvm run.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lkvm=$(realpath -m "${LKVM:-$here/../../build/lkvm}")

lab_skip() { echo "1..0 # SKIP $*"; exit 0; }

# [ELF] e_machine
lab_arch() {
	case $(od -An -tu2 --endian=little -j 18 -N 2 "$1") in
	*\ 62)	 echo x86_64 ;;
	*\ 183) echo arm64 ;;
	*\ 243) echo riscv64 ;;
	esac
}
# lab_only ARCH... -- REASON: the rest of the test is for these
lab_only() {
	local arch
	while [ "$1" != -- ]; do
		[ "$1" != "$LAB_ARCH" ] || return 0
		shift
	done
	lab_skip "${*:2}"
}

# lab_same: what the rest of the test shows hardly depends on the architecture, so that it runs on x86-64 and, where one asks, on the others
lab_same() {
	[ "$LAB_ARCH" = x86_64 ] || [ "${LAB_FULL-}" ] || lab_skip "hardly another thing than on x86-64; LAB_FULL=1 runs it"
}

[ -x "$lkvm" ] || lab_skip "no lkvm at $lkvm; LKVM names another"
LAB_ARCH=$(lab_arch "$lkvm")
# An arm64 guest of 6.12 patches 50000 places of its kernel at boot, which takes 10 s in an emulated host. 6.1 does not.
# Where nested virtualization is emulated in full, all bounds that only matter in failure are four times as long.
host=() patience=4
case $LAB_ARCH in
x86_64)	 patience=1 releases=(6.1 6.12) usual=6.12 other=6.1 ;;
arm64)	 releases=(6.1 6.12) usual=6.1 other=6.12 host=(-k 6.1) ;;
riscv64) releases=(6.12) usual=6.12 other=6.12 ;;
*)	 lab_skip "$lkvm is no program for x86-64, arm64 or riscv64" ;;
esac

# lab_enter SECONDS "$0": the whole test may take that long on an idle machine of two cores; six times that is the end
lab_enter() {
	local limit=$1 test=$2 release
	if [ -z "${LAB-}" ]; then
		# shellcheck disable=SC2206
		host=(-a "$LAB_ARCH" "${host[@]}" ${LAB_HOST-})
		release=$("$here/host" "${host[@]}" -n 2>&1) || lab_skip "no host with a KVM for it: ${release//$'\n'/; }"
		for release in "${releases[@]}"; do
			"$here/mkguest" -a "$LAB_ARCH" $release >/dev/null || lab_skip "no Debian kernel $release (see above)"
		done
		export LKVM=$lkvm
		exec "$here/host" "${host[@]}" -b -t $((limit * 6 * patience)) -- "$(readlink -f "$test")"
	fi
	W=$(mktemp -d)
	trap 'lab_leave' EXIT
	cd "$W" || exit 125
	export XDG_RUNTIME_DIR=$W/run
	mkdir -m 700 "$XDG_RUNTIME_DIR"
	for release in "${releases[@]}"; do
		kernel_dir[${release#*.}]=$("$here/fetch" -a "$LAB_ARCH" $release) || exit 125
		initrd_of[${release#*.}]=$("$here/mkguest" -a "$LAB_ARCH" $release) || exit 125
	done
}

# lab_unbuilt STATUS WHAT SAID: ends the test, as there is no WHAT. With status 3 our sources do not compile, which is a failure; else this machine lacks
# something, which the last line says.
lab_unbuilt() {
	[ "$1" = 3 ] || lab_skip "no $2: ${3##*$'\n'}"
	ok 1 "$2: the sources compile" || note "$(tail -n 20 <<<"$3")"
	done_testing
}
# lab_modules RELEASE: LAB_MODULES is the folder of the modules of kernel/ for that stock kernel
lab_modules() {
	local said
	[ -z "${LAB-}" ] || return 0
	said=$("$here/../../kernel/build" "$LAB_ARCH" "$1" 2>&1) || lab_unbuilt $? "modules for $1" "$said"
	export LAB_MODULES=${said##*$'\n'}
}
# lab_bin: LAB_BIN is a folder for what the test compiles for the host. It goes when the test ends, which must not end by exec: lab_enter is called in a
# subshell.
lab_bin() {
	[ -z "${LAB-}" ] || return 0
	LAB_BIN=$(mktemp -d)
	export LAB_BIN
	trap 'rm -rf "$LAB_BIN"' EXIT
}
# lab_cc OPTION...: $cc is a compiler for the hosts' programs that links with these; skips the test where there is none
lab_cc() {
	case $LAB_ARCH.$(uname -m) in
	x86_64.x86_64 | arm64.aarch64 | riscv64.riscv64) cc=gcc ;;
	x86_64.*)  cc=x86_64-linux-gnu-gcc ;;
	arm64.*)   cc=aarch64-linux-gnu-gcc ;;
	riscv64.*) cc=riscv64-linux-gnu-gcc ;;
	esac
	echo 'int main(void) { return 0; }' | $cc "$@" -o "$LAB_BIN/probe" -x c - 2>/dev/null || lab_skip "no $cc that links with $*"
}

# For tests of the payload tier that run here: GUESTS, or the guests beside lkvm; skips the test without guest NAME.
lab_guests() {
	local folder=${LAB_ARCH%64}
	export GUESTS=${GUESTS:-${lkvm%/*}/tests/guest/${folder%_}}
	[ -e "$GUESTS/$1.elf" ] || lab_skip "no guests in $GUESTS (make guest-bins)"
}
# lab_payload TEST: goes on as that one of tests/payload
lab_payload() {
	cd "$here/../.." || exit 125
	LKVM_SIGNALS=default bash "tests/payload/$1"
	exit
}

lab_leave() {
	cd /
	rm -rf "$W"
}

# --- TAP

tests=0
failures=0

# In 64-bit mode no processor has flags beyond bit 21, or VM [AMD64 APM vol. 2, 3.1.6]. With nested SVM QEMU's has had them, seldom: a guest that then dies
# says so in its registers. The test ends at once, and its host, which is told, begins it once more.
impossible_flags='EFLAGS: (([1-9a-f].|.[1-9a-f])......|..[4-9a-f].....|...[2367abef]....)([^0-9a-f]|$)'
end_if_emulation_erred() {
	[ "${LAB-}" = emulated ] && grep -aqsE -- "$impossible_flags" "$W"/out* || return 0
	note "a guest died with flags that no processor has: the emulation's fault"
	: >/run/job/emulation-erred
	exit 125
}
ok() {	# ok STATUS NAME
	tests=$((tests + 1))
	if [ "$1" = 0 ]; then
		echo "ok $tests - $2"
	else
		failures=$((failures + 1))
		echo "not ok $tests - $2"
		end_if_emulation_erred
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
# as_ours NAME: the tests of its input are ours, as NAME's, and what else it says is noted. $ours is how many there were, or "all" when they came to an end.
as_ours() {
	local line
	ours=0
	while IFS= read -r line; do
		case $line in
		"ok "*)		ok 0 "$1: ${line#* - }"; ours=$((ours + 1)) ;;
		"not ok "*)	ok 1 "$1: ${line#* - }"; ours=$((ours + 1)) ;;
		"1..$ours")	ours=all ;;
		"#"*)		echo "$line" ;;
		*)		note "$1: $line" ;;
		esac
	done
}
# kernel_is_quiet: the host's has said nothing of the kind that modules should not make it say, KASAN and lockdep included
kernel_complaint='WARNING:|BUG:|kernel BUG|KASAN|INFO: |Oops|Call [Tt]race|refcount|leak|hung task|soft lockup|lkvm_vdev lkvm_vdev.*(fail|error)'
kernel_is_quiet() {
	dmesg >"$W/dmesg"
	hasnt "$W/dmesg" "$kernel_complaint" "the host's kernel has nothing to complain of" ||
		grep -aE -m 1 -A 70 -- "$kernel_complaint" "$W/dmesg" | cut -c1-160 | while IFS= read -r line; do note "$line"; done
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

# kernel RELEASE[/FILE]: vmlinuz, another file of the kernel's folder, or one anywhere (RELEASE//PATH)
kernel() {
	local release=${1%%/*} file=vmlinuz
	[ "$1" = "$release" ] || file=${1#*/}
	case $file in
	/*) echo "$file" ;;
	*)  echo "${kernel_dir[${release#*.}]}/$file" ;;
	esac
}
initrd() { local release=${1%%/*}; echo "${initrd_of[${release#*.}]}"; }

# guest RELEASE[/FILE] CPUS TESTS [OPTION...]: fills the array cmd. PARAMS adds to the guest's command line.
guest() {
	local release=$1 cpus=$2 run=$3
	shift 3
	cmd=("$lkvm" run -k "$(kernel "$release")" -i "$(initrd "$release")" -c "$cpus" -m 256
		-p "quiet lkvm.test=$run ${PARAMS-}" --timeout $((90 * patience)) --loglevel warning ${LAB_OPTIONS-} "$@")
}

# boot ...: as guest; runs it to its end. Standard output and errors go to $W/out and $W/err, the status to $status. The
# guard (status 137) is for an lkvm whose own --timeout does not work.
boot() {
	guest "$@"
	timeout -s KILL $((150 * patience)) "${cmd[@]}" </dev/null >"$W/out" 2>"$W/err"
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
	local end=$(($(now_ms) + ${3:-60} * 1000 * patience))
	until grep -aqE -- "$2" "$1" 2>/dev/null; do
		[ "$(now_ms)" -lt $end ] || { note "did not come: $2"; evidence "$1" "$W/err"; end_if_emulation_erred; return 1; }
		sleep 0.05
	done
}

# finish [SECONDS]: waits for what start began; kills it when it takes longer; sets status
finish() {
	local end=$(($(now_ms) + ${1:-60} * 1000 * patience))
	while kill -0 "$pid" 2>/dev/null && [ "$(now_ms)" -lt $end ]; do
		sleep 0.05
	done
	kill -KILL "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	status=$?
}
