/** A `meta/v1 Time`: RFC 3339 in UTC with whole seconds. */
export function toTime(now: number): string {
  return `${new Date(now).toISOString().slice(0, 19)}Z`;
}

/** A `meta/v1 MicroTime`: RFC 3339 in UTC with microseconds. */
export function toMicroTime(now: number): string {
  return `${new Date(now).toISOString().slice(0, 23)}000Z`;
}
