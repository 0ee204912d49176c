# `make` lists the targets. `make run` needs Go and nothing else; `make test`
# also root on Debian, or the programs that it says it needs.

SHELL       := /bin/bash
STATICCHECK := bin/staticcheck-v0.8.2
FUZZTIME    ?= 10s
COUNT       ?= 10
SOAK        ?= 10m
STEADY      ?= 30m
ARGS        ?=

GIT      = git -C $(CURDIR)
VERSION  ?= $(shell $(GIT) describe --tags --always --dirty --abbrev=12 2>/dev/null || echo unknown)
BRANCH   ?= $(shell $(GIT) rev-parse --abbrev-ref HEAD 2>/dev/null)
LDFLAGS  = -s -w $(foreach v,$(BUILD),-X github.com/prometheus/common/version.$(v))
BUILD    = Version=$(VERSION:v%=%) \
           Revision=$(shell $(GIT) rev-parse HEAD 2>/dev/null) \
           Branch=$(BRANCH) \
           BuildDate=$(shell $(GIT) show -s --format=%cd --date=format:%Y%m%d-%H:%M:%S 2>/dev/null)

# Many tests wait, for Prometheus above all: more of them than there are cores.
# Without the profile, or all packages would be compiled once more for cmd.
TESTFLAGS = -pgo=off -race -shuffle=on -count=1 -parallel=4 -timeout=20m

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# What is built depends on the commit, the Go version and the platform alone.
GOBUILD   = CGO_ENABLED=0 go build -buildvcs=false -trimpath -ldflags '$(LDFLAGS)'
PLATFORMS = linux/amd64 linux/arm64

.PHONY: build
build: ## Build bin/sqlpushgateway
	$(GOBUILD) -o bin/ ./cmd/sqlpushgateway

.PHONY: release
release: BRANCH = # a commit is on any number of them
release: ## Build static programs for PLATFORMS in bin/release, with their checksums
	rm -rf bin/release
	for platform in $(PLATFORMS); do \
		GOOS=$${platform%/*} GOARCH=$${platform#*/} $(GOBUILD) -o bin/release/sqlpushgateway-$(VERSION)-$${platform/\//-} ./cmd/sqlpushgateway || exit 1; \
	done
	cd bin/release && sha256sum sqlpushgateway-* | tee SHA256SUMS

.PHONY: run
run: build ## Run a gateway on :9091 with its data in ./data (ARGS='--flag ...')
	@exec bin/sqlpushgateway $(ARGS)

.PHONY: run-postgres
run-postgres: build ## The same on a private PostgreSQL in ./data-postgres
	@scripts/run-postgres.sh bin/sqlpushgateway $(ARGS)

.PHONY: deps
deps: ## Install what the tests need, or say what it is
	@scripts/deps.sh

.PHONY: test
test: deps ## Run all tests with the race detector
	cd deploy/check && go test -count=1 ./...
	go test $(TESTFLAGS) ./...

.PHONY: test-matrix
test-matrix: deps ## Run the SQL tests on PostgreSQL 14 and 18
	@scripts/matrix.sh

.PHONY: compose-test
compose-test: ## Run docker-compose.yml in a Docker engine (root on Debian gets one)
	@deploy/test/compose.sh

.PHONY: soak
soak: deps build ## Run all tests COUNT times (10), kills and outages for SOAK (10m), a steady load for STEADY (30m)
	go test $(TESTFLAGS) -count=$(COUNT) -timeout=0 ./...
	SOAK=$(SOAK) go test -race -count=1 -timeout=0 -run '^TestSoak$$' ./internal/e2e
	@scripts/bench.sh -sections soak -soak $(STEADY)

.PHONY: bench
bench: build ## Measure it beside Pushgateway, for half an hour (ARGS=-quick: five minutes)
	@scripts/bench.sh $(ARGS)

.PHONY: bench-history
bench-history: build ## Measure pushes, scrapes and queries with 10 million rows of history (ARGS="-history ROWS")
	@scripts/bench.sh -sections history $(ARGS)

.PHONY: profile
profile: build ## Make the compiler's profile anew, on PostgreSQL under load: cmd/sqlpushgateway/default.pgo
	@scripts/bench.sh -sections profile $(ARGS)

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME (10s)
	@scripts/fuzz.sh $(FUZZTIME)

.PHONY: cover
cover: deps ## Run the tests and show what they cover
	@mkdir -p bin
	go test -count=1 -coverpkg=./... -coverprofile=bin/cover.out ./...
	go tool cover -html=bin/cover.out -o bin/cover.html
	@go tool cover -func=bin/cover.out | tail -n 1

.PHONY: lint
lint: $(STATICCHECK) ## Check formatting, go.mod, and the code with vet and staticcheck
	@unformatted=$$(find . -path './.*' -prune -o -path './data*' -prune -o -name '*.go' -print | xargs gofmt -l); \
	test -z "$$unformatted" || { echo "run gofmt -w on:"; echo "$$unformatted"; exit 1; }
	for module in . deploy/check; do (cd $$module && go mod tidy -diff && go vet ./... && $(CURDIR)/$(STATICCHECK) ./...) || exit 1; done

$(STATICCHECK):
	GOBIN=$(CURDIR)/bin go install honnef.co/go/tools/cmd/staticcheck@$(@:bin/staticcheck-%=%)
	@mv bin/staticcheck $@

.PHONY: clean
clean: ## Remove what was built and installed here, but no data
	rm -rf bin .deps
