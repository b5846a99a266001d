#!/usr/bin/env node
// Shows which opcodes later than Paris the contracts of the storage-guard build contain (`FOUNDRY_PROFILE=storage-guard
// forge build` first): none, or a chain without them would fail in the middle of a call. `--check` fails on any;
// `--out DIR` looks at another build, for example the default one, which has them.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
const CONTRACTS = ["LeaseMarket", "ProviderRegistry", "RewardsDistributor", "RewardsMeasures", "AccessManager"];

const LATER = new Map([
  [0x1e, "CLZ"],
  [0x49, "BLOBHASH"],
  [0x4a, "BLOBBASEFEE"],
  [0x5c, "TLOAD"],
  [0x5d, "TSTORE"],
  [0x5e, "MCOPY"],
  [0x5f, "PUSH0"],
]);
const JUMPDEST = 0x5b;
const PUSH1 = 0x60;
const PUSH32 = 0x7f;
// STOP, JUMP, RETURN, REVERT, INVALID, SELFDESTRUCT: what follows runs only if it is a JUMPDEST.
const ENDS = new Set([0x00, 0x56, 0xf3, 0xfd, 0xfe, 0xff]);

/// The later opcodes that can run, with how often they stand there. Like the EVM it goes from the first byte on and skips
/// push data. Bytes after the end of a block are data until the next JUMPDEST, which is more than can be reached, not less.
function laterOpcodes(code) {
  const found = new Map();
  let alive = true;
  for (let at = 0; at < code.length; ++at) {
    const opcode = code[at];
    if (opcode === JUMPDEST) alive = true;
    if (alive && LATER.has(opcode)) found.set(LATER.get(opcode), (found.get(LATER.get(opcode)) ?? 0) + 1);
    if (ENDS.has(opcode)) alive = false;
    if (opcode >= PUSH1 && opcode <= PUSH32) at += opcode - PUSH1 + 1;
  }
  return found;
}

/// Without the CBOR that the compiler appends; its length is in the last two bytes.
function withoutMetadata(code) {
  const length = code.readUInt16BE(code.length - 2) + 2;
  return length < code.length ? code.subarray(0, code.length - length) : code;
}

/// The walk itself: a TSTORE in push data is none, the TLOAD after it is one, the MCOPY after STOP cannot run.
const control = [...laterOpcodes(Buffer.from("605d5c005e5b5f00", "hex"))].join(" ");
if (control !== "TLOAD,1 PUSH0,1") throw new Error(`the walk finds ${control}`);

const at = process.argv.indexOf("--out");
const out = join(ROOT, at < 0 ? "out-storage-guard" : process.argv[at + 1]);
let problems = 0;
for (const name of CONTRACTS) {
  const folder = join(out, `${name}.sol`);
  // forge names the compiler profile where a contract was compiled under several, as for this build's tests.
  const files = [`${name}.paris.json`, `${name}.default.json`, `${name}.json`].map((f) => join(folder, f)).filter(existsSync);
  if (files.length === 0) throw new Error(`${folder} holds no artifact of ${name}: build first`);
  const artifacts = files.map((file) => JSON.parse(readFileSync(file, "utf8")));
  const artifact = artifacts.find(({ rawMetadata }) => JSON.parse(rawMetadata).settings.evmVersion === "paris") ?? artifacts[0];
  for (const [part, { object }] of Object.entries({ creation: artifact.bytecode, runtime: artifact.deployedBytecode })) {
    const code = withoutMetadata(Buffer.from(object.slice(2), "hex"));
    if (code.length === 0) throw new Error(`${name} has no ${part} code`);
    const found = [...laterOpcodes(code)].map(([opcode, times]) => `${opcode} x${times}`);
    console.log(`${name.padEnd(20)}${part.padEnd(10)}${String(code.length).padStart(7)} bytes  ${found.join(", ") || "none later than Paris"}`);
    problems += found.length;
  }
}
process.exit(process.argv.includes("--check") && problems > 0 ? 1 : 0);
