#!/bin/sh
# Becomes the server that `cargo build --release` made, so that signals reach it.
set -eu
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-$(cargo metadata --format-version 1 --no-deps --offline |
    sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')}
exec "$target/release/playhouse" serve
