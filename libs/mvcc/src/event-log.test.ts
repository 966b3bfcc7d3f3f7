import { describe, expect, it } from "vitest";
import { EventLog } from "./event-log.ts";
import type { Version } from "./version.ts";

const VALUE = new Uint8Array(0);

function event(modRevision: number): Version {
  return { key: "a", value: VALUE, createRevision: 1, modRevision, version: 1, lease: 0n, sub: 0, prev: undefined };
}

describe("EventLog", () => {
  it("holds every event but those that were dropped, whenever it lets memory go", () => {
    const log = new EventLog();
    for (let revision = 0; revision < 4000; revision++) log.append(event(revision));
    const wrong: number[] = [];
    for (let dropped = 0; dropped < 4000; dropped++) {
      const right =
        log.length === 4000 - dropped && log.at(0)?.modRevision === dropped && log.find(3999) === 3999 - dropped;
      if (!right) wrong.push(dropped);
      log.shift();
    }
    expect(wrong).toEqual([]);
    expect([log.length, log.at(0), log.find(1)]).toEqual([0, undefined, 0]);
    log.append(event(5000));
    expect([log.length, log.at(0)?.modRevision, log.find(5001)]).toEqual([1, 5000, 1]);
  });
});
