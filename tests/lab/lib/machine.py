# SPDX-License-Identifier: BSD-2-Clause
"""The emulated computers.  Each gives the kernel's console to one file and
what the tests print to another: their lines never mix."""
import os
import shutil

import cache

# Where nothing else is in 1 GiB: Bochs' boot loader has files below 2 GiB, its
# BIOS tables below 3.
GIANT = {False: 3328, True: 5632}
APPEND = ('console=ttyS0,115200 quiet loglevel=5 panic=-1 reboot=t mce=off '
          'nokaslr nowatchdog cryptomgr.notests clearcpuid=rdrand,rdseed '
          'norandmaps random.trust_cpu=off')
EPOCH = 1577836800      # 2020-01-01: the time at which they start


class Machine:
    """A computer that boots kernel and initrd; work: a folder for it."""
    environment = {}
    needs = {}

    def __init__(self, options, kernel, work):
        self.options = options
        self.kernel = kernel
        self.work = work
        self.console = os.path.join(work, 'console.log')
        self.output = os.path.join(work, 'output.log')
        self.initrd = os.path.join(work, 'initrd')
        self.complaints = os.path.join(work, 'emulator.log')
        # They may fail to write them, and are read while they are written.
        for path in (self.console, self.output, self.complaints):
            with open(path, 'w', encoding='ascii'):
                pass

    def append(self):
        words = [APPEND]
        if not self.options.mitigations:
            words.append('mitigations=off')
        return ' '.join(words + self.options.append)


class Qemu(Machine):
    """SVM with nested paging, by TCG.  One thread: it is one CPU's work, and
    counts are the same each time."""
    needs = {'qemu-system-x86_64': 'qemu-system-x86'}

    def processor(self):
        if self.options.virt:
            return 'max'
        return 'max,-svm' + (',vendor=GenuineIntel'
                             if self.options.kind == 'vmx' else '')

    def command(self):
        o = self.options
        command = ['qemu-system-x86_64', '-accel', 'tcg,thread=single',
                   '-cpu', self.processor(), '-m', str(o.mem),
                   '-smp', str(o.smp),
                   '-nodefaults', '-no-user-config', '-no-reboot',
                   '-display', 'none', '-serial', 'file:' + self.console,
                   '-serial', 'file:' + self.output,
                   '-kernel', self.kernel.image, '-initrd', self.initrd,
                   '-append', self.append()]
        if o.icount:
            command += ['-icount', 'shift=0,sleep=off',
                        '-rtc', 'base=2020-01-01,clock=vm']
        if o.gdb:
            command += ['-S', '-gdb', f'tcp:127.0.0.1:{o.gdb}']
        return command


BOCHSRC = """
config_interface: textconfig
display_library: sdl2
memory: guest={mem}, host={host}
cpu: model={model}, count={smp}, ips=50000000, reset_on_triple_fault=0, \
ignore_bad_msrs={lenient}, msrs={here}/msrs.def
romimage: file=/usr/share/bochs/BIOS-bochs-latest, options=fastboot
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path={work}/boot.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev={work}/console.log
com2: enabled=1, mode=file, dev={work}/output.log
clock: sync=none, time0={epoch}
vga: extension=vbe, update_freq=1, realtime=0
log: {work}/bochs.log
panic: action=fatal
error: action=report
info: action=ignore
debug: action=ignore
"""
SDL_PLUGIN = '/usr/lib/x86_64-linux-gnu/bochs/plugins/libbx_sdl2_gui.so'
BOOT_FILES = ('/usr/lib/ISOLINUX/isolinux.bin',
              '/usr/lib/syslinux/modules/bios/ldlinux.c32')
# SVM models want to write MSRs that Bochs does not have.
LENIENT = ('zambezi', 'trinity_apu')


class Bochs(Machine):
    """VMX with EPT, VPID and unrestricted guest; or, by its model, SVM with
    NRIP save and flush by ASID, which QEMU lacks.  Boots from a CD."""
    environment = {'SDL_VIDEODRIVER': 'dummy'}
    needs = {
        'bochs-bin': 'bochs',
        SDL_PLUGIN: 'bochs-sdl',
        '/usr/share/bochs/BIOS-bochs-latest': 'bochsbios',
        '/usr/share/bochs/VGABIOS-lgpl-latest': 'vgabios',
        'xorriso': 'xorriso',
        BOOT_FILES[0]: 'isolinux',
        BOOT_FILES[1]: 'syslinux-common',
    }

    def append(self):
        return super().append() + ' no_timer_check tsc=reliable'

    def make_iso(self):
        folder = os.path.join(self.work, 'iso')
        os.makedirs(folder)
        for source in BOOT_FILES:
            shutil.copy(source, folder)
        os.link(self.initrd, os.path.join(folder, 'initrd'))
        shutil.copy(self.kernel.image, os.path.join(folder, 'kernel'))
        with open(os.path.join(folder, 'isolinux.cfg'), 'w',
                  encoding='ascii') as f:
            f.write('default lab\nprompt 0\ntimeout 0\nlabel lab\n'
                    ' kernel kernel\n initrd initrd\n'
                    f' append {self.append()}\n')
        cache.run(['xorriso', '-as', 'mkisofs', '-quiet', '-o',
                   os.path.join(self.work, 'boot.iso'), '-b', 'isolinux.bin',
                   '-c', 'boot.cat', '-no-emul-boot', '-boot-load-size', '4',
                   '-boot-info-table', folder], 'xorriso')
        shutil.rmtree(folder)

    def command(self):
        o = self.options
        self.make_iso()
        with open(os.path.join(self.work, 'bochsrc'), 'w',
                  encoding='ascii') as f:
            f.write(BOCHSRC.format(
                mem=o.mem, host=min(o.mem, 2048), model=o.model,
                smp=o.smp, here=cache.HERE,
                lenient=int(o.model in LENIENT), work=self.work, epoch=EPOCH))
        # Its debugger is built in, and waits to be told to go on.
        debugger = os.path.join(self.work, 'debugger')
        if o.debugger:
            shutil.copy(o.debugger, debugger)
        else:
            with open(debugger, 'w', encoding='ascii') as f:
                f.write('c\n')
        return ['bochs-bin', '-q', '-f', os.path.join(self.work, 'bochsrc'),
                '-rc', debugger]
