# SPDX-License-Identifier: BSD-2-Clause
"""What runs in the laboratory: programs.list, or the caller's own program."""
import fnmatch
import hashlib
import os
import re
import shlex
import shutil
import subprocess

import cache
import module
import results
import vkernel

FAULTS = os.path.join(cache.HERE, 'emulators.list')
LIST = os.path.join(cache.HERE, 'programs.list')
SKIPS = os.path.join(cache.HERE, 'skips.list')
# How a reason begins that is the laboratory's own.
OURS = 'laboratory: '


class Program:
    """A line of the list."""

    def __init__(self, line):
        path, backends, *flags = line.split()
        self.path = path                    # below tests/ of the build tree
        self.backends = backends.split(',')
        self.traces = 'traces' in flags
        self.loose = 'loose' in flags
        self.slow = 'slow' in flags
        self.vkernel = path.startswith('vkernel/')
        # What it needs besides, below the build tree.
        self.files = [f for flag in flags if flag.startswith('with=')
                      for f in flag[5:].split(',')]

    def name(self, backend):
        return self.path.replace('%b', backend)


def read_list():
    with open(LIST, encoding='utf-8') as f:
        return [Program(line) for line in f
                if line.strip() and not line.startswith('#')]


def read_table(path, emulator):
    """The lines that are for an emulator: program, test, reason."""
    lines = []
    with open(path, encoding='utf-8') as f:
        for line in f:
            if not line.strip() or line.startswith('#'):
                continue
            pattern, *rest = line.strip().split(None, 3)
            if fnmatch.fnmatchcase(emulator, pattern):
                lines.append(rest)
    return lines


class Skips:
    """Tests that may be skipped there, and why."""

    def __init__(self, emulator, options):
        self.lines = read_table(
            SKIPS, f'{emulator}/{options.kernel}/{options.smp}/'
            f'{"giant" if options.giant else "no-giant"}/'
            f'{"swap" if options.swap else "no-swap"}')

    def has(self, program, test, reason):
        return reason.startswith(OURS) or any(
            fnmatch.fnmatchcase(program, line[0]) and
            fnmatch.fnmatchcase(test or '-', line[1]) and
            fnmatch.fnmatchcase(reason, line[2]) for line in self.lines)


class Faults:
    """What an emulator is known to get wrong."""

    def __init__(self, emulator):
        self.lines = read_table(FAULTS, emulator)

    def reason(self, program, *tests):
        """Why the program's tests may fail; None: they may not."""
        for pattern, test, reason in self.lines:
            if fnmatch.fnmatchcase(program, pattern) and any(
                    fnmatch.fnmatchcase(t, test) for t in tests
                    if t != '!' or test == '!'):
                return reason
        return None


def build_tree(options):
    """The build tree with the programs: given, or made here."""
    if options.build:
        return os.path.abspath(options.build)
    cache.need({'cmake': 'cmake', 'gcc': 'gcc', 'make': 'make'})
    with cache.locked('programs') as folder:
        log = os.path.join(folder, 'build.log')
        tree = os.path.join(folder, 'tree')
        cache.run(['cmake', '-S', cache.TOP, '-B', tree,
                   '-DCMAKE_BUILD_TYPE=RelWithDebInfo'],
                  'configuring the programs', log=log)
        cache.run(['cmake', '--build', tree, '-j',
                   str(len(os.sched_getaffinity(0)))],
                  'building the programs', log=log)
        return tree


def host_traces(tree, program):
    """Folder with what the program writes on the host, with backend proc;
    None: it fails here, or writes nothing."""
    path = os.path.join(tree, 'tests', program.name('proc'))
    with open(path, 'rb') as f:
        key = hashlib.sha256(f.read()).hexdigest()[:16]
    with cache.locked('traces') as folder:
        kept = os.path.join(folder, os.path.basename(path) + '-' + key)
        if not os.path.isdir(kept):
            shutil.rmtree(kept + '.new', ignore_errors=True)
            os.makedirs(kept + '.new')
            if subprocess.run([path], stdin=subprocess.DEVNULL, check=False,
                              stdout=subprocess.DEVNULL, env={
                                  **os.environ,
                                  'VMMCTL_TRACE_DIR': kept + '.new'}
                              ).returncode != 0:
                return None
            os.rename(kept + '.new', kept)
        return kept if os.listdir(kept) else None


def built(tree):
    """What there is for the laboratory, as the list has it."""
    for folder, name in (('contract/kvm', 'contract/%b/'),
                         ('device/live', 'device/live/')):
        with open(os.path.join(tree, 'tests', folder, 'Kyuafile'),
                  encoding='utf-8') as f:
            for program in re.findall(r"tap_test_program{name='(\w+)'",
                                      f.read()):
                yield name + program
    for script in os.listdir(os.path.join(cache.HERE, 'vkernel')):
        if '.' not in script and script != 'init':
            yield 'vkernel/%b/' + script


def check_list(tree):
    """A program that is not in the list would never be run."""
    absent = sorted(set(built(tree)) - {p.path for p in read_list()})
    if absent:
        raise cache.Failed('not in tests/lab/programs.list: ' +
                           ', '.join(absent))


