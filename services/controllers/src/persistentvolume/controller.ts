import {
  HOSTNAME_LABEL,
  type KubeObject,
  PERSISTENTVOLUMECLAIMS,
  PERSISTENTVOLUMES,
  PODS,
  type PersistentVolume,
  type PersistentVolumeClaim,
  type Pod,
  type Resource,
  type StorageClass,
  formatTime,
  keyOf,
  splitKey,
} from "@trireme/api";
import type { Informer } from "@trireme/controller";
import { claimNamesOf } from "@trireme/scheduling";
import { canonical } from "../canonical.ts";
import type { ControllerContext, Outcome, ReconcilerSpec } from "../context.ts";
import { Expectations } from "../expectations.ts";
import { withKind } from "../ownership.ts";
import { ignoring } from "../parallel.ts";
import { UNSETTLED_REQUEUE_MS } from "../pod-control.ts";
import { CLAIM_PROTECTION, type ClaimAction, type Telling, decideClaim } from "./decide-claim.ts";
import { type VolumeAction, decideVolume } from "./decide-volume.ts";

/** Index of pods by the keys of the claims that they name. */
const BY_CLAIM = "claim";

/** The copies that the binder follows besides those that all controllers share. */
export interface StorageCaches {
  readonly claims: Informer<PersistentVolumeClaim>;
  readonly volumes: Informer<PersistentVolume>;
  readonly classes: Informer<StorageClass>;
}

/** Binds claims to volumes, makes volumes of the built-in class, and ends both. */
export function createVolumeControllers(
  context: ControllerContext,
  storage: StorageCaches,
): readonly [ReconcilerSpec, ReconcilerSpec] {
  context.caches.pods.addIndex(BY_CLAIM, (pod) =>
    claimNamesOf(pod).map((name) => `${pod.metadata.namespace ?? ""}/${name}`),
  );
  return [createClaimController(context, storage), createVolumeController(context, storage)];
}

