{{- define "pachyderm.labels" -}}
app: pachd
suite: pachyderm
app.kubernetes.io/name: pachd
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "pachyderm.selector" -}}
app.kubernetes.io/name: pachd
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "pachyderm.serviceAccount" -}}
{{- .Values.pachd.serviceAccount.name | default "pachyderm" }}
{{- end }}

{{- /* "true" if pachd keeps its data in PostgreSQL. */ -}}
{{- define "pachyderm.postgres" -}}
{{- if .Values.global.postgresql.postgresqlHost }}true{{ end }}
{{- end }}

{{- /*
The object store that the bytes of files are in, as pachd is configured, with the keys
given here; {} if they are on a volume. The blocks amazon and minio are upstream's.
*/ -}}
{{- define "pachyderm.objectStore" -}}
{{- $s := .Values.pachd.storage }}
{{- $backend := upper $s.backend }}
{{- if $s.s3.endpoint -}}
{{- toYaml (omit $s.s3 "secretName") }}
{{- else if eq $backend "AMAZON" -}}
{{- $endpoint := $s.amazon.customEndpoint | default (printf "https://s3.%s.amazonaws.com" $s.amazon.region) }}
{{- toYaml (dict "endpoint" $endpoint "bucket" $s.amazon.bucket "region" $s.amazon.region "accessKey" $s.amazon.id "secretKey" $s.amazon.secret) }}
{{- else if eq $backend "MINIO" -}}
{{- $scheme := ternary "https" "http" (eq (toString $s.minio.secure) "true") }}
{{- toYaml (dict "endpoint" (printf "%s://%s" $scheme $s.minio.endpoint) "bucket" $s.minio.bucket "pathStyle" true "accessKey" $s.minio.id "secretKey" $s.minio.secret) }}
{{- else -}}
{}
{{- end }}
{{- end }}

{{- /* The Secret with the keys of the object store, or nothing. */ -}}
{{- define "pachyderm.storeSecret" -}}
{{- if include "pachyderm.objectStore" . | fromYaml }}{{ .Values.pachd.storage.s3.secretName | default "pachyderm-storage" }}{{ end }}
{{- end }}

{{- /* The claim of the volume that data is on, or nothing if it is nowhere on one. */ -}}
{{- define "pachyderm.claim" -}}
{{- if not (and (include "pachyderm.postgres" .) (include "pachyderm.storeSecret" .)) }}{{ .Values.pachd.storage.existingClaim | default "pachd" }}{{ end }}
{{- end }}

{{- /* "true" if pods may run side by side. */ -}}
{{- define "pachyderm.several" -}}
{{- if and (include "pachyderm.postgres" .) (or (include "pachyderm.storeSecret" .) .Values.pachd.storage.existingClaim) }}true{{ end }}
{{- end }}

{{- /*
The Secret that pachd fills with what has no other place, or nothing: the sealing key,
which with SQLite is on its volume, and the root token. The name is upstream's.
*/ -}}
{{- define "pachyderm.keysSecret" -}}
{{- if include "pachyderm.made" . }}pachyderm-auth{{ end }}
{{- end }}

{{- /* What pachd writes to that Secret, in words. */ -}}
{{- define "pachyderm.made" -}}
{{- $sealingKey := and (include "pachyderm.postgres" .) (not .Values.pachd.sealingKeySecretName) }}
{{- $rootToken := and .Values.pachd.activateAuth (not (or .Values.pachd.rootToken .Values.pachd.rootTokenSecretName)) }}
{{- if $sealingKey }}the sealing key{{ end }}{{ if and $sealingKey $rootToken }} and {{ end }}{{ if $rootToken }}the root token{{ end }}
{{- end }}

{{- /* The Secret with pachd's certificate, or nothing. */ -}}
{{- define "pachyderm.tlsSecret" -}}
{{- if .Values.pachd.tls.enabled -}}
{{- .Values.pachd.tls.secretName | default "pachd-tls-cert" }}
{{- else if and .Values.proxy.enabled .Values.proxy.tls.enabled -}}
{{- .Values.proxy.tls.secretName }}
{{- end }}
{{- end }}

