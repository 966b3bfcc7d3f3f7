/**
 * Label and field selectors, as `kubectl -l` and `--field-selector` write them and as `spec.selector` states them.
 * Pure and self-contained: the apiserver, the controllers and the scheduler must agree on every corner.
 */
import { TriremeError } from "@trireme/base";

/** How a requirement compares; `exists` and `!` take no values. `!=`, `notin` and `!` also match an absent key. */
export type LabelOperator = "=" | "!=" | "in" | "notin" | "exists" | "!" | ">" | "<";

/** One comma-separated term of a label selector. */
export interface LabelRequirement {
  readonly key: string;
  readonly op: LabelOperator;
  readonly values: readonly string[];
}

/** The parts of `meta/v1 LabelSelector` that matching reads; every typed LabelSelector is assignable to it. */
export interface LabelSelectorShape {
  readonly matchLabels?: Readonly<Record<string, string>> | undefined;
  readonly matchExpressions?:
    | readonly { readonly key: string; readonly operator: string; readonly values?: readonly string[] | undefined }[]
    | undefined;
}

/** Labels of an object; absent labels are an empty map. */
export type Labels = Readonly<Record<string, string>> | undefined | null;

/** One comma-separated term of a field selector. */
export interface FieldRequirement {
  readonly field: string;
  readonly op: "=" | "!=";
  readonly value: string;
}

const NAME = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const PREFIX = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;

/** Whether `key` may name a label: an optional DNS prefix and a name of at most 63 characters. */
export function isLabelKey(key: string): boolean {
  const slash = key.indexOf("/");
  if (slash === -1) return NAME.test(key);
  const prefix = key.slice(0, slash);
  return prefix.length <= 253 && PREFIX.test(prefix) && NAME.test(key.slice(slash + 1));
}

/** Whether `value` may be a label's value: empty, or at most 63 characters of letters, digits, `-`, `_` and `.`. */
export function isLabelValue(value: string): boolean {
  return VALUE.test(value);
}

/** Parses a label selector; the empty text selects everything. Throws BadRequest that quotes the text. */
export function parseLabelSelector(text: string): LabelRequirement[] {
  const tokens = tokenize(text);
  const requirements: LabelRequirement[] = [];
  let at = 0;
  const fail = (why: string): never => refuse(text, why);
  const word = (what: string): string => {
    const token = tokens[at];
    if (token?.kind !== "word") return fail(`found '${token?.text ?? "end of text"}', expected ${what}`);
    at += 1;
    return token.text;
  };
  if (tokens.length === 0) return requirements;
  for (;;) {
    requirements.push(requirement());
    const token = tokens[at];
    if (token === undefined) return requirements;
    if (token.text !== ",") fail(`found '${token.text}', expected ','`);
    at += 1;
    if (at === tokens.length) fail("found end of text, expected a label key after ','");
  }

  function requirement(): LabelRequirement {
    if (tokens[at]?.text === "!") {
      at += 1;
      return { key: key(), op: "!", values: [] };
    }
    const name = key();
    const token = tokens[at];
    if (token === undefined || token.text === ",") return { key: name, op: "exists", values: [] };
    at += 1;
    switch (token.text) {
      case "=":
      case "==":
        return { key: name, op: "=", values: [single()] };
      case "!=":
        return { key: name, op: "!=", values: [single()] };
      case "in":
      case "notin":
        return { key: name, op: token.text, values: set() };
      case ">":
      case "<": {
        const value = single();
        if (!/^-?\d+$/.test(value)) fail(`'${value}' after '${token.text}' must be an integer`);
        return { key: name, op: token.text, values: [value] };
      }
      default:
        return fail(`found '${token.text}', expected: in, notin, =, ==, !=, gt, lt`);
    }
  }

  function key(): string {
    const name = word("a label key");
    if (!isLabelKey(name)) fail(`'${name}' is not a valid label key`);
    return name;
  }

  function value(name: string): string {
    if (!isLabelValue(name)) fail(`'${name}' is not a valid label value`);
    return name;
  }

  function single(): string {
    const token = tokens[at];
    if (token === undefined || token.text === ",") return "";
    return value(word("a label value"));
  }

  function set(): string[] {
    if (tokens[at]?.text !== "(") fail(`found '${tokens[at]?.text ?? "end of text"}', expected '('`);
    at += 1;
    const values: string[] = [];
    for (;;) {
      const token = tokens[at];
      // An empty place, as in `(a,)`, is the empty value: Kubernetes accepts it.
      values.push(token?.text === "," || token?.text === ")" ? "" : value(word("a label value")));
      const next = tokens[at];
      at += 1;
      if (next?.text === ")") return values;
      if (next?.text !== ",") fail(`found '${next?.text ?? "end of text"}', expected ',' or ')'`);
    }
  }
}

/** Whether labels meet every requirement. */
export function requirementsMatch(requirements: readonly LabelRequirement[], labels: Labels): boolean {
  return requirements.every((one) => requirementMatches(one, labels));
}

/** Whether an object's labels meet a `LabelSelector`: an empty one matches all, an absent one nothing. */
export function labelSelectorMatches(selector: LabelSelectorShape | undefined | null, labels: Labels): boolean {
  if (selector === undefined || selector === null) return false;
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) {
    if (valueOf(labels, key) !== value) return false;
  }
  return requirementsMatch((selector.matchExpressions ?? []).map(fromExpression), labels);
}

