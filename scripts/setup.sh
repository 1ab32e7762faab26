#!/bin/sh
# Installs the programs that are missing, and nothing else: with the argument `build`, only those that the build
# needs; with `tests`, also those that only the tests need. May run any number of times; asks
# nothing; starts no service of the system's (the server runs a Postgres and a Redis of its own).
set -eu

has() { command -v "$1" >/dev/null 2>&1; }

has_postgres() {
    { has postgres && has initdb; } && return 0
    for folder in /usr/lib/postgresql/*/bin; do
        [ -x "$folder/postgres" ] && [ -x "$folder/initdb" ] && return 0
    done
    return 1
}

fail() {
    echo "setup: $1" >&2
    exit 1
}

missing=''
need() { missing="$missing $1"; }

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif has sudo; then
        # Never waits for a password where nobody can type one.
        if [ -t 0 ]; then sudo "$@"; else sudo -n "$@"; fi
    else
        fail "missing:$missing; install it as root (apt-get install$missing), or install sudo"
    fi
}

install_with_apt() {
    echo "setup: installing$missing"
    # A policy of our own keeps packages from starting services; one that is there stays.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        as_root sh -c "printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy"
        trap 'as_root rm -f "$policy"' EXIT
        trap 'exit 130' INT TERM
    fi
    # Debian's package would make a cluster of its own, which nobody here uses.
    case $missing in *postgresql*)
        if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
            as_root mkdir -p /etc/postgresql-common
            as_root sh -c 'echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf'
        fi
        ;;
    esac
    set -- -y -q -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=120 --no-install-recommends
    # shellcheck disable=SC2086 # a list of packages
    if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get install "$@" $missing </dev/null; then
        as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q </dev/null
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install "$@" $missing </dev/null
    fi
}

has cargo || fail "Rust is missing: install it from https://rustup.rs"

if has apt-get; then
    has cc || need gcc
    [ -e /usr/include/stdlib.h ] || need libc6-dev
    if [ "${1:-}" != build ]; then
        has_postgres || need postgresql
        has redis-server || has valkey-server || need redis-server
        { has ffmpeg && has ffprobe; } || need ffmpeg
        has curl || need curl
        has setpriv || need util-linux
    fi
    if [ "${1:-}" = tests ]; then
        # The tests look at the API's page, and receive mail and send images (in Debian's own Python).
        has chromium || need chromium
        has chromedriver || need chromium-driver
        /usr/bin/python3 -c 'import aiosmtpd' 2>/dev/null || need python3-aiosmtpd
        /usr/bin/python3 -c 'import requests' 2>/dev/null || need python3-requests
    fi
    [ -z "$missing" ] || install_with_apt
elif has brew; then
    has_postgres || need postgresql@17
    has redis-server || has valkey-server || need redis
    { has ffmpeg && has ffprobe; } || need ffmpeg
    # shellcheck disable=SC2086 # a list of packages
    [ -z "$missing" ] || HOMEBREW_NO_AUTO_UPDATE=1 brew install $missing </dev/null
    case $missing in *postgresql@17*) brew link --force postgresql@17 </dev/null ;; esac
else
    has_postgres || need PostgreSQL
    has redis-server || has valkey-server || need Redis
    { has ffmpeg && has ffprobe; } || need ffmpeg
    has cc || need 'a C compiler'
    [ -z "$missing" ] || fail "missing:$missing; neither apt-get nor brew is here to install it"
fi
