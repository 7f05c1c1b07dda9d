# SPDX-License-Identifier: GPL-2.0-only
# /proc/PID/status and /proc/PID/smaps: prints PEAK_KIB PRIVATE_KIB of the process, guest RAM left out, which is what is mapped of 256 MiB, be
# it in pieces. Fails as long as there is no RAM that was touched. The peak in status lags behind where the kernel counts pages by thread, so
# it is at least what smaps has now.
FILENAME ~ /status$/ { if ($1 == "VmHWM:") peak = $2; next }
/^[0-9a-f]+-[0-9a-f]+ / {	# a new block, or more of the one before
	split($1, at, "-")
	if (at[1] != end || $2 !~ /^rw/)
		block++
	end = at[2]
	next
}
$1 == "Size:" { size[block] += $2 }
$1 == "Rss:" { rss[block] += $2; now += $2 }
$1 == "Private_Dirty:" || $1 == "Private_Clean:" { private[block] += $2 }
END {
	for (i = 1; i <= block; i++) {
		if (size[i] >= 262144 && rss[i])
			touched += rss[i]
		else
			own += private[i]
	}
	if (!touched)
		exit 1
	print (peak > now ? peak : now) - touched, own
}
