# SPDX-License-Identifier: BSD-2-Clause
set -e
cp -r /lab/vkernel/dtc dtc
cd dtc
make -s -f /lab/vkernel/dtc.mk CC=tcc
sha256sum dtc fdtoverlay
cat >in.dts <<'END'
/dts-v1/;

/ {
	a = <0x01 0x02 0x03>;

	b {
		c = "d";
	};
};
END
./dtc -I dts -O dtb -o t.dtb in.dts
./dtc -I dtb -O dts -o out.dts t.dtb
diff in.dts out.dts
sha256sum t.dtb
