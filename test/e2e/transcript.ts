/**
 * Transcripts: golden sessions of a shell, in which `kubectl` is each of its releases in turn.
 *
 *     ## a comment
 *     $ kubectl create configmap a --from-literal=x=1
 *     configmap/a created
 *
 *     $ kubectl get pod none
 *     Error from server (NotFound): pods "none" not found
 *     [exit 1]
 *
 * Lines after a command that start with `> ` continue it. What follows is all that it prints, up to the next command or
 * comment; lines that only one release prints start with its number, as in `1.32| `. What differs from run to run is
 * written as {@link normalised} says. With UPDATE=1 in the environment the file is rewritten, and its diff is reviewed.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { run } from "./process.ts";

/** One command of a transcript: the comments before it, what was typed, and what the releases printed. */
interface Step {
  readonly before: readonly string[];
  readonly typed: readonly string[];
  readonly printed: readonly string[];
}

/** A session of one release of kubectl. */
export interface Session {
  readonly release: string;
  /** What the commands find in their environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Names that differ between sessions, and what a transcript calls them. */
  readonly names: ReadonlyMap<string, string>;
}

/** What a transcript expects of a release beside what it printed, both as text to compare. */
export interface Comparison {
  readonly release: string;
  readonly expected: string;
  readonly actual: string;
}

/** A command that takes longer hangs: none here waits for more than its own, shorter timeout. */
const COMMAND_TIMEOUT_MS = 45_000;

/** Types a transcript into each session, side by side, and compares what they print with what it says. */
export async function runTranscript(path: string, sessions: readonly Session[]): Promise<Comparison[]> {
  const steps = parse(readFileSync(path, "utf8"));
  const outputs = await Promise.all(sessions.map((session) => play(steps, session)));
  if (process.env["UPDATE"] === "1") writeFileSync(path, render(steps, sessions, outputs));
  return sessions.map(({ release }, i) => ({
    release,
    expected: told(steps, (step) => expectedOf(step, release)),
    actual: told(steps, (step) => outputs[i]!.get(step)!),
  }));
}

function parse(text: string): Step[] {
  const lines = text.trimEnd().split("\n");
  const steps: Step[] = [];
  let at = 0;
  const take = (accept: (line: string) => boolean): string[] => {
    const from = at;
    while (at < lines.length && accept(lines[at]!)) at += 1;
    return lines.slice(from, at);
  };
  while (at < lines.length) {
    const before = take((line) => line === "" || line.startsWith("## "));
    const typed = [lines[at++] ?? "", ...take((line) => line.startsWith("> "))];
    const printed = take((line) => !line.startsWith("$ ") && !line.startsWith("## "));
    steps.push({ before: trimmed(before), typed, printed: trimmed(printed) });
  }
  return steps;
}

async function play(steps: readonly Step[], session: Session): Promise<Map<Step, readonly string[]>> {
  const printed = new Map<Step, readonly string[]>();
  for (const step of steps) {
    const command = step.typed.map((line) => line.slice(2)).join("\n");
    const { code, stdout } = await run("bash", ["-c", `{ ${command}\n} 2>&1`], {
      env: session.env,
      timeoutMs: COMMAND_TIMEOUT_MS,
    });
    const lines = normalised(stdout, session.names).split("\n");
    printed.set(step, [...trimmed(lines), ...(code === 0 ? [] : [`[exit ${code}]`])]);
  }
  return printed;
}

/**
 * Output without what differs from run to run: the session's own names, addresses, ports, uids, versions, times, ages
 * of seconds and minutes (`AGE`) and generated name parts (`HASH`, `RAND`). Columns keep their order, not their width.
 */
function normalised(text: string, names: ReadonlyMap<string, string>): string {
  let out = text;
  for (const [name, called] of names) out = out.replaceAll(name, called);
  return (
    out
      // First, since its digits may look like a generated name.
      .replaceAll(/\/tmp\/(?:LIVE|MERGED|kubectl-edit)-\d+/g, (match) => match.replace(/\d+$/, "N"))
      .replaceAll(/\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, "UID")
      .replaceAll(/\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z| [+-]\d{4})/g, "TIME")
      .replaceAll(/\b[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}/g, "TIME")
      .replaceAll(/\b(?:\d{1,3}\.){3}\d{1,3}\b/g, "IP")
      .replaceAll(/(?<=:)3\d{4}(?=\/)/g, "PORT")
      .replaceAll(/(?<=[rR]esource ?[vV]ersion"?: +)"?\d+"?/g, "VERSION")
      .replaceAll(/-[bcdf-hj-np-tv-z2-9]{8,10}(?=-[bcdf-hj-np-tv-z2-9]{5}\b)/g, "-HASH")
      .replaceAll(/(?<=[-=])[bcdf-hj-np-tv-z2-9]{7,10}\b/g, "HASH")
      .replaceAll(/(?<=[-/])(?=[a-z0-9]*\d|[^aeiou\d]{5}\b)[bcdf-hj-np-tv-z2-9]{5}\b/g, "RAND")
      .replaceAll(/\b(?:\d+m)?\d{1,3}s(?=\s|$|\))/gm, "AGE")
      // An age of whole minutes has no seconds; a quantity of CPU looks the same.
      .replaceAll(/(?<!cpu: *|\d)\b\d{1,3}m(?=\s|$|\))/gm, "AGE")
      .replaceAll(/ +$/gm, "")
      .replaceAll(/(?<=\S) {2,}/g, "  ")
  );
}

function expectedOf({ printed }: Step, release: string): string[] {
  return printed.flatMap((line) => {
    const own = /^(\d\.\d+)\| ?(.*)$/.exec(line);
    if (own === null) return [line];
    return own[1] === release ? [own[2]!] : [];
  });
}

function told(steps: readonly Step[], printed: (step: Step) => readonly string[]): string {
  return steps.map((step) => [...step.typed, ...printed(step), ""].join("\n")).join("\n");
}

function render(
  steps: readonly Step[],
  sessions: readonly Session[],
  outputs: readonly Map<Step, readonly string[]>[],
): string {
  const lines = steps.flatMap((step) => {
    const printed = outputs.map((output) => output.get(step)!);
    return [...step.before, ...step.typed, ...merged(sessions, printed), ""];
  });
  return lines.join("\n");
}

/** What all releases printed, line by line, each line that some did not under the numbers of those that did. */
function merged(sessions: readonly Session[], printed: readonly (readonly string[])[]): string[] {
  const at = printed.map(() => 0);
  const out: string[] = [];
  const alone = (i: number, upTo: number): void => {
    for (; at[i]! < upTo; at[i]! += 1) out.push(`${sessions[i]!.release}| ${printed[i]![at[i]!]!}`.trimEnd());
  };
  for (const [line, text] of printed[0]!.entries()) {
    const places = printed.map((lines, i) => lines.indexOf(text, at[i]));
    if (line < at[0]! || places.includes(-1)) continue;
    for (const [i, place] of places.entries()) alone(i, place);
    out.push(text);
    for (const [i, place] of places.entries()) at[i] = place + 1;
  }
  for (const [i, lines] of printed.entries()) alone(i, lines.length);
  return out;
}

function trimmed(lines: readonly string[]): string[] {
  const last = lines.findLastIndex((line) => line !== "");
  return lines.slice(0, last + 1);
}
