#!/usr/bin/env bash
# Runs benchmarks, with a PostgreSQL server for those that need one.
#
#   bash benchmarks/run.sh [--filter PATTERN] [--short] [--passes N] [--results DIR] ...
#
#   bash benchmarks/run.sh --short                      everything, few rows and rounds
#   bash benchmarks/run.sh --filter '*.Reencryption.*'  one folder, as long as it takes
#
# The pages go to benchmarks/results, or to DIR, which leads from the repository unless it
# is absolute. All other arguments are BenchmarkDotNet's; benchmarks/README.md says more.
# Needs the .NET 10 SDK and a PostgreSQL server, which is installed from Debian's package
# if it is missing and the user is root or may use sudo without a password.
#
# The server is private: in a temporary directory, on 127.0.0.1 and a free port, stopped
# and removed at the end. It writes as a production server does: fsync, checksums of its
# pages, shared_buffers of 1 GB or a quarter of the memory, max_wal_size of 8 GB. What is
# measured depends on the disk below TMPDIR (else /tmp), of which it takes up to 10 GB.
#   EFENVELOPE_POSTGRES        Npgsql connection string of a superuser. If it is set
#                              already, that server is used and none is started.
#   EFENVELOPE_PG_BIN          directory of PostgreSQL's programs
#   EFENVELOPE_BENCHMARK_ROWS  rows to re-encrypt, for trying it out. Without it 1,000,000 on
#                              PostgreSQL (40,000 in a short run, 100,000 beside transactions)
#                              and 200,000 on SQLite (20,000).
#
# Exit code: that of the benchmarks, 1 if they were not built or the server did not
# start, 2 a requirement is missing, 128 and more stopped by a signal.

set -u -o pipefail

script=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/$(basename "${BASH_SOURCE[0]}") || exit 2
root=$(dirname "$(dirname "$script")")

# shellcheck source=tests/postgres.sh
. "$root/tests/postgres.sh" || exit 2
nothingDone='nothing was measured'

if [ "${1:-}" = --help ] || [ "${1:-}" = -h ]; then
    sed -n '2,/^$/s/^# \{0,1\}//p' "$script"
    exit 0
fi

# Megabytes: a quarter of the memory, at most 1 GB.
shared_buffers() {
    local quarter
    quarter=$(awk '/^MemTotal:/ { print int($2 / 4096) }' /proc/meminfo 2>/dev/null)
    [ -n "$quarter" ] && [ "$quarter" -lt 1024 ] || quarter=1024
    printf '%s\n' "$quarter"
}

# shellcheck disable=SC2034 # read by what is sourced
pgInit=(--data-checksums)
# shellcheck disable=SC2034
pgSettings=("shared_buffers = $(shared_buffers)MB" 'max_wal_size = 8GB')

# shellcheck disable=SC2317 # called at the end
last_word() { :; }
begin efenvelope-benchmarks

if ! find_postgres && need_server && may_install; then install_package postgresql; fi
check_required
stop_if_missing "The benchmarks"

prepare_dotnet
project=benchmarks/EfEnvelope.Benchmarks
say "Building ..."
run_child dotnet build "$project" -c Release -nologo -v minimal -tl:off --disable-build-servers || die 1 "The build failed; $nothingDone."

use_postgres
if [ -n "$pgDir" ] && [ "$(stat -f -c %T "$pgDir" 2>/dev/null)" = tmpfs ]; then
    warn "Notice: $pgDir is in memory, so nothing is ever written to a disk. Set TMPDIR to a directory of a disk to measure that, too."
fi

mkdir "$work/tmp"
run_child env TMPDIR="$work/tmp" dotnet run -c Release --no-build --project "$project" -- "$@"
exit
