import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { closureOf, parseDepends } from "./debian-closure.ts";
import { isWanted, mergedPath } from "./debian-files.ts";
import { needsOf, neededLibraries, unmetNeeds } from "./elf.ts";
import { packTar } from "./tar.ts";

const DEPENDS = `web
  Depends: libc
 |Depends: debconf
  Depends: <debconf-2.0>
    cdebconf
    debconf
  Depends: <httpd-cgi>
    cgi-a
    cgi-b
  PreDepends: init:any
libc
  Depends: libgcc
libgcc
debconf
<debconf-2.0>
cdebconf
<httpd-cgi>
cgi-a
  Depends: libc
cgi-b
init
tool
  Depends: libc
    libc-other
  Depends: cgi-b
`;

describe("closureOf", () => {
  const dependencies = parseDepends(DEPENDS);

  it("follows what is needed, takes the first of several choices, and who provides a virtual package", () => {
    expect(closureOf(["web"], dependencies)).toEqual(["cgi-a", "debconf", "init", "libc", "libgcc", "web"]);
  });

  it("takes a choice that is there anyway", () => {
    expect(closureOf(["tool", "web"], dependencies)).not.toContain("cgi-a");
  });

  it("leaves out what is not wanted, and what only that would bring", () => {
    expect(closureOf(["web"], dependencies, new Set(["debconf", "init", "cgi-a", "libc"]))).toEqual(["web"]);
  });

  it("names a package that does not exist", () => {
    expect(() => closureOf(["wob"], dependencies)).toThrow('there is no Debian package "wob"');
  });
});

describe("a package's files", () => {
  it("are where Debian has merged their folders", () => {
    expect(["bin/sh", "lib/x/libc.so.6", "usr/bin/env", "library/x"].map(mergedPath)).toEqual([
      "usr/bin/sh",
      "usr/lib/x/libc.so.6",
      "usr/bin/env",
      "library/x",
    ]);
  });

  it("stay out of an image where only people, installers or an init system read them", () => {
    expect(isWanted("usr/share/doc/nginx/copyright")).toBe(false);
    expect(isWanted("usr/lib/systemd/system/nginx.service")).toBe(false);
    expect(isWanted("usr/sbin/nginx")).toBe(true);
    expect(isWanted("usr/lib/x86/gconv/BIG5.so", ["usr/lib/*/gconv/*"])).toBe(false);
    // A dot in a pattern is a dot.
    expect(isWanted("usr/lib/aXso", ["usr/lib/a.so"])).toBe(true);
  });
});

describe("the libraries of programs", () => {
  it("are those that their ELF headers name", () => {
    // The test's own Node: a dynamic program on every machine.
    expect(neededLibraries(readFileSync(process.execPath))).toContain("libc.so.6");
    expect(neededLibraries(Buffer.from("#!/bin/sh\n".repeat(20)))).toEqual([]);
    expect(neededLibraries(packTar([]))).toEqual([]);
  });

  it("are looked for in all layers of an image", () => {
    const content = readFileSync(process.execPath);
    const program = { paths: ["usr/bin/node"], needs: needsOf([{ type: "file", path: "usr/bin/node", content }]) };
    const libraries = program.needs.map(({ library }) => `usr/lib/x/${library}`);
    expect(unmetNeeds([program, { paths: libraries, needs: [] }])).toEqual([]);
    const lacking = libraries.filter((path) => !path.endsWith("/libc.so.6"));
    expect(unmetNeeds([program, { paths: lacking, needs: [] }])).toEqual([
      { path: "usr/bin/node", library: "libc.so.6" },
    ]);
  });
});
