#!/bin/sh
# proxy.sh PROGRAM [BACKEND] [--measure]: docs/examples/proxy.c between clients and upstreams that end, reset, stop
# reading, refuse and do not answer: tests/proxy.py. With --measure a hundred that do not read
# instead of thirty; what passing on costs tells tests/proxy_measure.py.
# Exit status 77: there is no Python.
set -eu
command -v python3 > /dev/null || { echo 'proxy: skipped, there is no Python'; exit 77; }
PYTHONDONTWRITEBYTECODE=1 exec python3 "$(dirname "$0")/proxy.py" "$1" "${2:-epoll}" ${3:-}
