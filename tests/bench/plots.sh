#!/bin/sh
# plots.sh EDDY REPORTS: makes the pictures of docs/plots anew, on a machine that does nothing else, which takes some
# minutes. The reports that they are of stay in the directory REPORTS, which is made.
set -eu
[ $# = 2 ] || { echo 'usage: plots.sh EDDY REPORTS' >&2; exit 2; }
plots=$(dirname "$0")/../../docs/plots
mkdir "$2"
"$1" bench backends --workload ring --workload echo --workload accept --workload idle --workload churn-start \
    --workload churn-change --report "$2/backends" --plot "$plots/backends.svg"
"$1" bench models --connections 100 --connections 5000 --report "$2/models" --plot "$plots/models.svg"
