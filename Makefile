# SPDX-License-Identifier: GPL-2.0-only
#
# lkvm. `make help` lists the targets and variables.

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:

S := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
ifneq ($(S),.)
$(error run make in the source tree; use O=DIR to build elsewhere)
endif
O ?= build
ifneq ($(filter 1,$(V)),)
Q :=
else
Q := @
endif
say = @printf '  %-7s %s\n' '$(1)' '$(2)'

VERSION := $(shell cat VERSION)

# --- what we build for, and with

CROSS_COMPILE ?=
ifeq ($(origin CC),default)
CC := $(CROSS_COMPILE)gcc
endif
ifeq ($(origin AR),default)
AR := $(CROSS_COMPILE)ar
endif
STRIP ?= $(CROSS_COMPILE)strip
PKG_CONFIG ?= $(CROSS_COMPILE)pkg-config
# Without a compiler, `make check` and `make demo` install one: till then it is this machine's.
ARCH ?= $(or $(shell $(CC) -dumpmachine 2>/dev/null | sed 's/-.*//'),$(shell uname -m))
arch.x86_64 := x86
arch.amd64 := x86
arch.x86 := x86
arch.aarch64 := arm
arch.arm64 := arm
arch.riscv64 := riscv
arch.riscv := riscv
A := $(arch.$(ARCH))
ifeq ($(wildcard $(A)/machine.c),)
$(error ARCH=$(ARCH) is not an architecture lkvm runs on in this version (x86_64))
endif

prefix ?= /usr/local
PREFIX ?= $(prefix)
DESTDIR ?=

# --- flags

WERROR ?= 0
warn := -Wall -Wextra -Wstrict-prototypes -Wmissing-prototypes -Wshadow -Wpointer-arith -Wwrite-strings \
	-Wformat=2 -Wundef -Wold-style-definition -Wno-unused-parameter -Wno-missing-field-initializers
ifeq ($(WERROR),1)
warn += -Werror
endif
harden := -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-clash-protection -fcf-protection=none
OPT ?= -O2 -g
SAN ?=
ifneq ($(SAN),)
# SAN=address is ASan with UBSan, SAN=thread is TSan
san.address := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
san.thread := -fsanitize=thread -fno-omit-frame-pointer
sanflags := $(san.$(SAN))
ifeq ($(sanflags),)
$(error SAN=$(SAN): address or thread)
endif
harden :=
OPT := -O1 -g
endif
CFLAGS ?=
base := -std=gnu11 $(OPT) $(warn) $(harden) $(sanflags) -Iinclude -I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 \
	-fno-strict-aliasing -fno-common -ffunction-sections -fdata-sections
ldbase := $(sanflags) -Wl,--gc-sections -Wl,-z,relro -Wl,-z,now -pthread

# --- optional libraries: name, pkg-config module, what it is for

libs := aio uring zlib zstd lzma
mod.uring := liburing
mod.zlib := zlib
mod.zstd := libzstd
mod.lzma := liblzma
MINIMAL ?= 0
ifeq ($(MINIMAL),1)
have :=
else
# libaio ships no pkg-config file: ask the compiler
hash := \#
have.aio := $(shell printf '$(hash)include <libaio.h>\nint main(void){return io_setup(0,0);}' | \
	$(CC) -xc - -laio -o /dev/null 2>/dev/null && echo aio)
have := $(have.aio) $(foreach l,$(filter-out aio,$(libs)),$(shell $(PKG_CONFIG) --exists $(mod.$(l)) 2>/dev/null && echo $(l)))
endif
LIBS_OFF ?=
have := $(filter-out $(LIBS_OFF),$(have))
upper = $(shell echo $(1) | tr a-z A-Z)
libdefs := $(foreach l,$(have),-DHAVE_$(call upper,$(l)))
libcflags := $(foreach l,$(filter-out aio,$(have)),$(shell $(PKG_CONFIG) --cflags $(mod.$(l))))
libflags := $(if $(filter aio,$(have)),-laio) $(foreach l,$(filter-out aio,$(have)),$(shell $(PKG_CONFIG) --libs $(mod.$(l))))
libflags_static := $(if $(filter aio,$(have)),-laio) \
	$(foreach l,$(filter-out aio,$(have)),$(shell $(PKG_CONFIG) --static --libs $(mod.$(l))))

cflags := $(base) $(libdefs) $(libcflags) -DLKVM_VERSION='"$(VERSION)"' -DLKVM_LIBS='"$(strip $(foreach l,$(libs),$(if $(filter $(l),$(have)),+,-)$(l)))"' $(CFLAGS)

# --- sources

