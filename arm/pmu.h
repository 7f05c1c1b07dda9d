/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ARM_PMU_H
#define ARM_PMU_H

struct cpu_list;

/*
 * The number of the PMU in @dir (sysfs: event_source/devices) whose CPUs include @cpus. -ENOENT: none there tells its CPUs; -ESRCH: those
 * that do are of other CPUs; or -errno of @dir.
 */
int arm_pmu_find(const char *dir, const struct cpu_list *cpus, unsigned int *ret_id);

#endif
