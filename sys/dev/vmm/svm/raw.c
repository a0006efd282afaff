/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raw.c - fields of the control block that a machine's owner may see, and the
 * few that it may write.  Not here: physical addresses of the host.  Pure.
 */
#include "svm_impl.h"

struct field {
	uint16_t offset;
	uint8_t width;
	uint8_t writable;
};

#define F(name, w) \
	{ .offset = offsetof(struct svm_vmcb, name), \
	  .width = sizeof(((struct svm_vmcb *)0)->name), .writable = (w) }
#define SEG(name) F(name.selector, 0), F(name.attr, 0), F(name.limit, 0), \
	F(name.base, 0)

static const struct field fields[] = {
	F(intercept_cr, 0),
	F(intercept_dr, 0),
	F(intercept_exceptions, 0),
	F(intercept[0], 0),
	F(intercept[1], 0),
	F(intercept[2], 0),
	/* A clock that is off harms nobody but the guest. */
	F(tsc_offset, 1),
	F(asid, 0),	/* each load brings another */
	F(tlb_control, 0),
	F(v_intr, 0),
	F(interrupt_shadow, 0),
	F(exit_code, 0),
	F(exit_info[0], 0),
	F(exit_info[1], 0),
	F(exit_int_info, 0),
	F(nested_control, 0),
	F(event_injection, 0),
	F(virt_ext, 0),
	F(clean, 0),
	F(nrip, 0),
	F(insn_length, 0),
	SEG(es),
	SEG(cs),
	SEG(ss),
	SEG(ds),
	SEG(fs),
	SEG(gs),
	SEG(gdtr),
	SEG(ldtr),
	SEG(idtr),
	SEG(tr),
	F(cpl, 0),
	F(efer, 0),
	F(cr4, 0),
	F(cr3, 0),
	F(cr0, 0),
	F(dr7, 0),
	/* Bits that are reserved make an entry that is refused, no worse. */
	F(dr6, 1),
	F(rflags, 0),
	F(rip, 0),
	F(rsp, 0),
	F(s_cet, 0),
	F(rax, 0),
	F(cr2, 1),
	F(g_pat, 0),
};

static const struct field *find(uint32_t offset)
{
	size_t i;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (fields[i].offset == offset)
			return &fields[i];
	return NULL;
}

int svm_raw_get(const struct svm_vmcb *b, uint32_t field, uint32_t width,
    uint64_t *value)
{
	const struct field *f = find(field);

	if (f == NULL)
		return EPERM;
	if (f->width != width)
		return EINVAL;
	*value = 0;
	memcpy(value, (const uint8_t *)b + f->offset, width);
	return 0;
}

int svm_raw_set(struct svm_vmcb *b, uint32_t field, uint32_t width,
    uint64_t value, bool all)
{
	const struct field *f = find(field);

	if (f == NULL || !(f->writable || all))
		return EPERM;
	if (f->width != width)
		return EINVAL;
	memcpy((uint8_t *)b + f->offset, &value, width);
	return 0;
}
