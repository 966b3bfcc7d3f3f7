import { readdirSync } from "node:fs";
import { runScript } from "@trireme/testkit";
import { describe, expect, it } from "vitest";
import { Interaction } from "./interaction.ts";

// Goal: each rule of the core, and each known bug of others, is told by a script whose whole trace is reviewed.
// Method: golden files; UPDATE=1 rewrites them.
const FOLDER = new URL("../testdata/", import.meta.url);
const scripts = readdirSync(FOLDER).filter((name) => name.endsWith(".txt"));

describe("golden scripts", () => {
  it("are there", () => expect(scripts.length).toBeGreaterThan(15));
  it.each(scripts)("%s", (name) => {
    const world = new Interaction();
    const { expected, actual } = runScript(new URL(name, FOLDER).pathname, (command) => world.execute(command));
    expect(actual).toBe(expected);
  });
});
