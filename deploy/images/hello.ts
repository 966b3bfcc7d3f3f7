import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { type Image, layerOf } from "./image.ts";
import type { TarEntry } from "./tar.ts";

/** Debian's busybox-static puts it here; on a merged /usr both are the same file. */
const BUSYBOX_PATHS = ["/bin/busybox", "/usr/bin/busybox"];

/**
 * Serves the pod's name on port 8080. `/readyz` and `/livez` are files: remove one (`rm /www/readyz`, or ask
 * `/cgi-bin/fail?readyz`) and that probe fails. The shell is process 1 and does nothing but wait, so that SIGTERM ends
 * the container at once.
 */
const START = `#!/bin/sh
mkdir -p /www/cgi-bin
hostname >/www/index.html
for file in healthz readyz livez; do echo ok >/www/$file; done
httpd -f -p 8080 -h /www &
server=$!
trap 'echo "hello: SIGTERM, bye"; kill $server; exit 0' TERM INT
echo "hello: version $VERSION on $(hostname) listens on 8080"
wait $server
`;

const FAIL = `#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
case "$QUERY_STRING" in
  healthz | readyz | livez) rm -f "/www/$QUERY_STRING"; echo "$QUERY_STRING fails from now on" ;;
  *) echo "ask /cgi-bin/fail?healthz, ?readyz or ?livez" ;;
esac
`;

const PASS = `#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
case "$QUERY_STRING" in
  healthz | readyz | livez) echo ok >"/www/$QUERY_STRING"; echo "$QUERY_STRING passes from now on" ;;
  *) echo "ask /cgi-bin/pass?healthz, ?readyz or ?livez" ;;
esac
`;

const ENV = `#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
env
`;

/** A web server of busybox: the example's image, and what the tests poke at; twice, so that there is something to roll to. */
export function helloImages(): Image[] {
  const layers = [layerOf(rootFilesystem())];
  return ["1", "2"].map((version) => ({
    name: `trireme.local/hello:${version}`,
    layers,
    config: { entrypoint: ["/bin/hello"], env: [`VERSION=${version}`], exposedPorts: ["8080/tcp"] },
  }));
}

function rootFilesystem(): TarEntry[] {
  const { path, content } = findBusybox();
  const applets = execFileSync(path, ["--list"], { encoding: "utf8" }).split("\n");
  const script = (file: string, text: string): TarEntry => ({
    type: "file",
    path: file,
    content: Buffer.from(text),
    mode: 0o755,
  });
  return [
    ...["bin", "etc", "root", "tmp", "var", "www", "www/cgi-bin"].map((dir): TarEntry => ({
      type: "directory",
      path: dir,
      mode: dir === "tmp" ? 0o1777 : 0o755,
    })),
    { type: "file", path: "bin/busybox", content, mode: 0o755 },
    ...applets
      .filter((name) => name !== "" && name !== "busybox")
      .map((name): TarEntry => ({ type: "symlink", path: `bin/${name}`, target: "busybox" })),
    { type: "file", path: "etc/passwd", content: Buffer.from("root:x:0:0:root:/root:/bin/sh\n") },
    { type: "file", path: "etc/group", content: Buffer.from("root:x:0:\n") },
    script("bin/hello", START),
    script("www/cgi-bin/fail", FAIL),
    script("www/cgi-bin/pass", PASS),
    script("www/cgi-bin/env", ENV),
  ];
}

function findBusybox(): { path: string; content: Buffer } {
  for (const path of BUSYBOX_PATHS) {
    try {
      const content = readFileSync(path);
      // A dynamic busybox would need its libraries in the image: its ELF names an interpreter.
      if (!content.subarray(0, 4096).includes("ld-linux")) return { path, content };
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== "ENOENT") throw thrown;
    }
  }
  throw new Error("no static busybox found; install Debian's package busybox-static");
}
