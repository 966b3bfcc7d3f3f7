import { type Image, layerOf } from "./image.ts";

/** Where the one segment is loaded; headers and code lie in it back to back. */
const BASE = 0x400000n;
const HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;

/** pause(2) in a loop. It is process 1 of a pod: its default SIGTERM does nothing, the runtime kills it. */
const CODE: Readonly<Record<string, { readonly machine: number; readonly code: readonly number[] }>> = {
  // mov eax, 34 (pause); syscall; jmp to the start
  x64: { machine: 62, code: [0xb8, 0x22, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7] },
  // mov x0..x4, 0; mov x8, 73 (ppoll: arm64 has no pause); svc 0; b to the start
  arm64: {
    machine: 183,
    code: [
      0x00, 0x00, 0x80, 0xd2, 0x01, 0x00, 0x80, 0xd2, 0x02, 0x00, 0x80, 0xd2, 0x03, 0x00, 0x80, 0xd2, 0x04, 0x00, 0x80,
      0xd2, 0x28, 0x09, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4, 0xf9, 0xff, 0xff, 0x17,
    ],
  },
};

/** The smallest Linux program that waits for ever, as an ELF file: no compiler and no registry needed. */
export function pauseBinary(arch: string): Buffer {
  const target = CODE[arch];
  if (target === undefined)
    throw new Error(`no pause program for ${arch}; there is one for ${Object.keys(CODE).join(", ")}`);
  const size = HEADER_BYTES + PROGRAM_HEADER_BYTES + target.code.length;
  const elf = Buffer.alloc(size);
  // ELF, 64 bits, little endian, version 1; executable file for the machine.
  elf.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  elf.writeUInt16LE(2, 16);
  elf.writeUInt16LE(target.machine, 18);
  elf.writeUInt32LE(1, 20);
  elf.writeBigUInt64LE(BASE + BigInt(HEADER_BYTES + PROGRAM_HEADER_BYTES), 24);
  elf.writeBigUInt64LE(BigInt(HEADER_BYTES), 32);
  elf.writeUInt16LE(HEADER_BYTES, 52);
  elf.writeUInt16LE(PROGRAM_HEADER_BYTES, 54);
  elf.writeUInt16LE(1, 56);
  // One loadable segment, readable and executable: the whole file.
  elf.writeUInt32LE(1, 64);
  elf.writeUInt32LE(5, 68);
  elf.writeBigUInt64LE(BASE, 80);
  elf.writeBigUInt64LE(BASE, 88);
  elf.writeBigUInt64LE(BigInt(size), 96);
  elf.writeBigUInt64LE(BigInt(size), 104);
  elf.writeBigUInt64LE(0x1000n, 112);
  elf.set(target.code, HEADER_BYTES + PROGRAM_HEADER_BYTES);
  return elf;
}

/** The image of the process that holds a pod's namespaces. */
export function pauseImage(arch: string): Image {
  return {
    name: "trireme.local/pause:1",
    layers: [layerOf([{ type: "file", path: "pause", content: pauseBinary(arch), mode: 0o755 }])],
    config: { entrypoint: ["/pause"] },
  };
}
