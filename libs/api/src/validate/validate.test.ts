import { describe, expect, it } from "vitest";
import {
  CONFIGMAPS,
  DEPLOYMENTS,
  ENDPOINTSLICES,
  EVENTS,
  NAMESPACES,
  PODS,
  SECRETS,
  SERVICES,
  applyDefaults,
  decodeStrict,
  invalidObject,
  statusOf,
  validateCreate,
  validateUpdate,
} from "../index.ts";
import type { KubeObject, Resource } from "../index.ts";

function ready<T extends KubeObject>(resource: Resource<T>, body: object): T {
  const metadata = { name: "a", ...(resource.namespaced ? { namespace: "ns" } : {}) };
  return applyDefaults(resource, decodeStrict(resource, { metadata, ...body }).object);
}
const created = <T extends KubeObject>(resource: Resource<T>, body: object): string[] =>
  validateCreate(resource, ready(resource, body)).map((e) => `${e.field}: ${e.message}`);
const updated = <T extends KubeObject>(resource: Resource<T>, old: object, body: object): string[] =>
  validateUpdate(resource, ready(resource, body), ready(resource, old)).map((e) => `${e.field}: ${e.message}`);

const container = { name: "c", image: "nginx" };
const podWith = (more: object, spec: object = {}): object => ({
  spec: { containers: [{ ...container, ...more }], ...spec },
});
const deployment = (spec: object = {}, template: object = { containers: [container] }): object => ({
  spec: {
    selector: { matchLabels: { app: "x" } },
    template: { metadata: { labels: { app: "x" } }, spec: template },
    ...spec,
  },
});

describe("metadata", () => {
  it("accepts what is right and names what is wrong", () => {
    expect(created(CONFIGMAPS, {})).toEqual([]);
    const metadata = { name: "Bad_Name", namespace: "ns", labels: { "a b": "x", ok: "-x" } };
    const errors = created(CONFIGMAPS, { metadata });
    expect(errors[0]).toContain(
      'metadata.name: Invalid value: "Bad_Name": a lowercase RFC 1123 subdomain must consist',
    );
    expect(errors[1]).toContain('metadata.labels: Invalid value: "a b": name part must consist');
    expect(errors[2]).toContain('metadata.labels: Invalid value: "-x": a valid label must be an empty string');
    expect(created(NAMESPACES, { metadata: { name: "a.b" } })[0]).toContain("RFC 1123 label");
    expect(created(SERVICES, { metadata: { name: "1a", namespace: "ns" }, spec: { clusterIP: "None" } })[0]).toContain(
      "DNS-1035",
    );
    expect(created(CONFIGMAPS, { metadata: { name: "", namespace: "ns" } })).toEqual([
      "metadata.name: Required value: name or generateName is required",
    ]);
    const owner = {
      ...metadata,
      name: "a",
      labels: {},
      ownerReferences: [{ apiVersion: "v1", kind: "Pod", name: "p" }],
    };
    expect(created(CONFIGMAPS, { metadata: owner })).toEqual(["metadata.ownerReferences[0].uid: Required value"]);
  });

  it("does not let an update change who an object is", () => {
    const old = { metadata: { name: "a", namespace: "ns", uid: "1", deletionTimestamp: "2026-01-01T00:00:00Z" } };
    const next = { metadata: { ...old.metadata, uid: "2", finalizers: ["x/y"] } };
    expect(updated(CONFIGMAPS, old, next)).toEqual([
      'metadata.uid: Invalid value: "2": field is immutable',
      "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, " +
        "found new finalizers: x/y",
    ]);
  });
});

