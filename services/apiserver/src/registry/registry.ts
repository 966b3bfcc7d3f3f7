import { type Clock, hasCode } from "@trireme/base";
import {
  type Decoded,
  type FieldError,
  type FieldValidation,
  type KubeObject,
  type Pod,
  type Resource,
  SERVICEACCOUNTS,
  STORAGECLASSES,
  type ServiceAccount,
  type StorageClass,
  applyDefaults,
  conflict,
  decodeStrict,
  invalidObject,
  notFound,
  serverSideApply,
  spokenForm,
  validateCreate,
  validateUpdate,
} from "@trireme/api";
import { TriremeError } from "@trireme/base";
import type { Compare, TxnOp } from "@trireme/store-client";
import type {
  Caller,
  Deleted,
  DeletionOptions,
  NamedTarget,
  PatchOptions,
  Target,
  WriteOptions,
  Written,
} from "../pipeline/request.ts";
import type { User } from "../auth/user.ts";
import type { StoredObject } from "../storage/stored-object.ts";
import { DEFAULT_ACCOUNT, admitNew } from "./admission.ts";
import type { AllocationRanges } from "./allocation.ts";
import { decideDeletion, isFinished } from "./deletion.ts";
import { NamespaceBelief, effectsOf } from "./effects.ts";
import { sameObject } from "./equality.ts";
import { permitEviction } from "./eviction.ts";
import { managerOf, tracked } from "./field-managers.ts";
import { adoptPath, generateName, rfc3339, stampNew, stampUpdate } from "./metadata.ts";
import { withOwnSelector } from "./job-selector.ts";
import { type Change, type Location, type ObjectStore, type Observed, mustNotExist } from "./object-store.ts";
import { patched } from "./patching.ts";

/** Names tried for an object that gave a prefix only: with 14 million suffixes a second try is rare already. */
const GENERATED_NAME_TRIES = 8;

/**
 * Throws Forbidden when a user may do this kind of write, but not from `current` (undefined: a create) to `next` (undefined:
 * a delete). Pure: it may be asked several times.
 */
export type WriteRestriction = (
  user: User,
  resource: Resource,
  next: KubeObject | undefined,
  current: KubeObject | undefined,
) => void;

/** The generic life of objects of every kind: create, update, patch, delete. Authorization happened before. */
export class Registry {
  private readonly objects: ObjectStore;
  private readonly ranges: AllocationRanges;
  private readonly clock: Clock;
  private readonly guard: WriteRestriction;
  private readonly rootCa: string | undefined;

  /** `rootCa` is the API's CA, PEM, which every namespace is born with; absent where nobody has one. */
  constructor(objects: ObjectStore, ranges: AllocationRanges, clock: Clock, guard: WriteRestriction, rootCa?: string) {
    this.guard = guard;
    this.rootCa = rootCa;
    this.objects = objects;
    this.ranges = ranges;
    this.clock = clock;
  }

  async create(caller: Caller, target: Target, body: unknown, options: WriteOptions): Promise<Written> {
    const { object: incoming, warnings } = readBody(target, body, options.fieldValidation ?? "Ignore");
    const prefix = incoming.metadata.generateName ?? "";
    const isGenerated = incoming.metadata.name === "" && prefix !== "";
    for (let left = GENERATED_NAME_TRIES; ; left--) {
      const name = isGenerated ? generateName(prefix) : incoming.metadata.name!;
      const named = { ...incoming, metadata: { ...incoming.metadata, name } };
      try {
        return { object: await this.createNamed(caller, target, named, options), created: true, warnings };
      } catch (thrown) {
        if (!isGenerated || left <= 1 || !hasCode(thrown, "AlreadyExists")) throw thrown;
      }
    }
  }

  private async createNamed(
    caller: Caller,
    target: Target,
    named: KubeObject,
    options: WriteOptions,
  ): Promise<KubeObject> {
    const at = locate(target, named.metadata.name!);
    if (at.name === "") throw invalidObject(target.resource, "", [NAME_REQUIRED]);
    const belief = await NamespaceBelief.of(this.objects, at);
    const fresh = this.newObject(at.resource, named, await this.accountOf(at, named));
    const object = tracked(at.resource, undefined, fresh, managerOf(caller, options), this.clock.now());
    const outcome = await this.objects.write(
      at,
      { fence: caller.fence, dryRun: options.dryRun },
      (current, observed) => {
        // First: who may not create it need not learn that it is there.
        this.guard(caller.user, at.resource, object, undefined);
        mustNotExist(at, current);
        return this.insertion(caller, at, object, belief, observed);
      },
    );
    return outcome.after!.object;
  }

  async update(caller: Caller, target: NamedTarget, body: unknown, options: WriteOptions): Promise<Written> {
    const { resource, subresource } = target;
    const at = locate(target, target.name);
    const { object, warnings } = readBody(target, body, options.fieldValidation ?? "Ignore");
    const incoming = applyDefaults(resource, object);
    const result = await this.change(caller, at, options, (current, observed) => {
      if (current === undefined) throw notFound(resource, at.name);
      return this.replacement(caller, at, incoming, current, observed, options, subresource);
    });
    return { object: result, created: false, warnings };
  }

