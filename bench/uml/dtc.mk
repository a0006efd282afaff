# SPDX-License-Identifier: BSD-2-Clause
# Builds the device tree compiler from the kernel's scripts/dtc, with nothing
# but a C compiler, flex and bison: `make -f dtc.mk` in a copy of that directory.
CC ?= gcc
CFLAGS ?= -O1
override CFLAGS += -w -I. -Ilibfdt -DNO_YAML

fdt := $(patsubst %,libfdt/%.o,fdt fdt_ro fdt_wip fdt_sw fdt_rw fdt_strerror \
	fdt_empty_tree fdt_addresses fdt_overlay)
objs := dtc.o flattree.o fstree.o data.o livetree.o treesource.o srcpos.o \
	checks.o util.o dtc-lexer.lex.o dtc-parser.tab.o

all: dtc fdtoverlay

dtc: $(objs) $(fdt)
fdtoverlay: fdtoverlay.o util.o $(fdt)
dtc fdtoverlay:
	$(CC) -o $@ $^

%.o: %.c
	$(CC) $(CFLAGS) -c -o $@ $<
# Where these are not, what is made of them is there.
dtc-parser.tab.c dtc-parser.tab.h: $(wildcard dtc-parser.y)
	bison -o dtc-parser.tab.c -d $<
dtc-lexer.lex.c: $(wildcard dtc-lexer.l)
	flex -o $@ $<
$(objs): dtc-parser.tab.h
