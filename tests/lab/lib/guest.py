# SPDX-License-Identifier: BSD-2-Clause
"""The laboratory's root file system: an initramfs from a folder."""
import os
import re
import shutil
import subprocess

import cache

EPOCH = os.environ.get('SOURCE_DATE_EPOCH', '1577836800')
FOLDERS = ('bin', 'dev', 'etc', 'lab', 'lib', 'out', 'proc', 'root', 'run',
           'sys', 'tmp', 'var')
MODULES = ('kvm', 'kvm-amd', 'kvm-intel', 'msr', 'zram')


class Guest:
    """Files are added, then pack() makes the archive."""

    def __init__(self, folder):
        self.folder = folder
        for name in FOLDERS:
            os.makedirs(os.path.join(folder, name))
        cache.need({'busybox': 'busybox-static', 'cpio': 'cpio',
                    'strip': 'binutils'})
        self.add(shutil.which('busybox'), '/bin/busybox')
        for name in cache.run(['busybox', '--list'], 'busybox').split():
            if name != 'busybox':
                os.symlink('busybox', os.path.join(folder, 'bin', name))
        self.add(os.path.join(cache.HERE, 'init'), '/init')
        self.write('/etc/passwd', 'root:x:0:0:root:/root:/bin/sh\n')
        self.write('/etc/group', 'root:x:0:\n')

    def path(self, name):
        path = os.path.normpath(self.folder + '/' + name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def write(self, name, text):
        with open(self.path(name), 'w', encoding='utf-8') as f:
            f.write(text)

    def add(self, source, name):
        """A file, with the libraries that it needs if it is a program, or a
        folder."""
        dest = self.path(name)
        if os.path.isdir(source):
            for entry in sorted(os.listdir(source)):
                self.add(os.path.join(source, entry), name + '/' + entry)
            os.makedirs(dest, exist_ok=True)
            return
        shutil.copy(source, dest)
        with open(source, 'rb') as f:
            elf = f.read(4) == b'\x7fELF'
        if not elf:
            return
        os.chmod(dest, 0o755)
        subprocess.run(['strip', '--strip-debug', dest], check=False,
                       stderr=subprocess.DEVNULL)
        ldd = subprocess.run(['ldd', source], text=True, check=False,
                             stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL).stdout
        if 'not found' in ldd:
            raise cache.Failed(f'{source}: a library is missing:\n{ldd}')
        for library in re.findall(r'(/\S+) \(0x', ldd):
            if not os.path.exists(self.path(library)):
                shutil.copy(os.path.realpath(library), self.path(library))

    def add_modules(self, kernel, names=MODULES):
        base = f'/lib/modules/{kernel.version}/'
        lines = []
        for module in kernel.closure(names):
            plain = re.sub(r'\.(xz|gz|zst)$', '', module)
            dest = self.path(base + plain)
            shutil.copy(os.path.join(kernel.modules, module),
                        self.path(base + module))
            if module.endswith('.xz'):
                cache.run(['xz', '-d', self.path(base + module)], module)
            subprocess.run(['strip', '--strip-debug', dest], check=True)
            lines.append(f'{plain}: ' + ' '.join(
                re.sub(r'\.(xz|gz|zst)$', '', n)
                for n in kernel.depends[module]) + '\n')
        self.write(base + 'modules.dep', ''.join(lines))

    def pack(self, dest):
        """The same files make the same archive."""
        names = []
        for folder, folders, files in os.walk(self.folder):
            names += [os.path.join(folder, n) for n in folders + files]
        for name in names:
            if not os.path.islink(name):
                os.chmod(name, 0o755 if os.access(name, os.X_OK) else 0o644)
            os.utime(name, (int(EPOCH), int(EPOCH)), follow_symlinks=False)
        listing = '\n'.join(sorted(os.path.relpath(n, self.folder)
                                   for n in names))
        with open(dest, 'wb') as f:
            subprocess.run(['cpio', '-o', '--quiet', '-H', 'newc', '-R', '0:0',
                            '--reproducible'], input=listing.encode(),
                           stdout=f, cwd=self.folder, check=True)
