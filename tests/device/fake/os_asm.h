/* SPDX-License-Identifier: BSD-2-Clause */
/* os_asm.h - for .S files, see core/os.h: nothing to add in user space. */
#ifndef FAKE_OS_ASM_H
#define FAKE_OS_ASM_H

#define OS_FUNC_START(name) \
	.text; .globl name; .type name, @function; .p2align 4; name:
#define OS_FUNC_END(name)	.size name, . - name
#define OS_RET			ret
#define OS_BEFORE_ENTRY
#define OS_AFTER_EXIT

#endif
