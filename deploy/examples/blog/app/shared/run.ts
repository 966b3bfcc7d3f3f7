import { log, wordsOf } from "./log.ts";

/** Runs a program that serves until it is told to end; `start` answers what ends it in order. */
export function runUntilSignal(start: () => Promise<() => Promise<void>>): void {
  void start().then(
    (stop) => {
      for (const signal of ["SIGTERM", "SIGINT"] as const) {
        process.once(signal, () => {
          log("ending", { signal });
          void stop().then(
            () => process.exit(0),
            (error: unknown) => exitWith("could not end in order", error),
          );
        });
      }
    },
    (error: unknown) => exitWith("could not start", error),
  );
}

function exitWith(message: string, error: unknown): never {
  log(message, { error: wordsOf(error) });
  process.exit(1);
}
