{{/* The settings of api, worker and harvester, as YAML; those of the values win. */}}
{{- define "zoo-runner.settings" -}}
{{- $full := include "zoo-runner.fullname" . }}
{{- $service := printf "%s-api" $full }}
{{- $inside := printf "%s.%s" $service .Release.Namespace }}
{{- $hosts := concat .Values.api.hosts (list $service $inside (printf "%s.svc" $inside) (printf "%s.svc.cluster.local" $inside)) }}
{{- $own := dict
  "ZOO_RUNNER_ENGINE" .Values.engine
  "ZOO_RUNNER_WORKERS" "0"
  "ZOO_RUNNER_LOG_FORMAT" "json"
  "ZOO_RUNNER_STATE" "/var/lib/zoo-runner/jobs"
  "ZOO_RUNNER_TEMP" "/var/lib/zoo-runner/temp"
  "ZOO_RUNNER_RESULTS_FOLDER" "/var/lib/zoo-runner/results"
  "ZOO_RUNNER_CACHE" "/var/cache/zoo-runner/packages"
  "ZOO_RUNNER_SCRATCH" "/var/cache/zoo-runner/scratch"
  "ZOO_RUNNER_JOB_IMAGE" (.Values.jobs.image | default (printf "docker.io/zoo-runner/job:%s" .Chart.AppVersion))
}}
{{- with .Values.jobs.namespace }}{{ $_ := set $own "ZOO_RUNNER_NAMESPACE" . }}{{ end }}
{{- with .Values.api.workspacePrefix }}{{ $_ := set $own "ZOO_RUNNER_WORKSPACE_PREFIX" . }}{{ end }}
{{- with .Values.api.ingress }}
{{- if .enabled }}
{{- $hosts = prepend $hosts .host }}
{{- $_ := set $own "ZOO_RUNNER_BASE_URL" (printf "%s://%s%s" (ternary "https" "http" (not (empty .tlsSecret))) .host (trimSuffix "/" .path)) }}
{{- end }}
{{- end }}
{{- with .Values.api.baseUrl }}
{{- $hosts = prepend $hosts (index (splitList ":" (urlParse .).host) 0) }}
{{- $_ := set $own "ZOO_RUNNER_BASE_URL" . }}
{{- end }}
{{- $_ := set $own "ZOO_RUNNER_HOSTS" (join "," (uniq $hosts)) }}
{{- if .Values.opa.enabled }}{{ $_ := set $own "ZOO_RUNNER_OPA_URL" "http://127.0.0.1:8181/v1/data/zoo_runner/decision" }}{{ end }}
{{- if .Values.workspaces }}{{ $_ := set $own "ZOO_RUNNER_WORKSPACES" "/etc/zoo-runner/workspaces/workspaces.json" }}{{ end }}
{{- if .Values.encryptionKeysSecret }}{{ $_ := set $own "ZOO_RUNNER_ENCRYPTION_KEYS_FILE" "/run/secrets/encryption/keys" }}{{ end }}
{{- merge (dict) .Values.settings $own | toYaml }}
{{- end }}

{{/* The environment of api, worker and backup: settings, secrets by reference, the database. */}}
{{- define "zoo-runner.environment" -}}
envFrom:
  - configMapRef: {name: {{ include "zoo-runner.fullname" . }}-settings}
  {{- range .Values.existingSecrets }}
  - secretRef: {name: {{ . }}}
  {{- end }}
env:
  {{- $secret := include "zoo-runner.databaseSecret" . }}
  {{- if .Values.postgresql.enabled }}
  - name: ZOO_RUNNER_DATABASE
    value: postgresql://zoo_runner@{{ include "zoo-runner.fullname" . }}-postgresql/zoo_runner
  - name: PGPASSWORD
    valueFrom: {secretKeyRef: {name: {{ $secret }}, key: password}}
  {{- else }}
  - name: ZOO_RUNNER_DATABASE
    valueFrom: {secretKeyRef: {name: {{ $secret }}, key: url}}
  {{- end }}
{{- end }}

