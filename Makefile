# Barrage. `make run` and `make test` need nothing else on a fresh Debian machine
# with Go, Node and npm.

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT      := $(shell git rev-parse --short HEAD 2>/dev/null)
# A count, not a time: go test sometimes fails a target whose time runs out.
FUZZTIME    ?= 25000x
# Further flags of a bench-* target: go run ./loadtest/bench NAME -h lists them.
BENCH       ?=
SUDO        := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

.DEFAULT_GOAL := help
.PHONY: help build run test test-server deps lint race fuzz browser chaos queues hostile bench bench-versus bench-peers bench-vm bench-cluster clean client client-hostile web danmaku dashboard bench-danmaku client-pack browser-deps example examples

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "%-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/barrage
	go build -trimpath -ldflags '-X barrage/internal/build.version=$(VERSION) -X barrage/internal/build.commit=$(COMMIT)' -o bin/barrage ./cmd/barrage

run: build ## serve on 127.0.0.1:8080: open the page, type, see comments fly
	bin/barrage serve

# The fuzzers are nice: from the beginning they have what the race detector leaves, and
# then what the browser does, which waits much. Of all they say, failures are worth it.
test: deps lint ## everything CI runs; installs what the tests need
	@said=$$(mktemp); trap 'rm -f "$$said"' EXIT; \
	$(MAKE) --no-print-directory fuzz >"$$said" 2>&1 & fuzz=$$!; \
	$(MAKE) --no-print-directory race; others=$$?; \
	$(MAKE) --no-print-directory --keep-going -j2 --output-sync browser client danmaku examples dashboard || others=1; \
	wait $$fuzz; fuzz=$$?; \
	if [ $$fuzz = 0 ]; then grep '^[.]/.* Fuzz' "$$said"; else cat "$$said"; fi; exit $$((others | fuzz))

deps: ## install redis-server, chromium, curl, iproute2, netcat, nginx, haproxy, caddy, promtool and a Chinese font from Debian's packages if absent
	@(PATH=$$PATH:/usr/sbin; for p in redis-server chromium curl ip nc nginx haproxy caddy promtool; do command -v $$p >/dev/null || exit 1; done; fc-list :lang=zh | grep -q .) || { \
		$(SUDO) apt-get update -qq && \
		$(SUDO) env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server redis-tools chromium curl fonts-liberation fonts-wqy-zenhei fontconfig iproute2 netcat-openbsd nginx haproxy caddy prometheus >/dev/null; }

lint: ## gofmt, vet, staticcheck
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "gofmt: $$unformatted"; exit 1; }
	go vet ./...
	go run $(STATICCHECK) ./...

# Without vet, which lint runs in full; one package more than there are cores, since
# many tests wait; and without the second for which each of its processes, some 200,
# sleeps before it ends. Files that are not for the race detector say so in their first
# line.
race: ## all Go tests under the race detector, or without it where it finds nothing or changes what is measured
	GORACE=atexit_sleep_ms=50 go test -race -vet=off -p $$(( $$(nproc) + 1 )) ./redisbridge ./... # the longest first, which mostly waits
	@files=$$(grep -rlE --include='*_test.go' '^//go:build !race|^func Test.*Alloc' .); \
	tests=$$(awk 'FNR == 1 {plain = /!race/} /^func Test/ && (plain || /Alloc/) {print $$2}' $$files | cut -d'(' -f1 | paste -sd'|'); \
	go test -vet=off -run "^($$tests)$$" $$(dirname $$files | sort -u)

fuzz: ## fuzz every parser, FUZZTIME inputs each
	@export tests=$$(mktemp -d) cache=$$(go env GOCACHE)/fuzz/barrage; trap 'rm -r "$$tests"' EXIT; \
	grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u | nice -n 19 xargs -P 2 -n 1 sh -c '\
		test=$$tests/$$(echo $$0 | tr / _); go test -c -vet=off -fuzz . -o $$test $$0 && cd $$0 || exit 255; \
		for target in $$(grep -ho "^func Fuzz[A-Za-z0-9_]*" *_test.go | cut -d" " -f2); do \
			echo $$0 $$target; \
			$$test -test.run "^$$" -test.fuzz "^$$target$$" -test.fuzztime $(FUZZTIME) -test.fuzzcachedir $$cache/$$0 || exit 255; \
		done'

