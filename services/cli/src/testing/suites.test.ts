import { expect, it } from "vitest";
import { type Show, type Suite, runSuites } from "./suites.ts";

const tallyOf = (suite: string) => ({ suite, passed: 1, failed: 0, skipped: 0, seconds: 0, failures: [] });

it("runs a suite beside the one that it names, and shows what it says at its own turn", async () => {
  const events: string[] = [];
  let release = (): void => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  const suites: Suite[] = [
    { name: "first", help: "-", run: async () => (events.push("first"), tallyOf("first")) },
    {
      name: "second",
      help: "-",
      run: async () => {
        events.push("second");
        release();
        return tallyOf("second");
      },
    },
    {
      name: "beside",
      help: "-",
      beside: "second",
      ci: ["--ci"],
      run: async (_root, extra, show: Show = () => undefined) => {
        events.push(`beside ${extra.join(" ")}`);
        show("said early\n");
        await held;
        return tallyOf("beside");
      },
    },
  ];
  let shown = "";
  const tallies = await runSuites("/", suites, (text) => (shown += text.toString()));
  expect(tallies.map(({ suite }) => suite)).toEqual(["first", "second", "beside"]);
  expect(events).toEqual(["first", "beside --ci", "second"]);
  expect(shown).toBe("\n== first: -\n\n== second: -\n\n== beside: -\nsaid early\n");
});

it("fails at the turn of a suite that failed beside another", async () => {
  const suites: Suite[] = [
    { name: "one", help: "-", run: async () => tallyOf("one") },
    { name: "two", help: "-", beside: "one", run: () => Promise.reject(new Error("no bash")) },
  ];
  await expect(runSuites("/", suites, () => undefined)).rejects.toThrow("no bash");
});
