# SPDX-License-Identifier: BSD-2-Clause
exec /tmp/bin/freed
