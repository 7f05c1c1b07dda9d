# SPDX-License-Identifier: GPL-2.0-only
# For payload tests: bash functions that run lkvm with bare-metal guests and speak TAP. Sourced.
#
#	LKVM    the binary to test        GUESTS  where the guests' images are
: "${LKVM:=build/lkvm}" "${GUESTS:=build/tests/guest/x86}"

# Whoever started us in the background of a script had INT and QUIT ignored, which a shell cannot take back for its children.
if [ -z "${LKVM_SIGNALS-}" ] && env --default-signal=INT,QUIT true 2> /dev/null; then
	export LKVM_SIGNALS=default
	exec env --default-signal=INT,QUIT bash "tests/payload/$(basename "$0")" "$@"
fi

export TSAN_OPTIONS="suppressions=$PWD/tests/payload/tsan.supp ${TSAN_OPTIONS-}"

T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
export XDG_RUNTIME_DIR=$T/run	# control sockets go here, not to the user's folder
mkdir -m 700 "$XDG_RUNTIME_DIR"
count=0 failures=0

skip_all() { echo "1..0 # SKIP $*"; exit 0; }
[ -x "$LKVM" ] || skip_all "no $LKVM"
[ -r /dev/kvm ] && [ -w /dev/kvm ] || skip_all "no /dev/kvm that we may open"

# lkvm_run [OPTIONS]: one run, bounded; leaves $status, $T/out, $T/err
lkvm_run() {
	status=0
	timeout -k 5 "${LIMIT:-60}" "$LKVM" run -m 64 -c 1 "$@" < "${STDIN:-/dev/null}" > "$T/out" 2> "$T/err" || status=$?
}

# report NAME: the checks since the last report
problems=
problem() { problems="$problems$*"$'\n'; }
report() {
	count=$((count + 1))
	if [ -z "$problems" ]; then
		echo "ok $count - $1"
	else
		failures=$((failures + 1))
		echo "not ok $count - $1"
		printf '%s' "$problems" | sed 's/^/# /'
		sed 's/^/# err: /' "$T/err" 2> /dev/null | head -n 20
	fi
	problems=
}
skip() { count=$((count + 1)); echo "ok $count - $1 # SKIP $2"; }

want_status() { [ "$status" = "$1" ] || problem "status $status, want $1"; }
want_err() { grep -qF -- "$1" "$T/err" || problem "stderr lacks: $1"; }
want_out() { grep -qF -- "$1" "$T/out" || problem "stdout lacks: $1"; }
# Exactly one line on stderr, and it is the Fatal one
want_one_line() { [ "$(wc -l < "$T/err")" = 1 ] || problem "stderr has $(wc -l < "$T/err") lines, want 1"; }

# guest NAME OPTIONS...: a guest that speaks TAP; its every check, under its own name. $TAP: the file it comes out in, if not stdout
guest() {
	local name=$1 line before=$count tap=${TAP:-$T/out}
	shift
	: > "$tap"
	lkvm_run -k "$GUESTS/$name.elf" --timeout $((${LIMIT:-60} * 9 / 10)) "$@"
	while IFS= read -r line; do
		case $line in
		"ok "*) report "$name: ${line#* - }" ;;
		"not ok "*) problem "failed in the guest"; report "$name: ${line#* - }" ;;
		"#"*) echo "$line" ;;
		esac
	done < "$tap"
	want_status 0
	[ "$(tail -n 1 "$tap")" = "1..$((count - before))" ] || problem "the guest did not get to its end: $(tail -n 3 "$tap")"
	grep -qE 'Sanitizer|runtime error:' "$T/err" && problem "a sanitizer found something"
	report "$name: ran to its end $*"
}

finish() { echo "1..$count"; [ $failures = 0 ]; exit; }