  /** `mayCreate` throws when the caller may not create the object that an apply would create. */
  async patch(
    caller: Caller,
    target: NamedTarget,
    options: PatchOptions,
    mayCreate: () => void = () => {},
  ): Promise<Written> {
    if (options.type === "apply") return this.apply(caller, target, options, mayCreate);
    const { resource, spoken = resource, subresource } = target;
    const { type, body } = options;
    const at = locate(target, target.name);
    let warnings: readonly string[] = [];
    const object = await this.change(caller, at, options, (current, observed) => {
      if (current === undefined) throw notFound(resource, at.name);
      const raw = patched(spoken.schema, spokenForm(spoken, current.object), type, body);
      const decoded = readBody(target, raw, options.fieldValidation ?? "Ignore");
      warnings = decoded.warnings;
      const incoming = applyDefaults(resource, decoded.object);
      return this.replacement(caller, at, incoming, current, observed, options, subresource);
    });
    return { object, created: false, warnings };
  }

  private async apply(
    caller: Caller,
    target: NamedTarget,
    options: PatchOptions,
    mayCreate: () => void,
  ): Promise<Written> {
    const { resource, subresource } = target;
    const manager = options.fieldManager ?? "";
    if (manager === "") {
      throw new TriremeError(
        "Invalid",
        'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
      );
    }
    const at = locate(target, target.name);
    // What is applied in another version is owned in the stored one: its fields are the same, under their names there.
    const { object: applied, warnings } = readBody(target, options.body, options.fieldValidation ?? "Strict");
    if (applied.metadata.managedFields !== undefined) {
      throw new TriremeError("BadRequest", "metadata.managedFields must be nil");
    }
    const isNew = this.objects.cached(at) === undefined;
    const belief = isNew ? await NamespaceBelief.of(this.objects, at) : undefined;
    const account = isNew && subresource === undefined ? await this.accountOf(at, applied) : undefined;
    let created = false;
    const object = await this.change(caller, at, options, (current, observed) => {
      const force = options.force ?? false;
      const request = { resource, live: current?.object, applied, manager, force, now: rfc3339(this.clock.now()) };
      const merged = serverSideApply(subresource === undefined ? request : { ...request, subresource });
      created = current === undefined;
      if (current !== undefined) {
        const incoming = applyDefaults(resource, structuredClone(merged));
        return this.replacement(caller, at, incoming, current, observed, undefined, subresource);
      }
      if (subresource !== undefined) throw notFound(resource, at.name);
      mayCreate();
      if (belief === undefined && resource.namespaced) throw conflict(resource, at.name, "the object was just deleted");
      const fresh = this.newObject(resource, merged, account);
      this.guard(caller.user, resource, fresh, undefined);
      return this.insertion(caller, at, fresh, belief, observed);
    });
    return { object, created, warnings };
  }

  delete(caller: Caller, target: NamedTarget, options: DeletionOptions): Promise<Deleted> {
    return this.end(caller, target, options, (object) => ({ object, believes: [], also: [] }));
  }

  /** Ends a pod as a delete does, when the budgets of its namespace allow it. */
  evict(
    caller: Caller,
    target: NamedTarget,
    options: DeletionOptions,
    budgets: readonly StoredObject[],
  ): Promise<Deleted> {
    return this.end(caller, target, options, (object, observed) => {
      const { pod, ...rest } = permitEviction(object as Pod, budgets, observed, this.clock.now());
      return { object: pod, ...rest };
    });
  }

  /** `permit` answers the object as it is to be ended and what goes into the same transaction, or throws. */
  private async end(
    caller: Caller,
    target: NamedTarget,
    options: DeletionOptions,
    permit: (current: KubeObject, observed: Observed) => Permitted,
  ): Promise<Deleted> {
    const at = locate(target, target.name);
    let gone = false;
    const outcome = await this.objects.write(
      at,
      { fence: caller.fence, dryRun: options.dryRun },
      (current, observed) => {
        if (current === undefined) throw notFound(at.resource, at.name);
        this.guard(caller.user, at.resource, undefined, current.object);
        const { object, believes, also } = permit(current.object, observed);
        const deletion = decideDeletion(at.resource, object, options, this.clock.now());
        gone = deletion.kind === "remove";
        if (deletion.kind === "nothing") return "unchanged";
        if (deletion.kind === "mark") return { next: deletion.next, believes, also };
        const effects = this.effects(caller, at, undefined, current.object, observed);
        return { ...effects, believes: [...effects.believes, ...believes], also: [...effects.also, ...also] };
      },
    );
    return { object: (outcome.after ?? outcome.before)!.object, gone };
  }

