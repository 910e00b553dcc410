# Go, make and git are all that is needed. Nothing here needs root, but
# `make install` into a system's own directories.

GO          ?= go
PREFIX      ?= /usr/local
DESTDIR     ?=
LINES       := 3.5 3.6 3.7
SERVERS     := $(LINES:%=build/servers/etcd-%)
RESTORERS   := $(LINES:%=build/servers/etcdutl-%)
VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT      := $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
LICENSES    := github.com/google/go-licenses@v1.6.0
NFPM        := github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2
LDFLAGS     := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)
SBOM        := github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.1.4
PACKAGES    ?= build/packages
ARCHS       ?= amd64 arm64

# The version of a package: that of the tag, v0.1.0 or v0.1.0-3-gabcdef, as 0.1.0 or
# 0.1.0+3.gabcdef; without a tag one below all of them, which grows with the commits.
PACKAGE_VERSION ?= $(shell git describe --tags --match 'v[0-9]*' 2>/dev/null | sed 's/^v//; s/-\([0-9]*\)-g/+\1.g/; s/-/~/g' | grep . || git log -1 --format=0.0.0~git%cd.%h --date=format:%Y%m%d%H%M%S)

export CGO_ENABLED := 0

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' Makefile

.PHONY: build
build: ## build the program: build/etcd-watchdog, one static binary, and its completions
	$(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o build/etcd-watchdog ./cmd/etcd-watchdog
	@mkdir -p build/completions
	@for shell in bash fish zsh; do \
	    GOOS= GOARCH= $(GO) run ./cmd/etcd-watchdog completion $$shell > build/completions/etcd-watchdog.$$shell || exit 1; done

.PHONY: package
package: build ## build a .deb and a .rpm of it, for the machine's processor or that of GOARCH
	@rm -rf build/man $(PACKAGES) && mkdir -p build/man $(PACKAGES)
	@for page in docs/man/*.8; do gzip -9n < $$page > build/man/$${page##*/}.gz; done
	@printf -- '- semver: %s\n  date: %s\n  packager: The etcd-watchdog authors <etcd-watchdog@users.noreply.github.com>\n  deb: {urgency: medium, distributions: [unstable]}\n  changes:\n    - note: "What is new: CHANGELOG.md of the project."\n' \
	    '$(PACKAGE_VERSION)-1' "$$(git log -1 --format=%cI)" >build/changelog.yaml
	@for kind in deb rpm; do \
	    ARCH=$$($(GO) env GOARCH) PACKAGE_VERSION=$(PACKAGE_VERSION) SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) GOOS= GOARCH= \
	    $(GO) run $(NFPM) package --config deploy/nfpm.yaml --packager $$kind --target $(PACKAGES)/ || exit 1; done

.PHONY: verify-package
verify-package: package ## the packages hold what they should; as root on Debian, they are also installed and purged in a throw-away root
	ETCD_WATCHDOG_PACKAGES=$(abspath $(PACKAGES)) $(GO) test -count=1 -run Package -v ./deploy

