#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Eight vCPUs at BARs: four toggle memory decode and move them, four read.
#
#	STRESS=100000	moves in all; the default is what takes seconds
set -u
cd "$(dirname "$0")/../.."
. tests/payload/lib.sh

: "${STRESS:=2000}"
truncate -s 1M "$T/a" "$T/b"
LIMIT=$((300 + STRESS / 20))
guest bar-stress -c 8 -d "$T/a,queues=2" -d "$T/b,queues=3" -p "stress=$STRESS live=$((STRESS / 200 + 20))"

finish
