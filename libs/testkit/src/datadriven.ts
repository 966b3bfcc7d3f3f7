import { readFileSync, writeFileSync } from "node:fs";
import { assert } from "@trireme/base";

/** One command of a golden script: `name positional... key=value key=(a,b)`, then input lines up to `----`. */
export interface ScriptCommand {
  readonly name: string;
  readonly positional: readonly string[];
  readonly options: ReadonlyMap<string, readonly string[]>;
  readonly input: string;
  /** The line number of the command, for error messages. */
  readonly line: number;
}

/** What a script says and what the program answered, both as the whole file's text. */
export interface ScriptOutcome {
  readonly expected: string;
  readonly actual: string;
}

const SEPARATOR = "----";

/**
 * Runs a golden script (the format of cockroachdb/datadriven, as etcd's Raft tests use it) and returns the file as it is
 * beside the file as it should be: the test compares the two. A script is a sequence of
 *
 *     # comment
 *     command argument key=value
 *     optional input
 *     ----
 *     expected output, up to the next blank line
 *
 * With UPDATE=1 in the environment the file is rewritten, and the diff is reviewed like code. An empty output is written
 * as `ok`, and blank lines inside an output are dropped, so that the next blank line always ends it.
 */
export function runScript(path: string, execute: (command: ScriptCommand) => string): ScriptOutcome {
  const expected = readFileSync(path, "utf8");
  const actual = rewriteScript(expected, path, execute);
  if (process.env["UPDATE"] !== "1" || actual === expected) return { expected, actual };
  writeFileSync(path, actual);
  return { expected: actual, actual };
}

/** The script's text with every output replaced by what `execute` answers. */
export function rewriteScript(text: string, path: string, execute: (command: ScriptCommand) => string): string {
  const lines = text.split("\n");
  const out: string[] = [];
  let at = 0;
  while (at < lines.length) {
    const line = lines[at]!;
    if (line.trim() === "" || line.startsWith("#")) {
      out.push(line);
      at += 1;
      continue;
    }
    const start = at;
    while (at < lines.length && lines[at] !== SEPARATOR) {
      assert(lines[at]!.trim() !== "", `${path}:${start + 1}: a command ends with a line of ${SEPARATOR}`);
      at += 1;
    }
    assert(at < lines.length, `${path}:${start + 1}: a command ends with a line of ${SEPARATOR}`);
    const command = parseCommand(line, lines.slice(start + 1, at).join("\n"), start + 1);
    out.push(...lines.slice(start, at), SEPARATOR);
    at += 1;
    while (at < lines.length && lines[at]!.trim() !== "") at += 1;
    const answer = execute(command)
      .split("\n")
      .filter((row) => row.trim() !== "");
    out.push(...(answer.length === 0 ? ["ok"] : answer));
  }
  return out.join("\n");
}

function parseCommand(text: string, input: string, line: number): ScriptCommand {
  const [name = "", ...words] = text.trim().split(/\s+/);
  const positional: string[] = [];
  const options = new Map<string, readonly string[]>();
  for (const word of words) {
    const equals = word.indexOf("=");
    if (equals === -1) {
      positional.push(word);
      continue;
    }
    const value = word.slice(equals + 1);
    const list = value.startsWith("(") && value.endsWith(")") ? value.slice(1, -1).split(",") : [value];
    options.set(
      word.slice(0, equals),
      list.filter((item) => item !== ""),
    );
  }
  return { name, positional, options, input, line };
}