dirs := . util hw virtio disk chardev $(A)
srcs := $(patsubst ./%,%,$(foreach d,$(dirs),$(wildcard $(d)/*.c)))
objs := $(srcs:%.c=$(O)/%.o)

all: $(O)/lkvm

-include $(objs:.o=.d)

# Rebuild all when the flags change, and only then.
$(O)/flags: force
	@mkdir -p $(O)
	@echo '$(CC) $(cflags) $(ldbase) $(LDFLAGS)' | cmp -s - $@ || echo '$(CC) $(cflags) $(ldbase) $(LDFLAGS)' > $@

$(O)/%.o: %.c $(O)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(cflags) -fPIE -pthread -MMD -MP -c -o $@ $<

$(O)/lkvm: $(objs)
	$(call say,LINK,$@)
	$(Q)$(CC) $(cflags) $(ldbase) -pie $(LDFLAGS) -o $@ $^ $(libflags) $(LDLIBS)

lkvm-static: $(O)/lkvm-static
$(O)/lkvm-static: $(objs)
	$(call say,LINK,$@)
	$(Q)$(CC) $(cflags) $(ldbase) -static $(LDFLAGS) -o $@ $^ $(libflags_static) $(LDLIBS)

# No optional library, static, stripped: for images where every byte is carried.
minimal:
	$(Q)$(MAKE) --no-print-directory O=$(O)/minimal MINIMAL=1 OPT='-Os' lkvm-static
	$(Q)$(STRIP) -o $(O)/lkvm-minimal $(O)/minimal/lkvm-static
	$(call say,MADE,$(O)/lkvm-minimal)

# --- tests. `make check` does all of it, set-up included

unit_src := $(wildcard tests/*-test.c tests/*/*-test.c)
unit_bin := $(unit_src:%.c=$(O)/%)
test_headers := $(wildcard *.h include/*/*.h tests/*.h $(foreach d,$(dirs),$(d)/*.h tests/$(d)/*.h))
# A unit test names the sources it is linked with in a line " * links: a.c b/c.c".
test_links = $(shell sed -n 's/^ \* links: *//p' $(1))

define unit_rule
$(O)/$(1): $(1).c $(call test_links,$(1).c) $(test_headers) $(O)/flags
	@mkdir -p $$(@D)
	$$(call say,TEST,$(1))
	$$(Q)$(CC) $$(cflags) -Wno-missing-prototypes -pthread -o $$@ $(1).c $(call test_links,$(1).c) $$(ldbase) $$(libflags)
endef
$(foreach t,$(unit_src:.c=),$(eval $(call unit_rule,$(t))))

# Bare-metal guests: each .S or .c of tests/guest/$(A) is an image, made by the rules there.
-include tests/guest/$(A)/rules.mk

# libFuzzer targets: tests/fuzz/NAME.c names its sources like a unit test. Needs clang.
FUZZ_CC ?= clang
fuzz_src := $(wildcard tests/fuzz/*.c)
fuzz_bin := $(fuzz_src:%.c=$(O)/%)
define fuzz_rule
$(O)/$(1): $(1).c $(call test_links,$(1).c) $(test_headers) $(O)/flags
	@mkdir -p $$(@D)
	$$(call say,FUZZ,$(1))
	$$(Q)$(FUZZ_CC) $(filter-out -fcf-protection=none -fstack-clash-protection -fsanitize=%,$$(base)) $$(libdefs) $$(libcflags) -O1 \
		-Wno-missing-prototypes -fsanitize=fuzzer,address,undefined -pthread -o $$@ $(1).c $(call test_links,$(1).c) $$(libflags)
endef
$(foreach t,$(fuzz_src:.c=),$(eval $(call fuzz_rule,$(t))))

unit-bins: $(unit_bin)
guest-bins: $(guest_bin)
fuzz-bins: $(fuzz_bin)

# Tier 1 with this build's flags: `make check-unit`, `make check-unit SAN=address O=build/asan`
check-unit: $(unit_bin)
	prove --exec '' $(unit_bin)

# Tier 2 against this build.
check-payload: $(O)/lkvm $(guest_bin)
	LKVM=$(abspath $(O))/lkvm GUESTS=$(abspath $(O))/tests/guest/$(A) prove tests/payload/*.t

# Tier 3 against this build.
check-lab: $(O)/lkvm
	LKVM=$(abspath $(O))/lkvm prove --timer tests/lab/*.t

# Tier 4: FUZZ_SECONDS for each target.
FUZZ_SECONDS ?= 60
check-fuzz: $(fuzz_bin)
	FUZZ_SECONDS=$(FUZZ_SECONDS) FUZZ_DIR=$(abspath $(O))/tests/fuzz prove tests/fuzz/*.t

check:
	$(Q)O='$(O)' MAKE='$(MAKE)' tests/check

demo:
	$(Q)O='$(O)' MAKE='$(MAKE)' scripts/demo

bench: $(O)/lkvm $(guest_bin)
	$(Q)O='$(abspath $(O))' LKVM=$(abspath $(O))/lkvm CC='$(CC)' bench/run

# --- installing

install: $(O)/lkvm
	install -D -m 755 $(O)/lkvm $(DESTDIR)$(PREFIX)/bin/lkvm
	install -D -m 644 Documentation/lkvm.1 $(DESTDIR)$(PREFIX)/share/man/man1/lkvm.1
	install -D -m 644 scripts/lkvm.bash-completion $(DESTDIR)$(PREFIX)/share/bash-completion/completions/lkvm

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/lkvm $(DESTDIR)$(PREFIX)/share/man/man1/lkvm.1 \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/lkvm

clean:
	rm -rf $(O)

define help_text
Targets
  all             $(O)/lkvm (the default)
  lkvm-static     $(O)/lkvm-static
  minimal         $(O)/lkvm-minimal: static, stripped, no optional library
  demo            set up, build, and boot a stock Debian kernel with a disk
  check           set up, and run every tier of tests
  check-unit check-payload check-lab check-fuzz    one tier, with this build's flags
  bench           measure beside a floor and peers
  install uninstall clean help
Variables
  O=DIR           build there (default: build)
  ARCH=  CROSS_COMPILE=  CC=  CFLAGS=  LDFLAGS=
  PREFIX=/usr/local  DESTDIR=
  WERROR=1        warnings are errors
  SAN=address     ASan and UBSan; SAN=thread: TSan
  MINIMAL=1       no optional library; LIBS_OFF="aio uring ..." leaves some out
  V=1             show commands
endef
export help_text
help:
	@printf '%s\n' "$$help_text"

force:
.PHONY: all force lkvm-static minimal unit-bins guest-bins fuzz-bins check check-unit check-payload check-lab check-fuzz \
	demo bench install uninstall clean help
