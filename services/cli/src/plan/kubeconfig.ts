/** The PEM files that a kubeconfig carries inside, so that it can be copied elsewhere. */
export interface KubeconfigFiles {
  readonly ca: Uint8Array;
  readonly cert: Uint8Array;
  readonly key: Uint8Array;
}

/** A kubeconfig for one cluster and one user. JSON, which is YAML: nothing to escape. */
export function kubeconfigOf(cluster: string, server: string, files: KubeconfigFiles): string {
  const data = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
  const name = `trireme-${cluster}`;
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster: { server, "certificate-authority-data": data(files.ca) } }],
    users: [{ name, user: { "client-certificate-data": data(files.cert), "client-key-data": data(files.key) } }],
    contexts: [{ name, context: { cluster: name, user: name, namespace: "default" } }],
    "current-context": name,
    preferences: {},
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}
