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
# Without a compiler, `make check` and `make demo` install one: till then it is this machine's.
made_for := $(or $(shell $(CC) -dumpmachine 2>/dev/null | sed 's/-.*//'),$(shell uname -m))
ARCH ?= $(made_for)
arch.x86_64 := x86
arch.amd64 := x86
arch.x86 := x86
arch.aarch64 := arm
arch.arm64 := arm
arch.riscv64 := riscv
arch.riscv := riscv
A := $(arch.$(ARCH))
ifeq ($(wildcard $(A)/machine.c),)
$(error ARCH=$(ARCH) is not an architecture lkvm runs on in this version (arm64, riscv64, x86_64))
endif
# As uname -m, Debian, and the names of compilers have it
uname.x86 := x86_64
uname.arm := aarch64
uname.riscv := riscv64
debian.arm := arm64
debian.riscv := riscv64
ifneq ($(A),$(arch.$(made_for)))
# clang makes code for all
ifneq ($(findstring clang,$(notdir $(CC))),)
override CC := $(CC) --target=$(uname.$(A))-linux-gnu
else
$(error $(CC) $(if $(shell command -v $(firstword $(CC))),makes code for $(made_for),is not here): ARCH=$(ARCH) takes \
	CROSS_COMPILE=$(uname.$(A))-linux-gnu- (scripts/setup cross installs it))
endif
endif

# A cross build takes libraries and the kernel's headers from here, the C library from the compiler. scripts/sysroot makes one.
cross := $(if $(filter $(A),$(arch.$(shell uname -m))),,1)
SYSROOT ?= $(if $(cross),$(if $(debian.$(A)),$(shell scripts/sysroot --find $(debian.$(A)))))
sysroot := $(SYSROOT)
ifneq ($(cross),)
libdir := $(sysroot)/usr/lib/$(uname.$(A))-linux-gnu
PKG_CONFIG ?= PKG_CONFIG_SYSROOT_DIR=$(sysroot) PKG_CONFIG_LIBDIR=$(libdir)/pkgconfig:$(sysroot)/usr/share/pkgconfig pkg-config
ifneq ($(sysroot),)
rootflags := -isystem $(sysroot)/usr/include/$(uname.$(A))-linux-gnu -isystem $(sysroot)/usr/include
ldroot := -L$(libdir) -Wl,-rpath-link,$(libdir) -Wl,--unresolved-symbols=ignore-in-shared-libs
endif
else
PKG_CONFIG ?= $(CROSS_COMPILE)pkg-config
endif
# Does it build? A program on stdin, then flags.
try = $(CC) $(rootflags) -xc - $(ldroot) -o /dev/null 2>/dev/null

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
harden.x86 := -fcf-protection=none
harden := -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 $(harden.$(A)) \
	$(if $(and $(filter-out x86,$(A)),$(findstring clang,$(CC))),,-fstack-clash-protection)
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
base := -std=gnu11 $(OPT) $(unwind) $(warn) $(harden) $(sanflags) -Iinclude -I. $(uapiflags) $(rootflags) -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 \
	-fno-strict-aliasing -fno-common -ffunction-sections -fdata-sections
hash := \#
# Relocations in an eighth of the room, where the C library can read them (glibc 2.36) and the linker makes them
relr := $(if $(SAN),,$(shell grep -qs GLIBC_ABI_DT_RELR "$$($(CC) -print-file-name=libc.so.6)" && echo 'int main(void){return 0;}' | \
	$(try) -Wl,--fatal-warnings -Wl,-z,pack-relative-relocs && echo -Wl,-z,pack-relative-relocs))
ldbase := $(sanflags) $(ldroot) -Wl,--gc-sections -Wl,-z,relro -Wl,-z,now -pthread

# --- libfdt, for machines told by a device tree, and anywhere for their tests. Debian's has no pkg-config file: ask the compiler.

