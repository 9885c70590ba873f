{{/* The spec of the pods that serve. */}}
{{- define "keyward.server.spec" -}}
{{- $sqlite := eq .Values.database.kind "sqlite" }}
{{- $database := dict "root" . "postgresql" .Values.database.postgresql }}
{{- $secrets := concat (include "keyward.databaseSecrets" $database | fromYamlArray) (include "keyward.serverSecrets" . | fromYamlArray) }}
{{- $files := include "keyward.files" . | fromYaml -}}
{{ include "keyward.podDefaults" . }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if not $sqlite }}
{{- with .Values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- range . }}
  - {{- toYaml (merge (dict "labelSelector" (dict "matchLabels" (include "keyward.serverSelector" $ | fromYaml))) .) | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}
# The pause, the time to drain, and ten seconds to end.
{{- $server := get .Values.settings "server" | default dict }}
terminationGracePeriodSeconds: {{ add .Values.preStopSeconds 10 (divf (get $server "drain_timeout_ms" | default 15000) 1000 | ceil) }}
{{- with .Values.initContainers }}
initContainers:
  {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - name: keyward
    {{- include "keyward.container" . | nindent 4 }}
    args: [serve]
    envFrom:
      - configMapRef: {name: {{ include "keyward.fullname" . }}}
    env:
      {{- include "keyward.databaseEnv" $database | nindent 6 }}
      {{- if get (get .Values.settings "telemetry" | default dict) "otlp_endpoint" }}
      - name: KEYWARD__TELEMETRY__SERVICE_INSTANCE_ID
        valueFrom: {fieldRef: {fieldPath: metadata.name}}
      {{- end }}
      {{- with .Values.extraEnv }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    ports:
      - {name: grpc, containerPort: {{ include "keyward.grpcPort" . }}}
      {{- if .Values.tls.enabled }}
      - {name: health, containerPort: {{ include "keyward.healthPort" . }}}
      {{- end }}
      {{- if .Values.metrics.enabled }}
      - {name: metrics, containerPort: {{ include "keyward.metricsPort" . }}}
      {{- end }}
    startupProbe:
      tcpSocket: {port: grpc}
      {{- toYaml .Values.probes.startup | nindent 6 }}
    readinessProbe:
      grpc: {port: {{ ternary (include "keyward.healthPort" .) (include "keyward.grpcPort" .) .Values.tls.enabled }}}
      {{- toYaml .Values.probes.readiness | nindent 6 }}
    # Not its health: to restart a server that has no database mends nothing and loses its memory.
    livenessProbe:
      tcpSocket: {port: grpc}
      {{- toYaml .Values.probes.liveness | nindent 6 }}
    {{- with .Values.preStopSeconds }}
    lifecycle:
      preStop:
        sleep: {seconds: {{ . }}}
    {{- end }}
    resources:
      {{- toYaml .Values.resources | nindent 6 }}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
      {{- if $sqlite }}
      - {name: data, mountPath: /var/lib/keyward}
      {{- end }}
      {{- range $name, $mount := $files }}
      - {name: {{ $name }}, mountPath: {{ $mount }}, readOnly: true}
      {{- end }}
      {{- with include "keyward.secretMounts" $secrets | trim }}{{ nindent 6 . }}{{ end }}
      {{- with .Values.extraVolumeMounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
  {{- with .Values.extraContainers }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
volumes:
  - {name: tmp, emptyDir: {sizeLimit: 64Mi}}
  {{- if $sqlite }}
  - name: data
    persistentVolumeClaim:
      claimName: {{ .Values.database.sqlite.existingClaim | default (include "keyward.fullname" .) }}
  {{- end }}
  {{- range $name, $_ := $files }}
  - name: {{ $name }}
    configMap: {name: {{ include "keyward.fullname" $ }}-{{ $name }}}
  {{- end }}
  {{- with include "keyward.secretVolumes" $secrets | trim }}{{ nindent 2 . }}{{ end }}
  {{- with .Values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
