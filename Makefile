# Targets for people. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help run test unit unit-nodes bench bench-migrate-table bench-queries bench-replay chaos outage check format generate build firmware firmware-size firmware-density packages deb firmware-archive test-deb test-manifests sbom audit licences clean

# NODE=22 runs a target on that Node.js, whichever the machine has: every program takes the node that comes first in PATH.
# From the command line only: npm has a variable of this name.
ifeq ($(origin NODE),command line)
node_folder := $(shell deploy/node $(NODE))
$(if $(node_folder),,$(error NODE=$(NODE): expected 20.19, 22 or 24))
export PATH := $(node_folder):$(PATH)
endif

help: ## List the targets; NODE=22 (or 24, 20.19) runs one on that Node.js
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1\t/' | while IFS=$$'\t' read -r name does; do printf '  make %-20s %s\n' "$$name" "$$does"; done

# What the shell makes of a mapping's quotes and blanks must not depend on make.
export MAP
run: ## Install what is missing, start everything here and drive a simulated fleet (SEED=1 is the seed of its season); DATA=file.csv sends a file instead (MAP="time=…,device=…" says which column is what, ZONE, ROUND=1; OPTIONS="…": others of `millrace help demo`)
	@deploy/run $(if $(DATA),--data "$(DATA)" $(if $(MAP),--map "$$MAP") $(if $(ZONE),--zone "$(ZONE)") $(if $(ROUND),--round) $(OPTIONS),$(if $(SEED),--seed $(SEED)))

test: ## Every test there is, on real services; CHAOS=5 adds five minutes of chaos
	@test/run

unit: build ## Unit and property tests only
	@test/run unit

unit-nodes: build ## Unit and property tests on Node.js 20.19, 22 and 24
	@test/nodes

bench: ## Highest sustained rate, raw COPY and latency; PROFILE=full|sparse|json|all
	@test/bench/run

bench-migrate-table: ## Migrate a table of ROWS=20000000 under a writer: time and stall of each step; BACKEND=timescaledb
	@test/bench/migrate-table

bench-queries: ## The usual questions over ROWS=100000000 readings, cold and warm; BACKEND=both|postgres|timescaledb
	@test/bench/queries

bench-replay: ## One device's day out of READINGS=100000000 by `millrace replay`, against the table: memory, time, records read
	@test/bench/replay-day

chaos: ## Kill, pause, split, fill, cut and attack everything under load, then count; MINUTES=5 SEED=random KAFKA_NODES=3
	@test/chaos/run

outage: ## Stop the telemetry database for MINUTES=2 under load, then watch it catch up
	@test/chaos/outage

check: build ## Types, lint, format, import rules, cycles, generated files
	@test/check

format: node_modules/.package-lock.json ## Put the source in its format
	@npx biome check --write .

generate: build ## Write what is derived from the schemas
	@node dist/bin/generate.js

build: node_modules/.package-lock.json ## Compile the TypeScript
	@npx tsc

firmware: ## Build the firmware library and the fleet
	@$(MAKE) -s -C firmware

firmware-size: ## Text, RAM and stack of the firmware library for Cortex-M3, ESP8266 and RISC-V
	@$(MAKE) -s -C firmware size

firmware-density: ## Readings in a 280-byte frame against other encodings; DATA=file.csv adds real data
	@$(MAKE) -s -C firmware density DATA="$(abspath $(DATA))"

packages: build ## What is given to users, into dist/packages: npm package, Debian package, firmware library, list of parts
	@mkdir -p dist/packages
	@npm pack --ignore-scripts --silent --pack-destination dist/packages | sed 's|^|dist/packages/|'
	@deploy/debian/build
	@deploy/firmware-archive
	@deploy/sbom > dist/packages/millrace.cdx.json && echo dist/packages/millrace.cdx.json

deb: build ## The Debian package, into dist/packages; VERSION=1.2.3
	@deploy/debian/build

firmware-archive: ## The firmware library with its headers as an archive, into dist/packages
	@deploy/firmware-archive

test-deb: build ## Install, upgrade and remove the Debian package on a bare Debian 12 (by debootstrap), with a local stack
	@test/debian-package

test-manifests: ## Check compose.yaml and the overlays for Kubernetes by compose-go, kustomize and kubectl-validate (built once, from Go's module proxy: minutes)
	@test/manifests/check

sbom: ## Print what the packages consist of, as CycloneDX
	@deploy/sbom

audit: ## Ask the registry's advisory service about the packages; exits with 3 if it cannot be asked
	@deploy/audit

licences: build ## List the licences of what is delivered in docs/licences.md; fails on one that is not accepted
	@node dist/bin/generate.js
	@sed -n '/^|/p' docs/licences.md | cut -d '|' -f 2,3

clean: ## Remove what was built; data of local stacks stays
	@rm -rf dist firmware/build

node_modules/.package-lock.json: package.json package-lock.json
	@npm ci --no-audit --no-fund --loglevel=error && touch $@
