#!/usr/bin/env bash
# Builds EfEnvelope and runs all of its tests.
#
#   bash tests/run.sh [--project NAME] [-- ARGUMENTS...]
#
#   --project NAME   run only the test projects whose name contains NAME
#   -- ARGUMENTS     pass these to every test executable, for example
#                    -- -class '*EnvelopeTests'   (-- -? lists them all)
#
# Needs the .NET 10 SDK and a PostgreSQL server. PostgreSQL, softhsm2, libnss3 and
# python3-cryptography are installed from Debian's packages if they are missing
# and the user is root or may use sudo without a password. Without softhsm2, libnss3
# or python3-cryptography the tests that need them skip and say so.
#
# The tests get a PostgreSQL server of their own: in a temporary directory, on
# 127.0.0.1 and a free port, stopped and removed at the end. They find it by
#   EFENVELOPE_POSTGRES   Npgsql connection string of a superuser. If it is set
#                         already, that server is used and none is started.
#   EFENVELOPE_PG_BIN     directory of PostgreSQL's programs (pg_dump, and a server that tests may crash)
#   EFENVELOPE_PYTHON     Python 3 interpreter that has the module cryptography
#   EFENVELOPE_LONG       1 runs the history of 20,000 rows, too, which takes minutes
#   EFENVELOPE_HISTORY_SEED  the seed of a history that failed, to run it again
#
# The last line printed is "Tests: N passed, N failed, N skipped". Exit code:
# 0 all passed or skipped, 1 something failed or nothing ran, 2 a requirement is
# missing or the arguments are wrong, 128 and more stopped by a signal.

set -u -o pipefail

usage() { sed -n '2,/^$/s/^# \{0,1\}//p' "$script"; }

script=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/$(basename "${BASH_SOURCE[0]}") || exit 2
root=$(dirname "$(dirname "$script")")

# shellcheck source=tests/postgres.sh
. "$root/tests/postgres.sh" || exit 2
nothingDone='no test was run'
pgSettings=('fsync = off' 'synchronous_commit = off' 'full_page_writes = off')

only=''
while [ $# -gt 0 ]; do
    case $1 in
        --project) [ $# -ge 2 ] || die 2 "run.sh: --project needs a name"; only=$2; shift 2 ;;
        --project=*) only=${1#--project=}; shift ;;
        --) shift; break ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; die 2 "run.sh: unknown argument: $1" ;;
    esac
done
testArguments=("$@")

passed=0 failed=0 skipped=0
# shellcheck disable=SC2317 # called at the end
last_word() { say "Tests: $passed passed, $failed failed, $skipped skipped"; }
begin efenvelope-tests

# --- what the tests need -----------------------------------------------------

# Sets EFENVELOPE_PYTHON, unless the caller chose one.
find_python() {
    local candidate
    [ -z "${EFENVELOPE_PYTHON:-}" ] || return 0
    while IFS= read -r candidate; do
        if [ -x "$candidate" ] && "$candidate" -c 'import cryptography, sys; sys.exit(sys.version_info < (3,))' >/dev/null 2>&1; then
            export EFENVELOPE_PYTHON=$candidate
            return 0
        fi
    done < <(exec 2>/dev/null; echo /usr/bin/python3; type -aP python3)
    return 1
}

find_softhsm() { command -v softhsm2-util >/dev/null 2>&1; }

find_nss() { compgen -G '/usr/lib*/libsoftokn3.so' || compgen -G '/usr/lib/*/libsoftokn3.so' || compgen -G '/usr/lib/*/nss/libsoftokn3.so'; } >/dev/null

