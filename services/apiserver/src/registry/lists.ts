import { TriremeError, hasCode } from "@trireme/base";
import type { Resource } from "@trireme/api";
import { type StoreClient, prefixEnd } from "@trireme/store-client";
import type { ListOptions, ListResult } from "../pipeline/request.ts";
import { decodeObject } from "../storage/codec.ts";
import type { ConsistentReads } from "../storage/consistent-reads.ts";
import { parseKey, prefixOf } from "../storage/keys.ts";
import { StoredObject } from "../storage/stored-object.ts";
import type { WatchCache } from "../storage/watch-cache.ts";
import { parseRevision } from "./object-store.ts";
import { type Selection, selectionOf } from "./selection.ts";

/** Keys read from the store at a time when the cache cannot answer. */
const STORE_PAGE = 500;

interface Continue {
  readonly v: 1;
  readonly rv: number;
  /** The path after which to go on. */
  readonly after: string;
}

/** Answers lists: from the cache when it is as new as asked, else from the store at one revision. */
export class Lists {
  private readonly store: StoreClient;
  private readonly cache: WatchCache;
  private readonly reads: ConsistentReads;

  constructor(store: StoreClient, cache: WatchCache, reads: ConsistentReads) {
    this.store = store;
    this.cache = cache;
    this.reads = reads;
  }

  /** One page (or all) of a resource's objects. */
  async list(resource: Resource, namespace: string | undefined, options: ListOptions): Promise<ListResult> {
    const selection = selectionOf(resource, options.labelSelector, options.fieldSelector);
    const limit = options.limit ?? 0;
    const prefix = namespace === undefined || namespace === "" ? "" : `${namespace}/`;
    if (options.continueToken !== undefined && options.continueToken !== "") {
      const token = parseToken(options.continueToken, prefix);
      return this.fromStore(resource, prefix, selection, limit, token.rv, token.after);
    }
    if (options.resourceVersionMatch === "Exact") {
      const revision = parseRevision(options.resourceVersion ?? "");
      return this.fromStore(resource, prefix, selection, limit, revision, undefined);
    }
    if (await this.isCacheFit(options)) return this.fromCache(resource, prefix, selection, limit);
    return this.fromStore(resource, prefix, selection, limit, undefined, undefined);
  }

  private async isCacheFit(options: ListOptions): Promise<boolean> {
    const asked = options.resourceVersion ?? "";
    if (asked === "") return this.reads.fresh();
    const revision = parseRevision(asked);
    if (revision > 0) await this.reads.notOlderThan(revision);
    return this.cache.synced;
  }

  private fromCache(resource: Resource, prefix: string, selection: Selection, limit: number): ListResult {
    const cache = this.cache.of(resource);
    const revision = this.cache.revision;
    const items: StoredObject[] = [];
    let rest = 0;
    let last: StoredObject | undefined;
    for (const state of cache.range(prefix)) {
      if (!selection.matchesAll && !selection.matches(state.object)) continue;
      if (limit > 0 && items.length >= limit) {
        rest += 1;
        continue;
      }
      items.push(state);
      last = state;
    }
    return toResult(revision, items, rest === 0 ? undefined : last, selection.matchesAll ? rest : undefined);
  }

  private async fromStore(
    resource: Resource,
    prefix: string,
    selection: Selection,
    limit: number,
    at: number | undefined,
    after: string | undefined,
  ): Promise<ListResult> {
    const base = prefixOf(resource);
    const rangeEnd = prefixEnd(base + prefix);
    let key = after === undefined ? base + prefix : `${base}${after}\0`;
    let revision = at;
    const items: StoredObject[] = [];
    for (;;) {
      const size = limit > 0 ? Math.min(STORE_PAGE, limit - items.length + 1) : STORE_PAGE;
      const page = await this.page(key, rangeEnd, size, revision);
      revision ??= page.revision;
      for (const [i, kv] of page.kvs.entries()) {
        const path = parseKey(kv.key)!.path;
        const state = new StoredObject(path, decodeObject(kv.value, kv.modRevision), kv.modRevision);
        if (!selection.matches(state.object)) continue;
        if (limit > 0 && items.length >= limit) {
          const remaining = selection.matchesAll ? page.count - i : undefined;
          return toResult(revision, items, items.at(-1), remaining);
        }
        items.push(state);
      }
      const last = page.kvs.at(-1);
      if (!page.more || last === undefined) return toResult(revision, items, undefined, undefined);
      key = `${last.key}\0`;
    }
  }

  private async page(
    key: string,
    rangeEnd: string,
    limit: number,
    revision: number | undefined,
  ): ReturnType<StoreClient["range"]> {
    try {
      return await this.store.range({ key, rangeEnd, limit, ...(revision === undefined ? {} : { revision }) });
    } catch (thrown) {
      if (!hasCode(thrown, "Expired")) throw thrown;
      throw new TriremeError(
        "Expired",
        "The provided continue parameter is too old to display a consistent list result. You must start a new list without the continue parameter.",
        { cause: thrown },
      );
    }
  }
}

function toResult(
  revision: number,
  items: readonly StoredObject[],
  last: StoredObject | undefined,
  remaining: number | undefined,
): ListResult {
  if (last === undefined) return { revision, items };
  const token: Continue = { v: 1, rv: revision, after: last.path };
  const continueToken = Buffer.from(JSON.stringify(token)).toString("base64url");
  return { revision, items, continueToken, ...(remaining === undefined ? {} : { remaining }) };
}

function parseToken(text: string, prefix: string): Continue {
  try {
    const token = JSON.parse(Buffer.from(text, "base64url").toString()) as Continue;
    const isOurs = token.v === 1 && Number.isSafeInteger(token.rv) && token.rv > 0 && typeof token.after === "string";
    if (isOurs && token.after.startsWith(prefix)) return token;
  } catch (thrown) {
    throw new TriremeError("BadRequest", `continue key is not valid: ${String(thrown)}`, { cause: thrown });
  }
  throw new TriremeError("BadRequest", "continue key is not valid: it is of another list");
}
