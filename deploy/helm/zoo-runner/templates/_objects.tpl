{{/* Objects that several parts have, each for (dict "root" $ "part" "api" "values" .Values.api). */}}

{{/* "target" is the name of the port of the container. */}}
{{- define "zoo-runner.service" -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "zoo-runner.metadata" . | nindent 2 }}
  {{- with .values.service.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: {{ .values.service.type }}
  selector: {{- include "zoo-runner.selector" . | nindent 4 }}
  ports:
    - {name: {{ .target }}, port: {{ .values.service.port }}, targetPort: {{ .target }}}
{{- end }}

{{- define "zoo-runner.ingress" -}}
{{- $ingress := .values.ingress }}
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  {{- include "zoo-runner.metadata" . | nindent 2 }}
  {{- with $ingress.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with $ingress.className }}
  ingressClassName: {{ . }}
  {{- end }}
  {{- if $ingress.tlsSecret }}
  tls:
    - hosts: [{{ $ingress.host }}]
      secretName: {{ $ingress.tlsSecret }}
  {{- end }}
  rules:
    - host: {{ required (printf "%s.ingress.host is empty" .part) $ingress.host }}
      http:
        paths:
          - path: {{ $ingress.path }}
            pathType: Prefix
            backend:
              service:
                name: {{ include "zoo-runner.fullname" .root }}-{{ .part }}
                port: {number: {{ .values.service.port }}}
{{- end }}

{{- define "zoo-runner.budget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "zoo-runner.metadata" . | nindent 2 }}
spec:
  maxUnavailable: {{ .values.podDisruptionBudget.maxUnavailable }}
  selector:
    matchLabels: {{- include "zoo-runner.selector" . | nindent 6 }}
{{- end }}

{{/*
Who may connect to the pods of a part: "port", and "from" as peers; without peers everyone. Where they may connect to: nowhere
if "silent"; with the rules "to" by these, to the api and to name servers; without them everywhere.
*/}}
{{- define "zoo-runner.networkPolicy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "zoo-runner.metadata" . | nindent 2 }}
spec:
  podSelector:
    matchLabels: {{- include "zoo-runner.selector" . | nindent 6 }}
  policyTypes: {{ ternary "[Ingress, Egress]" "[Ingress]" (or .silent (not (empty .to))) }}
  {{- $metrics := and .metrics .root.Values.metrics.enabled }}
  {{- if or .port $metrics }}
  ingress:
    {{- if .port }}
    - ports:
        - {protocol: TCP, port: {{ .port }}}
      {{- with .from }}
      from: {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- end }}
    {{- if $metrics }}
    {{- /* an empty list would let everyone in */}}
    {{- if not .root.Values.metrics.from }}
    {{- fail "metrics.from is empty: name who may read the figures, as peers of a NetworkPolicy" }}
    {{- end }}
    - ports:
        - {protocol: TCP, port: metrics}
      from: {{- .root.Values.metrics.from | toYaml | nindent 8 }}
    {{- end }}
  {{- end }}
  {{- with .to }}
  egress:
    - ports:
        - {protocol: UDP, port: 53}
        - {protocol: TCP, port: 53}
    - to: {{- include "zoo-runner.peers" (dict "root" $.root "parts" (list "api")) | nindent 8 }}
      ports:
        - {protocol: TCP, port: http}
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{/* The peers that are the pods of some parts: (dict "root" $ "parts" (list "api")) */}}
{{- define "zoo-runner.peers" -}}
{{- $root := .root }}
{{- range .parts }}
- podSelector:
    matchLabels: {{- include "zoo-runner.selector" (dict "root" $root "part" .) | nindent 6 }}
{{- end }}
{{- end }}

{{/* The parts that have figures at a port of their own. */}}
{{- define "zoo-runner.measured" -}}
- worker
{{- if .Values.harvester.enabled }}
- harvester
{{- end }}
{{- if .Values.ingester.enabled }}
- ingester
{{- end }}
{{- end }}

{{/* The word by which a command serves its figures, and the port of its container. */}}
{{- define "zoo-runner.metricsWord" -}}
--metrics=0.0.0.0:{{ .Values.metrics.port }}
{{- end }}
{{- define "zoo-runner.metricsPort" -}}
{name: metrics, containerPort: {{ .Values.metrics.port }}}
{{- end }}
