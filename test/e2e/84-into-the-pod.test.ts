/**
 * Goal: a user gets into a running pod. Method: real kubectl against one pod of two containers: exec with its streams and
 * exit codes, attach, port-forward under parallel requests, files copied both ways; and the refusals that a user meets.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  applyText,
  ensureCluster,
  freshNamespace,
  kubeconfig,
  kubectl,
  kubectlPath,
  leaveNamespace,
  tryKubectl,
} from "./cluster.ts";
import { fetchText } from "./http.ts";
import { within } from "./process.ts";

const NS = "into-the-pod";
const MANIFEST = `
apiVersion: v1
kind: Pod
metadata: { name: web, namespace: ${NS} }
spec:
  terminationGracePeriodSeconds: 0
  containers:
    - name: web
      image: trireme.local/hello:1
      readinessProbe: { httpGet: { path: /readyz, port: 8080 }, periodSeconds: 1 }
    - name: cat
      image: trireme.local/hello:1
      command: [busybox, cat]
      stdin: true
---
apiVersion: v1
kind: Pod
metadata: { name: done, namespace: ${NS} }
spec:
  restartPolicy: Never
  containers: [{ name: done, image: "trireme.local/hello:1", command: [busybox, "true"] }]
`;
const exec = (...args: string[]) => tryKubectl(["exec", "-n", NS, "web", "-c", "web", ...args]);

describe("into the pod", () => {
  const dir = mkdtempSync(join(tmpdir(), "into-the-pod-"));
  beforeAll(async () => {
    await ensureCluster();
    await freshNamespace(NS);
    await applyText(MANIFEST);
    await kubectl("wait", "-n", NS, "--for=condition=Ready", "pod/web", "--timeout=60s");
  });
  afterAll(async () => {
    rmSync(dir, { recursive: true });
    await leaveNamespace(NS);
  });

  it("runs a command, keeps its streams apart and tells its exit code", async () => {
    const done = await exec("--", "busybox", "sh", "-c", "echo out; echo err >&2; exit 7");
    expect(done).toMatchObject({ code: 7, stdout: "out\n" });
    expect(done.stderr).toContain("err\n");
    expect(done.stderr).toContain("exit code 7");
    expect(await exec("--", "busybox", "echo", "a  b", "$HOME")).toEqual({
      code: 0,
      stdout: "a  b $HOME\n",
      stderr: "",
    });
  });

  it("pipes input to its end and output of any size", async () => {
    const input = randomBytes(300_000).toString("hex");
    const done = await tryKubectl(["exec", "-i", "-n", NS, "web", "-c", "web", "--", "busybox", "cat"], { input });
    expect(done.code).toBe(0);
    expect(done.stdout === input).toBe(true);
    const many = await exec("--", "busybox", "dd", "if=/dev/zero", "bs=1024", "count=8192");
    expect(many.stdout.length).toBe(8 * 1024 * 1024);
  });

  it("gives a terminal", async () => {
    const command = `${await kubectlPath()} exec -it -n ${NS} web -c web -- busybox tty`;
    const child = spawn("script", ["-qec", command, "/dev/null"], {
      env: { ...process.env, KUBECONFIG: await kubeconfig() },
    });
    let text = "";
    child.stdout.on("data", (piece: Buffer) => (text += piece.toString()));
    const code = await new Promise((resolve) => child.on("close", resolve));
    expect({ code, text }).toMatchObject({ code: 0, text: expect.stringMatching(/\/dev\/pts\/\d+|\/dev\/console/) });
  });

  it("attaches to what a container runs", async () => {
    const path = await kubectlPath();
    const env = { ...process.env, KUBECONFIG: await kubeconfig() };
    const child = spawn(path, ["attach", "-i", "-n", NS, "web", "-c", "cat"], { env });
    let text = "";
    child.stdout.on("data", (piece: Buffer) => (text += piece.toString()));
    child.stdin.write("said to cat\n");
    try {
      await within(10_000, "the echo comes back", () => expect(text).toBe("said to cat\n"));
    } finally {
      child.kill();
    }
  });

  it("forwards ports under ten requests at once", async () => {
    const env = { ...process.env, KUBECONFIG: await kubeconfig() };
    const child = spawn(await kubectlPath(), ["port-forward", "-n", NS, "pod/web", ":8080"], { env });
    let text = "";
    child.stdout.on("data", (piece: Buffer) => (text += piece.toString()));
    try {
      const port = await within(10_000, "a port is forwarded", () => /127\.0\.0\.1:(\d+) ->/.exec(text)![1]!);
      const answers = await Promise.all(Array.from({ length: 10 }, () => fetchText(`http://127.0.0.1:${port}/`)));
      expect(answers.map((answer) => answer.trim())).toEqual(Array(10).fill("web"));
    } finally {
      child.kill();
    }
  });

  it("copies files both ways", async () => {
    const bytes = randomBytes(3_000_000);
    writeFileSync(join(dir, "up"), bytes);
    await kubectl("cp", "-n", NS, "-c", "web", join(dir, "up"), "web:/tmp/file");
    await kubectl("cp", "-n", NS, "-c", "web", "web:/tmp/file", join(dir, "down"));
    expect(readFileSync(join(dir, "down")).equals(bytes)).toBe(true);
    mkdirSync(join(dir, "tree/deep"), { recursive: true });
    writeFileSync(join(dir, "tree/a"), "one");
    writeFileSync(join(dir, "tree/deep/b"), "two");
    await kubectl("cp", "-n", NS, "-c", "web", join(dir, "tree"), "web:/tmp/tree");
    await kubectl("cp", "-n", NS, "-c", "web", "web:/tmp/tree", join(dir, "copy"));
    expect(["a", "deep/b"].map((name) => readFileSync(join(dir, "copy", name), "utf8"))).toEqual(["one", "two"]);
  });

  it("says why it cannot", async () => {
    const told = async (...args: string[]): Promise<string> => {
      const done = await tryKubectl(["exec", "-n", NS, ...args, "--", "busybox", "true"]);
      expect(done.code).not.toBe(0);
      return done.stderr;
    };
    expect(await told("nobody")).toContain('pods "nobody" not found');
    expect(await told("web", "-c", "nobody")).toMatch(/container nobody (is not valid for|not found in) pod web/);
    expect(await told("done")).toMatch(/completed pod|not running/);
    const missing = await exec("--", "no-such-program");
    expect(missing.code).not.toBe(0);
    expect(missing.stderr).toContain("no-such-program");
  });
});
