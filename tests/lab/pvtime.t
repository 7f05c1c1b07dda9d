#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Stolen time on arm64 and riscv64: tests/payload/pvtime.t, which on x86-64 runs under this machine's own KVM.

. "$(dirname "$0")/lab.sh"
lab_only arm64 riscv64 -- "on x86-64 tests/payload runs it"
lab_guests pvtime
lab_enter 40 "$0"
lab_payload pvtime.t
