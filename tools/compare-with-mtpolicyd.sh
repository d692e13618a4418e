#!/usr/bin/env bash
# Asks mtpolicyd 2.05 and policyd the same random requests under the same mtpolicyd.conf and stops at the first different answer.
# Needs root and what .ci/run installs. Usage: tools/compare-with-mtpolicyd.sh [REQUESTS-PER-CHAIN] [SEED]
set -euo pipefail
cd "$(dirname "$0")/.."
export POLICYD_CI=1 POLICYD_DIFFERENTIAL_REQUESTS=${1:-1000}
[ $# -lt 2 ] || export POLICYD_SEED=$2
dotnet test --project Policyd.Tests -- --filter-class 'Policyd.Tests.Differential.*' --show-live-output on
