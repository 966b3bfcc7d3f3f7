/**
 * Goal: everything derived from the declarations agrees on every object that they allow. Method: make random objects
 * from the declarations themselves, and check laws: what is encoded decodes to the same, decoding is idempotent, and an
 * applied configuration is in the result whatever was there before. A failure prints the seed that tells it again.
 */
import { type Prng, createPrng } from "@trireme/base";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { elementsOf, leavesOf, objectShape } from "../apply/field-set.ts";
import { jsonEqual } from "../patch/value.ts";
import { hasBelow, treeFrom } from "../apply/field-tree.ts";
import {
  DEPLOYMENTS,
  ENDPOINTSLICES,
  NODES,
  PODS,
  RESOURCES,
  SERVICES,
  apiVersionOf,
  decodeProtobuf,
  decodeStrict,
  fromBase64,
  parseTime,
  serverSideApply,
  strategicMergePatch,
  trackUpdate,
} from "../index.ts";
import type { KubeObject, Resource } from "../index.ts";
import type { Field, Message, Need, Scalar } from "./notation.ts";

type Json = Record<string, unknown>;
const now = "2026-01-01T00:00:00Z";

/** A random object: required fields, some of the others, fewer the deeper it gets. Nothing in it is an empty value. */
function generate(message: Message, prng: Prng, depth = 0): Json {
  const result: Json = {};
  for (const [name, field] of Object.entries(message.fields)) {
    if (field.facts.number === 0 || name === "managedFields") continue;
    const chance = field.need === "optional" ? 0.5 / (depth + 1) : 1;
    if (prng.next() < chance) result[name] = generateField(field, prng, depth);
  }
  return result;
}

function generateField({ facts }: Field<unknown, Need>, prng: Prng, depth: number): unknown {
  const { shape, of, rule } = facts;
  if (shape === "one") return generateValue(of, prng, depth);
  const values = Array.from({ length: prng.int(1, 3) }, () => generateValue(of, prng, depth));
  if (shape === "map") return Object.fromEntries(values.map((value, index) => [`k${index}`, value]));
  if (rule.type === "set" || rule.patchKey === "") return [...new Set(values)];
  const keys = rule.keys.length > 0 ? rule.keys : rule.patchKey ? [rule.patchKey] : [];
  // Elements are distinct by each key alone: strategic merge patch looks at the first only.
  for (const [index, item] of values.entries()) {
    for (const key of keys) (item as Json)[key] = key.endsWith("ort") ? index + 1 : `key${index}`;
  }
  return values;
}

function generateValue(of: Scalar | Message, prng: Prng, depth: number): unknown {
  if (typeof of !== "string") return generate(of, prng, depth + 1);
  const letters = (): string => Array.from({ length: prng.int(1, 4) }, () => "abcß"[prng.int(0, 3)]).join("");
  switch (of) {
    case "string":
      return letters();
    case "bool":
      return true;
    case "int32":
      return prng.int(1, 2 ** 31 - 1) * (prng.int(0, 1) === 0 ? 1 : -1);
    case "int64":
      return prng.int(1, 2 ** 50) * (prng.int(0, 1) === 0 ? 1 : -1);
    case "double":
      return prng.next() + 1;
    case "quantity":
      return ["100m", "2", "64Mi", "1500m"][prng.int(0, 3)];
    case "intOrString":
      return prng.int(0, 1) === 0 ? prng.int(1, 65_535) : "25%";
    case "time":
      return "2026-11-22T10:00:00Z";
    case "microTime":
      return "2026-11-22T10:00:00.123000Z";
    case "bytes":
      return ["eA==", "/+8=", "AAEC"][prng.int(0, 2)];
    case "any":
      return { [letters()]: prng.int(0, 9) };
  }
}

const encoder = new TextEncoder();

function varint(value: bigint): number[] {
  const out: number[] = [];
  let rest = BigInt.asUintN(64, value);
  for (; rest >= 0x80n; rest >>= 7n) out.push(Number(rest & 0x7fn) | 0x80);
  return [...out, Number(rest)];
}
const block = (number: number, content: readonly number[]): number[] => [
  ...varint(BigInt(number * 8 + 2)),
  ...varint(BigInt(content.length)),
  ...content,
];
const textBlock = (number: number, text: string): number[] => block(number, [...encoder.encode(text)]);
const integer = (number: number, value: number): number[] => [...varint(BigInt(number * 8)), ...varint(BigInt(value))];

function encodeMessage(message: Message, value: Json): number[] {
  const out: number[] = [];
  const inlined = new Map<number, { message: Message; value: Json }>();
  for (const [name, { facts }] of Object.entries(message.fields)) {
    const given = value[name];
    const { number, shape, of, embedded } = facts;
    // apiVersion and kind stand in the envelope.
    if (given === undefined || number === 0) continue;
    if (embedded !== undefined) {
      const part = inlined.get(embedded.number) ?? { message: embedded.message, value: {} };
      part.value[name] = given;
      inlined.set(embedded.number, part);
    } else if (shape === "list") {
      for (const item of given as unknown[]) out.push(...encodeValue(number, of, item));
    } else if (shape === "map") {
      for (const [key, item] of Object.entries(given as Json)) {
        out.push(...block(number, [...textBlock(1, key), ...encodeValue(2, of, item)]));
      }
    } else {
      out.push(...encodeValue(number, of, given));
    }
  }
  for (const [number, part] of inlined) out.push(...block(number, encodeMessage(part.message, part.value)));
  return out;
}

