import { TriremeError } from "@trireme/base";

/** One field as it stands on the wire. Integers are signed 64 bits; bytes are a view of the input. */
export interface WireField {
  readonly number: number;
  readonly value: bigint | number | Uint8Array;
}

/** The fields of one message, in order. Throws BadRequest on anything that is no protobuf. */
export function* readFields(bytes: Uint8Array): Generator<WireField> {
  const reader = new Reader(bytes);
  while (!reader.done) {
    const tag = Number(reader.varint());
    const number = Math.floor(tag / 8);
    if (number < 1) malformed();
    switch (tag % 8) {
      case 0:
        yield { number, value: reader.varint() };
        break;
      case 1:
        yield { number, value: reader.double() };
        break;
      case 2:
        yield { number, value: reader.bytes() };
        break;
      case 5:
        reader.skip(4);
        break;
      default:
        // Groups are long dead; no Kubernetes type has one.
        malformed();
    }
  }
}

/** The integers of a packed list. */
export function readPacked(bytes: Uint8Array): bigint[] {
  const reader = new Reader(bytes);
  const values: bigint[] = [];
  while (!reader.done) values.push(reader.varint());
  return values;
}

function malformed(): never {
  throw new TriremeError("BadRequest", "the protobuf body is malformed");
}

class Reader {
  private readonly input: Uint8Array;
  private at = 0;

  constructor(input: Uint8Array) {
    this.input = input;
  }

  get done(): boolean {
    return this.at >= this.input.length;
  }

  varint(): bigint {
    let low = 0;
    let shift = 0;
    // Up to 28 bits stay a number: tags, lengths and nearly every value.
    while (shift < 28) {
      const byte = this.byte();
      low |= (byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt(low);
      shift += 7;
    }
    let value = BigInt(low);
    while (shift < 70) {
      const byte = this.byte();
      value |= BigInt(byte & 0x7f) << BigInt(shift);
      if (byte < 0x80) return BigInt.asIntN(64, value);
      shift += 7;
    }
    return malformed();
  }

  double(): number {
    const start = this.at;
    this.skip(8);
    return new DataView(this.input.buffer, this.input.byteOffset + start, 8).getFloat64(0, true);
  }

  bytes(): Uint8Array {
    const length = this.varint();
    if (length < 0n || length > BigInt(this.input.length - this.at)) malformed();
    const start = this.at;
    this.at += Number(length);
    return this.input.subarray(start, this.at);
  }

  skip(count: number): void {
    if (this.at + count > this.input.length) malformed();
    this.at += count;
  }

  private byte(): number {
    if (this.at >= this.input.length) malformed();
    return this.input[this.at++]!;
  }
}
