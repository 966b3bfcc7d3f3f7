import { log, wordsOf } from "../shared/log.ts";
import { runUntilSignal } from "../shared/run.ts";
import { migrate } from "./migrate.ts";
import { startBackend } from "./server.ts";

if (process.argv[2] === "migrate") {
  migrate().then(
    () => process.exit(0),
    (error: unknown) => {
      log("the database could not be brought up to date", { error: wordsOf(error) });
      process.exit(1);
    },
  );
} else {
  runUntilSignal(startBackend);
}
