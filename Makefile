# Go, make and git are all that is needed. Nothing here needs root, but
# `make install` into a system's own directories.

GO          ?= go
PREFIX      ?= /usr/local
DESTDIR     ?=
LINES       := 3.5 3.6 3.7
SERVERS     := $(LINES:%=build/servers/etcd-%)
VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT      := $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

export CGO_ENABLED := 0

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' Makefile

.PHONY: build
build: ## build the program: build/etcd-watchdog, one static binary
	$(GO) build -trimpath -buildvcs=false -ldflags '-X main.version=$(VERSION) -X main.commit=$(COMMIT)' -o build/etcd-watchdog ./cmd/etcd-watchdog

.PHONY: demo
demo: build servers ## fill a real cluster until it refuses writes, and watch it being healed
	$(GO) run ./test/demo

.PHONY: test
test: servers ## run every test that needs no root and no second host
	@for server in $(wildcard /usr/bin/etcd) $(SERVERS); do printf '%-26s' $$server; $$server --version | head -n 1; done
	$(GO) test -count=1 -timeout=15m ./...

.PHONY: test-race
test-race: servers ## the same under the race detector; needs a C compiler
	CGO_ENABLED=1 $(GO) test -race -count=1 -timeout=15m ./...

.PHONY: e2e
e2e: servers ## run every scenario of real watchdogs beside real clusters, of which make test runs a selection
	ETCD_WATCHDOG_E2E=1 $(GO) test -count=1 -timeout=20m ./test/scenario

.PHONY: bench
bench: servers ## measure on real clusters what the watchdogs win; takes half an hour
	$(GO) run ./test/bench/heal
	$(GO) run ./test/bench/sustained

.PHONY: servers
servers: $(SERVERS) ## build the real etcd servers that tests and the demo run

build/servers/etcd-%: test/servers/%/go.mod test/servers/%/go.sum test/servers/%/main.go
	cd test/servers/$* && $(GO) build -trimpath -buildvcs=false -o $(CURDIR)/$@ .
	@touch $@

.PHONY: lint
lint: verify-format verify-vet verify-staticcheck verify-size ## check everything that can be checked without running it

.PHONY: fix-format
fix-format: ## format the source
	gofmt -w .

.PHONY: verify-format
verify-format: ## the source is formatted
	@files=$$(gofmt -l .); test -z "$$files" || { echo "not formatted, run make fix-format:"; echo "$$files"; exit 1; }

.PHONY: verify-vet
verify-vet: ## go vet finds nothing
	$(GO) vet ./...

.PHONY: verify-staticcheck
verify-staticcheck: ## staticcheck finds nothing
	$(GO) run $(STATICCHECK) ./...

.PHONY: verify-size
verify-size: ## no file is above 400 lines, no function above 60; tests are free
	@find . -name '*.go' ! -name '*_test.go' -exec awk ' \
	    FNR == 401 { print FILENAME ": above 400 lines"; bad = 1 } \
	    /^[a-z]/   { begin = /^func / && !/}$$/ ? FNR : 0 } \
	    /^}/       { if (begin && FNR - begin > 59) { print FILENAME ":" begin ": a function above 60 lines"; bad = 1 }; begin = 0 } \
	    END        { exit bad }' {} +

.PHONY: install
install: build ## install the program, its unit, its user and, if there is none, its configuration
	install -D -m 0755 build/etcd-watchdog $(DESTDIR)$(PREFIX)/bin/etcd-watchdog
	install -D -m 0644 deploy/systemd/etcd-watchdog.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/etcd-watchdog.conf
	install -d -m 0755 $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's|=/usr/bin/|=$(PREFIX)/bin/|' deploy/systemd/etcd-watchdog.service > $(DESTDIR)$(PREFIX)/lib/systemd/system/etcd-watchdog.service
	test -e $(DESTDIR)/etc/etcd-watchdog/etcd-watchdog.yaml || install -D -m 0644 configs/etcd-watchdog.yaml $(DESTDIR)/etc/etcd-watchdog/etcd-watchdog.yaml

.PHONY: clean
clean: ## remove all that was built
	rm -rf build coverage.out
