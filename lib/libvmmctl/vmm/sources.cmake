# SPDX-License-Identifier: BSD-2-Clause
target_sources(vmmctl_objects PRIVATE
  vmm/backend.c vmm/decode.c vmm/device.c vmm/enter.c
  vmm/explain.c vmm/explain_svm.c vmm/explain_vmx.c
  vmm/explain_vmx_controls.c vmm/explain_vmx_guest.c
  vmm/explain_vmx_segments.c vmm/open.c vmm/probe.c)
target_compile_definitions(vmmctl_objects PRIVATE VMMCTL_WITH_VMM)
