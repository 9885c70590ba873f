{{/* Settings as variables, so that every command that is run in the container has them. */}}
{{- define "keyward.settings" -}}
{{- $listen := .Values.bindAddress -}}
KEYWARD__SERVER__LISTEN: {{ printf "%s:%s" $listen (include "keyward.grpcPort" .) | quote }}
KEYWARD__METRICS__ENABLED: {{ .Values.metrics.enabled | quote }}
{{- if .Values.metrics.enabled }}
KEYWARD__METRICS__LISTEN: {{ printf "%s:%s" $listen (include "keyward.metricsPort" .) | quote }}
{{- end }}
KEYWARD__LOG__LEVEL_FILE: /etc/keyward/log/level
KEYWARD__KEYRING__PATH: {{ ternary "/run/secrets/keyring/keyring" "/var/lib/keyward/keyward.keyring" (not (empty .Values.keyring.secret.name)) }}
{{- if .Values.tls.enabled }}
KEYWARD__TLS__CERTIFICATE_FILE: /run/secrets/tls/tls.crt
KEYWARD__TLS__PRIVATE_KEY_FILE: /run/secrets/tls/tls.key
{{- if .Values.tls.clientCaSecret.name }}
KEYWARD__TLS__CLIENT_CA_FILE: /run/secrets/client-ca/ca.crt
{{- end }}
{{- if .Values.tls.callers }}
KEYWARD__TLS__CALLERS_FILE: /etc/keyward/callers/callers.toml
{{- end }}
KEYWARD__HEALTH__LISTEN: {{ printf "%s:%s" $listen (include "keyward.healthPort" .) | quote }}
{{- end }}
{{- if .Values.redis.urlSecret.name }}
KEYWARD__LIMITS__REDIS_URL_FILE: /run/secrets/redis/url
{{- end }}
{{- if .Values.telemetry.headersSecret.name }}
KEYWARD__TELEMETRY__OTLP_HEADERS_FILE: /run/secrets/otlp/headers
{{- end }}
{{- range $section, $settings := .Values.settings }}
{{- range $name, $value := $settings }}
{{- /* JSON writes whole numbers whole; templates write large ones as 1e+08. */}}
KEYWARD__{{ upper $section }}__{{ upper $name }}: {{ ternary $value (toJson $value) (kindIs "string" $value) | quote }}
{{- end }}
{{- end }}
{{- end }}
