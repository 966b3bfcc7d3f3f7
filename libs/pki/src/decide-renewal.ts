/** When something signed was valid from and to, ms since the epoch. */
export interface Validity {
  readonly fromMs: number;
  readonly toMs: number;
}

/** What is renewed now, and when to look again. */
export interface Renewal {
  readonly certificates: boolean;
  readonly bus: boolean;
  readonly lookInMs: number;
}

/** Renewed after this share of a life: so many attempts are left that a control plane may be away for long. */
const RENEW_AT = 2 / 3;
/** What is due and could not be renewed is tried again after this share of what is left of its life. */
const RETRY_AT = 1 / 10;
/** However little is left: a control plane that is away is not asked more often by each of its nodes. */
const RETRY_MS = 10_000;
/** The first attempts follow sooner, since most failures pass: a connection that ended, a leader that changed. Then four times as long. */
const FIRST_RETRY_MS = 2000;
const RETRY_GROWTH = 4;
/** However much is left: a clock that was set, or a file that was replaced by hand, is noticed. */
const LOOK_MS = 60 * 60_000;

/**
 * Decides what to renew: certificates live a year, the bus' claims a day. What is no longer valid is due as well. `failures` is how
 * many attempts in a row have failed.
 */
export function decideRenewal(
  certificates: readonly Validity[],
  bus: readonly Validity[],
  nowMs: number,
  failures = 0,
): Renewal {
  const dueAt = ({ fromMs, toMs }: Validity): number => fromMs + (toMs - fromMs) * RENEW_AT;
  const isDue = (one: Validity): boolean => nowMs >= dueAt(one);
  const soon = failures === 0 ? Infinity : FIRST_RETRY_MS * RETRY_GROWTH ** (failures - 1);
  const looks = [...certificates, ...bus].map((one) =>
    isDue(one) ? Math.min(soon, Math.max(RETRY_MS, (one.toMs - nowMs) * RETRY_AT)) : dueAt(one) - nowMs,
  );
  return { certificates: certificates.some(isDue), bus: bus.some(isDue), lookInMs: Math.min(LOOK_MS, ...looks) };
}
