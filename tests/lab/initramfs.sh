# SPDX-License-Identifier: GPL-2.0-only
#
# Sourced by mkguest and host, with $here their folder: builds an initramfs from busybox, some modules of a kernel in the cache (see fetch) and an
# init script. Needs no root: all files are made root's in the archive, and the two device nodes come from devtmpfs.

# module_order KERNELDIR NAME...: the files of these modules and of all they need, in an order in which insmod can load
# them. One that this kernel has built in is left out.
module_order() {
	local dir=$1
	shift
	awk -v want="$*" '
		{ sub(/:$/, "", $1); m = $1; $1 = ""; deps[m] = $0 }
		END {
			n = split(want, w)
			for (i = 1; i <= n; i++) {
				gsub(/-/, "_", w[i])
				add(w[i])
			}
		}
		function add(m,  d, k, c) {
			if (!(m in deps) || (m in done)) return
			done[m] = 1
			c = split(deps[m], d)
			for (k = c; k >= 1; k--) add(d[k])
			print m ".ko"
		}' "$dir/modules.dep"
}

# lab_busybox ARCH: a static busybox for it
lab_busybox() {
	local own=$(uname -m) rootfs
	if [ "$1" = "${own/#aarch64/arm64}" ]; then
		command -v busybox || { echo "no busybox here (scripts/setup test installs it)" >&2; return 1; }
	else
		rootfs=$("$here/rootfs" "$1") && echo "$rootfs/bin/busybox"
	fi
}

# make_initramfs OUT BUSYBOX KERNELDIR INIT NAME...: appears complete or not at all, so two makers of the same file are fine.
make_initramfs() {
	local out=$1 busybox=$2 dir=$3 init=$4 root
	shift 4
	root=$(mktemp -d)
	mkdir -p "$root"/{bin,dev,proc,sys,tmp,mnt,lib/modules}
	cp "$busybox" "$root/bin/busybox"
	cp "$init" "$root/init"
	chmod 755 "$root/init"
	module_order "$dir" "$@" >"$root/lib/modules/order"
	(cd "$dir/modules" && xargs -r cp -t "$root/lib/modules") <"$root/lib/modules/order"
	(cd "$root" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet) >"$out.$$" && mv -f "$out.$$" "$out"
	local r=$?
	rm -rf "$root"
	return $r
}
