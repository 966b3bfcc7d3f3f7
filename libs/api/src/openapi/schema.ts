import type { Field, Message, Need, Scalar } from "../schema/notation.ts";
import { describeField, describeMessage } from "./descriptions.ts";

/** A JSON object of an OpenAPI document. */
export type OpenApiObject = Record<string, unknown>;

/** The name of a message's schema, such as `io.k8s.api.core.v1.Pod`. */
export function schemaName(message: Message): string {
  return `${message.package}.${message.name}`;
}

/** A reference to a message's schema. */
export function schemaRef(message: Message): OpenApiObject {
  return { $ref: `#/components/schemas/${schemaName(message)}` };
}

/** The schemas of messages and of everything that they use, by name. */
export function schemasOf(roots: readonly Message[]): OpenApiObject {
  const seen = new Map<string, Message>();
  const visit = (message: Message): void => {
    if (seen.has(schemaName(message))) return;
    seen.set(schemaName(message), message);
    for (const { facts } of Object.values(message.fields)) if (typeof facts.of !== "string") visit(facts.of);
  };
  for (const root of roots) visit(root);
  const schemas = [...seen].map(([name, message]): [string, OpenApiObject] => [name, schemaOf(message)]);
  return Object.fromEntries([...schemas, ...Object.values(NAMED)].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** Scalars with a schema of their own, so that `kubectl explain` shows their name. */
const NAMED: Readonly<Record<"quantity" | "intOrString", [name: string, schema: OpenApiObject]>> = {
  quantity: [
    "io.k8s.apimachinery.pkg.api.resource.Quantity",
    { description: "An amount, such as 500m, 2 or 1.5Gi.", oneOf: [{ type: "string" }, { type: "number" }] },
  ],
  intOrString: [
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
    {
      description: "A number, or a text such as a name or a percentage.",
      format: "int-or-string",
      oneOf: [{ type: "integer" }, { type: "string" }],
    },
  ],
};

function schemaOf(message: Message): OpenApiObject {
  const fields = Object.entries(message.fields);
  const required = fields.filter(([, { need }]) => need === "required").map(([name]) => name);
  const description = describeMessage(message);
  return {
    ...(description === undefined ? {} : { description }),
    type: "object",
    ...(required.length > 0 ? { required } : {}),
    properties: Object.fromEntries(fields.map(([name, field]) => [name, propertyOf(message, name, field)])),
    ...(message.kind === undefined ? {} : { "x-kubernetes-group-version-kind": [message.kind] }),
    ...(message.atomic ? { "x-kubernetes-map-type": "atomic" } : {}),
  };
}

function propertyOf(message: Message, name: string, field: Field<unknown, Need>): OpenApiObject {
  const { shape, of, rule, atomic, retainKeys, values } = field.facts;
  const description = describeField(message, name);
  const about = description === undefined ? {} : { description };
  const item = typeof of === "string" ? scalarSchema(of) : schemaRef(of);
  if (shape === "map") {
    return { ...about, type: "object", additionalProperties: item, ...mapType(atomic) };
  }
  if (shape === "one") {
    const strategy = retainKeys ? { "x-kubernetes-patch-strategy": "retainKeys" } : {};
    // Beside $ref nothing counts in OpenAPI 3.0, so the reference moves into allOf.
    if (typeof of !== "string") return { ...about, allOf: [item], default: {}, ...mapType(atomic), ...strategy };
    if (Object.hasOwn(NAMED, of)) return { ...about, allOf: [item] };
    return { ...about, ...item, ...(values === undefined ? {} : { enum: values }) };
  }
  const strategies = [...(rule.patchKey === undefined ? [] : ["merge"]), ...(retainKeys ? ["retainKeys"] : [])];
  return {
    ...about,
    type: "array",
    items: item,
    "x-kubernetes-list-type": rule.type,
    ...(rule.type === "map" ? { "x-kubernetes-list-map-keys": rule.keys } : {}),
    ...(rule.patchKey ? { "x-kubernetes-patch-merge-key": rule.patchKey } : {}),
    ...(strategies.length > 0 ? { "x-kubernetes-patch-strategy": strategies.join(",") } : {}),
  };
}

function mapType(atomic: boolean): OpenApiObject {
  return atomic ? { "x-kubernetes-map-type": "atomic" } : {};
}

function scalarSchema(of: Scalar): OpenApiObject {
  switch (of) {
    case "quantity":
    case "intOrString":
      return { $ref: `#/components/schemas/${NAMED[of][0]}` };
    case "string":
      return { type: "string" };
    case "bool":
      return { type: "boolean" };
    case "int32":
    case "int64":
      return { type: "integer", format: of };
    case "double":
      return { type: "number", format: "double" };
    case "time":
    case "microTime":
      return { type: "string", format: "date-time" };
    case "bytes":
      return { type: "string", format: "byte" };
    case "any":
      return { type: "object" };
  }
}
