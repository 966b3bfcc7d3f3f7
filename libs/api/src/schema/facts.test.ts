/**
 * Goal: the declarations say what Kubernetes says. Method: compare every declared message with the published OpenAPI
 * definitions and protobuf numbers when the folder `shared/openapi` lies beside the repository or above it; always
 * check that the declarations agree with themselves.
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import * as kinds from "../kinds.ts";
import type { Field, Message, Need, Scalar } from "./notation.ts";

const messages: Message[] = Object.values(kinds);
const field = (message: Message, name: string): Field<unknown, Need> => message.fields[name]!;

interface Property {
  type?: string;
  format?: string;
  $ref?: string;
  items?: Property;
  additionalProperties?: Property;
  [extension: `x-kubernetes-${string}`]: unknown;
}
interface Definition {
  properties?: Record<string, Property>;
  required?: string[];
  "x-kubernetes-map-type"?: string;
  "x-kubernetes-group-version-kind"?: unknown[];
}
type ProtobufFields = Record<string, [number, string]>;

function findFacts(): string | undefined {
  for (let at = import.meta.dirname; at !== dirname(at); at = dirname(at)) {
    const candidate = join(at, "shared", "openapi");
    if (existsSync(candidate)) return candidate;
  }
  return undefined;
}

/** Maps of lists, which the notation has no word for and nothing reads. */
const UNDECLARED: ReadonlySet<string> = new Set(["UserInfo.extra", "SubjectAccessReviewSpec.extra"]);

const META = "apimachinery.pkg.apis.meta.v1";
/** Types that are a definition of their own in OpenAPI and a scalar to us. */
const SPECIAL: Record<string, Scalar> = {
  [`${META}.Time`]: "time",
  [`${META}.MicroTime`]: "microTime",
  [`${META}.FieldsV1`]: "any",
  "apimachinery.pkg.runtime.RawExtension": "any",
  "apimachinery.pkg.util.intstr.IntOrString": "intOrString",
  "apimachinery.pkg.api.resource.Quantity": "quantity",
};

const nameOf = (of: Scalar | Message): string => (typeof of === "string" ? of : `${of.package}.${of.name}`.slice(7));

function openApiType(property: Property): string {
  if (property.type === "array") return `list of ${openApiType(property.items!)}`;
  if (property.additionalProperties) return `map of ${openApiType(property.additionalProperties)}`;
  if (property.$ref) {
    const name = property.$ref.replace("#/definitions/io.k8s.", "");
    return SPECIAL[name] ?? name;
  }
  if (property.type === "integer") return property.format ?? "int64";
  if (property.type === "number") return "double";
  if (property.type === "boolean") return "bool";
  if (property.type === "object") return "any";
  return property.format === "byte" ? "bytes" : "string";
}

function ownType({ facts }: Field<unknown, Need>): string {
  return facts.shape === "one" ? nameOf(facts.of) : `${facts.shape} of ${nameOf(facts.of)}`;
}

function protobufType(type: string, inPackage: string): string {
  const [, repeated, entry, plain] = /^(?:(repeated) |map<string, )?((?<=map<string, )[^>]+)?([^>]*)>?$/.exec(type)!;
  const name = entry ?? plain!;
  const scalar = ["string", "bool", "int32", "int64", "double", "bytes"].includes(name);
  const full = name.replace(/^\./, "").startsWith("k8s.io.")
    ? name.replace(/^\.?k8s\.io\./, "")
    : `${inPackage}.${name}`;
  const resolved = scalar ? name : (SPECIAL[full] ?? full);
  return repeated ? `list of ${resolved}` : entry ? `map of ${resolved}` : resolved;
}

function mergeRules(property: Property): object {
  const strategy = String(property["x-kubernetes-patch-strategy"] ?? "");
  const listType = property["x-kubernetes-list-type"];
  return {
    type: listType === "map" || listType === "set" ? listType : "atomic",
    keys: property["x-kubernetes-list-map-keys"] ?? [],
    patchKey: strategy.includes("merge") ? (property["x-kubernetes-patch-merge-key"] ?? "") : undefined,
    retainKeys: strategy.includes("retainKeys"),
    atomic: property["x-kubernetes-map-type"] === "atomic",
  };
}

