import { describe, expect, it } from "vitest";
import { LogLines } from "./log-lines.ts";

const at = (second: number, fraction: string, text: string): string =>
  `2026-11-22T10:00:0${second}${fraction === "" ? "" : `.${fraction}`}Z ${text}\n`;
const texts = (lines: LogLines, data: string): string[] => lines.push(Buffer.from(data)).map((line) => line.text);

describe("LogLines", () => {
  it("cuts pieces into lines, wherever they are cut", () => {
    const whole = at(1, "5", "one") + at(2, "", "zwei ä");
    const bytes = Buffer.from(whole);
    for (let cut = 0; cut <= bytes.length; cut++) {
      const lines = new LogLines();
      const read = [...lines.push(bytes.subarray(0, cut)), ...lines.push(bytes.subarray(cut))];
      expect(read).toEqual([
        { time: "2026-11-22T10:00:01.500000000Z", text: "one" },
        { time: "2026-11-22T10:00:02.000000000Z", text: "zwei ä" },
      ]);
    }
  });

  it("ends with a line that has no end", () => {
    const lines = new LogLines();
    expect(texts(lines, at(1, "5", "last").trimEnd())).toEqual([]);
    expect(lines.end().map((line) => line.text)).toEqual(["last"]);
    expect(lines.end()).toEqual([]);
  });

  it("goes on where it was, and tells nothing twice", () => {
    const lines = new LogLines();
    expect(lines.resumeFromMs()).toBeUndefined();
    expect(texts(lines, at(1, "1234567", "a") + at(1, "1239", "b") + at(2, "0", "ha"))).toEqual(["a", "b", "ha"]);
    expect(lines.resumeFromMs()).toBe(Date.parse("2026-11-22T10:00:02.000Z"));
    lines.restart();
    // The server goes on at the millisecond, so it says again what was before in it.
    expect(texts(lines, at(1, "1239", "b") + at(2, "", "ha") + at(2, "000000001", "new"))).toEqual(["new"]);
  });

  it("counts lines of one nanosecond", () => {
    const lines = new LogLines();
    expect(texts(lines, at(1, "5", "x") + at(1, "5", "x"))).toEqual(["x", "x"]);
    lines.restart();
    expect(texts(lines, at(1, "5", "x") + at(1, "5", "x") + at(1, "5", "x") + at(1, "6", "y"))).toEqual(["x", "y"]);
  });

  it("reads half a line again", () => {
    const lines = new LogLines();
    expect(texts(lines, `${at(1, "5", "x")}2026-11-22T10:0`)).toEqual(["x"]);
    lines.restart();
    expect(texts(lines, at(1, "5", "x") + at(1, "7", "y"))).toEqual(["y"]);
  });
});
