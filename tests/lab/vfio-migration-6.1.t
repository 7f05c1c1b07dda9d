#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Migration of VFIO devices on Linux 6.1: see vfio-migration.sh.
# shellcheck disable=SC2034
release=6.1
. "$(dirname "$0")/vfio-migration.sh"
