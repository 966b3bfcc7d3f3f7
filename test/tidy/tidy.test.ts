/**
 * Goal: the rules of the house hold in every file. Method: each rule is a pure function over file texts; it runs on the
 * whole checkout, and beside it on a planted violation, since a rule that sees no file passes too.
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { checkLinks, checkName, checkTopLevel, checkVersions, dependenciesOf } from "./house.ts";
import { checkLayers, importsOf } from "./layers.ts";
import { ROOT, type Violation, readRepo } from "./repo.ts";

const files = readRepo();
const sources = files.filter((file) => file.path.endsWith(".ts"));
const manifests = files.filter((file) => file.path.endsWith("package.json"));
const declared = new Map(
  manifests.map((file) => [file.path.replace(/\/?package\.json$/, ""), new Set(dependenciesOf(file).keys())]),
);

const told = (violations: readonly Violation[]): string[] =>
  violations.map((violation) => `${violation.path}: [${violation.rule}] ${violation.message}`);

const plant = (path: string, text: string): string[] => checkLayers({ path, text }).map((violation) => violation.rule);

describe("layers", () => {
  it("hold in the repository", () => {
    expect(sources.length).toBeGreaterThan(50);
    const found = sources.flatMap((file) =>
      checkLayers(file, declared.get(file.path.split("/").slice(0, 2).join("/"))),
    );
    expect(told(found)).toEqual([]);
  });

  it.each([
    ["libs/raft/src/x.ts", `import { readFile } from "node:fs";`, "purity"],
    ["libs/mvcc/src/x.ts", `const t = Date.now();`, "purity"],
    ["libs/scheduling/src/x.ts", `const r = Math.random();`, "purity"],
    ["services/controllers/src/deployment/decide.ts", `setTimeout(f, 1);`, "purity"],
    ["libs/api/src/x.ts", `import { X } from "@trireme/client";`, "layers"],
    ["libs/client/src/x.ts", `import { X } from "@trireme/apiserver";`, "layers"],
    ["services/scheduler/src/x.ts", `import { X } from "@trireme/apiserver";`, "layers"],
    ["services/dns/src/x.ts", `import {\n  X,\n  Y,\n} from "@trireme/node-agent";`, "layers"],
    ["services/dns/src/x.ts", `import { X } from "@trireme/api/src/x.ts";`, "inside"],
    ["services/dns/src/x.ts", `import { X } from "../../cli/src/x.ts";`, "inside"],
    ["services/dns/src/x.ts", `const m = await import("nats");`, "isolation"],
    ["libs/controller/src/x.ts", `import { Registry } from "prom-client";`, "isolation"],
    ["services/dns/src/x.ts", `import { X } from "@trireme/testkit";`, "layers"],
    ["libs/raft/src/x.ts", `import { X } from "../testing/sim.ts";`, "layers"],
  ])("catch a planted violation in %s: %s", (path, text, rule) => {
    expect(plant(path, text)).toContain(rule);
  });

  it("let through what is allowed", () => {
    expect(plant("libs/raft/src/x.ts", `import { assert } from "@trireme/base"; // not Date.now()`)).toEqual([]);
    expect(plant("services/control/src/x.ts", `import { createApiserver } from "@trireme/apiserver";`)).toEqual([]);
    expect(plant("libs/bus/src/x.ts", `import { connect } from "nats";`)).toEqual([]);
    expect(plant("services/dns/src/zone/x.ts", `import { X } from "../records.ts";`)).toEqual([]);
  });

  it("see every form of import", () => {
    const text = `import a from "a";\nimport type { B } from "b";\nexport * from "c";\nimport "d";\nawait import("e");`;
    expect(importsOf(text)).toEqual(["a", "b", "c", "d", "e"]);
  });

  it("name a dependency that the package does not declare", () => {
    const found = checkLayers({ path: "libs/base/src/x.ts", text: `import x from "left-pad";` }, new Set());
    expect(found.map((violation) => violation.rule)).toContain("declared");
  });
});

describe("the house", () => {
  it("pins every dependency, at one version", () => {
    expect(manifests.length).toBeGreaterThan(20);
    expect(told(checkVersions(manifests))).toEqual([]);
    const two = [
      { path: "a/package.json", text: `{"dependencies":{"x":"1.0.0","y":"^1.0.0"}}` },
      { path: "b/package.json", text: `{"dependencies":{"x":"1.0.1"}}` },
    ];
    expect(checkVersions(two).map((violation) => violation.rule)).toEqual(["pinned", "one version"]);
  });

  it("names files by their job, in kebab case", () => {
    expect(told(sources.flatMap((file) => checkName(file.path)))).toEqual([]);
    expect([...checkName("libs/x/src/utils.ts"), ...checkName("libs/x/src/FooBar.ts")]).toHaveLength(2);
  });

  it("has no dead links in its documents", () => {
    const documents = files.filter((file) => file.path.endsWith(".md"));
    expect(documents.length).toBeGreaterThan(3);
    const exists = (path: string): boolean => existsSync(join(ROOT, path));
    expect(told(documents.flatMap((file) => checkLinks(file, exists)))).toEqual([]);
    expect(checkLinks({ path: "README.md", text: "[x](nowhere.md)" }, exists)).toHaveLength(1);
  });

  it("keeps the top level as the design fixes it", () => {
    const tracked = execFileSync("git", ["ls-files"], { cwd: ROOT, encoding: "utf8" }).split("\n");
    const entries = [...new Set(tracked.filter(Boolean).map((path) => path.split("/")[0]!))];
    expect(told(checkTopLevel(entries))).toEqual([]);
    expect(checkTopLevel(["scripts"])).toHaveLength(1);
  });

  it("gives every package a DESIGN.md", () => {
    const packages = [...declared.keys()].filter((dir) => /^(libs|services)\//.test(dir));
    expect(packages.filter((dir) => !existsSync(join(ROOT, dir, "DESIGN.md")))).toEqual([]);
  });
});
