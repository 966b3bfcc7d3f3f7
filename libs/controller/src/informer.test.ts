import { ManualClock, TriremeError } from "@trireme/base";
import { type Bus, StreamPublisher, createMemoryHub } from "@trireme/bus";
import type { ApiObject, WatchEvent } from "@trireme/client";
import { describe, expect, it } from "vitest";
import type { ListWatch } from "./informer-types.ts";
import { type InformerOptions, createInformer } from "./informer.ts";

const SUBJECT = "tri.v1.event.pods";

/** An apiserver and a relay over one history. */
class Server implements ListWatch<ApiObject> {
  revision = 1;
  compacted = 0;
  reads: string[] = [];
  readonly objects = new Map<string, ApiObject>();
  private readonly history: { revision: number; event: WatchEvent<ApiObject> }[] = [];
  private readonly watchers = new Set<{ send(event: WatchEvent<ApiObject>): void; fail(error: Error): void }>();
  relay: StreamPublisher;
  private readonly bus: Bus;
  private term = 0;

  constructor(bus: Bus) {
    this.bus = bus;
    this.relay = this.newRelay();
  }

  newRelay(): StreamPublisher {
    this.term += 1;
    this.relay = new StreamPublisher({ epoch: String(this.term), publish: (s, bytes) => this.bus.publish(s, bytes) });
    this.relay.open(SUBJECT, this.revision);
    return this.relay;
  }

  write(name: string, type: WatchEvent<ApiObject>["type"] & ("ADDED" | "MODIFIED" | "DELETED"), labels = {}): void {
    this.revision += 1;
    const metadata = { namespace: "ns", name, resourceVersion: String(this.revision), labels };
    const object: ApiObject = { metadata };
    if (type === "DELETED") this.objects.delete(name);
    else this.objects.set(name, object);
    const event = { type, object };
    this.history.push({ revision: this.revision, event });
    for (const watcher of this.watchers) watcher.send(event);
    const body = { metadata };
    this.relay.event(SUBJECT, { revision: this.revision, type, key: `ns/${name}`, object: body });
  }

  get watching(): number {
    return this.watchers.size;
  }

  failWatches(error: Error): void {
    for (const watcher of [...this.watchers]) watcher.fail(error);
  }

  list() {
    this.reads.push("list");
    return Promise.resolve({ items: [...this.objects.values()], resourceVersion: String(this.revision) });
  }

  get(_: string, name: string) {
    const object = this.objects.get(name);
    if (object === undefined) return Promise.reject(new TriremeError("NotFound", name));
    return Promise.resolve(object);
  }

  watch: ListWatch<ApiObject>["watch"] = (options, onEvent) => {
    const from = Number(options.resourceVersion);
    this.reads.push(`watch ${from}`);
    if (from < this.compacted) return Promise.reject(new TriremeError("Expired", "too old"));
    return new Promise((resolve, reject) => {
      const watcher = {
        send: onEvent,
        fail: (error: Error) => {
          this.watchers.delete(watcher);
          reject(error);
        },
      };
      for (const { revision, event } of this.history) if (revision > from) onEvent(event);
      this.watchers.add(watcher);
      options.signal?.addEventListener("abort", () => {
        this.watchers.delete(watcher);
        resolve();
      });
    });
  };
}

async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

async function world(extra: Partial<InformerOptions<ApiObject>> = {}) {
  const clock = new ManualClock();
  const hub = createMemoryHub();
  const server = new Server(hub.connect());
  const stream = { bus: hub.connect(), subject: SUBJECT };
  const informer = createInformer({ name: "pods", listWatch: server, stream, clock, ...extra });
  const names = (): string[] =>
    informer
      .list()
      .map((o) => o.metadata.name ?? "")
      .toSorted();
  const beat = async (): Promise<void> => {
    server.relay.bookmarks(server.revision);
    await settle();
    clock.advance(1000);
    await settle();
  };
  return { clock, hub, server, informer, names, beat };
}

