import { describe, expect, it } from "vitest";
import { ServerOrder } from "./server-order.ts";

describe("ServerOrder", () => {
  it("stays with a server until it fails, and then with the next", () => {
    const order = new ServerOrder(3);
    expect(order.order()).toEqual([0, 1, 2]);
    order.failed(0);
    expect(order.order()).toEqual([1, 2, 0]);
    order.answered(1);
    order.failed(0);
    expect(order.order()).toEqual([1, 2, 0]);
  });

  it("moves once for many calls that fail together", () => {
    const order = new ServerOrder(3);
    for (let i = 0; i < 5; i++) order.failed(0);
    expect(order.order()[0]).toBe(1);
  });
});
