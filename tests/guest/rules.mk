# SPDX-License-Identifier: GPL-2.0-only
#
# Bare-metal guests: *.c here are every architecture's, those in $(A)/ one's; each is an image NAME.elf (x86: ELF; arm, riscv: a flat image with the
# header of a Linux Image, for which lkvm does not care about names). $(A)/rules.mk says how they are made.

g := tests/guest/$(A)
guest_elf := $(patsubst %.c,$(O)/$(g)/%.elf,$(notdir $(wildcard tests/guest/*.c $(g)/*.c)))
guest_bin := $(guest_elf)
guest_cflags := -std=gnu11 -O2 -Wall -Wextra -Wno-unused-parameter -ffreestanding -fno-pic -fno-stack-protector \
	-fno-asynchronous-unwind-tables -fno-tree-loop-distribute-patterns -Itests/guest -I$(g) -I. -Iinclude/uapi
guest_headers := $(wildcard tests/guest/*.h tests/guest/lib/*.h $(g)/*.h)
guest_ld := tests/guest/lib/image.ld
OBJCOPY ?= $(CROSS_COMPILE)objcopy
guest_flat_image := 1
guest_lib := lib/start.S lib/lib.c
guest_shared_lib := common.c fdt.c string.c

include $(g)/rules.mk

guest_lib_objs = $(guest_lib:%=$(O)/$(g)/%.o) $(guest_shared_lib:%=$(O)/$(g)/lib/shared/%.o)

$(O)/$(g)/lib/shared/%.o: tests/guest/lib/% $(guest_headers)
	@mkdir -p $(@D)
	$(Q)$(CC) $(guest_cflags) -c -o $@ $<

$(O)/$(g)/lib/%.o: $(g)/lib/% $(guest_headers)
	@mkdir -p $(@D)
	$(Q)$(CC) $(guest_cflags) -c -o $@ $<

define guest_rule
$(O)/$(g)/$(basename $(notdir $(1))).elf: $(1) $(guest_lib_objs) $(guest_ld) $(guest_headers)
	@mkdir -p $$(@D)
	$$(call say,GUEST,$(1))
	$$(Q)$$(CC) $$(guest_cflags) -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-T,$$(guest_ld) -o $$@ \
		$$(guest_lib_objs) $(1)
	$$(if $$(guest_flat_image),$$(Q)$$(OBJCOPY) -O binary $$@)
endef
$(foreach s,$(wildcard tests/guest/*.c $(g)/*.c),$(eval $(call guest_rule,$(s))))
