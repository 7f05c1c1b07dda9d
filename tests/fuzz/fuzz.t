#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# One test a fuzz target: libFuzzer runs it for a while and finds nothing. What it does find is printed in base64.
#
#	FUZZ_DIR      where the targets were built (build/tests/fuzz)
#	FUZZ_SECONDS  for each target (60)
#	FUZZ_JOBS     targets at a time (the number of CPUs)
#	FUZZ_KEEP     a folder: corpora grow in FUZZ_KEEP/NAME and are there the next time; artifacts stay there too
#
# What starts a target is tests/fuzz/corpus/NAME where there is one, and what is in FUZZ_KEEP.
set -u
cd "$(dirname "$0")/../.."
: "${FUZZ_DIR:=build/tests/fuzz}" "${FUZZ_SECONDS:=60}" "${FUZZ_JOBS:=$(nproc)}" "${FUZZ_CC:=clang}" "${FUZZ_KEEP:=}"

T=$(mktemp -d)
running=()
# Ended early: so do the targets.
trap '[ ${#running[@]} = 0 ] || kill "${running[@]}" 2> /dev/null; rm -rf "$T"' EXIT
trap 'exit 1' INT TERM HUP

names=()
missing=()
for f in tests/fuzz/*.c; do
	name=$(basename "$f" .c)
	names+=("$name")
	[ -x "$FUZZ_DIR/$name" ] || missing+=("$name")
done

if [ ${#missing[@]} -gt 0 ]; then
	if ! command -v "$FUZZ_CC" > /dev/null; then
		echo "1..0 # SKIP no $FUZZ_CC"
		exit 0
	fi
	echo 'int LLVMFuzzerTestOneInput(const char *p, unsigned long n) { return 0; }' > "$T/probe.c"
	if ! "$FUZZ_CC" -fsanitize=fuzzer,address,undefined -o "$T/probe" "$T/probe.c" 2> /dev/null; then
		echo "1..0 # SKIP $FUZZ_CC has no libFuzzer (Debian: libclang-rt-dev)"
		exit 0
	fi
fi

start() {
	local name=$1 work=${FUZZ_KEEP:+$FUZZ_KEEP/$1} corpora
	[ -n "$work" ] || work=$T/corpus/$name
	mkdir -p "$work" "$T/found/$name"
	corpora=("$work")	# new inputs go to the first
	[ -d "tests/fuzz/corpus/$name" ] && corpora+=("tests/fuzz/corpus/$name")
	"$FUZZ_DIR/$name" -max_total_time="$FUZZ_SECONDS" -entropic=0 -timeout=100 -rss_limit_mb=2048 -artifact_prefix="$T/found/$name/" \
		-print_final_stats=1 "${corpora[@]}" > "$T/$name.log" 2>&1 < /dev/null &
	running+=($!)
}

count=0 failures=0
finish() {
	local name=$1 pid=$2 status=0 artifact
	wait "$pid" || status=$?
	count=$((count + 1))
	if [ $status = 0 ]; then
		echo "ok $count - $name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$T/$name.log") inputs"
		return
	fi
	failures=$((failures + 1))
	echo "not ok $count - $name"
	echo "# status $status"
	grep -a -A 25 -m 1 'ERROR:\|runtime error:' "$T/$name.log" | sed 's/^/# /'
	for artifact in "$T/found/$name"/*; do
		[ -f "$artifact" ] || continue
		echo "# $(basename "$artifact"), $(wc -c < "$artifact") bytes; base64 -d, then $name FILE:"
		base64 -w 100 "$artifact" | sed 's/^/#   /'
		[ -z "$FUZZ_KEEP" ] || cp "$artifact" "$FUZZ_KEEP/$name-$(basename "$artifact")"
	done
}

echo "1..${#names[@]}"
i=0
while [ $i -lt ${#names[@]} ]; do
	batch=("${names[@]:i:FUZZ_JOBS}")
	i=$((i + ${#batch[@]}))
	running=()
	for name in "${batch[@]}"; do
		if [ -x "$FUZZ_DIR/$name" ]; then
			start "$name"
		else
			running+=(0)
		fi
	done
	for k in "${!batch[@]}"; do
		if [ "${running[k]}" = 0 ]; then
			count=$((count + 1)) failures=$((failures + 1))
			echo "not ok $count - ${batch[k]}"
			echo "# not built in $FUZZ_DIR"
		else
			finish "${batch[k]}" "${running[k]}"
		fi
	done
	running=()
done
[ $failures = 0 ]