/** A `LabelSelector` as its requirements, sorted by key as Kubernetes prints them. */
export function labelSelectorRequirements(selector: LabelSelectorShape | undefined | null): LabelRequirement[] {
  const fromLabels = Object.entries(selector?.matchLabels ?? {}).map(([key, value]): LabelRequirement => ({
    key,
    op: "=",
    values: [value],
  }));
  const all = [...fromLabels, ...(selector?.matchExpressions ?? []).map(fromExpression)];
  return all.toSorted((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
}

/** The text of a selector, such as `app=web,tier in (a,b),!old`; `<none>` never: an empty selector is the empty text. */
export function formatLabelSelector(
  selector: LabelSelectorShape | readonly LabelRequirement[] | undefined | null,
): string {
  const requirements = isRequirements(selector) ? selector : labelSelectorRequirements(selector);
  return requirements.map(formatRequirement).join(",");
}

/** Parses a field selector such as `spec.nodeName=a,status.phase!=Failed`. Throws BadRequest that quotes the text. */
export function parseFieldSelector(text: string): FieldRequirement[] {
  return splitEscaped(text).map((term) => {
    const match = /^\s*([A-Za-z0-9_.[\]/-]+)\s*(!=|==|=)(.*)$/s.exec(term);
    if (match === null) refuse(text, `'${term}' is not of the form field=value or field!=value`, "field");
    const [, field = "", op, raw = ""] = match!;
    const value = raw.trim().replaceAll(/\\([\\,=])/g, "$1");
    return { field, op: op === "!=" ? "!=" : "=", value };
  });
}

/** Whether an object meets every field requirement; `get` answers undefined for a field that the object does not have. */
export function fieldsMatch(
  requirements: readonly FieldRequirement[],
  get: (field: string) => string | undefined,
): boolean {
  return requirements.every(({ field, op, value }) => ((get(field) ?? "") === value) === (op === "="));
}

interface Token {
  readonly kind: "word" | "operator";
  readonly text: string;
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  const pattern = /\s*(?:(==|!=|=|!|<|>|\(|\)|,)|([^\s=!<>(),]+))/y;
  let end = 0;
  while (text.slice(end).trim() !== "") {
    pattern.lastIndex = end;
    const match = pattern.exec(text);
    if (match === null) return refuse(text, `unexpected character '${text.slice(end).trim()[0]}'`);
    tokens.push(match[1] === undefined ? { kind: "word", text: match[2]! } : { kind: "operator", text: match[1] });
    end = pattern.lastIndex;
  }
  return tokens;
}

function splitEscaped(text: string): string[] {
  const terms: string[] = [];
  let term = "";
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!;
    if (char === "\\") {
      term += char + (text[i + 1] ?? "");
      i += 1;
    } else if (char === ",") {
      terms.push(term);
      term = "";
    } else {
      term += char;
    }
  }
  terms.push(term);
  return terms.filter((one) => one.trim() !== "");
}

function requirementMatches(requirement: LabelRequirement, labels: Labels): boolean {
  const { key, op, values } = requirement;
  const actual = valueOf(labels, key);
  switch (op) {
    case "=":
    case "in":
      return actual !== undefined && values.includes(actual);
    case "!=":
    case "notin":
      return actual === undefined || !values.includes(actual);
    case "exists":
      return actual !== undefined;
    case "!":
      return actual === undefined;
    case ">":
    case "<": {
      if (actual === undefined || !/^-?\d+$/.test(actual)) return false;
      return op === ">" ? Number(actual) > Number(values[0]) : Number(actual) < Number(values[0]);
    }
  }
}

function valueOf(labels: Labels, key: string): string | undefined {
  // Own properties only: a label may be called `constructor`.
  return labels !== undefined && labels !== null && Object.hasOwn(labels, key) ? labels[key] : undefined;
}

const EXPRESSION_OPERATORS: Readonly<Record<string, LabelOperator>> = {
  In: "in",
  NotIn: "notin",
  Exists: "exists",
  DoesNotExist: "!",
  Gt: ">",
  Lt: "<",
};

function fromExpression(expression: {
  readonly key: string;
  readonly operator: string;
  readonly values?: readonly string[] | undefined;
}): LabelRequirement {
  const op = EXPRESSION_OPERATORS[expression.operator];
  if (op === undefined) {
    throw new TriremeError("BadRequest", `"${expression.operator}" is not a valid label selector operator`);
  }
  return { key: expression.key, op, values: expression.values ?? [] };
}

function formatRequirement({ key, op, values }: LabelRequirement): string {
  if (op === "exists") return key;
  if (op === "!") return `!${key}`;
  if (op === "in" || op === "notin") return `${key} ${op} (${values.toSorted().join(",")})`;
  return `${key}${op}${values[0] ?? ""}`;
}

function isRequirements(value: unknown): value is readonly LabelRequirement[] {
  return Array.isArray(value);
}

function refuse(text: string, why: string, kind = "label"): never {
  throw new TriremeError("BadRequest", `unable to parse ${kind} selector "${text}": ${why}`);
}