{{- /* The host that people use, or nothing. */ -}}
{{- define "pachyderm.host" -}}
{{- if .Values.gateway.enabled }}{{ .Values.gateway.host }}{{ else if .Values.ingress.enabled }}{{ .Values.ingress.host }}{{ else if .Values.proxy.enabled }}{{ .Values.proxy.host }}{{ end }}
{{- end }}

{{- /* "true" if people's browsers speak TLS. */ -}}
{{- define "pachyderm.https" -}}
{{- if .Values.gateway.enabled -}}
{{- if .Values.gateway.https }}true{{ end }}
{{- else if .Values.ingress.enabled -}}
{{- if include "pachyderm.ingressHTTPS" . }}true{{ end }}
{{- else if include "pachyderm.tlsSecret" . }}true{{ end }}
{{- end }}

{{- define "pachyderm.ingressHTTPS" -}}
{{- if or .Values.ingress.tls.enabled .Values.ingress.uriHttpsProtoOverride }}true{{ end }}
{{- end }}

{{- /* The port of that host at which gRPC is. */ -}}
{{- define "pachyderm.grpcPort" -}}
{{- $own := and .Values.gateway.enabled .Values.gateway.grpcParentRefs }}
{{- if and $own (first $own).port -}}
{{- (first $own).port }}
{{- else if or .Values.gateway.enabled .Values.ingress.enabled -}}
{{- ternary 443 80 (eq (include "pachyderm.https" .) "true") }}
{{- else -}}
{{- .Values.pachd.service.apiGRPCPort }}
{{- end }}
{{- end }}

{{- /* The gRPC services, by which their calls are told from pages. */ -}}
{{- define "pachyderm.grpcServices" -}}
[auth_v2.API, identity_v2.API, admin_v2.API, versionpb_v2.API, enterprise_v2.API, license_v2.API, metadata.API, data_v1.API, pach_v1.API, pfs_v2.API, pps_v2.API, transaction_v2.API, grpc.health.v1.Health]
{{- end }}

{{- define "pachyderm.publicURL" -}}
{{- $scheme := ternary "https" "http" (eq (include "pachyderm.https" .) "true") }}
{{- if .Values.oidc.issuerURI -}}
{{- .Values.oidc.issuerURI }}
{{- else if include "pachyderm.host" . -}}
{{- printf "%s://%s/dex" $scheme (include "pachyderm.host" .) }}
{{- else -}}
{{- printf "%s://localhost:%v/dex" $scheme .Values.pachd.service.identityPort }}
{{- end }}
{{- end }}

{{- /* "true" if the connector for trials is there. */ -}}
{{- define "pachyderm.mockIDP" -}}
{{- $others := or .Values.oidc.upstreamIDPs .Values.oidc.upstreamIDPsSecretName }}
{{- if and (not $others) (or (eq (toString .Values.oidc.mockIDP) "true") (and (kindIs "invalid" .Values.oidc.mockIDP) (eq .Values.deployTarget "LOCAL"))) }}true{{ end }}
{{- end }}

{{- /* What takes effect at a start: another text rolls the pods. */ -}}
{{- define "pachyderm.settings" -}}
publicURL: {{ include "pachyderm.publicURL" . | quote }}
listen:
  grpc: 0.0.0.0:1650
  http: 0.0.0.0:1658
  callback: 0.0.0.0:1657
  metrics: 0.0.0.0:1656
{{- if include "pachyderm.tlsSecret" . }}
tls:
  certFile: /pachd-tls-cert/tls.crt
  keyFile: /pachd-tls-cert/tls.key
{{- else }}
# TLS ends in front of pachd, or is not there: within the cluster it is plain text.
insecure: true
{{- end }}
{{- with .Values.pachd.trustedProxies }}
trustedProxies: {{ join "," . | quote }}
{{- end }}
{{- if include "pachyderm.postgres" . }}
database:
  passwordFile: /run/pachd/postgresql/password
