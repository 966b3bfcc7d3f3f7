import { type ErrorCode, TriremeError, errorFrom } from "@trireme/base";
import type { AskRequest, AskResponse, PeerServiceClient } from "@trireme/proto/trireme/raft/v1/raft";
import { Metadata, type ServiceError } from "@grpc/grpc-js";

export type Question = NonNullable<AskRequest["question"]>;
export type Answer = Exclude<NonNullable<AskResponse["answer"]>, { $case: "error" }>;

/** Asks a peer; rejects with the error that it answers, or with `Timeout` when it does not. */
export function ask(client: PeerServiceClient, request: AskRequest, timeoutMs: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const done = (error: ServiceError | null, response?: AskResponse): void => {
      const answer = response?.answer;
      if (error !== null) reject(new TriremeError("Timeout", error.details, { cause: error }));
      else if (answer?.$case === "error") reject(fromAskError(answer.value));
      else if (answer === undefined)
        reject(new TriremeError("InternalError", "a peer answered in words not known here"));
      else resolve(answer);
    };
    client.ask(request, new Metadata(), { deadline: Date.now() + timeoutMs }, done);
  });
}

/** An error as it travels: its code and text are what clients branch on. */
export function toAskError(thrown: unknown): AskResponse {
  const { code, message } = errorFrom(thrown);
  return { answer: { $case: "error", value: { code, message } } };
}

function fromAskError(value: { readonly code: string; readonly message: string }): TriremeError {
  return new TriremeError(value.code as ErrorCode, value.message);
}
