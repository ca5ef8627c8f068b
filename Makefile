# trafficfs: `make demo` shows it, `make test` proves it, `make help` lists the rest.
# Each variant (release, asan, ubsan, tsan, fuzz) is built in a folder of its own.

.DEFAULT_GOAL := all

VARIANT ?= release
CC      ?= gcc
PREFIX  ?= /usr/local
CORPUS  ?= ../shared/corpus
V       ?=
Q       := $(if $(V),,@)

PACKAGES := fuse3 libpcap json-c yaml-0.1 libpcre2-8 expat zlib libbrotlidec libzstd libxxhash \
            libcap-ng libseccomp
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
        -Wvla -Werror
OPT_release := -O2 -g -fstack-protector-strong -D_FORTIFY_SOURCE=2
OPT_asan    := -O1 -g -fsanitize=address -fno-omit-frame-pointer
OPT_ubsan   := -O1 -g -fsanitize=undefined -fno-sanitize-recover=all
OPT_tsan    := -O1 -g -fsanitize=thread
OPT_fuzz    := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
ifeq ($(VARIANT),fuzz)
CC := clang
endif

BUILD := build$(if $(filter release,$(VARIANT)),,/$(VARIANT))
OBJ   := $(BUILD)/obj

# A plain `make test` uses all cores; who gives -j decides.
PARALLEL = $(if $(filter -j% --jobs%,$(MAKEFLAGS)),,-j$(shell nproc))

# Asked once, and only when something is compiled: `make demo` installs the libraries first.
PKG_CFLAGS = $(eval PKG_CFLAGS := $(shell pkg-config --cflags $(PACKAGES)))$(PKG_CFLAGS)
PKG_LIBS   = $(eval PKG_LIBS := $(shell pkg-config --libs $(PACKAGES)))$(PKG_LIBS)
CPPFLAGS += -I. -D_GNU_SOURCE -DFUSE_USE_VERSION=312 -I/usr/share/include -I/usr/share/include/llhttp
CFLAGS   += -std=gnu11 -pthread $(OPT_$(VARIANT))
LDFLAGS  += -pthread $(OPT_$(VARIANT)) -Wl,--as-needed

sources = $(sort $(wildcard $(1)/*.c $(1)/*/*.c))
objects = $(patsubst %.c,$(OBJ)/%.o,$(1))

