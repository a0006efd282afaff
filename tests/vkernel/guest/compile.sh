# SPDX-License-Identifier: BSD-2-Clause
set -e
cp -r /tmp/bin/dtc /tmp/dtc
chmod -R u+w /tmp/dtc
cd /tmp/dtc
CC=${VK_CC:-gcc} make -s -f /tmp/bin/dtc.mk >/tmp/log 2>&1 || { cat /tmp/log; exit 1; }
printf '/dts-v1/; / { a = <1 2 3>; b { c = "d"; }; };' >t.dts
./dtc -I dts -O dtb t.dts | ./dtc -I dtb -O dts
