/** Below this a copy costs nothing that anybody would feel. */
const SMALL_BYTES = 64 * 1024;

/**
 * An encoded message in pieces. grpc-js wants one Buffer and copies it behind its own five bytes; of a Buffer it uses these
 * two members alone, so pieces in its stead save one copy of all, which for a list of everything would hold up the event
 * loop for as long as encoding it did.
 */
export class Pieces {
  readonly byteLength: number;
  private readonly pieces: readonly Uint8Array[];

  constructor(pieces: readonly Uint8Array[]) {
    this.pieces = pieces;
    this.byteLength = pieces.reduce((sum, piece) => sum + piece.length, 0);
  }

  /** As a Buffer's. */
  copy(target: Uint8Array, targetStart: number): number {
    let at = targetStart;
    for (const piece of this.pieces) {
      target.set(piece, at);
      at += piece.length;
    }
    return at - targetStart;
  }

  /** As grpc-js takes it from a serializer. */
  asMessage(): Buffer {
    if (this.byteLength > SMALL_BYTES) return this as unknown as Buffer;
    const whole = Buffer.allocUnsafe(this.byteLength);
    this.copy(whole, 0);
    return whole;
  }
}
