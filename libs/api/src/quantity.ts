/**
 * Resource quantities such as `250m`, `1.5Gi` or `1e3`: exact arithmetic and the canonical text that Kubernetes prints
 * (apimachinery `pkg/api/resource`). Pure and self-contained.
 */
import { TriremeError } from "@trireme/base";

/** The family of suffixes in which a quantity was written, kept when it is printed again. */
export type QuantityFormat = "DecimalSI" | "BinarySI" | "DecimalExponent";

// Kubernetes keeps nine decimal places and rounds finer ones up, so an integer count of 10^-9 is exact.
const NANO = 1_000_000_000n;
// Kubernetes caps quantities at the range of a signed 64-bit integer.
const MAX_NANOS = (2n ** 63n - 1n) * NANO;
const DECIMAL = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
const BINARY = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
const PATTERN = /^([+-]?)(\d*)(?:\.(\d*))?(?:([eE])([+-]?\d+)|(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?)$/;
// No quantity of 64 bits needs more; longer texts are refused before BigInt sees them.
const MAX_TEXT_LENGTH = 64;

/** An exact, immutable amount of a resource. */
export class Quantity {
  static readonly zero = new Quantity(0n, "DecimalSI");
  /** The amount in units of 10^-9. */
  readonly nanos: bigint;
  readonly format: QuantityFormat;

  constructor(nanos: bigint, format: QuantityFormat) {
    this.nanos = nanos > MAX_NANOS ? MAX_NANOS : nanos < -MAX_NANOS ? -MAX_NANOS : nanos;
    this.format = format;
  }

  /** A whole number of units, e.g. bytes or pods. */
  static of(value: number, format: QuantityFormat = "DecimalSI"): Quantity {
    return new Quantity(BigInt(Math.ceil(value * 1000)) * 1_000_000n, format);
  }

  /** Thousandths, e.g. CPU millicores. */
  static ofMilli(milli: number, format: QuantityFormat = "DecimalSI"): Quantity {
    return new Quantity(BigInt(Math.ceil(milli)) * 1_000_000n, format);
  }

  /** The amount in whole units, fractions rounded away from zero: a request is never understated. */
  get value(): number {
    return Number(divideAway(this.nanos, NANO));
  }

  /** The amount in thousandths, finer fractions rounded away from zero. */
  get milli(): number {
    return Number(divideAway(this.nanos, 1_000_000n));
  }

  get isZero(): boolean {
    return this.nanos === 0n;
  }

  add(other: Quantity): Quantity {
    return new Quantity(this.nanos + other.nanos, this.nanos === 0n ? other.format : this.format);
  }

  sub(other: Quantity): Quantity {
    return new Quantity(this.nanos - other.nanos, this.nanos === 0n ? other.format : this.format);
  }

  /** Negative, zero or positive, as for a sort. */
  cmp(other: Quantity): number {
    return this.nanos < other.nanos ? -1 : this.nanos > other.nanos ? 1 : 0;
  }

  /** The canonical text: no fraction digits, the greatest suffix that keeps the number whole. */
  toString(): string {
    if (this.nanos === 0n) return "0";
    if (this.format === "BinarySI" && this.nanos % NANO === 0n && abs(this.nanos) >= 1024n * NANO) {
      let number = this.nanos / NANO;
      let index = 0;
      while (number % 1024n === 0n && index < BINARY.length - 1) {
        number /= 1024n;
        index += 1;
      }
      return `${number}${BINARY[index]}`;
    }
    let number = this.nanos;
    let index = 0;
    while (number % 1000n === 0n && index < DECIMAL.length - 1) {
      number /= 1000n;
      index += 1;
    }
    if (this.format !== "DecimalExponent") return `${number}${DECIMAL[index]}`;
    const exponent = index * 3 - 9;
    return exponent === 0 ? `${number}` : `${number}e${exponent}`;
  }

  toJSON(): string {
    return this.toString();
  }
}

/** Parses a quantity; numbers are taken as their decimal text. Throws BadRequest that quotes what was given. */
export function parseQuantity(quantity: string | number): Quantity {
  const text = typeof quantity === "number" ? String(quantity) : quantity;
  const match = text.length <= MAX_TEXT_LENGTH ? PATTERN.exec(text) : null;
  const [, sign = "", whole = "", fraction = "", , exponentText, suffix = ""] = match ?? [];
  if (match === null || (whole === "" && fraction === "")) {
    throw new TriremeError(
      "BadRequest",
      `quantity "${text.slice(0, MAX_TEXT_LENGTH)}" must be a number with an optional suffix, such as 500m, 2 or 1.5Gi`,
    );
  }
  const digits = BigInt(whole + fraction);
  const binary = suffix === "" ? 0 : BINARY.indexOf(suffix);
  if (binary > 0) return signed(sign, scale(digits * 1024n ** BigInt(binary), 9 - fraction.length), "BinarySI");
  const exponent = exponentText === undefined ? (DECIMAL.indexOf(suffix) - 3) * 3 : Number(exponentText);
  const format = exponentText === undefined ? "DecimalSI" : "DecimalExponent";
  return signed(sign, scale(digits, exponent + 9 - fraction.length), format);
}

/** Whether the text or number is a quantity. */
export function isQuantity(quantity: unknown): boolean {
  if (typeof quantity !== "string" && typeof quantity !== "number") return false;
  const text = String(quantity);
  return text.length <= MAX_TEXT_LENGTH && PATTERN.test(text) && /\d/.test(text.split(/[eE]/)[0]!);
}

function signed(sign: string, nanos: bigint, format: QuantityFormat): Quantity {
  return new Quantity(sign === "-" ? -nanos : nanos, format);
}

/** digits x 10^power, rounded up; the power is clamped, since the cap or the rounding decides beyond it. */
function scale(digits: bigint, power: number): bigint {
  if (digits === 0n) return 0n;
  if (power >= 0) return digits * 10n ** BigInt(Math.min(power, 100));
  return divideAway(digits, 10n ** BigInt(Math.min(-power, 200)));
}

function divideAway(value: bigint, by: bigint): bigint {
  const quotient = value / by;
  if (value % by === 0n) return quotient;
  return value < 0n ? quotient - 1n : quotient + 1n;
}

function abs(value: bigint): bigint {
  return value < 0n ? -value : value;
}
