/**
 * Goal: a backup is read whole and unchanged with its own key, or refused with the reason; a recovery key survives people.
 * Method: properties over contents of any size and pieces of any cut; every kind of damage done to a real file.
 */
import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type ArchiveHandlers,
  ArchiveReader,
  type Manifest,
  dataRecord,
  endRecord,
  fileRecord,
  manifestRecord,
} from "./archive.ts";
import { BackupOpener, BackupSealer, CHUNK_BYTES } from "./cipher.ts";
import { createRecoveryKey, formatSecret, parsePublic, parseSecret } from "./recovery-key.ts";

const made = createRecoveryKey();
const secret = parseSecret(made.typed);
const pub = parsePublic(made.file, "recovery.pub");
const HEAD = 50;
const SEALED = CHUNK_BYTES + 16;

function sealed(plain: Uint8Array, cuts: readonly number[] = []): Buffer {
  const sealer = new BackupSealer(pub);
  const out = [sealer.head];
  for (const piece of pieces(plain, cuts)) out.push(sealer.push(piece));
  return Buffer.concat([...out, sealer.finish()]);
}

function opened(file: Uint8Array, cuts: readonly number[] = [], by = secret): Buffer {
  const opener = new BackupOpener(by);
  const out: Buffer[] = [];
  for (const piece of pieces(file, cuts)) out.push(opener.push(piece));
  return Buffer.concat([...out, opener.finish()]);
}

function pieces(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end));
}

