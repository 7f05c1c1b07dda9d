# SPDX-License-Identifier: GPL-2.0-only
#
# Bare-metal guests for x86: flat/*.S are flat 16-bit images (NAME.bin, loaded at 1000:0); *.c are 64-bit ELF images on a small library.

g := tests/guest/x86
guest_flat := $(patsubst %.S,$(O)/$(g)/%.bin,$(notdir $(wildcard $(g)/flat/*.S)))
guest_elf := $(patsubst %.c,$(O)/$(g)/%.elf,$(notdir $(wildcard $(g)/*.c)))
guest_bin := $(guest_flat) $(guest_elf)

guest_cflags := -std=gnu11 -O2 -Wall -Wextra -Wno-unused-parameter -m64 -ffreestanding -fno-pic -fno-stack-protector -fcf-protection=none \
	-mno-red-zone -mgeneral-regs-only -fno-asynchronous-unwind-tables -Itests/guest -I.

$(O)/$(g)/%.bin: $(g)/flat/%.S
	@mkdir -p $(@D)
	$(call say,GUEST,$<)
	$(Q)$(CC) -m32 -nostdlib -ffreestanding -static -fno-pic -Wl,--build-id=none -Wl,--oformat=binary -Wl,-Ttext=0 -Wl,-e,0 -o $@ $<

$(O)/$(g)/lib/%.o: $(g)/lib/% $(wildcard $(g)/lib/*.h tests/guest/*.h)
	@mkdir -p $(@D)
	$(Q)$(CC) $(guest_cflags) -c -o $@ $<

$(O)/$(g)/%.elf: $(g)/%.c $(O)/$(g)/lib/start.S.o $(O)/$(g)/lib/lib.c.o $(g)/lib/guest.ld $(wildcard $(g)/*.h $(g)/lib/*.h tests/guest/*.h)
	@mkdir -p $(@D)
	$(call say,GUEST,$<)
	$(Q)$(CC) $(guest_cflags) -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-T,$(g)/lib/guest.ld -o $@ \
		$(O)/$(g)/lib/start.S.o $(O)/$(g)/lib/lib.c.o $<
