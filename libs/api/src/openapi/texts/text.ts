import type { Fields, Message } from "../../schema/notation.ts";

/** What `kubectl explain` says of one message and of the fields of it that people use. */
export interface Text {
  readonly message: Message;
  readonly about: string;
  readonly fields: Readonly<Record<string, string>>;
}

/** Describes a message; the compiler knows its fields. */
export function text<F extends Fields>(
  message: Message<F>,
  about: string,
  fields: { readonly [K in keyof F]?: string } = {},
): Text {
  return { message, about, fields: fields as Record<string, string> };
}
