// The words of the scripts in ../testdata: requests to etcd's API, one a command, and what the server answers. For tests.
import { type ClientDuplexStream, type ServiceError, status as codes } from "@grpc/grpc-js";
import { sleep } from "@trireme/base";
import * as rpc from "@trireme/proto/etcdserverpb/rpc";
import { type Clients, call } from "./app-harness.ts";

/** One command of a script; testkit's ScriptCommand has this shape. */
export interface EtcdCommand {
  readonly name: string;
  readonly positional: readonly string[];
  readonly options: ReadonlyMap<string, readonly string[]>;
  readonly input: string;
}

type Options = EtcdCommand["options"];
type Fields = Record<string, unknown>;

const BYTES = new Set(["key", "rangeEnd", "value"]);
const FLAGS = new Set(
  ["serializable", "keysOnly", "countOnly", "prevKv", "ignoreValue", "ignoreLease", "physical", "keys"].concat([
    "progressNotify",
    "fragment",
    "linearizable",
    "isLearner",
  ]),
);
const ENUMS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  sortOrder: rpc.RangeRequest_SortOrder,
  sortTarget: rpc.RangeRequest_SortTarget,
  action: rpc.AlarmRequest_AlarmAction,
  alarm: rpc.AlarmType,
  filters: rpc.WatchCreateRequest_FilterType,
};
const COMPARES = { "=": 0, ">": 1, "<": 2, "!=": 3 } as const;
const TARGETS = { version: 0, create: 1, mod: 2, value: 3, lease: 4 } as const;

/** A watch that has said what was expected may say too much; this long it is given for that. */
const QUIET_MS = 15;
/** When answers are recorded nobody knows how many there will be. */
const RECORD_QUIET_MS = 400;
const ANSWER_MS = 5000;

/** One client's talk with a server, command by command. */
export class EtcdScript {
  private readonly clients: Clients;
  private watch: ClientDuplexStream<rpc.WatchRequest, rpc.WatchResponse> | undefined;
  private heard: string[] = [];
  private lines: number | undefined;

  constructor(clients: Clients) {
    this.clients = clients;
  }

  close(): void {
    this.watch?.cancel();
  }

  /**
   * Carries a command out; answers what the server said, one fact a line. `lines`: how many a watch stream is expected to
   * bring, undefined when that is to be found out.
   */
  async execute(command: EtcdCommand, lines: number | undefined): Promise<string> {
    this.lines = lines;
    try {
      return await this.run(command);
    } catch (thrown) {
      const { code, details } = thrown as ServiceError;
      if (code === undefined) throw thrown;
      return `${codes[code]}: ${details}`;
    }
  }