# What runs unless --backend names others.
BACKENDS = ('kvm', 'vmm', 'both')

# Those with our module.
NEED_MODULE = ('vmm', 'both')


class Plan:
    """Puts the programs into the guest; text() is what its init does."""

    def __init__(self, options, root, faults):
        self.options = options
        self.root = root
        self.faults = faults
        self.lines = [f'export {shlex.quote(e)}' for e in options.env]
        if options.swap:
            self.lines.append(f'swap {options.swap}')
        # The figures there are to be reached are without.
        if (options.bochs or options.icount) and not options.mitigations:
            self.lines.append('export LAB_COUNTS=1')
        self.backends = options.backend.split(',') if options.backend else []
        if options.vkernel:
            vkernel.add(root)
        if not options.virt:
            self.refused()
        elif options.command:
            self.one(options.command)
        else:
            self.all()
        # It shows that all is given back.
        self.lines.append('backend none')
        if options.debug:
            self.lines.append('sound')
        if options.storm:
            self.storm()

    def text(self):
        return '\n'.join(self.lines) + '\n'

    def refused(self):
        """The processor cannot: the module says what it lacks."""
        self.backends = ['vmm']
        self.lines.append('refused ' + shlex.quote({
            'svm': 'the processor has no SVM (AMD-V)',
            'vmx': 'the processor has no VMX (VT-x)'}[self.options.kind]))

    def storm(self):
        """Guests run when the power goes off."""
        tree = build_tree(self.options)
        self.backends = [*self.backends, 'vmm']
        self.lines.append('backend vmm')
        for name in ('power', 'storm'):
            path = f'device/live/{name}'
            self.root.add(os.path.join(tree, 'tests', path),
                          '/lab/tests/' + path)
        self.lines.append('leave_running')

    def start_backend(self, name):
        """False, and a reason to skip, if it cannot be."""
        if name in NEED_MODULE and module.source() is None:
            self.lines.append(
                f'begin {name}; echo "1..0 # SKIP {OURS}no module: no Kbuild '
                'in sys/dev/vmm"; status 0')
            return False
        self.lines.append(f'backend {name}')
        return True

    def command(self, name, words):
        self.lines.append(f'program {shlex.quote(name)} '
                          f'{self.options.limit} {shlex.join(words)}')

    def one(self, command):
        self.backends = self.backends or [
            'vmm' if module.source() is not None else 'kvm']
        name = os.path.basename(command[0])
        if os.path.isfile(command[0]):
            # Contract tests know their backend by their folder.
            parent = os.path.basename(os.path.dirname(
                os.path.abspath(command[0])))
            path = f'/lab/bin/{parent}/{name}'
            self.root.add(command[0], path)
            command = [path, *command[1:]]
        for backend in self.backends:
            if self.start_backend(backend):
                self.command(name, command)

    def all(self):
        listed = [p for p in read_list() if not self.options.only or
                  re.search(self.options.only, p.path)]
        self.backends = self.backends or BACKENDS
        tree = build_tree(self.options)
        check_list(tree)
        self.lines.append('huge_pages')
        for backend in self.backends:
            chosen = [p for p in listed if backend in p.backends]
            if chosen and self.start_backend(backend):
                for program in chosen:
                    self.listed(tree, program, backend)

    def skip(self, name, reason):
        self.lines.append(f'begin {shlex.quote(name)}; echo "1..0 # SKIP "'
                          f'{shlex.quote(OURS + reason)}; status 0')

    def in_vkernel(self, name):
        """A test of the vkernel, which is a script."""
        try:
            vkernel.add(self.root)
        except cache.Missing as e:
            self.skip(name, str(e))
            return
        script = f'{vkernel.FOLDER}/{os.path.basename(name)}'
        self.command(name, ['/bin/sh', script])

    def listed(self, tree, program, backend):
        name = program.name(backend)
        reason = self.faults.reason(name, '!')
        if program.slow and self.options.bochs and not self.options.only:
            reason = 'too slow here, if not asked for with --only'
        if reason is not None:
            self.skip(name, reason)
            return
        if program.vkernel:
            self.in_vkernel(name)
            return
        source = os.path.join(tree, 'tests', name)
        if not os.path.exists(source):
            raise cache.Failed(f'{source}: in programs.list, but not built')
        self.root.add(source, '/lab/tests/' + name)
        for other in program.files:
            self.root.add(os.path.join(tree, other), '/lab/' + other)
        ready = not program.traces or \
            self.traces(name, host_traces(tree, program), program.loose)
        self.command(name, ['/lab/tests/' + name])
        if not ready:
            self.lines.append(
                f'begin {shlex.quote(name + results.TRACES)}; '
                'echo "# none to compare with: its tests fail here on proc"; '
                'status 1')

    def traces(self, name, folder, loose):
        """False: there are none."""
        if folder is None:
            return False
        for trace in os.listdir(folder):
            test = trace.partition('.')[0]
            if self.faults.reason(name, test, trace) is None:
                shutil.copy(os.path.join(folder, trace),
                            self.root.path(f'/lab/traces/{name}/{trace}'))
        if loose:
            self.root.write(f'/lab/loose/{name}', '')
        return True
