import { readFileSync } from "node:fs";
import { Metadata, type ServiceError, credentials } from "@grpc/grpc-js";
import { TriremeError } from "@trireme/base";
import { ClusterClient, type Member as WireMember } from "@trireme/proto/etcdserverpb/rpc";
import type { Member } from "./decide-member.ts";

/** The store answers within 7 s, whatever happens; one more for the way. */
const CALL_TIMEOUT_MS = 8_000;

/** How the store's own refusals begin, as etcd's do. */
const MEMBER_SAYS = "etcdserver: ";

/** The membership of the store, through whichever member answers. */
export class Members {
  private readonly clients: readonly ClusterClient[];

  /** `endpoints`: client addresses of members; `pkiDir`: a server's, whose apiserver may change the membership. */
  constructor(endpoints: readonly string[], pkiDir: string) {
    const read = (file: string): Buffer => readFileSync(`${pkiDir}/${file}`);
    const tls = credentials.createSsl(read("store-ca.crt"), read("store-apiserver.key"), read("store-apiserver.crt"));
    // By address there is no server name to send in TLS; every store's certificate carries this one.
    const options = { "grpc.ssl_target_name_override": "localhost", "grpc.enable_http_proxy": 0 };
    this.clients = endpoints.map((endpoint) => new ClusterClient(endpoint, tls, options));
  }

  async list(): Promise<Member[]> {
    const { members } = await this.call<{ members: WireMember[] }>((client, metadata, deadline, done) =>
      client.memberList({ linearizable: true }, metadata, deadline, done),
    );
    return members.map((member) => ({
      id: member.ID,
      name: member.name,
      peerUrl: member.peerURLs[0] ?? "",
      isLearner: member.isLearner,
    }));
  }

  async addLearner(peerUrl: string): Promise<void> {
    await this.call((client, metadata, deadline, done) =>
      client.memberAdd({ peerURLs: [peerUrl], isLearner: true }, metadata, deadline, done),
    );
  }

  async promote(id: bigint): Promise<void> {
    await this.call((client, metadata, deadline, done) => client.memberPromote({ ID: id }, metadata, deadline, done));
  }

  async remove(id: bigint): Promise<void> {
    await this.call((client, metadata, deadline, done) => client.memberRemove({ ID: id }, metadata, deadline, done));
  }

  close(): void {
    for (const client of this.clients) client.close();
  }

  /** Asks one member after the other; what a member said is the answer, or why none is there. */
  private async call<T = unknown>(
    ask: (client: ClusterClient, metadata: Metadata, options: { deadline: number }, done: Done<T>) => unknown,
  ): Promise<T> {
    let refusal = new TriremeError("ServiceUnavailable", "the cluster has no other server to ask");
    for (const client of this.clients) {
      try {
        return await new Promise<T>((resolve, reject) => {
          ask(client, new Metadata(), { deadline: Date.now() + CALL_TIMEOUT_MS }, (error, answer) => {
            if (error === null) resolve(answer);
            else reject(error);
          });
        });
      } catch (thrown) {
        const { details, message } = thrown as ServiceError;
        // What a member said counts more than that another is not there.
        if (refusal.message.startsWith(MEMBER_SAYS)) continue;
        refusal = new TriremeError("ServiceUnavailable", details ?? message, { cause: thrown });
      }
    }
    throw refusal;
  }
}

type Done<T> = (error: ServiceError | null, answer: T) => void;
