#!/usr/bin/env node
// Seeds the errors of mutants/*.mjs into a copy of the contracts, one at a time, and expects the tests named with each
// to fail. `--check` exits 1 if one survives; a pattern that is not found exactly once, a mutant that does not compile,
// or a test that fails without any mutant is an error of the script. Further words choose mutants by a part of the name.
//
// All mutants are compiled together, once: where one applies, the copy asks `mutant(id)` and takes the wrong branch if
// the block's coinbase is that id, which no contract and no test reads. Every run of the tests then names one by forge's
// FOUNDRY_BLOCK_COINBASE. So a mutant costs a run of its tests, not a compilation.
import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
const PACKAGED = join(ROOT, "node_modules", "@foundry-rs", "forge-linux-amd64", "bin", "forge");
const FORGE = existsSync(PACKAGED) ? PACKAGED : "forge";
const PARALLEL = 2;

const words = process.argv.slice(2);
const check = words.includes("--check");
const chosen = words.filter((word) => word !== "--check");

async function seeds() {
  const all = [];
  for (const file of readdirSync(join(ROOT, "mutants")).sort()) {
    if (file.endsWith(".mjs")) all.push(...(await import(pathToFileURL(join(ROOT, "mutants", file)))).default);
  }
  const names = new Set(all.map(({ name }) => name));
  if (names.size !== all.length) throw new Error("two mutants have one name");
  return all.map((mutant, i) => ({ ...mutant, id: 0x1000 + i }));
}

/** The source with every mutant in it, each behind its switch. Patterns may lie inside one another. */
function seeded(file, source, mutants) {
  const spots = mutants.map((mutant) => {
    const start = source.indexOf(mutant.find);
    if (start < 0 || source.indexOf(mutant.find, start + 1) >= 0) {
      throw new Error(`${mutant.name}: its pattern is not in ${file} exactly once`);
    }
    return { ...mutant, start, end: start + mutant.find.length };
  });
  spots.sort((a, b) => a.start - b.start || b.end - a.end || a.id - b.id);
  const render = (start, end, inside) => {
    let text = "";
    let at = start;
    while (inside.length > 0) {
      const [outer, ...rest] = inside;
      if (outer.end > end) throw new Error(`${outer.name}: its pattern overlaps another one`);
      const within = rest.filter((spot) => spot.start < outer.end);
      text += source.slice(at, outer.start) + branch(outer, render(outer.start, outer.end, within));
      at = outer.end;
      inside = rest.filter((spot) => spot.start >= outer.end);
    }
    return text + source.slice(at, end);
  };
  return render(0, source.length, spots).replace(/^(pragma solidity .*)$/m, '$1\nimport {mutant} from "src/Mutants.sol";');
}

/** Statements end in a semicolon or a brace; all else is an expression. */
function branch({ id, find, replace, seeded: whole }, right) {
  if (whole) return whole.replaceAll("MUTANT", `mutant(${id})`);
  const statement = /[;}]$/.test(find.trimEnd());
  if (statement) return `if (mutant(${id})) {\n${replace}\n} else {\n${right}\n}`;
  return `(mutant(${id}) ? ${replace} : ${right})`;
}

const SWITCH = `// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

function mutant(uint256 id) view returns (bool) {
    return uint160(address(block.coinbase)) == id;
}
`;

function* files(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* files(path);
    else if (entry.name.endsWith(".sol")) yield path;
  }
}

function prepare(copy, mutants) {
  for (const part of ["src", "test", "abi", "tools", "foundry.toml"]) {
    cpSync(join(ROOT, part), join(copy, part), { recursive: true });
  }
  symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
  const wanted = new Set(["support", "mocks", "vectors", ...mutants.flatMap(({ tests }) => tests.map((test) => test.split("/")[1]))]);
  for (const entry of readdirSync(join(copy, "test"))) {
    if (!wanted.has(entry)) rmSync(join(copy, "test", entry), { recursive: true });
  }
  const byFile = Map.groupBy?.(mutants, ({ file }) => file) ?? mutants.reduce((map, m) => map.set(m.file, [...(map.get(m.file) ?? []), m]), new Map());
  for (const [file, inside] of byFile) {
    const path = join(copy, "src", file);
    writeFileSync(path, seeded(file, readFileSync(path, "utf8"), inside));
  }
  writeFileSync(join(copy, "src", "Mutants.sol"), SWITCH);
  // The switch is read from the block, which `pure` forbids.
  for (const part of ["src", "test"]) {
    for (const path of files(join(copy, part))) writeFileSync(path, readFileSync(path, "utf8").replace(/\bpure\b/g, "view"));
  }
}

function forge(copy, args, coinbase = 0) {
  const env = { ...process.env, FOUNDRY_FUZZ_RUNS: "64", FOUNDRY_BLOCK_COINBASE: "0x" + coinbase.toString(16).padStart(40, "0") };
  return new Promise((resolve, reject) => {
    const run = spawn(FORGE, args, { cwd: copy, env });
    let output = "";
    for (const stream of [run.stdout, run.stderr]) stream.on("data", (data) => (output += data));
    run.on("error", reject);
    run.on("close", (status) => resolve({ status, output }));
  });
}

const pathsOf = (tests) => ["--match-path", tests.length === 1 ? tests[0] : `{${tests.join(",")}}`];

/** killed, survived, or an error of the script. */
async function outcome(copy, { name, id, tests }) {
  const start = Date.now();
  const { status, output } = await forge(copy, ["test", "--fail-fast", ...pathsOf(tests)], id);
  const seconds = (Date.now() - start) / 1000;
  const failed = /\[FAIL.*\] (\w+)\(/.exec(output);
  if (failed) return { seconds, verdict: "killed", by: failed[1] };
  if (status === 0 && /, 0 failed/.test(output)) return { seconds, verdict: "SURVIVED", by: "" };
  throw new Error(`${name}: forge did not run its tests:\n${output}`);
}

const all = await seeds();
const mutants = all.filter(({ name }) => chosen.length === 0 || chosen.some((word) => name.includes(word)));
const copy = mkdtempSync(join(tmpdir(), "leasehold-mutants-"));
let problem = false;
try {
  const start = Date.now();
  prepare(copy, mutants);
  const union = [...new Set(mutants.flatMap(({ tests }) => tests))];
  const clean = await forge(copy, ["test", ...pathsOf(union)]);
  if (!/tests passed, 0 failed/.test(clean.output)) throw new Error(`without a mutant the tests do not pass:\n${clean.output.slice(-8000)}`);
  console.log(`compiled, and passed without a mutant, in ${Math.round((Date.now() - start) / 1000)} s`);

  const waiting = [...mutants];
  const results = [];
  const worker = async () => {
    for (let mutant = waiting.shift(); mutant; mutant = waiting.shift()) {
      const result = await outcome(copy, mutant);
      results.push({ ...mutant, ...result });
      console.log(`${result.verdict.padEnd(8)} ${result.seconds.toFixed(1).padStart(5)} s  ${mutant.name}: ${result.by || mutant.breaks}`);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  const killed = results.filter(({ verdict }) => verdict === "killed").length;
  console.log(`${killed} of ${mutants.length} mutants killed in ${Math.round((Date.now() - start) / 1000)} s`);
  problem = killed !== mutants.length;
} finally {
  rmSync(copy, { recursive: true });
}
process.exit(check && problem ? 1 : 0);
