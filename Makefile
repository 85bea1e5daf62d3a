# Everything a person or a CI does with this tree. "make help" lists it.

GO       ?= go
TOOL     := $(GO) tool -modfile=tools/go.mod
FUZZTIME ?= 10s
# Packages that start goroutines or processes: these run under the race detector.
RACE     ?= ./core/... ./sdk/... ./plugins/... ./rules/...
TARGETS  := linux/arm64 darwin/arm64 windows/amd64

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Send, edit the rules, kill -9 the host: all against a simulated vendor (DEMO=--keep stays)
	$(GO) run ./examples/quickstart $(DEMO)

.PHONY: build
build: ## Build bin/hermod and the connector programs in bin/plugins
	@mkdir -p bin/plugins
	$(GO) build -trimpath -o bin/hermod ./cmd/hermod
	$(GO) build -trimpath -o bin/plugins/ $(addprefix ./,$(wildcard plugins/*/hermod-*))

.PHONY: test
test: ## Run every test
	$(GO) test -shuffle=on -timeout=5m ./...

.PHONY: race
race: ## Run the tests of concurrent packages under the race detector
	$(GO) test -race -shuffle=on -timeout=10m $(RACE)

# Each round runs every benchmark once, so that the machine's slow spells hit all of them; sync-A and sync-B are the same thing
# twice, and what lies between them is noise. The Ceiling rows are what the parts can do alone, in the same rounds.
ROUNDS ?= 6
.PHONY: bench bench-pacing bench-vendors bench-parts
bench: ## Measure end to end, the ceilings and the parts: medians and spread over ROUNDS rounds
	@mkdir -p bin && rm -f bin/bench.txt
	$(GO) test -c -o bin/core.test ./core
	@for round in $$(seq $(ROUNDS)); do echo "round $$round of $(ROUNDS)" >&2; \
		(cd bin && ./core.test -test.run='^$$' -test.bench='EndToEnd|Ceiling' -test.benchtime=200000x && \
		./core.test -test.run='^$$' -test.bench='Latency|Webhook' -test.benchtime=2000x) >> bin/bench.txt || exit 1; done
	$(TOOL) benchstat bin/bench.txt

bench-pacing: ## A minute of overload at limits of 10 and 100 a second, counted at the vendor's end
	$(GO) test -run='^$$' -bench=PacingMinute -benchtime=1x ./core

bench-vendors: ## CPU and connections of each connector beside a bare HTTP client that sends the same bytes
	$(GO) test -run='^$$' -bench=Throughput -benchtime=5000x -count=3 ./plugins/...

bench-parts: ## Run every package's own benchmarks once
	$(GO) test -run='^$$' -bench=. -benchmem ./...

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (10s)
	@grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | sort | while IFS=: read -r file func; do \
		echo "$$(dirname "$$file") $${func#func }"; \
		$(GO) test -run='^$$' -fuzz="^$${func#func }\$$" -fuzztime=$(FUZZTIME) "$$(dirname "$$file")" </dev/null || exit 1; \
	done

.PHONY: generate
generate: ## Make the generated code of every package in proto anew
	$(TOOL) buf generate

.PHONY: check
check: fmt vet staticcheck wire tidy cross race clean ## Everything CI checks besides "make test"

.PHONY: fmt
fmt: ## Check that the code is formatted
	@unformatted="$$(gofmt -l .)"; [ -z "$$unformatted" ] || { echo "not formatted, run gofmt -w on:"; echo "$$unformatted"; exit 1; }

.PHONY: vet
vet: ## Run go vet
	$(GO) vet ./...

.PHONY: staticcheck
staticcheck: ## Run staticcheck at the version in tools/go.mod
	$(TOOL) staticcheck ./...

.PHONY: wire
wire: generate ## Check proto (wire contract and journal): generated code current, lint clean, compatible with the published one
	@git diff --exit-code --stat -- proto || { echo "proto is not what its .proto files generate: commit what 'make generate' made"; exit 1; }
	$(TOOL) buf lint
	$(TOOL) buf breaking --against proto/published.binpb

.PHONY: publish-wire
publish-wire: ## Declare proto as it stands published: later changes must stay compatible
	$(TOOL) buf build --exclude-source-info -o proto/published.binpb

.PHONY: tidy
tidy: ## Check that go.mod and go.sum are tidy
	$(GO) mod tidy -diff

# Nobody runs these, so they are not optimized: a quarter less time.
.PHONY: cross
cross: ## Build for the other systems
	@for target in $(TARGETS); do \
		echo "go build ./... for $$target"; \
		CGO_ENABLED=0 GOOS="$${target%/*}" GOARCH="$${target#*/}" $(GO) build -gcflags='all=-N -l' -ldflags='-s -w' ./... || exit 1; \
	done

.PHONY: clean
clean: ## Check that nothing is uncommitted
	@changes="$$(git status --porcelain)"; [ -z "$$changes" ] || { echo "not committed, so not what CI would see:"; echo "$$changes"; exit 1; }
