exec /tmp/bin/signals
