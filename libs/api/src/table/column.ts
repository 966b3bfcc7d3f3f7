import type { KubeObject } from "../resources.ts";
import { humanAge } from "./age.ts";

/** One column; those of priority 1 show with `-o wide` only. */
export interface Column {
  readonly name: string;
  readonly type: "string" | "integer";
  readonly format: string;
  readonly description: string;
  readonly priority: number;
}

/** A column and how its cell reads from what the printer has computed of an object. */
export interface ColumnOf<V> extends Column {
  readonly cell: (of: V, now: number) => string | number;
}

/** How objects of one kind are printed. */
export interface Printer {
  readonly columns: readonly Column[];
  cells(object: KubeObject, now: number): (string | number)[];
}

/** A column of text. */
export function text<V>(name: string, description: string, cell: ColumnOf<V>["cell"]): ColumnOf<V> {
  return { name, type: "string", format: "", description, priority: 0, cell };
}

/** A column of whole numbers. */
export function count<V>(name: string, description: string, cell: ColumnOf<V>["cell"]): ColumnOf<V> {
  return { name, type: "integer", format: "", description, priority: 0, cell };
}

/** A column that only `-o wide` shows. */
export function wide<V>(column: ColumnOf<V>): ColumnOf<V> {
  return { ...column, priority: 1 };
}

/** The columns that every kind has: name first, age where Kubernetes puts it. */
export const NAME: ColumnOf<KubeObject> = {
  ...text("Name", "The object's name, unique in its namespace.", (object: KubeObject) => object.metadata.name),
  format: "name",
};
/** How long ago the object was created. */
export const AGE: ColumnOf<KubeObject> = text("Age", "Time since the object was created.", (object, now) =>
  humanAge(object.metadata.creationTimestamp, now),
);

/** A printer whose columns read the object itself. */
export function printer<T extends KubeObject>(columns: readonly ColumnOf<T>[]): Printer {
  return {
    columns: columns.map(headerOf),
    cells: (object, now) => columns.map((column) => column.cell(object as T, now)),
  };
}

/** The column as clients see it, without our cell function. */
export function headerOf<V>({ name, type, format, description, priority }: ColumnOf<V>): Column {
  return { name, type, format, description, priority };
}

/** `a=b,c=d` in order of keys, or `<none>`: how labels and selectors are printed. */
export function formatLabels(labels: Record<string, string> | undefined): string {
  const entries = Object.entries(labels ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return entries.length === 0 ? "<none>" : entries.map(([key, value]) => `${key}=${value}`).join(",");
}

/** The text, or `<none>` when there is none. */
export function orNone(value: string | undefined): string {
  return value ? value : "<none>";
}
