# SPDX-License-Identifier: GPL-2.0-only

guest_cflags += -march=rv64gc -mabi=lp64d -mcmodel=medany -mno-relax -msmall-data-limit=0
