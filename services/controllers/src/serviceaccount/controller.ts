import {
  CONFIGMAPS,
  type ConfigMap,
  type KubeObject,
  type Namespace,
  type Resource,
  SERVICEACCOUNTS,
  type ServiceAccount,
  splitKey,
} from "@trireme/api";
import { hasCode } from "@trireme/base";
import type { Informer } from "@trireme/controller";
import type { ControllerContext, ReconcilerSpec } from "../context.ts";
import { withKind } from "../ownership.ts";

const DEFAULT_ACCOUNT = "default";
const ROOT_CA = "kube-root-ca.crt";
const DESCRIPTION =
  "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal " +
  "service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";

type Context = Pick<ControllerContext, "client" | "caches" | "log">;

/** Every namespace has the ServiceAccount of pods that name none; whoever deletes it gets a new one, without its rights. */
export function createServiceAccountController(context: Context, accounts: Informer<ServiceAccount>): ReconcilerSpec {
  const wanted = (namespace: string): ServiceAccount => ({ metadata: { name: DEFAULT_ACCOUNT, namespace } });
  return keptInNamespaces(context, "serviceaccount", SERVICEACCOUNTS, accounts, wanted, () => true);
}

/** Every namespace has the CA by which its pods know the API. */
export function createRootCaController(context: Context, maps: Informer<ConfigMap>, ca: string): ReconcilerSpec {
  const wanted = (namespace: string): ConfigMap => ({
    metadata: { name: ROOT_CA, namespace, annotations: { "kubernetes.io/description": DESCRIPTION } },
    data: { "ca.crt": ca },
  });
  const isRight = ({ data }: ConfigMap): boolean => data?.["ca.crt"] === ca;
  return keptInNamespaces(context, "root-ca-certificate-publisher", CONFIGMAPS, maps, wanted, isRight);
}

/** One object of a fixed name in every namespace that is not on its way out. Keys are those of namespaces. */
function keptInNamespaces<T extends KubeObject>(
  { client, caches, log }: Context,
  name: string,
  resource: Resource<T>,
  informer: Informer<T>,
  wanted: (namespace: string) => T,
  isRight: (present: T) => boolean,
): ReconcilerSpec {
  const object = wanted("").metadata.name;

  function watch(enqueue: (key: string) => void): () => void {
    const stops = [
      caches.namespaces.onChange(({ type, key }) => type !== "deleted" && enqueue(key)),
      informer.onChange(({ object: { metadata } }) => {
        if (metadata.name === object) enqueue(`/${metadata.namespace ?? ""}`);
      }),
    ];
    return () => stops.forEach((stop) => stop());
  }

  async function reconcile(key: string): Promise<void> {
    const { name: namespace } = splitKey(key);
    if (!isAlive(caches.namespaces.get("", namespace))) return;
    const present = informer.get(namespace, object);
    if (present !== undefined && (isRight(present) || present.metadata.deletionTimestamp !== undefined)) return;
    const api = client.resource<T>(resource, namespace);
    const next = withKind(resource, wanted(namespace));
    try {
      if (present === undefined) await api.create(next);
      else
        await api.update({
          ...next,
          metadata: { ...next.metadata, resourceVersion: present.metadata.resourceVersion },
        });
      log.info(`${resource.resource} kept up`, { key: `${namespace}/${object}` });
    } catch (thrown) {
      // It is there by now, or the namespace is not: either is an event that brings us back if there is more to do.
      if (["AlreadyExists", "Conflict", "NotFound", "Forbidden"].some((code) => hasCode(thrown, code as "NotFound")))
        return;
      throw thrown;
    }
  }

  return { name, workers: 2, watch, reconcile };
}

function isAlive(namespace: Namespace | undefined): boolean {
  return namespace !== undefined && namespace.metadata.deletionTimestamp === undefined;
}
