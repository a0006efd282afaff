#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Machines of the device, beside those of the libraries.
. "$(dirname "$0")/tap.sh"
vmmstat=${VMMSTAT_FAKE:-$here/vmmstat_fake}

page()
{
	file=$1
	shift
	"$mkpage" -o "$scratch/$file" header.backend=svm header.name=box$u \
		add=cause.npf,npf,1,1,5 add=cause.cpuid,-,1,1,4 \
		add=raw.VMEXIT_NPF,-,1,1,8 add=raw.VMEXIT_CPUID,-,1,1,8 \
		value.cause.npf=30 value.cause.cpuid=10 \
		value.raw.VMEXIT_NPF=30 value.raw.VMEXIT_CPUID=10 "$@"
}

page first
page second header.name=other$u
hold box header.name=box$u
export FAKE_DEVICE="7 $box $scratch/first 8 1 $scratch/second"

run -l
ok "-l lists the library's machine" out "^$box.1 .*box$u"
ok "and those of the device" out "^vmm.7 *$box .* svm .*box$u"
ok "whoever owns them" out "^vmm.8 *1 .*other$u"
run -m box$u
ok "a name is a library's machine" out "^box$u "
ok "which keeps its label" is "$(wc -l <"$scratch/out")" 2
run -d
ok "-d shows the device's" out '^vmm.7 '
ok "all of them" out '^vmm.8 '
ok "no others" is "$(grep -c "^$box.1\|^box$u" "$scratch/out")" 0
ok "with columns of their own" out ' npf'
run -d -m box$u
ok "-d with a name is a machine of the device" out '^vmm.7 '
ok "and only that" is "$(wc -l <"$scratch/out")" 2
run -m vmm.8
ok "an id needs no -d" out '^vmm.8 '
run -d -p "$box"
ok "-d of a process" is "$(grep -c '^vmm' "$scratch/out")" 1
run -d -p "$box" -e
ok "a title has the name" out "^vmm.7 (box$u, svm)"
ok "-e has the kinds" out 'cause.npf *30'
ok "and no codes" is "$(grep -c raw "$scratch/out")" 0
run --raw -m vmm.7 -e
ok "--raw -e has the codes" out 'raw.VMEXIT_NPF *30 *75.0'
ok "and no kinds" is "$(grep -c cause "$scratch/out")" 0
for style in "-f ." "--json" "--csv"; do
	# shellcheck disable=SC2086
	run -d -m vmm.7 $style
	ok "$style has no codes" is "$(grep -c raw "$scratch/out")" 0
	# shellcheck disable=SC2086
	run --raw -m vmm.7 $style
	ok "$style has them with --raw" out 'raw.VMEXIT_CPUID'
	ok "beside the others" out 'cause.npf'
done
run -d -- true
ok "a command's machines are its descendants'" is $code 2

page bad header.magic=1
FAKE_DEVICE="9 1 $scratch/bad 8 1 $scratch/second"
run -d
ok "a bad page is complained about" err 'vmm.9: not a counter page'
ok "the others are shown" out '^vmm.8 '
page long header.total_size=0xffffffffffffffff
FAKE_DEVICE="9 1 $scratch/long"
run -d
ok "so is one that says it is endless" err 'vmm.9: '
FAKE_DEVICE="9 1 $scratch/gone"
run -d
ok "2: a machine that has ended meanwhile" is $code 2

FAKE_DEVICE=13
run -d
ok "3: no permission for the device" is $code 3
ok "the group is the cure" err 'group vmm'
FAKE_DEVICE=2
run -d
ok "2: no device" is $code 2
ok "the module is the cure" err 'modprobe vmm'
run -l -m box$u
ok "-l does without" is $code 0
ok "and says nothing" quiet
finish
