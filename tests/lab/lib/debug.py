# SPDX-License-Identifier: BSD-2-Clause
"""A kernel that looks for mistakes in modules, built here from Debian's source
with debug.config: Debian has no such package."""
import hashlib
import os
import shutil
import subprocess

import cache
import kernel

CONFIG = os.path.join(cache.HERE, 'debug.config')
NEEDS = {'make': 'make', 'gcc': 'gcc', 'flex': 'flex', 'bison': 'bison',
         'bc': 'bc', 'xz': 'xz-utils', 'depmod': 'kmod',
         'objcopy': 'binutils', '/usr/include/gelf.h': 'libelf-dev'}
# Big, and nothing to this configuration.
LEFT_OUT = ['tools/testing', 'amd/include/asic_reg']


class Build:
    """The folder of the cache: source, objects, and what is made of them."""

    def __init__(self, folder, tarball):
        self.folder = folder
        self.tarball = tarball
        self.tree = os.path.join(
            folder, os.path.basename(tarball).removesuffix('.tar.xz'))
        self.obj = os.path.join(folder, 'obj')
        self.root = os.path.join(folder, 'root')
        status = os.stat(tarball)
        self.source = f'{folder} {status.st_size} {status.st_mtime_ns}\n'
        with open(CONFIG, 'rb') as f:
            self.all = self.source + hashlib.sha256(f.read()).hexdigest()

    def make(self, *words):
        return ['env', '-u', 'MAKEFLAGS', '-u', 'MAKELEVEL', '-u', 'MFLAGS',
                'PATH=' + os.environ['PATH'] + ':/usr/sbin:/sbin',
                'nice', '-n', '19', 'make', '-C', self.tree, f'O={self.obj}',
                f'-j{len(os.sched_getaffinity(0))}', *words]

    def unpack(self):
        stamp = self.tree + '.stamp'
        if same(stamp, self.source):
            return
        cache.say('unpacking ' + self.tarball)
        shutil.rmtree(self.tree, ignore_errors=True)
        shutil.rmtree(self.obj, ignore_errors=True)
        cache.run(['tar', '-C', self.folder, '-xf', self.tarball] +
                  [f'--exclude=*/{name}' for name in LEFT_OUT], 'unpacking')
        os.mkdir(self.obj)
        cache.update(stamp, self.source.encode())

    def configure(self):
        """A check that is silently off would find nothing."""
        cache.run(self.make(f'KCONFIG_ALLCONFIG={CONFIG}', 'allnoconfig'),
                  'configuring the kernel')
        with open(os.path.join(self.obj, '.config'), encoding='utf-8') as f:
            taken = f.read().splitlines()
        with open(CONFIG, encoding='utf-8') as f:
            absent = [n for n in f.read().splitlines()
                      if n and not n.startswith('# ') and n not in taken]
        if absent:
            raise cache.Failed('debug.config: this kernel does not take ' +
                               ', '.join(absent))

    def compile(self):
        log = os.path.join(self.folder, 'make.log')
        cache.say('building the kernel for debugging, which takes five '
                  f'minutes on two processors; its log is {log}')
        progress = cache.Progress()
        with open(log, 'w', encoding='utf-8') as f, subprocess.Popen(
                self.make('bzImage', 'modules'), stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True) as child:
            for line in child.stdout:
                f.write(line)
                progress.show(line.strip())
        progress.clear()
        if child.returncode != 0:
            raise cache.Failed('building the kernel; the whole log is ' + log)

    def install(self):
        shutil.rmtree(self.root, ignore_errors=True)
        cache.run(self.make(f'INSTALL_MOD_PATH={self.root}',
                            'modules_install'), 'installing the modules')
        cache.run([os.path.join(cache.HERE, 'mkfast'),
                   os.path.join(self.obj, 'arch/x86/boot/bzImage'),
                   os.path.join(self.root, 'image')], 'mkfast')


def same(path, text):
    try:
        with open(path, encoding='utf-8') as f:
            return f.read() == text
    except FileNotFoundError:
        return False


def get(series):
    """The kernel of a series, from the cache if it is there."""
    tarball = f'/usr/src/linux-source-{series}.tar.xz'
    cache.need({**NEEDS, tarball: 'linux-source-' + series})
    with cache.locked(f'kernel-{series}-debug') as folder:
        work = Build(folder, tarball)
        stamp = os.path.join(folder, 'stamp')
        if not same(stamp, work.all):
            work.unpack()
            work.configure()
            work.compile()
            work.install()
            cache.update(stamp, work.all.encode())
        return kernel.Kernel(work.root, work.obj)
