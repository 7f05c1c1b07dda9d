#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# What scripts/ may not do to their user's files. Needs no network.
set -u
cd "$(dirname "$0")/.."
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
n=0 failed=0

# ok NAME: of the command before
ok() {
	if [ $? = 0 ]; then
		echo "ok $((n += 1)) - $1"
	else
		failed=1
		echo "not ok $((n += 1)) - $1"
		sed 's/^/# /' "$T/err"
	fi
}

if ! command -v bash > /dev/null; then
	echo "1..0 # SKIP no bash"
	exit
fi
export LKVM_CACHE="$T/cache"

mkdir "$T/mine"
echo precious > "$T/mine/file"
scripts/debs arm64 trixie "$T/mine" hello 2> "$T/err"
[ $? = 1 ] && grep -qF "'$T/mine' is there, and was not made by this script" "$T/err" && [ -e "$T/mine/file" ]
ok "debs does not replace a folder that it did not make"

scripts/debs --update arm64 trixie "$T/mine/file" hello 2> "$T/err"
[ $? = 1 ] && grep -q "was not made by this script" "$T/err" && [ "$(cat "$T/mine/file")" = precious ]
ok "... nor a file"

mkdir "$T/ours"
echo "arm64 trixie: hello" > "$T/ours/.debs"
scripts/debs arm64 trixie "$T/ours" hello 2> "$T/err" && [ ! -e "$T/cache" ]
ok "debs leaves a folder with what is asked for, and asks nobody"

echo "1..$n"
exit $failed