describe("pods", () => {
  it("need containers with names and images that are their own", () => {
    expect(created(PODS, podWith({}))).toEqual([]);
    expect(created(PODS, {})).toEqual(["spec.containers: Required value"]);
    expect(created(PODS, { spec: { containers: [{}, container, container] } })).toEqual([
      "spec.containers[0].name: Required value",
      "spec.containers[0].image: Required value",
      'spec.containers[2].name: Duplicate value: "c"',
    ]);
  });

  it("have ports, resources, probes and mounts that can work", () => {
    const cases: [object, string][] = [
      [
        { ports: [{ containerPort: 70000 }] },
        "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be",
      ],
      [{ ports: [{}] }, "spec.containers[0].ports[0].containerPort: Required value"],
      [
        { ports: [{ containerPort: 1, protocol: "tcp" }] },
        'Unsupported value: "tcp": supported values: "TCP", "UDP", "SC',
      ],
      [
        { resources: { limits: { cpu: "1" }, requests: { cpu: "1500m" } } },
        'spec.containers[0].resources.requests: Invalid value: "1500m": must be less than or equal to cpu limit of 1',
      ],
      [
        { resources: { requests: { memory: "-1" } } },
        'resources.requests[memory]: Invalid value: "-1": must be greater',
      ],
      [{ resources: { requests: { mem: "1" } } }, 'Invalid value: "mem": must be a standard resource for containers'],
      [{ readinessProbe: {} }, "spec.containers[0].readinessProbe: Required value: must specify a handler type"],
      [{ readinessProbe: { httpGet: {} } }, "spec.containers[0].readinessProbe.httpGet.port: Required value"],
      [
        { livenessProbe: { exec: { command: ["x"] }, successThreshold: 2 } },
        "successThreshold: Invalid value: 2: must be 1",
      ],
      [{ volumeMounts: [{ name: "v", mountPath: "/x" }] }, 'spec.containers[0].volumeMounts[0].name: Not found: "v"'],
      [{ env: [{ name: "A=B" }] }, 'spec.containers[0].env[0].name: Invalid value: "A=B"'],
      [
        { env: [{ name: "A", value: "1", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }] },
        "may not be specified when",
      ],
      [{ imagePullPolicy: "Sometimes" }, 'imagePullPolicy: Unsupported value: "Sometimes"'],
    ];
    for (const [more, words] of cases) {
      const errors = created(PODS, podWith(more));
      expect(errors, words).toHaveLength(1);
      expect(errors[0]).toContain(words);
    }
    const volumes = [
      { name: "v", emptyDir: {}, hostPath: { path: "/a/../b" } },
      { name: "v", secret: {} },
    ];
    expect(created(PODS, podWith({}, { volumes }))).toEqual([
      "spec.volumes[0].emptyDir: Forbidden: may not specify more than 1 volume type",
      "spec.volumes[0].hostPath.path: Invalid value: \"/a/../b\": must not contain '..'",
      'spec.volumes[1].name: Duplicate value: "v"',
      "spec.volumes[1].secret.secretName: Required value",
    ]);
  });

  it("keep their spec for life but for images, tolerations and a shorter deadline", () => {
    const old = podWith(
      { args: ["1"] },
      { tolerations: [{ key: "a", operator: "Exists" }], activeDeadlineSeconds: 60 },
    );
    const next = podWith(
      { args: ["1"], image: "nginx:2", imagePullPolicy: "Always" },
      { tolerations: [{ key: "a", operator: "Exists" }, { operator: "Exists" }], activeDeadlineSeconds: 30 },
    );
    expect(updated(PODS, old, next)).toEqual([]);
    const changed = updated(PODS, old, podWith({ args: ["2"] }, { activeDeadlineSeconds: 90 }));
    expect(changed[0]).toContain("spec.tolerations: Forbidden: existing toleration can not be modified");
    expect(changed[1]).toContain("spec.activeDeadlineSeconds: Invalid value: 90: must be less than or equal");
    expect(changed[2]).toContain("spec: Forbidden: pod updates may not change fields other than");
    expect(changed[2]).toContain("spec.containers[0].args[0] differs");
  });

  it("read of themselves what there is to read", () => {
    const env = (valueFrom: object) => created(PODS, podWith({ env: [{ name: "X", valueFrom }] }));
    expect(env({ fieldRef: { fieldPath: "status.podIPs" } })).toEqual([]);
    expect(env({ fieldRef: { fieldPath: "metadata.labels['a/b']" } })).toEqual([]);
    expect(env({ resourceFieldRef: { resource: "limits.cpu" } })).toEqual([]);
    expect(env({ fieldRef: { fieldPath: "status.phase" } })[0]).toContain(
      'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "status.phase": supported values:',
    );
    expect(env({ resourceFieldRef: { resource: "limits.gpu" } })[0]).toContain('Unsupported value: "limits.gpu"');
  });

  it("take ephemeral containers in, and keep them as they are", () => {
    const one = { name: "peek", image: "busybox", targetContainerName: "c" };
    const withEphemeral = (...ephemeralContainers: object[]) => podWith({}, { ephemeralContainers });
    expect(updated(PODS, podWith({}), withEphemeral(one))).toEqual([]);
    expect(created(PODS, withEphemeral(one))).toContain("spec.ephemeralContainers: Forbidden: cannot be set on create");
    expect(updated(PODS, withEphemeral(one), podWith({}))).toEqual([
      'spec.ephemeralContainers: Forbidden: existing ephemeral containers "peek" may not be removed',
    ]);
    expect(updated(PODS, withEphemeral(one), withEphemeral({ ...one, image: "other" }))).toEqual([
      'spec.ephemeralContainers: Forbidden: existing ephemeral containers "peek" may not be changed',
    ]);
    const wrong = { name: "c", image: "x", targetContainerName: "no", ports: [{ containerPort: 1 }] };
    expect(updated(PODS, podWith({}), withEphemeral(wrong))).toEqual([
      'spec.ephemeralContainers[0].name: Duplicate value: "c"',
      "spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container",
      'spec.ephemeralContainers[0].targetContainerName: Not found: "no"',
    ]);
  });
});

