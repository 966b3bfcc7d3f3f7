import { type SpawnOptions, spawn } from "node:child_process";
import { TriremeError } from "@trireme/base";

/** How a command ended. */
export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Output kept of one command: enough for any answer that we parse. */
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/** Runs a program to its end with `input` on its stdin; answers its exit code and output. */
export function run(command: readonly string[], input = "", options: SpawnOptions = {}): Promise<CommandResult> {
  const [program = "", ...argv] = command;
  return new Promise((resolve, reject) => {
    const child = spawn(program, argv, { ...options, stdio: ["pipe", "pipe", "pipe"] });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    let size = 0;
    const keep = (into: Buffer[]) => (data: Buffer) => {
      size += data.length;
      if (size <= MAX_OUTPUT_BYTES) into.push(data);
    };
    child.stdout?.on("data", keep(out));
    child.stderr?.on("data", keep(err));
    child.on("error", (cause) => {
      reject(new TriremeError("InternalError", `${program} cannot run: ${cause.message}`, { cause }));
    });
    child.on("close", (code, signal) => {
      resolve({
        code: code ?? (signal === null ? 1 : 128),
        stdout: Buffer.concat(out).toString(),
        stderr: Buffer.concat(err).toString(),
      });
    });
    // A program that ends without reading its input is judged by its exit code.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(input);
  });
}

/** Like {@link run}, but any exit code other than 0 is an error that shows the program's own words. */
export async function runOk(command: readonly string[], input = ""): Promise<string> {
  const result = await run(command, input);
  if (result.code === 0) return result.stdout;
  const words = result.stderr.trim() || result.stdout.trim() || `exit code ${result.code}`;
  throw new TriremeError("InternalError", `${command.slice(0, 3).join(" ")} failed: ${words}`);
}

/** Runs a shell script that stops at the first failing command. */
export async function runScript(script: string): Promise<void> {
  if (script !== "") await runOk(["sh", "-e"], script);
}