describe("a backup's encryption", () => {
  const sizes = fc.oneof(
    fc.nat(300),
    fc.constantFrom(CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 2 * CHUNK_BYTES + 5),
  );

  it("opens to what was put in, however both are cut", () => {
    fc.assert(
      fc.property(sizes, fc.array(fc.nat()), fc.array(fc.nat()), (size, cuts, others) => {
        // A backup is never empty: its last record is an end.
        const plain = randomBytes(size + 1);
        expect(opened(sealed(plain, cuts), others).equals(plain)).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  it("is unlike any other of the same content", () => {
    expect(sealed(Buffer.from("same")).equals(sealed(Buffer.from("same")))).toBe(false);
    expect(sealed(Buffer.from("plainly seen")).includes("plainly seen")).toBe(false);
  });

  const plain = randomBytes(3 * CHUNK_BYTES + 100);
  const file = sealed(plain);
  const chunk = (i: number): Buffer => file.subarray(HEAD + i * SEALED, Math.min(file.length, HEAD + (i + 1) * SEALED));
  const head = file.subarray(0, HEAD);

  it("notices every end that comes early", () => {
    for (const length of [
      HEAD,
      HEAD + 1,
      HEAD + 16,
      HEAD + SEALED,
      HEAD + 2 * SEALED,
      HEAD + 3 * SEALED,
      file.length - 1,
    ]) {
      expect(() => opened(file.subarray(0, length)), `length ${length}`).toThrow("truncated");
    }
    fc.assert(
      fc.property(fc.integer({ min: HEAD, max: file.length - 1 }), (length) => {
        expect(() => opened(file.subarray(0, length))).toThrow(/truncated|damaged/);
      }),
      { numRuns: 30 },
    );
  });

  it.each([
    ["swapped", [0, 2, 1, 3]],
    ["missing", [0, 2, 3]],
    ["repeated", [0, 1, 1, 2, 3]],
    ["behind the end", [0, 1, 2, 3, 0]],
  ])("notices chunks that are %s", (_, order) => {
    expect(() => opened(Buffer.concat([head, ...order.map(chunk)]))).toThrow(/damaged|truncated/);
  });

  it("notices chunks of another backup, and every changed byte", () => {
    const other = sealed(plain);
    expect(() => opened(Buffer.concat([head, chunk(0), other.subarray(HEAD + SEALED)]))).toThrow("damaged");
    fc.assert(
      fc.property(fc.integer({ min: 0, max: file.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, by) => {
        const bent = Buffer.from(file);
        bent[at]! ^= by;
        expect(() => opened(bent)).toThrow(/damaged|truncated|no backup|format|recovery key/);
      }),
      { numRuns: 60 },
    );
  });

  it("says whose key is needed, which format it is, and that something is no backup", () => {
    const other = createRecoveryKey();
    expect(() => opened(file, [], parseSecret(other.typed))).toThrow(
      `made for recovery key ${made.id}, and this is recovery key ${other.id}`,
    );
    const later = Buffer.from(file);
    later.writeUInt16BE(7, 8);
    expect(() => opened(later)).toThrow("format 7, and this release reads format 1");
    for (const none of [Buffer.alloc(0), Buffer.from("TRI"), Buffer.from("apiVersion: v1\nkind: Secret\n")]) {
      expect(() => opened(none)).toThrow("no backup");
    }
  });
});

describe("a recovery key", () => {
  it("is typed as people type", () => {
    expect(made.typed).toMatch(/^TRIREC(-[0-9A-HJKMNP-TV-Z]{4}){14}$/);
    expect(secret.public.id).toBe(made.id);
    expect(pub.id).toBe(made.id);
    const loose = ` ${made.typed.toLowerCase().replaceAll("-", " ").replaceAll("0", "o").replaceAll("1", "l")}\n`;
    expect(parseSecret(loose).public.id).toBe(made.id);
  });

  it("has one form for each secret", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (raw) => {
        const typed = formatSecret(raw);
        const der = parseSecret(typed).key.export({ type: "pkcs8", format: "der" });
        expect(der.subarray(-32).equals(Buffer.from(raw))).toBe(true);
      }),
    );
  });

  it("notices what is mistyped", () => {
    const digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let unnoticed = 0;
    for (let at = 7; at < made.typed.length; at++) {
      if (made.typed[at] === "-") continue;
      for (const digit of digits) {
        if (digit === made.typed[at]) continue;
        try {
          parseSecret(made.typed.slice(0, at) + digit + made.typed.slice(at + 1));
          unnoticed += 1;
        } catch (thrown) {
          expect((thrown as Error).message).toContain("checksum is wrong");
        }
      }
    }
    // 1736 wrong digits, each unnoticed once in a million times.
    expect(unnoticed).toBeLessThanOrEqual(1);
    expect(() => parseSecret(made.typed.slice(0, -1))).toThrow("55 characters");
    expect(() => parseSecret("hello")).toThrow("does not begin with TRIREC");
    expect(() => parseSecret(`${made.typed.slice(0, -1)}U`)).toThrow('"U" is in none');
    expect(() => parsePublic("ssh-ed25519 AAAA", "/x/recovery.pub")).toThrow("/x/recovery.pub");
  });
});

describe("a backup's inside", () => {
  const manifest: Manifest = { format: 1, cluster: "c", createdAt: "now", revision: 7, facts: { a: 1 } };
  function read(bytes: Uint8Array, cuts: readonly number[] = []): Record<string, string> {
    const files: Record<string, string> = {};
    let name = "";
    const handlers: ArchiveHandlers = {
      onManifest: (told) => (files["manifest"] = JSON.stringify(told)),
      onFile: (told) => {
        name = told;
        files[name] = "";
      },
      onData: (data) => (files[name] += data.toString("latin1")),
    };
    const reader = new ArchiveReader(handlers);
    for (const piece of pieces(bytes, cuts)) reader.push(piece);
    reader.finish();
    return files;
  }

  it("is read as it was written, however it is cut", () => {
    const name = fc.stringMatching(/^shared\/[a-z0-9][a-z0-9.-]{0,10}$/);
    fc.assert(
      fc.property(fc.dictionary(name, fc.array(fc.uint8Array())), fc.array(fc.nat()), (files, cuts) => {
        const records = Object.entries(files).flatMap(([file, data]) => [fileRecord(file), ...data.map(dataRecord)]);
        const told = read(Buffer.concat([manifestRecord(manifest), ...records, endRecord()]), cuts);
        const expected = Object.entries(files).map(([file, data]) => [file, Buffer.concat(data).toString("latin1")]);
        expect(told).toEqual({ manifest: JSON.stringify(manifest), ...Object.fromEntries(expected) });
      }),
    );
  });

  it.each(["../x", "/etc/passwd", "shared/../x", "shared/a/b", ".hidden", ""])("names no place: %s", (name) => {
    expect(() => fileRecord(name)).toThrow("no file");
    const forged = Buffer.concat([Buffer.from([2, 0, 0, 0, name.length]), Buffer.from(name)]);
    expect(() => read(Buffer.concat([manifestRecord(manifest), forged]))).toThrow("another release");
  });

  it("is refused when something is missing or out of order", () => {
    const whole = [manifestRecord(manifest), fileRecord("a"), dataRecord(Buffer.from("x")), endRecord()];
    for (const order of [[], [0], [0, 1], [1, 2, 3], [0, 2, 3], [0, 1, 2], [0, 0, 3], [0, 3, 1, 3], [0, 3, 3], [3]]) {
      expect(() => read(Buffer.concat(order.map((i) => whole[i]!))), order.join()).toThrow("another release");
    }
    expect(() => read(manifestRecord({ ...manifest, format: 2 as 1 }))).toThrow("format 2");
  });
});