describe("workloads", () => {
  it("select the pods that they make", () => {
    expect(created(DEPLOYMENTS, deployment())).toEqual([]);
    expect(created(DEPLOYMENTS, {})).toContain("spec: Required value");
    expect(created(DEPLOYMENTS, { spec: {} })).toEqual([
      "spec.selector: Required value",
      "spec.template: Required value",
    ]);
    expect(created(DEPLOYMENTS, deployment({ selector: { matchLabels: { app: "y" } } }))).toEqual([
      'spec.template.metadata.labels: Invalid value: {"app":"x"}: `selector` does not match template `labels`',
    ]);
    expect(created(DEPLOYMENTS, deployment({}, { containers: [container], restartPolicy: "Never" }))).toEqual([
      'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
    ]);
    expect(created(DEPLOYMENTS, deployment({ replicas: -1 }))).toEqual([
      "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
    ]);
  });

  it("roll out by a strategy that can make progress", () => {
    const rolling = (rollingUpdate: object): object => deployment({ strategy: { rollingUpdate } });
    expect(created(DEPLOYMENTS, rolling({ maxSurge: 0, maxUnavailable: "0%" }))).toEqual([
      'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0',
    ]);
    expect(created(DEPLOYMENTS, rolling({ maxSurge: "half" }))[0]).toContain("a valid percent string must be");
    expect(created(DEPLOYMENTS, deployment({ strategy: { type: "Recreate", rollingUpdate: {} } }))[0]).toContain(
      "may not be specified when strategy `type` is 'Recreate'",
    );
  });

  it("cannot change their selector, and the 422 says so field by field", () => {
    const template = { metadata: { labels: { app: "y" } }, spec: { containers: [container] } };
    const next = ready(DEPLOYMENTS, deployment({ selector: { matchLabels: { app: "y" } }, template }));
    const errors = validateUpdate(DEPLOYMENTS, next, ready(DEPLOYMENTS, deployment()));
    const message = 'Invalid value: {"matchLabels":{"app":"y"}}: field is immutable';
    expect(errors).toEqual([{ field: "spec.selector", reason: "FieldValueInvalid", message }]);
    expect(statusOf(invalidObject(DEPLOYMENTS, "a", errors))).toEqual({
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: `Deployment.apps "a" is invalid: spec.selector: ${message}`,
      reason: "Invalid",
      details: {
        name: "a",
        group: "apps",
        kind: "Deployment",
        causes: [{ reason: "FieldValueInvalid", message, field: "spec.selector" }],
      },
      code: 422,
    });
  });
});

