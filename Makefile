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
# Nothing unwinds at run time (threads are never cancelled); debuggers have .debug_frame.
unwind := -fno-asynchronous-unwind-tables -fno-unwind-tables
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
unwind :=
OPT := -O1 -g
endif
CFLAGS ?=
# musl-gcc sees the headers of musl alone: the kernel's, which the compiler behind it has, come after those.
ifneq ($(findstring musl-gcc,$(notdir $(CC))),)
uapi := $(O)/uapi
uapiflags := -idirafter $(uapi)
endif
base := -std=gnu11 $(OPT) $(unwind) $(warn) $(harden) $(sanflags) -Iinclude -I. $(uapiflags) -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 \
	-fno-strict-aliasing -fno-common -ffunction-sections -fdata-sections
# Relocations in an eighth of the room, where the C library can read them (glibc 2.36)
relr := $(if $(SAN),,$(shell grep -qs GLIBC_ABI_DT_RELR "$$($(CC) -print-file-name=libc.so.6)" && echo -Wl,-z,pack-relative-relocs))
ldbase := $(sanflags) -Wl,--gc-sections -Wl,-z,relro -Wl,-z,now -pthread

# --- optional libraries: name, pkg-config module, what it is for

libs := aio uring zlib zstd lzma slirp seccomp
mod.uring := liburing
mod.zlib := zlib
mod.zstd := libzstd
mod.lzma := liblzma
asked := aio slirp seccomp
flags.aio := -laio
flags.slirp := -Wl,--as-needed -lslirp -Wl,--no-as-needed
MINIMAL ?= 0
ifeq ($(MINIMAL),1)
have :=
else
# libaio ships no pkg-config file, and that of libslirp wants one of glib's: ask the compiler
hash := \#
have.aio := $(shell printf '$(hash)include <libaio.h>\nint main(void){return io_setup(0,0);}' | \
	$(CC) -xc - -laio -o /dev/null 2>/dev/null && echo aio)
have.slirp := $(shell printf '$(hash)include <slirp/libslirp.h>\nint main(void){return !slirp_version_string();}' | \
	$(CC) -xc - -lslirp -o /dev/null 2>/dev/null && echo slirp)
have := $(have.aio) $(foreach l,$(filter-out $(asked),$(libs)),$(shell $(PKG_CONFIG) --exists $(mod.$(l)) 2>/dev/null && echo $(l))) $(have.slirp)
endif
# libseccomp makes the sandbox's filters while we build; nothing of it is linked in, so MINIMAL has them too
HOSTCC ?= cc
HOST_PKG_CONFIG ?= pkg-config
have += $(shell $(HOST_PKG_CONFIG) --exists libseccomp 2>/dev/null && echo seccomp)
LIBS_OFF ?=
have := $(filter-out $(LIBS_OFF),$(have))
upper = $(shell echo $(1) | tr a-z A-Z)
libdefs := $(foreach l,$(have),-DHAVE_$(call upper,$(l)))
libcflags := $(foreach l,$(filter-out $(asked),$(have)),$(shell $(PKG_CONFIG) --cflags $(mod.$(l))))
lib_flags = $(foreach l,$(1),$(if $(filter $(asked),$(l)),$(flags.$(l)),$(shell $(PKG_CONFIG) $(2) --libs $(mod.$(l)))))
libflags := $(call lib_flags,$(have))
libflags_static := $(call lib_flags,$(filter-out slirp,$(have)),--static)

# Those that few runs need are loaded by dlopen in the dynamic program, by these sources only (util/dl.h).
dl_libs := zlib zstd lzma slirp
dl_srcs := util/decompress.c $(wildcard net/user.c) builtin-version.c
libflags_dl := $(call lib_flags,$(filter-out $(dl_libs),$(have)))

# sandbox/gen/policy.c, a program of the build machine's, makes them
gen_dir := $(O)/gen$(SAN)
gen := $(if $(filter seccomp,$(have)),$(gen_dir)/sandbox-filters.h)
uname.x86 := x86_64
uname.arm := aarch64
uname.riscv := riscv64

cflags := $(base) $(libdefs) $(libcflags) $(if $(gen),-I$(gen_dir)) -DLKVM_VERSION='"$(VERSION)"' -DLKVM_LIBS='"$(strip $(foreach l,$(libs),$(if $(filter $(l),$(have)),+,-)$(l)))"' $(CFLAGS)

# --- sources

