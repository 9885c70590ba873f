{{- define "keyward.name" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 54 | trimSuffix "-" }}
{{- end }}

{{/* 54 characters, so that "-headless" still fits into the name of a service. */}}
{{- define "keyward.fullname" -}}
{{- $name := include "keyward.name" . }}
{{- $both := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) }}
{{- .Values.fullnameOverride | default $both | trunc 54 | trimSuffix "-" }}
{{- end }}

{{- define "keyward.selector" -}}
app.kubernetes.io/name: {{ include "keyward.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* The pods that serve, and neither migrations nor tests. */}}
{{- define "keyward.serverSelector" -}}
{{ include "keyward.selector" . }}
app.kubernetes.io/component: server
{{- end }}

{{- define "keyward.labels" -}}
{{ include "keyward.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What begins every object: a dict of `root`, and optionally `name`, `suffix`, `labels`, `annotations`. */}}
{{- define "keyward.metadata" -}}
{{- $own := include "keyward.labels" .root | fromYaml -}}
name: {{ .name | default (include "keyward.fullname" .root) }}{{ with .suffix }}-{{ . }}{{ end }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- toYaml (merge (dict) (.labels | default dict) $own) | nindent 2 }}
{{- with .annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "keyward.image" -}}
{{- $image := .Values.image }}
{{- $registry := $image.registry | default (get .Values.global "imageRegistry") }}
{{- with $registry }}{{ . }}/{{ end }}{{ $image.repository }}
{{- with $image.digest }}@{{ . }}{{ else }}:{{ $image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "keyward.serviceAccount" -}}
{{- $name := ternary (include "keyward.fullname" .) "default" .Values.serviceAccount.create }}
{{- .Values.serviceAccount.name | default $name }}
{{- end }}

{{- define "keyward.tlsSecret" -}}
{{ .Values.tls.secret.name | default (printf "%s-tls" (include "keyward.fullname" .)) }}
{{- end }}
