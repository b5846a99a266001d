#!/usr/bin/env node
// Runs the invariant campaign and adds up how often every action of test/invariant/Action.sol was reached; prints the
// table and fails on a broken invariant, and on an action that no walk reached.
//   --runs N --depth N   instead of those of foundry.toml
//   --jobs N             as so many processes, each with walks of its own; without it one
//   --seed N             other walks than those of foundry.toml
//   --deep               10 000 walks of 256 steps on all cores
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
const FORGE = process.env.LEASEHOLD_FORGE ?? join(ROOT, "node_modules", "@foundry-rs", `forge-linux-${process.arch === "x64" ? "amd64" : process.arch}`, "bin", "forge");
const CAMPAIGN = "invariant_money_time_and_bonds_hold";
const FOLDER = join(ROOT, "cache", "reach");

const option = (name) => (process.argv.includes(name) ? process.argv[process.argv.indexOf(name) + 1] : undefined);
const number = (name, otherwise) => {
  const value = Number(option(name) ?? otherwise);
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`${name} takes a positive whole number`);
  return value;
};

const configured = (key) => {
  const section = readFileSync(join(ROOT, "foundry.toml"), "utf8").split("\n[invariant]\n")[1];
  return Number(new RegExp(`^${key} = (\\d+)$`, "m").exec(section)[1]);
};

const deep = process.argv.includes("--deep");
const runs = number("--runs", deep ? 10_000 : configured("runs"));
const depth = number("--depth", deep ? 256 : configured("depth"));
const jobs = Math.min(number("--jobs", deep ? availableParallelism() : 1), runs);
const seed = option("--seed") ?? (jobs > 1 ? "1" : undefined);

// The names in the order of the enum; a walk writes its counts in the same order.
const source = readFileSync(join(ROOT, "test", "invariant", "Action.sol"), "utf8");
const actions = [.../enum Action \{([^}]*)\}/.exec(source)[1].replace(/\/\/.*$/gm, "").matchAll(/\w+/g)].map(([name]) => name);

// Runs a part of the campaign; its walks' lines go to a file of its own.
const forge = (job) =>
  new Promise((done) => {
    const file = join(FOLDER, `${process.pid}-${job}.jsonl`);
    const share = Math.floor(runs / jobs) + (job < runs % jobs ? 1 : 0);
    const seeded = seed === undefined ? [] : ["--fuzz-seed", String(BigInt(seed) + BigInt(job))];
    const child = spawn(FORGE, ["test", "--match-path", "test/invariant/*", "--match-test", CAMPAIGN, ...seeded], {
      cwd: ROOT,
      env: { ...process.env, REACH_FILE: file, FOUNDRY_INVARIANT_RUNS: String(share), FOUNDRY_INVARIANT_DEPTH: String(depth) },
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
    child.on("error", (error) => (output += error));
    child.on("close", (status) => done({ file, share, status, output }));
  });

// A failure as forge prints it, without what repeats in every line of the sequence.
const readable = (output) => output.replace(/\t\tsender=\S+ addr=\S+ calldata=(\w+)\(uint256\) args=\[(\d+).*\]/g, "\t\t$1($2)");

mkdirSync(FOLDER, { recursive: true });
const started = Date.now();
const parts = await Promise.all(Array.from({ length: jobs }, (_, job) => forge(job)));

const problems = [];
const totals = actions.map(() => 0);
let walks = 0;
for (const { file, share, status, output } of parts) {
  // A reverted action would fail the campaign, so that calls are steps.
  const passed = new RegExp(`\\[PASS\\] ${CAMPAIGN}\\(\\) \\(runs: ${share}, calls: ${share * depth}, reverts: 0\\)`).test(output);
  if (status !== 0 || !passed) {
    process.stderr.write(readable(output));
    problems.push("the campaign failed");
    rmSync(file, { force: true });
    continue;
  }
  // forge walks the last walk once more, to show what it printed.
  const lines = readFileSync(file, "utf8").trim().split("\n").slice(0, share).map((line) => JSON.parse(line));
  rmSync(file);
  walks += lines.length;
  if (lines.length !== share) problems.push(`${lines.length} of ${share} walks said what they reached`);
  for (const line of lines) {
    if (line.length !== actions.length) problems.push(`a walk counted ${line.length} actions, and there are ${actions.length}`);
    line.forEach((count, action) => (totals[action] += count));
  }
}

if (walks > 0) {
  console.log(`${"action".padEnd(28)}${"times reached".padStart(14)}`);
  actions.forEach((action, i) => console.log(`${action.padEnd(28)}${String(totals[i]).padStart(14)}`));
  problems.push(...actions.filter((_, i) => !(totals[i] > 0)).map((action) => `${action} was never reached`));
}
console.log(`${walks} walks of ${depth} steps in ${Math.round((Date.now() - started) / 1000)} s, ${jobs} at a time`);
for (const problem of new Set(problems)) console.error(problem);
process.exit(problems.length === 0 ? 0 : 1);
