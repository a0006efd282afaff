# SPDX-License-Identifier: BSD-2-Clause
"""From what the guest prints to TAP: one line for each test of each program,
or for each program that does not speak TAP."""
import base64
import io
import re
import tarfile

TEST = re.compile(r'(ok|not ok) (\d+)(?: - | )?(.*)')
# What a kernel says when something is wrong with it.
ALARM = re.compile(
    r'WARNING:|BUG:|BUG |Oops|Kernel panic|kernel BUG|cut here|Call Trace|'
    r'KASAN|KCSAN|UBSAN|ODEBUG|lockdep|locking correctness|'
    r'circular locking|suspicious RCU|suspected memory leaks|'
    r'INFO: task .* blocked|self-detected stall|'
    r'detected (expedited )?stalls|soft lockup|'
    r'hard LOCKUP|general protection fault:|unable to handle|'
    r'Objects remaining|refcount_t|[Bb]ad page|'
    r'scheduling while atomic|sleeping function called|double fault|'
    r'unchecked MSR access|page allocation failure|'
    r'power: (?!all is as it should be)')
# What a kernel says last, and device/live/power before that.
OFF = 'reboot: Power down'
TOLD = 'power: all is as it should be'
# How the name of the comparison that follows a program ends.
TRACES = ': traces'


class Results:
    """Feed it the lines of the output; it prints TAP."""

    def __init__(self, write):
        self.write = write
        self.fault = lambda program, test: None     # Faults.reason
        self.allowed = lambda program, test, reason: True   # Skips.has
        self.count = 0
        self.failures = 0
        self.running = None     # what began and has not ended
        self.ended = False
        self.taint = None
        self.left_out = set()   # tests that the last program has skipped
        self.archive = None     # lines of what the guest sends out
        self.out = None
        self.forget()

    def forget(self):
        self.tap = False        # the program speaks it
        self.bad = False        # and has said "not ok"
        self.excused = False    # but that is not its fault
        self.planned = None     # so many tests
        self.told = 0
        self.skipped = None     # all of it, for that reason
        self.reasons = {}       # of single tests
        self.text = []

    def result(self, good, name, skip=None):
        self.count += 1
        self.failures += not good
        self.write(f'{"ok" if good else "not ok"} {self.count} - '
                   f'{name}' + (f' # SKIP {skip}' if skip is not None
                                else ''))

    def note(self, text):
        for line in text.splitlines():
            self.write('# ' + re.sub('^# ?', '', line))

    def broke(self, program, said):
        """Why the emulator itself may end there, having said that; or None."""
        return self.fault(program, *(
            'ends:' + '_'.join(line.split()[1:]) for line in said.splitlines()))

    def feed(self, line):
        line = line.rstrip('\r\n')
        if line.startswith('lab: '):
            self.control(line[5:])
        elif self.archive is not None:
            self.archive.append(line)
        elif line and self.running is not None:
            self.program(line)

    def control(self, line):
        word, _, rest = line.partition(' ')
        if word == 'begin':
            self.running = rest
            if not rest.endswith(TRACES):
                self.left_out = set()
            self.forget()
        elif word == 'status':
            self.status(*rest.split())
        elif word == 'missing':
            self.missing(*rest.split())
        elif word == 'taint':
            self.taint = int(rest)
        elif line == 'out':
            self.archive = []
        elif line == 'out end':
            self.out = base64.b64decode(''.join(self.archive))
            self.archive = None
        elif word == 'end':
            self.ended = True

    def program(self, line):
        test = TEST.fullmatch(line)
        reason = re.fullmatch(r'# SKIP (\w+): (.*)', line)
        plan = re.fullmatch(r'1\.\.(\d+)', line)
        if test:
            self.tap = True
            self.told += 1
            self.test(test.group(1) == 'ok', test.group(3))
        elif line.startswith('1..0 # SKIP'):
            self.skipped = line[len('1..0 # SKIP'):].strip()
        elif line.startswith('Bail out!'):
            self.tap = True
            self.bad = True
            self.result(False, self.running)
            self.note(line)
        elif reason:
            self.reasons[reason.group(1)] = reason.group(2)
        elif plan:
            self.tap = True
            self.planned = int(plan.group(1))
        elif line.startswith('TAP version'):
            self.tap = True
        elif line == '# not ok - tests':
            pass                # cmocka's sum
        elif self.tap or line.startswith('#'):
            self.note(line)
        else:
            self.text.append(line)

    def test(self, good, text):
        name, skipped, reason = text.partition('# SKIP')
        name = name.strip()
        if skipped:
            # cmocka has it the other way round, and without the reason.
            if not name:
                name, good = reason.strip(), True
            self.left_out.add(name)
            self.skip(good, name, self.reasons.get(name, reason.strip()))
            return
        reason = None if good else self.fault(self.running, name)
        self.bad |= not good
        self.excused |= reason is not None
        self.result(good or reason is not None, f'{self.running}: {name}',
                    reason and f'the emulator\'s fault: {reason}')

    def skip(self, good, name, reason):
        """Of a test, or, without a name, of all of the program."""
        expected = self.allowed(self.running, name, reason)
        self.result(good and expected, self.running +
                    (f': {name}' if name else ''),
                    reason if expected else None)
        if not expected:
            self.bad = True
            self.note(f'skipped, and not in skips.list: {reason}')

    def missing(self, program, trace):
        """It was written on the host, and not here."""
        test = trace.partition('.')[0]
        if test not in self.left_out:
            self.result(False, f'{program}: {trace} is written')

    def status(self, status, began, ended):
        name = self.running
        if self.skipped is not None and status == '0':
            # A program that has told each of its tests needs no more.
            if not self.tap:
                self.skip(True, '', self.skipped)
        elif not self.tap:
            self.result(status == '0', name)
        elif status != '0' and not self.bad:
            self.result(False, f'{name}: exit status')
        elif self.told != (self.planned or 0):
            self.result(False, f'{name}: {self.told} tests, not '
                        f'{self.planned or 0}')
        self.running = None
        self.note('\n'.join(self.text))
        if status != '0' and not self.excused:
            self.note(f'{name}: exit status {status}' + (
                ', killed: it took too long' if status == '137' else ''))
        self.note(f'{name}: {float(ended) - float(began):.2f} s')

    def extract(self, folder):
        """What the guest sent out."""
        with tarfile.open(fileobj=io.BytesIO(self.out)) as tar:
            tar.extractall(folder)


# A warning of the kernel, and where it was when it came to that.
REPORT = re.compile(r'(?:(?!\n).)*-+\[ cut here \]-+\n.*?'
                    r'-+\[ end trace [^\n]*\n', re.S)
PLACE = re.compile(r'RIP: 0010:(\S+)')
TAINT_WARN = 1 << 9


def excused(report, found):
    """Is the warning the emulator's fault?  Its name there is where the kernel
    warns, and what it interrupted."""
    return found.fault('kernel', ','.join(PLACE.findall(report))) is not None


def alarms(console, found):
    """Lines of the console that a sound kernel does not print, and what ran
    when it did; and how the kernel is tainted, but for what is excused."""
    lines = []
    running = 'boot'
    taint = found.taint or 0
    rest = REPORT.sub(
        lambda m: '' if excused(m.group(), found) else m.group(), console)
    if rest != console:
        taint &= ~TAINT_WARN    # of another warning there is another report
    for line in rest.splitlines():
        _, ours, name = line.partition('lab: ')
        if ours:
            running = name
        elif ALARM.search(line):
            lines.append(f'{running}: {line}')
    return lines, taint
