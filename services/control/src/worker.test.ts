import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { systemClock } from "@trireme/base";
import { silentLogger } from "@trireme/telemetry";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SupervisedWorker } from "./worker.ts";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "control-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

/** A worker whose program appends to a file, so that the test sees from outside what it did. */
function workerOf(name: string, body: string, argv: string[] = []): { worker: SupervisedWorker; said: () => string } {
  const program = join(dir, `${name}.mjs`);
  const out = join(dir, `${name}.out`);
  writeFileSync(out, "");
  const say = `import { appendFileSync } from "node:fs"; const say = (t) => appendFileSync(${JSON.stringify(out)}, t + ";");`;
  writeFileSync(program, `${say}\n${body}`);
  const spec = { name, program: pathToFileURL(program).href, argv };
  return { worker: new SupervisedWorker(spec, systemClock, silentLogger), said: () => readFileSync(out, "utf8") };
}

describe("a supervised worker", () => {
  it("gets its flags, and ends on SIGTERM as a process would", async () => {
    const { worker, said } = workerOf(
      "polite",
      `say(process.argv.slice(2).join()); setInterval(() => {}, 1000);
       process.once("SIGTERM", () => { say("bye"); setTimeout(() => process.exit(0), 20); });`,
      ["--name=s1", "--x"],
    );
    worker.start();
    await expect.poll(said).toBe("--name=s1,--x;");
    await worker.stop();
    expect(said()).toBe("--name=s1,--x;bye;");
    expect(worker.running).toBe(false);
  });

  it("shows the metrics of its program", async () => {
    const { worker, said } = workerOf(
      "measured",
      `globalThis[Symbol.for("trireme.registry")] = { render: async () => "a_total 1" };
       globalThis[Symbol.for("trireme.pages")] = new Map([
         ["state", async () => "b 2"], ["bad", async () => { throw new Error("planted"); }]]);
       say("up"); setInterval(() => {}, 1000); process.once("SIGTERM", () => process.exit(0));`,
    );
    await expect(worker.metrics()).rejects.toThrow("measured does not run");
    worker.start();
    await expect.poll(said).toBe("up;");
    expect(await Promise.all([worker.metrics(), worker.metrics("state")])).toEqual(["a_total 1", "b 2"]);
    await expect(worker.metrics("none")).rejects.toThrow("no such metrics");
    await expect(worker.metrics("bad")).rejects.toThrow("planted");
    await worker.stop();
  }, 10_000);

  it("is started again when it throws, in its main or later", async () => {
    const { worker, said } = workerOf("crashing", `say("up"); setTimeout(() => { throw new Error("planted"); }, 5);`);
    worker.start();
    await expect.poll(said, { timeout: 5000 }).toBe("up;up;");
    await worker.stop();
    const { worker: broken, said: brokenSaid } = workerOf("broken", `say("up"); throw new Error("planted");`);
    broken.start();
    await expect.poll(brokenSaid, { timeout: 5000 }).toBe("up;up;");
    await broken.stop();
  });

  it("is cut when it does not end", async () => {
    const { worker, said } = workerOf(
      "deaf",
      `say("up"); process.on("SIGTERM", () => {}); setInterval(() => {}, 1000);`,
    );
    worker.start();
    await expect.poll(said).toBe("up;");
    await worker.stop();
    expect(worker.running).toBe(false);
  }, 10_000);
});
