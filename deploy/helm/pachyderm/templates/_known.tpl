{{- /*
The keys that there are, beside those of values.yaml: upstream's, which have nothing to
set here. A section with a list takes these keys, one with true any.
*/ -}}
{{- define "pachyderm.unused" -}}
cloudsqlAuthProxy: true
console: true
determined: true
enterpriseServer: true
etcd: true
imagePullSecret: true
imagePullSecrets: true
kubeEventTail: true
loki: true
loki-stack: true
lokiDeploy: true
pachw: true
pachyderm-bootstrap: true
pgbouncer: true
postgresql: true
preflightCheckJob: true
testConnection: true
tls: true
global: [customCaCerts, noProxy, proxy, image, imageRegistry]
global.postgresql: [identityDatabaseFullNameOverride, postgresqlPostgresPassword, postgresqlAuthType, postgresqlSSLCACert, postgresqlSSLSecret, ssl]
pachd:
  - activateEnterprise
  - activateEnterpriseMember
  - clusterDeploymentSecretName
  - configJob
  - disableLogSampling
  - enterpriseLicenseKey
  - enterpriseLicenseKeySecretName
  - enterpriseRootToken
  - enterpriseRootTokenSecretName
  - enterpriseSecret
  - enterpriseSecretSecretName
  - enterpriseServerAddress
  - enterpriseServerToken
  - enterpriseServerTokenSecretName
  - externalService
  - goMaxProcs
  - gcPercent
  - localhostIssuer
  - lokiDeploy
  - lokiLogging
  - maxParallelK8sRequests
  - metrics
  - metricsEndpoint
  - oauthClientID
  - oauthClientSecret
  - oauthClientSecretSecretName
  - oauthRedirectURI
  - ppsWorkerGRPCPort
  - pipelineWorker
  - rbac
  - requireCriticalServersOnly
  - sqlQueryLogs
  - worker
  - workersLabels
pachd.image: [name]
pachd.service: [s3GatewayPort]
pachd.storage: [google, microsoft, local, storageURL, gocdkEnabled, putFileConcurrencyLimit, uploadConcurrencyLimit, compactionShardSizeThreshold, compactionShardCountThreshold, memoryThreshold, levelFactor, maxFanIn, maxOpenFileSets, diskCacheSize, memoryCacheSize, gcPeriod, chunkGCPeriod]
pachd.storage.amazon: [cloudFrontDistribution, disableSSL, logOptions, maxUploadParts, verifySSL, partSize, retries, reverse, timeout, token, uploadACL]
pachd.storage.minio: [signature]
oidc: []
proxy: [image, replicas, resources, labels, annotations, nodeSelector, tolerations, affinity, podDisruptionBudget, configJob, serviceAccount]
proxy.service: [httpNodePort, httpsNodePort, loadBalancerIP, legacyPorts, externalTrafficPolicy]
proxy.tls: [secret]
ingress: []
{{- end }}

{{- /* The unused keys of upstream's that values have set, as a list. */ -}}
{{- define "pachyderm.unusedGiven" -}}
{{- $given := list }}
{{- range $section, $keys := include "pachyderm.unused" . | fromYaml }}
{{- if kindIs "bool" $keys }}
{{- if hasKey $.Values $section }}{{ $given = append $given $section }}{{ end }}
{{- else }}
{{- $at := $.Values }}
{{- range splitList "." $section }}{{ $at = get $at . | default dict }}{{ end }}
{{- range $keys }}{{ if and (kindIs "map" $at) (hasKey $at .) }}{{ $given = append $given (printf "%s.%s" $section .) }}{{ end }}{{ end }}
{{- end }}
{{- end }}
{{- if has (upper .Values.pachd.storage.backend) (list "GOOGLE" "MICROSOFT") }}{{ $given = append $given "pachd.storage.backend" }}{{ end }}
{{- toYaml $given }}
{{- end }}

{{- /* The sections that values.yaml has, and the keys of each. */ -}}
{{- define "pachyderm.sections" -}}
sections: [deployTarget, global, pachd, oidc, ingress, gateway, proxy, metrics]
{{- end }}

