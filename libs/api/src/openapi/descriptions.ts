import type { Message } from "../schema/notation.ts";

/** What `kubectl explain` says of a message, if anything. */
export function describeMessage(message: Message): string | undefined {
  void message;
  return undefined;
}

/** What `kubectl explain` says of a field, if anything. */
export function describeField(message: Message, field: string): string | undefined {
  void message;
  void field;
  return undefined;
}
