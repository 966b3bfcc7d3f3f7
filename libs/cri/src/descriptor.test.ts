import { existsSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { fileURLToPath } from "node:url";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { describe, expect, it } from "vitest";

// Goal: our subset of the CRI proto has the names, numbers and types of the real one. Method: an installed containerd
// carries the gzipped FileDescriptorProto of runtime.v1; each of our fields must be in it, letter for letter.

const CONTAINERD = "/usr/bin/containerd";
const SCALARS: Readonly<Record<number, string>> = {
  3: "int64",
  4: "uint64",
  5: "int32",
  8: "bool",
  9: "string",
  12: "bytes",
  13: "uint32",
};

/** Reads just enough of descriptor.proto: field number -> every occurrence, as bytes or number. */
function fieldsOf(bytes: Uint8Array): Map<number, (Uint8Array | number)[]> {
  const out = new Map<number, (Uint8Array | number)[]>();
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [no, type] = reader.tag();
    if (type === 0) out.set(no, [...(out.get(no) ?? []), Number(reader.int64())]);
    else if (type === 2) out.set(no, [...(out.get(no) ?? []), reader.bytes()]);
    else reader.skip(type);
  }
  return out;
}

const text = (value: Uint8Array | number | undefined): string =>
  value instanceof Uint8Array ? Buffer.from(value).toString() : "";
const bytesOf = (values: (Uint8Array | number)[] | undefined): Uint8Array[] =>
  (values ?? []).filter((value): value is Uint8Array => value instanceof Uint8Array);

function realFields(): Set<string> {
  const binary = readFileSync(CONTAINERD);
  const magic = Buffer.from([0x1f, 0x8b, 0x08]);
  for (let at = binary.indexOf(magic); at >= 0; at = binary.indexOf(magic, at + 1)) {
    let raw: Buffer;
    try {
      raw = gunzipSync(binary.subarray(at, at + 400_000));
    } catch {
      continue; // Three bytes that look like gzip inside code.
    }
    if (!raw.subarray(0, 40).includes("api.proto") || !raw.subarray(0, 40).includes("runtime.v1")) continue;
    const file = fieldsOf(raw);
    if (text(file.get(2)?.[0]) !== "runtime.v1") continue;
    const out = new Set<string>();
    for (const message of bytesOf(file.get(4))) collect(message, out);
    return out;
  }
  throw new Error("no runtime.v1 descriptor in containerd");
}

function collect(message: Uint8Array, out: Set<string>): void {
  const parts = fieldsOf(message);
  const name = text(parts.get(1)?.[0]);
  const maps = new Map<string, string>();
  for (const nested of bytesOf(parts.get(3)).map(fieldsOf)) {
    const types = bytesOf(nested.get(2)).map((field) => SCALARS[Number(fieldsOf(field).get(5)?.[0])]);
    maps.set(text(nested.get(1)?.[0]), `map<${types.join(", ")}>`);
  }
  for (const field of bytesOf(parts.get(2)).map(fieldsOf)) {
    const typeName = text(field.get(6)?.[0]).split(".").at(-1)!;
    const map = maps.get(typeName);
    const type = map ?? (typeName === "" ? SCALARS[Number(field.get(5)?.[0])] : typeName);
    const repeated = map === undefined && field.get(4)?.[0] === 3 ? "repeated " : "";
    out.add(`${name}: ${repeated}${type} ${text(field.get(1)?.[0])} = ${field.get(3)?.[0]}`);
  }
}

function ourFields(): string[] {
  const path = fileURLToPath(new URL("../../../proto/runtime/v1/api.proto", import.meta.url));
  const out: string[] = [];
  let message = "";
  for (const line of readFileSync(path, "utf8").split("\n")) {
    message = /^message (\w+)/.exec(line)?.[1] ?? message;
    const field = /^ {2}((?:repeated )?\w[\w<>, ]* \w+ = \d+);/.exec(line);
    if (field !== null && message !== "") out.push(`${message}: ${field[1]}`);
  }
  return out;
}

describe.runIf(existsSync(CONTAINERD))("proto/runtime/v1", () => {
  it("has only fields of the real CRI, with their numbers and types", () => {
    const real = realFields();
    const ours = ourFields();
    expect(ours.length).toBeGreaterThan(200);
    expect(ours.filter((field) => !real.has(field))).toEqual([]);
    expect(real.has("ContainerStatus: int32 exit_code = 8")).toBe(false);
  });
});
