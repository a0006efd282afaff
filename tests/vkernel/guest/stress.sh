# SPDX-License-Identifier: BSD-2-Clause
# stress-ng's stressors, as the table beside this says.  Only whether each
# passes is told: the figures differ from run to run.
have=" $(stress-ng --stressors) "
mkdir -p /tmp/s && chmod 1777 /tmp/s && cd /tmp/s || exit 1

run() # stressor, how many operations, as what
{
	as=
	[ -z "$3" ] || as="setpriv --reuid=65534 --regid=65534 --clear-groups"
	case $2$VK_BACKEND in
	moreoff) ops="--$1-ops 20" ;;
	[1-9]*)	ops="--$1-ops $2" ;;
	*)	ops= ;;
	esac
	# Some stressors send signals to their whole process group.
	setsid -w timeout -s KILL 100 $as stress-ng --temp-path /tmp/s \
	    --no-rand-seed --verify --pathological --"$1" 1 -t ${VK_SECONDS:-1} $ops \
	    >/tmp/log 2>&1 </dev/null
	status=$?
	if grep -qE '(will be skipped|, skipping )' /tmp/log; then
		echo "$1: skipped"
	elif [ $status -eq 0 ]; then
		echo "$1: passed"
	else
		echo "$1: $status"
	fi
	[ -z "$VK_VERBOSE" ] || cat /tmp/log
	find /tmp/s -mindepth 1 -delete
}

while read -r name how as; do
	case $name in
	''|'#'*) continue ;;
	esac
	case $have in
	*" $name "*) ;;
	*)	continue ;;	# another version's
	esac
	if [ -n "$VK_STRESS" ]; then
		case " $VK_STRESS " in
		*" $name "*) ;;
		*)	continue ;;
		esac
	elif [ "$how" = not ]; then
		continue
	fi
	[ "$how" != not ] || as=
	run "$name" "$how" "$as"
done <"$(dirname "$0")/stressors" 2>&1
exit 0
