#!/usr/bin/env bash
# Builds EfEnvelope and runs all of its tests.
#
#   bash tests/run.sh [--project NAME] [-- ARGUMENTS...]
#
#   --project NAME   run only the test projects whose name contains NAME
#   -- ARGUMENTS     pass these to every test executable, for example
#                    -- -class '*EnvelopeTests'   (-- -? lists them all)
#
# Needs the .NET 10 SDK and a PostgreSQL server. PostgreSQL, softhsm2 and
# python3-cryptography are installed from Debian's packages if they are missing
# and the user is root or may use sudo without a password. Without softhsm2 or
# python3-cryptography the tests that need them skip and say so.
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
say() { printf '%s\n' "$*"; }
warn() { printf '%s\n' "$*" >&2; }
die() { local code=$1; shift; warn "$@"; exit "$code"; }

script=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/$(basename "${BASH_SOURCE[0]}") || exit 2
root=$(dirname "$(dirname "$script")")

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

# --- cleaning up -------------------------------------------------------------

passed=0 failed=0 skipped=0
work='' pgDir='' pgBin='' pgStarted='' child=''

# Ends what is left of the process group started by run_child.
end_child() {
    [ -n "$child" ] || return 0
    local i
    kill -TERM -- "-$child" 2>/dev/null || kill -TERM "$child" 2>/dev/null
    for ((i = 0; i < 50; i++)); do
        kill -0 -- "-$child" 2>/dev/null || break
        sleep 0.1
    done
    kill -KILL -- "-$child" 2>/dev/null
    wait "$child" 2>/dev/null
    child=''
}

# shellcheck disable=SC2317 # called by the trap
stop_postgres() {
    [ -n "$pgStarted" ] || return 0
    local pid
    pid=$(head -n 1 "$pgDir/data/postmaster.pid" 2>/dev/null)
    if [ -n "$pid" ] && ! as_pg "$pgBin/pg_ctl" -D "$pgDir/data" -m immediate -w -t 20 stop >/dev/null 2>&1; then
        kill -KILL "$pid" 2>/dev/null
    fi
    pgStarted=''
}

# shellcheck disable=SC2317 # called by the trap
cleanup() {
    local code=$?
    exec >&3 2>&4 3>&- 4>&-
    trap '' INT TERM HUP PIPE
    trap - EXIT
    end_child
    stop_postgres
    cd / || true
    [ -z "$pgDir" ] || rm -rf -- "$pgDir"
    [ -z "$work" ] || rm -rf -- "$work"
    say "Tests: $passed passed, $failed failed, $skipped skipped"
    exit "$code"
}
# A trap may run while a command's redirections are in force, hence the copies.
exec 3>&1 4>&2
trap cleanup EXIT
trap 'warn "Interrupted." 2>&4; exit 130' INT
trap 'warn "Terminated." 2>&4; exit 143' TERM
trap 'exit 129' HUP
trap 'exit 141' PIPE

# Runs a command in a process group of its own, so that a signal to this script
# is handled at once and everything the command started can be ended with it.
keepSignals=(env '--default-signal=INT,QUIT')
"${keepSignals[@]}" true 2>/dev/null || keepSignals=()
run_child() {
    local code
    setsid "${keepSignals[@]}" "$@" </dev/null 3>&- 4>&- &
    child=$!
    wait "$child"
    code=$?
    if kill -0 -- "-$child" 2>/dev/null; then end_child; fi
    child=''
    return "$code"
}

cd "$root" || exit 2
work=$(mktemp -d "${TMPDIR:-/tmp}/efenvelope-tests.XXXXXX") || die 2 "Cannot create a temporary directory."

# --- what the tests need -----------------------------------------------------

find_dotnet() {
    local candidate
    for candidate in "$(command -v dotnet)" "${DOTNET_ROOT:-}/dotnet" "${HOME:-}/.dotnet/dotnet" \
        /usr/share/dotnet/dotnet /usr/lib/dotnet/dotnet; do
        if [ -x "$candidate" ]; then
            printf '%s\n' "$candidate"
            return 0
        fi
    done
    return 1
}

has_server() { [ -n "$1" ] && [ -x "$1/initdb" ] && [ -x "$1/pg_ctl" ] && [ -x "$1/postgres" ]; }

