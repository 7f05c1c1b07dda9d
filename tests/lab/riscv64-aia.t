#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The guest's matrix on a riscv64 host with AIA.

LAB_HOST="-M aia=aplic-imsic,aia-guests=3 ${LAB_HOST-}"
. "$(dirname "$0")/matrix.sh"
lab_only riscv64 -- "for riscv64 only"
lab_enter 150 "$0"

matrix "pci.1 mmio.4" aia
restart
ends

done_testing
