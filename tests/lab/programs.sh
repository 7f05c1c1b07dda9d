# SPDX-License-Identifier: GPL-2.0-only
#
# Sourced, after lab.sh, by the tests that run programs of tests/kernel on hosts with modules of kernel/. Such a test calls compile_program for each,
# then programs_on_hosts: that runs it again on a host with each kernel, makes what those runs say tests of this one, and returns there only.
# There, program runs one.
#
#	LAB_KERNELS	these kernels, instead of the stock ones and our own one (see mkkernel) where that is in the cache
#
# On the host:
#
#	LAB_RELEASE	the kernel it has
#	LAB_MODULES	the folder of the modules
#	LAB_BIN		the folder of the programs

# One with KASAN and lockdep is slow.
[ "${LAB_RELEASE-}" != own-debug ] || patience=$((patience * 10))

if [ -z "${LAB-}" ]; then
	LAB_BIN=$(mktemp -d)
	export LAB_BIN
	trap 'rm -rf "$LAB_BIN"' EXIT
fi

# compile_program NAME SOURCE...: of tests/kernel, with what else there it is made of
compile_program() {
	local name=$1 said
	[ -z "${LAB-}" ] || return 0
	shift
	[ -e "$LAB_BIN/probe" ] || lab_cc -static -pthread
	said=$(cd "$here/../kernel" && $cc -O1 -g -Wall -Werror -I../../include -I../../include/uapi -static -pthread -o "$LAB_BIN/$name" "$name.c" "$@" 2>&1) ||
		lab_unbuilt 3 "program $name" "$said"
}

# modules_for RELEASE: has the modules built for that kernel, prints their folder. Its status is as kernel/build's.
modules_for() {
	local kernel
	case $1 in
	own*)	kernel=$("$here/fetch" "$1") && mkdir -p "$LAB_BIN/$1/include" || return
		cp -r "$here/../../kernel" "$LAB_BIN/$1"
		cp -r "$here/../../include/uapi" "$LAB_BIN/$1/include"
		make -C "$kernel/build" M="$LAB_BIN/$1/kernel" KCFLAGS=-Werror modules >&2 || return 3
		echo "$LAB_BIN/$1/kernel" ;;
	*)	"$here/../../kernel/build" "$LAB_ARCH" "$1" ;;
	esac
}

# as_ours NAME: the tests of its input are ours, as NAME's. $ours is how many there were, or "all" when they came to an end.
as_ours() {
	local line
	ours=0
	while IFS= read -r line; do
		case $line in
		"ok "*)		ok 0 "$1: ${line#* - }"; ours=$((ours + 1)) ;;
		"not ok "*)	ok 1 "$1: ${line#* - }"; ours=$((ours + 1)) ;;
		"1..$ours")	ours=all ;;
		"1..0 # SKIP"*)	note "$1: skipped: ${line#*SKIP }" ;;
		"#"*)		echo "$line" ;;
		esac
	done
}

# programs_on_hosts TEST SECONDS: it takes that long on one with a stock kernel when nothing else runs; six times that is the end
programs_on_hosts() {
	local release said why kernels=("${releases[@]}") limit
	local -A folder
	if [ "${LAB-}" ]; then
		W=$(mktemp -d)
		trap 'lab_leave' EXIT
		cd "$W" || exit 125
		return
	fi
	if [ "${LAB_KERNELS-}" ]; then
		read -ra kernels <<<"$LAB_KERNELS"
	elif [ "$LAB_ARCH" = x86_64 ] && "$here/mkkernel" -n >/dev/null 2>&1; then
		kernels+=(own)
	fi
	# All of them first: once there are results, the test can no longer be skipped.
	for release in "${kernels[@]}"; do
		said=$(modules_for "$release" 2>&1) || lab_unbuilt $? "modules for $release" "$said"
		folder[$release]=${said##*$'\n'}
		why=$("$here/host" -a "$LAB_ARCH" -k "$release" -d -n 2>&1) || lab_skip "no host: ${why//$'\n'/; }"
	done
	for release in "${kernels[@]}"; do
		limit=$(($2 * 6 * patience))
		[ "$release" != own-debug ] || limit=$((limit * 10))
		LAB_RELEASE=$release LAB_MODULES=${folder[$release]} "$here/host" -a "$LAB_ARCH" -k "$release" -d -b -t $limit -- "$(readlink -f "$1")" >"$LAB_BIN/out"
		status=$?
		as_ours "$release" <"$LAB_BIN/out"
		is "$status $ours" "0 all" "$release: the host ends well"
	done
	done_testing
}

# program NAME COMMAND...: what it says are our tests, and it comes to its end
program() {
	local name=$1
	shift
	timeout $((100 * patience)) "$LAB_BIN/$1" "${@:2}" >log 2>&1
	status=$?
	as_ours "$name" <log
	is "$status $ours" "0 all" "$name: comes to its end" || evidence log
}

# kernel_is_quiet: it has said nothing of the kind that modules should not make it say, KASAN and lockdep included
kernel_is_quiet() {
	local complaint='WARNING:|BUG:|KASAN|INFO: |Oops|Call [Tt]race|refcount|leak|hung task|soft lockup|lkvm_vdev lkvm_vdev.*(fail|error)'

	dmesg >dmesg
	hasnt dmesg "$complaint" "the kernel has nothing to complain of" ||
		grep -aE -m 1 -A 70 -- "$complaint" dmesg | cut -c1-160 | while IFS= read -r line; do note "$line"; done
}
