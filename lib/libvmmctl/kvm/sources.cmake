# SPDX-License-Identifier: BSD-2-Clause
target_sources(vmmctl_objects PRIVATE
  kvm/backend.c kvm/cpu.c kvm/cpuid.c kvm/decode.c kvm/enter.c kvm/host.c
  kvm/load.c kvm/probe.c kvm/shadow.c kvm/stub.c kvm/vm.c)
target_compile_definitions(vmmctl_objects PRIVATE VMMCTL_WITH_KVM)
