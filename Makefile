# make run   builds the resolver and serves DNS on 127.0.0.1 and [::1], port 1053, and the help page on port 8080
# make test  runs every test
# The other targets are for developers: docs/architecture.md.
GO      ?= go
PORT    ?= 1053
PAGE    ?= 8080
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
BIN     ?= bin
# COLD is code that few queries pass through, HOT what is not meant of it. Not
# inlined, it makes the resolver a megabyte smaller.
COLD     = github.com/caddyserver/... github.com/mholt/... github.com/libdns/... go.uber.org/... golang.org/x/oauth2/... \
           go.yaml.in/... github.com/prometheus/common/... github.com/prometheus/exporter-toolkit/... github.com/prometheus/procfs/... \
           google.golang.org/grpc/... google.golang.org/protobuf/... github.com/coredns/caddy/... github.com/klauspost/compress/... \
           github.com/expr-lang/... github.com/quic-go/... \
           github.com/farsightsec/... github.com/dnstap/... github.com/pires/... github.com/hashicorp/... golang.org/x/text/... golang.org/x/net/http2/... \
           github.com/prometheus/client_golang/... github.com/nicksnyder/... aead.dev/... \
           github.com/coredns/coredns/plugin/... github.com/coredns/coredns/core/... errors internal/profile \
           golang.org/x/net/idna golang.org/x/net/publicsuffix golang.org/x/net/trace golang.org/x/crypto/... vendor/golang.org/x/... archive/... go/... text/... html/... encoding/... \
           compress/... crypto/tls crypto/ecdsa crypto/rsa crypto/ecdh crypto/hpke crypto/ed25519 crypto/elliptic crypto/x509 crypto/x509/pkix crypto/des crypto/md5 \
           $(addprefix crypto/internal/fips140/,nistec nistec/fiat edwards25519/... mlkem rsa ecdsa ecdh bigmod drbg ed25519 hkdf mldsa sha3 tls12 tls13) fmt log/slog math/big math/rand/... mime/... net net/http net/http/... net/mail net/textproto net/url os reflect regexp/... strconv unicode/... bufio sort container/... io/... flag expvar \
           runtime/pprof internal/godebug internal/bisect log path/... os/exec os/signal os/user golang.org/x/sys/... golang.org/x/time/... golang.org/x/net/internal/... google.golang.org/genproto/... \
           github.com/google/... github.com/coreos/... github.com/apparentlymart/... github.com/mdlayher/... github.com/go-json-experiment/... github.com/gofrs/... \
           github.com/opentracing/... github.com/infobloxopen/... github.com/beorn7/... github.com/golang-jwt/... github.com/zeebo/... github.com/klauspost/cpuid/... \
           $(addprefix $(shell $(GO) list -m)/plugin/,builtin bypass directive discovery feed helpline primary rpz sinkhole/... source status totals)
HOT      = encoding/binary github.com/coredns/coredns/plugin github.com/coredns/coredns/plugin/acl github.com/coredns/coredns/plugin/cache \
           github.com/coredns/coredns/plugin/forward github.com/coredns/coredns/plugin/metrics github.com/coredns/coredns/plugin/pkg/... github.com/coredns/coredns/plugin/view
# ALIGN has functions of amd64 begin anywhere instead of at every 32 octets, which is 0.5 MB of nothing less. What
# needs more by itself, as loops in assembler do, has it still, and no query was seen to cost more.
ALIGN    = $(if $(filter amd64,$(shell $(GO) env GOARCH)),-funcalign=1)
FLAGS    = -trimpath -tags grpcnotrace -ldflags "-s -w $(ALIGN) -X main.version=$(VERSION)" $(COLD:%=-gcflags=%=-l) $(HOT:%=-gcflags=%=)
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
PACKAGES ?= build/packages
PACKAGED ?= amd64 arm64 arm mipsle riscv64
TARGETS = linux/amd64 linux/arm64 linux/arm linux/mipsle linux/riscv64 freebsd/amd64 darwin/arm64 windows/amd64
FUZZTIME ?= 60s

.PHONY: run test check lint build bench microbench soak fuzz race kubernetes fronted swaps small cross vetted foreign packages signature programs packed stock clean setup

run: build
	@PORT=$(PORT) PAGE=$(PAGE) sh deploy/run.sh bin/coredns

build:
	@echo "$(GO) build, with FLAGS, -o $(BIN)/ ./cmd/coredns ./cmd/nonudify" # the flags alone are 5 kB
	@CGO_ENABLED=0 $(GO) build $(FLAGS) -o $(BIN)/ ./cmd/coredns ./cmd/nonudify

test: setup build race kubernetes packed

