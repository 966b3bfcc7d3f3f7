import { afterAll, beforeAll, expect, it } from "vitest";
import { StoreHarness } from "./app-harness.ts";

const FAST = { heartbeatMs: 50, electionMs: 600 };

let harness: StoreHarness;

beforeAll(async () => {
  harness = await StoreHarness.create();
  const configs = [await harness.config("one", "127.1.2.1", FAST), await harness.config("two", "127.1.2.2", FAST)];
  const initialCluster = new Map(configs.map((each) => [each.name, `${each.address}:${each.peerPort}`]));
  for (const config of configs) await harness.start({ ...config, initialCluster });
}, 60_000);

afterAll(() => harness.close());

// B24: found by the simulation. The leader of two hands over before it goes; where it could not, it removes itself.
it("a leader that goes stays until the other of two voters knows, who could not be elected without it", async () => {
  const leaderOf = () => [...harness.apps].find(([, { replica }]) => replica.status().role === "leader");
  await expect.poll(() => leaderOf()?.[0], { timeout: 20_000 }).toBeDefined();
  const [name, { replica }] = leaderOf()!;
  const { id } = replica.store.members.list().find((member) => member.name === name)!;
  // Not by a request: the request hands over first.
  await expect
    .poll(() => replica.changeMembers({ op: "remove", id }, { $case: "memberRemove", value: { id } }), {
      timeout: 20_000,
    })
    .toMatchObject({ result: {} });
  await expect.poll(() => harness.removed, { timeout: 20_000 }).toContain(name);
  expect(harness.knownThen.get(name)).toEqual([1]);
  await expect.poll(() => leaderOf()?.[0], { timeout: 20_000 }).toBe(name === "one" ? "two" : "one");
}, 60_000);