KFL_SRC     := $(call sources,kfl)
CAPTURE_SRC := $(filter-out capture/cmd_%.c,$(call sources,capture))
SCHED_SRC   := $(call sources,sched)
FS_SRC      := $(filter-out fs/main.c,$(call sources,fs))
UNIT_SRC    := $(wildcard tests/unit/*/test_*.c) $(wildcard tests/golden/test_*.c)
TOOL_SRC    := $(wildcard tests/tools/*.c)
FUZZ_SRC    := $(wildcard tests/fuzz/fuzz_*.c)

KFL     := $(BUILD)/libkfl.a
CAPTURE := $(BUILD)/libcapture.a
SCHED   := $(BUILD)/libsched.a
FS      := $(BUILD)/libfs.a
LLHTTP  := $(BUILD)/libllhttp.a

# What a floor's tests may link: its own archive and those below.
FLOORS_kfl     := $(KFL)
FLOORS_capture := $(CAPTURE) $(KFL) $(LLHTTP)
FLOORS_golden  := $(FLOORS_capture)
FLOORS_sched   := $(SCHED) $(FLOORS_capture)
FLOORS_fs      := $(FS) $(FLOORS_sched)

PROGRAMS := $(BUILD)/trafficfs $(BUILD)/kfl
UNITS    := $(patsubst %.c,$(BUILD)/%,$(UNIT_SRC))
TOOLS    := $(patsubst %.c,$(BUILD)/%,$(TOOL_SRC))
FUZZERS  := $(patsubst %.c,$(BUILD)/%,$(FUZZ_SRC))

.PHONY: all
all: $(PROGRAMS)

$(BUILD)/trafficfs: $(OBJ)/fs/main.o $(FLOORS_fs)
$(BUILD)/kfl: $(OBJ)/capture/cmd_kfl.o $(FLOORS_capture)
$(KFL): $(call objects,$(KFL_SRC))
$(CAPTURE): $(call objects,$(CAPTURE_SRC))
$(SCHED): $(call objects,$(SCHED_SRC))
$(FS): $(call objects,$(FS_SRC))
$(LLHTTP): $(patsubst %,$(OBJ)/llhttp/%.o,api http llhttp)

$(PROGRAMS) $(UNITS) $(TOOLS) $(FUZZERS):
	@mkdir -p $(@D)
	@echo "  LINK $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) $(LIBS)

$(BUILD)/%.a:
	@mkdir -p $(@D)
	@echo "  AR   $@"
	$(Q)rm -f $@ && ar rcs $@ $^

$(OBJ)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC   $<"
	$(Q)$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(CFLAGS) $(WARN) -MMD -MP -c -o $@ $<

# Debian ships llhttp as C sources; its generated code is not held to our warnings.
$(OBJ)/llhttp/%.o: /usr/share/llhttp/%.c
	@mkdir -p $(@D)
	@echo "  CC   $<"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -w -c -o $@ $<

define unit_rule
$(BUILD)/$(basename $(1)): $(OBJ)/$(basename $(1)).o $(BUILD)/$(dir $(1))cases.a $$(FLOORS_$(2))
$(BUILD)/$(basename $(1)): LIBS := -lcmocka
endef
floor_of = $(if $(filter tests/golden/%,$(1)),golden,$(word 3,$(subst /, ,$(1))))
# What tests share is an archive, lest its needs clash with a test's doubles.
$(foreach d,$(sort $(dir $(UNIT_SRC))),$(eval $(BUILD)/$(d)cases.a: $(call objects,$(wildcard $(d)*_case.c))))
$(foreach t,$(UNIT_SRC),$(eval $(call unit_rule,$(t),$(call floor_of,$(t)))))
$(TOOLS): $(BUILD)/%: $(OBJ)/%.o $(FLOORS_capture)
$(FUZZERS): $(BUILD)/%: $(OBJ)/%.o $(FLOORS_sched)
ifeq ($(VARIANT),fuzz)
$(FUZZERS): LIBS := -fsanitize=fuzzer
endif

# ---- what people run

.PHONY: help
help:
	@sed -n 's/^#? //p' $(firstword $(MAKEFILE_LIST))

#? make demo        install what is missing, build, mount, record real traffic and show it
.PHONY: demo
demo: deps-build
	$(Q)$(MAKE) $(PARALLEL) --no-print-directory all
	$(Q)examples/demo

#? make test        install what the tests need and run them all
.PHONY: test
test: deps-test
	$(Q)$(MAKE) $(PARALLEL) --no-print-directory check

#? make all         build build/trafficfs and build/kfl
#? make check       the tests of one variant, with nothing installed: make check VARIANT=asan
.PHONY: check
check: all tests
	$(Q)BUILD=$(BUILD) CORPUS=$(CORPUS) tests/run $(UNITS)

#? make unit        the unit and golden tests alone; `make e2e` and `make fault` the others
.PHONY: unit e2e fault
unit: $(UNITS)
	$(Q)BUILD=$(BUILD) tests/run --only unit $(UNITS)
e2e fault: all tests
	$(Q)BUILD=$(BUILD) tests/run --only $@

.PHONY: tests
tests: $(UNITS) $(TOOLS)

#? make asan|ubsan|tsan   the same tests under that sanitizer
.PHONY: asan ubsan tsan
asan ubsan tsan:
	$(Q)$(MAKE) $(PARALLEL) --no-print-directory VARIANT=$@ check

#? make fuzz        every fuzz target for FUZZ_SECONDS (60)
FUZZ_SECONDS ?= 60
.PHONY: fuzz fuzzers
fuzz:
	$(Q)$(MAKE) $(PARALLEL) --no-print-directory VARIANT=fuzz fuzzers
	$(Q)BUILD=build/fuzz SECONDS_EACH=$(FUZZ_SECONDS) tests/fuzz/run
fuzzers: $(FUZZERS)

#? make lint        floors, format, lengths, warnings of a second compiler
.PHONY: lint
lint: deps-test
	$(Q)tests/lint/run

#? make bench       speed beside tcpdump, tshark and jq, as ratios of one run
.PHONY: bench
bench: deps-test
	$(Q)$(MAKE) $(PARALLEL) --no-print-directory all tests
	$(Q)BUILD=$(BUILD) tests/bench/run

#? make install     the programs to PREFIX/bin (/usr/local), where mount.fuse finds them
.PHONY: install uninstall
install: all
	install -D -m 755 build/trafficfs $(DESTDIR)$(PREFIX)/bin/trafficfs
	install -D -m 755 build/kfl $(DESTDIR)$(PREFIX)/bin/kfl
#? make uninstall   takes them away again; recordings stay
uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/trafficfs $(DESTDIR)$(PREFIX)/bin/kfl

#? make clean       removes build/
.PHONY: clean
clean:
	rm -rf build

.PHONY: deps-build deps-test
deps-build deps-test: deps-%:
	$(Q)tests/tools/deps $*

-include $(shell find $(OBJ) -name '*.d' 2>/dev/null)