.PHONY: release
release: ## build what is published into build/release: programs, packages, SBOMs and checksums, for ARCHS="amd64 arm64"
	@rm -rf build/release && mkdir -p build/release
	@for arch in $(ARCHS); do \
	    name=build/release/etcd-watchdog-$(VERSION)-linux-$$arch; \
	    GOARCH=$$arch $(MAKE) --no-print-directory package PACKAGES=build/release/$$arch && \
	    mv build/release/$$arch/* build/release/ && rmdir build/release/$$arch && cp build/etcd-watchdog $$name && \
	    GOARCH= $(GO) run $(SBOM) bin -json -std -noserial -notimestamp -version $(VERSION) -output $$name.cdx.json $$name || exit 1; done
	cd build/release && sha256sum -- * >SHA256SUMS

.PHONY: verify-vulnerabilities
verify-vulnerabilities: ## govulncheck finds nothing that the program calls; skipped where its database can't be reached
	@out=$$($(GO) run $(GOVULNCHECK) ./cmd/etcd-watchdog 2>&1) && echo "$$out" && exit 0; \
	case $$out in \
	*'fetching vulnerabilities'*) echo 'SKIPPED: the database of vulnerabilities, vuln.go.dev, cannot be reached from here' ;; \
	*) echo "$$out"; exit 1 ;; \
	esac

.PHONY: demo
demo: build servers ## fill a real cluster until it refuses writes, and watch it being healed
	$(GO) run ./test/demo

.PHONY: test
test: servers ## run every test that needs no root and no second host
	@for server in $(wildcard /usr/bin/etcd) $(SERVERS); do printf '%-26s' $$server; $$server --version | head -n 1; done
	$(GO) test -count=1 -timeout=15m -p 1 ./...

.PHONY: test-race
test-race: servers ## the same under the race detector; needs a C compiler
	CGO_ENABLED=1 $(GO) test -race -count=1 -timeout=15m ./...

.PHONY: e2e
e2e: servers ## run every scenario of real watchdogs beside real clusters, of which make test runs a selection, and disturbed heals; 20 minutes
	ETCD_WATCHDOG_E2E=1 timeout --kill-after=30s 20m $(GO) test -count=1 -timeout=20m -p 1 ./test/scenario ./test/faults/...
	ETCD_WATCHDOG_E2E=1 $(GO) test -count=1 -run TestPingsTooOften ./test/realetcd

SOAK     ?= 2h
SEED     ?= 1
PARALLEL ?= 4

.PHONY: soak
soak: servers ## disturb heals for hours (SOAK=2h SEED=1 PARALLEL=4) and sum up; needs root for the faults of disks
	$(GO) run ./test/faults -for $(SOAK) -seed $(SEED) -parallel $(PARALLEL)

.PHONY: hosts
hosts: servers ## boot real systemd hosts, install the package and go through a night; as root on Debian
	ETCD_WATCHDOG_HOSTS=1 $(GO) test -count=1 -timeout=60m -v ./test/hosts

.PHONY: bench
bench: servers ## measure on real clusters what the watchdogs win; takes half an hour
	$(GO) run ./test/bench/heal
	$(GO) run ./test/bench/sustained
	$(GO) run ./test/bench/keys

.PHONY: prometheus
prometheus: build servers ## a real Prometheus scrapes real watchdogs through a heal, runs every query and draws docs/images/heal.svg; 3 minutes
	$(GO) run ./test/prometheus

.PHONY: servers
servers: $(SERVERS) $(RESTORERS) ## build the real etcd servers that tests and the demo run, and the etcdutl of each

build/servers/etcd-%: test/servers/%/go.mod test/servers/%/go.sum test/servers/%/main.go
	cd test/servers/$* && $(GO) build -trimpath -buildvcs=false -o $(CURDIR)/$@ .
	@touch $@

build/servers/etcdutl-%: test/servers/%/go.mod test/servers/%/go.sum test/servers/%/etcdutl/main.go
	cd test/servers/$* && $(GO) build -trimpath -buildvcs=false -o $(CURDIR)/$@ ./etcdutl
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

.PHONY: verify-licenses
verify-licenses: ## the packages carry the license of every module, and each is allowed
	@GO=$(GO) sh deploy/licenses.sh $(LICENSES) 2>/dev/null | diff -u deploy/third-party-licenses - >&2 || { echo "not those of the modules, run make fix-licenses"; exit 1; }

.PHONY: fix-licenses
fix-licenses: ## write the licenses of all modules
	@mkdir -p build && GO=$(GO) sh deploy/licenses.sh $(LICENSES) >build/third-party-licenses && mv build/third-party-licenses deploy/third-party-licenses

# A unit names the program and the documents by their place.
install-unit = sed 's|/usr/bin/etcd-watchdog|$(PREFIX)/bin/etcd-watchdog|; s|/usr/share/|$(PREFIX)/share/|' deploy/systemd/$(1) > $(DESTDIR)$(PREFIX)/lib/systemd/system/$(1)

.PHONY: install
install: ## install what make build has built, with units, catalog, manual pages and, if there is none, the configuration
	@test -x build/etcd-watchdog && test -d build/completions || { echo 'there is nothing to install: run make build first, without sudo'; exit 1; }
	install -D -m 0755 build/etcd-watchdog $(DESTDIR)$(PREFIX)/bin/etcd-watchdog
	install -d -m 0755 $(DESTDIR)$(PREFIX)/lib/systemd/system
	$(call install-unit,etcd-watchdog.service)
	$(call install-unit,etcd-watchdog@.service)
	install -D -m 0644 deploy/systemd/etcd-watchdog.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/etcd-watchdog.conf
	install -D -m 0644 deploy/systemd/etcd-watchdog.catalog $(DESTDIR)$(PREFIX)/lib/systemd/catalog/etcd-watchdog.catalog
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/man/man8 docs/man/*.8
	install -D -m 0644 build/completions/etcd-watchdog.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/etcd-watchdog
	install -D -m 0644 build/completions/etcd-watchdog.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/etcd-watchdog.fish
	install -D -m 0644 build/completions/etcd-watchdog.zsh $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_etcd-watchdog
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/doc/etcd-watchdog docs/runbook.md docs/events.md docs/metrics.md
	install -D -m 0644 LICENSE $(DESTDIR)$(PREFIX)/share/licenses/etcd-watchdog/LICENSE
	install -D -m 0644 deploy/third-party-licenses $(DESTDIR)$(PREFIX)/share/doc/etcd-watchdog/third-party-licenses
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/doc/etcd-watchdog/examples deploy/systemd/examples/*.conf deploy/systemd/examples/etcd-watchdog-notify.service deploy/prometheus/etcd-watchdog.rules.yml deploy/grafana/etcd-watchdog.json
	install -D -m 0755 -t $(DESTDIR)$(PREFIX)/share/doc/etcd-watchdog/examples deploy/systemd/examples/etcd-watchdog-notify
	test -e $(DESTDIR)/etc/etcd-watchdog/etcd-watchdog.yaml || install -D -m 0644 configs/etcd-watchdog.yaml $(DESTDIR)/etc/etcd-watchdog/etcd-watchdog.yaml

.PHONY: clean
clean: ## remove all that was built
	rm -rf build coverage.out
