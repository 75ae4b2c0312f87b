# What people run is listed by: make help
SHELL := /bin/bash -o pipefail
.DEFAULT_GOAL := help

GO    ?= go
TOOLS := $(CURDIR)/.tools
GOLANGCI_LINT := $(TOOLS)/golangci-lint-2.15.0
BUF := $(TOOLS)/buf-1.75.0
OAUTH2_PROXY := $(TOOLS)/oauth2-proxy-7.15.6
KUBELOGIN := $(TOOLS)/kubelogin-1.28.0
HELM := $(TOOLS)/helm-3.22.0
VERSITYGW := $(TOOLS)/versitygw-1.8.0
KUBE_APISERVER := $(TOOLS)/kube-apiserver-1.34.10
CRDS := $(TOOLS)/crds-1
KUBELET := $(TOOLS)/kubelet-1.34.10
CYCLONEDX := $(TOOLS)/cyclonedx-gomod-1.10.0
COMPOSE_GO := $(TOOLS)/compose-go-2.16.2
PLUGINS := $(addprefix $(TOOLS)/,protoc-gen-go protoc-gen-go-grpc protoc-gen-grpc-gateway protoc-gen-openapiv2)

# What test/mutate is called with, once for each.
MUTATED ?= ./internal/access/... ./internal/fetch ./internal/connector/ldap ./internal/connector/oidc/... \
	./internal/connector/saml/... ./internal/people/identity './internal/people/session ./internal/rpc/auth' \
	'./internal/people/token ./internal/people/session' ./internal/web/browser '-most 200 ./internal/issuer/...' '-most 200 ./internal/rpc/...'

.PHONY: help run run-clean build test test-slow cluster mutate lint fmt generate man release release-check image abuse bench load fuzz deps clean

help: ## print this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: build ## start pachd and the demo identity provider, and connect them
	@demo/run.sh

run-clean: ## forget what make run has kept in ./dev
	rm -rf dev

build: ## build bin/pachd and bin/pachctl
	CGO_ENABLED=0 $(GO) build -o bin/ ./cmd/pachd ./cmd/pachctl
	CGO_ENABLED=0 $(GO) build -o bin/demo-idp ./demo

# SQLite is C that was translated to Go. Its memory is not the heap's, so that the race
# detector sees no race there, and takes half of the time of all tests. Without
# atexit_sleep_ms each program ends a second late.
RACE := -race '-gcflags=modernc.org/...=-race=false'
export GORACE ?= atexit_sleep_ms=10

# What takes longest begins first; make lint runs vet.
test: deps ## run all tests; installs what they need
	$(GO) test $(RACE) -vet=off -shuffle=on -timeout 20m ./test ./cmd/pachctl ./...

test-slow: deps ## what make test does, several times over, and the fuzz targets
	$(GO) test $(RACE) -shuffle=on -count=3 -timeout 60m ./...
	PACH_ROLLOVER_LOGINS=1000 $(GO) test -count=1 -run TestRollOver -v ./test
	PACH_KILLS=500 $(GO) test -count=1 -timeout 60m -run TestKill_LosesNoData -v ./test
	$(MAKE) cluster
	$(MAKE) fuzz

cluster: $(HELM) $(CYCLONEDX) $(KUBE_APISERVER) $(KUBELET) $(COMPOSE_GO) $(CRDS) ## run chart, image, package and compose file for real; builds Kubernetes once, which takes long
	@missing=""; units=""; \
	command -v etcd >/dev/null || { missing="$$missing etcd-server"; units="$$units etcd"; }; \
	command -v containerd >/dev/null || { missing="$$missing containerd runc"; units="$$units containerd"; }; \
	command -v man >/dev/null || missing="$$missing man-db"; \
	test -x /usr/lib/cni/bridge || missing="$$missing containernetworking-plugins"; \
	if [ -n "$$missing" ]; then \
		apt-get update -qq && SYSTEMD_OFFLINE=1 RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
			apt-get install -y -qq --no-install-recommends $$missing >/dev/null || exit 1; \
		for unit in $$units; do SYSTEMD_OFFLINE=1 systemctl disable -q $$unit 2>/dev/null || true; done; \
	fi
	$(GO) test -tags cluster -count=1 -timeout 20m -run 'TestCluster|TestPod|TestMachine|TestRelease' -v ./deploy/helm ./deploy/release

mutate: ## change the code of MUTATED in one place at a time, and list what no test notices
	@for p in $(MUTATED); do $(GO) run ./test/mutate $$p || exit 1; done

lint: $(GOLANGCI_LINT) ## check the style, and that generated files are current
	$(GO) mod tidy -diff
	$(GO) mod verify
	$(GOLANGCI_LINT) run ./...
	@before=$$(git status --porcelain); $(MAKE) --no-print-directory generate && after=$$(git status --porcelain); \
	if [ "$$before" != "$$after" ]; then echo "generated files are not current: run make generate and commit"; exit 1; fi

