#!/usr/bin/env node
// Measures every call of gas-targets.json and compares. `--json PATH` also writes {"rows": [{call, gas, target}]};
// `--check` compares with the committed snapshots/gas.json instead of replacing it and fails on more than 2 % upwards.
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
const SNAPSHOT = join(ROOT, "snapshots", "gas.json");
const TOLERANCE = 1.02;

const read = (path) => JSON.parse(readFileSync(path, "utf8"));
const option = (name) => (process.argv.includes(name) ? process.argv[process.argv.indexOf(name) + 1] : undefined);
const check = process.argv.includes("--check");

const committedText = readFileSync(SNAPSHOT, "utf8");
// npm's wrapper of forge exits with 0 whatever happens, so old figures must not be there to be taken for new ones.
writeFileSync(SNAPSHOT, "{}");
const run = spawnSync(join(ROOT, "node_modules", ".bin", "forge"), ["test", "--match-path", "test/gas/*"], {
  cwd: ROOT,
  env: { ...process.env, FOUNDRY_PROFILE: "gas" },
  encoding: "utf8",
});
const measured = read(SNAPSHOT);
const failed = run.status !== 0 || !/ 0 failed, 0 skipped/.test(run.stdout);
if (check || failed) writeFileSync(SNAPSHOT, committedText);
if (failed) {
  process.stderr.write(`${run.stdout}${run.stderr}`);
  process.exit(1);
}

const committed = JSON.parse(committedText);
const rows = Object.entries(read(join(ROOT, "gas-targets.json"))).map(([call, target]) => ({
  call,
  gas: Number(measured[call]),
  target,
}));
const problems = rows.flatMap(({ call, gas, target }) => {
  if (!Number.isFinite(gas)) return [`${call}: not measured`];
  if (gas > target) return [`${call}: ${gas} is above its target ${target}`];
  if (check && gas > Number(committed[call]) * TOLERANCE) return [`${call}: ${gas} is more than 2 % above the committed ${committed[call]}`];
  return [];
});

console.log(`${"call".padEnd(24)}${"gas".padStart(10)}${"target".padStart(10)}`);
for (const { call, gas, target } of rows) console.log(`${call.padEnd(24)}${String(gas).padStart(10)}${String(target).padStart(10)}`);
if (option("--json")) writeFileSync(option("--json"), JSON.stringify({ rows }, null, 2) + "\n");
for (const problem of problems) console.error(problem);
process.exit(problems.length === 0 ? 0 : 1);
