import { expect, it } from "vitest";
import { readAcks } from "./lease-acks.ts";

it("reads acknowledgements, and nothing out of what is none", () => {
  expect(readAcks('{"default/web-1":7,"default/web-2":"8","x":1.5}')).toEqual({ "default/web-1": 7 });
  for (const bad of ["", "7", "null", "[", '"a"']) expect(readAcks(bad)).toEqual({});
});
