# SPDX-License-Identifier: BSD-2-Clause
exec /tmp/bin/iomem "$VK_BACKEND"
