import { RESOURCES, type Resource } from "@trireme/api";
import { TriremeError } from "@trireme/base";
import { Command } from "commander";
import { stringify } from "yaml";
import { adminClient, parseAnswer } from "../local/api.ts";
import { readCluster } from "../local/state.ts";
import { applyManifests, describeApplied, readManifests } from "../manifests/apply.ts";
import { type ClusterOption, collect, withCluster } from "./cluster-option.ts";

/** `get` and `apply`: just enough to look and to act where no kubectl is at hand. */
export function objectCommands(): Command[] {
  return [getCommand(), applyCommand()];
}

function applyCommand(): Command {
  const command = new Command("apply")
    .description("apply manifests")
    .requiredOption(
      "-f, --file <file>",
      "manifest or folder to apply, - for stdin; may be given more than once",
      collect,
    );
  return withCluster(command).action(async (options: ClusterOption & { file: string[] }) => {
    const manifests = readManifests(options.file);
    const client = adminClient(readCluster(options.cluster));
    try {
      for (const applied of await applyManifests(client, manifests)) {
        process.stdout.write(`${describeApplied(applied)}\n`);
      }
    } finally {
      client.close();
    }
  });
}

interface GetOptions extends ClusterOption {
  readonly namespace: string;
  readonly allNamespaces?: boolean;
  readonly selector?: string;
  readonly output?: string;
}

function getCommand(): Command {
  const command = new Command("get")
    .description("show objects as a table, or as json or yaml")
    .argument("<resource>", "e.g. pods, deploy, nodes")
    .argument("[name]", "one object; all when left out")
    .option("-n, --namespace <name>", "namespace", "default")
    .option("-A, --all-namespaces", "of all namespaces")
    .option("-l, --selector <labels>", "only objects with these labels, e.g. app=hello")
    .option("-o, --output <format>", "json, yaml or wide");
  return withCluster(command).action(async (kind: string, name: string | undefined, options: GetOptions) => {
    const path = pathOf(findResource(kind), name, options);
    const client = adminClient(readCluster(options.cluster));
    try {
      const asTable = options.output === undefined || options.output === "wide";
      const accept = asTable ? "application/json;as=Table;v=v1;g=meta.k8s.io" : "application/json";
      const answer = parseAnswer<unknown>(await client.raw("GET", path, { headers: { accept } }));
      process.stdout.write(render(answer, options.output));
    } finally {
      client.close();
    }
  });
}

function findResource(word: string): Resource {
  const wanted = word.toLowerCase();
  const found = RESOURCES.find(
    (it) => it.resource === wanted || it.singular === wanted || it.shortNames.includes(wanted),
  );
  if (found !== undefined) return found;
  const names = RESOURCES.map((it) => it.resource).join(", ");
  throw new TriremeError("NotFound", `there is no resource "${word}"; there are ${names}`);
}

function pathOf(resource: Resource, name: string | undefined, options: GetOptions): string {
  const prefix = resource.group === "" ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`;
  const everywhere = !resource.namespaced || options.allNamespaces === true;
  const scope = everywhere ? "" : `/namespaces/${encodeURIComponent(options.namespace)}`;
  const one = name === undefined ? "" : `/${encodeURIComponent(name)}`;
  const query = options.selector === undefined ? "" : `?labelSelector=${encodeURIComponent(options.selector)}`;
  return `${prefix}${scope}/${resource.resource}${one}${query}`;
}

interface Table {
  readonly columnDefinitions: readonly { readonly name: string; readonly priority?: number }[];
  readonly rows?: readonly { readonly cells: readonly (string | number | null)[] }[];
}

function render(answer: unknown, output: string | undefined): string {
  if (output === "json") return `${JSON.stringify(answer, null, 2)}\n`;
  if (output === "yaml") return stringify(answer);
  if (output !== undefined && output !== "wide") {
    throw new TriremeError("BadRequest", `-o ${output}: must be json, yaml or wide`);
  }
  const { columnDefinitions, rows = [] } = answer as Table;
  const shown = columnDefinitions.flatMap((it, i) => ((it.priority ?? 0) === 0 || output === "wide" ? [i] : []));
  if (rows.length === 0) return "no objects found\n";
  const head = shown.map((i) => (columnDefinitions[i]?.name ?? "").toUpperCase());
  const lines = [head, ...rows.map((row) => shown.map((i) => String(row.cells[i] ?? "")))];
  const widths = head.map((_, i) => Math.max(...lines.map((line) => (line[i] ?? "").length)));
  return lines
    .map(
      (line) =>
        `${line
          .map((cell, i) => cell.padEnd(widths[i] ?? 0))
          .join("   ")
          .trimEnd()}\n`,
    )
    .join("");
}