web: ## build what is committed in web/*/dist from its TypeScript
	@for package in $(dir $(wildcard web/*/build.mjs)); do \
		(cd $$package && npm ci --no-audit --no-fund --loglevel=error && npm run --silent build) || exit 1; done

# Built as lint and others do it, so that little has to be compiled again.
test-server:
	go build -o bin/barrage-test ./cmd/barrage

browser-deps:
	cd web/test && npm ci --no-audit --no-fund --loglevel=error

browser: test-server browser-deps ## drive the viewer page in chromium
	cd web/test && SERVER_BIN=$(CURDIR)/bin/barrage-test npm test

example: ## run one of examples/: make example NAME=live-room
	go run ./examples/$(NAME)

# The browser's driver is that of browser.
examples: test-server browser-deps ## drive all of examples/
	go build -o bin/examples/ ./examples/...
	cd examples/test && SERVER_BIN=$(CURDIR)/bin/barrage-test npm test

danmaku: ## the renderer of flying comments: types, what is committed, tests in chromium
	cd web/danmaku && npm ci --no-audit --no-fund --loglevel=error && npm test

dashboard: ## what is committed of the dashboard's plots is what npm has
	cd web/admin && npm ci --no-audit --no-fund --loglevel=error && npm run --silent check

client: test-server ## the TypeScript client: types, tests against the server
	cd web/client && npm ci --no-audit --no-fund --loglevel=error && SERVER_BIN=$(CURDIR)/bin/barrage-test npm test

client-pack: ## web/client/barrage-client-VERSION.tgz, the npm package
	cd web/client && npm ci --no-audit --no-fund --loglevel=error && npm run --silent pack

client-hostile: test-server ## the clients cut at every byte of a session, from node to node, and over 10,000 reconnects each: some twenty minutes (SEED=n, CLIENT_SEED=n for others)
	cd web/client && npm ci --no-audit --no-fund --loglevel=error && CLIENT_FULL=1 SERVER_BIN=$(CURDIR)/bin/barrage-test npx vitest run test/hostile.test.ts test/cluster.test.ts
	CLIENT_FULL=1 go test -count=1 -v -timeout 30m -run '^(TestModel|TestFromNodeToNode|TestSessionCutAtEveryByte)$$' ./client

chaos: deps ## 1,000 viewers and 200 messages a second for a minute while nodes and Redis are killed and frozen
	BARRAGE_CHAOS=60s go test -count=1 -v -timeout 10m -run '^TestChaos$$' ./cmd/barrage

queues: ## a Redis list and a stream of a million entries each, published one after the other: some ten minutes
	BARRAGE_QUEUE=1000000 go test -count=1 -v -timeout 2h -run '^TestLongQueue$$' ./redisbridge/queues

hostile: build ## what attackers can do to 100 honest viewers, in some ten minutes; writes docs/limits.md (BENCH='-attacks NAME' for one)
	go run ./loadtest/bench hostile $(if $(BENCH),$(BENCH),-document docs/limits.md)

bench: ## Go micro-benchmarks
	go test -run '^$$' -bench . -benchmem ./...

bench-versus: build ## this build and BASE (a commit, or the path of a binary) in seven alternating pairs; without BASE raw and barrage.v1
	go run ./loadtest/bench versus $(if $(BASE),-base $(BASE)) $(BENCH)

bench-peers: build ## Barrage and other servers on the same scenarios, in turn; writes BENCHMARKS.md
	go run ./loadtest/bench peers -document BENCHMARKS.md -images docs/images $(BENCH)

bench-vm: ## memory of 300,000 connections in one process, in a QEMU guest (BENCH='-connections 1000000' for more)
	go run ./loadtest/bench vm $(BENCH)

bench-cluster: build ## 95,000 viewers over five nodes that share a Redis
	go run ./loadtest/bench cluster $(BENCH)

bench-danmaku: ## the renderer of flying comments beside those of npm, in chromium (BENCH='--seconds 10 --only NAME')
	cd web/danmaku/bench && npm ci --no-audit --no-fund --loglevel=error && node bench.mjs $(BENCH)

clean: ## remove what was built
	rm -rf bin web/*/node_modules web/danmaku/bench/node_modules web/client/package web/client/*.tgz
