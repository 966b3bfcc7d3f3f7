/** `noSpace`: nothing is added any more. `corrupt`: replicas differ, and nothing is served until somebody has looked. */
export type AlarmType = "noSpace" | "corrupt";

/** An alarm that one member has raised. */
export interface Alarm {
  readonly member: bigint;
  readonly type: AlarmType;
}

/** The alarms that are on. Replicated: a full disk of one member stops writes at all, at the same entry. */
export class Alarms {
  private readonly active = new Map<string, Alarm>();

  constructor(alarms: readonly Alarm[] = []) {
    for (const alarm of alarms) this.active.set(keyOf(alarm), alarm);
  }

  /** All alarms, in one order everywhere. */
  list(): Alarm[] {
    return [...this.active.values()].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  }

  /** Whether any member has raised it. */
  isOn(type: AlarmType): boolean {
    for (const alarm of this.active.values()) if (alarm.type === type) return true;
    return false;
  }

  has(alarm: Alarm): boolean {
    return this.active.has(keyOf(alarm));
  }

  /** Switches an alarm on or off; false when it was so already. */
  set(alarm: Alarm, on: boolean): boolean {
    const key = keyOf(alarm);
    if (this.active.has(key) === on) return false;
    if (on) this.active.set(key, alarm);
    else this.active.delete(key);
    return true;
  }
}

function keyOf({ member, type }: Alarm): string {
  return `${type} ${member.toString(16).padStart(16, "0")}`;
}
