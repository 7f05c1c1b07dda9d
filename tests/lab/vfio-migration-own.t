#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Migration of VFIO devices on our own kernel, which has what reports the devices' logs, and iommufd: see vfio-migration.sh.
# shellcheck disable=SC2034
release=own
. "$(dirname "$0")/vfio-migration.sh"
