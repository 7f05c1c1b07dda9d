#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# lkvm_pvlock and lkvm_ones on Linux 6.1: see kernel.sh.
# shellcheck disable=SC2034
release=6.1
. "$(dirname "$0")/kernel.sh"