dirs := . util hw virtio disk chardev net sandbox $(A)
srcs := $(patsubst ./%,%,$(foreach d,$(dirs),$(wildcard $(d)/*.c)))
objs := $(patsubst %.c,$(O)/%.o,$(filter-out util/dl.c,$(srcs)))
objs_dl := $(filter-out $(dl_srcs:%.c=$(O)/%.o),$(objs)) $(dl_srcs:%.c=$(O)/%.dl.o) $(O)/util/dl.o

all: $(O)/lkvm

-include $(objs:.o=.d) $(objs_dl:.o=.d)

$(gen_dir)/policy: sandbox/gen/policy.c include/util/thread.h
	@mkdir -p $(@D)
	$(call say,HOSTCC,$<)
	$(Q)$(HOSTCC) -O1 -Wall -Wextra -D_GNU_SOURCE -Iinclude $(shell $(HOST_PKG_CONFIG) --cflags libseccomp 2>/dev/null) -o $@ $< \
		$(shell $(HOST_PKG_CONFIG) --libs libseccomp 2>/dev/null)

$(gen_dir)/sandbox-filters.h: $(gen_dir)/policy
	$(call say,GEN,$@)
	$(Q)$< $(uname.$(A)) $(if $(SAN),sanitize) > $@

# Rebuild all when the flags change, and only then.
$(O)/flags: force $(uapi) | $(gen)
	@mkdir -p $(O)
	@echo '$(CC) $(cflags) $(ldbase) $(LDFLAGS)' | cmp -s - $@ || echo '$(CC) $(cflags) $(ldbase) $(LDFLAGS)' > $@

$(O)/uapi:
	@mkdir -p $@
	@ln -sfn /usr/include/linux /usr/include/asm-generic /usr/include/$(shell $(CC) -print-multiarch)/asm $@

$(O)/%.o: %.c $(O)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(cflags) -fPIE -pthread -MMD -MP -c -o $@ $<

$(O)/%.dl.o: %.c $(O)/flags
	@mkdir -p $(@D)
	$(call say,CC,$< for dlopen)
	$(Q)$(CC) $(cflags) -DLIBS_BY_DLOPEN -fPIE -pthread -MMD -MP -c -o $@ $<

$(O)/lkvm: $(objs_dl)
	$(call say,LINK,$@)
	$(Q)$(CC) $(cflags) $(ldbase) $(relr) -pie $(LDFLAGS) -o $@ $^ $(libflags_dl) -ldl $(LDLIBS)

# Nobody ships a static libslirp: the static program goes without.
$(O)/net/user.o $(O)/builtin-version.o: private cflags := $(subst +slirp,-slirp,$(filter-out -DHAVE_SLIRP,$(cflags)))

lkvm-static: $(O)/lkvm-static
$(O)/lkvm-static: $(objs)
	$(call say,LINK,$@)
	$(Q)$(CC) $(cflags) $(ldbase) -static $(LDFLAGS) -o $@ $^ $(libflags_static) $(LDLIBS)

# No optional library, static, stripped: for images where every byte is carried. With musl where its compiler is (Debian's musl-tools).
MINIMAL_CC ?= $(if $(findstring file,$(origin CC)),$(if $(CROSS_COMPILE),,$(shell command -v musl-gcc)))
minimal:
	$(Q)$(MAKE) --no-print-directory O=$(O)/minimal CC='$(or $(MINIMAL_CC),$(CC))' MINIMAL=1 OPT=-Os lkvm-static
	$(Q)$(STRIP) -o $(O)/lkvm-minimal $(O)/minimal/lkvm-static
	$(call say,MADE,$(O)/lkvm-minimal with $(or $(MINIMAL_CC),$(CC)))

# --- tests. `make check` does all of it, set-up included

unit_src := $(wildcard tests/*-test.c tests/*/*-test.c)
unit_bin := $(unit_src:%.c=$(O)/%)
test_headers := $(gen) $(wildcard *.h include/*/*.h tests/*.h tests/fuzz/*.h $(foreach d,$(dirs),$(d)/*.h tests/$(d)/*.h))
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
include tests/guest/rules.mk

# libFuzzer targets: tests/fuzz/NAME.c names its sources like a unit test. Needs clang.
FUZZ_CC ?= clang
fuzz_src := $(wildcard tests/fuzz/*.c)
fuzz_bin := $(fuzz_src:%.c=$(O)/%)
define fuzz_rule
$(O)/$(1): $(1).c $(call test_links,$(1).c) $(test_headers) $(O)/flags
	@mkdir -p $$(@D)
	$$(call say,FUZZ,$(1))
	$$(Q)$(FUZZ_CC) $(filter-out -fcf-protection=none -fstack-clash-protection %unwind-tables -fsanitize=%,$$(base)) $$(libdefs) $$(libcflags) -O1 \
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

# Those of tiers 2 and 4 that can go on for as long as one likes, for long: the default, the ASan and the TSan build.
STRESS ?= 100000
SOAK ?= 2000
check-long: FUZZ_SECONDS = 3600
check-long: $(O)/lkvm $(guest_bin) $(fuzz_bin)
	$(Q)$(MAKE) --no-print-directory O='$(O)/asan' SAN=address all
	$(Q)$(MAKE) --no-print-directory O='$(O)/tsan' SAN=thread all
	$(Q)for b in lkvm asan/lkvm tsan/lkvm; do \
		LKVM=$(abspath $(O))/$$b GUESTS=$(abspath $(O))/tests/guest/$(A) STRESS=$(STRESS) SOAK=$(SOAK) \
			prove --timer tests/payload/*.t || exit; \
	done
	$(Q)FUZZ_SECONDS=$(FUZZ_SECONDS) FUZZ_DIR=$(abspath $(O))/tests/fuzz prove --timer tests/fuzz/*.t

check:
	$(Q)O='$(O)' MAKE='$(MAKE)' tests/check

demo:
	$(Q)O='$(O)' MAKE='$(MAKE)' scripts/demo

bench: $(O)/lkvm lkvm-static minimal $(guest_bin)
	$(Q)O='$(abspath $(O))' LKVM=$(abspath $(O))/lkvm CC='$(CC)' KVMTOOL='$(KVMTOOL)' BENCH='$(BENCH)' bench/run

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
  minimal         $(O)/lkvm-minimal: static, stripped, no optional library; with musl where musl-gcc is
  demo            set up, build, and boot a stock Debian kernel with a disk
  check           set up, and run every tier of tests
  check-unit check-payload check-lab check-fuzz    one tier, with this build's flags
  check-long      payload guests and fuzzing for hours: STRESS=100000 (moves of BARs) SOAK=2000 (boots) FUZZ_SECONDS=3600
  bench           measure beside a floor and peers; BENCH="start size" runs those parts, KVMTOOL=PATH is a peer
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
.PHONY: all force lkvm-static minimal unit-bins guest-bins fuzz-bins check check-unit check-payload check-lab check-fuzz check-long \
	demo bench install uninstall clean help
