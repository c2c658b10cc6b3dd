{{- /* How many pods there are, and how many must stay while nodes are emptied. */ -}}
{{- define "bridge.elastic" }}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "bridge.name" .root }}-{{ .part }}
  labels: {{- include "bridge.labels" .root | nindent 4 }}
spec:
  maxUnavailable: {{ .of.maxUnavailable }}
  selector:
    matchLabels: {{- include "bridge.selector" . | nindent 6 }}
{{- if .of.autoscaling.enabled }}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ include "bridge.name" .root }}-{{ .part }}
  labels: {{- include "bridge.labels" .root | nindent 4 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ include "bridge.name" .root }}-{{ .part }}}
  minReplicas: {{ .of.autoscaling.min }}
  maxReplicas: {{ .of.autoscaling.max }}
  metrics:
    - type: Pods
      pods:
        metric: {name: {{ .metric }}}
        target: {type: AverageValue, averageValue: {{ mul .of.autoscaling.use 10 }}m}
  behavior:
    scaleUp: {stabilizationWindowSeconds: 0}
    scaleDown: {stabilizationWindowSeconds: {{ .of.autoscaling.calmS }}, policies: [{type: Pods, value: 1, periodSeconds: 60}]}
{{- end }}
{{- end }}
