import { type TriremeError, errorFrom } from "@trireme/base";
import { type Flag, FlagValueError, envName, flagName, usageError } from "./flags.ts";

/** A service's settings by their property names. */
export type ConfigSpec = Readonly<Record<string, Flag<unknown>>>;

/** The frozen values that a {@link ConfigSpec} yields. */
export type ConfigOf<S extends ConfigSpec> = {
  readonly [K in keyof S]: S[K] extends Flag<infer T> ? T : never;
};

interface Given {
  readonly text: string;
  /** How the user wrote it, for the message: `--heartbeat-ms` or `TRIREME_HEARTBEAT_MS`. */
  readonly origin: string;
}

/**
 * Reads settings from the command line, then from the environment, then from the defaults. Throws a TriremeError
 * (`BadRequest`) that names each flag that is unknown, missing or malformed, all of them at once.
 */
export function parseConfig<const S extends ConfigSpec>(
  spec: S,
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): ConfigOf<S> {
  const problems: string[] = [];
  const given = readArguments(spec, argv, problems);
  const config: Record<string, unknown> = {};
  for (const [key, setting] of Object.entries(spec)) {
    const fromEnv = env[envName(key)];
    const source = given.get(key) ?? (fromEnv === undefined ? undefined : { text: fromEnv, origin: envName(key) });
    if (source !== undefined) config[key] = readValue(setting, source, problems);
    else if (setting.fallback !== undefined) config[key] = setting.fallback.value;
    else problems.push(`--${flagName(key)} (or ${envName(key)}) is required: ${setting.help}`);
  }
  if (problems.length > 0) throw usageError(problems.join("\n"));
  return Object.freeze(config) as ConfigOf<S>;
}

function readArguments(spec: ConfigSpec, argv: readonly string[], problems: string[]): Map<string, Given> {
  const keys = new Map(Object.keys(spec).map((key) => [flagName(key), key]));
  const given = new Map<string, Given>();
  for (let i = 0; i < argv.length; i++) {
    const argument = argv[i] ?? "";
    if (!argument.startsWith("--")) {
      problems.push(`unexpected argument "${argument}": every setting is a flag such as --name=value`);
      continue;
    }
    const equals = argument.indexOf("=");
    const name = argument.slice(2, equals === -1 ? undefined : equals);
    const positive = keys.get(name);
    const negative = name.startsWith("no-") ? keys.get(name.slice(3)) : undefined;
    if (positive === undefined && negative !== undefined && spec[negative]?.isSwitch === true && equals === -1) {
      given.set(negative, { text: "false", origin: `--${name}` });
      continue;
    }
    const setting = positive === undefined ? undefined : spec[positive];
    if (positive === undefined || setting === undefined) {
      problems.push(`unknown flag --${name}${suggestion(name, keys.keys())}`);
      continue;
    }
    if (given.has(positive)) problems.push(`--${name} is given twice`);
    const text = equals === -1 ? (setting.isSwitch ? "true" : argv[++i]) : argument.slice(equals + 1);
    if (text === undefined) problems.push(`--${name} needs a value: --${name}=${setting.placeholder}`);
    else given.set(positive, { text, origin: `--${name}` });
  }
  return given;
}

function readValue(setting: Flag<unknown>, source: Given, problems: string[]): unknown {
  try {
    return setting.parse(source.text);
  } catch (thrown) {
    if (!(thrown instanceof FlagValueError)) throw thrown;
    problems.push(`${source.origin}="${source.text}" ${thrown.message}`);
    return undefined;
  }
}

function suggestion(name: string, known: Iterable<string>): string {
  for (const candidate of known) {
    if (candidate.startsWith(name) || name.startsWith(candidate)) return `; did you mean --${candidate}?`;
  }
  return "; --help lists them";
}

/** What `--help` prints: one line for each flag with its placeholder, sentence, default and environment twin. */
export function helpText(program: string, spec: ConfigSpec): string {
  const lines = Object.entries(spec).map(([key, setting]) => {
    const left = `  --${flagName(key)}=${setting.placeholder}`;
    return `${left.padEnd(38)} ${setting.help} (${describeDefault(setting)}; env ${envName(key)})`;
  });
  return [`usage: ${program} [--flag=value]...`, "", ...lines, ""].join("\n");
}

function describeDefault(setting: Flag<unknown>): string {
  if (setting.fallback === undefined) return "required";
  const value = setting.fallback.value;
  if (value === undefined) return "optional";
  if (value instanceof Map) return value.size === 0 ? "default none" : `default ${[...value].join(",")}`;
  if (Array.isArray(value)) return value.length === 0 ? "default none" : `default ${value.join(",")}`;
  return `default ${String(value as string | number | boolean)}`;
}

/** For main files: {@link parseConfig} on the process's own arguments; prints help (exit 0) or the problems (exit 2). */
export function parseConfigOrExit<const S extends ConfigSpec>(program: string, spec: S): ConfigOf<S> {
  const argv = process.argv.slice(2);
  if (argv.includes("--help") || argv.includes("-h")) {
    process.stdout.write(helpText(program, spec));
    process.exit(0);
  }
  try {
    return parseConfig(spec, argv, process.env);
  } catch (thrown) {
    const error: TriremeError = errorFrom(thrown);
    if (error.code !== "BadRequest") throw thrown;
    process.stderr.write(`${program}: ${error.message.replaceAll("\n", `\n${program}: `)}\n`);
    process.exit(2);
  }
}
