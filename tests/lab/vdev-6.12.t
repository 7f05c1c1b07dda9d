#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# lkvm_vdev in a guest of ours, on Linux 6.12: see vdev.sh.
# shellcheck disable=SC2034
release=6.12
. "$(dirname "$0")/vdev.sh"
