/**
 * The notation in which every kind is declared once: JSON type, need, protobuf number, list and map semantics, allowed
 * values. Decoding, validation, protobuf, patches, OpenAPI and the TypeScript types all read the same declarations.
 *
 * ```ts
 * export const ContainerPort = core("ContainerPort", {
 *   name: str(1),
 *   containerPort: int32(3).required(),
 *   protocol: str(4).oneOf("TCP", "UDP", "SCTP"),
 * });
 * export interface ContainerPort extends Infer<typeof ContainerPort> {}
 * ```
 */

/** A value without fields of its own. `quantity`, `time` and `bytes` are strings in JSON and messages in protobuf. */
export type Scalar =
  | "string"
  | "bool"
  | "int32"
  | "int64"
  | "double"
  | "quantity"
  | "intOrString"
  | "time"
  | "microTime"
  | "bytes"
  /** Any JSON object, kept as it is (`fieldsV1`, embedded raw objects). */
  | "any";

interface ScalarTypes {
  string: string;
  bool: boolean;
  int32: number;
  int64: number;
  double: number;
  quantity: string;
  intOrString: number | string;
  time: string;
  microTime: string;
  bytes: string;
  any: Record<string, unknown>;
}

/**
 * `required`: a manifest without it is refused. `always`: a manifest may leave it out, but an object that passed the
 * API has it, so the TypeScript type says it is there.
 */
export type Need = "optional" | "required" | "always";

/** How a list merges. `keys` name an element of a map list; `patchKey` is strategic merge patch's single key. */
export interface ListRule {
  readonly type: "atomic" | "set" | "map";
  readonly keys: readonly string[];
  /** Strategic merge: undefined replaces the list, "" merges a list of scalars, a name merges objects by that field. */
  readonly patchKey?: string;
}

interface FieldFacts {
  readonly number: number;
  readonly shape: "one" | "list" | "map";
  readonly of: Scalar | Message;
  readonly rule: ListRule;
  readonly atomic: boolean;
  readonly retainKeys: boolean;
  readonly values: readonly string[] | undefined;
  readonly explicit: boolean;
  /** Set on fields of a message that JSON shows inline but protobuf nests under this number. */
  readonly embedded: { readonly number: number; readonly message: Message } | undefined;
}

const ATOMIC: ListRule = { type: "atomic", keys: [] };

/** One field of a message. Immutable: every modifier returns a new field. */
export class Field<T, N extends Need = "optional"> {
  readonly facts: FieldFacts;
  readonly need: N;
  /** Carries the TypeScript type; never set. */
  declare readonly phantom?: T;

  constructor(facts: FieldFacts, need: N) {
    this.facts = facts;
    this.need = need;
  }

  /** The manifest must have it. */
  required(): Field<T, "required"> {
    return new Field<T, "required">(this.facts, "required");
  }

  /** Stored objects have it, manifests need not. */
  always(): Field<T, "always"> {
    return new Field<T, "always">(this.facts, "always");
  }

  /** The only values that validation accepts. */
  oneOf(...values: string[]): Field<T, N> {
    return this.with({ values });
  }

  /** Zero, false or "" says something else than absence (a pointer in Go): protobuf, which always writes it, keeps it. */
  explicit(): Field<T, N> {
    return this.with({ explicit: true });
  }

  /** A list whose elements are named by these fields, in server-side apply and (the first) in strategic merge. */
  by(...keys: string[]): Field<T, N> {
    return this.with({ rule: { type: "map", keys, patchKey: keys[0]! } });
  }

  /** As {@link by}, but strategic merge patch replaces the list whole. */
  keyed(...keys: string[]): Field<T, N> {
    return this.with({ rule: { type: "map", keys } });
  }

  /** An atomic list to server-side apply that strategic merge patch merges by this field ("" for scalars). */
  mergeBy(patchKey: string): Field<T, N> {
    return this.with({ rule: { ...this.facts.rule, patchKey } });
  }

  /** A list of distinct scalars. */
  set(): Field<T, N> {
    return this.with({ rule: { ...this.facts.rule, type: "set" } });
  }

  /** A map or message that has one owner as a whole. */
  atomic(): Field<T, N> {
    return this.with({ atomic: true });
  }

  /** Strategic merge patches may carry `$retainKeys` here: a union whose other members must go. */
  retainKeys(): Field<T, N> {
    return this.with({ retainKeys: true });
  }

  /** This field as seen through {@link inline}. */
  within(number: number, message: Message): Field<T, N> {
    return this.with({ embedded: { number, message } });
  }

  private with(change: Partial<FieldFacts>): Field<T, N> {
    return new Field<T, N>({ ...this.facts, ...change }, this.need);
  }
}

/** The fields of a message by JSON name. */
export type Fields = Readonly<Record<string, Field<unknown, Need>>>;

/** The group, version and kind of a message that stands alone as an API object. */
export interface GroupVersionKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