has_fdt := $(shell printf '$(hash)include <libfdt.h>\nint main(void){return fdt_check_header("");}' | $(try) -lfdt && echo 1)
dt := $(if $(filter arm riscv,$(A)),dt)
fdt := $(if $(dt),-lfdt)
define no_fdt
$(CC) finds no libfdt, which ARCH=$(ARCH) needs: $(if $(cross),`scripts/sysroot $(debian.$(A))` gets it,install Debian's libfdt-dev)
endef

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
have.aio := $(shell printf '$(hash)include <libaio.h>\nint main(void){return io_setup(0,0);}' | $(try) -laio && echo aio)
have.slirp := $(shell printf '$(hash)include <slirp/libslirp.h>\nint main(void){return !slirp_version_string();}' | $(try) -lslirp && echo slirp)
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
libflags := $(call lib_flags,$(have)) $(fdt)
libflags_static := $(call lib_flags,$(filter-out slirp,$(have)),--static) $(fdt)

# Those that few runs need are loaded by dlopen in the dynamic program, by these sources only (util/dl.h).
dl_libs := zlib zstd lzma slirp
dl_srcs := util/decompress.c $(wildcard net/user.c) builtin-version.c
libflags_dl := $(call lib_flags,$(filter-out $(dl_libs),$(have))) $(fdt)

# sandbox/gen/policy.c, a program of the build machine's, makes them
gen_dir := $(O)/gen$(SAN)
gen := $(if $(filter seccomp,$(have)),$(gen_dir)/sandbox-filters.h)

cflags := $(base) $(libdefs) $(libcflags) $(if $(gen),-I$(gen_dir)) -DLKVM_VERSION='"$(VERSION)"' -DLKVM_LIBS='"$(strip $(foreach l,$(libs),$(if $(filter $(l),$(have)),+,-)$(l)))"' $(CFLAGS)

# --- sources

dirs := . util hw virtio vfio disk chardev net sandbox $(dt) $(A)
srcs := $(patsubst ./%,%,$(foreach d,$(dirs),$(wildcard $(d)/*.c)))
objs := $(patsubst %.c,$(O)/%.o,$(filter-out util/dl.c,$(srcs)))
objs_dl := $(filter-out $(dl_srcs:%.c=$(O)/%.o),$(objs)) $(dl_srcs:%.c=$(O)/%.dl.o) $(O)/util/dl.o
# Nobody ships a static libslirp: the static program goes without.
static_srcs := net/user.c builtin-version.c
objs_static := $(filter-out $(static_srcs:%.c=$(O)/%.o),$(objs)) $(static_srcs:%.c=$(O)/%.static.o)

all: $(O)/lkvm

$(gen_dir)/policy: sandbox/gen/policy.c sandbox/gen/ioctls.h include/util/thread.h
	@mkdir -p $(@D)
	$(call say,HOSTCC,$<)
	$(Q)$(HOSTCC) -O1 -Wall -Wextra -D_GNU_SOURCE -Iinclude $(shell $(HOST_PKG_CONFIG) --cflags libseccomp 2>/dev/null) -o $@ $< \
		$(shell $(HOST_PKG_CONFIG) --libs libseccomp 2>/dev/null)

$(gen_dir)/sandbox-filters.h: $(gen_dir)/policy
	$(call say,GEN,$@)
	$(Q)$< $(uname.$(A)) $(if $(SAN),sanitize) > $@

# Rebuild all when the flags change, and only then.
$(O)/flags: force $(uapi) | $(gen)
	$(if $(and $(dt),$(if $(has_fdt),,no)),$(error $(no_fdt)))
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

$(O)/%.static.o: %.c $(O)/flags
	@mkdir -p $(@D)
	$(call say,CC,$< for the static program)
	$(Q)$(CC) $(subst +slirp,-slirp,$(filter-out -DHAVE_SLIRP,$(cflags))) -fPIE -pthread -MMD -MP -c -o $@ $<

$(O)/lkvm: $(objs_dl)
	$(call say,LINK,$@)
	$(Q)$(CC) $(cflags) $(ldbase) $(relr) -pie $(LDFLAGS) -o $@ $^ $(libflags_dl) -ldl $(LDLIBS)

lkvm-static: $(O)/lkvm-static
$(O)/lkvm-static: $(objs_static)
	$(call say,LINK,$@)
	$(Q)$(CC) $(cflags) $(ldbase) -static $(LDFLAGS) -o $@ $^ $(libflags_static) $(LDLIBS)

# No optional library, static, stripped: for images where every byte is carried. With musl where its compiler is (Debian's musl-tools).
# Not where libfdt is needed: Debian's is built for glibc.
MINIMAL_CC ?= $(if $(findstring file,$(origin CC)),$(if $(CROSS_COMPILE)$(dt),,$(shell command -v musl-gcc)))
minimal:
	$(Q)$(MAKE) --no-print-directory O=$(O)/minimal CC='$(or $(MINIMAL_CC),$(CC))' MINIMAL=1 OPT=-Os lkvm-static
	$(Q)$(STRIP) -o $(O)/lkvm-minimal $(O)/minimal/lkvm-static
	$(call say,MADE,$(O)/lkvm-minimal with $(or $(MINIMAL_CC),$(CC)))

# Both others from here: lkvm and lkvm-static of each, in folders of their own. Gets compilers and libraries.
crosses := arm64 riscv64
cross: $(crosses:%=cross-%)
cross-setup:
	$(Q)scripts/setup cross
$(crosses:%=cross-%): cross-%: cross-setup
	$(Q)root=$$(scripts/sysroot $*) && $(MAKE) --no-print-directory O='$(O)/$*' ARCH=$* CROSS_COMPILE=$(uname.$(arch.$*))-linux-gnu- \
		SYSROOT="$$root" all lkvm-static $(CROSS_TOO)

# --- tests. `make check` does all of it, set-up included

unit_all := $(wildcard tests/*-test.c tests/*/*-test.c)
# A test names the sources it is linked with in a line " * links: a.c b/c.c", and the machines it can be built for, if not all, in a line
# " * arch: arm riscv". (What is in tests/x86 is for x86.)
test_links := $(shell grep -H '^ \* links: ' $(unit_all) $(wildcard tests/fuzz/*.c) | sed 's/: \* links: */=/; s/  */,/g')
comma := ,
links_of = $(subst $(comma), ,$(patsubst $(1)=%,%,$(filter $(1)=%,$(test_links))))
not_here := $(if $(filter-out x86,$(A)),$(wildcard tests/x86/*-test.c)) \
	$(shell grep -H '^ \* arch: ' $(unit_all) | awk -v a=$(A) '{ for (i = 4; i <= NF; i++) { if ($$i == a) next }; sub(/:.*/, "", $$1); print $$1 }')
# Those of what a device tree needs, without libfdt
fdt_of = $(if $(filter dt/% arm/% riscv/%,$(call links_of,$(1))),-lfdt)
not_here += $(if $(has_fdt),,$(foreach t,$(unit_all),$(if $(call fdt_of,$(t)),$(t))))
unit_src := $(filter-out $(not_here),$(unit_all))
unit_bin := $(unit_src:%.c=$(O)/%)
unit_objs := $(patsubst %.c,$(O)/%.o,$(unit_src) $(sort $(foreach t,$(unit_src),$(call links_of,$(t)))))

$(O)/tests/%.o: tests/%.c $(O)/flags
	@mkdir -p $(@D)
	$(Q)$(CC) $(cflags) -Wno-missing-prototypes -fPIE -pthread -MMD -MP -c -o $@ $<

define unit_rule
$(O)/$(1): $(patsubst %.c,$(O)/%.o,$(1).c $(call links_of,$(1).c))
	$$(call say,TEST,$(1))
	$$(Q)$(CC) $$(cflags) $$(ldbase) -pie $$(LDFLAGS) -o $$@ $$^ $$(libflags) $(call fdt_of,$(1).c)
endef
$(foreach t,$(unit_src:.c=),$(eval $(call unit_rule,$(t))))

# Bare-metal guests: each .S or .c of tests/guest/$(A) is an image, made by the rules there.
include tests/guest/rules.mk

# libFuzzer targets: tests/fuzz/NAME.c names its sources like a unit test. Needs clang.
FUZZ_CC ?= clang
fuzz_src := $(wildcard tests/fuzz/*.c)
fuzz_bin := $(fuzz_src:%.c=$(O)/%)
fuzz_objs := $(patsubst %.c,$(O)/fuzz/%.o,$(fuzz_src) $(sort $(foreach t,$(fuzz_src),$(call links_of,$(t)))))
fuzz_cflags = $(filter-out -fcf-protection=none -fstack-clash-protection %unwind-tables -fsanitize=%,$(base)) $(libdefs) $(libcflags) -O1 \
	-Wno-missing-prototypes -pthread

$(O)/fuzz/flags: force $(O)/flags
	@mkdir -p $(@D)
	@echo '$(FUZZ_CC) $(fuzz_cflags)' | cmp -s - $@ || echo '$(FUZZ_CC) $(fuzz_cflags)' > $@

$(O)/fuzz/%.o: %.c $(O)/fuzz/flags
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(fuzz_cflags) -fsanitize=fuzzer-no-link,address,undefined -MMD -MP -c -o $@ $<

define fuzz_rule
$(O)/$(1): $(patsubst %.c,$(O)/fuzz/%.o,$(1).c $(call links_of,$(1).c))
	@mkdir -p $$(@D)
	$$(call say,FUZZ,$(1))
	$$(Q)$(FUZZ_CC) $$(fuzz_cflags) -fsanitize=fuzzer,address,undefined -o $$@ $$^ $$(libflags) $(call fdt_of,$(1).c)
endef
$(foreach t,$(fuzz_src:.c=),$(eval $(call fuzz_rule,$(t))))

-include $(patsubst %.o,%.d,$(sort $(objs) $(objs_dl) $(objs_static) $(unit_objs) $(fuzz_objs)))

unit-bins: $(unit_bin)
guest-bins: $(guest_bin)
# Those about this architecture. In a cross build qemu-user runs them, which has no seccomp and no landlock: the sandbox's is built only.
arch_bin := $(filter $(addprefix $(O)/tests/,$(A)/% dt/%),$(unit_bin))
arch-bins: $(arch_bin) $(filter $(O)/tests/sandbox/%,$(unit_bin))
EMULATOR ?= $(if $(cross),qemu-$(uname.$(A)) -L /usr/$(uname.$(A))-linux-gnu -E LD_LIBRARY_PATH=$(libdir))
check-arch: arch-bins
	prove --exec '$(EMULATOR)' $(arch_bin)
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

# Signals that nohup or a script's & had us ignore would be ignored by every lkvm that a test ends by one.
check:
	$(Q)env --default-signal=HUP,INT,QUIT,TERM,PIPE O='$(O)' MAKE='$(MAKE)' tests/check

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
  cross           $(O)/arm64 and $(O)/riscv64: lkvm and lkvm-static for those, compilers and libraries set up; cross-arm64, cross-riscv64
  minimal         $(O)/lkvm-minimal: static, stripped, no optional library; with musl where musl-gcc is
  demo            set up, build, and boot a stock Debian kernel with a disk
  check           set up, and run every tier of tests
  check-unit check-payload check-lab check-fuzz    one tier, with this build's flags
  check-arch      the unit tests about this architecture; in a cross build by qemu-user
  check-long      payload guests and fuzzing for hours: STRESS=100000 (moves of BARs) SOAK=2000 (boots) FUZZ_SECONDS=3600
  bench           measure beside a floor and peers; BENCH="start size" runs those parts, KVMTOOL=PATH is a peer
  install uninstall clean help
Variables
  O=DIR           build there (default: build)
  ARCH=arm64|riscv64|x86_64  CROSS_COMPILE=aarch64-linux-gnu-  SYSROOT=DIR (default: what scripts/sysroot made)
  CC=  CFLAGS=  LDFLAGS=
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
.PHONY: all force lkvm-static minimal cross cross-setup $(crosses:%=cross-%) unit-bins arch-bins guest-bins fuzz-bins check check-arch check-unit check-payload check-lab check-fuzz check-long \
	demo bench install uninstall clean help
