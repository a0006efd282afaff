# SPDX-License-Identifier: BSD-2-Clause
set -e
perl -e 'my %h; $h{$_ % 97} += $_ for 1 .. 100000; print join(",", map { $h{$_} } 0 .. 3), "\n"'
perl -MPOSIX -e 'my $p = fork; if (!$p) { POSIX::_exit(7) } waitpid($p, 0); print $? >> 8, "\n"'
python3 - <<'END'
import asyncio, ctypes, json, mmap, os, signal, socket, subprocess
import tempfile, threading, time

print(json.dumps({"sum": sum(range(200000)), "pi": repr(3.141592653589793)}))
print(subprocess.run(["echo", "child"], capture_output=True).stdout)

total = []
threads = [threading.Thread(target=lambda n=n: total.append(n * n)) for n in range(40)]
for t in threads: t.start()
for t in threads: t.join()
print(sorted(total)[-1])

s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen()
def serve():
    c, _ = s.accept()
    c.sendall(c.recv(100)[::-1])
    c.close()
t = threading.Thread(target=serve); t.start()
c = socket.create_connection(s.getsockname()); c.sendall(b"backwards")
print(c.recv(100)); t.join()

async def main():
    return sum(await asyncio.gather(*(asyncio.sleep(0.01, n) for n in range(50))))
print(asyncio.run(main()))

got = []
signal.signal(signal.SIGALRM, lambda *a: got.append(1))
signal.setitimer(signal.ITIMER_REAL, 0.02)
while not got: pass
print("alarm")

with tempfile.TemporaryFile() as f:
    f.truncate(1 << 20)
    m = mmap.mmap(f.fileno(), 1 << 20)
    pid = os.fork()
    if pid == 0:
        m[4096:4101] = b"hello"
        os._exit(0)
    os.waitpid(pid, 0)
    print(m[4096:4101])
pid = os.fork()
if pid == 0:
    ctypes.string_at(0)
print(os.waitpid(pid, 0)[1] & 127)
END
