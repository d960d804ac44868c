#!/bin/sh
# http_proxy.sh PROGRAM [BACKEND] [--measure]: docs/examples/http_proxy.c between clients and upstreams that end, reset, stop
# reading, refuse and do not answer: tests/http_proxy.py. With --measure a hundred that do not read
# instead of thirty; what passing on costs tells tests/proxy_measure.py.
# Exit status 77: there is no Python.
set -eu
command -v python3 > /dev/null || { echo 'http_proxy: skipped, there is no Python'; exit 77; }
PYTHONDONTWRITEBYTECODE=1 exec python3 "$(dirname "$0")/http_proxy.py" "$1" "${2:-epoll}" ${3:-}
