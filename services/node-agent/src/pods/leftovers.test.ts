/**
 * Goal: what a dead agent left of pods that nobody knows goes, and nothing else does. Method: folders on disk and a set of
 * known pods.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "@trireme/telemetry";
import { afterEach, expect, it } from "vitest";
import { removeLeftovers } from "./leftovers.ts";

const logRoot = mkdtempSync(join(tmpdir(), "leftovers-"));

afterEach(() => rmSync(logRoot, { recursive: true }));

it("removes logs and volumes of unknown pods alone, and goes on when one cannot be removed", async () => {
  for (const name of ["default_a-b_uid-1", "shop_web_uid-2"]) {
    mkdirSync(join(logRoot, name, "main"), { recursive: true });
    writeFileSync(join(logRoot, name, "main", "0.log"), "x");
  }
  const removed: string[] = [];
  const volumes = {
    uids: () => Promise.resolve(["uid-1", "uid-2", "uid-3"]),
    remove: (uid: string) => {
      removed.push(uid);
      return uid === "uid-1" ? Promise.reject(new Error("busy")) : Promise.resolve();
    },
  };
  await removeLeftovers({ volumes, logRoot, isKnown: (uid) => uid === "uid-2", log: silentLogger });
  expect(removed).toEqual(["uid-1", "uid-3"]);
  expect(readdirSync(logRoot)).toEqual(["shop_web_uid-2"]);
});
