/**
 * Goal: a mistake costs a message that names it, and nothing else. Method: one bad manifest of each kind through
 * kubectl and through `tri up`, with a look at what it left behind.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  applyText,
  ensureCluster,
  freshNamespace,
  getJson,
  kubectl,
  leaveNamespace,
  livePods,
  tri,
  tryKubectl,
} from "./cluster.ts";
import { expectThat, within } from "./process.ts";

const NS = "bad-input";
const good = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: fine, namespace: ${NS} }
spec:
  replicas: 1
  selector: { matchLabels: { app: fine } }
  template:
    metadata: { labels: { app: fine } }
    spec: { containers: [{ name: fine, image: "trireme.local/hello:1" }] }
`;

describe("bad input", () => {
  const dir = mkdtempSync(join(tmpdir(), "trireme-bad-"));
  const file = (name: string, text: string): string => {
    const path = join(dir, name);
    writeFileSync(path, text);
    return path;
  };
  const apply = (text: string) => tryKubectl(["apply", "-f", "-"], { input: text });

  beforeAll(async () => {
    await ensureCluster();
    await freshNamespace(NS);
  });
  afterAll(async () => {
    rmSync(dir, { recursive: true, force: true });
    await leaveNamespace(NS);
  });

  it("names file and line of a YAML syntax error, and applies nothing of the file", async () => {
    const path = file("syntax.yaml", `${good}---\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: x\ndata: [\n`);
    const done = await tri(["up", "-f", path]);
    expect(done.code).not.toBe(0);
    expect(done.stderr + done.stdout).toMatch(/syntax\.yaml:\d+/);
    expect((await tryKubectl(["get", "deployment", "fine", "-n", NS])).code).not.toBe(0);
  });

  it("names an unknown field", async () => {
    const done = await apply(good.replace("replicas: 1", "replica: 1"));
    expect(done.code).not.toBe(0);
    expect(done.stderr).toContain("spec.replica");
    const path = file("unknown.yaml", good.replace("replicas: 1", "replica: 1"));
    const up = await tri(["up", "-f", path]);
    expect(up.code).not.toBe(0);
    expect(up.stderr + up.stdout).toContain("spec.replica");
    expect((await tryKubectl(["get", "deployment", "fine", "-n", NS])).code).not.toBe(0);
  });

  it("names a field of the wrong type", async () => {
    const done = await apply(good.replace("replicas: 1", "replicas: several"));
    expect(done.code).not.toBe(0);
    expect(done.stderr).toContain("spec.replicas");
    expect((await tryKubectl(["get", "deployment", "fine", "-n", NS])).code).not.toBe(0);
  });

  it("names an immutable field, and leaves the object as it was", async () => {
    await applyText(good);
    const before = await getJson("deployment", "fine", "-n", NS);
    const done = await apply(good.replaceAll("app: fine", "app: other"));
    expect(done.code).not.toBe(0);
    expect(done.stderr).toContain("spec.selector");
    expect(done.stderr).toContain("field is immutable");
    const after = await getJson("deployment", "fine", "-n", NS);
    expect(after.spec).toEqual(before.spec);
  });

  it("names an image that cannot be pulled and says what to do", async () => {
    await kubectl("create", "deployment", "ghost", "--image=trireme.local/no-such-image:1", "-n", NS);
    await within(30_000, "the pod says why it waits", async () => {
      const waiting = (await livePods("app=ghost", NS))[0]?.status?.containerStatuses?.[0]?.state?.waiting;
      expectThat(/ErrImagePull|ImagePullBackOff/.test(waiting?.reason ?? ""), JSON.stringify(waiting));
      expectThat(waiting.message.includes("trireme.local/no-such-image:1"), waiting.message);
      expectThat(/image load/.test(waiting.message), waiting.message);
    });
  });
});