function createClaimController(context: ControllerContext, storage: StorageCaches): ReconcilerSpec {
  const { client, caches, log } = context;
  const { claims, volumes, classes } = storage;
  const expectations = new Expectations();

  function watch(enqueue: (key: string) => void): () => void {
    const pending = (): void => {
      for (const claim of claims.list()) if (claim.status?.phase !== "Bound") enqueue(keyOf(claim));
    };
    const stops = [
      claims.onChange(({ key }) => enqueue(key)),
      volumes.onChange(({ type, object }) => {
        const { claimRef } = object.spec;
        if (claimRef !== undefined) enqueue(`${claimRef.namespace ?? ""}/${claimRef.name ?? ""}`);
        else if (type !== "deleted" && object.status?.phase === "Available") pending();
      }),
      classes.onChange(pending),
      caches.nodes.onChange(({ type }) => type !== "modified" && pending()),
      caches.pods.onChange(({ type, object }) => {
        if (type !== "deleted") return;
        for (const name of claimNamesOf(object)) enqueue(`${object.metadata.namespace ?? ""}/${name}`);
      }),
    ];
    return () => stops.forEach((stop) => stop());
  }

  async function reconcile(key: string): Promise<Outcome | void> {
    const { namespace, name } = splitKey(key);
    const claim = claims.get(namespace, name);
    if (claim === undefined) return expectations.forget(key);
    if (!expectations.met(key)) return { requeueAfterMs: UNSETTLED_REQUEUE_MS };
    const decision = decideClaim({
      claim,
      volumes: volumes.list(),
      classes: classes.list(),
      node: (one) => caches.nodes.get("", one),
      isUsed: caches.pods.byIndex(BY_CLAIM, key).some(hasNode),
    });
    let written = claim;
    for (const action of decision.actions) written = (await act(key, claim, action)) ?? written;
    const { status, tell } = decision;
    if (tell !== undefined) say(context, PERSISTENTVOLUMECLAIMS, claim, tell);
    if (status === undefined || canonical(status) === canonical(claim.status ?? {})) return;
    const api = client.resource<PersistentVolumeClaim>(PERSISTENTVOLUMECLAIMS, namespace);
    const after = await api.updateStatus({ ...withKind(PERSISTENTVOLUMECLAIMS, written), status });
    expectations.wrote(key, claims, after);
  }

  /** Answers the claim if that is what was written: its status follows on that version. */
  async function act(
    key: string,
    claim: PersistentVolumeClaim,
    action: ClaimAction,
  ): Promise<PersistentVolumeClaim | undefined> {
    const api = client.resource<PersistentVolumeClaim>(PERSISTENTVOLUMECLAIMS, claim.metadata.namespace ?? "");
    const volumesApi = client.resource<PersistentVolume>(PERSISTENTVOLUMES);
    switch (action.type) {
      case "writeVolume":
        expectations.wrote(key, volumes, await volumesApi.update(withKind(PERSISTENTVOLUMES, action.volume)));
        return undefined;
      case "writeClaim": {
        const written = await api.update(withKind(PERSISTENTVOLUMECLAIMS, action.claim));
        expectations.wrote(key, claims, written);
        return written;
      }
      case "provision": {
        const { name } = action.volume.metadata;
        // Its name is the claim's uid: one that is there already was made by an earlier look.
        const made = await ignoring("AlreadyExists", volumesApi.create(action.volume));
        if (made === undefined) return undefined;
        expectations.wrote(key, volumes, made);
        log.info("volume provisioned", { key, volume: name, path: made.spec.local?.path });
        const message = `Successfully provisioned volume ${name}`;
        say(context, PERSISTENTVOLUMECLAIMS, claim, { type: "Normal", reason: "ProvisioningSucceeded", message });
        return undefined;
      }
      case "unprotect":
        await unprotect(key, claim);
        return undefined;
    }
  }

  /** The caches may be behind: what a pod has mounted must not go, so the API itself is asked. */
  async function unprotect(key: string, claim: PersistentVolumeClaim): Promise<void> {
    const { name, namespace = "" } = claim.metadata;
    const { items } = await client.resource<Pod>(PODS, namespace).list();
    if (items.some((pod) => hasNode(pod) && claimNamesOf(pod).includes(name))) return;
    const written = await giveUp(context, PERSISTENTVOLUMECLAIMS, claim, [CLAIM_PROTECTION]);
    if (written !== undefined) expectations.wrote(key, claims, written);
  }

  return { name: "persistentvolumeclaim", workers: 4, watch, reconcile };
}

