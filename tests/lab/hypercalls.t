#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What only arm64 vCPUs have: tests/payload/arm64.t on a host whose KVM has a filter for hypercalls, SVE and pointer authentication.

LAB_HOST="-k 6.12 -C max,pauth-impdef=on ${LAB_HOST-}"
. "$(dirname "$0")/lab.sh"
lab_only arm64 -- "for arm64 only"
lab_guests smccc
lab_enter 30 "$0"
lab_payload arm64.t
