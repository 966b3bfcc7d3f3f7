import { describe, expect, it } from "vitest";
import { DEPLOYMENTS, NAMESPACES, PODS, SECRETS, SERVICES, applyDefaults, decodeStrict } from "../index.ts";
import type { KubeObject, Resource } from "../index.ts";

function defaulted<T extends KubeObject>(resource: Resource<T>, body: unknown): T {
  const once = applyDefaults(resource, decodeStrict(resource, body).object);
  expect(applyDefaults(resource, structuredClone(once)), "defaulting twice changes nothing").toEqual(once);
  return once;
}

describe("applyDefaults", () => {
  it("fills a Deployment and its template, but leaves what only Pods get", () => {
    const { spec } = defaulted(DEPLOYMENTS, {
      metadata: { name: "web" },
      spec: { selector: {}, template: { spec: { containers: [{ name: "c", image: "reg:5000/nginx:1.27" }] } } },
    });
    expect(spec).toMatchObject({ replicas: 1, revisionHistoryLimit: 10, progressDeadlineSeconds: 600 });
    expect(spec.strategy).toEqual({ type: "RollingUpdate", rollingUpdate: { maxSurge: "25%", maxUnavailable: "25%" } });
    expect(spec.template.spec).toEqual({
      containers: [
        {
          name: "c",
          image: "reg:5000/nginx:1.27",
          imagePullPolicy: "IfNotPresent",
          terminationMessagePath: "/dev/termination-log",
          terminationMessagePolicy: "File",
          resources: {},
        },
      ],
      dnsPolicy: "ClusterFirst",
      restartPolicy: "Always",
      schedulerName: "default-scheduler",
      securityContext: {},
      terminationGracePeriodSeconds: 30,
    });
  });

  it("fills probes, ports, requests, volumes of a Pod", () => {
    const { spec } = defaulted(PODS, {
      metadata: { name: "a" },
      spec: {
        containers: [
          {
            name: "c",
            image: "reg:5000/nginx",
            ports: [{ containerPort: 80 }],
            readinessProbe: { httpGet: { port: "http" }, timeoutSeconds: 0 },
            resources: { limits: { cpu: "1", memory: "64Mi" }, requests: { cpu: "100m" } },
          },
        ],
        volumes: [{ name: "e" }, { name: "s", secret: { secretName: "x" } }],
      },
    });
    const container = spec.containers[0]!;
    expect(container.imagePullPolicy).toBe("Always");
    expect(container.ports).toEqual([{ containerPort: 80, protocol: "TCP" }]);
    expect(container.resources!.requests).toEqual({ cpu: "100m", memory: "64Mi" });
    expect(container.readinessProbe).toEqual({
      httpGet: { port: "http", path: "/", scheme: "HTTP" },
      timeoutSeconds: 1,
      periodSeconds: 10,
      successThreshold: 1,
      failureThreshold: 3,
    });
    expect(spec.volumes).toEqual([
      { name: "e", emptyDir: {} },
      { name: "s", secret: { secretName: "x", defaultMode: 420 } },
    ]);
    expect(spec).toMatchObject({ enableServiceLinks: true, serviceAccountName: "default", serviceAccount: "default" });
  });

  it("fills Services by their type", () => {
    const cluster = defaulted(SERVICES, { metadata: { name: "a" }, spec: { ports: [{ port: 80 }] } }).spec;
    expect(cluster).toEqual({
      type: "ClusterIP",
      sessionAffinity: "None",
      internalTrafficPolicy: "Cluster",
      ipFamilyPolicy: "SingleStack",
      ipFamilies: ["IPv4"],
      ports: [{ port: 80, protocol: "TCP", targetPort: 80 }],
    });
    const node = defaulted(SERVICES, { metadata: { name: "a" }, spec: { type: "NodePort", clusterIP: "10.96.0.9" } });
    expect(node.spec).toMatchObject({ externalTrafficPolicy: "Cluster", clusterIPs: ["10.96.0.9"] });
    const external = defaulted(SERVICES, { metadata: { name: "a" }, spec: { type: "ExternalName" } }).spec;
    expect(external).toEqual({ type: "ExternalName", sessionAffinity: "None" });
  });

  it("moves a Secret's plain text into data and names its type", () => {
    const secret = defaulted(SECRETS, { metadata: { name: "a" }, stringData: { k: "grüß" }, data: { k: "eA==" } });
    expect(secret).toMatchObject({ type: "Opaque", data: { k: "Z3LDvMOf" } });
    expect(secret).not.toHaveProperty("stringData");
  });

  it("labels a namespace with its name and survives a body without anything", () => {
    const namespace = defaulted(NAMESPACES, { metadata: { name: "x" } });
    expect(namespace.metadata.labels).toEqual({ "kubernetes.io/metadata.name": "x" });
    for (const resource of [PODS, SERVICES, DEPLOYMENTS, NAMESPACES] as Resource[]) {
      expect(() => defaulted(resource, {})).not.toThrow();
    }
  });
});
