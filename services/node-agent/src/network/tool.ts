import { spawn } from "node:child_process";
import { TriremeError } from "@trireme/base";

/** A system tool that does not end within this time hangs. */
const TIMEOUT_MS = 20_000;
/** What is read of a tool's output; lists of routes and rules stay far below. */
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

/** Runs a system tool with `input` on its standard input; answers its output, or throws with what it complained of. */
export function runTool(command: string, args: readonly string[], input = ""): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"], timeout: TIMEOUT_MS });
    let out = "";
    let complaint = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      if (out.length < MAX_OUTPUT_BYTES) out += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      if (complaint.length < 4096) complaint += text;
    });
    child.stdin.on("error", () => undefined); // The tool ended before it read all; its exit code says why.
    child.on("error", (error) => reject(new TriremeError("InternalError", `cannot run ${command}`, { cause: error })));
    child.on("close", (code) => {
      if (code === 0) resolve(out);
      else reject(new TriremeError("InternalError", `${command} ${args.join(" ")} failed: ${complaint.trim()}`));
    });
    child.stdin.end(input);
  });
}

/** Whether a tool succeeded; for questions and for removals that may find nothing. */
export async function tryTool(command: string, args: readonly string[]): Promise<boolean> {
  return runTool(command, args).then(
    () => true,
    () => false,
  );
}
