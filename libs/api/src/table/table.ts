import type { KubeObject, Resource } from "../resources.ts";

/** One column; those of priority 1 show with `-o wide` only. */
export interface Column {
  readonly name: string;
  readonly type: "string" | "integer" | "date";
  readonly format: string;
  readonly description: string;
  readonly priority: number;
}

/** The answer to `Accept: application/json;as=Table`. */
export interface Table {
  kind: "Table";
  apiVersion: "meta.k8s.io/v1";
  metadata: { resourceVersion?: string; continue?: string; remainingItemCount?: number };
  columnDefinitions: readonly Column[];
  rows: { cells: unknown[]; object?: unknown }[];
}

/** `now` in milliseconds; `includeObject` decides what rides along with each row. */
export interface TableOptions {
  readonly now: number;
  readonly includeObject?: "None" | "Metadata" | "Object";
}

/** Renders objects of one kind as kubectl prints them. */
export function tableFor<T extends KubeObject>(
  resource: Resource<T>,
  objects: readonly T[],
  options: TableOptions,
): Table {
  void resource;
  void objects;
  void options;
  return { kind: "Table", apiVersion: "meta.k8s.io/v1", metadata: {}, columnDefinitions: [], rows: [] };
}