  private async run({ name, positional, options, input }: EtcdCommand): Promise<string> {
    const { kv, lease, maintenance, cluster } = this.clients;
    const fields = fieldsOf(options);
    const ask = async (client: object, method: string, request: unknown): Promise<string> => {
      const run = (client as Record<string, (request: unknown, done: unknown) => unknown>)[method]!.bind(client);
      return describe(await call<Fields>((done) => run(request, done)));
    };
    switch (name) {
      case "range":
        return ask(kv, "range", rpc.RangeRequest.fromPartial(fields));
      case "put":
        return ask(kv, "put", rpc.PutRequest.fromPartial(fields));
      case "delete":
        return ask(kv, "deleteRange", rpc.DeleteRangeRequest.fromPartial(fields));
      case "txn":
        return ask(kv, "txn", toTxn(input.split("\n").filter((line) => line.trim() !== "")));
      case "txn-of":
        return ask(kv, "txn", largeTxn(Number(positional[0])));
      case "compact":
        return ask(kv, "compact", rpc.CompactionRequest.fromPartial(fields));
      case "grant":
        return ask(lease, "leaseGrant", rpc.LeaseGrantRequest.fromPartial(fields));
      case "revoke":
        return ask(lease, "leaseRevoke", rpc.LeaseRevokeRequest.fromPartial(fields));
      case "time-to-live":
        // What is left of it depends on how fast the machine is.
        return (await ask(lease, "leaseTimeToLive", rpc.LeaseTimeToLiveRequest.fromPartial(fields))).replace(
          /^TTL=\d+$/m,
          "TTL",
        );
      case "leases":
        return ask(lease, "leaseLeases", {});
      case "keep-alive":
        return this.keepAlive(rpc.LeaseKeepAliveRequest.fromPartial(fields));
      case "alarm":
        // etcd's answer has no header here.
        return (await ask(maintenance, "alarm", rpc.AlarmRequest.fromPartial(fields))).replace(/^revision=\d+\n?/, "");
      case "hash-kv":
        return (await ask(maintenance, "hashKv", rpc.HashKVRequest.fromPartial(fields))).replace(/^hash=\d+\n/m, "");
      case "move-leader":
        return ask(maintenance, "moveLeader", rpc.MoveLeaderRequest.fromPartial(fields));
      case "member-add":
        return ask(cluster, "memberAdd", rpc.MemberAddRequest.fromPartial({ ...fields, peerURLs: [...positional] }));
      case "member-update":
        return ask(
          cluster,
          "memberUpdate",
          rpc.MemberUpdateRequest.fromPartial({ ...fields, peerURLs: [...positional] }),
        );
      case "member-remove":
        return ask(cluster, "memberRemove", rpc.MemberRemoveRequest.fromPartial(fields));
      case "member-promote":
        return ask(cluster, "memberPromote", rpc.MemberPromoteRequest.fromPartial(fields));
      case "watch":
        return this.watches({ createRequest: rpc.WatchCreateRequest.fromPartial(withFilters(fields)) });
      case "watch-cancel":
        return this.watches({ cancelRequest: rpc.WatchCancelRequest.fromPartial(fields) });
      case "watch-progress":
        return this.watches({ progressRequest: {} });
      case "heard":
        return this.hear();
      default:
        throw new Error(`unknown command ${name}`);
    }
  }

  private keepAlive(request: rpc.LeaseKeepAliveRequest): Promise<string> {
    return new Promise((resolve, reject) => {
      const stream = this.clients.lease.leaseKeepAlive();
      stream.on("error", reject);
      stream.on("data", (answer: rpc.LeaseKeepAliveResponse) => {
        stream.cancel();
        resolve(describe(answer as unknown as Fields));
      });
      stream.write(request);
    });
  }

  private async watches(request: Record<string, unknown>): Promise<string> {
    if (this.watch === undefined) {
      this.watch = this.clients.watch.watch();
      this.watch.on("data", (response: rpc.WatchResponse) => this.heard.push(line(response as unknown as Fields)));
      this.watch.on("error", (error: ServiceError) => this.heard.push(`${codes[error.code]}: ${error.details}`));
    }
    const [[$case, value]] = Object.entries(request) as [[string, unknown]];
    this.watch.write({ requestUnion: { $case, value } } as rpc.WatchRequest);
    return this.hear();
  }

  /** What the watch stream has brought since the last command; between watches there is no order. */
  private async hear(): Promise<string> {
    const { lines } = this;
    const until = performance.now() + ANSWER_MS;
    while (lines !== undefined && this.heard.length < lines && performance.now() < until) await sleep(2);
    await sleep(lines === undefined ? RECORD_QUIET_MS : QUIET_MS);
    const idOf = (text: string): number => Number(/watchId=(-?\d+)/.exec(text)?.[1] ?? 0);
    return this.heard
      .splice(0)
      .sort((one, two) => idOf(one) - idOf(two))
      .join("\n");
  }
}

function fieldsOf(options: Options): Fields {
  const fields: Fields = {};
  for (const [name, [text = ""]] of options) {
    if (BYTES.has(name)) fields[name] = Buffer.from(text.replaceAll("\\0", "\0").replaceAll("\\xff", "\xff"), "latin1");
    else if (FLAGS.has(name)) fields[name] = text === "true";
    else if (name in ENUMS) fields[name] = ENUMS[name]![text] ?? Number(text);
    else fields[name] = BigInt(text);
  }
  return fields;
}

function withFilters(fields: Fields): Fields {
  return fields["filters"] === undefined ? fields : { ...fields, filters: [fields["filters"]] };
}

