# `make help` lists what there is. Rust (rustup) is all that has to be there before.
.DEFAULT_GOAL := help
.PHONY: help setup run test check bench soak-views

# The same dependencies serve clippy, rustdoc and the tests; only this crate is read more than once.
CARGO ?= cargo

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 20

setup: ## Install what is missing: PostgreSQL, Redis, ffmpeg, a C compiler
	@./scripts/setup.sh

run: ## Install what is missing, build in release mode and serve, with a Postgres and a Redis of its own
	@CARGO='$(CARGO)' exec ./scripts/run.sh

test: ## Formatting, lints, documentation and all tests, warnings denied
	@./scripts/setup.sh tests
	$(CARGO) fmt --all -- --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --document-private-items
	$(CARGO) test --locked

check: test ## What CI runs

bench: setup ## Measure, and write docs/BENCHMARKS.md
	@./benches/load/run.sh

# Half a minute; an hour, and rougher: make soak-views SECONDS=3600 VIEWERS=400 KILL_EVERY=2 EMPTY_EVERY=2 SEED=7
soak-views: ## Kill servers and empty Redis under viewers for SECONDS, then count views again
	@./scripts/setup.sh tests
	SOAK_SECONDS=$(SECONDS) SOAK_VIEWERS=$(VIEWERS) SOAK_KILL_EVERY=$(KILL_EVERY) SOAK_EMPTY_EVERY=$(EMPTY_EVERY) \
		SOAK_SEED=$(SEED) $(CARGO) test --locked --test api soak_views -- --nocapture
