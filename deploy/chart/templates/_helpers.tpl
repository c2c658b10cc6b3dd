{{- define "bridge.name" -}}
{{- default (printf "%s" .Release.Name) .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "bridge.labels" -}}
app.kubernetes.io/name: bridge
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "bridge.selector" -}}
app.kubernetes.io/name: bridge
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end -}}

{{- /* bridge.yaml: what the operator says, and over it what the chart itself knows. */ -}}
{{- define "bridge.config" -}}
{{- $name := include "bridge.name" . -}}
{{- $gateway := dict "port" 8080 "public_url" .Values.publicUrl "drain_deadline_s" .Values.gateway.longestCallS
      "metrics" (dict "host" "0.0.0.0" "port" 9464) -}}
{{- $ours := dict "gateway" $gateway -}}
{{- if .Values.worker.enabled -}}
{{- $_ := set $ours "speaking" (dict "workers" (list (printf "dns+ws://%s-worker:8090" $name))) -}}
{{- $_ := set $ours "worker" (dict "host" "0.0.0.0" "port" 8090 "drain_s" .Values.worker.drainS) -}}
{{- end -}}
{{- toYaml (mustMergeOverwrite (deepCopy .Values.config) $ours) -}}
{{- end -}}

{{- define "bridge.pod-security" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "bridge.container-security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "bridge.placement" -}}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{- define "bridge.settings-volume" -}}
- name: settings
  configMap:
    name: {{ include "bridge.name" . }}
    items:
      - {key: bridge.yaml, path: bridge.yaml}
      {{- range $path, $_ := .Values.files }}
      - {key: {{ $path | replace "/" "__" | quote }}, path: {{ $path | quote }}}
      {{- end }}
{{- end -}}
