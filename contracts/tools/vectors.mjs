#!/usr/bin/env node
// Writes test/vectors/typed_data.json: digests by ethers, amounts by the integers below. The Forge tests and the Rust
// crates read the same file, so that three implementations must agree. Run it after a change of types or arithmetic.
import { readFileSync, writeFileSync } from "node:fs";
import { AbiCoder, Signature, SigningKey, TypedDataEncoder, computeAddress, id, keccak256, toUtf8Bytes } from "ethers";

const OUT = new URL("../test/vectors/typed_data.json", import.meta.url);

const domain = {
  name: "LeaseMarket",
  version: "1",
  chainId: 31337,
  verifyingContract: "0x1ea5e0001ea5e0001ea5e0001ea5e0001ea5e000",
};

const fields = (text) => text.split(",").map((field) => ({ type: field.split(" ")[0], name: field.split(" ")[1] }));
const types = {
  Bid: fields(
    "address provider,address tenant,address token,bytes32 orderHash,uint32 bidEpoch,uint64 salt,uint40 validUntil," +
      "uint32 startWindow,uint32 maxDuration,uint32 noticePeriod,uint96 maxSlash,uint96 noShowPenalty," +
      "uint128 minDeposit,uint16 splitBps,address arbiter,uint128[8] price,uint64[8] limit",
  ),
  Order: fields(
    "address tenant,address token,bytes32 requirementsHash,bytes32 manifestHash,uint96 maxRateE6,uint128 deposit," +
      "uint40 deadline,uint64 nonce",
  ),
  Statement: fields("bytes32 leaseId,uint128 amountCum,uint40 asOf,bytes32 usageHash,bool last"),
};

// ---- the arithmetic of the specification, in big integers ----

const min = (a, b) => (a < b ? a : b);
const sum = (values) => values.reduce((total, value) => total + value, 0n);
const rateCapE6 = ({ price, limit }) => {
  const total = sum(price.map((p, i) => p * limit[i]));
  return total === 0n ? 0n : (total - 1n) / 10n ** 12n + 1n;
};
const amount = ({ price, limit }, usage, elapsed) =>
  sum(price.map((p, i) => p * min(usage[i], limit[i] * elapsed))) / 10n ** 18n;
const capCum = (paid, rate, elapsed) => paid + (rate * elapsed) / 10n ** 6n;
const payout = (cum, paid, balance, feeBps) => {
  const gross = min(cum - paid, balance);
  const fee = (gross * feeBps) / 10_000n;
  return { amount: gross, fee, net: gross - fee };
};

// ---- a reproducible source of numbers ----

let counter = 0;
const bits = (n) => BigInt(id(`leasehold vector ${counter++}`)) >> BigInt(256 - n);
const address = () => "0x" + bits(160).toString(16).padStart(40, "0");
const word = () => "0x" + bits(256).toString(16).padStart(64, "0");
const key = (name) => new SigningKey(id(`leasehold test key: ${name}`));
const operator = key("operator");
const session = key("session");

const sign = (signingKey, digest) => {
  const signature = Signature.from(signingKey.sign(digest));
  return { privateKey: signingKey.privateKey, signer: computeAddress(signingKey), r: signature.r, vs: signature.yParityAndS };
};
const typed = (type, value) => ({
  structHash: TypedDataEncoder.hashStruct(type, { [type]: types[type] }, value),
  digest: TypedDataEncoder.hash(domain, { [type]: types[type] }, value),
});

// ---- bids ----

const worked = {
  price: [555555555555555555n, 2777777777777777n, 1293503575n, 25870071n, 138888888888888888n, 10000000000000n, 0n, 0n],
  limit: [1n, 8000n, 34359738368n, 107374182400n, 1000n, 12500000n, 0n, 0n],
};
const workedUsage = [3600n, 14400000n, 61847529062400n, 386547056640000n, 1800000n, 3600000000n, 0n, 0n];
const common = () => ({
  provider: address(), tenant: address(), token: address(), orderHash: word(), bidEpoch: bits(8), salt: bits(64),
  validUntil: 1_800_000_000n, startWindow: 1800n, maxDuration: 86_400n, noticePeriod: 3600n, maxSlash: 50_000_000n,
  noShowPenalty: 1_000_000n, minDeposit: 5_000_000n, splitBps: 5000n, arbiter: address(),
});
const repeat = (value) => Array(8).fill(value);
const ones = (n) => (1n << BigInt(n)) - 1n;
const zero = "0x" + "0".repeat(40);
const full = "0x" + "f".repeat(40);

