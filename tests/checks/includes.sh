#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Who may include what: the core knows no operating system, the library
# nothing of the driver but its ABI, tools nothing of the library but its
# headers.
. "$(dirname "$0")/tree.sh"

neutral='assert|cpuid|errno|limits|stdalign|stdarg|stdatomic|stdbool|stddef'
neutral="$neutral|stdint|stdio|stdlib|string|threads"

# includes FILES...: file:line:what, quotes or brackets kept
includes()
{
	grep -nE '^[ 	]*#[ 	]*include' "$@" /dev/null |
		sed 's/:[ 	]*#[ 	]*include[ 	]*/:/; s/[ 	]*$//'
}

# none TEXT...: what comes in on standard input is wrong
none()
{
	if grep . >"$scratch/none"; then
		cat "$scratch/none"
		bad "$*"
	fi
}

includes lib/libvmmctl/*.c lib/libvmmctl/*.h |
	grep -vE ':"[a-z_]+\.h"' |
	grep -vE ':"\.\./\.\./sys/dev/vmm/vmm_(counters\.def|ioctl\.h)"' |
	grep -vE ":<($neutral)\.h>" |
	none "the core includes only its own headers and neutral ones"

# The exception is explain.h: it holds a control structure against the rules of
# the manuals, and takes the names of bits and fields from what the device calls
# them.  These two headers define what processors define, and nothing else.
explain='^lib/libvmmctl/vmm/explain\.h:[0-9]+:"\.\./\.\./\.\./sys/dev/vmm/'
includes $(files | grep -E '^(lib|tools|include)/.*\.(c|h|S)$') |
	grep 'sys/dev/vmm/' |
	grep -vE '/sys/dev/vmm/vmm_(counters\.def|ioctl\.h)"' |
	grep -vE "$explain(svm/svm|vmx/vmx)\\.h\"\$" |
	none "the library and the tools see the driver's ABI only"

includes include/*.h | grep -vE ':(<std(def|int)\.h>|"vmmctl[a-z_]*\.h")' |
	none "public headers include stddef.h and stdint.h only"

tools=$(files | grep -E '^(tools|examples)/.*\.[ch]$')
includes $tools | grep 'libvmmctl/' |
	none "tools and examples use the public headers"

# resolve: from an include in the driver to "file:line: path", as the kernel's
# build finds it: beside the file, then in the folders of vmm-include.
resolve()
{
	find sys include -type f >"$scratch/files"
	awk -v top=sys/dev/vmm '
	function plain(path,    n, i, part, k, out) {
		n = split(path, part, "/")
		for (i = 1; i <= n; i++)
			if (part[i] == ".." && k > 0)
				k--
			else if (part[i] != ".")
				out[++k] = part[i]
		path = out[1]
		for (i = 2; i <= k; i++)
			path = path "/" out[i]
		return path
	}
	BEGIN {
		n = split("linux core x86 x86/hw svm vmx vmx/hw", folder, " ")
	}
	NR == FNR { there[$0] = 1; next }
	{
		file = $0
		sub(/:.*/, "", file)
		what = $0
		sub(/^[^:]*:[0-9]*:/, "", what)
		where = substr($0, 1, length($0) - length(what))
		if (split(what, quoted, "\"") < 3 || quoted[1] != "") {
			print where " " what
			next
		}
		path = file
		sub(/[^\/]*$/, "", path)
		path = plain(path quoted[2])
		for (i = 1; i <= n && !(path in there); i++)
			path = plain(top "/" folder[i] "/" quoted[2])
		print where " " (path in there ? path : what)
	}' "$scratch/files" -
}

# sees PART HEADER...: these, and its own.
sees()
{
	part=$1
	shift
	allowed=$(printf '|%s' "$@" | sed 's/\./\\./g')
	driver=$(files | grep -E "^sys/dev/vmm/$part/.*\.[chS]\$")
	if test -z "$driver"; then
		bad "sys/dev/vmm/$part is not there"
		return
	fi
	includes $driver | resolve |
		grep -vE " (sys/dev/vmm/)?($part/[a-z0-9_]+\.h$allowed)\$" |
		none "sys/dev/vmm/$part includes only: $part/*.h $*"
}

# linux/os_*.h is what the operating system's folder has to supply, x86/hw and
# vmx/hw what the processor does.  Vendors are known by vendor.h alone; that
# and vmm.h are what these know of the core.
sees core linux/os_types.h x86/x86.h x86/npt.h x86/hw/cpu.h vmm_ioctl.h \
	vmm_device_counters.def include/vmmctl_counters.h
sees x86 linux/os_types.h core/os.h vmm_ioctl.h
vendor="linux/os_types.h linux/os_asm.h core/vmm.h core/vendor.h x86/x86.h
	x86/npt.h x86/hw/cpu.h x86/hw/regs_asm.h vmm_ioctl.h"
# shellcheck disable=SC2086 # words
sees svm $vendor
# shellcheck disable=SC2086
sees vmx vmx/hw/vmx_cpu.h $vendor
# Nor does the library by way of explain.h.
includes sys/dev/vmm/svm/svm.h sys/dev/vmm/vmx/vmx.h | resolve |
	grep -v ' sys/dev/vmm/vmm_ioctl\.h$' |
	none "svm.h and vmx.h define what processors do, with vmm_ioctl.h alone"
driver=$(files | grep -E '^sys/dev/vmm/linux/.*\.[chS]$')
includes $driver | grep -v ':<' | resolve |
	grep -vE ' sys/dev/vmm/(linux/[a-z_]+|core/(vmm|os))\.h$' |
	none "sys/dev/vmm/linux knows no vendor and no processor of ours"
finish
