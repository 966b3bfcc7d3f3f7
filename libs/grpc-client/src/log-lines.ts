/** A line of a log and the time that the runtime gave it. */
export interface LogLine {
  /** RFC 3339, in nanoseconds. */
  readonly time: string;
  readonly text: string;
}

/**
 * Reads a log whose lines carry their times, over several connections. Pure. After a break the log is asked for again from
 * `resumeFromMs`; lines that were read before are left out, counted by their time, so that none is told twice or lost
 * even if several share one nanosecond.
 */
export class LogLines {
  private rest: Buffer = Buffer.alloc(0);
  private last = "";
  /** Lines read of the time `last`. */
  private read = 0;
  /** Lines of the time `last` that the present connection has shown. */
  private seen = 0;

  /** Reads a piece; answers the whole lines that are new. */
  push(data: Buffer): LogLine[] {
    let bytes = this.rest.length === 0 ? data : Buffer.concat([this.rest, data]);
    const lines: LogLine[] = [];
    for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE)) {
      this.take(bytes.toString("utf8", 0, at), lines);
      bytes = bytes.subarray(at + 1);
    }
    this.rest = bytes;
    return lines;
  }

  /** The log has ended: answers its last line, if that had no end of its own. */
  end(): LogLine[] {
    const lines: LogLine[] = [];
    if (this.rest.length > 0) this.take(this.rest.toString(), lines);
    this.rest = Buffer.alloc(0);
    return lines;
  }

  /** The connection broke: what follows comes from a new one. Half a line is read again. */
  restart(): void {
    this.rest = Buffer.alloc(0);
    this.seen = 0;
  }

  /** Where to go on reading, in milliseconds since the epoch; undefined while nothing was read. */
  resumeFromMs(): number | undefined {
    return this.last === "" ? undefined : Date.parse(`${this.last.slice(0, MILLISECONDS)}Z`);
  }

  private take(line: string, into: LogLine[]): void {
    const space = line.indexOf(" ");
    const time = padded(line.slice(0, space));
    const text = line.slice(space + 1);
    // Times only grow, so whatever is before the last line that was read was read as well.
    if (time < this.last) return;
    if (time === this.last) {
      this.seen += 1;
      if (this.seen <= this.read) return;
      this.read = this.seen;
    } else {
      this.last = time;
      this.read = 1;
      this.seen = 1;
    }
    into.push({ time: `${time}Z`, text });
  }
}

const NEWLINE = 0x0a;
const SECONDS = "2026-01-01T00:00:00".length;
const MILLISECONDS = SECONDS + 4;
const NANOSECONDS = SECONDS + 10;

/** A time in UTC with all nine digits of its second, so that times compare as texts; runtimes leave out zeros. */
function padded(time: string): string {
  const whole = time.replace(/(Z|\+00:00)$/, "");
  const point = whole.length > SECONDS ? whole : `${whole}.`;
  return point.padEnd(NANOSECONDS, "0");
}
