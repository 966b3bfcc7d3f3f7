import { describe, expect, it } from "vitest";
import { DEPLOYMENTS, SECRETS, SERVICES, decodeProtobuf, decodeStrict, fromBase64 } from "../index.ts";

// Bodies as kubectl 1.35.2 sent them for the command in each test's name.
const DEPLOYMENT =
  "azhzAAoVCgdhcHBzL3YxEgpEZXBsb3ltZW50Er0BCh8KA3dlYhIAGgAiACoAMgA4AEIAWgoKA2FwcBIDd2ViEosBCA" +
  "ASDAoKCgNhcHASA3dlYhpxChwKABIAGgAiACoAMgA4AEIAWgoKA2FwcBIDd2ViElESMwoFbmdpbngSCm5naW54OjEu" +
  "MjcqADIKCgAQABhQIgAqAEIAagByAIABAIgBAJABAKIBABoAMgBCAEoAUgBYAGAAaACCAQCKAQCaAQDCAQAiAgoAKA" +
  "A4ABoMCAAQABgAIAAoADgAGgAiAA==";
const SERVICE =
  "azhzAAoNCgJ2MRIHU2VydmljZRJoCh8KA3dlYhIAGgAiACoAMgA4AEIAWgoKA2FwcBIDd2ViEkEKGwoHODAtODA4MB" +
  "IDVENQGFAiBwgAEJA/GgAoABIKCgNhcHASA3dlYhoAIghOb2RlUG9ydDoAQgBSAFoAYABoABoCCgAaACIA";
const SECRET = "azhzAAoMCgJ2MRIGU2VjcmV0EiMKEQoBcxIAGgAiACoAMgA4AEIAEgwKAXASB2h1bnRlcjIaABoAIgA=";

const encoder = new TextEncoder();
const bytes = (...parts: (number | string | Uint8Array)[]): Uint8Array =>
  Uint8Array.from(
    parts.flatMap((part) =>
      typeof part === "number" ? [part] : [...(part instanceof Uint8Array ? part : encoder.encode(part))],
    ),
  );
/** A length-delimited field of less than 128 bytes. */
const field = (number: number, content: string | Uint8Array): Uint8Array => {
  const body = bytes(content);
  return bytes((number << 3) | 2, body.length, body);
};
const envelope = (apiVersion: string, kind: string, raw: Uint8Array): Uint8Array =>
  bytes(0x6b, 0x38, 0x73, 0, field(1, bytes(field(1, apiVersion), field(2, kind))), field(2, raw));

describe("decodeProtobuf", () => {
  it("reads kubectl create deployment web --image=nginx:1.27 --replicas=0 --port=80", () => {
    const object = decodeProtobuf(fromBase64(DEPLOYMENT));
    expect(object).toEqual({
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "web", labels: { app: "web" } },
      spec: {
        replicas: 0,
        selector: { matchLabels: { app: "web" } },
        strategy: {},
        template: {
          metadata: { labels: { app: "web" } },
          spec: { containers: [{ name: "nginx", image: "nginx:1.27", ports: [{ containerPort: 80 }], resources: {} }] },
        },
      },
      status: {},
    });
    expect(decodeStrict(DEPLOYMENTS, object).object).toEqual(object);
  });

  it("reads kubectl create service nodeport web --tcp=80:8080", () => {
    const { object } = decodeStrict(SERVICES, decodeProtobuf(fromBase64(SERVICE)));
    expect(object.spec).toEqual({
      type: "NodePort",
      selector: { app: "web" },
      ports: [{ name: "80-8080", protocol: "TCP", port: 80, targetPort: 8080 }],
    });
  });

  it("reads kubectl create secret generic s --from-literal=p=hunter2", () => {
    const { object } = decodeStrict(SECRETS, decodeProtobuf(fromBase64(SECRET)));
    expect(object.data).toEqual({ p: "aHVudGVyMg==" });
  });

  it("reads quantities, times, names for numbers, and messages that JSON shows inline", () => {
    const limits = field(1, bytes(field(1, "cpu"), field(2, field(1, "500m"))));
    const httpGet = field(2, field(2, bytes(0x08, 1, field(3, "http"))));
    const probe = field(11, bytes(field(1, httpGet), 0x10, 5));
    const container = bytes(field(1, "c"), field(8, limits), probe, 0x80, 0x01, 0);
    const emptyDir = field(1, bytes(field(2, field(2, "")), field(1, "v")));
    const spec = bytes(field(2, container), emptyDir, 0x20, 0, 0xc8, 0x01, 0x0a);
    const created = field(8, bytes(0x08, 0xe8, 0x07));
    const pod = decodeProtobuf(envelope("v1", "Pod", bytes(field(1, bytes(field(1, "p"), created)), field(2, spec))));
    expect(pod).toMatchObject({
      metadata: { name: "p", creationTimestamp: "1970-01-01T00:16:40Z" },
      spec: {
        volumes: [{ name: "v", emptyDir: {} }],
        terminationGracePeriodSeconds: 0,
        priority: 10,
        containers: [
          {
            name: "c",
            resources: { limits: { cpu: "500m" } },
            readinessProbe: { httpGet: { port: "http" }, initialDelaySeconds: 5 },
          },
        ],
      },
    });
    expect((pod as unknown as { spec: { containers: object[] } }).spec.containers[0]).not.toHaveProperty("stdin");
  });

  it("refuses what is cut short, of another type, or of no kind", () => {
    const whole = fromBase64(DEPLOYMENT);
    // The last four bytes are the envelope's two empty fields, which may well be missing.
    for (let length = 0; length < whole.length - 4; length++) {
      const run = (): unknown => decodeProtobuf(whole.subarray(0, length));
      expect(run, String(length)).toThrow(/protobuf|magic|no kind/);
    }
    expect(() => decodeProtobuf(envelope("v1", "Nope", bytes()))).toThrow('no kind "Nope"');
    expect(() => decodeProtobuf(envelope("v1", "ConfigMap", bytes(0x08, 1)))).toThrow("another type");
  });
});