fmt: $(GOLANGCI_LINT) ## format the code
	$(GOLANGCI_LINT) fmt ./...

generate: $(BUF) $(PLUGINS) ## make generated code and documents anew
	PATH="$(TOOLS):$$PATH" $(BUF) generate
	$(GO) test ./internal/connector -run 'TestSchema_IsCurrent|TestReferencePage_IsCurrent' -update >/dev/null
	$(GO) test ./internal/config ./internal/cli -run TestReference_Current -update >/dev/null

man: ## write pachctl's manual pages to bin/man
	$(GO) test ./internal/cli -run TestManualPages -man $(CURDIR)/bin/man >/dev/null

release: $(CYCLONEDX) ## make dist: archives, packages for Debian, the image and the chart, of this commit
	$(GO) run ./deploy/release -sbom $(CYCLONEDX)

image: $(CYCLONEDX) ## make dist with the image alone
	$(GO) run ./deploy/release -sbom $(CYCLONEDX) -platforms linux/amd64,linux/arm64 image

release-check: release ## make the release again elsewhere, with an empty cache, and compare
	@set -e; dir=$$(mktemp -d); trap 'chmod -R u+w $$dir; rm -rf $$dir' EXIT; git clone -q . $$dir/elsewhere; \
	cd $$dir/elsewhere && GOCACHE=$$dir/cache $(GO) run ./deploy/release -sbom $(CYCLONEDX) && \
	diff $(CURDIR)/dist/SHA256SUMS dist/SHA256SUMS && echo "the same bytes"

abuse: ## attack a pachd as outsiders would, 1000 times each, and print what that cost
	PACH_ABUSE_TIMES=1000 $(GO) test -count=1 -run TestAbuse -v ./test | sed -nE 's/^ +abuse_test.go:[0-9]+: (.* times: .*)/\1/p; /^ *--- FAIL|is still there|grew by|failed:|^(ok|FAIL)/p'

bench: build deps /usr/bin/restic ## measure start-up, memory, logins beside Dex, calls and growth, and write docs/performance.md
	$(GO) test -timeout 30m -run '^$$' -bench . -benchmem \
		$$(grep -rl --include='*_test.go' '^func Benchmark' internal test | xargs -n 1 dirname | sort -u | sed 's,^,./,') | tee bin/bench.txt
	$(GO) run ./test/report <bin/bench.txt

# What data is measured beside.
/usr/bin/restic:
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends restic >/dev/null

load: ## measure a deployment; LOAD has its options, such as -server grpcs://pachd.example.com -email load@example.com
	$(GO) run ./test/load $(LOAD)

fuzz: ## run each fuzz target for 30 seconds
	@set -e; for pkg in $$($(GO) list ./...); do \
		for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "$$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime 30s $$pkg; \
		done; \
	done

# The race detector wants a C compiler; the tests want a PostgreSQL, a browser, a
# directory, a domain controller, a SAML provider, applications that sign people
# in (oauth2-proxy, Apache, kubelogin), an object store, and Node for providers that come from npm.
# The tests start all of these themselves, so nothing of what is installed here may
# start now (SYSTEMD_OFFLINE and RUNLEVEL see to that) or with the machine: what has just come is disabled, what was there is left alone.
deps: $(OAUTH2_PROXY) $(KUBELOGIN) $(HELM) $(VERSITYGW)
	@missing=""; units=""; \
	test -x /usr/sbin/ip || missing="$$missing iproute2"; \
	command -v strace >/dev/null || missing="$$missing strace"; \
	command -v gcc >/dev/null || missing="$$missing gcc libc6-dev"; \
	ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || { missing="$$missing postgresql"; units="$$units postgresql"; }; \
	test -x /usr/sbin/pgbouncer || { missing="$$missing pgbouncer"; units="$$units pgbouncer"; }; \
	test -x /usr/bin/chromium || missing="$$missing chromium"; \
	command -v npm >/dev/null || missing="$$missing nodejs npm"; \
	test -x /usr/bin/ldapsearch || missing="$$missing ldap-utils"; \
	test -x /usr/sbin/slapd || { missing="$$missing slapd"; units="$$units slapd"; }; \
	test -x /usr/sbin/samba && ls /usr/lib/*/samba/ldb/samba_dsdb.so >/dev/null 2>&1 && test -d /usr/share/samba/setup/ad-schema \
		|| { missing="$$missing samba samba-ad-dc samba-ad-provision"; test -x /usr/sbin/smbd || units="$$units smbd nmbd winbind samba-ad-dc"; }; \
	test -d /usr/share/simplesamlphp/www && php -r 'exit(extension_loaded("dom") && extension_loaded("mbstring") ? 0 : 1);' 2>/dev/null \
		|| { missing="$$missing simplesamlphp php-cli php-xml php-mbstring"; test -x /usr/sbin/apache2 || units="$$units apache2 apache-htcacheclean"; }; \
	command -v systemd-analyze >/dev/null || missing="$$missing systemd"; \
	test -x /usr/sbin/apache2 && test -f /usr/lib/apache2/modules/mod_auth_openidc.so || missing="$$missing apache2-bin libapache2-mod-auth-openidc"; \
	if [ -n "$$missing" ]; then \
		echo "installing$$missing"; \
		apt-get update -qq && SYSTEMD_OFFLINE=1 RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
			apt-get install -y -qq --no-install-recommends $$missing >/dev/null || exit 1; \
		for unit in $$units; do SYSTEMD_OFFLINE=1 systemctl disable -q $$unit 2>/dev/null || true; done; \
	fi
	@for package in $$(sed -n '/"dependencies"/,/}/s/^    "\([^"]*\)":.*/\1/p' test/package.json); do \
		test -d test/node_modules/$$package || { npm --prefix test ci --no-audit --no-fund --loglevel=error; break; }; \
	done

