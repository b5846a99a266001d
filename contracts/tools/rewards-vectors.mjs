#!/usr/bin/env node
// Writes test/vectors/rewards.json: hashes by ethers, rewards by the integers below. The Forge tests and crates/rewards
// read the same file, so that three implementations must agree. Run it after a change of leaves or arithmetic.
import { readFileSync, writeFileSync } from "node:fs";
import { AbiCoder, concat, getAddress, id, keccak256 } from "ethers";

const OUT = new URL("../test/vectors/rewards.json", import.meta.url);

const SCALE = 10n ** 18n;
const ONCE = 10_000n;
const MOST = (1n << 128n) - 1n;
const KAPPA_MAX = 9n * 10n ** 17n;

// ---- the arithmetic of the specification, in big integers ----

const min = (...values) => values.reduce((least, value) => (value < least ? value : least));
const sum = (values) => values.reduce((total, value) => total + value, 0n);
const product = (factors) => factors.reduce((factor, next) => min((factor * next) / ONCE, (1n << 32n) - 1n), ONCE);
const effectiveRate = (rate, maxRate, factor) => min((rate * factor) / ONCE, maxRate);
const earned = (units, rate) => (units * rate) / SCALE;
const scaled = (raw, rawTotal, allowance) => (rawTotal <= allowance ? raw : (raw * allowance) / rawTotal);
const accepted = ({ units, providerCap, regionLeft, bond, bondPerUnit }) =>
  min(units, providerCap, regionLeft, bondPerUnit === 0n ? MOST : (bond * SCALE) / bondPerUnit);

// ---- leaves and trees ----

const coder = AbiCoder.defaultAbiCoder();
const LEAF = ["uint256", "uint32", "address", "uint128", "uint128", "uint128"];
const leafHash = (programme, { index, account, measure, raw, cumulative }) =>
  keccak256(keccak256(coder.encode(LEAF, [programme, index, account, measure, raw, cumulative])));
const pairHash = (a, b) => keccak256(concat(BigInt(a) < BigInt(b) ? [a, b] : [b, a]));
const above = (level) =>
  Array.from({ length: Math.ceil(level.length / 2) }, (_, i) =>
    2 * i + 1 < level.length ? pairHash(level[2 * i], level[2 * i + 1]) : level[2 * i],
  );
const levels = (leaves) => {
  const all = [leaves];
  while (all.at(-1).length > 1) all.push(above(all.at(-1)));
  return all;
};
const rootOf = (hashes) => levels(hashes).at(-1)[0] ?? "0x" + "0".repeat(64);
const proofOf = (hashes, index) => levels(hashes).flatMap((level, depth) => level[(index >> depth) ^ 1] ?? []);

// ---- a reproducible source of numbers ----

let counter = 0;
const bits = (n) => BigInt(id(`leasehold rewards vector ${counter++}`)) >> BigInt(256 - n);
const address = () => getAddress("0x" + bits(160).toString(16).padStart(40, "0"));

// ---- whole epochs ----

const epoch = (name, { programme, rate, maxRate, allowance, standings }) => {
  const raws = standings.map(({ factor, previousMeasure, measure }) =>
    earned(measure - previousMeasure, effectiveRate(rate, maxRate, factor)),
  );
  const rawTotal = sum(raws);
  const leaves = standings.map(({ account, measure, previousCumulative }, index) => ({
    index,
    account,
    measure,
    raw: raws[index],
    cumulative: previousCumulative + scaled(raws[index], rawTotal, allowance),
  }));
  const hashes = leaves.map((leaf) => leafHash(programme, leaf));
  const cumulativeTotal = sum(leaves.map(({ cumulative }) => cumulative));
  if (cumulativeTotal - sum(standings.map((s) => s.previousCumulative)) > allowance) throw new Error(`${name}: too much`);
  // Columns, because Forge reads a whole list at once.
  const column = (rows, field) => rows.map((row) => row[field]);
  return {
    name, programme, rate, maxRate, allowance,
    accounts: column(standings, "account"), factors: column(standings, "factor"),
    previousMeasures: column(standings, "previousMeasure"), previousCumulatives: column(standings, "previousCumulative"),
    measures: column(leaves, "measure"), raws: column(leaves, "raw"), cumulatives: column(leaves, "cumulative"),
    rawTotal, cumulativeTotal, leafHashes: hashes, root: rootOf(hashes), proofs: hashes.map((_, index) => proofOf(hashes, index)),
  };
};

