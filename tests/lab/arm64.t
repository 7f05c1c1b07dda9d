#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The guest's matrix on an arm64 host with EL2 and without VHE, whose GIC is version 3.

. "$(dirname "$0")/matrix.sh"
lab_only arm64 -- "for arm64 only"
lab_enter 150 "$0"

matrix all gicv3-its gicv3
restart
ends

done_testing