function encodeValue(number: number, of: Scalar | Message, value: unknown): number[] {
  if (typeof of !== "string") return block(number, encodeMessage(of, value as Json));
  switch (of) {
    case "string":
      return textBlock(number, value as string);
    case "bool":
      return integer(number, value ? 1 : 0);
    case "int32":
    case "int64":
      return integer(number, value as number);
    case "double":
      return [...varint(BigInt(number * 8 + 1)), ...new Uint8Array(new Float64Array([value as number]).buffer)];
    case "quantity":
      return block(number, textBlock(1, value as string));
    case "intOrString":
      return block(
        number,
        typeof value === "number"
          ? [...integer(1, 0), ...integer(2, value)]
          : [...integer(1, 1), ...textBlock(3, value as string)],
      );
    case "time":
    case "microTime": {
      const ms = parseTime(value as string)!;
      return block(number, [...integer(1, Math.floor(ms / 1000)), ...integer(2, (ms % 1000) * 1e6)]);
    }
    case "bytes":
      return block(number, [...fromBase64(value as string)]);
    case "any":
      return block(number, textBlock(1, JSON.stringify(value)));
  }
}

function objectOf<T extends KubeObject>(resource: Resource<T>, prng: Prng): T {
  const { apiVersion, kind } = { apiVersion: apiVersionOf(resource), kind: resource.kind };
  return { apiVersion, kind, ...generate(resource.schema, prng) } as unknown as T;
}

/** As toEqual, which is slow on large objects: it only words the failure. */
function same(actual: unknown, expected: unknown, law: string): void {
  if (!jsonEqual(actual, expected)) expect(actual, law).toEqual(expected);
}

const seeds = fc.integer({ min: 0, max: 2 ** 31 });

describe("random objects", () => {
  it.each(RESOURCES.map((resource) => [resource.kind, resource] as const))("%s", (_, resource) => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const object = objectOf(resource, createPrng(seed));
        same(decodeStrict(resource, structuredClone(object)).object, object, "decoding changes nothing");
        const typeMeta = [...textBlock(1, object.apiVersion!), ...textBlock(2, object.kind!)];
        const raw = encodeMessage(resource.schema, object as unknown as Json);
        const body = Uint8Array.from([0x6b, 0x38, 0x73, 0, ...block(1, typeMeta), ...block(2, raw)]);
        same(decodeProtobuf(body), object, "protobuf says the same");
      }),
      { numRuns: 8 },
    );
  });
});

describe("random applies", () => {
  it.each([PODS, DEPLOYMENTS, SERVICES, NODES, ENDPOINTSLICES].map((r) => [r.kind, r as Resource] as const))(
    "of %s are in the result, twice the same, and leave nothing behind",
    (_, resource) => {
      const shape = objectShape(resource.schema);
      const apply = (live: KubeObject | undefined, applied: KubeObject, manager: string): KubeObject =>
        serverSideApply({ resource, live, applied, manager, force: true, now });
      const bare = ({ status: _s, ...object }: KubeObject & { status?: unknown }): KubeObject => {
        const { name, namespace = "ns", labels } = object.metadata;
        return { ...object, metadata: { name, namespace, ...(labels ? { labels } : {}) } };
      };
      fc.assert(
        fc.property(seeds, (seed) => {
          const prng = createPrng(seed);
          const [one, two] = [bare(objectOf(resource, prng)), bare(objectOf(resource, prng))];
          const first = apply(undefined, one, "one");
          same(apply(first, one, "one"), first, "again");
          const both = apply(first, two, "two");
          // An empty object that is applied may well be full in the result.
          const result = treeFrom(leavesOf(shape, both));
          for (const leaf of leavesOf(shape, two)) expect(hasBelow(result, elementsOf(leaf)), leaf).toBe(true);
          same(trackUpdate({ resource, live: both, updated: structuredClone(both), manager: "x", now }), both, "no-op");
          // Once the second manager applies nothing and the first one the same again, it is as if only one had been.
          const without = apply(both, { apiVersion: two.apiVersion!, kind: two.kind!, metadata: { name: "n" } }, "two");
          const restored = apply(without, one, "one");
          expect(leavesOf(shape, restored)).toEqual(leavesOf(shape, first));
        }),
        { numRuns: 5 },
      );
    },
  );
});

describe("random strategic merges", () => {
  it("of an object into itself change nothing, into nothing make it, and twice are once", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const prng = createPrng(seed);
        const [one, two] = [objectOf(PODS, prng), objectOf(PODS, prng)];
        same(strategicMergePatch(PODS.schema, one, one), one, "into itself");
        same(strategicMergePatch(PODS.schema, {}, one), one, "into nothing");
        const merged = strategicMergePatch(PODS.schema, one, two);
        same(strategicMergePatch(PODS.schema, merged, two), merged, "twice");
      }),
      { numRuns: 8 },
    );
  });
});