# Kubernetes takes a moment to send nobody here any more.
shutdownDelay: 5s
{{- end }}
{{- $store := include "pachyderm.objectStore" . | fromYaml }}
{{- if $store }}
storage:
  s3:
    {{- omit $store "accessKey" "secretKey" | toYaml | nindent 4 }}
    secretKeyFile: /run/pachd/storage/secret-key
{{- else if include "pachyderm.postgres" . }}
storage:
  dir: /objects/pachyderm
{{- end }}
{{- if .Values.pachd.sealingKeySecretName }}
sealing:
  keyFile: /run/pachd/sealing-key/sealing-key
{{- end }}
{{- with include "pachyderm.keysSecret" . }}
{{- if not (or (include "pachyderm.postgres" $) $.Values.pachd.sealingKeySecretName) }}
sealing:
  keyFile: /pach/sealing-key
{{- end }}
kubernetes:
  keysSecret: {{ . }}
{{- end }}
auth:
  activate: {{ .Values.pachd.activateAuth }}
  sessionDuration: {{ .Values.pachd.sessionDuration | quote }}
{{- if .Values.oidc.dexCredentialSecretName }}
secrets:
  declaredFiles: /dexcreds
{{- end }}
log:
  level: {{ .Values.pachd.logLevel | lower | quote }}
  format: {{ .Values.pachd.logFormat | quote }}
cluster:
  deploymentID: {{ .Values.pachd.clusterDeploymentID | quote }}
  publicHost: {{ include "pachyderm.host" . | quote }}
  publicTLS: {{ eq (include "pachyderm.https" .) "true" }}
{{- end }}

{{- /* What pachd takes over while it runs. */ -}}
{{- define "pachyderm.bootstrap" -}}
{{- $b := dict "identityConfig" (dict "issuer" (include "pachyderm.publicURL" .) "id_token_expiry" .Values.oidc.IDTokenExpiry "rotation_token_expiry" .Values.oidc.RotationTokenExpiry) }}
{{- $roles := deepCopy .Values.pachd.pachAuthClusterRoleBindings }}
{{- if include "pachyderm.mockIDP" . }}
{{- $_ := set $b "connectors" (list (dict "id" "test" "name" "test" "type" "mockPassword" "config" (dict "username" "admin" "password" "password"))) }}
{{- $_ := set $roles "user:kilgore@kilgore.trout" (list "clusterAdmin") }}
{{- $_ := set $roles "allClusterUsers" (list "projectCreator") }}
{{- else if .Values.oidc.upstreamIDPs }}
{{- $_ := set $b "connectors" .Values.oidc.upstreamIDPs }}
{{- end }}
{{- if and $roles .Values.pachd.activateAuth }}{{ $_ := set $b "roleBindings" $roles }}{{ end }}
{{- with .Values.oidc.additionalClients }}{{ $_ := set $b "clients" . }}{{ end }}
{{- with .Values.pachd.additionalTrustedPeers }}{{ $_ := set $b "trustedPeers" . }}{{ end }}
{{- if and .Values.pachd.groups .Values.pachd.activateAuth }}{{ $_ := set $b "groups" .Values.pachd.groups }}{{ end }}
{{- if or .Values.oidc.requireVerifiedEmail .Values.oidc.userAccessibleOauthIssuerHost }}
{{- $url := urlParse (include "pachyderm.publicURL" .) }}
{{- $auth := dict "issuer" (include "pachyderm.publicURL" .) "client_id" "pachd" "redirect_uri" (printf "%s://%s/authorization-code/callback" $url.scheme $url.host) "localhost_issuer" true "require_email_verified" .Values.oidc.requireVerifiedEmail "user_accessible_issuer_host" .Values.oidc.userAccessibleOauthIssuerHost }}
{{- $_ := set $b "authConfig" $auth }}
{{- end }}
{{- if or .Values.pachd.rootToken .Values.pachd.rootTokenSecretName }}{{ $_ := set $b "rootTokenFile" "/run/pachd/root-token/root-token" }}{{ end }}
{{- toYaml $b }}
{{- end }}
