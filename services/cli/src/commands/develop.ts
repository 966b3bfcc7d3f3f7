import { TriremeError } from "@trireme/base";
import { Command } from "commander";
import { repoRoot } from "../local/programs.ts";
import { SUITES, benchmarks, prepareLater, runBenchmark, runSuites, suiteOf } from "../testing/suites.ts";
import { type Tally, summary } from "../testing/tally.ts";

/** `test`, `bench`, `dev`: for those who work on Trireme itself. */
export function developCommands(): Command[] {
  return [testCommand(), benchCommand(), devCommand()];
}

function testCommand(): Command {
  const names = SUITES.map((suite) => `  ${suite.name.padEnd(12)} ${suite.help}`).join("\n");
  return new Command("test")
    .description("run the tests: all that continuous integration runs, or one suite")
    .argument("[suite]", "one suite")
    .argument("[args...]", "passed on to the suite, e.g. a file's name")
    .allowUnknownOption()
    .addHelpText("after", `\nSuites:\n${names}`)
    .action(async (suite: string | undefined, extra: string[]) => {
      const root = repoRoot();
      if (suite === undefined) {
        prepareLater(root);
        // Tests that have a longer form take the short one when all suites run.
        process.env["TRIREME_TEST_SHARE"] = "ci";
      }
      const only = suite === undefined ? undefined : { ...suiteOf(suite), ci: extra };
      const tallies = await runSuites(root, only === undefined ? SUITES : [only]);
      process.stdout.write(`\n${summary(tallies)}`);
      if (tallies.some((tally) => tally.failed > 0)) process.exitCode = 1;
    });
}

function benchCommand(): Command {
  return new Command("bench")
    .description("run benchmarks; prints JSON lines")
    .argument("[name]", "one benchmark; all when left out")
    .argument("[parts...]", "what that benchmark takes: its first lines say what")
    .action(async (name: string | undefined, parts: string[]) => {
      const there = benchmarks(repoRoot());
      if (name !== undefined && !there.includes(name)) {
        throw new TriremeError("NotFound", `there is no benchmark "${name}"; there are ${there.join(", ")}`);
      }
      for (const one of name === undefined ? there : [name]) {
        if ((await runBenchmark(repoRoot(), one, parts)) !== 0) process.exitCode = 1;
      }
    });
}

function devCommand(): Command {
  const command = new Command("dev").description("steps of the work on Trireme itself");
  command.addCommand(
    new Command("gen").description("generate code from proto/; done by every ./tri when needed").action(() => {
      // The script has done it before this process started.
      process.stdout.write("libs/proto/src/gen is up to date\n");
    }),
  );
  command.addCommand(
    new Command("check")
      .description("proto lint, types, lint, format, nothing unused, and the tidy test")
      .action(async () => {
        const tallies: Tally[] = [];
        for (const name of ["check", "tidy"]) tallies.push(await suiteOf(name).run(repoRoot(), []));
        process.stdout.write(`\n${summary(tallies)}`);
        if (tallies.some((tally) => tally.failed > 0)) process.exitCode = 1;
      }),
  );
  return command;
}
