/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Extensions of the ISA and of SBI by KVM's numbers (KVM_RISCV_ISA_EXT_*, KVM_RISCV_SBI_EXT_*: contiguous, never renumbered) and by
 * the names that options and the device tree have for them. [Documentation/virt/kvm/api 4.68; riscv-isa-manual; riscv-sbi 2.0]
 *
 * Each is what `--cpu host,-NAME` (host,-sbi-NAME) takes away, and so does `--disable-NAME` (--disable-sbi-NAME): machine.c makes those
 * options from these lists, cfg.machine.isa_off[number] and sbi_off[number] are what they set.
 */
#ifndef RISCV_ISA_NAMES_H
#define RISCV_ISA_NAMES_H

#define ISA_EXTENSIONS(X) \
	X(0, "a") X(1, "c") X(2, "d") X(3, "f") X(4, "h") X(5, "i") X(6, "m") X(7, "svpbmt") X(8, "sstc") X(9, "svinval") \
	X(10, "zihintpause") X(11, "zicbom") X(12, "zicboz") X(13, "zbb") X(14, "ssaia") X(15, "v") X(16, "svnapot") X(17, "zba") \
	X(18, "zbs") X(19, "zicntr") X(20, "zicsr") X(21, "zifencei") X(22, "zihpm") X(23, "smstateen") X(24, "zicond") X(25, "zbc") \
	X(26, "zbkb") X(27, "zbkc") X(28, "zbkx") X(29, "zknd") X(30, "zkne") X(31, "zknh") X(32, "zkr") X(33, "zksed") X(34, "zksh") \
	X(35, "zkt") X(36, "zvbb") X(37, "zvbc") X(38, "zvkb") X(39, "zvkg") X(40, "zvkned") X(41, "zvknha") X(42, "zvknhb") \
	X(43, "zvksed") X(44, "zvksh") X(45, "zvkt") X(46, "zfh") X(47, "zfhmin") X(48, "zihintntl") X(49, "zvfh") X(50, "zvfhmin") \
	X(51, "zfa") X(52, "ztso") X(53, "zacas") X(54, "sscofpmf") X(55, "zimop") X(56, "zca") X(57, "zcb") X(58, "zcd") X(59, "zcf") \
	X(60, "zcmop") X(61, "zawrs") X(62, "smnpm") X(63, "ssnpm") X(64, "svade") X(65, "svadu") X(66, "svvptc") X(67, "zabha") \
	X(68, "ziccrse") X(69, "zaamo") X(70, "zalrsc") X(71, "zicbop") X(72, "zfbfmin") X(73, "zvfbfmin") X(74, "zvfbfwma") \
	X(75, "zclsd") X(76, "zilsd") X(77, "zalasr")

#define SBI_EXTENSIONS(X) \
	X(0, "legacy") X(1, "time") X(2, "ipi") X(3, "rfence") X(4, "srst") X(5, "hsm") X(6, "pmu") X(7, "experimental") \
	X(8, "vendor") X(9, "dbcn") X(10, "sta") X(11, "susp") X(12, "fwft") X(13, "mpxy")

#endif
