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

includes $(files | grep -E '^(lib|tools|include)/.*\.(c|h|S)$') |
	grep 'sys/dev/vmm/' |
	grep -vE 'vmm_(counters\.def|ioctl\.h)"|/svm/svm\.h"|/vmx/vmx\.h"' |
	none "the library and the tools see the driver's ABI only, and what" \
		"processors define"

includes include/*.h | grep -vE ':(<std(def|int)\.h>|"vmmctl[a-z_]*\.h")' |
	none "public headers include stddef.h and stdint.h only"

tools=$(files | grep -E '^(tools|examples)/.*\.[ch]$')
includes $tools | grep 'libvmmctl/' |
	none "tools and examples use the public headers"

for part in core x86 vmx svm; do
	driver=$(files | grep -E "^sys/dev/vmm/$part/.*\.[chS]\$")
	test -z "$driver" && continue
	includes $driver | grep -E ':<|linux/' |
		none "sys/dev/vmm/$part knows no operating system"
done
for part in core x86; do
	driver=$(files | grep -E "^sys/dev/vmm/$part/.*\.[chS]\$")
	test -z "$driver" && continue
	includes $driver | grep -E '(vmx|svm)/.*_impl' |
		none "sys/dev/vmm/$part knows vendors by their table"
done
finish
