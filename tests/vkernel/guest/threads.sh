exec /tmp/bin/threads
