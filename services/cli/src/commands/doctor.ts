import { Command, Option } from "commander";
import type { HostRole } from "@trireme/pki";
import { examine } from "../doctor/examine.ts";
import { type Finding, judge } from "../doctor/judge.ts";
import { dataDirOption } from "./machine.ts";

/** `doctor`: what a machine lacks, before and after it has joined. */
export function doctorCommand(): Command {
  return new Command("doctor")
    .description("say what this machine lacks: kernel, programs, ports, disk, clock, servers, certificates")
    .addOption(dataDirOption())
    .addOption(new Option("--role <role>", "what it is to become; both, when left out").choices(["server", "node"]))
    .addOption(new Option("--address <ip>", "the address it is to have").env("TRIREME_ADDRESS"))
    .addHelpText("after", "\nThe exit code is 1 when anything fails; warnings leave it 0.")
    .action(async (options: { dataDir: string; role?: HostRole; address?: string }) => {
      const findings = judge(await examine(options.dataDir, options.role, options.address));
      process.stdout.write(findings.map(describe).join(""));
      if (findings.some((finding) => finding.level === "fail")) process.exitCode = 1;
    });
}

function describe({ level, what, says, wayOut }: Finding): string {
  const line = `${level.padEnd(5)} ${what.padEnd(28)} ${says}\n`;
  return wayOut === undefined ? line : `${line}${" ".repeat(6)}-> ${wayOut}\n`;
}
