#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The guest's matrix on an arm64 host with VHE.

LAB_HOST="-C neoverse-n1 ${LAB_HOST-}"
. "$(dirname "$0")/matrix.sh"
lab_only arm64 -- "for arm64 only"
lab_enter 150 "$0"

matrix "pci.1 mmio.4" gicv3-its gicv3
restart
ends

done_testing
