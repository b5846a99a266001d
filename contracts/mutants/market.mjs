// Errors for tools/mutants.mjs: in `file` below src/, `find` becomes `replace`, which breaks the rule `breaks` and must
// make one of `tests` fail. A pattern is whole statements or one expression; so is what replaces it.
const market = (...names) => names.map((name) => `test/market/${name}.t.sol`);
const all = ["test/market/*.t.sol"];

export default [
  // ---- arithmetic ----
  { name: "amount-ignores-limits", file: "libraries/Settlement.sol", find: "min(usage[i], limit[i] * elapsed)", replace: "usage[i]", breaks: "usage counts up to its limit", tests: market("claim") },
  { name: "rate-cap-rounds-down", file: "libraries/Settlement.sol", find: "(numerator - 1) / denominator + 1", replace: "numerator / denominator", breaks: "the rate cap is rounded up", tests: ["test/market/openLease.t.sol", "test/vectors.t.sol"] },
  { name: "min-is-max", file: "libraries/Settlement.sol", find: "a < b ? a : b", replace: "a < b ? b : a", breaks: "nothing is paid beyond a bound", tests: market("settle") },
  { name: "share-rounds-up", file: "libraries/Settlement.sol", find: "_down(whole * bps, BPS_SCALE)", replace: "_up(whole * bps, BPS_SCALE)", breaks: "fees and shares round down", tests: [...all, "test/vectors.t.sol"] },
  { name: "cap-without-scale", file: "libraries/Settlement.sol", find: "_down(rateCapE6_ * elapsed, RATE_SCALE)", replace: "_down(rateCapE6_ * elapsed, 1)", breaks: "the interval cap bounds a payment", tests: market("settle") },
  { name: "cap-of-one-second-more", file: "libraries/Settlement.sol", find: "rateCapE6_ * elapsed", replace: "rateCapE6_ * (elapsed + 1)", breaks: "the interval cap counts seconds exactly", tests: market("settle", "claim") },

  // ---- accounts ----
  { name: "deposit-received-unchecked", file: "market/Accounts.sol", find: "if (received != amount) revert LeaseMarket_FeeOnTransfer(token, amount, received);", replace: "", breaks: "what is credited has arrived", tests: market("deposit", "hostileTokens") },
  { name: "deposit-while-paused", file: "market/Accounts.sol", find: "if (_intakePaused) revert LeaseMarket_IntakePaused();", replace: "", breaks: "a pause stops intake", tests: market("administration", "deposit", "openLease") },
  { name: "withdraw-more-than-held", file: "market/Accounts.sol", find: "if (held < amount) revert LeaseMarket_Insufficient(owner, held, amount);", replace: "", breaks: "nobody takes more than he has", tests: market("deposit", "openLease") },
  { name: "withdraw-keeps-liabilities", file: "market/Accounts.sol", find: "listing.liabilities = owed - uint128(amount);", replace: "", breaks: "liabilities are what is owed", tests: market("deposit", "administration") },
  { name: "deposit-beyond-128-bits", file: "market/Accounts.sol", find: "if (amount > room) revert LeaseMarket_DepositTooLarge(token, amount, room);", replace: "", breaks: "what enters fits every account", tests: market("deposit", "signedDeposits") },
  { name: "permit-not-wrapped", file: "market/Accounts.sol", find: "try IERC20Permit(token).permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}", replace: "IERC20Permit(token).permit(msg.sender, address(this), amount, deadline, v, r, s);", breaks: "a permit that others used up stops no deposit", tests: market("signedDeposits") },
  { name: "authorisation-credits-the-sender", file: "market/Accounts.sol", find: "_bookDeposit(token, from, from, amount);", replace: "_bookDeposit(token, from, msg.sender, amount);", breaks: "whoever signed is credited", tests: market("signedDeposits") },
  { name: "fees-paid-not-counted", file: "market/Accounts.sol", find: "uint256(account.feesPaid) + fee", replace: "uint256(account.feesPaid)", breaks: "feesPaid counts every fee", tests: all },
  { name: "credit-lost", file: "market/Accounts.sol", find: "if (amount != 0) _accounts[owner][tokenId].available += amount;", replace: "", breaks: "refunds and deposits of disputes arrive", tests: market("closing", "openLease", "confirm") },
  { name: "deposit-of-nothing", file: "market/Accounts.sol", find: "if (owner == address(0)) revert LeaseMarket_ZeroAddress();", replace: "", breaks: "nobody's account takes no money", tests: market("deposit") },

  // ---- opening ----
  { name: "open-by-anyone", file: "market/Opening.sol", find: "if (msg.sender != bid.tenant) revert LeaseMarket_NotTenant(leaseId, msg.sender);\n        _requireState(leaseId, lease, State.NONE);", replace: "_requireState(leaseId, lease, State.NONE);", breaks: "only the bid's tenant accepts it", tests: market("openLease") },
  { name: "open-twice", file: "market/Opening.sol", find: "_requireState(leaseId, lease, State.NONE);", replace: "", breaks: "a bid opens once", tests: market("openLease") },
  { name: "bid-expires-early", file: "market/Opening.sol", find: "block.timestamp > bid.validUntil", replace: "block.timestamp >= bid.validUntil", breaks: "validUntil is the last second", tests: market("openLease", "windows") },
  { name: "min-deposit-unchecked", file: "market/Opening.sol", find: "if (amount < bid.minDeposit) revert LeaseMarket_BelowMinDeposit(leaseId, bid.minDeposit, amount);", replace: "", breaks: "the bid's least deposit", tests: market("openLease") },
  { name: "bidder-unchecked", file: "market/Opening.sol", find: "REGISTRY.lock(bid.provider, bidder, bid.bidEpoch, bid.maxSlash);", replace: "REGISTRY.lock(bid.provider, bid.provider, bid.bidEpoch, bid.maxSlash);", breaks: "the provider signed the bid", tests: market("openLease") },
  { name: "penalty-above-slash", file: "market/Opening.sol", find: 'if (bid.noShowPenalty > bid.maxSlash) revert LeaseMarket_BadBid(leaseId, "noShowPenalty");', replace: "", breaks: "a penalty is inside the lock", tests: market("openLease") },
  { name: "split-above-whole", file: "market/Opening.sol", find: "bid.splitBps > Settlement.BPS_SCALE", replace: "bid.splitBps > Settlement.BPS_SCALE + 1", breaks: "a split is at most the whole", tests: market("openLease") },
  { name: "confirm-late", file: "market/Opening.sol", find: "return LeaseMarket_TooLate.selector;", replace: "", breaks: "confirmed by startBy or not at all", tests: market("confirm", "windows") },
  { name: "confirm-by-anyone", file: "market/Opening.sol", find: "if (!_actsFor(acting, provider)) return LeaseMarket_NotProvider.selector;", replace: "", breaks: "the provider alone starts the clock", tests: market("confirm") },
  { name: "no-show-locked-for-ever", file: "market/Opening.sol", find: "if (penalty == 0) REGISTRY.unlock(bid.provider, bid.maxSlash);\n        else REGISTRY.slash(bid.provider, bid.maxSlash, penalty, bid.tenant, penalty, _treasury);", replace: "if (penalty != 0) REGISTRY.slash(bid.provider, 0, penalty, bid.tenant, penalty, _treasury);", breaks: "a no-show costs its penalty and frees the lock", tests: market("confirm", "closing") },
  { name: "decline-keeps-the-lock", file: "market/Opening.sol", find: "_close(leaseId, lease, bid.tenant, CloseReason.Declined);\n        REGISTRY.unlock(bid.provider, bid.maxSlash);", replace: "_close(leaseId, lease, bid.tenant, CloseReason.Declined);", breaks: "a declined lease frees its bond", tests: market("confirm") },
  { name: "top-up-for-free", file: "market/Opening.sol", find: "_debit(msg.sender, lease.tokenId, amount);", replace: "", breaks: "a top-up is paid for", tests: market("openLease", "confirm", "deposit") },
  { name: "decline-by-anyone", file: "market/Opening.sol", find: "_requireProvider(leaseId, bid.provider);", replace: "", breaks: "the provider alone declines", tests: market("confirm") },

  // ---- settling ----
  { name: "acting-cache-waves-through", file: "market/Leases.sol", find: "!acting.known || acting.provider != provider", replace: "acting.known && acting.provider != provider", breaks: "the first provider of a batch is checked too", tests: market("settle", "confirm") },
  { name: "acting-cache-never-renewed", file: "market/Leases.sol", find: "acting.provider != provider", replace: "false", breaks: "each provider of a batch is checked", tests: [...market("settle", "confirm", "claim", "regressions")] },
  { name: "signer-unchecked", file: "market/Settling.sol", find: "if (signer != lease.signer) return LeaseMarket_BadSigner.selector;", replace: "", breaks: "a statement pays with the session key's signature", tests: market("settle") },
  { name: "statement-of-the-past", file: "market/Settling.sol", find: "asOf < lease.lastAsOf", replace: "false", breaks: "the clock of a lease goes forward", tests: market("settle") },
  { name: "statement-of-the-future", file: "market/Settling.sol", find: "if (asOf > _earlier(_now(), lease.endAt)) return LeaseMarket_FutureStatement.selector;", replace: "", breaks: "no asOf beyond now or the end", tests: market("settle", "windows") },
  { name: "statement-above-the-cap", file: "market/Settling.sol", find: "if (statement.amountCum > _capCum(lease, asOf)) return LeaseMarket_OverCap.selector;", replace: "", breaks: "the interval cap bounds statements", tests: market("settle") },
  { name: "admission-above-the-claim", file: "market/Settling.sol", find: "if (statement.amountCum > lease.pendingCum) return LeaseMarket_OverCap.selector;", replace: "", breaks: "an admission is inside the claim", tests: market("dispute", "resolve") },
  { name: "pending-survives-settlement", file: "market/Settling.sol", find: "if (lease.state == State.CLAIMED) lease.state = State.ACTIVE;", replace: "", breaks: "a statement supersedes the claim", tests: market("settle", "claim") },
  { name: "last-ends-now", file: "market/Settling.sol", find: "if (statement.last && asOf != lease.endAt) _bringForward(statement.leaseId, lease, asOf);", replace: "if (statement.last && _now() < lease.endAt) _bringForward(statement.leaseId, lease, _now());", breaks: "a last statement ends the lease at its asOf", tests: market("settle", "regressions") },
  { name: "claim-after-the-window", file: "market/Settling.sol", find: "_now() > lease.endAt + CLAIM_WINDOW", replace: "_now() > lease.endAt + CLAIM_WINDOW + 1", breaks: "claims end with their window", tests: market("claim", "windows") },
  { name: "window-counted-from-at", file: "market/Settling.sol", find: "lease.filedAt = _now();", replace: "lease.filedAt = asOf;", breaks: "a late claim is disputable as long as any", tests: market("claim", "regressions") },
  { name: "claim-without-interval-cap", file: "market/Settling.sol", find: "Settlement.min(_amount(lease, item, asOf), _capCum(lease, asOf))", replace: "_amount(lease, item, asOf)", breaks: "the interval cap bounds claims", tests: market("claim") },
  { name: "supplement-twice", file: "market/Settling.sol", find: "if (lease.supplemented) return LeaseMarket_AlreadySupplemented.selector;", replace: "", breaks: "a claim is raised once", tests: market("dispute", "resolve") },
  { name: "supplement-after-the-window", file: "market/Settling.sol", find: "_now() > lease.disputedAt + CLAIM_WINDOW", replace: "false", breaks: "the supplement has a deadline", tests: market("dispute", "windows") },
  { name: "mature-early", file: "market/Settling.sol", find: "if (lease.state != State.CLAIMED) return LeaseMarket_NoPending.selector;\n        if (_now() < lease.filedAt + DISPUTE_WINDOW) return LeaseMarket_TooEarly.selector;", replace: "if (lease.state != State.CLAIMED) return LeaseMarket_NoPending.selector;", breaks: "a claim stays disputable for its window", tests: market("claim") },

  { name: "acting-by-anyone", file: "market/Leases.sol", find: "return acting.authorised;", replace: "return true;", breaks: "nobody but the provider burns its clock", tests: market("settle", "regressions") },
  { name: "claim-by-anyone", file: "market/Settling.sol", find: "if (!_actsFor(acting, lease.provider)) return LeaseMarket_NotProvider.selector;\n        return active ? _file(leaseId, lease, item, earnings) : _supplement(leaseId, lease, item);", replace: "return active ? _file(leaseId, lease, item, earnings) : _supplement(leaseId, lease, item);", breaks: "the provider alone claims", tests: market("claim") },
  { name: "two-claims-at-once", file: "market/Settling.sol", find: "if (_now() < lease.filedAt + DISPUTE_WINDOW) return LeaseMarket_TooEarly.selector;\n            _payPending(leaseId, lease, earnings);", replace: "_payPending(leaseId, lease, earnings);", breaks: "one claim waits at a time", tests: market("claim") },
  { name: "claim-above-the-balance", file: "market/Settling.sol", find: "cum = Settlement.min(cum, uint256(lease.paid) + lease.balance);\n        if (cum <= lease.paid) return LeaseMarket_NothingToClaim.selector;", replace: "if (cum <= lease.paid) return LeaseMarket_NothingToClaim.selector;", breaks: "a claim is covered by the lease", tests: market("claim") },
  { name: "supplement-keeps-last-as-of", file: "market/Settling.sol", find: "// The cast holds: it is the end.\n        lease.lastAsOf = uint32(asOf);", replace: "", breaks: "a supplement settles to the end", tests: market("dispute", "resolve", "regressions") },
  { name: "matured-claim-keeps-the-clock", file: "market/Leases.sol", find: "// The cast holds: a claim bills up to the end at most.\n        lease.lastAsOf = uint32(asOf);", replace: "", breaks: "an interval is billed once", tests: market("claim") },
  { name: "admission-paid-again", file: "market/Disputes.sol", find: "cum = stake.conceded + award;", replace: "cum = paid + award;", breaks: "an award counts from what was conceded", tests: market("rulings", "resolve") },
  { name: "dispute-deposit-not-debited", file: "market/Disputes.sol", find: "_debit(tenant, tokenId, rest);", replace: "", breaks: "the deposit's rest leaves the account", tests: market("dispute", "resolve") },

  // ---- paying and closing ----
  { name: "fee-of-the-balance", file: "market/Leases.sol", find: "Settlement.share(amount, lease.feeBps)", replace: "Settlement.share(balance, lease.feeBps)", breaks: "the fee is a part of the payment", tests: market("settle") },
  { name: "balance-not-reduced", file: "market/Leases.sol", find: "lease.balance = balance - amount;", replace: "", breaks: "what is paid leaves the lease", tests: market("settle") },
  { name: "paid-not-counted", file: "market/Leases.sol", find: "lease.paid = paid;", replace: "", breaks: "amounts are cumulative", tests: market("settle") },
  { name: "matured-claim-stays-pending", file: "market/Leases.sol", find: "lease.state = State.ACTIVE;", replace: "", breaks: "a claim is paid once", tests: market("claim") },
  { name: "double-refund", file: "market/Leases.sol", find: "lease.balance = 0;", replace: "", breaks: "a closed lease is empty", tests: market("closing", "confirm") },
  { name: "never-closed", file: "market/Leases.sol", find: "lease.state = State.CLOSED;", replace: "", breaks: "a lease closes once", tests: market("closing", "confirm") },
  { name: "fee-to-nobody", file: "market/Leases.sol", find: "if (earnings.fee != 0) _credit(_treasury, earnings.tokenId, earnings.fee);", replace: "", breaks: "fees reach the treasury", tests: market("settle", "closing") },
  { name: "earnings-paid-again", file: "market/Leases.sol", find: "earnings.net = 0;", replace: "", breaks: "each provider of a batch gets its own", tests: market("settle", "claim", "closing") },
  { name: "windows-out-of-order", file: "market/Leases.sol", find: "arbiterWindow <= claimWindow", replace: "arbiterWindow < claimWindow", breaks: "the arbiter has time after the supplement", tests: market("administration", "openLease", "windows") },
  { name: "finalize-unbilled-work", file: "market/Closing.sol", find: "settledTo != endAt && _now() <= endAt + CLAIM_WINDOW", replace: "false", breaks: "the provider has its window to bill the end", tests: market("closing") },
  { name: "finalize-inside-the-claim-window", file: "market/Closing.sol", find: "_now() <= endAt + CLAIM_WINDOW", replace: "_now() < endAt + CLAIM_WINDOW", breaks: "the claim window's last second is the provider's", tests: market("closing", "windows") },
  { name: "finalize-an-immature-claim", file: "market/Closing.sol", find: "if (claimed && _now() < lease.filedAt + DISPUTE_WINDOW) return LeaseMarket_TooEarly.selector;", replace: "", breaks: "no claim is paid inside its dispute window", tests: market("closing") },
  { name: "finalize-drops-the-claim", file: "market/Closing.sol", find: "if (claimed) _payPending(leaseId, lease, earnings);", replace: "", breaks: "a due claim is paid at the end", tests: market("closing") },
  { name: "finalize-keeps-the-lock", file: "market/Closing.sol", find: "REGISTRY.unlock(bid.provider, bid.maxSlash);", replace: "", breaks: "a closed lease frees its bond", tests: market("closing") },
  { name: "close-postpones-the-end", file: "market/Leases.sol", find: "if (endAt >= lease.endAt) revert LeaseMarket_TooLate(leaseId, lease.endAt);", replace: "", breaks: "the end only comes nearer", tests: market("closing") },
  { name: "reclaim-by-anyone", file: "market/Closing.sol", find: "_requireProvider(leaseId, bid.provider);", replace: "", breaks: "the provider alone reclaims", tests: market("closing") },
  { name: "reclaim-without-notice", file: "market/Closing.sol", find: "unfunded ? _now() : _now() + bid.noticePeriod", replace: "_now()", breaks: "a funded lease gets its notice", tests: market("closing") },

  // ---- disputes ----
  { name: "dispute-by-anyone", file: "market/Disputes.sol", find: "if (msg.sender != bid.tenant) revert LeaseMarket_NotTenant(leaseId, msg.sender);", replace: "", breaks: "the tenant alone disputes", tests: market("dispute") },
  { name: "dispute-one-second-late", file: "market/Disputes.sol", find: "_now() >= until", replace: "_now() > until", breaks: "the dispute window ends", tests: market("dispute", "windows") },
  { name: "dispute-keeps-the-end", file: "market/Disputes.sol", find: "lease.endAt = uint32(_earlier(_now(), lease.endAt));", replace: "", breaks: "a dispute ends the lease", tests: market("dispute", "regressions", "resolve") },
  { name: "concession-unpaid", file: "market/Disputes.sol", find: "if (conceded > lease.paid) _payNow(leaseId, lease, conceded, lease.pendingAt);", replace: "", breaks: "what is conceded is paid at once", tests: market("dispute") },
  { name: "dispute-deposit-unpaid", file: "market/Disputes.sol", find: "lease.balance = balance - fromBalance;", replace: "", breaks: "the deposit leaves the lease", tests: market("dispute", "resolve") },
  { name: "dispute-deposit-kept", file: "market/Disputes.sol", find: "_credit(depositTo, lease.tokenId, stake.deposit);", replace: "", breaks: "a deposit goes back", tests: market("resolve", "dispute") },
  { name: "ruling-by-anyone", file: "market/Disputes.sol", find: "if (msg.sender != bid.arbiter) revert LeaseMarket_NotArbiter(leaseId, msg.sender);", replace: "", breaks: "the arbiter alone rules", tests: market("resolve") },
  { name: "ruling-before-the-supplement", file: "market/Disputes.sol", find: "!lease.supplemented && _now() <= supplementUntil", replace: "false", breaks: "a ruling waits for the supplement", tests: market("resolve", "windows") },
  { name: "award-above-contested", file: "market/Disputes.sol", find: "if (award > contested) revert LeaseMarket_OverCap(leaseId, award, contested);", replace: "", breaks: "an award is inside what is contested", tests: market("resolve") },
  { name: "slash-above-the-lock", file: "market/Disputes.sol", find: "if (slash > bid.maxSlash) revert LeaseMarket_OverCap(leaseId, slash, bid.maxSlash);", replace: "", breaks: "a slash is inside the lock", tests: market("resolve") },
  { name: "split-without-share", file: "market/Disputes.sol", find: "award = uint128(Settlement.share(pendingCum - paid, bid.splitBps));", replace: "award = pendingCum - paid;", breaks: "a silent arbiter leaves the agreed split", tests: market("resolve") },
  { name: "resolve-keeps-the-lock", file: "market/Disputes.sol", find: "REGISTRY.unlock(bid.provider, bid.maxSlash);", replace: "", breaks: "a resolved lease frees its bond", tests: market("resolve") },
  { name: "deposit-to-the-loser", file: "market/Disputes.sol", find: "cum == pendingCum ? bid.provider : bid.tenant", replace: "cum == pendingCum ? bid.tenant : bid.provider", breaks: "the deposit follows the award", tests: market("resolve") },
  { name: "slash-pays-in-another-token", file: "market/Disputes.sol", find: "bid.token == BOND_TOKEN", replace: "true", breaks: "sums of two tokens are not compared", tests: market("resolve", "severalTokens") },

  // ---- administration and guard ----
  {
    name: "no-guard", file: "guard/transient/Guard.sol", find: "abstract contract Guard is ReentrancyGuardTransient {}", breaks: "no token's hook comes back in", tests: market("hostileTokens", "deposit"),
    // A modifier cannot be replaced under a switch: the same guard, with one.
    seeded: `abstract contract Guard {
    error ReentrancyGuardReentrantCall();
    uint256 private transient _entered;
    modifier nonReentrant() {
        if (_entered == 1 && !MUTANT) revert ReentrancyGuardReentrantCall();
        _entered = 1;
        _;
        _entered = 0;
    }
}`,
  },
  { name: "fee-above-the-most", file: "market/Administration.sol", find: "if (feeBps > MAX_FEE_BPS) revert LeaseMarket_FeeTooHigh(feeBps);", replace: "", breaks: "a fee is at most 5 %", tests: market("administration") },
  { name: "recover-everything", file: "market/Administration.sol", find: "IERC20(token).safeTransfer(to, held - owed);", replace: "IERC20(token).safeTransfer(to, held);", breaks: "only what belongs to nobody can be taken out", tests: market("administration") },
  { name: "token-of-any-decimals", file: "market/Administration.sol", find: "decimals < MIN_DECIMALS || decimals > MAX_DECIMALS", replace: "false", breaks: "tokens have 6 to 18 decimals", tests: market("administration") },
];
