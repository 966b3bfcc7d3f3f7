import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { type GrpcClientOptions, type Identity, readKubeconfig } from "@trireme/grpc-client";

const USAGE = `usage: node main.ts [--kubeconfig FILE] [--server HOST:PORT]... [-n NAMESPACE] MANIFEST
       node main.ts --server HOST:PORT... --ca FILE (--token TOKEN | --cert FILE --key FILE) [-n NAMESPACE] MANIFEST

  --kubeconfig   who you are, and which cluster; default: $KUBECONFIG
  --server       a server's gRPC door, default port 6444; several times for several servers;
                 default: the kubeconfig's host, at the port after its REST door
`;

/** What the command line asks for. */
export interface Access {
  readonly options: GrpcClientOptions;
  readonly namespace: string;
  readonly manifest: string;
}

/** Reads the command line; undefined after it has said how it is used. */
export function readAccess(args: readonly string[]): Access | undefined {
  const text = { type: "string" } as const;
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      kubeconfig: text,
      server: { type: "string", multiple: true },
      ca: text,
      cert: text,
      key: text,
      token: text,
      namespace: { type: "string", short: "n" },
    },
  });
  const [manifest] = positionals;
  const { server: servers = [], ca, cert, key, token, namespace } = values;
  if (manifest !== undefined && ca !== undefined && servers.length > 0) {
    const identity: Identity | undefined =
      token !== undefined
        ? { token }
        : cert !== undefined && key !== undefined
          ? { cert: readFileSync(cert), key: readFileSync(key) }
          : undefined;
    if (identity !== undefined) {
      return { options: { servers, ca: readFileSync(ca), ...identity }, namespace: namespace ?? "default", manifest };
    }
  }
  const kubeconfig = values.kubeconfig ?? process.env["KUBECONFIG"];
  if (manifest === undefined || ca !== undefined || kubeconfig === undefined) {
    process.stderr.write(USAGE);
    return undefined;
  }
  const { host, port, namespace: own, ...identity } = readKubeconfig(kubeconfig);
  const options = { servers: servers.length > 0 ? servers : [`${host}:${port + 1}`], ...identity };
  return { options, namespace: namespace ?? own, manifest };
}
