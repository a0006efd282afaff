exec /tmp/bin/scatter 300000
