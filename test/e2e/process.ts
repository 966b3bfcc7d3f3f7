import { spawn } from "node:child_process";

/** What a finished command left behind. */
export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly timeoutMs?: number;
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** Runs a command to its end; a command that outlives `timeoutMs` (default 60 s) is killed and told as code 124. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    let stdout = "";
    let stderr = "";
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill("SIGKILL");
    }, options.timeoutMs ?? 60_000);
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      resolve({ code: timedOut ? 124 : (code ?? (signal === null ? 1 : 128)), stdout, stderr });
    });
    child.stdin.on("error", () => undefined).end(options.input ?? "");
  });
}

/** Like {@link run}, but a non-zero exit is an error that shows the command and all that it printed. */
export async function must(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const done = await run(command, args, options);
  if (done.code !== 0) {
    throw new Error(`${command} ${args.join(" ")}: exit ${done.code}\n${done.stdout}\n${done.stderr}`);
  }
  return done.stdout;
}

/**
 * Asks `probe` until it answers without throwing, and fails with its last error after `timeoutMs`. This is how a test
 * states a bound on liveness; it never waits longer than the world needs.
 */
export async function within<T>(timeoutMs: number, what: string, probe: () => Promise<T> | T): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    try {
      return await probe();
    } catch (error) {
      if (performance.now() > deadline) {
        throw new Error(`not within ${timeoutMs} ms: ${what}: ${(error as Error).message}`, { cause: error });
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Throws unless the condition holds: for use inside {@link within}. */
export function expectThat(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}