$(GOLANGCI_LINT):
	GOBIN=$(TOOLS) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
	mv $(TOOLS)/golangci-lint $@

$(OAUTH2_PROXY):
	GOBIN=$(TOOLS) $(GO) install github.com/oauth2-proxy/oauth2-proxy/v7@v7.15.6
	mv $(TOOLS)/oauth2-proxy $@

# Without these it takes every chart for one that is to be installed on Kubernetes 1.20.
$(HELM):
	GOBIN=$(TOOLS) $(GO) install -ldflags "$(foreach p,chartutil lint/rules,-X helm.sh/helm/v3/pkg/$(p).k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/$(p).k8sVersionMinor=34)" helm.sh/helm/v3/cmd/helm@v3.22.0
	mv $(TOOLS)/helm $@

$(KUBE_APISERVER):
	deploy/helm/kubernetes.sh kube-apiserver 1.34.10 $@

$(KUBELET):
	deploy/helm/kubernetes.sh kubelet 1.34.10 $@

# What routes and ServiceMonitors are, from the Go modules that publish it.
$(CRDS):
	dir=$$(mktemp -d) && cd $$dir && $(GO) mod init crds 2>/dev/null && mkdir crds && \
	from() { $(GO) mod download -json $$1 | sed -n 's/^\t"Dir": "\(.*\)",$$/\1/p'; } && \
	gateway=$$(from sigs.k8s.io/gateway-api@v1.4.0) && prometheus=$$(from github.com/prometheus-operator/prometheus-operator@v0.84.0) && \
	cp $$gateway/config/crd/standard/gateway.networking.k8s.io_{httproutes,grpcroutes}.yaml \
		$$prometheus/example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml crds && \
	chmod u+w crds/* && mv crds $@ && rm -r $$dir

$(CYCLONEDX):
	GOBIN=$(TOOLS) $(GO) install github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0
	mv $(TOOLS)/cyclonedx-gomod $@

$(COMPOSE_GO):
	GOBIN=$(TOOLS) $(GO) install github.com/compose-spec/compose-go/v2/cmd@v2.16.2
	mv $(TOOLS)/cmd $@

# Its list of versions is not served everywhere, and go install asks for it.
$(KUBELOGIN):
	dir=$$(mktemp -d) && cd $$dir && $(GO) mod init kubelogin && $(GO) mod edit -require=github.com/int128/kubelogin@v1.28.0 && \
	$(GO) build -mod=mod -o $@ github.com/int128/kubelogin && rm -r $$dir

# As above.
$(VERSITYGW):
	dir=$$(mktemp -d) && cd $$dir && $(GO) mod init versitygw && $(GO) mod edit -require=github.com/versity/versitygw@v1.8.0 && \
	$(GO) build -mod=mod -o $@ github.com/versity/versitygw/cmd/versitygw && rm -r $$dir

$(BUF):
	GOBIN=$(TOOLS) $(GO) install github.com/bufbuild/buf/cmd/buf@v1.75.0
	mv $(TOOLS)/buf $@

$(TOOLS)/protoc-gen-go:
	GOBIN=$(TOOLS) $(GO) install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12

$(TOOLS)/protoc-gen-go-grpc:
	GOBIN=$(TOOLS) $(GO) install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2

$(TOOLS)/protoc-gen-grpc-gateway $(TOOLS)/protoc-gen-openapiv2:
	GOBIN=$(TOOLS) $(GO) install github.com/grpc-ecosystem/grpc-gateway/v2/$(@F)@v2.33.0

clean: ## remove what was built
	rm -rf bin dist .tools test/node_modules