race: # the race detector needs a C compiler, which setup sees to
	CGO_ENABLED=1 $(GO) test -race -shuffle=on -timeout 30m ./...

kubernetes: # the manifests, in a module of their own because of the types of Kubernetes
	$(GO) -C deploy/kubernetes vet ./...
	$(GO) -C deploy/kubernetes mod tidy -diff
	$(GO) -C deploy/kubernetes test -count=1 ./...

fronted: # a million random queries through the front and through the chain
	$(GO) test -count=1 -run TestCompose ./plugin/answer -composed 1000000
	$(GO) test -count=1 -run TestFrontAnswer ./plugin -fronted 1000000

swaps: # a hundred editions of a large list under load, for which the race detector is too slow
	$(GO) test -count=1 -run TestSwaps ./cmd/coredns

check: lint
	$(GO) test ./...

lint:
	@test -z "$$(gofmt -l cmd plugin deploy)" || { gofmt -d cmd plugin deploy; exit 1; }
	$(GO) vet ./...
	$(GO) fix -diff ./...
	$(GO) mod tidy -diff
	$(GO) run $(STATICCHECK) ./...
	@# a test that passes shows nothing by itself, and this one warns of phone numbers that expire
	@$(GO) test -count=1 -v -run TestNumbersAreFresh ./plugin/helpline | grep -i '^warning' || true

bench: build # the resolver beside those that are installed; BENCHFLAGS=-quick for a look, =-h for more
	$(GO) build -o $(BIN)/bench ./cmd/bench
	$(BIN)/bench -coredns $(BIN)/coredns $(BENCHFLAGS)

microbench: # the benchmarks of the packages
	$(GO) test -run '^$$' -bench . -benchmem ./plugin/...

soak: build # half an hour of load, new lists and reloads, then three times as much load as it can take
	$(GO) build -o $(BIN)/bench ./cmd/bench
	$(BIN)/bench soak -coredns $(BIN)/coredns $(SOAKFLAGS)
	$(BIN)/bench overload -coredns $(BIN)/coredns $(SOAKFLAGS)

fuzz: # every target for FUZZTIME, one after the other
	@for p in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
	    echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$p || exit 1; \
	  done; done

small: # routers have 32 bits
	GOARCH=386 CGO_ENABLED=0 $(GO) test ./plugin/...

cross: # both programs for every system they are made for, and a look at the tests for two whose files nothing else compiles
	@for t in $(TARGETS); do echo $$t; \
	  GOOS=$${t%/*} GOARCH=$${t#*/} GOMIPS=softfloat $(MAKE) build BIN=build/$$t || exit 1; \
	  case $$t in windows/* | darwin/*) GOOS=$${t%/*} GOARCH=$${t#*/} $(MAKE) vetted || exit 1 ;; esac; done

vetted: # for GOOS and GOARCH, with what the build for them has made
	CGO_ENABLED=0 $(GO) vet $(FLAGS) ./...

foreign: cross # the programs for small computers and routers, on processors that QEMU plays
	$(GO) test -count=1 -v -run TestForeign ./cmd/coredns -foreign $(CURDIR)/build

packages: build programs # deb, rpm, apk, OpenWrt's, and a container image, for the architectures in PACKAGED
	$(GO) run -C deploy/packages . $(PACKAGED)
	@test -z "$(SIGN)" || $(MAKE) --no-print-directory signature
	@ls -l $(PACKAGES)

signature: # of the sums of all packages, with the secret key in the file SIGN: docs/security.md
	$(BIN)/nonudify sign -key "$(SIGN)" $(PACKAGES)/SHA256SUMS

programs: # what the packages hold
	@for a in $(PACKAGED); do echo linux/$$a; \
	  GOOS=linux GOARCH=$$a GOARM=7 GOMIPS=softfloat $(MAKE) build BIN=build/linux/$$a && \
	  CGO_ENABLED=0 GOOS=linux GOARCH=$$a GOARM=7 GOMIPS=softfloat $(GO) build -C deploy/packages -trimpath -ldflags "-s -w" -o ../../build/linux/$$a/ ./healthy || exit 1; done

packed: # the packages of this machine, installed, upgraded, run and removed, in a module of their own because of the libraries
	@$(MAKE) programs PACKAGED=$(shell $(GO) env GOARCH)
	$(GO) -C deploy/packages vet ./...
	$(GO) -C deploy/packages mod tidy -diff
	$(GO) -C deploy/packages test -count=1 -timeout 10m ./...

stock: # the full upstream CoreDNS with the plugin in it
	GO=$(GO) sh deploy/stock.sh build/stock

setup:
	@GO=$(GO) sh deploy/setup.sh

clean:
	rm -rf bin build
