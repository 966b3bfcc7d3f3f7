import { TriremeError } from "@trireme/base";
import { checkDepth, isObject, jsonEqual } from "./value.ts";

/** kubectl's longest patches have a handful of operations; more than this is an attack or a mistake. */
const MAX_OPERATIONS = 10_000;
/** Values that `copy` may duplicate in one patch, counted in nodes: copying a copy doubles it each time. */
const MAX_COPIED_NODES = 100_000;
const PROTOTYPE_KEYS: ReadonlySet<string> = new Set(["__proto__", "constructor"]);

interface Operation {
  readonly op: string;
  readonly path: string;
  readonly from?: unknown;
  readonly value?: unknown;
}

/** Applies a JSON patch (RFC 6902); inputs are left unchanged. Throws Invalid when a path is missing or a test fails. */
export function jsonPatch(document: unknown, operations: unknown): unknown {
  if (!Array.isArray(operations)) throw new TriremeError("BadRequest", "a JSON patch is a list of operations");
  if (operations.length > MAX_OPERATIONS) {
    throw new TriremeError(
      "RequestEntityTooLarge",
      `a JSON patch may have ${MAX_OPERATIONS} operations, got ${operations.length}`,
    );
  }
  checkDepth(operations);
  const root = { value: structuredClone(document) };
  let copied = 0;
  for (const [index, raw] of operations.entries()) {
    const operation = readOperation(raw, index);
    const at = new Pointer(root, operation.path, index);
    switch (operation.op) {
      case "add":
        at.add(structuredClone(operation.value));
        break;
      case "replace":
        at.get();
        at.replace(structuredClone(operation.value));
        break;
      case "remove":
        at.remove();
        break;
      case "test":
        if (!jsonEqual(at.get(), operation.value ?? null)) fail(index, `the value at "${operation.path}" is another`);
        break;
      case "move": {
        const from = pointerFrom(root, operation, index);
        if (operation.path.startsWith(`${String(operation.from)}/`)) fail(index, "a value cannot move into itself");
        at.add(from.remove());
        break;
      }
      case "copy": {
        const value = pointerFrom(root, operation, index).get();
        copied += countNodes(value);
        if (copied > MAX_COPIED_NODES) {
          throw new TriremeError("RequestEntityTooLarge", `a JSON patch may copy ${MAX_COPIED_NODES} values`);
        }
        at.add(structuredClone(value));
        break;
      }
      default:
        throw new TriremeError("BadRequest", `operation ${index}: "${operation.op}" is no JSON patch operation`);
    }
  }
  return root.value;
}

function readOperation(raw: unknown, index: number): Operation {
  if (!isObject(raw) || typeof raw["op"] !== "string" || typeof raw["path"] !== "string") {
    throw new TriremeError("BadRequest", `operation ${index}: needs "op" and "path"`);
  }
  return raw as unknown as Operation;
}

function pointerFrom(root: { value: unknown }, operation: Operation, index: number): Pointer {
  if (typeof operation.from !== "string") throw new TriremeError("BadRequest", `operation ${index}: needs "from"`);
  return new Pointer(root, operation.from, index);
}

function fail(index: number, why: string): never {
  throw new TriremeError("Invalid", `the JSON patch cannot be applied: operation ${index}: ${why}`);
}

/** A JSON pointer into a document, resolved to the container of its last segment. */
class Pointer {
  private readonly container: unknown;
  private readonly key: string;
  private readonly path: string;
  private readonly index: number;

  constructor(root: { value: unknown }, path: string, index: number) {
    this.path = path;
    this.index = index;
    if (path !== "" && !path.startsWith("/")) fail(index, `"${path}" is no JSON pointer: it must start with "/"`);
    const segments = path
      .split("/")
      .slice(1)
      .map((segment) => segment.replaceAll("~1", "/").replaceAll("~0", "~"));
    // The document hangs under one key of a holder, so that the root is a place like any other.
    let container: unknown = root;
    let key = "value";
    for (const segment of segments) {
      if (PROTOTYPE_KEYS.has(segment)) fail(index, `"${path}" would reach an object's prototype`);
      container = this.child(container, key);
      key = segment;
    }
    this.container = container;
    this.key = key;
  }

  get(): unknown {
    return this.child(this.container, this.key);
  }

  add(value: unknown): void {
    if (Array.isArray(this.container)) {
      const at = this.key === "-" ? this.container.length : this.position(this.container.length);
      this.container.splice(at, 0, value);
    } else if (isObject(this.container)) {
      this.container[this.key] = value;
    } else {
      this.missing();
    }
  }

  replace(value: unknown): void {
    if (Array.isArray(this.container)) this.container[this.position(this.container.length - 1)] = value;
    else (this.container as Record<string, unknown>)[this.key] = value;
  }

  remove(): unknown {
    const value = this.get();
    if (Array.isArray(this.container)) this.container.splice(this.position(this.container.length - 1), 1);
    else delete (this.container as Record<string, unknown>)[this.key];
    return value;
  }

  private child(container: unknown, key: string): unknown {
    if (Array.isArray(container)) {
      if (!/^(0|[1-9]\d*)$/.test(key) || Number(key) >= container.length) this.missing();
      return container[Number(key)];
    }
    if (!isObject(container) || !Object.hasOwn(container, key)) this.missing();
    return (container as Record<string, unknown>)[key];
  }

  private position(last: number): number {
    if (!/^(0|[1-9]\d*)$/.test(this.key) || Number(this.key) > last) this.missing();
    return Number(this.key);
  }

  private missing(): never {
    fail(this.index, `there is nothing at "${this.path}"`);
  }
}

function countNodes(value: unknown): number {
  if (typeof value !== "object" || value === null) return 1;
  return Object.values(value).reduce((sum: number, item) => sum + countNodes(item), 1);
}
