import { expect, it } from "vitest";
import { rewriteScript } from "./datadriven.ts";
import type { ScriptCommand } from "./datadriven.ts";

const SCRIPT = `# a comment

add 1 2 by=(3,4)
more
input
----
stale answer
of two lines

quiet
----
`;

it("hands over commands and replaces outputs, keeping everything else", () => {
  const seen: ScriptCommand[] = [];
  const text = rewriteScript(SCRIPT, "test.txt", (command) => {
    seen.push(command);
    return command.name === "add" ? "first\n\nsecond" : "";
  });
  expect(text).toBe(SCRIPT.replace("stale answer\nof two lines", "first\nsecond").replace(/----\n$/, "----\nok\n"));
  expect(seen[0]).toEqual({
    name: "add",
    positional: ["1", "2"],
    options: new Map([["by", ["3", "4"]]]),
    input: "more\ninput",
    line: 3,
  });
});

it("is stable: a second run changes nothing", () => {
  const once = rewriteScript(SCRIPT, "test.txt", ({ name }) => name);
  expect(rewriteScript(once, "test.txt", ({ name }) => name)).toBe(once);
});

it("names the line of a command without a separator", () => {
  expect(() => rewriteScript("a\n\nb\n", "bad.txt", () => "")).toThrow("bad.txt:1");
});
