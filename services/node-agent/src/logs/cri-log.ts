/** One entry of a CRI log file: `<time> <stream> <P|F> <text>`. `partial` entries continue in the next one. */
export interface LogEntry {
  readonly time: string;
  readonly stream: string;
  readonly partial: boolean;
  readonly text: Buffer;
}

const SPACE = 0x20;

/** Reads one line of a log file, without its newline; undefined when it is none of the runtime's. */
export function parseLogLine(line: Buffer): LogEntry | undefined {
  const first = line.indexOf(SPACE);
  const second = line.indexOf(SPACE, first + 1);
  const third = line.indexOf(SPACE, second + 1);
  if (first < 0 || second < 0) return undefined;
  const end = third < 0 ? line.length : third;
  const tag = line.toString("latin1", second + 1, end);
  return {
    time: line.toString("latin1", 0, first),
    stream: line.toString("latin1", first + 1, second),
    partial: tag.startsWith("P"),
    text: third < 0 ? Buffer.alloc(0) : line.subarray(third + 1),
  };
}

/** Cuts a growing file into lines. */
export class LineSplitter {
  private rest: Buffer = Buffer.alloc(0);

  /** The whole lines that `chunk` completes, without newlines. */
  push(chunk: Buffer): Buffer[] {
    const lines: Buffer[] = [];
    let data = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    for (let at = data.indexOf(10); at >= 0; at = data.indexOf(10)) {
      lines.push(data.subarray(0, at));
      data = data.subarray(at + 1);
    }
    this.rest = Buffer.from(data);
    return lines;
  }
}
