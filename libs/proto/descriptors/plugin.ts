/**
 * A plugin of `buf generate`: writes `descriptors.ts`, the serialized descriptors of those files that our gRPC doors
 * serve, and of all that they import, for the reflection service. Comments stay in, so that `describe` shows them.
 * Its one option, `files=<prefix>+<prefix>`, says which.
 *
 * Field numbers below are those of google/protobuf/compiler/plugin.proto and descriptor.proto.
 */
import { readFileSync, writeSync } from "node:fs";
import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";

interface File {
  readonly name: string;
  readonly dependencies: readonly string[];
  /** Full names of its services, methods, messages and enums. */
  readonly symbols: readonly string[];
  readonly services: readonly string[];
  readonly bytes: Uint8Array;
}

/** The values of each length-delimited field of a message, by number. */
function fieldsOf(bytes: Uint8Array): Map<number, Uint8Array[]> {
  const fields = new Map<number, Uint8Array[]>();
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    if (wireType !== LENGTH_DELIMITED) {
      reader.skip(wireType, number);
      continue;
    }
    const values = fields.get(number) ?? [];
    values.push(reader.bytes());
    fields.set(number, values);
  }
  return fields;
}

const LENGTH_DELIMITED = 2;
const REQUEST = { parameter: 2, protoFile: 15 } as const;
const FILE = { name: 1, package: 2, dependency: 3, message: 4, enum: 5, service: 6, sourceInfo: 9 } as const;
/** Of a message. */
const NESTED = { message: 3, enum: 4 } as const;
const METHOD = 2;

function textOf(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? "" : Buffer.from(bytes).toString("utf8");
}

/** The name of a descriptor of any kind is its field 1. */
function nameOf(descriptor: Uint8Array): string {
  return textOf(fieldsOf(descriptor).get(1)?.[0]);
}

function fileOf(bytes: Uint8Array): File {
  const fields = fieldsOf(bytes);
  const scope = textOf(fields.get(FILE.package)?.[0]);
  const symbols: string[] = [];
  const services: string[] = [];
  const addMessage = (descriptor: Uint8Array, prefix: string): void => {
    const name = `${prefix}.${nameOf(descriptor)}`;
    const inner = fieldsOf(descriptor);
    symbols.push(name, ...(inner.get(NESTED.enum) ?? []).map((one) => `${name}.${nameOf(one)}`));
    for (const one of inner.get(NESTED.message) ?? []) addMessage(one, name);
  };
  for (const one of fields.get(FILE.message) ?? []) addMessage(one, scope);
  for (const one of fields.get(FILE.enum) ?? []) symbols.push(`${scope}.${nameOf(one)}`);
  for (const one of fields.get(FILE.service) ?? []) {
    const name = `${scope}.${nameOf(one)}`;
    services.push(name);
    symbols.push(name, ...(fieldsOf(one).get(METHOD) ?? []).map((method) => `${name}.${nameOf(method)}`));
  }
  const dependencies = (fields.get(FILE.dependency) ?? []).map(textOf);
  const name = textOf(fields.get(FILE.name)?.[0]);
  // Every client knows Google's own files; their comments would be most of what we carry.
  const kept = name.startsWith("google/protobuf/") ? without(bytes, FILE.sourceInfo) : bytes;
  return { name, dependencies, symbols, services, bytes: kept };
}

/** A message without one of its fields. */
function without(bytes: Uint8Array, field: number): Uint8Array {
  const reader = new BinaryReader(bytes);
  const kept: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const [number, wireType] = reader.tag();
    reader.skip(wireType, number);
    if (number !== field) kept.push(bytes.subarray(start, reader.pos));
  }
  return Buffer.concat(kept);
}

/** The files whose names begin with one of the prefixes, and everything that they import. */
function wanted(files: readonly File[], prefixes: readonly string[]): File[] {
  const byName = new Map(files.map((file) => [file.name, file]));
  const names = new Set<string>();
  const add = (name: string): void => {
    if (names.has(name)) return;
    names.add(name);
    for (const dependency of byName.get(name)?.dependencies ?? []) add(dependency);
  };
  for (const { name } of files) if (prefixes.some((prefix) => name.startsWith(prefix))) add(name);
  return files.filter(({ name }) => names.has(name));
}

function moduleOf(files: readonly File[]): string {
  const entries = files.map(({ bytes, ...file }) => ({ ...file, base64: Buffer.from(bytes).toString("base64") }));
  return [
    "// Generated from proto/ by libs/proto/descriptors/plugin.ts. Do not edit.",
    "/** A proto file as reflection tells of it; `base64` is its serialized google.protobuf.FileDescriptorProto. */",
    "export interface ProtoFile {",
    "  readonly name: string;",
    "  readonly dependencies: readonly string[];",
    "  readonly symbols: readonly string[];",
    "  readonly services: readonly string[];",
    "  readonly base64: string;",
    "}",
    "/** The files of the services that are served by gRPC, and all that they import. */",
    `export const PROTO_FILES: readonly ProtoFile[] = ${JSON.stringify(entries, null, 2)};`,
    "",
  ].join("\n");
}

/** A CodeGeneratorResponse of one file, which says that optional fields of proto3 are nothing to it. */
function responseOf(name: string, content: string): Uint8Array {
  const writer = new BinaryWriter();
  writer.uint32(2 << 3).uint64(1);
  writer.uint32((15 << 3) | LENGTH_DELIMITED).fork();
  writer.uint32((1 << 3) | LENGTH_DELIMITED).string(name);
  writer.uint32((15 << 3) | LENGTH_DELIMITED).string(content);
  writer.join();
  return writer.finish();
}

const request = fieldsOf(readFileSync(0));
const prefixes = textOf(request.get(REQUEST.parameter)?.[0])
  .replace(/^files=/, "")
  .split("+");
const files = wanted((request.get(REQUEST.protoFile) ?? []).map(fileOf), prefixes);
let answer: Uint8Array = responseOf("descriptors.ts", moduleOf(files));
while (answer.length > 0) answer = answer.subarray(writeSync(1, answer));
