import { describe, expect, it } from "vitest";
import { flag, helpText, parseConfig } from "./index.ts";

const spec = {
  name: flag.string({ help: "The name." }),
  heartbeatMs: flag.int({ help: "Between heartbeats.", default: 100, min: 10, max: 1000 }),
  storeEndpoints: flag.hostPorts({ help: "The store.", default: [] }),
  initialCluster: flag.map({ help: "Members.", default: new Map() }),
  pretty: flag.boolean({ help: "For people.", default: false }),
  traceFile: flag.string({ help: "Traces.", optional: true }),
  level: flag.choice(["debug", "info"], { help: "Log level.", default: "info" }),
};

function problemsOf(argv: string[], env: Record<string, string> = {}): string[] {
  try {
    parseConfig(spec, argv, env);
  } catch (thrown) {
    return (thrown as Error).message.split("\n");
  }
  return [];
}

describe("parseConfig", () => {
  it("prefers the flag to the environment to the default, typed and frozen", () => {
    const config = parseConfig(
      spec,
      ["--name=server1", "--heartbeat-ms", "50", "--store-endpoints=10.0.0.1:2379,b:2379", "--pretty"],
      { TRIREME_HEARTBEAT_MS: "70", TRIREME_LEVEL: "debug", TRIREME_INITIAL_CLUSTER: "a=1.2.3.4:1,b=5:2" },
    );
    const heartbeat: number = config.heartbeatMs;
    const trace: string | undefined = config.traceFile;
    const level: "debug" | "info" = config.level;
    expect([heartbeat, trace, level]).toEqual([50, undefined, "debug"]);
    expect(config.storeEndpoints).toEqual(["10.0.0.1:2379", "b:2379"]);
    expect([...config.initialCluster]).toEqual([
      ["a", "1.2.3.4:1"],
      ["b", "5:2"],
    ]);
    expect(config.pretty).toBe(true);
    expect(Object.isFrozen(config)).toBe(true);
    expect(parseConfig(spec, ["--name=x", "--no-pretty"], { TRIREME_PRETTY: "true" }).pretty).toBe(false);
  });

  it("names every problem at once", () => {
    const problems = problemsOf(
      ["--heartbeat-ms=5", "--heartbeat=1", "--store-endpoints=10.0.0.1", "--level=loud", "stray"],
      { TRIREME_PRETTY: "maybe", TRIREME_INITIAL_CLUSTER: "a=1,a=2" },
    );
    expect(problems).toEqual([
      "unknown flag --heartbeat; did you mean --heartbeat-ms?",
      'unexpected argument "stray": every setting is a flag such as --name=value',
      "--name (or TRIREME_NAME) is required: The name.",
      '--heartbeat-ms="5" must be a whole number from 10 to 1000',
      '--store-endpoints="10.0.0.1" must be a comma-separated list of HOST:PORT; "10.0.0.1" is not',
      'TRIREME_INITIAL_CLUSTER="a=1,a=2" must name each entry once; "a" is there twice',
      'TRIREME_PRETTY="maybe" must be true or false',
      '--level="loud" must be one of debug, info',
    ]);
  });

  it("refuses a flag without its value and one given twice", () => {
    expect(problemsOf(["--name=a", "--heartbeat-ms"])).toEqual(["--heartbeat-ms needs a value: --heartbeat-ms=N"]);
    expect(problemsOf(["--name=a", "--name=b"])).toEqual(["--name is given twice"]);
  });
});

describe("helpText", () => {
  it("shows the sentence, the default and the twin of each flag", () => {
    expect(helpText("store", spec)).toContain(
      "--heartbeat-ms=N                     Between heartbeats. (default 100; env TRIREME_HEARTBEAT_MS)",
    );
  });
});
