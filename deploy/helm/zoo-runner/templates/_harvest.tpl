{{/* What harvester and ingester have in common, each for (dict "root" $ "part" "ingester" "values" .Values.ingester). */}}

{{/* The address at which they deploy, unless another one is given. */}}
{{- define "zoo-runner.processesUrl" -}}
{{ include "zoo-runner.apiUrl" . }}{{ with .Values.api.workspacePrefix }}{{ . }}/{workspace}{{ end }}
{{- end }}

{{- define "zoo-runner.harvestEnvironment" -}}
envFrom:
  - configMapRef: {name: {{ include "zoo-runner.fullname" .root }}-settings}
  {{- range .values.environmentSecrets }}
  - secretRef: {name: {{ . }}}
  {{- end }}
{{- with .values.database.existingSecret }}
env:
  - name: ZOO_RUNNER_RECORDS
    valueFrom: {secretKeyRef: {name: {{ . }}, key: url}}
{{- end }}
{{- end }}

{{/* Where a part keeps what it has deployed: a database of its own, or the volume. */}}
{{- define "zoo-runner.recordsArguments" -}}
{{- if not .values.database.existingSecret }}
- --records={{ include "zoo-runner.records" . }}
{{- else if .values.database.takeOver }}
- --take-over={{ include "zoo-runner.records" . }}
{{- end }}
{{- end }}
{{- define "zoo-runner.hasVolume" -}}
{{- if or (not .values.database.existingSecret) .values.database.takeOver }}yes{{ end }}
{{- end }}

{{/* On the volume they are below ZOO_RUNNER_STATE, so that backups have them. */}}
{{- define "zoo-runner.records" -}}
/var/lib/zoo-runner/{{ include "zoo-runner.recordsPath" . }}
{{- end }}
{{- define "zoo-runner.recordsPath" -}}
jobs/.harvest/{{ .part }}
{{- end }}

{{- define "zoo-runner.harvestMounts" -}}
{{- if include "zoo-runner.hasVolume" . }}
- {name: data, mountPath: {{ include "zoo-runner.records" . }}, subPath: {{ include "zoo-runner.recordsPath" . }}}
{{- end }}
- {name: cache, mountPath: /var/cache/zoo-runner}
- {name: tmp, mountPath: /tmp}
{{- if .values.existingSecret }}
- {name: secrets, mountPath: /run/secrets/{{ .part }}, readOnly: true}
{{- end }}
{{- with .root.Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "zoo-runner.harvestVolumes" -}}
{{- if include "zoo-runner.hasVolume" . }}
- name: data
  persistentVolumeClaim: {claimName: {{ include "zoo-runner.claim" (dict "root" .root "part" "data" "values" .root.Values.persistence) }}}
{{- end }}
- {name: cache, emptyDir: {}}
- {name: tmp, emptyDir: {}}
{{ include "zoo-runner.secretFiles" . }}
{{- with .root.Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
