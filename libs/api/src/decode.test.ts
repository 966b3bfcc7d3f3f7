import { describe, expect, it } from "vitest";
import { CONFIGMAPS, DEPLOYMENTS, DeleteOptions, PODS, SECRETS, decodeStrict } from "./index.ts";

const pod = (spec: unknown): unknown => ({ apiVersion: "v1", kind: "Pod", metadata: { name: "a" }, spec });
const failure = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    return (error as Error).message;
  }
  return "no error";
};

describe("decodeStrict", () => {
  it("names unknown fields by path and suggests what was meant", () => {
    const body = {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "a" },
      spec: { replica: 3, template: { spec: { containers: [{ name: "c", imag: "x" }] } } },
    };
    expect(failure(() => decodeStrict(DEPLOYMENTS, body))).toBe(
      'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: ' +
        'unknown field "spec.replica" (did you mean "replicas"?), ' +
        'unknown field "spec.template.spec.containers[0].imag" (did you mean "image"?)',
    );
    const warned = decodeStrict(DEPLOYMENTS, body, "Warn");
    expect(warned.warnings).toHaveLength(2);
    expect(warned.object.spec).toEqual({ template: { spec: { containers: [{ name: "c" }] } } });
    expect(decodeStrict(DEPLOYMENTS, body, "Ignore").warnings).toEqual([]);
  });

  it("names every field of a wrong type, whatever the mode", () => {
    const body = { spec: { replicas: "three", selector: [], paused: "yes", template: { spec: { containers: {} } } } };
    const message = failure(() => decodeStrict(DEPLOYMENTS, body, "Ignore"));
    expect(message).toContain('spec.replicas: expected an integer (int32), got the string "three"');
    expect(message).toContain("spec.selector: expected an object, got a list");
    expect(message).toContain('spec.paused: expected true or false, got the string "yes"');
    expect(message).toContain("spec.template.spec.containers: expected a list, got an object");
  });

  it("keeps integers exact or refuses them", () => {
    expect(failure(() => decodeStrict(PODS, pod({ terminationGracePeriodSeconds: 2 ** 53 })))).toContain("rounded");
    expect(failure(() => decodeStrict(PODS, pod({ priority: 2 ** 31 })))).toContain("does not fit 32 bits");
    expect(failure(() => decodeStrict(PODS, pod({ priority: 1.5 })))).toContain("spec.priority: expected an integer");
    const exact = Number.MAX_SAFE_INTEGER;
    const kept = decodeStrict(PODS, pod({ activeDeadlineSeconds: exact, containers: [] }));
    expect(kept.object.spec.activeDeadlineSeconds).toBe(exact);
  });

  it("refuses prototype keys in messages, maps and free objects, in every mode", () => {
    for (const text of [
      '{"metadata":{"name":"a"},"__proto__":{"admin":true}}',
      '{"metadata":{"name":"a","labels":{"__proto__":"x"}}}',
      '{"metadata":{"name":"a"},"data":{"constructor":"x"}}',
      '{"metadata":{"name":"a","managedFields":[{"fieldsV1":{"__proto__":{}}}]}}',
    ]) {
      expect(
        failure(() => decodeStrict(CONFIGMAPS, JSON.parse(text), "Ignore")),
        text,
      ).toContain("prototype");
    }
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
  });

  it("bounds nesting", () => {
    let nested: unknown = {};
    for (let i = 0; i < 200; i++) nested = { f: nested };
    const body = { metadata: { name: "a", managedFields: [{ fieldsV1: nested }] } };
    expect(failure(() => decodeStrict(CONFIGMAPS, body))).toContain("nested deeper than 100 levels");
  });

  it("turns quantities into strings, drops nulls, checks base64 without quoting it", () => {
    const container = { name: "c", resources: { limits: { cpu: 0.5, memory: "1024Mi" } }, command: null };
    const { object } = decodeStrict(PODS, pod({ containers: [container] }));
    expect(object.spec.containers).toEqual([{ name: "c", resources: { limits: { cpu: "500m", memory: "1Gi" } } }]);
    expect(
      failure(() => decodeStrict(PODS, pod({ containers: [{ resources: { limits: { cpu: "1x" } } }] }))),
    ).toContain("spec.containers[0].resources.limits.cpu: expected a quantity");
    const message = failure(() => decodeStrict(SECRETS, { metadata: { name: "a" }, data: { k: "hunter2!" } }));
    expect(message).toContain("data.k: expected base64");
    expect(message).not.toContain("hunter2");
  });

  it("says so when the body is of another kind, and fills in what the address knows", () => {
    expect(failure(() => decodeStrict(PODS, { apiVersion: "v1", kind: "Node" }))).toBe(
      'the kind in the data ("Node") is not the expected "Pod"',
    );
    expect(failure(() => decodeStrict(PODS, []))).toBe("the body must be a Pod object, got a list");
    expect(decodeStrict(PODS, { metadata: { name: "a" } }).object).toMatchObject({ apiVersion: "v1", kind: "Pod" });
    const options = { kind: "DeleteOptions", apiVersion: "apps/v1", propagationPolicy: "Background" };
    expect(decodeStrict(DeleteOptions, options).object).toMatchObject({ propagationPolicy: "Background" });
  });
});
