{{/* The pod of the migration. The Job is named after the hash of it, for a Job cannot be changed. A name of a Job becomes
a label: 63 characters, of which these leave 46. */}}
{{- define "keyward.migration.pod" -}}
{{- $postgresql := deepCopy .Values.database.postgresql }}
{{- with .Values.migration }}
{{- if .user }}{{ $_ := set $postgresql "user" .user }}{{ end }}
{{- if .passwordSecret.name }}{{ $_ := set $postgresql "passwordSecret" .passwordSecret }}{{ end }}
{{- if .urlSecret.name }}{{ $_ := set $postgresql "urlSecret" .urlSecret }}{{ end }}
{{- end }}
{{- $database := dict "root" . "postgresql" $postgresql }}
{{- $secrets := include "keyward.databaseSecrets" $database | fromYamlArray -}}
metadata:
  labels:
    {{- include "keyward.selector" . | nindent 4 }}
    app.kubernetes.io/component: migration
spec:
  {{- include "keyward.podDefaults" . | nindent 2 }}
  # The pod of each try stays, and so its log.
  restartPolicy: Never
  containers:
    - name: migrate
      {{- include "keyward.container" . | nindent 6 }}
      args: {{ include "keyward.migration.arguments" . }}
      env:
        {{- include "keyward.databaseEnv" $database | nindent 8 }}
        {{- with .Values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      resources:
        {{- toYaml .Values.migration.resources | nindent 8 }}
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
        {{- with include "keyward.secretMounts" $secrets | trim }}{{ nindent 8 . }}{{ end }}
  volumes:
    - {name: tmp, emptyDir: {sizeLimit: 64Mi}}
    {{- with include "keyward.secretVolumes" $secrets | trim }}{{ nindent 4 . }}{{ end }}
{{- end }}

{{- define "keyward.migration.arguments" -}}
{{- with .Values.migration.back -}}
{{ if not .enabled }}[migrate]{{ else -}}
[migrate, --down{{ if .to }}, --to, {{ .to }}{{ end }}{{ if .force }}, --force{{ end }}]
{{- end }}
{{- end }}
{{- end }}

{{- define "keyward.migration.enabled" -}}
{{- if and .Values.migration.enabled (eq .Values.database.kind "postgresql") }}true{{ end }}
{{- end }}

{{- define "keyward.migration.name" -}}
{{ include "keyward.fullname" . | trunc 46 | trimSuffix "-" }}-migrate-{{ include "keyward.migration.pod" . | sha256sum | trunc 8 }}
{{- end }}
