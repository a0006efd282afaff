# SPDX-License-Identifier: BSD-2-Clause
"""Debian's kernels, from packages that are unpacked here, not installed."""
import glob
import os
import re
import shutil
import subprocess

import cache

# Which metapackage has a series depends on the release.
METAPACKAGES = {
    '6.1': ['linux-image-amd64'],
    '6.12': ['linux-image-6.12-amd64', 'linux-image-amd64'],
}
# Hardware that no emulator here has.
LEFT_OUT = ['sound', 'net/bluetooth', 'net/wireless'] + [
    f'drivers/{d}' for d in (
        'bluetooth', 'gpu', 'hid', 'iio', 'infiniband', 'input', 'isdn',
        'leds', 'media', 'mfd', 'mtd', 'net/ethernet', 'net/wireless', 'nvme',
        'platform', 'power', 'scsi/*/*', 'staging', 'thunderbolt', 'usb')]


class Kernel:
    """One kernel: image (fast to boot), headers (what modules are built
    against), modules."""

    def __init__(self, root, headers=None):
        self.root = root
        self.image = os.path.join(root, 'image')
        modules = glob.glob(os.path.join(root, 'lib/modules/*'))[0]
        self.version = os.path.basename(modules)
        self.modules = modules
        self.headers = headers or os.path.join(
            root, 'usr/src', 'linux-headers-' + self.version)
        self.depends = {}
        with open(os.path.join(modules, 'modules.dep'),
                  encoding='ascii') as f:
            for line in f:
                path, _, needs = line.partition(':')
                self.depends[path] = needs.split()

    def closure(self, names):
        """Files of the named modules and of all that they need, in order of
        loading; relative to self.modules.  Built-in ones are left out."""
        found = []

        def add(path):
            for need in reversed(self.depends[path]):
                add(need)
            if path not in found:
                found.append(path)

        for name in names:
            for path in self.depends:
                base = os.path.basename(path).split('.')[0]
                if base.replace('-', '_') == name.replace('-', '_'):
                    add(path)
        return found


class Apt:
    """apt-get and apt-cache, if need be with lists of our own: those of the
    machine may be old or empty, and only root may change them."""

    def __init__(self, folder):
        self.folder = folder
        self.options = []

    def cache(self, *words):
        return subprocess.run(['apt-cache', *self.options, *words], text=True,
                              check=False, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL).stdout

    def download(self, packages, dest):
        os.makedirs(dest, exist_ok=True)
        cache.run(['apt-get', *self.options, '-qq', 'download', *packages],
                  'downloading ' + ' '.join(packages), cwd=dest)

    def own_lists(self):
        state = os.path.join(self.folder, 'state')
        os.makedirs(os.path.join(state, 'lists/partial'), exist_ok=True)
        os.makedirs(os.path.join(self.folder, 'cache'), exist_ok=True)
        self.options = ['-o', f'Dir::State={state}',
                        '-o', 'Dir::State::status=/var/lib/dpkg/status',
                        '-o', f'Dir::Cache={self.folder}/cache',
                        '-o', 'APT::Sandbox::User=']
        cache.run(['apt-get', *self.options, '-qq', 'update'],
                  'apt-get update')


def depends(apt, package):
    return re.findall(r'^ *\|?Depends: (\S+)$',
                      apt.cache('depends', package), re.M)


def find_packages(apt, series):
    """The packages of the newest kernel of a series; none: not known."""
    for meta in METAPACKAGES[series]:
        for image in depends(apt, meta):
            if re.match(rf'linux-image-{re.escape(series)}\.', image):
                headers = image.replace('image', 'headers', 1)
                parts = [p for p in depends(apt, headers) if re.match(
                    r'linux-(headers|kbuild)-', p)]
                return [image, headers, *parts]
    return []


def fetch(apt, series, dest):
    packages = find_packages(apt, series)
    if not packages:
        raise cache.Failed('apt knows no package of Linux ' + series)
    cache.say('fetching ' + ' '.join(packages))
    apt.download(packages, dest)


def unpack(debs, root):
    for deb in glob.glob(os.path.join(debs, '*.deb')):
        with subprocess.Popen(['dpkg-deb', '--fsys-tarfile', deb],
                              stdout=subprocess.PIPE) as tar:
            subprocess.run(
                ['tar', '-x', '-C', root, '--no-same-owner'] +
                [f'--exclude=./lib/modules/*/kernel/{d}' for d in LEFT_OUT],
                stdin=tar.stdout, check=True)
        if tar.returncode != 0:
            raise cache.Failed('cannot unpack ' + deb)


def settle(root):
    """What installing would have done."""
    version = os.path.basename(glob.glob(f'{root}/lib/modules/*')[0])
    cache.run(['env', 'PATH=/usr/sbin:/sbin:/usr/bin:/bin', 'depmod', '-b',
               root, version], 'depmod')
    # The headers name each other by absolute paths.
    for path in glob.glob(f'{root}/usr/src/linux-headers-*/Makefile') + \
            glob.glob(f'{root}/usr/src/linux-headers-*/.kernelvariables'):
        with open(path, encoding='utf-8') as f:
            text = f.read()
        cache.update(path, re.sub(r'(?<![\w.])/usr/(src|lib)/linux-',
                                  rf'{root}/usr/\1/linux-', text).encode())
    cache.run([os.path.join(cache.HERE, 'mkfast'),
               glob.glob(f'{root}/boot/vmlinuz-*')[0], f'{root}/image'],
              'mkfast')


def get(series):
    """The kernel of a series, from the cache if it is there."""
    cache.need({'apt-get': 'apt', 'dpkg-deb': 'dpkg', 'depmod': 'kmod',
                'xz': 'xz-utils', 'objcopy': 'binutils'})
    with cache.locked('kernel-' + series) as folder:
        root = os.path.join(folder, 'root')
        if os.path.isdir(root):
            with open(os.path.join(root, 'place'), encoding='utf-8') as f:
                if f.read() == root:
                    return Kernel(root)
            shutil.rmtree(root)
        debs = os.path.join(folder, 'debs')
        if not glob.glob(debs + '/linux-image-*.deb'):
            fresh = os.path.join(folder, 'debs.new')
            shutil.rmtree(fresh, ignore_errors=True)
            apt = Apt(os.path.join(folder, 'apt'))
            try:
                try:
                    fetch(apt, series, fresh)
                except cache.Failed:
                    apt.own_lists()
                    fetch(apt, series, fresh)
            except cache.Failed as e:
                raise cache.Missing(
                    f'package {METAPACKAGES[series][0]}: ' +
                    ' '.join(str(e).split())) from e
            shutil.rmtree(debs, ignore_errors=True)
            os.rename(fresh, debs)
        cache.say('unpacking Linux ' + series)
        shutil.rmtree(root + '.new', ignore_errors=True)
        os.makedirs(root + '.new')
        unpack(debs, root + '.new')
        os.rename(root + '.new', root)
        try:
            settle(root)
            with open(os.path.join(root, 'place'), 'w',
                      encoding='utf-8') as f:
                f.write(root)
        except BaseException:
            shutil.rmtree(root)
            raise
        return Kernel(root)