{{- define "zoo-runner.mounts" -}}
volumeMounts:
  - {name: data, mountPath: /var/lib/zoo-runner}
  - {name: cache, mountPath: /var/cache/zoo-runner}
  - {name: tmp, mountPath: /tmp}
  {{- if .Values.workspaces }}
  - {name: workspaces, mountPath: /etc/zoo-runner/workspaces, readOnly: true}
  {{- end }}
  {{- range $workspace, $_ := .Values.workspaceSecrets }}
  - {name: {{ printf "of-%s" $workspace | quote }}, mountPath: {{ printf "/run/secrets/workspaces/%s" $workspace | quote }}, readOnly: true}
  {{- end }}
  {{- if .Values.encryptionKeysSecret }}
  - {name: encryption, mountPath: /run/secrets/encryption, readOnly: true}
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "zoo-runner.volumes" -}}
volumes:
  - name: data
    persistentVolumeClaim: {claimName: {{ include "zoo-runner.claim" (dict "root" . "part" "data" "values" .Values.persistence) }}}
  - {name: cache, emptyDir: {}}
  - {name: tmp, emptyDir: {}}
  {{- if .Values.workspaces }}
  - {name: workspaces, configMap: {name: {{ include "zoo-runner.fullname" . }}-workspaces}}
  {{- end }}
  {{- range $workspace, $secret := .Values.workspaceSecrets }}
  - {name: {{ printf "of-%s" $workspace | quote }}, secret: {secretName: {{ $secret }}, defaultMode: 0440}}
  {{- end }}
  {{- with .Values.encryptionKeysSecret }}
  - {name: encryption, secret: {secretName: {{ . }}, defaultMode: 0440}}
  {{- end }}
  {{- with .Values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* Waits for the bundled PostgreSQL: a pod that starts before it would fail, and be started again ever later. */}}
{{- define "zoo-runner.waiting" -}}
{{- if .Values.postgresql.enabled }}
- name: wait-for-postgresql
  {{- include "zoo-runner.serviceImage" . | nindent 2 }}
  command: [bash, -c, 'trap "exit 1" TERM; until (exec 3<>"/dev/tcp/$0/5432") 2>/dev/null; do sleep 1; done', {{ include "zoo-runner.fullname" . }}-postgresql]
  {{- include "zoo-runner.container" (dict "resources" (dict "requests" (dict "cpu" "10m" "memory" "16Mi") "limits" (dict "memory" "64Mi"))) | nindent 2 }}
{{- end }}
{{- end }}

{{- define "zoo-runner.policy" -}}
{{- .Values.opa.policy | default (.Files.Get "files/policy.rego") }}
{{- end }}

{{/*
Open Policy Agent beside the api, as a sidecar: questions have what callers may do, and leave the pod with no one. It starts
before the api and ends after it.
*/}}
{{- define "zoo-runner.opa" -}}
{{- if .Values.opa.enabled }}
- name: opa
  restartPolicy: Always
  image: {{ .Values.opa.image }}
  imagePullPolicy: {{ .Values.opa.pullPolicy }}
  args:
    - run
    - --server
    - --addr=127.0.0.1:8181
    # health for the kubelet, and no decisions
    - --diagnostic-addr=0.0.0.0:8282
    - --disable-telemetry
    - --set=decision_logs.console=true
    - --ignore=.*
    - /policy
  ports:
    - {name: diagnostic, containerPort: 8282}
  startupProbe:
    httpGet: {path: /health, port: diagnostic}
    periodSeconds: 1
    failureThreshold: 60
  livenessProbe:
    httpGet: {path: /health, port: diagnostic}
    periodSeconds: 10
  {{- include "zoo-runner.container" .Values.opa | nindent 2 }}
  volumeMounts:
    - {name: policy, mountPath: /policy, readOnly: true}
{{- end }}
{{- end }}