/** Lines `if TARGET KEY RESULT VALUE`, `then COMMAND...`, `else COMMAND...`; a nested transaction is indented below. */
function toTxn(lines: readonly string[]): rpc.TxnRequest {
  const compare: Fields[] = [];
  const branches: Record<"then" | "else", Fields[]> = { then: [], else: [] };
  for (let at = 0; at < lines.length; at++) {
    const [word = "", name = "", ...rest] = lines[at]!.trim().split(/\s+/);
    if (word === "if") {
      compare.push(toCompare(name as keyof typeof TARGETS, rest));
      continue;
    }
    const nested: string[] = [];
    const indent = lines[at]!.search(/\S/);
    while (at + 1 < lines.length && lines[at + 1]!.search(/\S/) > indent) nested.push(lines[++at]!);
    branches[word as "then" | "else"].push(toOp(name, rest, nested));
  }
  return rpc.TxnRequest.fromPartial({ compare, success: branches.then, failure: branches.else } as object);
}

function toCompare(target: keyof typeof TARGETS, [key = "", result = "=", value = "", ...more]: string[]): Fields {
  const field = { version: "version", create: "createRevision", mod: "modRevision", value: "value", lease: "lease" }[
    target
  ];
  const operand = target === "value" ? Buffer.from(value) : BigInt(value);
  return {
    ...fieldsOf(optionsOf([...more, `key=${key}`])),
    target: TARGETS[target],
    result: COMPARES[result as keyof typeof COMPARES],
    targetUnion: { $case: field, value: operand },
  };
}

function toOp(name: string, words: readonly string[], nested: readonly string[]): Fields {
  const value = fieldsOf(optionsOf(words));
  switch (name) {
    case "put":
      return { request: { $case: "requestPut", value: rpc.PutRequest.fromPartial(value) } };
    case "range":
      return { request: { $case: "requestRange", value: rpc.RangeRequest.fromPartial(value) } };
    case "delete":
      return { request: { $case: "requestDeleteRange", value: rpc.DeleteRangeRequest.fromPartial(value) } };
    case "txn":
      return { request: { $case: "requestTxn", value: toTxn(nested) } };
    default:
      return {};
  }
}

function largeTxn(count: number): rpc.TxnRequest {
  const success = Array.from({ length: count }, (_, i) => toOp("put", [`key=large${i}`], []));
  return rpc.TxnRequest.fromPartial({ compare: [], success, failure: [] } as object);
}

function optionsOf(words: readonly string[]): Options {
  return new Map(words.map((word): [string, string[]] => [word.split("=")[0]!, [word.slice(word.indexOf("=") + 1)]]));
}

/** A response, one field a line, without what is empty and without what differs from run to run. */
function describe(response: Fields): string {
  return Object.entries(response)
    .flatMap(([name, value]) => (Array.isArray(value) ? value.map((item) => show(name, item)) : [show(name, value)]))
    .filter((text) => text !== "")
    .join("\n");
}

/** A response on one line. */
function line(response: Fields): string {
  return describe(response).replaceAll("\n", " ");
}

function show(name: string, value: unknown): string {
  if (value === undefined || value === null || value === 0n || value === 0 || value === false || value === "")
    return "";
  if (Buffer.isBuffer(value)) return value.length === 0 ? "" : `${name}=${shorten(value.toString("latin1"))}`;
  if (typeof value !== "object") return `${name}=${String(value as string)}`;
  if (name === "header") {
    const { revision } = value as rpc.ResponseHeader;
    return revision === 0n ? "" : `revision=${revision}`;
  }
  const { $case, value: inner } = value as { $case?: string; value?: unknown };
  if ($case !== undefined) return show($case, inner);
  const parts = Object.entries(value).flatMap(([field, each]) =>
    Array.isArray(each) ? each.map((item) => show(field, item)) : [show(field, each)],
  );
  return `${name}{${parts.filter((text) => text !== "").join(" ")}}`;
}

function shorten(text: string): string {
  const plain = text.replaceAll("\0", "\\0");
  return plain.length > 40 ? `${plain.slice(0, 10)}...(${plain.length})` : plain;
}