const bids = [
  ["worked example", { ...common(), ...worked }],
  ["no arbiter, one dimension", { ...common(), arbiter: zero, price: [10n ** 12n, ...repeat(0n).slice(1)], limit: [1n, ...repeat(0n).slice(1)] }],
  ["every bit set", {
    provider: full, tenant: full, token: full, orderHash: "0x" + "f".repeat(64), bidEpoch: ones(32), salt: ones(64),
    validUntil: ones(40), startWindow: ones(32), maxDuration: ones(32), noticePeriod: ones(32), maxSlash: ones(96),
    noShowPenalty: ones(96), minDeposit: ones(128), splitBps: ones(16), arbiter: full, price: repeat(ones(128)), limit: repeat(ones(64)),
  }],
  ["18 decimals", { ...common(), minDeposit: 10n ** 18n, price: worked.price.map((p) => p * 10n ** 12n), limit: worked.limit }],
  ["all dimensions", { ...common(), price: repeat(0n).map(() => bits(70)), limit: repeat(0n).map(() => bits(20)) }],
].map(([name, bid]) => {
  const hashes = typed("Bid", bid);
  return { name, bid, ...hashes, rateCapE6: rateCapE6(bid), signature: sign(operator, hashes.digest) };
});

// ---- orders ----

const orders = [
  ["plain", { tenant: address(), token: address(), requirementsHash: word(), manifestHash: word(), maxRateE6: 400_000_000n, deposit: 10_000_000n, deadline: 1_800_000_000n, nonce: 7n }],
  ["every bit set", { tenant: full, token: full, requirementsHash: "0x" + "f".repeat(64), manifestHash: "0x" + "f".repeat(64), maxRateE6: ones(96), deposit: ones(128), deadline: ones(40), nonce: ones(64) }],
].map(([name, order]) => ({ name, order, ...typed("Order", order) }));

// ---- statements ----

const statements = [
  ["first hour of the worked example", 417_999n, 1_790_003_600n, workedUsage, false],
  ["last", 900_000n, 1_790_010_000n, workedUsage.map((u) => u * 2n), true],
  ["nothing", 0n, 1_790_000_000n, repeat(0n), false],
  ["every bit set", ones(128), ones(40), repeat(ones(128)), true],
].map(([name, amountCum, asOf, usage, last]) => {
  const meterRoot = word();
  const usageHash = keccak256(AbiCoder.defaultAbiCoder().encode(["uint128[8]", "uint40", "bytes32"], [usage, asOf, meterRoot]));
  const statement = { leaseId: bids[0].digest, amountCum, asOf, usageHash, last };
  const hashes = typed("Statement", statement);
  return { name, statement, usage, meterRoot, ...hashes, signature: sign(session, hashes.digest) };
});

// ---- amounts ----

const amounts = [
  ["worked example, one hour", worked, workedUsage, 3600n],
  ["usage above every limit counts up to it", worked, repeat(ones(128)), 3600n],
  ["no time, no money", worked, workedUsage, 0n],
  ["one second", worked, worked.limit, 1n],
  ["largest values", { price: repeat(ones(128)), limit: repeat(ones(64)) }, repeat(ones(128)), ones(40)],
  ...Array.from({ length: 24 }, (_, i) => [
    `generated ${i}`,
    { price: repeat(0n).map(() => bits(20 + 3 * i)), limit: repeat(0n).map(() => bits(4 + 2 * i)) },
    repeat(0n).map(() => bits(30 + 2 * i)),
    bits(12 + i),
  ]),
].map(([name, terms, usage, elapsed]) => ({ name, price: terms.price, limit: terms.limit, usage, elapsed, amount: amount(terms, usage, elapsed) }));

const caps = [
  [0n, 333_888_889n, 3600n],
  [417_999n, 333_888_889n, 1n],
  [5n, 1n, 999_999n],
  [5n, 1n, 1_000_000n],
  [ones(100), ones(96), ones(40)],
].map(([paid, rate, elapsed]) => ({ paid, rateCapE6: rate, elapsed, capCum: capCum(paid, rate, elapsed) }));

const payouts = [
  [417_999n, 0n, 5_000_000n, 0n],
  [417_999n, 0n, 5_000_000n, 100n],
  [417_999n, 0n, 200_000n, 500n],
  [417_999n, 417_999n, 1n, 500n],
  [19n, 0n, 19n, 500n],
  [20n, 0n, 20n, 500n],
  [ones(128), 0n, ones(128), 500n],
].map(([cum, paid, balance, feeBps]) => ({ cum, paid, balance, feeBps, ...payout(cum, paid, balance, feeBps) }));

if (amounts[0].amount !== 417_999n || bids[0].rateCapE6 !== 333_888_889n) throw new Error("the worked example does not come out");

const typeHashes = Object.fromEntries(
  Object.entries(types).map(([name, members]) => {
    const text = `${name}(${members.map((m) => `${m.type} ${m.name}`).join(",")})`;
    return [name, keccak256(toUtf8Bytes(text))];
  }),
);
const vectors = { domain, domainSeparator: TypedDataEncoder.hashDomain(domain), typeHashes, bids, orders, statements, amounts, caps, payouts };
const text = JSON.stringify(vectors, (_, value) => (typeof value === "bigint" ? value.toString() : value), 2) + "\n";

if (process.argv.includes("--check")) {
  if (readFileSync(OUT, "utf8") !== text) {
    console.error("test/vectors/typed_data.json is stale: run `npm run vectors`");
    process.exit(1);
  }
} else {
  writeFileSync(OUT, text);
}
