{{- /* Refuses values that would install something that cannot work, or is not safe. */ -}}
{{- define "pachyderm.validate" -}}
{{- include "pachyderm.unknownKeys" . }}
{{- $postgres := include "pachyderm.postgres" . }}
{{- range $key, $host := dict "ingress.host" .Values.ingress.host "gateway.host" .Values.gateway.host "proxy.host" .Values.proxy.host }}
{{- if or (contains "://" $host) (contains "/" $host) }}
{{- fail (printf "%s: %q is an address: write the host alone, such as pach.example.com" $key $host) }}
{{- end }}
{{- end }}
{{- range $key, $host := dict "ingress.host" .Values.ingress.host "gateway.host" .Values.gateway.host }}
{{- if contains ":" $host }}
{{- fail (printf "%s: %q has a port: write the host alone, and use the ports 443 and 80" $key $host) }}
{{- end }}
{{- if contains "*" $host }}
{{- fail (printf "%s: %q is a pattern: the issuer has one name: write the host, such as pach.example.com" $key $host) }}
{{- end }}
{{- end }}
{{- if .Values.gateway.enabled }}
{{- if not .Values.gateway.host }}
{{- fail "gateway.host: a route needs the host that it serves: write one such as pach.example.com" }}
{{- end }}
{{- if not .Values.gateway.parentRefs }}
{{- fail "gateway.parentRefs: a route needs a Gateway: write its name, such as [{name: shared, namespace: gateways}]" }}
{{- end }}
{{- range $ref := .Values.gateway.grpcParentRefs }}
{{- if has $ref $.Values.gateway.parentRefs }}
{{- fail "gateway.grpcParentRefs: the same listener is in gateway.parentRefs: it would take only one of the two routes of a host: name another listener (sectionName), or leave grpcParentRefs out, and gRPC goes by its paths" }}
{{- end }}
{{- end }}
{{- if include "pachyderm.tlsSecret" . }}
{{- fail "gateway.enabled: a Gateway speaks plain text to pachd, and pachd speaks TLS: let TLS end at the Gateway: unset pachd.tls.enabled and proxy.tls.enabled" }}
{{- end }}
{{- if and .Values.ingress.enabled (ne .Values.ingress.host .Values.gateway.host) }}
{{- fail (printf "ingress.host: %q is not gateway.host, %q: the issuer has one name: use one host for both" .Values.ingress.host .Values.gateway.host) }}
{{- end }}
{{- if and .Values.ingress.enabled (ne (include "pachyderm.ingressHTTPS" .) (include "pachyderm.https" .)) }}
{{- fail "gateway.https: one of Gateway and Ingress speaks TLS, and the other does not: the issuer has one name: set both" }}
{{- end }}
{{- end }}
{{- if and .Values.metrics.serviceMonitor.enabled .Values.pachd.networkPolicy.enabled (not .Values.pachd.networkPolicy.metricsFrom) }}
{{- fail "metrics.serviceMonitor.enabled: the NetworkPolicy would keep Prometheus from the metrics: let it in with pachd.networkPolicy.metricsFrom" }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.host) }}
{{- fail "ingress.host: an Ingress needs the host that it serves: write one such as pach.example.com" }}
{{- end }}
{{- if and .Values.pachd.tls.enabled (not (or .Values.pachd.tls.secretName .Values.pachd.tls.newSecret.create)) }}
{{- fail "pachd.tls.enabled: TLS needs a certificate: set pachd.tls.secretName to a Secret of type kubernetes.io/tls" }}
{{- end }}
{{- if and .Values.ingress.enabled .Values.ingress.tls.enabled (not (or .Values.ingress.tls.secretName .Values.ingress.tls.newSecret.create)) }}
{{- fail "ingress.tls.enabled: TLS needs a certificate: set ingress.tls.secretName to a Secret of type kubernetes.io/tls" }}
{{- end }}
{{- if and .Values.proxy.enabled .Values.proxy.tls.enabled (not (or .Values.proxy.tls.secretName .Values.pachd.tls.enabled)) }}
{{- fail "proxy.tls.enabled: TLS needs a certificate: set proxy.tls.secretName to a Secret of type kubernetes.io/tls" }}
{{- end }}
{{- if and .Values.ingress.enabled (include "pachyderm.tlsSecret" .) (not .Values.ingress.tls.enabled) (not .Values.ingress.uriHttpsProtoOverride) }}
{{- fail "ingress.tls.enabled: pachd speaks TLS and the Ingress does not: people would sign in in plain text: set ingress.tls.enabled" }}
{{- end }}
{{- $host := include "pachyderm.host" . }}
{{- with .Values.oidc.issuerURI }}
{{- $url := urlParse . }}
{{- if not (has $url.scheme (list "http" "https")) }}
{{- fail (printf "oidc.issuerURI: %q is not an address: write one such as https://pach.example.com/dex" .) }}
{{- end }}
{{- if and $.Values.proxy.enabled (ne (trimSuffix "/" $url.path) "/dex") }}
{{- fail (printf "oidc.issuerURI: %q cannot be routed: behind the proxy the issuer's path is /dex" .) }}
{{- end }}
{{- if and $host (ne $url.host $host) }}
{{- fail (printf "oidc.issuerURI: %q is on another host than %q, where people reach pachd: use that host" . $host) }}
{{- end }}
{{- end }}
{{- if and .Values.oidc.upstreamIDPs .Values.oidc.upstreamIDPsSecretName }}
{{- fail "oidc.upstreamIDPs and oidc.upstreamIDPsSecretName both declare the connectors: keep one of the two" }}
{{- end }}
{{- if and .Values.pachd.rootToken .Values.pachd.rootTokenSecretName }}
{{- fail "pachd.rootToken and pachd.rootTokenSecretName both give the root token: keep one of the two" }}
{{- end }}
{{- if and .Values.oidc.mockIDP (or .Values.oidc.upstreamIDPs .Values.oidc.upstreamIDPsSecretName) }}
{{- /* As upstream: other connectors win. */ -}}
{{- end }}
{{- if include "pachyderm.mockIDP" . }}
{{- if or $host (eq (include "pachyderm.https" .) "true") }}
{{- fail "oidc.mockIDP: whoever knows the password \"password\" would be a clusterAdmin at a public address: connect an identity provider (oidc.upstreamIDPs), or set oidc.mockIDP to false" }}
{{- end }}
{{- if hasKey .Values.pachd.pachAuthClusterRoleBindings "allClusterUsers" }}
{{- fail "pachd.pachAuthClusterRoleBindings: allClusterUsers is there twice: oidc.mockIDP gives it projectCreator: remove it, or set oidc.mockIDP to false" }}
{{- end }}
{{- end }}
{{- if and (not $postgres) (gt (int .Values.pachd.replicas) 1) }}
{{- fail (printf "pachd.replicas: %d replicas need PostgreSQL: set global.postgresql.postgresqlHost, or one replica" (int .Values.pachd.replicas)) }}
{{- end }}
{{- if and .Values.pachd.autoscaling.enabled (not $postgres) }}
{{- fail "pachd.autoscaling.enabled: several replicas need PostgreSQL: set global.postgresql.postgresqlHost" }}
{{- end }}
{{- if $postgres }}
{{- if not (or .Values.global.postgresql.postgresqlExistingSecretName .Values.global.postgresql.postgresqlPassword) }}
{{- fail "global.postgresql.postgresqlExistingSecretName: PostgreSQL needs a password: name a Secret that has it under the key of postgresqlExistingSecretKey" }}
{{- end }}
{{- end }}
{{- $backends := list "" "AMAZON" "GOOGLE" "LOCAL" "MICROSOFT" "MINIO" }}
{{- if not (has (upper .Values.pachd.storage.backend) $backends) }}
{{- fail (printf "pachd.storage.backend: %q is none: use AMAZON or MINIO, or pachd.storage.s3, or leave it out for a volume" .Values.pachd.storage.backend) }}
{{- end }}
{{- $store := include "pachyderm.objectStore" . | fromYaml }}
{{- if $store }}
{{- $block := ternary "s3" (lower .Values.pachd.storage.backend) (ne .Values.pachd.storage.s3.endpoint "") }}
{{- if or (not $store.bucket) (hasSuffix "://" $store.endpoint) (contains "//s3.." $store.endpoint) }}
{{- fail (printf "pachd.storage.%s: an object store needs an address and a bucket: write them there" $block) }}
{{- end }}
{{- if and (not .Values.pachd.storage.s3.secretName) (or (not $store.accessKey) (not $store.secretKey)) }}
{{- fail (printf "pachd.storage.%s: the object store needs an access key and its secret key: name a Secret that has them in pachd.storage.s3.secretName" $block) }}
{{- end }}
{{- end }}
{{- if and $postgres (not (include "pachyderm.several" .)) (or (gt (int .Values.pachd.replicas) 1) .Values.pachd.autoscaling.enabled) }}
{{- fail "pachd.storage: several replicas need one place for the bytes of files: set pachd.storage.s3 (or upstream's backend AMAZON or MINIO), or pachd.storage.existingClaim to a claim that all of them can mount" }}
{{- end }}
{{- if and .Values.pachd.rootToken (lt (len .Values.pachd.rootToken) 6) }}
{{- fail "pachd.rootToken: is too short to be a secret: use at least 6 characters, better 32 random ones" }}
{{- end }}
{{- if not .Values.pachd.enabled }}
{{- fail "pachd.enabled: without pachd there is nothing to install: remove the value" }}
{{- end }}
{{- end }}
