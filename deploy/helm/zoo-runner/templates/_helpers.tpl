{{- define "zoo-runner.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* The name of the release, and of the chart where that does not have it; short enough for the ends of all parts. */}}
{{- define "zoo-runner.fullname" -}}
{{- $name := include "zoo-runner.name" . }}
{{- $full := .Values.fullnameOverride | default (ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name)) }}
{{- $full | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* What selects the pods of a part: (dict "root" $ "part" "api") */}}
{{- define "zoo-runner.selector" -}}
app.kubernetes.io/name: {{ include "zoo-runner.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "zoo-runner.labels" -}}
{{ include "zoo-runner.selector" . }}
app.kubernetes.io/part-of: zoo-runner
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "zoo-runner.metadata" -}}
name: {{ include "zoo-runner.fullname" .root }}-{{ .part }}
namespace: {{ .root.Release.Namespace }}
labels: {{- include "zoo-runner.labels" . | nindent 2 }}
{{- end }}

{{- define "zoo-runner.image" -}}
{{- with .Values.image }}
{{- .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/*
What the pods of all parts have: (dict "root" $ "part" "worker" "values" .Values.worker), and for those that call the
Kubernetes API "token" true; "user" is another one than that of the service image.
*/}}
{{- define "zoo-runner.pod" -}}
serviceAccountName: {{ include "zoo-runner.fullname" .root }}-{{ .part }}
automountServiceAccountToken: {{ .token | default false }}
# variables of services would be taken for settings
enableServiceLinks: false
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .user | default 1000 }}
  runAsGroup: {{ .user | default 1000 }}
  fsGroup: {{ .user | default 1000 }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .root.Values.hostAliases }}
hostAliases: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.topologySpreadConstraints }}
topologySpreadConstraints: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "zoo-runner.container" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
# `kubectl describe pod` shows why a container ended
terminationMessagePolicy: FallbackToLogsOnError
resources: {{- toYaml .resources | nindent 2 }}
{{- end }}

{{- define "zoo-runner.serviceImage" -}}
image: {{ include "zoo-runner.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end }}

{{/* The digest of what a pod reads at its start only, so that a change of it starts the pod anew. */}}
{{- define "zoo-runner.podMetadata" -}}
labels: {{- include "zoo-runner.labels" . | nindent 2 }}
annotations:
  checksum/settings: {{ printf "%s%s%s" (include "zoo-runner.settings" .root) (include "zoo-runner.policy" .root) (toJson .root.Values.opa.data) | sha256sum }}
  {{- with .values.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "zoo-runner.claim" -}}
{{- .values.existingClaim | default (printf "%s-%s" (include "zoo-runner.fullname" .root) .part) }}
{{- end }}

{{/* A claim, unless there is one already: (dict "root" $ "part" "data" "values" .Values.persistence) */}}
{{- define "zoo-runner.newClaim" -}}
{{- if not .values.existingClaim }}
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  {{- include "zoo-runner.metadata" . | nindent 2 }}
  {{- if .values.keep }}
  annotations: {helm.sh/resource-policy: keep}
  {{- end }}
spec:
  accessModes: {{- toYaml .values.accessModes | nindent 4 }}
  {{- with .values.storageClass }}
  storageClassName: {{ . | quote }}
  {{- end }}
  resources: {requests: {storage: {{ .values.size }}}}
{{- end }}
{{- end }}

{{- define "zoo-runner.apiUrl" -}}
http://{{ include "zoo-runner.fullname" . }}-api:{{ .Values.api.service.port }}
{{- end }}

{{- define "zoo-runner.databaseSecret" -}}
{{- required "database.existingSecret names no Secret; create one with the key `url`, or `password` for postgresql.enabled (docs/helm.md)" .Values.database.existingSecret }}
{{- end }}

{{/* The volume of the files of a part, from one Secret or several. */}}
{{- define "zoo-runner.secretFiles" -}}
{{- with .values.existingSecret }}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- range ternary (list .) . (kindIs "string" .) }}
      - secret: {name: {{ . }}}
      {{- end }}
{{- end }}
{{- end }}
