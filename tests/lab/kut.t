#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# kvm-unit-tests as their own run_tests.sh runs them with kvmtool, and KVMTOOL=lkvm. They are not in Debian: KUT names a built checkout
# (./configure --arch=arm64|riscv64 --target=kvmtool --cross-prefix=...; make), of this architecture. x86's are tests/payload/kut.t's.

. "$(dirname "$0")/lab.sh"
lab_only arm64 riscv64 -- "x86-64's are run by tests/payload/kut.t"
[ -n "${KUT-}" ] || lab_skip "kvm-unit-tests are not in Debian: KUT=DIR names a built checkout"
[ -x "$KUT/run_tests.sh" ] && grep -qs "^ARCH=$LAB_ARCH\$" "$KUT/config.mak" && grep -qs '^TARGET=kvmtool' "$KUT/config.mak" ||
	lab_skip "$KUT is no checkout built for $LAB_ARCH and kvmtool"
KUT=$(readlink -f "$KUT")
export KUT
lab_enter 200 "$0"

# What KVM itself, or the emulated host, cannot; the reason is in Documentation/testing.md
known=" ${KUT_KNOWN-} "
[ "$LAB" != emulated ] || known="$known pmu-event-introspection sbi "

mkdir bin && ln -s "$lkvm" bin/lkvm
export PATH=$W/bin:$PATH KVMTOOL=$W/bin/lkvm ACCEL=kvm
command -v getconf >/dev/null || { printf '#!/bin/bash\nnproc\n' >bin/getconf && chmod +x bin/getconf; }	# they ask for the CPUs
cd "$KUT" || exit 125
# A checkout that another architecture's machine configured takes that for its host. What is written in an emulated host is gone with it.
[ "$LAB" != emulated ] || sed -i "s/^HOST=.*/HOST=$(uname -m)/; s/^PRETTY_PRINT_STACKS=.*/PRETTY_PRINT_STACKS=no/" config.mak
timeout -k 5 1100 ./run_tests.sh >"$W/out" 2>"$W/err" </dev/null
while IFS= read -r line; do
	line=$(sed 's/\x1b\[[0-9;]*m//g' <<<"$line")
	read -r verdict name rest <<<"$line"
	case $verdict in
	PASS)	ok 0 "$name $rest" ;;
	SKIP)	tests=$((tests + 1)); echo "ok $tests - $name # SKIP $rest" ;;
	FAIL)
		if [[ $known == *" $name "* ]]; then
			tests=$((tests + 1))
			echo "not ok $tests - $name $rest # TODO not lkvm's"
		else
			ok 1 "$name $rest"
		fi
		[ -e "logs/$name.log" ] && grep -aE 'FAIL|ABORT|Fatal|Unhandled|EXIT' "logs/$name.log" | head -n 8 | sed 's/^/# /' ;;
	esac
done <"$W/out"
[ $tests -ge 3 ]
ok $? "they ran" || evidence "$W/out" "$W/err"
done_testing
