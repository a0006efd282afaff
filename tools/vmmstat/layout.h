/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * layout.h - the rules that a counter page's header and descriptors obey.
 *
 * Pure: bytes in, verdict out.  No file is touched here.
 */
#ifndef VMMSTAT_LAYOUT_H
#define VMMSTAT_LAYOUT_H

#include "page.h"

/*
 * size is that of the file.
 *   -EINVAL  a rule is broken: why names the field, its value and the rule
 *   -EAGAIN  the page is not ready yet
 */
int layout_check_header(const struct vmmctl_counters_header *h, uint64_t size,
    char *why, size_t why_size);

/*
 * Fill p from a header that layout_check_header() accepted and its table of
 * desc_count * desc_size bytes.  p->counters has room for desc_count.
 */
int layout_load(struct page *p, const struct vmmctl_counters_header *h,
    const unsigned char *table, char *why, size_t why_size);

#endif
