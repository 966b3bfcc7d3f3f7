import { TriremeError } from "@trireme/base";

/** One setting: how it reads from text, what it is without one, and the sentence that `--help` prints for it. */
export interface Flag<T> {
  readonly help: string;
  /** What stands for the value in `--help`, e.g. `MS` or `HOST:PORT,...`. */
  readonly placeholder: string;
  /** Whether the flag may stand without a value (`--verbose`), and be negated (`--no-verbose`). */
  readonly isSwitch: boolean;
  /** Present unless the setting is required. */
  readonly fallback?: { readonly value: T };
  /** Reads the text, or throws an Error whose message completes "must be ...". */
  parse(text: string): T;
}

interface Common {
  readonly help: string;
  readonly placeholder?: string;
}

interface Defaulted<T> extends Common {
  readonly default: T;
}

interface Optional extends Common {
  readonly optional: true;
}

type Options<T> = Common | Defaulted<T> | Optional;

function build<T>(options: Options<T>, placeholder: string, parse: (text: string) => T, isSwitch = false): Flag<T> {
  const base = { help: options.help, placeholder: options.placeholder ?? placeholder, isSwitch, parse };
  if ("default" in options) return { ...base, fallback: { value: options.default } };
  if ("optional" in options) return { ...base, fallback: { value: undefined as T } };
  return base;
}

/** The reason why a text is no value of a flag; {@link parseConfig} puts the flag's name and the text before it. */
export class FlagValueError extends Error {}

function stringFlag(options: Optional & { pattern?: RegExp; patternHelp?: string }): Flag<string | undefined>;
function stringFlag(options: (Common | Defaulted<string>) & { pattern?: RegExp; patternHelp?: string }): Flag<string>;
function stringFlag(options: Options<string> & { pattern?: RegExp; patternHelp?: string }): Flag<string | undefined> {
  return build<string>(options, "TEXT", (text) => {
    if (text === "") throw new FlagValueError("must not be empty");
    if (options.pattern !== undefined && !options.pattern.test(text)) {
      throw new FlagValueError(`must be ${options.patternHelp ?? `like ${String(options.pattern)}`}`);
    }
    return text;
  });
}

interface Range {
  readonly min?: number;
  readonly max?: number;
}

function intFlag(options: Optional & Range): Flag<number | undefined>;
function intFlag(options: (Common | Defaulted<number>) & Range): Flag<number>;
function intFlag(options: Options<number> & Range): Flag<number | undefined> {
  const min = options.min ?? 0;
  const max = options.max ?? Number.MAX_SAFE_INTEGER;
  return build<number>(options, "N", (text) => {
    const value = Number(text);
    if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(value) || value < min || value > max) {
      const bounds = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
      throw new FlagValueError(`must be a whole number ${bounds}`);
    }
    return value;
  });
}

function booleanFlag(options: Defaulted<boolean>): Flag<boolean> {
  const words = new Map([
    ["true", true],
    ["1", true],
    ["false", false],
    ["0", false],
  ]);
  return build<boolean>(
    options,
    "true|false",
    (text) => {
      const value = words.get(text);
      if (value === undefined) throw new FlagValueError("must be true or false");
      return value;
    },
    true,
  );
}

function listFlag(options: (Common | Defaulted<readonly string[]>) & { item?: RegExp; itemHelp?: string }) {
  return build<readonly string[]>(options, "A,B,...", (text) => {
    const items = text === "" ? [] : text.split(",").map((item) => item.trim());
    for (const item of items) {
      if (item === "" || (options.item !== undefined && !options.item.test(item))) {
        throw new FlagValueError(`must be a comma-separated list of ${options.itemHelp ?? "words"}; "${item}" is not`);
      }
    }
    return Object.freeze(items);
  });
}

function mapFlag(options: Common | Defaulted<ReadonlyMap<string, string>>): Flag<ReadonlyMap<string, string>> {
  return build<ReadonlyMap<string, string>>(options, "NAME=VALUE,...", (text) => {
    const map = new Map<string, string>();
    for (const item of text.split(",")) {
      const at = item.indexOf("=");
      if (at <= 0 || at === item.length - 1) {
        throw new FlagValueError(`must be a comma-separated list of NAME=VALUE; "${item}" is not`);
      }
      const name = item.slice(0, at).trim();
      if (map.has(name)) throw new FlagValueError(`must name each entry once; "${name}" is there twice`);
      map.set(name, item.slice(at + 1).trim());
    }
    return map;
  });
}

function choiceFlag<const C extends string>(
  choices: readonly C[],
  options: { readonly help: string; readonly default?: C; readonly placeholder?: string },
): Flag<C> {
  return build<C>(options as Options<C>, choices.join("|"), (text) => {
    const found = choices.find((choice) => choice === text);
    if (found === undefined) throw new FlagValueError(`must be one of ${choices.join(", ")}`);
    return found;
  });
}

/** `HOST:PORT`, the host a name or an IPv4 address. */
const HOST_PORT = /^[A-Za-z0-9.-]+:\d{1,5}$/;

function hostPortsFlag(options: Common | Defaulted<readonly string[]>): Flag<readonly string[]> {
  return listFlag({ placeholder: "HOST:PORT,...", ...options, item: HOST_PORT, itemHelp: "HOST:PORT" });
}

/** The kinds of setting. Without `default` (or `optional: true`) a setting is required. */
export const flag = {
  string: stringFlag,
  int: intFlag,
  boolean: booleanFlag,
  list: listFlag,
  map: mapFlag,
  choice: choiceFlag,
  hostPorts: hostPortsFlag,
} as const;

/** The command line's name of a setting: `heartbeatMs` -> `heartbeat-ms`. */
export function flagName(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** The environment's name of a setting: `heartbeatMs` -> `TRIREME_HEARTBEAT_MS`. */
export function envName(key: string): string {
  return `TRIREME_${flagName(key).replaceAll("-", "_").toUpperCase()}`;
}

/** An error about the command line or the environment. */
export function usageError(message: string): TriremeError {
  return new TriremeError("BadRequest", message);
}