# Sets pgBin to the first directory that has a PostgreSQL server.
find_postgres() {
    local candidate initdb
    initdb=$(command -v initdb)
    while IFS= read -r candidate; do
        if has_server "$candidate"; then
            pgBin=$candidate
            return 0
        fi
    done < <(
        exec 2>/dev/null
        printf '%s\n' "${EFENVELOPE_PG_BIN:-}"
        find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin | sort -rV
        pg_config --bindir
        [ -z "$initdb" ] || dirname "$(readlink -f "$initdb")"
    )
    return 1
}

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

need_server() { [ -z "${EFENVELOPE_POSTGRES:-}" ]; }

may_install() {
    command -v apt-get >/dev/null 2>&1 || return 1
    [ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null
}
run_apt() {
    local sudo=()
    [ "$(id -u)" -eq 0 ] || sudo=(sudo -n)
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -o DPkg::Lock::Timeout=300 "$@" </dev/null >"$work/apt.log" 2>&1
}
aptUpdated=''
install_package() {
    say "Installing the package $1 ..."
    run_apt install --no-install-recommends "$1" && return 0
    if [ -z "$aptUpdated" ]; then
        aptUpdated=1
        run_apt update && run_apt install --no-install-recommends "$1" && return 0
    fi
    tail -n 15 "$work/apt.log" >&2
    return 1
}

missing=()
if ! find_postgres && need_server; then missing+=(postgresql); fi
find_softhsm || missing+=(softhsm2)
find_python || missing+=(python3-cryptography)
if [ ${#missing[@]} -gt 0 ] && may_install; then
    for package in "${missing[@]}"; do install_package "$package"; done
fi

required=()
if dotnet=$(find_dotnet) && "$dotnet" --list-sdks 2>/dev/null | grep -Eq '^[1-9][0-9]+\.'; then
    if ! command -v dotnet >/dev/null 2>&1; then
        DOTNET_ROOT=$(dirname "$(readlink -f "$dotnet")")
        export DOTNET_ROOT PATH="$PATH:$DOTNET_ROOT"
    fi
else
    required+=("the .NET 10 SDK (package dotnet-sdk-10.0 of Microsoft's Debian packages)")
fi
if ! find_postgres && need_server; then required+=("a PostgreSQL server (Debian package postgresql)"); fi

find_python || warn "Notice: no Python 3 with the module cryptography (Debian package python3-cryptography); tests that need it will skip."
find_softhsm || warn "Notice: no SoftHSM (Debian package softhsm2); tests that need it will skip."
if [ ${#required[@]} -gt 0 ]; then
    warn "The tests cannot run. Please install:"
    for package in "${required[@]}"; do warn "  - $package"; done
    exit 2
fi
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

# No build process may outlive the run.
export MSBUILDDISABLENODEREUSE=1 DOTNET_CLI_USE_MSBUILD_SERVER=0 UseSharedCompilation=false
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1
if [ -z "${HOME:-}" ] || ! [ -d "$HOME" ] || ! [ -w "$HOME" ]; then
    mkdir "$work/home"
    export DOTNET_CLI_HOME=${DOTNET_CLI_HOME:-$work/home}
fi

say "Building ..."
if ! run_child dotnet build EfEnvelope.sln -c Release -nologo -v minimal -tl:off --disable-build-servers; then
    die 1 "The build failed; no test was run."
fi

# --- PostgreSQL --------------------------------------------------------------

# PostgreSQL refuses to run as root; then it runs as another user.
pgUser=
as_pg() (
    exec 3>&- 4>&-
    cd "$pgDir" || exit
    if [ -z "$pgUser" ]; then
        exec "$@"
    elif command -v setpriv >/dev/null 2>&1; then
        exec setpriv --reuid="$pgUser" --regid="$(id -g "$pgUser")" --init-groups -- "$@"
    elif command -v runuser >/dev/null 2>&1; then
        exec runuser -u "$pgUser" -- "$@"
    else
        # shellcheck disable=SC2016 # expanded by the inner shell
        exec su -s /bin/sh -c 'exec "$@"' -- "$pgUser" sh "$@"
    fi
)

# Makes pgDir: owned by the server's user, within its reach, short enough for a socket.
make_pg_dir() {
    local parent
    for parent in "${TMPDIR:-/tmp}" /tmp; do
        pgDir=$(mktemp -d "$parent/efenvelope-pg.XXXXXX") || continue
        [ -z "$pgUser" ] || chown "$pgUser:$(id -g "$pgUser")" "$pgDir"
        if [ ${#pgDir} -le 80 ] && as_pg test -w "$pgDir" 2>/dev/null; then return 0; fi
        rm -rf -- "$pgDir"
        pgDir=''
    done
    return 1
}

start_postgres() {
    local password locale port attempt

    # The caller's settings for other servers must reach neither this one nor its clients.
    unset PGHOST PGHOSTADDR PGPORT PGDATABASE PGUSER PGPASSWORD PGPASSFILE PGSERVICE PGSERVICEFILE \
        PGSSLMODE PGOPTIONS PGDATA PGTZ PGCLIENTENCODING

    if [ "$(id -u)" -eq 0 ]; then
        for pgUser in postgres nobody ''; do
            if [ -n "$pgUser" ] && id "$pgUser" >/dev/null 2>&1; then break; fi
        done
        [ -n "$pgUser" ] || die 2 "PostgreSQL does not run as root, and there is no user postgres to run it as."
    fi
    make_pg_dir || die 2 "Cannot create a directory for PostgreSQL in ${TMPDIR:-/tmp} or /tmp${pgUser:+ that the user $pgUser may use}."

    password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    [ ${#password} -eq 32 ] || die 1 "Cannot read /dev/urandom."
    (umask 077 && printf '%s\n' "$password" >"$pgDir/password")
    [ -z "$pgUser" ] || chown "$pgUser" "$pgDir/password"
    locale=$(locale -a 2>/dev/null | grep -ix 'c\.utf-\?8' | head -n 1)

    if ! as_pg "$pgBin/initdb" -D "$pgDir/data" -U postgres -A scram-sha-256 --pwfile="$pgDir/password" \
        -E UTF8 --locale="${locale:-C}" --no-sync >"$work/initdb.log" 2>&1; then
        cat "$work/initdb.log" >&2
        die 1 "PostgreSQL's initdb failed; no test was run."
    fi
    rm -f -- "$pgDir/password"

    cat >>"$pgDir/data/postgresql.conf" <<-END
	listen_addresses = '127.0.0.1'
	unix_socket_directories = '${pgDir//\'/\'\'}'
	max_connections = 200
	fsync = off
	synchronous_commit = off
	full_page_writes = off
	END

    for ((attempt = 0; attempt < 10; attempt++)); do
        port=$((20000 + RANDOM % 12000))
        if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then continue; fi
        echo "port = $port" >>"$pgDir/data/postgresql.conf"
        pgStarted=1
        if as_pg "$pgBin/pg_ctl" -D "$pgDir/data" -l "$pgDir/log" -w -t 60 start </dev/null >"$work/pg_ctl.log" 2>&1; then
            export EFENVELOPE_POSTGRES="Host=127.0.0.1;Port=$port;Username=postgres;Password=$password;Database=postgres"
            say "PostgreSQL $("$pgBin/postgres" --version | sed 's/.*) //') is running on 127.0.0.1:$port."
            return 0
        fi
        stop_postgres
        grep -q 'Address already in use' "$pgDir/log" 2>/dev/null || break
        rm -f -- "$pgDir/log"
    done
    cat "$work/pg_ctl.log" "$pgDir/log" >&2 2>/dev/null
    die 1 "PostgreSQL did not start; no test was run."
}

if need_server; then start_postgres; else say "Using the PostgreSQL server in EFENVELOPE_POSTGRES."; fi

# --- running the tests -------------------------------------------------------

# Reads an xunit result file. Prints "passed failed skipped not-run" (errors count as
# failed), then one line for each skipped test. Fails if the file is not complete.
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
        function skip_line() { skips = skips "\n" name "\t" (reason == "" ? "(no reason given)" : reason) }
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
            reason = ""
            if (skip && /\/>[ \t\r\n]*$/) skip_line()
        }
        /^reason>/ { inReason = 1; raw = plain(substr($0, 8)) }
        /^\/reason>/ { inReason = 0; gsub(/[ \t\r\n]+/, " ", raw); gsub(/\\"/, "\"", raw); reason = raw }
        /^\/test>/ && skip { skip_line() }
        /^\/assemblies>/ { complete = 1 }
        END {
            if (!counted || !complete) exit 1
            print count["passed"] + 0, count["failed"] + count["errors"], count["skipped"] + 0, count["not-run"] + 0 skips
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
    local project=$1 name assemblies results code p f s n line
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
        while IFS= read -r line; do skips+=("$line"); done
    } <"$work/counts"
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))

    [ "$f" -eq 0 ] || problems+=("$name: $f failed.")
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
