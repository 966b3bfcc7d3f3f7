/** A `meta/v1 Time`: RFC 3339 in UTC with whole seconds. */
export function toTime(now: number): string {
  return `${new Date(now).toISOString().slice(0, 19)}Z`;
}
