# shellcheck shell=bash
# What tests/run.sh and benchmarks/run.sh do alike, for being sourced: a PostgreSQL server of their own in a temporary directory, and nothing left running or
# lying about when they end, however that is. The caller sets 'root', the directory of the repository, and may set what follows; it defines last_word, which
# prints what is to be said at the very end.

nothingDone='nothing was done'      # ends the messages about a failure
pgInit=()                           # options of initdb
pgSettings=()                       # lines of postgresql.conf

say() { printf '%s\n' "$*"; }
warn() { printf '%s\n' "$*" >&2; }
die() { local code=$1; shift; warn "$@"; exit "$code"; }

# --- cleaning up -------------------------------------------------------------

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
    last_word
    exit "$code"
}

# Goes to the repository, makes the directory 'work', and sees to it that everything is removed at the end.
begin() {
    # A trap may run while a command's redirections are in force, hence the copies.
    exec 3>&1 4>&2
    trap cleanup EXIT
    trap 'warn "Interrupted." 2>&4; exit 130' INT
    trap 'warn "Terminated." 2>&4; exit 143' TERM
    trap 'exit 129' HUP
    trap 'exit 141' PIPE
    cd "$root" || exit 2
    work=$(mktemp -d "${TMPDIR:-/tmp}/$1.XXXXXX") || die 2 "Cannot create a temporary directory."
}

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

# --- what is needed ----------------------------------------------------------

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

# Adds to 'required' what is still missing of the .NET SDK and PostgreSQL.
required=()
check_required() {
    local dotnet
    if dotnet=$(find_dotnet) && "$dotnet" --list-sdks 2>/dev/null | grep -Eq '^[1-9][0-9]+\.'; then
        if ! command -v dotnet >/dev/null 2>&1; then
            DOTNET_ROOT=$(dirname "$(readlink -f "$dotnet")")
            export DOTNET_ROOT PATH="$PATH:$DOTNET_ROOT"
        fi
    else
        required+=("the .NET 10 SDK (package dotnet-sdk-10.0 of Microsoft's Debian packages)")
    fi
    if ! find_postgres && need_server; then required+=("a PostgreSQL server (Debian package postgresql)"); fi
}

# Ends the script if something required is missing.
stop_if_missing() {
    local package
    [ ${#required[@]} -gt 0 ] || return 0
    warn "$1 cannot run. Please install:"
    for package in "${required[@]}"; do warn "  - $package"; done
    exit 2
}

# No build process may outlive the run.
prepare_dotnet() {
    export MSBUILDDISABLENODEREUSE=1 DOTNET_CLI_USE_MSBUILD_SERVER=0 UseSharedCompilation=false
    export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1
    if [ -z "${HOME:-}" ] || ! [ -d "$HOME" ] || ! [ -w "$HOME" ]; then
        mkdir "$work/home"
        export DOTNET_CLI_HOME=${DOTNET_CLI_HOME:-$work/home}
    fi
}

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
        -E UTF8 --locale="${locale:-C}" --no-sync "${pgInit[@]}" >"$work/initdb.log" 2>&1; then
        cat "$work/initdb.log" >&2
        die 1 "PostgreSQL's initdb failed; $nothingDone."
    fi
    rm -f -- "$pgDir/password"

    cat >>"$pgDir/data/postgresql.conf" <<-END
	listen_addresses = '127.0.0.1'
	unix_socket_directories = '${pgDir//\'/\'\'}'
	max_connections = 200
	END
    printf '%s\n' "${pgSettings[@]}" >>"$pgDir/data/postgresql.conf"

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
    die 1 "PostgreSQL did not start; $nothingDone."
}

use_postgres() { if need_server; then start_postgres; else say "Using the PostgreSQL server in EFENVELOPE_POSTGRES."; fi; }