const standing = (previousMeasure, measure, factor, previousCumulative) => ({
  account: address(), previousMeasure, measure, factor, previousCumulative,
});
const generated = (size) => (_, i) => {
  const previous = bits(size);
  return standing(previous, previous + (i % 7 === 3 ? 0n : bits(size)), ONCE + bits(15), bits(size) >> 3n);
};
const half = SCALE / 2n;
const epochs = [
  epoch("nobody", { programme: 1n, rate: half, maxRate: KAPPA_MAX, allowance: 100n, standings: [] }),
  epoch("one provider, paid in full", {
    programme: 1n, rate: half, maxRate: KAPPA_MAX, allowance: 10n ** 9n,
    standings: [standing(0n, 1_000_000n, ONCE, 0n)],
  }),
  epoch("two providers, the money runs short", {
    programme: 2n, rate: half, maxRate: KAPPA_MAX, allowance: 99n,
    standings: [standing(30n, 130n, ONCE, 10n), standing(0n, 100n, ONCE, 0n)],
  }),
  epoch("three providers, one attested beyond the highest rate, one idle", {
    programme: 3n, rate: half, maxRate: KAPPA_MAX, allowance: 10n ** 12n,
    standings: [standing(0n, 999n, 15_000n, 0n), standing(5n, 1_234_567n, 50_000n, 7n), standing(77n, 77n, ONCE, 12n)],
  }),
  epoch("no money at all", {
    programme: 4n, rate: half, maxRate: KAPPA_MAX, allowance: 0n,
    standings: [standing(0n, 500n, ONCE, 3n), standing(0n, 700n, 20_000n, 0n)],
  }),
  epoch("the largest numbers", {
    programme: (1n << 256n) - 1n, rate: SCALE, maxRate: SCALE, allowance: MOST - 1n,
    standings: [{ ...standing(0n, MOST, ONCE, 0n), account: getAddress("0x" + "f".repeat(40)) }],
  }),
  ...[1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 33].map((count, i) =>
    epoch(`generated, ${count} providers`, {
      programme: BigInt(10 + i), rate: bits(59), maxRate: KAPPA_MAX, allowance: bits(60 + i),
      standings: Array.from({ length: count }, generated(62 + i)),
    }),
  ),
];

// ---- parts ----

const rates = [
  [half, KAPPA_MAX, []],
  [half, KAPPA_MAX, [15_000n]],
  [half, KAPPA_MAX, [15_000n, 15_000n]],
  [half, KAPPA_MAX, [12_345n, 23_456n, 11_111n]],
  [1n, 3n, [29_999n]],
  [1n << 127n, MOST, [50_000n]],
  [1n, MOST, Array(9).fill(50_000n)],
  ...Array.from({ length: 8 }, (_, i) => [bits(60), bits(62), Array.from({ length: i }, () => ONCE + bits(15))]),
].map(([rate, maxRate, factors]) => {
  const factor = product(factors);
  return { rate, maxRate, factors, factor, effective: effectiveRate(rate, maxRate, factor) };
});

const reports = [
  { units: 70n, providerCap: 100n, regionLeft: 90n, bond: 40n, bondPerUnit: half },
  { units: 81n, providerCap: 100n, regionLeft: 90n, bond: 40n, bondPerUnit: half },
  { units: 500n, providerCap: 100n, regionLeft: 90n, bond: 400n, bondPerUnit: half },
  { units: 500n, providerCap: 100n, regionLeft: 900n, bond: 400n, bondPerUnit: half },
  { units: 500n, providerCap: 100n, regionLeft: 900n, bond: 0n, bondPerUnit: 0n },
  { units: 500n, providerCap: 100n, regionLeft: 0n, bond: 400n, bondPerUnit: 1n },
  { units: MOST, providerCap: MOST, regionLeft: MOST, bond: MOST, bondPerUnit: SCALE },
  ...Array.from({ length: 8 }, (_, i) => ({
    units: bits(20 + i), providerCap: bits(20 + i), regionLeft: bits(20 + i), bond: bits(40), bondPerUnit: bits(75 + i),
  })),
].map((report) => ({ ...report, accepted: accepted(report) }));

if (epochs[2].cumulatives.join() !== "59,49") throw new Error("the worked example does not come out");

const vectors = { rates, reports, epochs };
const text = JSON.stringify(vectors, (_, value) => (typeof value === "bigint" ? value.toString() : value), 2) + "\n";

if (process.argv.includes("--check")) {
  if (readFileSync(OUT, "utf8") !== text) {
    console.error("test/vectors/rewards.json is stale: run `node tools/rewards-vectors.mjs`");
    process.exit(1);
  }
} else {
  writeFileSync(OUT, text);
}
