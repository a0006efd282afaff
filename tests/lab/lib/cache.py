# SPDX-License-Identifier: BSD-2-Clause
"""Where the laboratory keeps what it made, and how it says things."""
import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOP = os.path.dirname(os.path.dirname(HERE))
ROOT = os.path.abspath(os.environ.get('LAB_BUILD') or
                       os.path.join(TOP, 'build', 'lab'))


class Missing(Exception):
    """Something that is not ours cannot be had: tests are skipped."""


class Failed(Exception):
    """Something that is ours does not work."""


def say(text):
    print(f'lab: {text}', file=sys.stderr, flush=True)


class Progress:
    """A line on the terminal, if there is one."""

    def __init__(self):
        self.on = sys.stderr.isatty()
        self.start = time.monotonic()
        self.shown = 0.0

    def show(self, text):
        now = time.monotonic()
        if self.on and now - self.shown >= 0.2:
            self.shown = now
            sys.stderr.write(f'\r\033[Klab: {now - self.start:4.0f} s  '
                             f'{text[:60]}')
            sys.stderr.flush()

    def clear(self):
        if self.on:
            sys.stderr.write('\r\033[K')
            sys.stderr.flush()


@contextlib.contextmanager
def locked(name):
    """The folder of that name in the cache, ours alone until the end."""
    path = os.path.join(ROOT, name)
    os.makedirs(path, exist_ok=True)
    with open(path + '.lock', 'w', encoding='ascii') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield path


def need(packages):
    """need({'gcc': 'gcc'}): commands or files, and what packages have them."""
    path = os.environ.get('PATH', '') + ':/usr/sbin:/sbin'
    absent = sorted({package for name, package in packages.items()
                     if not shutil.which(name, path=path) and
                     not (name[0] == '/' and os.path.exists(name))})
    if absent:
        raise Missing('missing packages; install them with: apt-get install '
                      + ' '.join(absent))


def run(command, why, log=None, **options):
    """Output of a command, which is to succeed; log: a file for it instead."""
    try:
        if log is None:
            return subprocess.run(command, check=True, text=True,
                                  stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, **options).stdout
        with open(log, 'w', encoding='utf-8') as f:
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL,
                           stdout=f, stderr=subprocess.STDOUT, **options)
        return None
    except subprocess.CalledProcessError as e:
        text = e.stderr
        if log is not None:
            with open(log, encoding='utf-8', errors='replace') as f:
                text = f.read() + f'the whole log is {log}\n'
        lines = (text or '').splitlines()
        errors = [n for n in lines if 'error' in n.lower()][:15]
        raise Failed(f'{why}:\n' + '\n'.join(
            (errors or lines[-15:]) + lines[-1:])) from e


def update(path, data):
    """Writes a file only when that changes it: make sees times."""
    with contextlib.suppress(FileNotFoundError):
        with open(path, 'rb') as f:
            if f.read() == data:
                return False
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + '.new', 'wb') as f:
        f.write(data)
    os.rename(path + '.new', path)
    return True


def update_tree(source, dest):
    """dest becomes a copy of source; what make left there stays."""
    kept = set()
    for folder, _, names in os.walk(source):
        for name in names:
            path = os.path.join(folder, name)
            kept.add(os.path.relpath(path, source))
            with open(path, 'rb') as f:
                update(os.path.join(dest, os.path.relpath(path, source)),
                       f.read())
    listing = dest + '.files'
    with contextlib.suppress(FileNotFoundError):
        with open(listing, encoding='utf-8') as f:
            for name in set(f.read().splitlines()) - kept:
                with contextlib.suppress(FileNotFoundError):
                    os.remove(os.path.join(dest, name))
    with open(listing, 'w', encoding='utf-8') as f:
        f.write('\n'.join(sorted(kept)))
