# Needs Go, make and git; nothing below needs root but `make install`.

GO      ?= go
PREFIX  ?= /usr/local
LINES   := 3.5 3.6 3.7
SERVERS := $(LINES:%=build/servers/etcd-%)

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

.PHONY: servers
servers: $(SERVERS) ## build the real etcd servers that tests and the demo run

build/servers/etcd-%: test/servers/%/go.mod test/servers/%/go.sum test/servers/%/main.go
	cd test/servers/$* && CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -o $(CURDIR)/$@ .
	@touch $@
