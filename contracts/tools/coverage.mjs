#!/usr/bin/env node
// Measures which lines and branches of src/ the unit tests reach, file by file; takes some minutes. Exit code 1 if
// anything is left that EXCUSED below does not explain, or if an excuse is no longer needed; 0 otherwise.
// `--json PATH` also writes {"rows": [{file, lines, linesHit, branches, branchesHit}], "left": [...]}.
//
// forge must compile through the IR pipeline (a function is too deep for the stack otherwise) with as little
// optimisation as that allows; where even that little moves an instruction to another line, the line it came from seems
// not to run. What is excused is of this kind, and says which test shows that it runs.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
const TESTS = "test/{market,registry,rewards}/**/*.t.sol";

// By file: the text of the line, and the reason.
const EXCUSED = {
  "src/libraries/TypedData.sol": {
    "words.offset := bid": "assembly is not instrumented; every call that takes a bid runs it",
    "words.length := BID_BYTES": "as above",
    "words.offset := order": "assembly is not instrumented; every posted order runs it",
    "words.length := ORDER_BYTES": "as above",
    "words.offset := statement": "assembly is not instrumented; every settled statement runs it",
    "words.length := STATEMENT_BYTES": "as above",
  },
  "src/market/Disputes.sol": {
    "if (slash == 0) {": "both branches run: test_a_small_slash_goes_to_the_victim_alone and test_the_arbiter_awards_a_part_and_the_deposit_returns",
  },
  "src/market/Opening.sol": {
    "if (penalty == 0) REGISTRY.unlock(bid.provider, bid.maxSlash);":
      "both branches run: test_without_a_penalty_a_no_show_only_unlocks and test_declining_late_costs_the_penalty",
  },
  "src/market/Settling.sol": {
    "return bytes4(0);": "the end of `_settle`, made one with the ends of its neighbours; every settled statement passes it",
  },
  "src/rewards/measures/Standing.sol": {
    "return false;": "made one with the function's default; an attestation by somebody else is refused in standing.t.sol",
  },
};

const option = (name) => (process.argv.includes(name) ? process.argv[process.argv.indexOf(name) + 1] : undefined);

function measure() {
  const folder = mkdtempSync(join(tmpdir(), "coverage-"));
  const report = join(folder, "lcov.info");
  const forge = join(ROOT, "node_modules", ".bin", "forge");
  const args = ["coverage", "--ir-minimum", "--report", "lcov", "--report-file", report, "--match-path", TESTS];
  const run = spawnSync(forge, args, { cwd: ROOT, env: { ...process.env, FOUNDRY_PROFILE: "coverage" }, encoding: "utf8" });
  // The npm wrapper's exit code says nothing about the tests.
  if (!/ tests passed, 0 failed, 0 skipped \(/.test(run.stdout)) {
    process.stderr.write(`${run.stdout}${run.stderr}`);
    process.exit(1);
  }
  const text = readFileSync(report, "utf8");
  rmSync(folder, { recursive: true });
  return text;
}

/** One row per source file, with the lines and branches that no test reached. */
function rows(lcov) {
  return lcov.split("end_of_record").flatMap((record) => {
    const file = /^SF:(.*)$/m.exec(record)?.[1];
    if (!file?.startsWith("src/")) return [];
    const lines = [...record.matchAll(/^DA:(\d+),(\d+)/gm)].map(([, line, hits]) => ({ line: Number(line), hit: hits !== "0" }));
    const branches = [...record.matchAll(/^BRDA:(\d+),\d+,\d+,(\S+)/gm)].map(([, line, hits]) => ({
      line: Number(line),
      hit: hits !== "0" && hits !== "-",
    }));
    return [{ file, lines, branches }];
  });
}

const measured = rows(measure());
const left = [];
const excusesUsed = new Set();
for (const { file, lines, branches } of measured) {
  const source = readFileSync(join(ROOT, file), "utf8").split("\n");
  for (const { line } of [...lines, ...branches].filter(({ hit }) => !hit)) {
    const text = source[line - 1].trim();
    if (EXCUSED[file]?.[text]) excusesUsed.add(`${file}: ${text}`);
    else left.push(`${file}:${line}: ${text}`);
  }
}
const stale = Object.entries(EXCUSED)
  .flatMap(([file, texts]) => Object.keys(texts).map((text) => `${file}: ${text}`))
  .filter((excuse) => !excusesUsed.has(excuse));

const hit = (list) => list.filter((one) => one.hit).length;
const total = (key) => measured.flatMap((row) => row[key]);
const part = (list) => `${hit(list)}/${list.length}`;
console.log(`${"file".padEnd(36)}${"lines".padStart(12)}${"branches".padStart(12)}`);
for (const { file, lines, branches } of measured) console.log(`${file.padEnd(36)}${part(lines).padStart(12)}${part(branches).padStart(12)}`);
console.log(`${"all".padEnd(36)}${part(total("lines")).padStart(12)}${part(total("branches")).padStart(12)}`);
if (option("--json")) {
  const table = measured.map(({ file, lines, branches }) => ({
    file,
    lines: lines.length,
    linesHit: hit(lines),
    branches: branches.length,
    branchesHit: hit(branches),
  }));
  writeFileSync(option("--json"), JSON.stringify({ rows: table, left }, null, 2) + "\n");
}
for (const one of left) console.error(`not reached: ${one}`);
for (const one of stale) console.error(`reached, so no excuse is needed: ${one}`);
process.exit(left.length + stale.length === 0 ? 0 : 1);
