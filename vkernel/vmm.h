/* SPDX-License-Identifier: GPL-2.0 */
/*
 * User processes as guest-user contexts of libvmmctl: what the rest of
 * arch/um calls when using_vmm is set.  Knows no backend.
 */
#ifndef __UM_VMM_H
#define __UM_VMM_H

struct mm_id;
struct vmmctl;
struct vmmctl_machine_config;
struct vmmctl_vcpu;
struct task_struct;
struct uml_pt_regs;
struct user_i387_struct;

extern int using_vmm;

/* Between vmm.c and vmm_run.c: what they run on and the components of extended
 * state that it has.
 */
extern struct vmmctl *vmm_handle;
extern struct vmmctl_vcpu *vmm_vcpu;
extern unsigned long long vmm_xsave_mask;
extern void vmm_set_brief(struct vmmctl_machine_config *config);

extern int vmm_mm_create(struct mm_id *id);
extern void vmm_mm_destroy(struct mm_id *id);
extern void vmm_mm_deactivate(struct task_struct *task);

extern int vmm_map(struct mm_id *id, unsigned long virt, unsigned long len,
		   int prot, int phys_fd, unsigned long long offset);
extern int vmm_unmap(struct mm_id *id, unsigned long virt, unsigned long len);
extern int vmm_protect(struct mm_id *id, unsigned long virt, unsigned long len,
		       unsigned int prot);

extern int vmm_set_fpregs(struct uml_pt_regs *regs,
			  const struct user_i387_struct *fp);

extern void vmm_ahead_init(unsigned long long exit_ns);
extern void vmm_fault_ahead(unsigned long addr);

extern void vmm_userspace(struct uml_pt_regs *regs);
extern void vmm_kick(void);

#endif
