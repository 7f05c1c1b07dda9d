#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The guest's matrix on an arm64 host whose GIC is version 2.

LAB_HOST="-M gic-version=2 ${LAB_HOST-}"
. "$(dirname "$0")/matrix.sh"
lab_only arm64 -- "for arm64 only"
lab_enter 150 "$0"

matrix "pci.1 mmio.4" gicv2m gicv2
restart

done_testing
