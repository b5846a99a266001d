#!/usr/bin/env node
// Writes abi/<Name>.json from forge's artifacts (run `forge build` first); `--check` fails on a stale file.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";

const NAMES = ["ILeaseMarket", "IProviderRegistry", "IRewardsDistributor", "LeaseMarket", "ProviderRegistry", "RewardsDistributor", "TestUSD"];
const root = new URL("../", import.meta.url);

let stale = 0;
mkdirSync(new URL("abi/", root), { recursive: true });
for (const name of NAMES) {
  const { abi } = JSON.parse(readFileSync(new URL(`out/${name}.sol/${name}.json`, root), "utf8"));
  const text = JSON.stringify(abi, null, 2) + "\n";
  const file = new URL(`abi/${name}.json`, root);
  if (!process.argv.includes("--check")) writeFileSync(file, text);
  else if (readFileSync(file, "utf8") !== text) {
    console.error(`abi/${name}.json is stale: run \`npm run build && npm run abi\``);
    stale += 1;
  }
}
process.exit(stale === 0 ? 0 : 1);
