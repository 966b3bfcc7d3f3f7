import { errorFrom } from "@trireme/base";
import { createProgram } from "./commands/program.ts";

/** Runs `tri`. The `tri` script has installed and built what is needed before this starts. */
try {
  const program = await createProgram(process.argv[2]);
  await program.parseAsync(process.argv);
} catch (thrown) {
  const error = errorFrom(thrown);
  process.stderr.write(`tri: ${error.message}\n`);
  if (error.code === "InternalError" && process.env.TRIREME_DEBUG !== undefined)
    process.stderr.write(`${error.stack}\n`);
  process.exitCode = 1;
}
// A command that is done ends now: a socket that still dials a host which was cut off would hold it for 40 s.
await new Promise((resolve) => process.stdout.write("", resolve));
process.exit();
