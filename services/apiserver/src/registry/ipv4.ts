import { TriremeError } from "@trireme/base";

/** A block of IPv4 addresses. */
export interface Block {
  readonly first: number;
  readonly size: number;
}

/** The number of a dotted address; undefined when it is none. */
export function parseAddress(text: string): number | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return undefined;
  const parts = match.slice(1).map(Number);
  if (parts.some((part) => part > 255)) return undefined;
  return parts.reduce((sum, part) => sum * 256 + part, 0);
}

/** The dotted form of an address. */
export function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join(".");
}

/** Parses `10.96.0.0/16`. */
export function parseBlock(text: string): Block {
  const [address = "", bits = ""] = text.split("/");
  const first = parseAddress(address);
  const length = /^\d{1,2}$/.test(bits) ? Number(bits) : Number.NaN;
  const size = 2 ** (32 - length);
  if (first === undefined || !(length >= 8 && length <= 30) || first % size !== 0) {
    throw new TriremeError("BadRequest", `"${text}" is not an IPv4 block such as 10.96.0.0/16`);
  }
  return { first, size };
}
