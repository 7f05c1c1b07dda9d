#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# What holds for the tree as a whole: licences, layering, and that help, man page and program agree.
set -u
cd "$(dirname "$0")/.."
LKVM=${LKVM:-${O:-build}/lkvm}
n=0 failed=0

# ok NAME: passes when the file of findings is empty
found=$(mktemp)
trap 'rm -f "$found"' EXIT
ok() {
	n=$((n + 1))
	if [ -s "$found" ]; then
		failed=1
		echo "not ok $n - $1"
		sed 's/^/# /' "$found"
	else
		echo "ok $n - $1"
	fi
	: > "$found"
}

# In a work tree: what git tracks or would; in an unpacked archive: everything.
files() {
	git ls-files --cached --others --exclude-standard 2> /dev/null || find . -type f -not -path './build*' -not -path './.git/*' | sed 's|^\./||'
}

files | while read -r f; do
	[ -f "$f" ] || continue
	case $f in VERSION | .gitignore | COPYING | *.bin | tests/fuzz/corpus/*) continue ;; esac
	head -n 4 "$f" | grep -q 'SPDX-License-Identifier: GPL-2.0-only' || echo "$f"
done > "$found"
ok "every file says its licence"

# What belongs to this machine: where the tree is, and the package mirrors it is set up with
{
	pwd
	apt-get indextargets --format '$(SITE)' 2> /dev/null | sed 's|^[a-z]*://||; s|/.*||' | sort -u | grep '\.'
} > "$found.here"
files | while read -r f; do
	[ -f "$f" ] && grep -nHF -f "$found.here" "$f"
done > "$found"
rm -f "$found.here"
ok "no mirror's host name, no path of one machine"

# util <- core <- pci <- devices <- dt <- arch <- builtin: who may include what of the private headers
check_includes() { # folder, pattern of what it must not include
	for f in $(files | grep -E "^$1/.*\.[ch]$"); do
		[ -f "$f" ] && grep -nHE "^#include \"($2)" "$f"
	done
}
machines='x86/|arm/|riscv/|dt/'
devices='virtio/|hw/|vfio/|disk/|chardev/|net/'
backend='vmm/(vm|vcpu|memory|pci|irq|device|iomap|arch|virtio|hw)\.h|virtio/|hw/'
{
	check_includes util "vmm/|$devices|$machines|sandbox/|builtin"
	check_includes include "$devices|$machines|sandbox/|builtin"
	check_includes include/util 'vmm/'
	check_includes hw "virtio/|vfio/|$machines|disk/|builtin"
	check_includes virtio "hw/|vfio/|disk/|chardev/|net/|$machines|builtin"
	check_includes vfio "hw/|virtio/|disk/|chardev/|net/|$machines|sandbox/|builtin"
	check_includes include/uapi "util/|vmm/|$devices|$machines|builtin"
	check_includes kernel "util/|vmm/|$devices|$machines|sandbox/|builtin"
	check_includes disk "$backend|$machines|builtin"
	check_includes net "$backend|$machines|builtin"
	check_includes chardev "$backend|$machines|builtin"
	check_includes sandbox "vmm/|$devices|$machines|builtin"
	check_includes dt "$devices|x86/|arm/|riscv/|builtin"
	check_includes x86 "$devices|arm/|riscv/|dt/|builtin"
	check_includes arm "$devices|x86/|riscv/|builtin"
	check_includes riscv "$devices|x86/|arm/|builtin"
	for f in *.c; do
		case $f in builtin*.c | main.c) continue ;; esac
		grep -nHE '^#include "(x86|arm|riscv|dt|builtin|virtio|hw|vfio|disk|chardev|net)' "$f"
	done
} > "$found"
ok "includes run one way"

for f in $(files | grep '\.c$'); do
	case $f in builtin*.c | main.c | tests/* | bench/* | guest/* | kernel/* | sandbox/gen/*) continue ;; esac
	[ -f "$f" ] && grep -nHE '\b(exit|_exit|printf|puts|perror)\(' "$f" | grep -vE ':[0-9]+:\s*(\*|/\*)'
done > "$found"
ok "only builtin-*.c and main.c print or exit"

if [ -x "$LKVM" ]; then
	"$LKVM" run --list-options | tr -d = | sort > "$found.a"
	awk '/^\.S[SH]/ { other = /^\.SS Options of / } !other' Documentation/lkvm.1 | tr -d '\\' | grep -oE -- '^\.BR? .*' | grep -oE -- '--[a-z0-9-]+' | sort -u | grep -v -- --no- > "$found.b"
	diff "$found.a" "$found.b" > "$found"
	rm -f "$found.a" "$found.b"
	ok "the man page has the options that the program has"
else
	n=$((n + 1))
	echo "ok $n - the man page has the options that the program has # SKIP no $LKVM"
fi

if command -v man > /dev/null && man --version > /dev/null 2>&1; then
	LC_ALL=C.UTF-8 MANROFFSEQ='' MANWIDTH=80 man --warnings -l Documentation/lkvm.1 2>&1 > /dev/null | grep -v '^$' > "$found"
	ok "the man page formats without warnings"
else
	n=$((n + 1))
	echo "ok $n - the man page formats without warnings # SKIP no man"
fi

bash -n scripts/lkvm.bash-completion 2> "$found"
ok "the completion script parses"

echo "1..$n"
exit $failed
