import { errorFrom } from "@trireme/base";
import { pino } from "pino";

/** Structured context of one log line. Prefer the fixed names: node, pod, key, term, index, revision, err. */
export type LogKeys = Readonly<Record<string, unknown>>;

/**
 * One component's log. Messages are constant, lower-case sentences; whatever varies goes into keys. `info` is a state
 * change that an operator acts on, `debug` is the rest.
 */
export interface Logger {
  debug(message: string, keys?: LogKeys): void;
  info(message: string, keys?: LogKeys): void;
  warn(message: string, keys?: LogKeys): void;
  error(message: string, keys?: LogKeys): void;
  /** A logger that adds `keys` to each line. */
  child(keys: LogKeys): Logger;
}

/** Severity names, least first. */
export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

/** Where lines go and which of them. */
export interface LoggerOptions {
  /** Default: env `TRIREME_LOG_LEVEL`, else `info`. */
  readonly level?: LogLevel;
  /** Keys of every line. */
  readonly keys?: LogKeys;
  /** Receives each JSON line with its newline; default is stdout, written synchronously so that a crash loses none. */
  readonly sink?: (line: string) => void;
}

const LEVELS: ReadonlySet<string> = new Set<LogLevel>(["debug", "info", "warn", "error", "silent"]);

/** How many causes below an error are logged: enough to reach the socket, bounded because causes may form a cycle. */
const MAX_CAUSES = 4;

interface LoggedError {
  code: string;
  message: string;
  stack?: string;
  cause?: LoggedError;
}

function toLoggedError(thrown: unknown, depth = 0): LoggedError {
  const error = errorFrom(thrown);
  const raw = (thrown as { code?: unknown } | undefined)?.code;
  const logged: LoggedError = { code: typeof raw === "string" ? raw : error.code, message: error.message };
  // An expected failure needs no stack; anything else is a surprise whose origin we want to see.
  if (depth === 0 && thrown instanceof Error && thrown.name !== "TriremeError" && thrown.stack !== undefined) {
    logged.stack = thrown.stack;
  }
  const cause = thrown instanceof Error ? thrown.cause : undefined;
  if (cause !== undefined && depth < MAX_CAUSES) logged.cause = toLoggedError(cause, depth + 1);
  return logged;
}

function levelFromEnv(): LogLevel {
  const value = process.env["TRIREME_LOG_LEVEL"];
  return value !== undefined && LEVELS.has(value) ? (value as LogLevel) : "info";
}

type PinoLike = Pick<pino.Logger, "debug" | "info" | "warn" | "error" | "child">;

function wrap(inner: PinoLike): Logger {
  const at =
    (level: "debug" | "info" | "warn" | "error") =>
    (message: string, keys: LogKeys = {}): void =>
      inner[level](keys, message);
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: (keys) => wrap(inner.child(keys)),
  };
}

/** Creates the log of one component: JSON lines `{level, time, component, ...keys, msg}`; the key `err` takes any thrown value. */
export function createLogger(component: string, options: LoggerOptions = {}): Logger {
  const sink = options.sink;
  const destination = sink === undefined ? pino.destination({ fd: 1, sync: true }) : { write: sink };
  return wrap(
    pino(
      {
        level: options.level ?? levelFromEnv(),
        base: { component, ...options.keys },
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
        serializers: { err: (thrown: unknown) => toLoggedError(thrown) },
      },
      destination,
    ),
  );
}

/** A log that keeps nothing: the default of libraries whose caller passes none. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLogger,
};
