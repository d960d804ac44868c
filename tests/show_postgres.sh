#!/usr/bin/env bash
# show_postgres.sh EDDY: the slow queries of `eddy show --postgres`, with a PostgreSQL that is started here,
# stopped while they run, and started again. Without a PostgreSQL: exit status 77.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
eddy=$(realpath "$1")
# shellcheck source=tests/postgres.sh
. "$here/postgres.sh"
command -v psql > /dev/null || skip 'there is no psql'
PYTHONDONTWRITEBYTECODE=1 python3 "$here/show.py" "$eddy" "$info" "$control"
