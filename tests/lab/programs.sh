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

lab_bin

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
	timeout -s KILL $((150 * patience)) "$LAB_BIN/$1" "${@:2}" >log 2>&1
	status=$?
	as_ours "$name" <log
	is "$status $ours" "0 all" "$name: comes to its end" || evidence log
}

# module_program NAME: lkvm_NAME is loaded, its program says what it has to, and the module goes
module_program() {
	insmod "$LAB_MODULES/lkvm_$1.ko" 2>err
	ok $? "$1: loads" || evidence err
	program "$1" "$1"
	rmmod "lkvm_$1" 2>err
	ok $? "$1: unloads" || evidence err
}
