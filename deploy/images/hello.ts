import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { type Image, layerOf } from "./image.ts";
import type { TarEntry } from "./tar.ts";

/** Debian's busybox-static puts it here; on a merged /usr both are the same file. */
const BUSYBOX_PATHS = ["/bin/busybox", "/usr/bin/busybox"];

/** Connections that may wait to be accepted: busybox's nc takes one for each `l`. */
const BACKLOG = 64;

/** Seconds that a kept connection may be idle; the client is told. */
const IDLE_SECONDS = 5;

/** Exists once the container was told to end. */
const CLOSING = "/tmp/closing";

/**
 * Serves the pod's name on port 8080. `/readyz` and `/livez` are files: remove one (`rm /www/readyz`, or ask
 * `/cgi-bin/fail?readyz`) and that probe fails. The shell is process 1. On SIGTERM it ends as a good server does: what
 * the kernel has queued is still taken, then no new connection; each answer says `Connection: close`, and the container
 * ends with its last connection, at once if there is none.
 */
const START = `#!/bin/sh
mkdir -p /www/cgi-bin
hostname >/www/index.html
for file in healthz readyz livez; do echo ok >/www/$file; done
finish() {
  echo "hello: SIGTERM, bye"
  : >${CLOSING}
  # The receive queue of a listening socket holds the connections that nobody has accepted yet.
  while grep -qE ':1F90 [0:]+ 0A [0-9A-F]+:0*[1-9A-F]' /proc/net/tcp /proc/net/tcp6; do :; done
  kill $server
  while pidof answer >/dev/null; do usleep 20000; done
  exit 0
}
nc -${"l".repeat(BACKLOG)} -p 8080 -e /bin/answer &
server=$!
trap finish TERM INT
echo "hello: version $VERSION on $(hostname) listens on 8080"
wait $server
`;

/** Answers the requests of one connection: files of text, and programs that write their own headers. No process each. */
const ANSWER = `#!/bin/sh
cr='\r'
newline='
'
eol="$cr$newline"
# One write: a head and a body apart would wait for each other's acknowledgement.
reply() {
  body=$2
  [ "$method" = HEAD ] && body=
  head="HTTP/1.1 $1$eol""Content-Type: text/plain$eol""Content-Length: \${#2}$eol""Connection: $connection$eol"
  printf '%s' "$head""Keep-Alive: timeout=${IDLE_SECONDS}$eol$eol$body"
}
while read -r -t ${IDLE_SECONDS} method target version; do
  connection=close
  [ "$version" = "HTTP/1.1$cr" ] && connection=keep-alive
  while read -r -t ${IDLE_SECONDS} name value && [ "$name" != "$cr" ]; do
    case "$name$value" in [Cc]onnection:[Cc]lose*) connection=close ;; esac
  done
  [ -e ${CLOSING} ] && connection=close
  case "$target" in *\\?*) query=\${target#*\\?} ;; *) query= ;; esac
  file="/www\${target%%\\?*}"
  [ -d "$file" ] && file="\${file%/}/index.html"
  case "$method $file" in
    *..*) connection=close; reply "400 Bad Request" "no .. here$newline" ;;
    "GET /www/cgi-bin/"*)
      connection=close
      if [ -x "$file" ]; then printf 'HTTP/1.1 200 OK\\r\\nConnection: close\\r\\n'; QUERY_STRING=$query "$file"
      else reply "404 Not Found" "no program $file$newline"; fi ;;
    "GET "* | "HEAD "*)
      if [ -f "$file" ]; then
        text=
        while IFS= read -r line || [ -n "$line" ]; do text="$text$line$newline"; done <"$file"
        reply "200 OK" "$text"
      else reply "404 Not Found" "no file $file$newline"; fi ;;
    *) connection=close; reply "405 Method Not Allowed" "GET or HEAD$newline" ;;
  esac
  [ $connection = close ] && exit
done
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
    script("bin/answer", ANSWER),
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
