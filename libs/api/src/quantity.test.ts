import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Quantity, isQuantity, parseQuantity } from "./quantity.ts";

describe("parseQuantity", () => {
  it.each([
    ["0", "0", 0, 0],
    ["1", "1", 1000, 1],
    ["250m", "250m", 250, 1],
    ["0.5", "500m", 500, 1],
    ["1.5", "1500m", 1500, 2],
    ["1000m", "1", 1000, 1],
    ["1000", "1k", 1_000_000, 1000],
    ["1e3", "1e3", 1_000_000, 1000],
    ["1E", "1E", 1e21, 1e18],
    ["12E2", "1200", 1_200_000, 1200],
    ["64Mi", "64Mi", 67_108_864_000, 67_108_864],
    ["1.5Gi", "1536Mi", 1_610_612_736_000, 1_610_612_736],
    ["1024Mi", "1Gi", 1_073_741_824_000, 1_073_741_824],
    ["0.5Ki", "512", 512_000, 512],
    ["128M", "128M", 128_000_000_000, 128_000_000],
    ["-5m", "-5m", -5, -1],
    ["+2", "2", 2000, 2],
    [".5", "500m", 500, 1],
    ["1.", "1", 1000, 1],
    ["0.0000000001", "1n", 1, 1],
    ["100u", "100u", 1, 1],
  ])("%s prints as %s", (text, printed, milli, value) => {
    const quantity = parseQuantity(text);
    expect([quantity.toString(), quantity.milli, quantity.value]).toEqual([printed, milli, value]);
    expect(isQuantity(text)).toBe(true);
  });

  it("takes numbers", () => {
    expect(parseQuantity(2).milli).toBe(2000);
    expect(parseQuantity(0.1).milli).toBe(100);
  });

  it.each(["", "m", ".", "1x", "1 Gi", "Gi", "1.5.2", "0x10", "1e", "--1", "NaN", "1kk"])(
    "refuses %j by name",
    (text) => {
      expect(() => parseQuantity(text)).toThrow(`"${text}"`);
      expect(isQuantity(text)).toBe(false);
    },
  );

  it("caps at 64 bits, however large the exponent", () => {
    expect(parseQuantity("9e999999").cmp(parseQuantity("9223372036854775807"))).toBe(0);
    expect(parseQuantity("1e-999999").toString()).toBe("1e-9");
  });

  it("adds, subtracts and compares exactly, and its text parses back", () => {
    const decimal = fc.tuple(
      fc.integer({ min: -1e9, max: 1e9 }),
      fc.constantFrom("", "m", "k", "M", "Ki", "Mi", "Gi", "e3"),
    );
    fc.assert(
      fc.property(decimal, decimal, ([a, sa], [b, sb]) => {
        const x = parseQuantity(`${a}${sa}`);
        const y = parseQuantity(`${b}${sb}`);
        expect(x.add(y).sub(y).cmp(x)).toBe(0);
        expect(parseQuantity(x.toString()).cmp(x)).toBe(0);
        expect(x.cmp(y)).toBe(-y.cmp(x) + 0);
      }),
    );
    expect(Quantity.ofMilli(1500).toString()).toBe("1500m");
    expect(Quantity.of(3).add(parseQuantity("1Ki")).toString()).toBe("1027");
  });
});
