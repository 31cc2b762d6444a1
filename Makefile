# What one does with CloudBot. `make run` and `make test` set up all they need by themselves.

TARGET := $(or $(CARGO_TARGET_DIR),target)
# Node comes from the project's own virtual environment.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
CARGO_NEXTEST := cargo nextest run --workspace

.PHONY: run test lint bench bench-vnc bench-tools fuzz web release setup setup-test setup-bench audit

run: setup web ## Start CloudBot and print its address.
	cargo build --quiet --bins
	@scripts/run $(TARGET)/debug

test: setup-test web ## All tests: Rust, web, and the whole system in a real browser.
	cargo build --bins
	npm --prefix web test
	$(CARGO_NEXTEST)

lint: setup-test web/node_modules ## Formatting, lints, types, shell scripts.
	cargo fmt --check
	cargo clippy --workspace --all-targets -- -D warnings
	npm --prefix web run lint
	npm --prefix web run typecheck
	shellcheck $$(git ls-files | xargs grep -lE '^#!.*\b(ba)?sh\b')

bench: setup-test web ## The numbers, as a table.
	cargo build --bins
	cargo run --quiet --package system-tests --bin bench

bench-vnc: setup-bench ## Our VNC beside x11vnc and TigerVNC: ROUNDS=1 ONLY=typing,scroll PEERS=x11vnc make it shorter.
	cargo build --release --package sidecar --package system-tests --bins
	@$(TARGET)/release/bench-vnc

bench-tools: setup-bench web ## What the agent's tools take: ONLY=screenshot,settle,typing,sidecar.
	cargo build --release --bins
	@$(TARGET)/release/bench-tools

fuzz: setup ## Every parser of what comes from outside, fed with nonsense for a minute each (SECONDS=60).
	scripts/fuzz $(or $(SECONDS),60)

web: setup web/dist/index.html ## The browser app.

web/dist/index.html: web/node_modules control/openapi.json $(shell find web -type f -not -path '*/node_modules/*' -not -path 'web/dist/*' -not -path '*/schema.d.ts')
	npm --prefix web run build
	@touch $@

web/node_modules: web/package-lock.json | setup
	npm --prefix web ci
	@touch $@

release: setup web ## Optimised binaries.
	cargo build --release --bins

audit: ## Licences and sources of what we depend on; needs cargo-deny.
	cargo deny check licenses bans sources

setup:
	@scripts/setup run

setup-test:
	@scripts/setup test

setup-bench:
	@scripts/setup bench
