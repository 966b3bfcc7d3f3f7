/** Order of two byte sequences, as etcd compares values. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = a[i]! - b[i]!;
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** The exclusive end of a range as the tree wants it: undefined for "to the end", and a single key as a tiny range. */
export function scanEnd(key: string, rangeEnd: string): string | undefined {
  if (rangeEnd === "") return `${key}\0`;
  return rangeEnd === "\0" ? undefined : rangeEnd;
}

/** Whether `key` lies in `[from, rangeEnd)` by etcd's rules. */
export function inRange(key: string, from: string, rangeEnd: string): boolean {
  if (rangeEnd === "") return key === from;
  return key >= from && (rangeEnd === "\0" || key < rangeEnd);
}