  /** A write whose result is answered also when it removed the object. */
  private async change(
    caller: Caller,
    at: Location,
    options: WriteOptions,
    decide: (current: StoredObject | undefined, observed: Observed) => (Change & object) | "unchanged" | Removal,
  ): Promise<KubeObject> {
    let last: KubeObject | undefined;
    const guard = { fence: caller.fence, dryRun: options.dryRun };
    const outcome = await this.objects.write(at, guard, (current, observed) => {
      const change = decide(current, observed);
      last = typeof change === "object" && "last" in change ? change.last : undefined;
      return change;
    });
    return outcome.after?.object ?? last ?? outcome.before!.object;
  }

  /** The ServiceAccount of a new pod, which has to be there; undefined for other kinds. */
  private async accountOf(
    { resource, namespace, name }: Location,
    object: KubeObject,
  ): Promise<ServiceAccount | undefined> {
    if (resource.group !== "" || resource.resource !== "pods") return undefined;
    const account = (object as Partial<Pod>).spec?.serviceAccountName || DEFAULT_ACCOUNT;
    const at = { resource: SERVICEACCOUNTS as Resource, namespace, name: account };
    const found = await this.objects.cachedOrFresh(at);
    if (found !== undefined) return found.object as ServiceAccount;
    throw new TriremeError(
      "Forbidden",
      `pods "${name}" is forbidden: error looking up service account ${namespace}/${account}: serviceaccount "${account}" not found`,
      { details: { name, group: "", kind: "pods" } },
    );
  }

  /** A new object as it will be stored: defaulted, admitted, stamped and valid. */
  private newObject(resource: Resource, named: KubeObject, account: ServiceAccount | undefined): KubeObject {
    const defaulted = applyDefaults(resource, structuredClone(named));
    const classes = (): StorageClass[] => this.objects.cachedAll(STORAGECLASSES as Resource) as StorageClass[];
    const admitted = admitNew(resource, defaulted, { classes, account });
    const object = withOwnSelector(resource, stampNew(resource, admitted, this.clock.now()));
    mustBeValid(resource, object, validateCreate(resource, object));
    return object;
  }

  private insertion(
    caller: Caller,
    at: Location,
    object: KubeObject,
    belief: NamespaceBelief | undefined,
    observed: Observed,
  ): Change & object {
    const effects = this.effects(caller, at, object, undefined, observed);
    return { ...effects, believes: [...effects.believes, ...(belief?.compares(at, observed) ?? [])] };
  }

  /** The change from `current` to `incoming`; `options` undefined when apply has tracked the fields already. */
  private replacement(
    caller: Caller,
    at: Location,
    incoming: KubeObject,
    current: StoredObject,
    observed: Observed,
    options: WriteOptions | undefined,
    subresource: string | undefined,
  ): (Change & object) | "unchanged" | Removal {
    const { resource } = at;
    const stamped = stampUpdate(resource, incoming, current.object, subresource);
    this.guard(caller.user, resource, stamped, current.object);
    const effects = this.effects(caller, at, stamped, current.object, observed);
    const next = effects.next!;
    mustBeValid(resource, next, validateUpdate(resource, next, current.object));
    const owned =
      options === undefined
        ? next
        : tracked(resource, current.object, next, managerOf(caller, options), this.clock.now(), subresource);
    if (sameObject(current.object, owned)) return "unchanged";
    if (isFinished(resource, owned)) {
      return { ...this.effects(caller, at, undefined, current.object, observed), last: owned };
    }
    return { ...effects, next: owned };
  }

  private effects(
    caller: Caller,
    at: Location,
    next: KubeObject | undefined,
    current: KubeObject | undefined,
    observed: Observed,
  ): ReturnType<typeof effectsOf> {
    const context = { user: caller.user, ranges: this.ranges, nowMs: this.clock.now(), rootCa: this.rootCa };
    return effectsOf(at, next, current, observed, context);
  }
}

interface Permitted {
  readonly object: KubeObject;
  readonly believes: readonly Compare[];
  readonly also: readonly TxnOp[];
}

interface Removal {
  readonly next: undefined;
  readonly last: KubeObject;
}

const NAME_REQUIRED: FieldError = {
  field: "metadata.name",
  reason: "FieldValueRequired",
  message: "Required value: name or generateName is required",
};

/** A body as an object of the stored version, in the place that the path names. */
function readBody(target: Target, body: unknown, validation: FieldValidation): Decoded<KubeObject> {
  const { resource, spoken = resource, namespace, name } = target;
  const { object, warnings } = decodeStrict(spoken, body, validation);
  const placed = adoptPath(spoken, object, namespace, name);
  return { object: spoken.conversion?.toStored(placed) ?? placed, warnings };
}

function locate(target: Target, name: string): Location {
  const { resource } = target;
  return { resource, namespace: resource.namespaced ? target.namespace : undefined, name };
}

function mustBeValid(resource: Resource, object: KubeObject, errors: readonly FieldError[]): void {
  if (errors.length > 0) throw invalidObject(resource, object.metadata.name!, errors);
}
