import { type handleBidiStreamingCall, status } from "@grpc/grpc-js";
import { PROTO_FILES } from "@trireme/proto/descriptors";
import type { ServerReflectionRequest, ServerReflectionResponse } from "@trireme/proto/grpc/reflection/v1/reflection";
import { type CallServer, send } from "./serving.ts";

type Answer = NonNullable<ServerReflectionResponse["messageResponse"]>;

const FILES = new Map(PROTO_FILES.map((file) => [file.name, file]));
const FILE_OF_SYMBOL = new Map(PROTO_FILES.flatMap(({ name, symbols }) => symbols.map((symbol) => [symbol, name])));

/** Every service of the given packages' files, by full name. */
export function servicesOf(prefixes: readonly string[]): string[] {
  const all = PROTO_FILES.flatMap((file) => file.services);
  return all.filter((name) => prefixes.some((prefix) => name.startsWith(prefix)));
}

/**
 * Answers one question of the reflection protocol. Pure. A file comes with all that it imports, itself first, so that a
 * client needs no second question.
 */
export function reflect(services: readonly string[], request: ServerReflectionRequest): Answer {
  const asked = request.messageRequest;
  switch (asked?.$case) {
    case "listServices":
      return { $case: "listServicesResponse", value: { service: services.map((name) => ({ name })) } };
    case "fileByFilename":
      return FILES.has(asked.value) ? filesFrom(asked.value) : notFound(`no file "${asked.value}"`);
    case "fileContainingSymbol": {
      const file = FILE_OF_SYMBOL.get(asked.value.replace(/^\./, ""));
      return file === undefined ? notFound(`no symbol "${asked.value}"`) : filesFrom(file);
    }
    case "fileContainingExtension":
      return notFound(`no extension ${asked.value.extensionNumber} of "${asked.value.containingType}"`);
    case "allExtensionNumbersOfType":
      if (!FILE_OF_SYMBOL.has(asked.value)) return notFound(`no type "${asked.value}"`);
      return {
        $case: "allExtensionNumbersResponse",
        value: { baseTypeName: asked.value, extensionNumber: [] },
      };
    case undefined:
      return refusal(status.INVALID_ARGUMENT, "the request asks nothing that this server knows");
  }
}

function filesFrom(first: string): Answer {
  const names = new Set([first]);
  for (const name of names) for (const dependency of FILES.get(name)?.dependencies ?? []) names.add(dependency);
  const fileDescriptorProto = [...names].map((name) => Buffer.from(FILES.get(name)!.base64, "base64"));
  return { $case: "fileDescriptorResponse", value: { fileDescriptorProto } };
}

function notFound(what: string): Answer {
  return refusal(status.NOT_FOUND, `${what} is known here`);
}

function refusal(errorCode: number, errorMessage: string): Answer {
  return { $case: "errorResponse", value: { errorCode, errorMessage } };
}

/** The handler of a reflection stream, in both versions of the protocol: their messages are the same. */
export function reflectionHandler(
  services: readonly string[],
  calls: CallServer,
): handleBidiStreamingCall<ServerReflectionRequest, ServerReflectionResponse> {
  return calls.conversation("reflection", async (_context, call) => {
    // The end of the questions must not destroy the stream: its status is still to be sent.
    for await (const request of call.iterator({ destroyOnReturn: false }) as AsyncIterable<ServerReflectionRequest>) {
      const messageResponse = reflect(services, request);
      await send(call, { validHost: request.host, originalRequest: request, messageResponse });
    }
  });
}
