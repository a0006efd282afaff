exec /tmp/bin/ptrace
