/**
 * Applies a manifest by gRPC, watches its Deployment come up, reads a pod's log and scales: what a program that deploys
 * needs, in one page. README.md beside this file has the lines to type.
 */
import { readFileSync } from "node:fs";
import { DEPLOYMENTS, PODS } from "@trireme/api";
import { type GrpcClient, StatusError, createGrpcClient } from "@trireme/grpc-client";
import { readAccess } from "./access.ts";

/** Longest wait until what was asked for runs. */
const ROLLOUT_MS = 60_000;

/** Applies the manifest, and answers the name of its first Deployment. */
async function apply(client: GrpcClient, manifest: string, namespace: string): Promise<string> {
  const applied = await client.apply(manifest, { namespace, fieldManager: "grpc-client" });
  for (const { resource, name, outcome, error } of applied) {
    console.log(`${resource}/${name} ${outcome}${error === undefined ? "" : `: ${error.message}`}`);
  }
  const failed = applied.find((one) => one.error !== undefined);
  if (failed?.error !== undefined) throw failed.error;
  const deployment = applied.find((one) => one.resource === "deployments.apps");
  if (deployment === undefined) throw new Error("the manifest holds no Deployment to watch");
  return deployment.name;
}

/** Watches until as many pods are available as are wanted, of the newest template. */
async function untilAvailable(client: GrpcClient, namespace: string, name: string): Promise<void> {
  const changes = client.resource(DEPLOYMENTS, namespace).watch({
    fieldSelector: `metadata.name=${name}`,
    timeoutMs: ROLLOUT_MS,
  });
  let told = "";
  for await (const { type, object } of changes) {
    if (type === "DELETED") throw new Error(`deployment ${name} was deleted meanwhile`);
    // Typed: `object` is a Deployment.
    const wanted = object.spec?.replicas ?? 1;
    const { observedGeneration, replicas = 0, updatedReplicas = 0, availableReplicas = 0 } = object.status ?? {};
    const line = `${name}: ${availableReplicas} of ${wanted} available`;
    if (line !== told) console.log(line);
    told = line;
    const isSeen = observedGeneration === object.metadata.generation;
    // The end of the loop ends the watch.
    if (isSeen && replicas === wanted && updatedReplicas === wanted && availableReplicas === wanted) return;
  }
}

/** Shows the beginning of the log of one of the Deployment's pods. */
async function showLog(client: GrpcClient, namespace: string, name: string): Promise<void> {
  const { items } = await client.resource(PODS, namespace).list({ labelSelector: `app=${name}` });
  const pod = items.find((one) => one.status?.phase === "Running" && one.metadata.deletionTimestamp === undefined);
  if (pod === undefined) throw new Error(`deployment ${name} has no running pod with the label app=${name}`);
  for await (const line of client.logs({ namespace, pod: pod.metadata.name!, follow: true, timeoutMs: ROLLOUT_MS })) {
    console.log(`log of ${pod.metadata.name}: ${line.text}`);
    // It is followed, so it would go on; one line is enough here.
    return;
  }
}

async function run(client: GrpcClient, manifestFile: string, namespace: string): Promise<void> {
  const name = await apply(client, readFileSync(manifestFile, "utf8"), namespace);
  await untilAvailable(client, namespace, name);
  await showLog(client, namespace, name);
  const replicas = await client.resource(DEPLOYMENTS, namespace).scale(name, 3);
  console.log(`scaled to ${replicas}`);
  await untilAvailable(client, namespace, name);
}

/** What to do about an error, by its reason. */
function advice(error: StatusError): string {
  const fields = error.fields.map(({ field, message }) => `\n  ${field}: ${message}`).join("");
  if (error.code === "Unknown") return `${fields}\n  it may have happened: look before you repeat it`;
  if (error.retryAfterMs !== undefined) return `${fields}\n  try again in ${error.retryAfterMs} ms`;
  return fields;
}

const access = readAccess(process.argv.slice(2));
if (access === undefined) {
  process.exitCode = 2;
} else {
  const client = createGrpcClient(access.options);
  try {
    await run(client, access.manifest, access.namespace);
  } catch (thrown) {
    const isTold = thrown instanceof StatusError;
    console.error(isTold ? `${thrown.code}: ${thrown.message}${advice(thrown)}` : String(thrown));
    process.exitCode = 1;
  } finally {
    client.close();
  }
}
