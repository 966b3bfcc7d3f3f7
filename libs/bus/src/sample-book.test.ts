import { expect, it } from "vitest";
import { ManualClock } from "@trireme/base";
import { SAMPLE_LIFETIME_MS, SampleBook, type Sample, createMemoryHub, sampleCodec, sampleSubject } from "./index.ts";

function sampleOf(node: string, cpuMillis: number): Sample {
  const usage = { cpuMillis, memoryBytes: 1024 };
  const pods = { "ns/a": { ...usage, windowMs: 2000, containers: { main: usage } } };
  return { v: 1, node, atMs: 5000, windowMs: 2000, ...usage, pods };
}

it("keeps the newest sample of each node until it is old", () => {
  const clock = new ManualClock(0);
  const book = new SampleBook(clock);
  book.note(sampleOf("n1", 1));
  book.note(sampleOf("n1", 2));
  expect(book.node("n1")?.cpuMillis).toBe(2);
  expect(book.pod("n1", "ns", "a")).toMatchObject({ cpuMillis: 2, atMs: 5000 });
  expect(book.pod("n1", "ns", "b")).toBeUndefined();
  expect(book.pod("n2", "ns", "a")).toBeUndefined();
  clock.advance(SAMPLE_LIFETIME_MS + 1);
  expect(book.node("n1")).toBeUndefined();
});

it("believes a node about itself alone", async () => {
  const bus = createMemoryHub().connect();
  const book = new SampleBook(new ManualClock(0));
  const stop = book.follow(bus);
  bus.publish(sampleSubject("n1"), sampleCodec.encode(sampleOf("n2", 1)));
  bus.publish(sampleSubject("n1"), new Uint8Array([1, 2, 3]));
  bus.publish(sampleSubject("n3"), sampleCodec.encode(sampleOf("n3", 3)));
  await bus.flush();
  expect(book.node("n2")).toBeUndefined();
  expect(book.node("n1")).toBeUndefined();
  expect(book.node("n3")?.cpuMillis).toBe(3);
  stop();
  await bus.close();
});
