# `make help` lists what there is. Rust (rustup) is all that has to be there before.
.DEFAULT_GOAL := help
.PHONY: help setup run test check bench

# The same dependencies serve clippy, rustdoc and the tests; only this crate is read more than once.
CARGO ?= cargo

help: ## List the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 16

setup: ## Install what is missing: PostgreSQL, Redis, ffmpeg, a C compiler
	@./scripts/setup.sh

run: setup ## Build in release mode and serve, with a Postgres and a Redis of its own
	@$(CARGO) build --release --locked --bin playhouse
	@exec ./scripts/serve.sh

test: ## Formatting, lints, documentation and all tests, warnings denied
	@./scripts/setup.sh tests
	$(CARGO) fmt --all -- --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --document-private-items
	$(CARGO) test --locked

check: test ## What CI runs

bench: setup ## Measure, and write docs/BENCHMARKS.md
	@./benches/load/run.sh