missing=()
if ! find_postgres && need_server; then missing+=(postgresql); fi
find_softhsm || missing+=(softhsm2)
find_nss || missing+=(libnss3)
find_python || missing+=(python3-cryptography)
if [ ${#missing[@]} -gt 0 ] && may_install; then
    for package in "${missing[@]}"; do install_package "$package"; done
fi

check_required
find_python || warn "Notice: no Python 3 with the module cryptography (Debian package python3-cryptography); tests that need it will skip."
find_softhsm || warn "Notice: no SoftHSM (Debian package softhsm2); tests that need it will skip."
find_nss || warn "Notice: no NSS (Debian package libnss3); tests that need it will skip."
stop_if_missing "The tests"
if [ -z "${EFENVELOPE_PG_BIN:-}" ]; then
    if [ -n "$pgBin" ]; then
        export EFENVELOPE_PG_BIN=$pgBin
    elif command -v pg_dump >/dev/null 2>&1; then
        EFENVELOPE_PG_BIN=$(dirname "$(command -v pg_dump)")
        export EFENVELOPE_PG_BIN
    else
        warn "Notice: no PostgreSQL programs found (pg_dump); tests that need them will skip."
    fi
fi

# --- building ----------------------------------------------------------------

prepare_dotnet
say "Building ..."
if ! run_child dotnet build EfEnvelope.sln -c Release -nologo -v minimal -tl:off --disable-build-servers; then
    die 1 "The build failed; no test was run."
fi

use_postgres

# --- running the tests -------------------------------------------------------

# Reads an xunit result file. Prints "passed failed skipped not-run" (errors count as
# failed), then one line for each failed test ("! NAME") and each skipped one. Fails if the file is not complete.
read_results() {
    LC_ALL=C awk '
        function attribute(name) {
            if (!match($0, "[ \t\r\n]" name "=\"[^\"]*\"")) return ""
            return substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 4)
        }
        function plain(text) {
            gsub(/&lt;/, "<", text); gsub(/&gt;/, ">", text); gsub(/&quot;/, "\"", text)
            gsub(/\\"/, "\"", text); gsub(/&#x[DdAa];/, " ", text); gsub(/&amp;/, "\\&", text); gsub(/[ \t\r\n]+/, " ", text)
            return text
        }
        function skip_line() { listed = listed "\n" name "\t" (reason == "" ? "(no reason given)" : reason) }
        BEGIN { RS = "<" }
        cdata || /^!\[CDATA\[/ {
            text = cdata ? "<" $0 : substr($0, 9)
            end = index(text, "]]>")
            cdata = end == 0
            if (inReason) raw = raw (end ? substr(text, 1, end - 1) : text)
            next
        }
        /^assembly[ \t\r\n]/ && !seen {
            seen = 1
            for (i = split("total passed failed skipped not-run errors", names, " "); i > 0; i--) {
                if (attribute(names[i]) !~ /^[0-9]+$/) exit
                count[names[i]] = attribute(names[i])
            }
            counted = 1
        }
        /^test[ \t\r\n]/ {
            skip = attribute("result") == "Skip"
            name = plain(attribute("name"))
            if (attribute("result") == "Fail") listed = listed "\n! " name
            reason = ""
            if (skip && /\/>[ \t\r\n]*$/) skip_line()
        }
        /^reason>/ { inReason = 1; raw = plain(substr($0, 8)) }
        /^\/reason>/ { inReason = 0; gsub(/[ \t\r\n]+/, " ", raw); gsub(/\\"/, "\"", raw); reason = raw }
        /^\/test>/ && skip { skip_line() }
        /^\/assemblies>/ { complete = 1 }
        END {
            if (!counted || !complete) exit 1
            print count["passed"] + 0, count["failed"] + count["errors"], count["skipped"] + 0, count["not-run"] + 0 listed
        }
    ' "$1"
}

# Lists skipped tests, read as "name TAB reason": each reason with its number of tests and their classes.
list_skips() {
    LC_ALL=C awk -F '\t' '
        {
            class = $1
            sub(/\(.*/, "", class); sub(/\.[^.]*$/, "", class)
            if (!($2 in tests)) order[++reasons] = $2
            tests[$2]++
            if (!(($2, class) in seen)) { seen[$2, class]; classes[$2] = classes[$2] "\n      " class }
        }
        END { for (i = 1; i <= reasons; i++) printf "  %d tests: %s%s\n", tests[order[i]], order[i], classes[order[i]] }
    '
}

# Whether a project file references the package xunit.v3 itself (not xunit.v3.assert and the like).
is_test_project() {
    awk '
        { text = text " " $0 }
        END {
            while ((from = index(text, "<!--")) && (to = index(substr(text, from), "-->")))
                text = substr(text, 1, from - 1) substr(text, from + to + 2)
            gsub(/[ \t\r]+/, " ", text)
            print text
        }
    ' "$1" | grep -Eiq "<PackageReference [^>]*Include ?= ?[\"']xunit\.v3[\"']"
}

problems=() skips=() ran=0
problem() { failed=$((failed + 1)); problems+=("$*"); warn "$*"; }

run_project() {
    local project=$1 name assemblies results code p f s n line fails=()
    name=$(basename "$project" .csproj)
    results=$work/$name.xml
    ran=$((ran + 1))
    say "" && say "== $name"

    if ! grep -qF "\\$name.csproj\"" EfEnvelope.sln; then
        problem "$name: not built, the project is not in EfEnvelope.sln."
        return
    fi
    mapfile -t assemblies < <(compgen -G "$(dirname "$project")/bin/Release/*/$name.dll")
    if [ ${#assemblies[@]} -ne 1 ]; then
        problem "$name: expected one built assembly in $(dirname "$project")/bin/Release, found ${#assemblies[@]}."
        return
    fi

    rm -rf -- "$work/tmp"
    mkdir "$work/tmp"
    run_child env TMPDIR="$work/tmp" dotnet exec "${assemblies[0]}" \
        -noLogo -noColor -noAutoReporters -xml "$results" "${testArguments[@]}"
    code=$?

    if ! read_results "$results" >"$work/counts" 2>/dev/null; then
        problem "$name: the test process ended with exit code $code and left no complete result file."
        return
    fi
    {
        read -r p f s n
        while IFS= read -r line; do
            case $line in '! '*) fails+=("  ${line#! }") ;; *) skips+=("$line") ;; esac
        done
    } <"$work/counts"
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))

    [ "$f" -eq 0 ] || problems+=("$name: $f failed." ${fails[@]+"${fails[@]}"})
    [ "$n" -eq 0 ] || say "$name: $n explicit tests were not run."
    if [ "$code" -ne 0 ] && [ "$f" -eq 0 ]; then
        problem "$name: no test failed, but the test process ended with exit code $code."
    elif [ $((p + f + s)) -eq 0 ] && [ ${#testArguments[@]} -eq 0 ]; then
        problem "$name: no test was run."
    fi
}

for project in tests/*/*.csproj; do
    [ -f "$project" ] || continue
    is_test_project "$project" || continue
    case $(basename "$project" .csproj) in *"$only"*) run_project "$project" ;; esac
done

say ""
if [ ${#skips[@]} -gt 0 ]; then
    say "Skipped:"
    printf '%s\n' "${skips[@]}" | list_skips
fi
if [ ${#problems[@]} -gt 0 ]; then
    say "Failed:"
    printf '  %s\n' "${problems[@]}"
fi
if [ "$ran" -eq 0 ]; then
    say "There is no test project${only:+ whose name contains \"$only\"}; nothing was run."
elif [ $((passed + failed)) -eq 0 ]; then
    say "No test was run."
fi
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
exit