describe("services and slices", () => {
  it("have ports, and names where there are several", () => {
    expect(created(SERVICES, { spec: { ports: [{ port: 80 }] } })).toEqual([]);
    expect(created(SERVICES, { spec: {} })).toEqual(["spec.ports: Required value"]);
    expect(created(SERVICES, { spec: { ports: [{ port: 80 }, { port: 80, nodePort: 30000 }] } })).toEqual([
      "spec.ports[0].name: Required value",
      "spec.ports[1].name: Required value",
      'spec.ports[1]: Duplicate value: {"port":80,"protocol":"TCP"}',
      "spec.ports[1].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
    ]);
    expect(created(SERVICES, { spec: { type: "ExternalName" } })).toEqual(["spec.externalName: Required value"]);
    expect(created(SERVICES, { spec: { clusterIP: "10.0.0", ports: [{ port: 1 }] } })[0]).toContain(
      'spec.clusterIP: Invalid value: "10.0.0"',
    );
  });

  it("keep their address", () => {
    const service = (clusterIP: string): object => ({ spec: { clusterIP, ports: [{ port: 80 }] } });
    expect(updated(SERVICES, service("10.96.0.1"), service("10.96.0.2"))).toEqual([
      'spec.clusterIP: Invalid value: "10.96.0.2": field is immutable',
    ]);
  });

  it("hold addresses of their type", () => {
    const slice = (address: string): object => ({ addressType: "IPv4", endpoints: [{ addresses: [address] }] });
    expect(created(ENDPOINTSLICES, slice("10.1.2.3"))).toEqual([]);
    expect(created(ENDPOINTSLICES, slice("fd00::1"))[0]).toContain("endpoints[0].addresses[0]: Invalid value");
  });
});

describe("config", () => {
  it("has keys that can be files and a size that can be stored", () => {
    expect(created(CONFIGMAPS, { data: { "a/b": "" } })[0]).toContain("data[a/b]: Invalid value");
    expect(created(CONFIGMAPS, { data: { a: "é".repeat(600_000) } })).toEqual([
      "data: Too long: may not be more than 1048576 bytes",
    ]);
    expect(created(SECRETS, { type: "kubernetes.io/tls", data: { "tls.crt": "eA==" } })).toEqual([
      "data[tls.key]: Required value",
    ]);
  });

  it("stays as it is once it is immutable", () => {
    const old = { immutable: true, data: { a: "eA==" } };
    expect(updated(CONFIGMAPS, old, old)).toEqual([]);
    expect(updated(CONFIGMAPS, old, { data: { a: "eQ==" } })).toEqual([
      "immutable: Forbidden: field is immutable when `immutable` is set",
      "data: Forbidden: field is immutable when `immutable` is set",
    ]);
    expect(updated(SECRETS, { type: "a" }, { type: "b" })).toEqual(['type: Invalid value: "b": field is immutable']);
  });

  it("never shows a Secret's value", () => {
    const secret = { type: "kubernetes.io/dockerconfigjson", data: { ".dockerconfigjson": "aHVudGVyMg==" } };
    expect(created(SECRETS, secret).join()).not.toContain("aHVudGVy");
    expect(created(SECRETS, secret)).toHaveLength(1);
  });
});

describe("events", () => {
  it("live beside what they are about", () => {
    expect(created(EVENTS, { involvedObject: { kind: "Pod", namespace: "ns", name: "p" } })).toEqual([]);
    expect(created(EVENTS, { involvedObject: { kind: "Pod", namespace: "other" } })[0]).toContain("does not match");
  });
});
