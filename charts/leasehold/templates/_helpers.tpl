{{/* The release's name for its objects: the chart's name appears once. */}}
{{- define "leasehold.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels that select a component's pods; they never change in an upgrade. Takes (list context component). */}}
{{- define "leasehold.selectorLabels" -}}
{{- $context := index . 0 -}}
app.kubernetes.io/name: leasehold
app.kubernetes.io/instance: {{ $context.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* Labels of every object. Takes (list context component). */}}
{{- define "leasehold.labels" -}}
{{- $context := index . 0 -}}
{{ include "leasehold.selectorLabels" . }}
app.kubernetes.io/version: {{ $context.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $context.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $context.Chart.Name $context.Chart.Version }}
{{- with $context.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "leasehold.operator.name" -}}{{ include "leasehold.fullname" . }}-operator{{- end -}}
{{- define "leasehold.meter.name" -}}{{ include "leasehold.fullname" . }}-meter{{- end -}}
{{- define "leasehold.dns.name" -}}{{ include "leasehold.fullname" . }}-dns{{- end -}}
{{- define "leasehold.agent.name" -}}{{ include "leasehold.fullname" . }}-agent{{- end -}}

{{- define "leasehold.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "leasehold.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Probes of the admin port: alive, and able to do its work. */}}
{{- define "leasehold.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: admin}
  periodSeconds: 1
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /healthz, port: admin}
  periodSeconds: 10
  failureThreshold: 6
  timeoutSeconds: 5
readinessProbe:
  httpGet: {path: /readyz, port: admin}
  periodSeconds: 5
  timeoutSeconds: 5
{{- end -}}

{{/* One table of the agent's TOML. Numbers arrive as floating point and leave as integers; JSON's strings and lists are TOML's. */}}
{{- define "leasehold.toml.value" -}}
{{- if kindIs "map" . -}}
{ {{ range $index, $key := keys . | sortAlpha }}{{ if $index }}, {{ end }}{{ toJson $key }} = {{ include "leasehold.toml.value" (index $ $key) }}{{ end }} }
{{- else if kindIs "slice" . -}}
[{{ range $index, $value := . }}{{ if $index }}, {{ end }}{{ include "leasehold.toml.value" $value }}{{ end }}]
{{- else if or (kindIs "float64" .) (kindIs "int64" .) (kindIs "int" .) -}}
{{ int64 . }}
{{- else -}}
{{ toJson . }}
{{- end -}}
{{- end -}}
{{- define "leasehold.toml.table" -}}
{{- range $key, $value := . }}
{{- if not (kindIs "invalid" $value) }}
{{ $key }} = {{ include "leasehold.toml.value" $value }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Labels as key=value pairs separated by commas. */}}
{{- define "leasehold.labelList" -}}
{{- $pairs := list -}}
{{- range $key, $value := . }}{{ $pairs = append $pairs (printf "%s=%s" $key $value) }}{{ end -}}
{{- join "," $pairs -}}
{{- end -}}

{{/* User name of a component's ServiceAccount. Takes (list context name). */}}
{{- define "leasehold.user" -}}
system:serviceaccount:{{ (index . 0).Release.Namespace }}:{{ index . 1 }}
{{- end -}}

{{/* Kind, name and labels of an admission policy. Takes (list context short-name). */}}
{{- define "leasehold.admission.policy" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: {{ include "leasehold.fullname" (index . 0) }}-{{ index . 1 }}
  labels: {{- include "leasehold.labels" (list (index . 0) "admission") | nindent 4 }}
{{- end -}}

{{/* What binds a policy to the one IsolationPolicy. Without that object, or when a rule cannot be evaluated, the answer is no. */}}
{{- define "leasehold.admission.binding" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ include "leasehold.fullname" (index . 0) }}-{{ index . 1 }}
  labels: {{- include "leasehold.labels" (list (index . 0) "admission") | nindent 4 }}
spec:
  policyName: {{ include "leasehold.fullname" (index . 0) }}-{{ index . 1 }}
  validationActions: [Deny, Audit]
{{- end -}}
{{- define "leasehold.admission.parameters" -}}
paramRef:
  name: leasehold
  parameterNotFoundAction: Deny
{{- end -}}
