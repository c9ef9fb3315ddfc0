# The two commands of the README are `make demo` and `make test`.
# Everything here installs what it needs where it may, and else prints the one command to run.

SHELL := /usr/bin/env bash
CARGO ?= cargo
RELEASE := target/release

.PHONY: demo tour test bench lint fuzz build release prepare generate clean

demo: prepare
	@scripts/build release
	@$(RELEASE)/ripstop demo

tour: prepare
	@scripts/build release
	@$(RELEASE)/ripstop demo --tour

test: prepare
	@scripts/test

bench: prepare
	@scripts/bench

lint: prepare
	@scripts/lint

fuzz: prepare
	@scripts/fuzz

build: prepare
	@scripts/build debug

release: prepare
	@scripts/build release

# What the build and the tests need of the machine.
prepare:
	@scripts/prepare

# Code made from crates/wire/proto.
generate:
	$(CARGO) run -p xtask -- generate

clean:
	$(CARGO) clean
