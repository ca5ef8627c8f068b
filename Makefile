# trafficfs: `make demo` shows it, `make test` proves it; the rest is listed by `make help`.
# Each variant (release, asan, tsan, ubsan, fuzz) is built in a folder of its own.

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

# Lazy, so that `make install-deps` and `make clean` need no library.
PKG_CFLAGS = $(shell pkg-config --cflags $(PACKAGES))
PKG_LIBS   = $(shell pkg-config --libs $(PACKAGES))
CPPFLAGS += -I. -D_GNU_SOURCE -DFUSE_USE_VERSION=312 -I/usr/share/include -I/usr/share/include/llhttp
CFLAGS   += -std=gnu11 -pthread $(OPT_$(VARIANT))
LDFLAGS  += -pthread $(OPT_$(VARIANT)) -Wl,--as-needed

sources = $(sort $(wildcard $(1)/*.c $(1)/*/*.c))
objects = $(patsubst %.c,$(BUILD)/%.o,$(1))

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

$(BUILD)/trafficfs: $(BUILD)/fs/main.o $(FLOORS_fs)
$(BUILD)/kfl: $(BUILD)/capture/cmd_kfl.o $(FLOORS_capture)
$(KFL): $(call objects,$(KFL_SRC))
$(CAPTURE): $(call objects,$(CAPTURE_SRC))
$(SCHED): $(call objects,$(SCHED_SRC))
$(FS): $(call objects,$(FS_SRC))
$(LLHTTP): $(patsubst %,$(BUILD)/llhttp/%.o,api http llhttp)

$(PROGRAMS) $(UNITS) $(TOOLS) $(FUZZERS):
	@mkdir -p $(@D)
	@echo "  LINK $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) $(LIBS)

$(BUILD)/%.a:
	@echo "  AR   $@"
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC   $<"
	$(Q)$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(CFLAGS) $(WARN) -MMD -MP -c -o $@ $<

# Debian ships llhttp as C sources; its generated code is not held to our warnings.
$(BUILD)/llhttp/%.o: /usr/share/llhttp/%.c
	@mkdir -p $(@D)
	@echo "  CC   $<"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -w -c -o $@ $<

define unit_rule
$(BUILD)/$(basename $(1)): $(BUILD)/$(basename $(1)).o $$(FLOORS_$(2))
$(BUILD)/$(basename $(1)): LIBS := -lcmocka
endef
floor_of = $(if $(filter tests/golden/%,$(1)),golden,$(word 3,$(subst /, ,$(1))))
$(foreach t,$(UNIT_SRC),$(eval $(call unit_rule,$(t),$(call floor_of,$(t)))))
$(TOOLS): $(BUILD)/%: $(BUILD)/%.o $(FLOORS_capture)
$(FUZZERS): $(BUILD)/%: $(BUILD)/%.o $(FLOORS_sched)
ifeq ($(VARIANT),fuzz)
$(FUZZERS): LIBS := -fsanitize=fuzzer
endif

.PHONY: unit
unit: $(UNITS)
	$(Q)for t in $(UNITS); do echo "== $$t"; $$t || exit 1; done

.PHONY: clean
clean:
	rm -rf build

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
