#!/bin/sh
# Installs what is missing, builds in release mode, and becomes the server. What only the server needs is installed
# while the build runs.
set -eu
cd "$(dirname "$0")/.."
cargo=${CARGO:-cargo}

# Downloads while the compiler is installed; should it fail, the build says why.
# shellcheck disable=SC2086 # it may be a command with words
if command -v cargo >/dev/null 2>&1; then
    $cargo fetch --locked --quiet 2>/dev/null &
fi
./scripts/setup.sh build
wait

installing=''
if [ "$(id -u)" = 0 ]; then
    ./scripts/setup.sh &
    installing=$!
else
    # May ask for a password.
    ./scripts/setup.sh
fi
built=0
# shellcheck disable=SC2086
$cargo build --release --locked --bin playhouse || built=$?
# Not left alone in the middle of an installation, whatever became of the build.
if [ -n "$installing" ]; then wait "$installing"; fi
[ "$built" = 0 ] || exit "$built"
exec ./scripts/serve.sh
