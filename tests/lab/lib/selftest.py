# SPDX-License-Identifier: BSD-2-Clause
"""Does the laboratory fail where it should?  Nothing is booted."""
import os
import stat
import sys
import tempfile
import types
import unittest

sys.dont_write_bytecode = True
SCRATCH = tempfile.TemporaryDirectory()
os.environ['LAB_BUILD'] = SCRATCH.name
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import cache        # noqa: E402
import programs     # noqa: E402
import results      # noqa: E402


def feed(lines, allowed=None):
    """What is printed for lines of the guest's, and whether all is well."""
    printed = []
    found = results.Results(printed.append)
    if allowed is not None:
        found.allowed = allowed
    for line in lines:
        found.feed(line)
    return found, [n for n in printed if not n.startswith('#')]


def run_of(name, *lines, status=0):
    return [f'lab: begin {name}', *lines, f'lab: status {status} 1.0 2.0']


class Alarms(unittest.TestCase):
    def alarms(self, line):
        found = results.Results(lambda _: None)
        return results.alarms(f'[    1.000000] {line}\n', found)[0]

    def test_what_is_one(self):
        for line in (
                'rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:',
                'rcu: INFO: rcu_preempt detected expedited stalls on '
                'CPUs/tasks: { 1-...D } 21 jiffies s: 33 root: 0x2/.',
                'rcu: INFO: rcu_sched self-detected stall on CPU',
                'watchdog: BUG: soft lockup - CPU#0 stuck for 22s!',
                'WARNING: CPU: 0 PID: 1 at kernel/x.c:1 f+0x0/0x1 [vmm]',
                'BUG: unable to handle page fault for address: 0',
                'Oops: 0002 [#1] PREEMPT SMP NOPTI',
                'INFO: task storm:77 blocked for more than 120 seconds.',
                'Kernel panic - not syncing: Attempted to kill init!',
                'unchecked MSR access error: WRMSR to 0x48'):
            self.assertEqual(len(self.alarms(line)), 1, line)

    def test_what_is_none(self):
        for line in ('vmm: loading out-of-tree module taints kernel.',
                     "kvm: unknown parameter 'enable_virt_at_load' ignored",
                     'rcu: Hierarchical SRCU implementation.'):
            self.assertEqual(self.alarms(line), [], line)

    def test_taint(self):
        found = results.Results(lambda _: None)
        found.feed('lab: taint 512')
        self.assertEqual(results.alarms('', found), ([], 512))


class Skips(unittest.TestCase):
    # As cmocka has it.
    one = run_of('device/live/a', '1..1', '# SKIP t: no such thing',
                 'not ok 1 # SKIP t')
    all = run_of('device/live/a', '1..0 # SKIP no such thing')

    def test_any_where_there_is_no_list(self):
        for lines in (self.one, self.all):
            self.assertEqual(feed(lines)[0].failures, 0)

    def test_none_is_listed(self):
        for lines in (self.one, self.all):
            found, printed = feed(lines, lambda *_: False)
            self.assertEqual(found.failures, 1)
            self.assertTrue(printed[0].startswith('not ok 1 - device/live/a'))
            self.assertNotIn('SKIP', printed[0])

    def test_what_is_asked_for(self):
        asked = []
        feed(self.one + self.all, lambda *a: asked.append(a) or True)
        self.assertEqual(asked, [('device/live/a', 't', 'no such thing'),
                                 ('device/live/a', '', 'no such thing')])

    def test_the_list(self):
        options = types.SimpleNamespace(kernel='6.1', smp=1, swap=None,
                                        giant=False)
        skips = programs.Skips('qemu', options)
        here = ('device/live/host', 'processors_come_and_go')
        self.assertTrue(skips.has(*here, 'there is one processor'))
        self.assertFalse(skips.has(*here, 'something else'))
        self.assertFalse(skips.has('device/live/host', 'sysfs',
                                   'there is one processor'))
        self.assertFalse(skips.has('device/live/host', '',
                                   '/dev/vmm: No such file or directory'))
        self.assertTrue(skips.has('a', '', programs.OURS + 'too slow'))
        options.smp = 2
        self.assertFalse(programs.Skips('qemu', options).has(
            *here, 'there is one processor'))


class Traces(unittest.TestCase):
    def compared(self, *program):
        return feed(run_of('contract/vmm/a', '1..1', *program) + run_of(
            'contract/vmm/a: traces', 'lab: missing contract/vmm/a t.trace'))

    def test_missing(self):
        found, printed = self.compared('ok 1 - t')
        self.assertEqual(found.failures, 1)
        self.assertIn('not ok 2 - contract/vmm/a: t.trace is written',
                      printed)

    def test_missing_of_a_test_that_was_skipped(self):
        found, _ = self.compared('# SKIP t: it cannot', 'not ok 1 # SKIP t')
        self.assertEqual(found.failures, 0)

    def program(self, name, script):
        path = os.path.join(SCRATCH.name, 'tests/contract/proc', name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w', encoding='ascii') as f:
            f.write('#!/bin/sh\n' + script)
        os.chmod(path, stat.S_IRWXU)
        return programs.Program(f'contract/%b/{name} vmm traces')

    def test_the_hosts(self):
        write = 'echo >"$VMMCTL_TRACE_DIR/t.trace"\n'
        for name, script, good in (('good', write, True),
                                   ('fails', write + 'exit 1\n', False),
                                   ('silent', 'exit 0\n', False)):
            program = self.program(name, script)
            for _ in range(2):      # the second time from the cache
                folder = programs.host_traces(SCRATCH.name, program)
                self.assertEqual(folder is not None, good, name)

    def test_none_of_the_hosts_is_a_failure(self):
        program = self.program('fails', 'exit 1\n')
        plan = programs.Plan.__new__(programs.Plan)
        plan.faults = types.SimpleNamespace(reason=lambda *_: None)
        plan.options = types.SimpleNamespace(bochs=False, limit=1)
        plan.root = types.SimpleNamespace(add=lambda *_: None)
        plan.lines = []
        vmm = os.path.join(SCRATCH.name, 'tests/contract/vmm')
        os.makedirs(vmm, exist_ok=True)
        os.link(os.path.join(SCRATCH.name, 'tests/contract/proc/fails'),
                os.path.join(vmm, 'fails'))
        plan.listed(SCRATCH.name, program, 'vmm')
        self.assertRegex(plan.lines[-1], '^begin .*: traces.*; status 1$')


class List(unittest.TestCase):
    def check(self, folder, text):
        for name in ('contract/kvm', 'device/live'):
            path = os.path.join(SCRATCH.name, 'tests', name)
            os.makedirs(path, exist_ok=True)
            with open(path + '/Kyuafile', 'w', encoding='ascii') as f:
                f.write(text if name == folder else '')
        programs.check_list(SCRATCH.name)

    def test_all_are_there(self):
        self.check('device/live', "tap_test_program{name='storm'}\n")

    def test_one_is_not(self):
        for folder, name in (('contract/kvm', 'contract/%b/nobody'),
                             ('device/live', 'device/live/nobody')):
            with self.assertRaisesRegex(cache.Failed, name):
                self.check(folder, "tap_test_program{name='nobody', "
                           "is_exclusive=true}\n")


if __name__ == '__main__':
    unittest.main()
