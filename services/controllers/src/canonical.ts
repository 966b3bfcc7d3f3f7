/**
 * JSON with sorted keys and without what says nothing (undefined, null, empty lists), so that two objects that say the
 * same read the same.
 */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === "object" && item !== null && !Array.isArray(item)
      ? Object.fromEntries(
          Object.entries(item)
            .filter(
              ([, inner]) => inner !== undefined && inner !== null && !(Array.isArray(inner) && inner.length === 0),
            )
            .toSorted(([a], [b]) => (a < b ? -1 : 1)),
        )
      : item,
  );
}
