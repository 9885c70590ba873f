{{- define "keyward.grpcPort" }}50051{{ end }}
{{- define "keyward.healthPort" }}50052{{ end }}
{{- define "keyward.metricsPort" }}9464{{ end }}

{{/* What every pod of the chart is: where it may run, as whom, and from which registry. */}}
{{- define "keyward.podDefaults" -}}
serviceAccountName: {{ include "keyward.serviceAccount" . }}
automountServiceAccountToken: false
# Variables of other services are noise beside the settings.
enableServiceLinks: false
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with concat .Values.imagePullSecrets (get .Values.global "imagePullSecrets" | default list) }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{- define "keyward.container" -}}
image: {{ include "keyward.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
{{- end }}

{{/* Where the database is, as variables. A dict of `root` and `postgresql`, of which migrations have their own. */}}
{{- define "keyward.databaseEnv" -}}
{{- if eq .root.Values.database.kind "sqlite" -}}
- {name: KEYWARD__DATABASE__PATH, value: /var/lib/keyward/keyward.db}
{{- else }}
{{- with .postgresql }}
{{- if .urlSecret.name -}}
- {name: KEYWARD__DATABASE__URL_FILE, value: /run/secrets/database/url}
{{- else -}}
- {name: KEYWARD__DATABASE__HOST, value: {{ .host | quote }}}
- {name: KEYWARD__DATABASE__PORT, value: {{ .port | toString | quote }}}
- {name: KEYWARD__DATABASE__NAME, value: {{ .name | quote }}}
- {name: KEYWARD__DATABASE__USER, value: {{ .user | quote }}}
{{- if .passwordSecret.name }}
- {name: KEYWARD__DATABASE__PASSWORD_FILE, value: /run/secrets/database/password}
{{- end }}
{{- end }}
- {name: KEYWARD__DATABASE__TLS, value: {{ .tls | quote }}}
{{- if .caSecret.name }}
- {name: KEYWARD__DATABASE__TLS_CA_FILE, value: /run/secrets/database-ca/ca.crt}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* The secrets that the database is reached with: a list of dicts of name, secret, and files with their keys. */}}
{{- define "keyward.databaseSecrets" -}}
{{- if eq .root.Values.database.kind "postgresql" }}
{{- with .postgresql }}
{{- if .urlSecret.name }}
- {name: database, secret: {{ .urlSecret.name | quote }}, files: {url: {{ .urlSecret.key | quote }}}}
{{- else if .passwordSecret.name }}
- {name: database, secret: {{ .passwordSecret.name | quote }}, files: {password: {{ .passwordSecret.key | quote }}}}
{{- end }}
{{- with .caSecret }}
{{- if .name }}
- {name: database-ca, secret: {{ .name | quote }}, files: {ca.crt: {{ .key | quote }}}}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Those that the server has besides. */}}
{{- define "keyward.serverSecrets" -}}
{{- with .Values.keyring.secret }}
{{- if .name }}
- {name: keyring, secret: {{ .name | quote }}, files: {keyring: {{ .key | quote }}}}
{{- end }}
{{- end }}
{{- with .Values.redis.urlSecret }}
{{- if .name }}
- {name: redis, secret: {{ .name | quote }}, files: {url: {{ .key | quote }}}}
{{- end }}
{{- end }}
{{- with .Values.telemetry.headersSecret }}
{{- if .name }}
- {name: otlp, secret: {{ .name | quote }}, files: {headers: {{ .key | quote }}}}
{{- end }}
{{- end }}
{{- if .Values.tls.enabled }}
{{- with .Values.tls.secret }}
- name: tls
  secret: {{ include "keyward.tlsSecret" $ }}
  files: {tls.crt: {{ .certificateKey | quote }}, tls.key: {{ .privateKeyKey | quote }}}
{{- end }}
{{- with .Values.tls.clientCaSecret }}
{{- if .name }}
- {name: client-ca, secret: {{ .name | quote }}, files: {ca.crt: {{ .key | quote }}}}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Volumes of such a list. Kubernetes adds what the pod's group needs: 0440. */}}
{{- define "keyward.secretVolumes" -}}
{{- range . }}
- name: {{ .name }}
  secret:
    secretName: {{ .secret | quote }}
    defaultMode: 0400
    items:
      {{- range $file, $key := .files }}
      - {key: {{ $key | quote }}, path: {{ $file }}}
      {{- end }}
{{- end }}
{{- end }}

{{- define "keyward.secretMounts" -}}
{{- range . }}
- {name: {{ .name }}, mountPath: /run/secrets/{{ .name }}, readOnly: true}
{{- end }}
{{- end }}

{{/* ConfigMaps whose files the server looks at again and again, so that no pod is replaced for them: of each, where
it is mounted. Their names are those of the release and these. */}}
{{- define "keyward.files" -}}
log: /etc/keyward/log
{{- if .Values.tls.callers }}
callers: /etc/keyward/callers
{{- end }}
{{- end }}