function createVolumeController(context: ControllerContext, { claims, volumes }: StorageCaches): ReconcilerSpec {
  const { client, caches, clock, log } = context;
  const expectations = new Expectations();

  function watch(enqueue: (key: string) => void): () => void {
    const stops = [
      volumes.onChange(({ key }) => enqueue(key)),
      claims.onChange(({ object, old }) => {
        for (const { spec } of old === undefined ? [object] : [object, old]) {
          if (spec.volumeName) enqueue(`/${spec.volumeName}`);
        }
        if (object.metadata.uid !== undefined) enqueue(`/pvc-${object.metadata.uid}`);
      }),
      caches.nodes.onChange(({ type, object }) => {
        if (type !== "deleted") return;
        for (const volume of volumes.list()) {
          if (volume.metadata.labels?.[HOSTNAME_LABEL] === object.metadata.name) enqueue(keyOf(volume));
        }
      }),
    ];
    return () => stops.forEach((stop) => stop());
  }

  async function reconcile(key: string): Promise<Outcome | void> {
    const volume = volumes.get("", splitKey(key).name);
    if (volume === undefined) return expectations.forget(key);
    if (!expectations.met(key)) return { requeueAfterMs: UNSETTLED_REQUEUE_MS };
    const { claimRef } = volume.spec;
    const claim = claimRef === undefined ? undefined : claims.get(claimRef.namespace ?? "", claimRef.name ?? "");
    const node = volume.metadata.labels?.[HOSTNAME_LABEL];
    const hasNodeObject = node === undefined || caches.nodes.get("", node) !== undefined;
    const { action, status, tell } = decideVolume({ volume, claim, hasNode: hasNodeObject });
    const api = client.resource<PersistentVolume>(PERSISTENTVOLUMES);
    if (tell !== undefined) say(context, PERSISTENTVOLUMES, volume, tell);
    let present = volume;
    if (status !== undefined && !says(volume, status)) {
      const lastPhaseTransitionTime = formatTime(clock.now());
      const next = { ...status, lastPhaseTransitionTime };
      present = await api.updateStatus({ ...withKind(PERSISTENTVOLUMES, volume), status: next });
      expectations.wrote(key, volumes, present);
    }
    if (action !== undefined) await act(key, present, action);
  }

  async function act(key: string, volume: PersistentVolume, action: VolumeAction): Promise<void> {
    const api = client.resource<PersistentVolume>(PERSISTENTVOLUMES);
    const { name, uid = "", resourceVersion = "" } = volume.metadata;
    switch (action.type) {
      case "write":
        expectations.wrote(key, volumes, await api.update(withKind(PERSISTENTVOLUMES, action.volume)));
        return;
      case "delete":
        if (await isClaimed(volume)) return;
        // With the version that was decided on: somebody may just have made its policy Retain.
        await ignoring("NotFound", api.delete(name, { preconditions: { uid, resourceVersion } }));
        log.info("volume released: its directory goes", { volume: name, path: volume.spec.local?.path });
        return;
      case "release": {
        if (await isClaimed(volume)) return;
        const written = await giveUp(context, PERSISTENTVOLUMES, volume, action.finalizers);
        if (written !== undefined) expectations.wrote(key, volumes, written);
      }
    }
  }

  /** Whether the API itself still has the claim that is bound to a volume: the cache is no proof that it is gone. */
  async function isClaimed({ metadata, spec: { claimRef } }: PersistentVolume): Promise<boolean> {
    if (claimRef?.uid === undefined) return false;
    const api = client.resource<PersistentVolumeClaim>(PERSISTENTVOLUMECLAIMS, claimRef.namespace ?? "");
    const live = await ignoring("NotFound", api.get(claimRef.name ?? ""));
    if (live === undefined || live.metadata.uid !== claimRef.uid) return false;
    return !live.spec.volumeName || live.spec.volumeName === metadata.name;
  }

  return { name: "persistentvolume", workers: 4, watch, reconcile };
}

/** Takes finalizers off an object, as it was read. Undefined when it is gone already. */
async function giveUp<T extends KubeObject>(
  { client }: ControllerContext,
  resource: Resource<T>,
  { metadata }: T,
  finalizers: readonly string[],
): Promise<T | undefined> {
  const { name, namespace, uid, resourceVersion } = metadata;
  const left = (metadata.finalizers ?? []).filter((one) => !finalizers.includes(one));
  const body = { metadata: { uid, resourceVersion, finalizers: left } };
  return ignoring("NotFound", client.resource<T>(resource, namespace).patch(name, { type: "merge", body }));
}

function hasNode(pod: Pod): boolean {
  return (pod.spec.nodeName ?? "") !== "";
}

/** Whether a volume's status says this already, since whenever. */
function says({ status }: PersistentVolume, { phase, reason, message }: PersistentVolume["status"] & object): boolean {
  return status?.phase === phase && status?.reason === reason && status?.message === message;
}

function say<T extends KubeObject>(context: ControllerContext, of: Resource<T>, object: T, tell: Telling): void {
  const typed = withKind(of, object);
  if (tell.type === "Normal") context.events.normal(typed, tell.reason, tell.message);
  else context.events.warning(typed, tell.reason, tell.message);
}
