import { expect, it } from "vitest";
import { FAMILIES, createProgram } from "./program.ts";

it("knows the names of the commands of each family without loading it", async () => {
  for (const { names, load } of FAMILIES) {
    expect((await load()).map((command) => command.name()).toSorted()).toEqual(names.toSorted());
  }
});

it("has the command that was typed, or all of them", async () => {
  const named = async (word?: string): Promise<string[]> =>
    (await createProgram(word)).commands.map((command) => command.name());
  expect(await named("down")).toEqual(["down"]);
  expect(await named("server")).toEqual(["server", "agent"]);
  const all = FAMILIES.flatMap(({ names }) => names).toSorted();
  for (const word of ["help", "--help", "statsu", undefined]) expect((await named(word)).toSorted()).toEqual(all);
});
