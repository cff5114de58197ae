{{- define "exporter.pod" -}}
metadata:
  labels:
    {{- include "exporter.selector" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    # A new configuration starts new pods.
    checksum/config: {{ toYaml .Values.config | sha256sum }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "exporter.serviceAccountName" . }}
  # It does not talk to Kubernetes.
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    seccompProfile: {type: RuntimeDefault}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  containers:
    - name: exporter
      image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args:
        - run
        - --config.file=/etc/aliyun-rds-import-exporter/config.yaml
        - --web.listen-address=:10525
        - --log.level={{ .Values.logLevel }}
        - --log.format={{ .Values.logFormat }}
        {{- if .Values.webConfig.existingSecret }}
        - --web.config.file=/etc/aliyun-rds-import-exporter-web/web.yml
        {{- end }}
        {{- if gt (int .Values.shards) 1 }}
        # Which shard a pod is, it takes from the number that ends its host name.
        - --total-shards={{ .Values.shards }}
        {{- end }}
        {{- with .Values.extraArgs }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- if or .Values.credentials.existingSecret (include "exporter.mountsToken" .) .Values.extraEnv }}
      env:
        {{- with .Values.credentials }}
        {{- if .existingSecret }}
        - name: ALIBABA_CLOUD_ACCESS_KEY_ID
          valueFrom:
            secretKeyRef: {name: {{ .existingSecret }}, key: {{ .accessKeyIdKey }}}
        - name: ALIBABA_CLOUD_ACCESS_KEY_SECRET
          valueFrom:
            secretKeyRef: {name: {{ .existingSecret }}, key: {{ .accessKeySecretKey }}}
        {{- end }}
        {{- end }}
        {{- if include "exporter.mountsToken" . }}
        - name: ALIBABA_CLOUD_ROLE_ARN
          value: {{ .Values.rrsa.roleArn | quote }}
        - name: ALIBABA_CLOUD_OIDC_PROVIDER_ARN
          value: {{ .Values.rrsa.oidcProviderArn | quote }}
        - name: ALIBABA_CLOUD_OIDC_TOKEN_FILE
          value: /var/run/secrets/ack.alibabacloud.com/rrsa-tokens/token
        {{- end }}
        {{- with .Values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- end }}
      ports:
        - {name: http, containerPort: 10525, protocol: TCP}
      livenessProbe:
        {{- include "exporter.probe" (dict "context" . "path" "/-/healthy") | nindent 8 }}
        periodSeconds: 15
        timeoutSeconds: 5
      readinessProbe:
        {{- include "exporter.probe" (dict "context" . "path" "/-/ready") | nindent 8 }}
        periodSeconds: 5
        timeoutSeconds: 5
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      volumeMounts:
        - {name: config, mountPath: /etc/aliyun-rds-import-exporter, readOnly: true}
        {{- if .Values.webConfig.existingSecret }}
        - {name: web-config, mountPath: /etc/aliyun-rds-import-exporter-web, readOnly: true}
        {{- end }}
        {{- if include "exporter.mountsToken" . }}
        - {name: rrsa-token, mountPath: /var/run/secrets/ack.alibabacloud.com/rrsa-tokens, readOnly: true}
        {{- end }}
        {{- with .Values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: config
      configMap:
        name: {{ .Values.existingConfigMap | default (include "exporter.fullname" .) }}
    {{- with .Values.webConfig.existingSecret }}
    - name: web-config
      secret: {secretName: {{ . }}, defaultMode: 0440}
    {{- end }}
    {{- if include "exporter.mountsToken" . }}
    - name: rrsa-token
      projected:
        sources:
          - serviceAccountToken:
              audience: sts.aliyuncs.com
              expirationSeconds: {{ .Values.rrsa.tokenExpirationSeconds }}
              path: token
    {{- end }}
    {{- with .Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
