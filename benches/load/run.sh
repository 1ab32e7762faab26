#!/bin/sh
# Measures Playhouse under load and writes docs/BENCHMARKS.md; `make bench` runs this.
# Arguments go to bench.py (`--help` lists them). Installs the load
# tools that are missing (`make setup` has seen to the rest), builds, measures.
set -eu
cd "$(dirname "$0")/../.."
PATH="$PATH:/usr/sbin"

missing=""
command -v wrk >/dev/null || missing="$missing wrk"
command -v nginx >/dev/null || missing="$missing nginx-light"
command -v python3 >/dev/null || missing="$missing python3"
if [ -n "$missing" ]; then
    command -v apt-get >/dev/null || { echo "missing:$missing (and no apt-get here to install them)" >&2; exit 1; }
    sudo=""
    [ "$(id -u)" = 0 ] || sudo=sudo
    echo "installing$missing" >&2
    $sudo apt-get update -q >&2
    # shellcheck disable=SC2086 # a list of packages
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -q --no-install-recommends $missing >&2
fi

cargo build --release --locked --bin playhouse --bin bare
target="${CARGO_TARGET_DIR:-target}"
exec python3 benches/load/bench.py --binaries "$target/release" "$@"