/** A declared message: an API object or a part of one. */
export interface Message<F extends Fields = Fields> {
  /** The package, such as `io.k8s.api.core.v1`; OpenAPI names are `<package>.<name>`. */
  readonly package: string;
  readonly name: string;
  readonly fields: F;
  readonly kind?: GroupVersionKind;
  /** One owner as a whole in server-side apply (Kubernetes' `x-kubernetes-map-type: atomic`). */
  readonly atomic: boolean;
}

type TypeOf<T> = T extends Field<infer V, Need> ? V : never;
type ValueOf<O> = O extends Scalar ? ScalarTypes[O] : O extends Message<infer F> ? InferFields<F> : never;
type InferFields<F extends Fields> = {
  -readonly [K in keyof F as F[K]["need"] extends "optional" ? never : K]: TypeOf<F[K]>;
} & {
  -readonly [K in keyof F as F[K]["need"] extends "optional" ? K : never]?: TypeOf<F[K]>;
};

/** The TypeScript type of a declared message. */
export type Infer<M extends Message> = InferFields<M["fields"]>;

function field<T>(number: number, shape: FieldFacts["shape"], of: Scalar | Message): Field<T> {
  return new Field<T>(
    {
      number,
      shape,
      of,
      rule: ATOMIC,
      atomic: false,
      retainKeys: false,
      values: undefined,
      explicit: false,
      embedded: undefined,
    },
    "optional",
  );
}

/** A string. */
export const str = (number: number): Field<string> => field(number, "one", "string");
/** A boolean. */
export const bool = (number: number): Field<boolean> => field(number, "one", "bool");
/** An integer of 32 bits. */
export const int32 = (number: number): Field<number> => field(number, "one", "int32");
/** An integer of 64 bits in protobuf; JSON keeps it exact up to 2^53 and refuses more. */
export const int64 = (number: number): Field<number> => field(number, "one", "int64");
/** A quantity such as `500m` or `1Gi`; numbers are turned into strings on decoding. */
export const quantity = (number: number): Field<string> => field(number, "one", "quantity");
/** A port or count as a number, or a name or percentage as a string. */
export const intOrString = (number: number): Field<number | string> => field(number, "one", "intOrString");
/** An RFC 3339 time of whole seconds. */
export const time = (number: number): Field<string> => field(number, "one", "time");
/** An RFC 3339 time with microseconds. */
export const microTime = (number: number): Field<string> => field(number, "one", "microTime");
/** Any JSON object. */
export const anything = (number: number): Field<Record<string, unknown>> => field(number, "one", "any");

/** A message. */
export function ref<M extends Message>(number: number, message: M): Field<ValueOf<M>> {
  return field(number, "one", message);
}

/** The metadata of a template: like {@link ref}, but nothing of it is there for sure, not even a name. */
export function templateOf<M extends Message>(number: number, message: M): Field<Partial<ValueOf<M>>> {
  return field(number, "one", message);
}

/** A list; atomic unless a modifier says otherwise. */
export function list<const O extends Scalar | Message>(number: number, of: O): Field<ValueOf<O>[]> {
  return field(number, "list", of);
}

/** A map from strings. */
export function map<const O extends Scalar | Message>(number: number, of: O): Field<Record<string, ValueOf<O>>> {
  return field(number, "map", of);
}

/** The fields of a message that JSON shows inline and protobuf nests under `number`: spread it among the fields. */
export function inline<F extends Fields>(number: number, message: Message<F>): F {
  const entries = Object.entries(message.fields).map(([name, f]) => [name, f.within(number, message)]);
  return Object.fromEntries(entries) as F;
}

const typeMeta = { apiVersion: str(0), kind: str(0) };

/** Declares messages of one package; `kind` declares those that stand alone, with apiVersion, kind and metadata. */
export interface Package {
  <F extends Fields>(name: string, fields: F): Message<F>;
  /** A message with one owner as a whole. */
  atomic<F extends Fields>(name: string, fields: F): Message<F>;
  kind<F extends Fields>(name: string, fields: F): Message<typeof typeMeta & F>;
}

/** Opens a package, e.g. `packageOf("io.k8s.api.apps.v1", "apps", "v1")`. */
export function packageOf(name: string, group: string, version: string): Package {
  const declare = <F extends Fields>(message: string, fields: F): Message<F> => {
    return { package: name, name: message, fields, atomic: false };
  };
  return Object.assign(declare, {
    atomic: <F extends Fields>(message: string, fields: F): Message<F> => {
      return { package: name, name: message, fields, atomic: true };
    },
    kind: <F extends Fields>(message: string, fields: F): Message<typeof typeMeta & F> => {
      const gvk = { group, version, kind: message };
      return { package: name, name: message, fields: { ...typeMeta, ...fields }, kind: gvk, atomic: false };
    },
  });
}
