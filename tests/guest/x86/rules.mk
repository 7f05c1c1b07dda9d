# SPDX-License-Identifier: GPL-2.0-only
#
# For x86: 64-bit ELF images, and flat/*.S, flat 16-bit ones (NAME.bin, loaded at 1000:0).

guest_flat := $(patsubst %.S,$(O)/$(g)/%.bin,$(notdir $(wildcard $(g)/flat/*.S)))
guest_bin += $(guest_flat)
guest_cflags += -m64 -fcf-protection=none -mno-red-zone -mgeneral-regs-only
guest_ld := $(g)/lib/guest.ld
guest_flat_image :=
guest_shared_lib := common.c

$(O)/$(g)/%.bin: $(g)/flat/%.S
	@mkdir -p $(@D)
	$(call say,GUEST,$<)
	$(Q)$(CC) -m32 -nostdlib -ffreestanding -static -fno-pic -Wl,--build-id=none -Wl,--oformat=binary -Wl,-Ttext=0 -Wl,-e,0 -o $@ $<
