# SPDX-License-Identifier: BSD-2-Clause
"""The vkernel in the laboratory, with a compiler and a C project for it."""
import glob
import os
import re
import shutil
import subprocess

import cache

FOLDER = '/lab/vkernel'
LIBRARIES = '/usr/lib/x86_64-linux-gnu'
NEEDS = {'tcc': 'tcc', 'make': 'make', 'flex': 'flex', 'bison': 'bison',
         LIBRARIES + '/crt1.o': 'libc6-dev'}
# What of scripts/dtc wants libraries, or is not for building it.
OTHERS = ('yamltree.c', 'fdtget.c', 'fdtput.c')


def kernel():
    """The executable: $VKERNEL, or what vkernel/build makes."""
    path = os.environ.get('VKERNEL')
    if path:
        return os.path.realpath(path)
    cache.say('making the vkernel, if that is not done')
    made = subprocess.run([os.path.join(cache.TOP, 'vkernel/build')],
                          check=False, text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if made.returncode == 0:
        return os.path.realpath(made.stdout.strip())
    lines = made.stderr.splitlines()
    missing = [n for n in lines if 'missing packages' in n]
    if missing:
        raise cache.Missing(missing[0].removeprefix('vkernel: '))
    raise cache.Failed('vkernel/build:\n' + '\n'.join(lines[-15:]))


def project_source(path):
    """The device tree compiler, in the source that the vkernel is made of."""
    while path != '/':
        path = os.path.dirname(path)
        found = glob.glob(path + '/linux-source-*/scripts/dtc')
        if found:
            return max(found)
    raise cache.Missing('no kernel source beside the vkernel')


def add_project(source, root):
    """With what flex and bison make of it, which are not in there."""
    folder = root.path(FOLDER + '/dtc')
    for pattern in ('*.[chly]', 'libfdt/*.[ch]'):
        for path in glob.glob(os.path.join(source, pattern)):
            name = os.path.relpath(path, source)
            if name not in OTHERS:
                shutil.copy(path, root.path(f'{FOLDER}/dtc/{name}'))
    rules = os.path.join(cache.TOP, 'bench/uml/dtc.mk')
    cache.run(['make', '-f', rules, 'dtc-parser.tab.c', 'dtc-lexer.lex.c'],
              'flex and bison', cwd=folder)
    os.remove(folder + '/dtc-lexer.l')
    os.remove(folder + '/dtc-parser.y')
    root.add(rules, FOLDER + '/dtc.mk')
    return folder


def add_compiler(root, folder):
    """tcc, and of the headers those that the project includes."""
    for name in ('tcc', 'make'):
        root.add(shutil.which(name), '/usr/bin/' + name)
    root.add(LIBRARIES + '/tcc', LIBRARIES + '/tcc')
    for name in ('crt1.o', 'crti.o', 'crtn.o', 'libc.so', 'libc_nonshared.a'):
        root.add(f'{LIBRARIES}/{name}', f'{LIBRARIES}/{name}')
    # libc.so names it by this path; programs have another.
    loader = '/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2'
    root.add(loader, loader)
    headers = set()
    for name in glob.glob('*.c', root_dir=folder) + \
            glob.glob('libfdt/*.c', root_dir=folder):
        text = cache.run(['tcc', '-E', '-I.', '-Ilibfdt', '-DNO_YAML', name],
                         name, cwd=folder)
        headers.update(re.findall(r'^# \d+ "(/usr/include/[^"]+)"', text,
                                  re.MULTILINE))
    for path in headers:
        root.add(path, path)


def add(root):
    """Everything into the root file system, once."""
    if os.path.exists(os.path.join(root.folder, FOLDER[1:], 'linux')):
        return
    cache.need(NEEDS)
    linux = kernel()
    source = project_source(linux)
    for name in os.listdir(os.path.join(cache.HERE, 'vkernel')):
        root.add(os.path.join(cache.HERE, 'vkernel', name),
                 f'{FOLDER}/{name}')
    add_compiler(root, add_project(source, root))
    root.add(linux, FOLDER + '/linux')
