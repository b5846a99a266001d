#!/usr/bin/env node
// The market's arithmetic a third time, in big integers, and its digests by ethers: one answer a line for every JSON
// line on stdin. `crates/chain/tests/it/differential.rs` compares them with Rust's and Solidity's. Written from the
// specification in ILeaseMarket.sol alone; it shares no code with either side, nor with vectors.mjs.
// `--off-by-one NAME` answers wrongly by one in the field NAME, so that a test can see that this would be noticed.
import { createInterface } from "node:readline";
import { TypedDataEncoder } from "ethers";

const wrong = process.argv.includes("--off-by-one") ? process.argv[process.argv.indexOf("--off-by-one") + 1] : undefined;

const least = (...values) => values.reduce((a, b) => (b < a ? b : a));
const dot = (left, right) => left.reduce((total, value, i) => total + value * right[i], 0n);
const fits = (value, bits) => value >> bits === 0n;

// Integers arrive as text, because JSON's numbers are floats.
const integers = (raw) =>
  Object.fromEntries(Object.entries(raw).map(([name, v]) => [name, Array.isArray(v) ? v.map(BigInt) : BigInt(v)]));

/** Rate cap: the exact sum over 10^12, rounded up; a lease needs 0 < rate < 2^96. */
function rateOf({ price, limit }) {
  const sum = dot(price, limit);
  const rate = sum / 10n ** 12n + (sum % 10n ** 12n === 0n ? 0n : 1n);
  if (rate === 0n) return { refused: "zero" };
  return fits(rate, 96n) ? { rate } : { refused: "too-large" };
}

function outcome(c) {
  const asOf = least(c.now, c.endAt);
  const counted = c.usage.map((used, i) => least(used, c.limit[i] * (asOf - c.startedAt)));
  const amount = dot(c.price, counted) / 10n ** 18n;
  const { rate, refused } = rateOf(c);
  if (refused) return { rate: refused, amount };

  const capCum = c.paid + (rate * (asOf - c.lastAsOf)) / 10n ** 6n;
  const claimCum = least(amount, capCum, c.paid + c.balance);
  const paidOut = least(c.cum - c.paid, c.balance);
  const fee = (paidOut * c.feeBps) / 10_000n;
  return {
    rate,
    amount,
    capCum: fits(capCum, 128n) ? capCum : "too-large",
    claimCum: claimCum > c.paid ? claimCum : "nothing",
    paidOut,
    fee,
    net: paidOut - fee,
    share: (c.contested * c.splitBps) / 10_000n,
    fundedUntil: least(c.lastAsOf + (c.balance * 10n ** 6n) / rate, c.endAt),
  };
}

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

function answer(line) {
  const { kind, domain, value } = JSON.parse(line);
  if (kind !== "Case") return TypedDataEncoder.hash({ name: "LeaseMarket", version: "1", ...domain }, { [kind]: types[kind] }, value);
  const found = outcome(integers(value));
  if (typeof found[wrong] === "bigint") found[wrong] += 1n;
  return Object.entries(found).map(([name, v]) => `${name}=${v}`).join(" ");
}

for await (const line of createInterface({ input: process.stdin })) process.stdout.write(`${answer(line)}\n`);