describe("informer", () => {
  it("syncs by a list, follows the watch until the stream takes over, and ends the watch then", async () => {
    const { server, informer, names, beat } = await world();
    server.write("a", "ADDED");
    informer.start();
    expect(informer.hasSynced).toBe(false);
    await informer.synced;
    server.write("b", "ADDED");
    expect([names(), informer.mode, server.watching]).toEqual([["a", "b"], "watch", 1]);
    await beat();
    expect([informer.mode, server.watching]).toEqual(["stream", 0]);
    server.write("c", "ADDED");
    server.write("a", "DELETED");
    await settle();
    expect(names()).toEqual(["b", "c"]);
    expect(server.reads).toEqual(["list", "watch 2"]);
  });

  it("survives a lost message, a new relay, silence, and a bus that is down, and returns to the stream", async () => {
    const { hub, server, informer, names, beat, clock } = await world();
    informer.start();
    await informer.synced;
    await beat();
    hub.setNetwork(() => []);
    server.write("a", "ADDED");
    await settle();
    hub.setNetwork((envelope) => [envelope]);
    expect(names()).toEqual([]);
    server.write("b", "ADDED");
    await settle();
    expect([names(), informer.mode]).toEqual([["a", "b"], "watch"]);
    await beat();
    expect(informer.mode).toBe("stream");
    server.newRelay();
    await settle();
    expect(informer.mode).toBe("watch");
    await beat();
    expect(informer.mode).toBe("stream");
    clock.advance(4000);
    await settle();
    expect(informer.mode).toBe("watch");
    await beat();
    hub.setUp(false);
    server.write("c", "ADDED");
    await settle();
    expect([names(), informer.mode]).toEqual([["a", "b", "c"], "watch"]);
    hub.setUp(true);
    await beat();
    expect(informer.mode).toBe("stream");
    expect(server.reads.filter((read) => read === "list")).toHaveLength(1);
  });

  it("lists again on 410, tries again when a watch fails, and relists on the slow timer", async () => {
    const { hub, server, informer, names, clock } = await world();
    hub.setUp(false);
    informer.start();
    await informer.synced;
    server.failWatches(new TriremeError("ServiceUnavailable", "gone"));
    await settle();
    server.write("a", "ADDED");
    server.compacted = server.revision;
    clock.advance(50);
    await settle();
    expect(names()).toEqual(["a"]);
    expect(server.reads).toEqual(["list", "watch 1", "watch 1", "list", "watch 2"]);
    clock.advance(700_000);
    await settle();
    expect(server.reads.slice(5)).toEqual(["list", "watch 2"]);
  });

  it("tells listeners of each change, new ones of what is there, and outlives one that throws", async () => {
    const { server, informer } = await world();
    const seen: string[] = [];
    server.write("a", "ADDED");
    informer.onChange(() => {
      throw new Error("a bad listener");
    });
    informer.onChange((change) => seen.push(`${change.type} ${change.key}`));
    informer.start();
    await informer.synced;
    server.write("a", "MODIFIED");
    const late: string[] = [];
    const stop = informer.onChange((change) => late.push(`${change.type} ${change.key}`));
    server.write("a", "DELETED");
    stop();
    server.write("a", "ADDED");
    expect(seen).toEqual(["added ns/a", "modified ns/a", "deleted ns/a", "added ns/a"]);
    expect(late).toEqual(["added ns/a", "deleted ns/a"]);
  });

  it("keeps indexes up to date, also those added later", async () => {
    const { server, informer } = await world();
    const app = (o: ApiObject): string[] => [(o.metadata as { labels?: { app?: string } }).labels?.app ?? "none"];
    informer.addIndex("app", app);
    informer.start();
    await informer.synced;
    server.write("a", "ADDED", { app: "web" });
    server.write("b", "ADDED", { app: "web" });
    server.write("a", "MODIFIED", { app: "db" });
    informer.addIndex("late", app);
    const found = (name: string, value: string) => informer.byIndex(name, value).map((o) => o.metadata.name);
    expect([found("app", "web"), found("app", "db"), found("late", "db"), found("app", "none")]).toEqual([
      ["b"],
      ["a"],
      ["a"],
      [],
    ]);
    expect([informer.get("ns", "a")?.metadata.resourceVersion, informer.list("other")]).toEqual(["4", []]);
  });

  it("stops: no watch, no timer, no change", async () => {
    const { server, informer, names } = await world();
    informer.start();
    await informer.synced;
    informer.stop();
    server.write("a", "ADDED");
    await settle();
    expect([names(), server.watching, informer.mode]).toEqual([[], 0, "idle"]);
  });
});