{{- define "pachyderm.shape" -}}
global.postgresql: [postgresqlHost, postgresqlPort, postgresqlUsername, postgresqlDatabase, postgresqlSSL, postgresqlPassword, postgresqlExistingSecretName, postgresqlExistingSecretKey]
pachd: [enabled, replicas, autoscaling, networkPolicy, image, activateAuth, rootToken, rootTokenSecretName, sealingKeySecretName, pachAuthClusterRoleBindings, groups, additionalTrustedPeers, clusterDeploymentID, logLevel, logFormat, sessionDuration, trustedProxies, tls, service, serviceAccount, storage, resources, annotations, podLabels, nodeSelector, tolerations, affinity, priorityClassName]
pachd.autoscaling: [enabled, minReplicas, maxReplicas, targetCPUUtilizationPercentage]
pachd.networkPolicy: [enabled, metricsFrom]
pachd.image: [repository, tag, pullPolicy]
pachd.tls: [enabled, secretName, newSecret]
pachd.tls.newSecret: [create, crt, key]
pachd.service: [type, apiGRPCPort, prometheusPort, oidcPort, identityPort, labels, annotations]
pachd.serviceAccount: [create, name, additionalAnnotations]
pachd.storage: [backend, amazon, minio, s3, size, storageClass, existingClaim]
pachd.storage.amazon: [bucket, region, id, secret, customEndpoint]
pachd.storage.minio: [endpoint, bucket, id, secret, secure]
pachd.storage.s3: [endpoint, bucket, prefix, region, pathStyle, accessKey, secretKey, secretName]
oidc: [issuerURI, requireVerifiedEmail, userAccessibleOauthIssuerHost, IDTokenExpiry, RotationTokenExpiry, upstreamIDPs, upstreamIDPsSecretName, dexCredentialSecretName, mockIDP, additionalClients, additionalClientsSecretName]
ingress: [enabled, host, className, annotations, uriHttpsProtoOverride, tls, grpcAnnotations]
ingress.tls: [enabled, secretName, newSecret]
ingress.tls.newSecret: [create, crt, key]
gateway: [enabled, host, parentRefs, grpcParentRefs, https, annotations]
proxy: [enabled, host, service, tls]
proxy.service: [type, httpPort, httpsPort, labels, annotations]
proxy.tls: [enabled, secretName]
metrics: [serviceMonitor]
metrics.serviceMonitor: [enabled, labels, interval]
{{- end }}

{{- /* Refuses keys that there are not, with the one that may be meant. */ -}}
{{- define "pachyderm.unknownKeys" -}}
{{- $unused := include "pachyderm.unused" . | fromYaml }}
{{- $shape := include "pachyderm.shape" . | fromYaml }}
{{- $top := (include "pachyderm.sections" . | fromYaml).sections }}
{{- range $key, $is := $unused }}{{ if kindIs "bool" $is }}{{ $top = append $top $key }}{{ end }}{{ end }}
{{- include "pachyderm.unknownIn" (dict "at" .Values "section" "" "known" $top) }}
{{- range $section, $keys := $shape }}
{{- $at := $.Values }}
{{- range splitList "." $section }}{{ if kindIs "map" $at }}{{ $at = get $at . | default dict }}{{ end }}{{ end }}
{{- if kindIs "map" $at }}
{{- include "pachyderm.unknownIn" (dict "at" $at "section" (printf "%s." $section) "known" (concat $keys (get $unused $section | default list))) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "pachyderm.unknownIn" -}}
{{- range $key, $_ := .at }}
{{- if not (has $key $.known) }}
{{- $plain := $key | lower | replace "-" "" | replace "_" "" }}
{{- $nearest := "" }}
{{- $most := 0 }}
{{- range $.known }}
{{- $candidate := . | lower | replace "-" "" }}
{{- $score := 0 }}
{{- if eq $candidate $plain }}
{{- $score = 1000 }}
{{- else }}
{{- /* pairs of letters that both have, less what they differ in length */ -}}
{{- range $n := until (sub (len $plain) 1 | int) }}
{{- if contains (substr $n (add $n 2 | int) $plain) $candidate }}{{ $score = add $score 2 }}{{ end }}
{{- end }}
{{- $longer := sub (len $candidate) (len $plain) | int }}
{{- $score = sub $score (ternary $longer (mul $longer -1) (gt $longer 0)) }}
{{- end }}
{{- if gt (int $score) (int $most) }}{{ $most = $score }}{{ $nearest = . }}{{ end }}
{{- end }}
{{- if gt (int $most) 3 }}
{{- fail (printf "%s%s: there is no such value: did you mean %s%s?" $.section $key $.section $nearest) }}
{{- end }}
{{- fail (printf "%s%s: there is no such value: use one of %s" $.section $key ($.known | sortAlpha | join ", ")) }}
{{- end }}
{{- end }}
{{- end }}
