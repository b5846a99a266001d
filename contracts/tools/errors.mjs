#!/usr/bin/env node
// Says for every error of the contracts (abi/*.json) which test expects it, exactly; `--check` prints only what is
// missing. Exit code 1 if an error is expected nowhere, or the list of unreachable ones below is stale; 0 otherwise.
//
// "Expects exactly" is read off the sources of the tests. A statement of test/**/*.sol counts when it names
// `<Error>.selector` and either
//   - is part of an expectation (a call of expect…, check…, assert…, …Fails or skipped, or the value of a variable that
//     such a call takes in the same file) with as many arguments as the error has (`abi.encodeWithSelector(
//     <Error>.selector, …)`, or a test's own short form of it with the selector first), or
//   - names it as the reason for which a batch passes over an item (expectSkip, checkSkipped, skipped): there the
//     selector is all that the contract tells.
// That the expectation holds is the test's own business: forge runs it.
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

// Errors of libraries that are in an ABI because the compiler sees them, and that no call can provoke.
const UNREACHABLE = {
  AddressEmptyCode: "the distributor lends its storage only to the code that its constructor created",
  CheckpointUnorderedInsertion: "epochs and times of checkpoints only grow",
  AccessManagedRequiredDelay: "IAccessManaged declares it and AccessManaged never reverts with it",
  AddressEmptyCode: "the code that the distributor runs as its own was created by its constructor",
  CheckpointUnorderedInsertion: "histories are written by epoch, and time does not go back",
};
// A token for test chains: its errors are OpenZeppelin's, none of ours.
const NOT_OURS = new Set(["TestUSD.json"]);

const check = process.argv.includes("--check");

const files = (folder) =>
  readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? files(path) : path.endsWith(".sol") ? [path] : [];
  });

/** Every error of every ABI, by name: how many arguments it has and which ABIs list it. */
function errors() {
  const found = new Map();
  for (const file of readdirSync(join(ROOT, "abi")).filter((name) => name.endsWith(".json") && !NOT_OURS.has(name)).sort()) {
    for (const { type, name, inputs } of JSON.parse(readFileSync(join(ROOT, "abi", file), "utf8"))) {
      if (type !== "error") continue;
      const entry = found.get(name) ?? { name, inputs: inputs.map((input) => input.type), abis: [] };
      entry.abis.push(file);
      found.set(name, entry);
    }
  }
  return [...found.values()];
}

/** The source without comments, its strings kept and its lines where they were. */
const code = (text) => text.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:[^"\\\n]|\\.)*"/g, (part) => (part.startsWith('"') ? part : part.replace(/[^\n]/g, " ")));

/** Statements with the line that each starts on. */
function statements(text) {
  const result = [];
  let start = 0;
  for (const end of [...text.matchAll(/[;{}]/g)].map((match) => match.index).concat(text.length)) {
    const raw = text.slice(start, end);
    const lead = raw.length - raw.trimStart().length;
    result.push({ text: raw.trim(), line: text.slice(0, start + lead).split("\n").length });
    start = end + 1;
  }
  return result;
}

const EXPECTS = /\b(?:(?:expect|check|assert|skipped)\w*|\w+Fails)\s*\(/;
const SKIPS = /\b(?:expectSkip|checkSkipped|skipped)\s*\(/;
const DECLARES = /\b(?:bytes memory|bytes4(?: private| internal)? constant|bytes4)\s+(\w+)\s*=/;

/** How many more arguments the call has whose argument `rest` follows. */
function argumentsAfter(rest) {
  let depth = 0;
  let count = 0;
  for (const character of rest) {
    if ("([{".includes(character)) depth += 1;
    if (")]}".includes(character)) depth -= 1;
    if (depth < 0) break;
    if (character === "," && depth === 0) count += 1;
  }
  return count;
}

/** Where, in one file, which error is expected exactly. */
function expectations(path) {
  const all = statements(code(readFileSync(path, "utf8")));
  return all.flatMap(({ text, line }) => {
    const at = `${relative(ROOT, path)}:${line}`;
    const declared = DECLARES.exec(text)?.[1];
    const uses = declared ? all.filter((one) => EXPECTS.test(one.text) && new RegExp(`\\b${declared}\\b`).test(one.text)) : [];
    if (!EXPECTS.test(text) && uses.length === 0) return [];
    return [...text.matchAll(/(?:\w+\.)?\b(\w+)\.selector/g)].flatMap((match) => {
      const here = argumentsAfter(text.slice(match.index + match[0].length));
      // A variable may hold the bare selector; then its uses bring the arguments.
      const there = uses.flatMap((one) =>
        [...one.text.matchAll(new RegExp(`\\b${declared}\\b`, "g"))].map((use) => argumentsAfter(one.text.slice(use.index + declared.length))),
      );
      const skips = [text, ...uses.map((one) => one.text)].some((one) => SKIPS.test(one));
      return [here, ...there].map((count) => ({ name: match[1], arguments: count, skipped: skips, at }));
    });
  });
}

const expected = files(join(ROOT, "test")).flatMap(expectations);
const problems = [];
const known = errors();
for (const { name, inputs, abis } of known) {
  const named = expected.filter((one) => one.name === name);
  const exact = named.filter((one) => one.skipped || one.arguments === inputs.length || inputs.length === 0);
  if (name in UNREACHABLE) {
    if (named.length > 0) problems.push(`${name}: listed as unreachable, but ${named[0].at} expects it`);
    continue;
  }
  if (exact.length === 0) {
    const near = named.length > 0 ? ` (only its selector, in ${named.map((one) => one.at).join(", ")})` : "";
    problems.push(`${name}(${inputs.join(",")}) of ${abis.join(", ")}: no test expects it${inputs.length > 0 ? " with its arguments" : ""}${near}`);
  } else if (!check) {
    const skips = exact.filter((one) => one.skipped).length;
    console.log(`${name.padEnd(44)}${String(exact.length - skips).padStart(4)} reverts${String(skips).padStart(4)} skips  first: ${exact[0].at}`);
  }
}
for (const name of Object.keys(UNREACHABLE)) {
  if (!known.some((error) => error.name === name)) problems.push(`${name}: listed as unreachable, but no ABI has it`);
}
for (const problem of problems) console.error(problem);
console.log(`${known.length} errors, ${known.length - problems.length} expected by a test or shown unreachable`);
process.exit(problems.length === 0 ? 0 : 1);
