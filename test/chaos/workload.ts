import { NAMESPACE } from "./writers.ts";

export const NODE_PORT = 30_180;
export const STATEFUL_SET = "single";
const WEB_REPLICAS = 4;
const SINGLE_REPLICAS = 2;
export const POD_COUNT = WEB_REPLICAS + SINGLE_REPLICAS;

const container = (name: string): string => `
      terminationGracePeriodSeconds: 1
      containers:
        - name: ${name}
          image: trireme.local/hello:1
          ports: [{ name: http, containerPort: 8080 }]
          readinessProbe: { httpGet: { path: /readyz, port: http }, periodSeconds: 1 }
          resources: { requests: { cpu: 10m, memory: 16Mi } }`;

/** A Service with pods that may be replaced, and pods of which each may run once at most. */
export const MANIFEST = `
apiVersion: v1
kind: Namespace
metadata: { name: ${NAMESPACE} }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: ${NAMESPACE} }
spec:
  replicas: ${WEB_REPLICAS}
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:${container("web")}
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: ${NAMESPACE} }
spec:
  type: NodePort
  selector: { app: web }
  ports: [{ name: http, port: 80, targetPort: http, nodePort: ${NODE_PORT} }]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: ${STATEFUL_SET}, namespace: ${NAMESPACE} }
spec:
  replicas: ${SINGLE_REPLICAS}
  serviceName: ${STATEFUL_SET}
  podManagementPolicy: Parallel
  selector: { matchLabels: { app: ${STATEFUL_SET} } }
  template:
    metadata: { labels: { app: ${STATEFUL_SET} } }
    spec:${container("single")}
`;
