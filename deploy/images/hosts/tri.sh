#!/bin/sh
# The clone's `tri` installs and builds; here both are done.
export TRIREME_ROOT=/opt/trireme
export NODE_COMPILE_CACHE=/var/lib/trireme/.compile-cache
exec node /opt/trireme/.build/cli.mjs "$@"
