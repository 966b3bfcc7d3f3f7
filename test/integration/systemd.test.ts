import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { run } from "../e2e/process.ts";

// Goal: the units of deploy/systemd start what deploy/README.md says, and systemd takes them. Method: they are read as systemd
// reads them and, where its verifier is there, given to it with the paths of this clone.

const ROOT = join(import.meta.dirname, "../..");
const UNITS = join(ROOT, "deploy/systemd");
const VERIFIER = "/usr/bin/systemd-analyze";
const dir = mkdtempSync(join(tmpdir(), "units-"));
afterAll(() => rmSync(dir, { recursive: true }));

/** Settings of a unit by section, `Section.Key`; throws for a line that is none. */
function parseUnit(text: string): Map<string, string> {
  const settings = new Map<string, string>();
  let section = "";
  for (const line of text.split("\n").filter((each) => each.trim() !== "" && !each.startsWith("#"))) {
    const head = /^\[(\w+)\]$/.exec(line)?.[1];
    const [, key, value] = /^(\w+)=(.*)$/.exec(line) ?? [];
    if (head !== undefined) section = head;
    else if (key !== undefined && section !== "") settings.set(`${section}.${key}`, value ?? "");
    else throw new Error(`no line of a unit: ${line}`);
  }
  return settings;
}

describe("units of systemd", () => {
  const files = readdirSync(UNITS).filter((file) => file.endsWith(".service"));

  it("are there for servers and nodes", () => {
    expect(files.toSorted()).toEqual(["trireme-agent.service", "trireme-server.service"]);
  });

  it.each(files)(
    "%s runs a command of ours in the foreground, with a file of settings, and starts it again",
    (file) => {
      const unit = parseUnit(readFileSync(join(UNITS, file), "utf8"));
      const what = /trireme-(\w+)/.exec(file)![1]!;
      expect(unit.get("Service.ExecStart")).toBe(`/opt/trireme/tri ${what}`);
      expect(unit.get("Service.EnvironmentFile")).toBe(`/etc/trireme/${what}.env`);
      expect(unit.get("Service.Restart")).toBe("always");
      // Stopping an agent stops no container; stopping a server stops all of it.
      expect(unit.get("Service.KillMode")).toBe(what === "agent" ? "process" : "control-group");
      expect(unit.get("Install.WantedBy")).toBe("multi-user.target");
    },
  );

  it.runIf(existsSync(VERIFIER)).each(files)("%s passes systemd's own verifier", async (file) => {
    const text = readFileSync(join(UNITS, file), "utf8").replaceAll("/opt/trireme", ROOT);
    writeFileSync(join(dir, file), text);
    const done = await run(VERIFIER, ["verify", "--man=no", "--recursive-errors=no", join(dir, file)]);
    expect(done.stderr).toBe("");
    expect(done.code).toBe(0);
  });
});
