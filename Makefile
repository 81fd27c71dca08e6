# Lobby. `make` alone prints the targets; `make demo` and `make test` need Go and make, nothing else.

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
COMMANDS    := lobby-gateway lobby-cloud lobby-sim
PLATFORMS   := linux/amd64 linux/arm64 linux/arm
VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS     := -s -w -X main.version=$(VERSION)
FUZZTIME    ?= 10s

# gcc: the race detector needs cgo. postgresql: the cloud's store is tested on both of its engines. The others speak Modbus
# with both of our ends.
PACKAGES := gcc libc6-dev postgresql mbpoll socat libmodbus-dev python3-pymodbus python3-serial python3-serial-asyncio
AS_ROOT  := $(if $(filter 0,$(shell id -u)),,sudo)

.DEFAULT_GOAL := help
.PHONY: help demo tour tower nightmare week test race fuzz soak bench lint build dist deps

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## a building to play with: lockers, gateway, broker and cloud, all on this machine
	go run ./cmd/lobby-demo

tour: ## the demo plays a building's whole life by itself and checks each step (90 s)
	go run ./cmd/lobby-demo tour

tower: ## ten minutes of a busy day in the tower, in real wire time, and everything compared: docs/soak.md
	go run ./cmd/lobby-demo soak --building tower --for 10m

nightmare: ## the same where everything fails that can: every alarm explained, nothing wrong accepted
	go run ./cmd/lobby-demo soak --building nightmare --for 10m

week: ## a week of the tower by its own clock: every reading, every opening (20 min)
	go test ./cmd/internal/town -run TestTheTowerLives -v -timeout 90m -long 168h

test: deps lint race tour fuzz ## all tests: real pty, broker, SQLite and PostgreSQL; lint; the tour; 10 s of each fuzz target

race: deps
	CGO_ENABLED=1 go test -race -timeout 10m ./...
	go test -run 'TestTheTowerLives|TestNightmareHeap' ./cmd/internal/town ./cmd/internal/bench # not for the race detector: they say why

fuzz: ## each fuzz target for FUZZTIME (10s)
	go run ./cmd/internal/fuzzall -time $(FUZZTIME) ./...

soak: deps tower nightmare week ## tower, nightmare, week, the tour twenty times, fifty more with seeds that choose when faults strike, then every fuzz target for five minutes
	mkdir -p build; for s in $$(yes 0 | head -20) $$(seq 50); do go run ./cmd/lobby-demo tour --seed $$s >build/tour.log 2>&1 || { cat build/tour.log; echo "seed $$s"; exit 1; }; done; rm -f build/tour.log
	$(MAKE) fuzz FUZZTIME=5m

bench: ## all figures as ratios to a ceiling of the same run: docs/performance.md, build/bench.jsonl
	go run ./cmd/internal/bench

lint: ## gofmt, go vet, staticcheck (the rules of the house are a test: cmd/internal/e2e)
	@files=$$(gofmt -l .); test -z "$$files" || { echo "gofmt -w these: $$files"; exit 1; }
	go vet ./...
	go run $(STATICCHECK) ./...

build: ## the commands for this machine, into bin/
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/ $(addprefix ./cmd/,$(COMMANDS) lobby-demo)

dist: ## the commands for every platform, into dist/, with their checksums
	@for p in $(PLATFORMS); do for c in $(COMMANDS); do \
	  echo "$$c $$p"; GOOS=$${p%/*} GOARCH=$${p#*/} CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o dist/$$c-$${p%/*}-$${p#*/} ./cmd/$$c || exit 1; \
	done; done
	cd dist && sha256sum lobby-* > SHA256SUMS

deps:
	@missing=""; for p in $(PACKAGES); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; done; \
	test -z "$$missing" || { echo "installing$$missing"; $(AS_ROOT) apt-get update -qq && $(AS_ROOT) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; }
