import {
  decode,
  encode,
  AUTHORITATIVE_ANSWER,
  RECURSION_AVAILABLE,
  RECURSION_DESIRED,
  TRUNCATED_RESPONSE,
} from "dns-packet";
import type { Answer, DecodedPacket, Packet, Question } from "dns-packet";
import type { ZoneAnswer } from "./zone.ts";

/** A question that arrived, with what its answer must respect. */
export interface Query {
  readonly packet: DecodedPacket;
  readonly question: Question;
  /** Bytes that the client can take by UDP. */
  readonly maxBytes: number;
}

/** Response codes of the DNS. */
export const RCODE = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const;
/** What fits without EDNS, and the most that surely passes every link unfragmented. */
const PLAIN_BYTES = 512;
const EDNS_BYTES = 1232;

/** Reads a query; undefined when it is none that an answer could be made for. */
export function readQuery(bytes: Buffer): Query | undefined {
  let packet: DecodedPacket;
  try {
    packet = decode(bytes);
  } catch {
    return undefined; // Garbage gets no answer: it may be forged to make us send.
  }
  const question = packet.questions?.[0];
  if (packet.type !== "query" || question === undefined) return undefined;
  const opt = packet.additionals?.find((record) => record.type === "OPT");
  const size = opt !== undefined && "udpPayloadSize" in opt ? opt.udpPayloadSize : PLAIN_BYTES;
  return { packet, question, maxBytes: Math.min(EDNS_BYTES, Math.max(PLAIN_BYTES, size)) };
}

/** The response to a query from what the zone said. `rotation` turns the records, so that clients spread. */
export function writeAnswer(query: Query, said: Exclude<ZoneAnswer, { kind: "elsewhere" }>, rotation: number): Packet {
  const code = said.kind === "nxdomain" ? RCODE.NXDOMAIN : RCODE.NOERROR;
  const answers = said.kind === "answer" ? rotate(said.records, rotation) : [];
  return {
    ...header(query, code, AUTHORITATIVE_ANSWER),
    answers: answers as unknown as Answer[],
    authorities: said.kind === "answer" ? [] : ([said.soa] as unknown as Answer[]),
    additionals: [...((said.kind === "answer" ? said.additionals : []) as unknown as Answer[]), ...optOf(query)],
  };
}

/** A response that only has a code. */
export function writeCode(query: Query, code: number): Packet {
  return { ...header(query, code, 0), answers: [], authorities: [], additionals: optOf(query) };
}

function header(query: Query, code: number, flags: number): Packet {
  const desired = (query.packet.flags ?? 0) & RECURSION_DESIRED;
  return {
    type: "response",
    id: query.packet.id ?? 0,
    flags: flags | desired | RECURSION_AVAILABLE | code,
    questions: [query.question],
  };
}

function optOf(query: Query): Answer[] {
  const asked = query.packet.additionals?.some((record) => record.type === "OPT") ?? false;
  if (!asked) return [];
  const opt = { type: "OPT", name: ".", udpPayloadSize: EDNS_BYTES, extendedRcode: 0, ednsVersion: 0, flags: 0 };
  return [{ ...opt, flag_do: false, options: [] } as unknown as Answer];
}

/** Encodes for UDP: what does not fit is left out and the client told to ask by TCP. */
export function encodeUdp(packet: Packet, maxBytes: number): Buffer {
  const bytes = encode(packet);
  if (bytes.length <= maxBytes) return bytes;
  const additionals = (packet.additionals ?? []).filter((record) => record.type === "OPT");
  const lean = encode({ ...packet, additionals });
  if (lean.length <= maxBytes) return lean;
  const answers = [...(packet.answers ?? [])];
  while (answers.length > 0) {
    answers.splice(Math.floor(answers.length / 2));
    const cut = encode({ ...packet, answers, additionals, flags: (packet.flags ?? 0) | TRUNCATED_RESPONSE });
    if (cut.length <= maxBytes) return cut;
  }
  return encode({ ...packet, answers, additionals, flags: (packet.flags ?? 0) | TRUNCATED_RESPONSE });
}

function rotate<T>(items: readonly T[], by: number): readonly T[] {
  const at = items.length === 0 ? 0 : by % items.length;
  return [...items.slice(at), ...items.slice(0, at)];
}