function ownRules({ facts }: Field<unknown, Need>): object {
  const { rule, retainKeys, atomic } = facts;
  return { type: rule.type, keys: rule.keys, patchKey: rule.patchKey, retainKeys, atomic };
}

describe("declarations", () => {
  it("give each field of a message a number of its own", () => {
    for (const message of messages) {
      const own = Object.values(message.fields).filter((f) => f.facts.embedded === undefined && f.facts.number !== 0);
      const embedded = new Set(
        Object.values(message.fields)
          .map((f) => f.facts.embedded?.number)
          .filter(Boolean),
      );
      const numbers = [...own.map((f) => f.facts.number), ...embedded];
      expect(new Set(numbers).size, message.name).toBe(numbers.length);
    }
  });

  it("merge lists by fields that their elements have", () => {
    for (const message of messages) {
      for (const [name, { facts }] of Object.entries(message.fields)) {
        const { keys, patchKey } = facts.rule;
        for (const key of [...keys, ...(patchKey ? [patchKey] : [])]) {
          expect(typeof facts.of === "string" ? {} : facts.of.fields, `${message.name}.${name}`).toHaveProperty(key);
        }
      }
    }
  });
});

const facts = findFacts();
if (facts !== undefined) {
  const read = (file: string): unknown => JSON.parse(readFileSync(join(facts, file), "utf8"));
  const { definitions } = read("kubernetes-definitions.json") as { definitions: Record<string, Definition> };
  const protobuf = read("kubernetes-protobuf-fields.json") as Record<string, ProtobufFields>;
  // The metrics API is an add-on with a document of its own.
  const core = messages.filter((m) => !m.package.startsWith("io.k8s.metrics."));
  const published = core.filter((m) => definitions[`${m.package}.${m.name}`] !== undefined);

  describe("published definitions", () => {
    it("cover nearly everything that is declared", () => {
      // The rest are the messages that JSON shows inline: protobuf alone knows them.
      const inline = core.filter((m) => !published.includes(m)).map((m) => m.name);
      expect(inline.toSorted()).toEqual([
        "EphemeralContainerCommon",
        "IngressRuleValue",
        "PersistentVolumeSource",
        // Published in the query of upgraded connections alone.
        "PodAttachOptions",
        "PodExecOptions",
        "PodPortForwardOptions",
        "ProbeHandler",
        "VolumeSource",
      ]);
    });

    it.each(published.map((message) => [message.name, message] as const))("say the same of %s", (_, message) => {
      const definition = definitions[`${message.package}.${message.name}`]!;
      const properties = definition.properties ?? {};
      const declared = Object.keys(properties).filter((name) => !UNDECLARED.has(`${message.name}.${name}`));
      expect(Object.keys(message.fields).toSorted()).toEqual(declared.toSorted());
      expect(message.atomic).toBe(definition["x-kubernetes-map-type"] === "atomic");
      expect(message.kind !== undefined).toBe(definition["x-kubernetes-group-version-kind"] !== undefined);
      for (const name of declared) {
        const property = properties[name]!;
        const own = field(message, name);
        expect(ownType(own), name).toBe(openApiType(property));
        expect(ownRules(own), name).toEqual(mergeRules(property));
        const required = (definition.required ?? []).includes(name);
        if (own.need !== "always") expect(own.need === "required", `${name} required`).toBe(required);
      }
    });
  });

  describe("published protobuf numbers", () => {
    it.each(core.map((message) => [message.name, message] as const))("say the same of %s", (_, message) => {
      const inPackage = message.package.slice("io.k8s.".length);
      const numbers = protobuf[`k8s.io.${inPackage}.${message.name}`];
      expect(numbers, "known to protobuf").toBeDefined();
      // Some names differ in case alone: uID and uid.
      const byName = new Map(Object.entries(numbers!).map(([name, [number]]) => [name.toLowerCase(), number]));
      const byNumber = new Map(
        Object.values(numbers!).map(([number, type]) => [number, protobufType(type, inPackage)]),
      );
      for (const [name, own] of Object.entries(message.fields)) {
        const { embedded, number } = own.facts;
        if (embedded !== undefined) expect(byNumber.get(embedded.number), name).toBe(nameOf(embedded.message));
        else if (number !== 0) {
          expect(byName.get(name.toLowerCase()), name).toBe(number);
          expect(byNumber.get(number), name).toBe(ownType(own));
        }
      }
    });
  });
}
