//! An object of each kind, as documentation shows them.

pub(super) const ALL: &[&str] = &[
    "\
apiVersion: v1
kind: Namespace
metadata:
  name: bookinfo
  labels:
    istio.io/dataplane-mode: ambient
",
    "\
apiVersion: v1
kind: ServiceAccount
metadata:
  name: reviews
  namespace: bookinfo
imagePullSecrets:
- name: registry
automountServiceAccountToken: false
",
    "\
apiVersion: v1
kind: Service
metadata:
  name: reviews
  namespace: bookinfo
  labels:
    app: reviews
spec:
  clusterIP: None
  selector:
    app: reviews
    version: v1
  ports:
  - name: http
    port: 9080
    targetPort: web
  - port: 9090
    name: grpc
    appProtocol: grpc
",
    "\
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
  name: till
  namespace: payments
spec:
  selector:
    matchLabels:
      app: till
  mtls:
    mode: STRICT
  portLevelMtls:
    9100:
      mode: DISABLE
    9200:
      mode: PERMISSIVE
",
    "\
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata:
  name: reviews-jwt
spec:
  selector:
    matchLabels:
      app: reviews
  jwtRules:
  - issuer: https://auth.example.com
    jwksUri: https://auth.example.com/keys
    audiences:
    - reviews
    - ratings
    fromHeaders:
    - name: x-token
      prefix: \"Bearer \"
  - issuer: https://other.example.com
    jwksUri: https://other.example.com/keys
",
    "\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: reviews
  namespace: bookinfo
spec:
  selector:
    matchLabels:
      app: reviews
  rules:
  - from:
    - source:
        principals:
        - cluster.local/ns/bookinfo/sa/productpage
        - cluster.local/ns/bookinfo/sa/ratings
    - source:
        namespaces:
        - monitoring
    to:
    - operation:
        methods:
        - GET
        - HEAD
        paths: [/reviews/*]
    - operation:
        ports: [\"9090\"]
    when:
    - key: request.headers[x-version]
      values:
      - v1
      - v2
    - key: source.ip
      notValues: [10.0.0.1]
  - to:
    - operation:
        paths:
        - /healthz
",
    "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: reviews
  namespace: bookinfo
spec:
  hosts:
  - reviews
  - reviews.example.com
  gateways:
  - mesh
  http:
  - name: testers
    match:
    - uri:
        prefix: /reviews
      headers:
        end-user:
          exact: jason
        x-group:
          regex: \"t.*: a\"
    - queryParams:
        debug:
          exact: \"true\"
      method:
        exact: GET
    rewrite:
      uri: /v2
    route:
    - destination:
        host: reviews
        subset: v2
        port:
          number: 9080
  - match:
    - sourceLabels:
        app: productpage
      uri:
        exact: /slow
    fault:
      delay:
        fixedDelay: 3s
        percentage:
          value: 10
      abort:
        httpStatus: 503
        percentage:
          value: 0.5
    retries:
      attempts: 3
      perTryTimeout: 2s
    timeout: 10s
    route:
    - destination:
        host: reviews
        subset: v1
      weight: 90
      headers:
        request:
          set:
            x-canary: \"no\"
          remove:
          - x-old
    - destination:
        host: reviews
        subset: v3
      weight: 10
    mirror:
      host: reviews
      subset: v2
    corsPolicy:
      allowOrigins:
      - exact: https://a.example.com
      - regex: https://.*
      allowMethods: [GET]
  tls:
  - match:
    - port: 443
      sniHosts:
      - reviews.example.com
    route:
    - destination:
        host: reviews
",
    "\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
spec:
  host: reviews
  trafficPolicy:
    loadBalancer:
      consistentHash:
        httpCookie:
          name: user
          ttl: 0s
    connectionPool:
      tcp:
        maxConnections: 100
      http:
        http1MaxPendingRequests: 10
    outlierDetection:
      consecutive5xxErrors: 5
      interval: 30s
    portLevelSettings:
    - port:
        number: 9080
      tls:
        mode: ISTIO_MUTUAL
    - port:
        number: 9090
      loadBalancer:
        simple: RANDOM
  subsets:
  - name: v1
    labels:
      version: v1
  - name: v2
    labels:
      version: v2
    trafficPolicy:
      loadBalancer:
        simple: ROUND_ROBIN
",
    "\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: edge
spec:
  selector:
    istio: ingressgateway
  servers:
  - port:
      number: 443
      name: https
      protocol: HTTPS
    hosts:
    - shop.example.com
    tls:
      mode: SIMPLE
      credentialName: shop
  - port:
      number: 80
      name: http
      protocol: HTTP
    hosts:
    - \"*\"
    tls:
      httpsRedirect: true
",
    "\
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: stripe
spec:
  hosts:
  - api.stripe.com
  ports:
  - number: 443
    name: https
    protocol: TLS
  location: MESH_EXTERNAL
  resolution: STATIC
  endpoints:
  - address: 192.0.2.1
    labels:
      zone: a
  - address: 192.0.2.2
",
    "\
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: vm-1
spec:
  address: 192.0.2.7
  labels:
    app: legacy
  ports:
    http: 8080
    admin: 9000
  serviceAccount: legacy
",
    "\
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata:
  name: default
spec:
  workloadSelector:
    labels:
      app: reviews
  egress:
  - port:
      number: 9080
      protocol: HTTP
      name: http
    hosts: [bookinfo/*]
  - hosts:
    - ./*
    - istio-system/*
  outboundTrafficPolicy:
    mode: REGISTRY_ONLY
",
    "\
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata:
  name: mesh
  namespace: istio-system
spec:
  tracing:
  - providers:
    - name: zipkin
    randomSamplingPercentage: 10
  accessLogging:
  - providers:
    - name: envoy
    filter:
      expression: response.code >= 500
  metrics:
  - providers:
    - name: prometheus
    overrides:
    - match:
        metric: REQUEST_COUNT
        mode: CLIENT
      tagOverrides:
        request_host:
          operation: UPSERT
          value: request.host
",
    "\
apiVersion: ripstop.dev/v1alpha1
kind: Node
metadata:
  name: east
spec:
  podCIDRs:
  - 10.244.1.0/24
  - fd00:1::/64
",
    "\
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata:
  name: reviews
  namespace: bookinfo
  labels:
    app: reviews
    version: v1
spec:
  node: east
  replicas: 2
  serviceAccountName: reviews
  command:
  - /usr/bin/reviews
  - --verbose
  args:
  - --port
  - \"9080\"
  env:
  - name: PORT
    value: \"9080\"
  - name: MODE
    value: \"a: b\"
  ports:
  - containerPort: 9080
    name: http
  readinessProbe:
    httpGet:
      path: /health
      port: http
    periodSeconds: 2
  resources:
    limits:
      memory: 128Mi
      cpu: 500m
  restartPolicy: OnFailure
",
    "\
apiVersion: ripstop.dev/v1alpha1
kind: Mesh
metadata:
  name: default
spec:
  trustDomain: example.org
  mtls:
    mode: STRICT
  egress:
    allow:
    - 10.0.0.0/8
    deny:
    - 10.1.0.0/16
  dns:
    upstream:
    - 192.0.2.53
  logLevel: info
",
];
