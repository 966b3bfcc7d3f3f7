import {
  aggregatedDiscovery,
  apiGroup,
  apiGroupList,
  apiResourceList,
  apiVersions,
  openApiV3,
  openApiV3Index,
} from "@trireme/api";
import { type Exchange, headerOf, sendBytes, sendJson } from "./exchange.ts";
import { DISCOVERY_MEDIA_TYPE, wantsAggregatedDiscovery } from "./negotiation.ts";
import { noSuchPath } from "./route.ts";

/** What `kubectl version` prints: the API level that we speak, and that it is us. */
const VERSION = {
  major: "1",
  minor: "35",
  emulationMajor: "1",
  emulationMinor: "35",
  minCompatibilityMajor: "1",
  minCompatibilityMinor: "34",
  gitVersion: "v1.35.0+trireme-0.1.0",
  gitCommit: "",
  gitTreeState: "clean",
  buildDate: "1970-01-01T00:00:00Z",
  goVersion: "",
  compiler: "node",
  platform: `${process.platform}/${process.arch === "x64" ? "amd64" : process.arch}`,
};

/**
 * OpenAPI v2 is served without a path or definition: everything is in v3. kubectl asks for it when a manifest's kind is
 * not in v3, and takes a 404 for a broken server instead of saying that there is no such kind.
 */
const OPENAPI_V2 = { swagger: "2.0", info: { title: "Trireme", version: "v3 has it all" }, paths: {} };

/** The same as protobuf (gnostic's `openapi.v2.Document`): 1 swagger, 2 info {1 title, 2 version}. */
const OPENAPI_V2_PROTOBUF = Buffer.concat([
  field(1, OPENAPI_V2.swagger),
  field(2, Buffer.concat([field(1, OPENAPI_V2.info.title), field(2, OPENAPI_V2.info.version)])),
]);

/** A length-delimited field of fewer than 128 bytes. */
function field(number: number, value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
}

/** Documents never change while the process lives: each is made into bytes once. Keys are the paths we serve. */
const made = new Map<string, Buffer>();

function bytesOf(key: string, make: () => unknown): Buffer {
  const known = made.get(key);
  if (known !== undefined) return known;
  const value = make();
  if (value === undefined) throw noSuchPath();
  const bytes = Buffer.from(JSON.stringify(value));
  made.set(key, bytes);
  return bytes;
}

/** Answers discovery, OpenAPI and version. Throws NotFound for any other path. */
export function serveDocument(exchange: Exchange): void {
  const { request, response, path, method } = exchange;
  if (method !== "GET" && method !== "HEAD") throw noSuchPath();
  const parts = path.split("/").filter((part) => part !== "");
  const [first, second, third, ...rest] = parts;
  if ((path === "/api" || path === "/apis") && wantsAggregatedDiscovery(headerOf(request, "accept"))) {
    const root = path;
    sendBytes(
      response,
      200,
      bytesOf(`${root} v2`, () => aggregatedDiscovery(root)),
      DISCOVERY_MEDIA_TYPE,
      {
        vary: "Accept",
      },
    );
    return;
  }
  if (first === "openapi" && second === "v3") {
    const groupVersion = parts.slice(2).join("/");
    const make = groupVersion === "" ? openApiV3Index : () => openApiV3(groupVersion);
    const isHashed = groupVersion !== "" && exchange.query.has("hash");
    const headers: Record<string, string> = isHashed ? { "cache-control": "public, immutable" } : {};
    sendBytes(response, 200, bytesOf(path, make), "application/json", headers);
    return;
  }
  if (path === "/openapi/v2") {
    const isProtobuf = (headerOf(request, "accept") ?? "").includes("application/com.github.proto-openapi.spec.v2");
    if (isProtobuf)
      sendBytes(response, 200, OPENAPI_V2_PROTOBUF, "application/com.github.proto-openapi.spec.v2.v1.0+protobuf");
    else sendJson(response, 200, OPENAPI_V2);
    return;
  }
  if (rest.length === 0 && first === "api") {
    if (second === undefined) sendBytes(response, 200, bytesOf(path, apiVersions));
    else if (third === undefined)
      sendBytes(
        response,
        200,
        bytesOf(path, () => apiResourceList("", second)),
      );
    else throw noSuchPath();
    return;
  }
  if (rest.length === 0 && first === "apis") {
    if (second === undefined) sendBytes(response, 200, bytesOf(path, apiGroupList));
    else if (third === undefined)
      sendBytes(
        response,
        200,
        bytesOf(path, () => apiGroup(second)),
      );
    else
      sendBytes(
        response,
        200,
        bytesOf(path, () => apiResourceList(second, third)),
      );
    return;
  }
  if (path === "/version" || path === "/version/") {
    sendJson(response, 200, VERSION);
    return;
  }
  if (path === "/") {
    sendJson(response, 200, {
      paths: ["/api", "/apis", "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"],
    });
    return;
  }
  throw noSuchPath();
}
