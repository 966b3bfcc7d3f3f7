import { real } from "./real-time.ts";

/** On a terminal a line is rewritten this often, elsewhere a new one says now and then that work goes on. */
const TERMINAL_MS = 250;
const ELSEWHERE_MS = 20_000;

/** Says how far something is, on stderr, which nobody counts. */
export class Progress {
  private readonly isTerminal = process.stderr.isTTY === true;
  private last = real.monotonic();

  say(text: string): void {
    const now = real.monotonic();
    if (now - this.last < (this.isTerminal ? TERMINAL_MS : ELSEWHERE_MS)) return;
    this.last = now;
    process.stderr.write(this.isTerminal ? `\r\u001B[K${text}` : `${text}\n`);
  }

  /** Nothing more: the line is cleared for what comes. */
  end(): void {
    if (this.isTerminal) process.stderr.write("\r\u001B[K");
  }
}
