// Errors in the registry; see market.mjs for what the fields mean.
const registry = (...names) => names.map((name) => `test/registry/${name}.t.sol`);
const file = "ProviderRegistry.sol";

export default [
  { name: "lock-beyond-the-bond", file, find: "if (free < amount) revert ProviderRegistry_BondLocked(free, amount);", replace: "", breaks: "locks are inside the bond", tests: registry("bond") },
  { name: "lock-a-stale-epoch", file, find: "if (p.bidEpoch != bidEpoch) revert ProviderRegistry_StaleEpoch(p.bidEpoch, bidEpoch);", replace: "", breaks: "a bumped epoch kills every bid", tests: [...registry("bond", "register"), "test/market/openLease.t.sol"] },
  { name: "lock-for-any-signer", file, find: "if (!_isAuthorised(provider, signer)) revert ProviderRegistry_BadSigner(provider, signer);", replace: "", breaks: "the provider's key signed the bid", tests: [...registry("bond"), "test/market/openLease.t.sol"] },
  { name: "anybody-is-the-market", file, find: "if (msg.sender != _market) revert ProviderRegistry_NotMarket(msg.sender);", replace: "", breaks: "the market alone locks and slashes", tests: registry("bond") },
  { name: "anybody-is-the-deployer", file, find: "if (msg.sender != DEPLOYER) revert ProviderRegistry_NotDeployer(msg.sender);", replace: "", breaks: "the deployer alone names the market", tests: registry("register", "bond") },
  { name: "market-set-again", file, find: "if (_market != address(0)) revert ProviderRegistry_MarketAlreadySet(_market);", replace: "", breaks: "the market is set once", tests: registry("register", "bond") },
  { name: "unlock-does-not-saturate", file, find: "released = _min(amount, locked);", replace: "released = amount;", breaks: "an unlock cannot block a close", tests: registry("bond") },
  { name: "slash-reaches-other-locks", file, find: "_min(amount, _release(p, lockReleased))", replace: "_min(amount, p.bond + 0 * _release(p, lockReleased))", breaks: "a slash reaches its own lease's lock only", tests: registry("bond") },
  { name: "slash-keeps-the-bond", file, find: "p.bond -= taken;", replace: "", breaks: "what is slashed leaves the bond", tests: registry("bond") },
  { name: "victim-gets-all", file, find: "_min(toVictim, taken)", replace: "taken", breaks: "a victim gets its share, the rest goes on", tests: registry("bond") },
  { name: "withdraw-locked-bond", file, find: "p.bond - p.locked", replace: "p.bond", breaks: "a lock stays as long as its lease", tests: registry("bond") },
  { name: "withdraw-before-the-delay", file, find: "if (block.timestamp < p.unbondAt) revert ProviderRegistry_TooEarly(p.unbondAt);", replace: "", breaks: "bond waits before it leaves", tests: registry("bond", "windows") },
  { name: "claimable-paid-twice", file, find: "_claimable[msg.sender] = 0;", replace: "", breaks: "slashed money is paid once", tests: registry("bond") },
  { name: "added-bond-does-not-reactivate", file, find: "if (p.status == Status.Inactive && bond >= MIN_BOND) _setStatus(msg.sender, p, Status.Active);", replace: "", breaks: "bond enough makes a provider active again", tests: registry("bond") },
  { name: "poor-provider-stays-active", file, find: "if (p.bond < MIN_BOND && p.status == Status.Active) _setStatus(provider, p, Status.Inactive);", replace: "", breaks: "a provider below the minimum takes no leases", tests: registry("bond") },
  { name: "operator-for-ever", file, find: "block.timestamp <= p.operatorExpiry", replace: "true", breaks: "an operator key expires", tests: registry("register", "windows") },
  { name: "bump-by-anyone", file, find: "if (!_isAuthorised(provider, msg.sender)) revert ProviderRegistry_NotAuthorised(provider, msg.sender);", replace: "", breaks: "the provider alone kills its bids", tests: registry("register") },
  { name: "bond-received-unchecked", file, find: "if (received != amount) revert ProviderRegistry_FeeOnTransfer(amount, received);", replace: "", breaks: "a bond has arrived", tests: registry("bond", "register", "hostileTokens") },
  { name: "unbonding-backs-leases", file, find: "uint256(p.locked) + p.unbonding", replace: "uint256(p.locked)", breaks: "bond that is asked back backs no new lease", tests: registry("bond") },
  { name: "attestation-of-the-past", file, find: "if (expiry <= block.timestamp) revert ProviderRegistry_BadExpiry(expiry);", replace: "", breaks: "an attestation or a key expires ahead", tests: registry("attest", "register", "windows") },
  { name: "revoked-attestation-stays", file, find: "delete _attestations[provider][msg.sender];", replace: "", breaks: "a revoked attestation is gone", tests: registry("attest") },
];
