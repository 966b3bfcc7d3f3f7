import { TriremeError } from "@trireme/base";

/** Cuts a byte stream into lines, however it is chunked; a line that grows past the bound fails the stream. */
export class LineSplitter {
  private readonly maxBytes: number;
  private rest: Buffer[] = [];
  private restBytes = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** Lines that this chunk completes, without their newline; empty lines are left out. */
  push(chunk: Buffer): string[] {
    const lines: string[] = [];
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      const piece = chunk.subarray(start, end);
      const line = this.rest.length === 0 ? piece : Buffer.concat([...this.rest, piece]);
      this.rest = [];
      this.restBytes = 0;
      if (line.length > 0) lines.push(line.toString("utf8"));
      start = end + 1;
    }
    if (start < chunk.length) {
      this.rest.push(chunk.subarray(start));
      this.restBytes += chunk.length - start;
      if (this.restBytes > this.maxBytes) {
        throw new TriremeError("RequestEntityTooLarge", `a line of the watch is longer than ${this.maxBytes} bytes`);
      }
    }
    return lines;
  }
}
