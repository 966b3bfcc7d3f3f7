import { TriremeError } from "@trireme/base";

/** A member of the store, as its API shows it. A name is known once it has started. */
export interface Member {
  readonly id: bigint;
  readonly name: string;
  readonly peerUrl: string;
  readonly isLearner: boolean;
}

/** What a joining server knows of itself. */
export interface JoiningMember {
  readonly name: string;
  readonly peerUrl: string;
  /** Whether its own disk holds a log already. */
  readonly hasLog: boolean;
  /** The name of the dead server whose place it takes. */
  readonly replace?: string | undefined;
}

/** The next step of a server on its way to a vote. */
export type MemberStep =
  | { readonly step: "remove"; readonly id: bigint; readonly why: string }
  | { readonly step: "add" }
  | { readonly step: "start" }
  | { readonly step: "promote"; readonly id: bigint }
  | { readonly step: "done" };

/**
 * Decides what comes next from what the cluster's members are now. Asked again after each step, and after any break: it
 * knows no history. `isRunning`: whether our own store runs. Throws Conflict when only a person can decide.
 */
export function decideMember(members: readonly Member[], self: JoiningMember, isRunning: boolean): MemberStep {
  const own = members.find((member) => member.peerUrl === self.peerUrl);
  // Same name at another address, or our own address with a log that is gone: a life that ended.
  const dead = members.find((member) => self.replace !== undefined && member.name === self.replace && member !== own);
  if (dead !== undefined) return { step: "remove", id: dead.id, why: `it is the dead server "${dead.name}"` };
  if (own === undefined) {
    if (self.hasLog) {
      throw new TriremeError(
        "Conflict",
        `server "${self.name}" was removed from the cluster, and its disk holds the log of its former life: empty its data ` +
          "directory and join again with a new token",
      );
    }
    return { step: "add" };
  }
  if (own.name !== "" && !self.hasLog) {
    // It had been running and has lost its disk: under its old id it could vote twice.
    if (self.replace === own.name) return { step: "remove", id: own.id, why: "its disk is gone" };
    throw new TriremeError(
      "Conflict",
      `server "${own.name}" at this address is a member already, but this disk holds none of its data: if that machine is ` +
        `dead, join with --replace ${own.name}`,
    );
  }
  if (!isRunning) return { step: "start" };
  return own.isLearner ? { step: "promote", id: own.id } : { step: "done" };
}
