import type { Registry } from "./registry.ts";

/** Renders one component's metrics as Prometheus' text. */
export type Page = () => Promise<string>;

/** Where a thread's pages are found by whoever runs the thread; see services/control. */
const THREAD_PAGES = Symbol.for("trireme.pages");

/** Offers a page of this thread, beside its newest registry, to whoever serves the thread's metrics. */
export function offerPage(name: string, page: Page): void {
  const holder = globalThis as Record<symbol, unknown>;
  const pages = (holder[THREAD_PAGES] ?? new Map<string, Page>()) as Map<string, Page>;
  pages.set(name, page);
  holder[THREAD_PAGES] = pages;
}

/** The page of a registry. */
export function pageOf(registry: Registry): Page {
  return () => registry.render();
}
