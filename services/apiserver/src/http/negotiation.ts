import { TriremeError } from "@trireme/base";

/** How an answer is to look. */
export type Format = "json" | "table" | "metadata";

/** Reads `Accept`: the first form that we speak. */
export function formatOf(accept: string | undefined): Format {
  if (accept === undefined || accept.trim() === "") return "json";
  for (const entry of accept.split(",")) {
    const [type = "", ...params] = entry.split(";").map((part) => part.trim());
    const of = new Map(params.map((param) => param.split("=").map((part) => part.trim()) as [string, string]));
    const isJson = type === "application/json" || type === "*/*" || type === "application/*";
    if (!isJson) continue;
    const as = of.get("as");
    if (as === undefined) return "json";
    if (of.get("g") !== "meta.k8s.io" || of.get("v") !== "v1") continue;
    if (as === "Table") return "table";
    if (as === "PartialObjectMetadata" || as === "PartialObjectMetadataList") return "metadata";
  }
  throw new TriremeError(
    "NotAcceptable",
    "only the following media types are accepted: application/json, application/json;as=Table;v=v1;g=meta.k8s.io, application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
  );
}

/** Whether `Accept` takes the aggregated discovery document. */
export function wantsAggregatedDiscovery(accept: string | undefined): boolean {
  return (accept ?? "")
    .split(",")
    .map((entry) => entry.replaceAll(" ", ""))
    .some(
      (entry) =>
        entry.includes("g=apidiscovery.k8s.io") &&
        /;v=v2(;|$)/.test(entry) &&
        entry.includes("as=APIGroupDiscoveryList"),
    );
}

/** The media type of the aggregated discovery document: clients compare it as text. */
export const DISCOVERY_MEDIA_TYPE = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
