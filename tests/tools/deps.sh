#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# scripts/deps with packages, an apt-get and a sudo that are stand-ins.
. "$(dirname "$0")/tap.sh"
deps=$(cat "$here/source")/scripts/deps

mkdir "$scratch/bin"
cat >"$scratch/bin/dpkg-query" <<'END'
#!/bin/sh
case " $LACKS " in *" $4 "*) exit 1 ;; esac
echo 'install ok installed'
END
cat >"$scratch/bin/apt-cache" <<'END'
#!/bin/sh
[ "$1" = policy ] || exit 2
case " $NOWHERE " in *" $2 "*) candidate='(none)' ;; *) candidate=6.1-1 ;; esac
printf '%s:\n  Installed: (none)\n  Candidate: %s\n' "$2" "$candidate"
END
cat >"$scratch/bin/apt-get" <<'END'
#!/bin/sh
echo "$*" >>"$ASKED"
case $* in *"${BROKEN:-nothing}"*) echo "E: no $BROKEN"; exit 100 ;; esac
END
printf '#!/bin/sh\nexec "$@"\n' >"$scratch/bin/sudo"
chmod +x "$scratch/bin/"*
ASKED=$scratch/asked
export ASKED

try()
{
	rm -f "$ASKED"
	PATH="$scratch/bin:$PATH" "$deps" "$@" >"$scratch/out" 2>"$scratch/err"
	code=$?
}

for wrong in x --dry-run "-n x"; do
	# shellcheck disable=SC2086
	try $wrong
	ok "2: scripts/deps $wrong" is $code 2
	ok "in words" err 'usage: scripts/deps'
done
LACKS=
export LACKS
try
ok "0: nothing is missing" is $code 0
ok "and nothing is done" test ! -e "$ASKED"
try -n
ok "0: nor with -n" is $code 0
LACKS='jq bochs'
try -n
ok "1: -n, and something is missing" is $code 1
ok "which is said" err 'apt-get install.* jq.* bochs$'
ok "and not installed" test ! -e "$ASKED"
try
ok "0: it can be installed" is $code 0
ok "alone" grep -q '^install .* jq bochs$' "$ASKED"
LACKS='jq linux-source-6.12 linux-source-6.1'
NOWHERE=
export NOWHERE
try
ok "0: both kernels can be had" is $code 0
ok "and are installed" grep -q '^install .* jq .*-6\.12 .*-6\.1$' "$ASKED"
NOWHERE=linux-source-6.12
try
ok "0: only the older kernel can be had" is $code 0
ok "and is installed alone" grep -q '^install .* jq linux-source-6\.1$' "$ASKED"
ok "which is said" err '6\.12 cannot be had here: the vkernel will be 6\.1'
try -n
ok "nor is the newer one missed" err 'apt-get install jq linux-source-6\.1$'
NOWHERE=linux-source-6.1
try
ok "0: only the newer kernel can be had" is $code 0
ok "and is installed alone" \
    grep -q '^install .* jq linux-source-6\.12$' "$ASKED"
LACKS=$NOWHERE
try -n
ok "0: one that is there will do" is $code 0
LACKS='jq linux-source-6.12 linux-source-6.1'
NOWHERE='linux-source-6.12 linux-source-6.1'
BROKEN=linux-source
export BROKEN
try
ok "1: it cannot" is $code 1
ok "apt-get's own words are shown" err 'E: no linux-source'
ok "what helps is said" err 'security updates'
ok "it is asked for once" is "$(grep -c '^install' "$ASKED")" 1
ok "and nothing else instead" is "$(grep -c '6\.1 \|6\.1$' "$ASKED")" 0
finish
