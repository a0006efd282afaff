# SPDX-License-Identifier: BSD-2-Clause
"""The kernel module, built out of tree for one kernel of the cache."""
import os
import subprocess

import cache


def source():
    """The folder with the module's Kbuild; None: there is none."""
    folder = os.environ.get('VMM_MODULE_DIR') or \
        os.path.join(cache.TOP, 'sys/dev/vmm')
    for name in ('Kbuild', 'Makefile'):
        if os.path.exists(os.path.join(folder, name)):
            return os.path.abspath(folder)
    return None


def build(kernel, folder, result):
    """Builds the source in folder; vmm.ko, without debug information, goes
    to result."""
    cache.need({'make': 'make', 'gcc': 'gcc', 'strip': 'binutils'})
    with cache.locked('module-' + kernel.version) as dest:
        # The tree's layout: it includes what the library shares with it.
        work = os.path.join(dest, 'sys/dev/vmm')
        cache.update_tree(folder, work)
        cache.update_tree(os.path.join(cache.TOP, 'include'),
                          os.path.join(dest, 'include'))
        env = {k: v for k, v in os.environ.items()
               if k not in ('MAKEFLAGS', 'MAKELEVEL', 'MFLAGS')}
        # BTF would want pahole, and vmlinux.
        cache.run(['make', '-C', kernel.headers, f'M={work}',
                   'CONFIG_DEBUG_INFO_BTF_MODULES=',
                   f'-j{len(os.sched_getaffinity(0))}', 'modules'],
                  f'building the module for {kernel.version}',
                  log=os.path.join(dest, 'make.log'), env=env)
        subprocess.run(['strip', '--strip-debug', '-o', result,
                        os.path.join(work, 'vmm.ko')], check=True)
