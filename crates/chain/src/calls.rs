//! Every call that Leasehold sends to the contracts, as data. Sending them is [`crate::TxSender`]'s part.

use alloy::primitives::{Address, B256, Bytes, TxKind, U256};
use alloy::sol_types::SolCall;
use market::{Amount, Bid, LeaseId, Order, Signature64, SignedBid, Statement, Timestamp, Usage};

use crate::abi::{ILeaseMarket as m, IProviderRegistry as r, IToken};
use crate::convert::{
    ConvertError, bid_to_abi, claim_to_abi, order_to_abi, signed_statement_to_abi, to_u40, to_u96,
};
use crate::deployment::Deployment;

/// A call that is ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The function's name, for logs and error messages.
    pub name: &'static str,
    /// The contract, or its creation.
    pub to: TxKind,
    /// The encoded arguments.
    pub data: Bytes,
}

/// Makes calls to the contracts of one deployment.
#[derive(Clone, Copy, Debug)]
pub struct Calls {
    deployment: Deployment,
}

impl Calls {
    /// Calls to `deployment`.
    pub const fn new(deployment: Deployment) -> Self {
        Self { deployment }
    }

    /// Joins as a provider. Needs the bond approved for the registry.
    pub fn register(
        &self,
        operator: Address,
        expiry: Timestamp,
        bond: Amount,
        uri: &str,
        attributes_hash: B256,
    ) -> Result<Call, ConvertError> {
        Ok(self.registry(
            "register",
            r::registerCall {
                operator,
                expiry: to_u40(expiry)?,
                bond: bond.0,
                uri: uri.to_owned(),
                attributesHash: attributes_hash,
            },
        ))
    }

    /// Announces another gateway or other attributes.
    pub fn update_provider(&self, uri: &str, attributes_hash: B256) -> Call {
        let call = r::updateCall { uri: uri.to_owned(), attributesHash: attributes_hash };
        self.registry("update", call)
    }

    /// Replaces the hot key and voids every bid it signed.
    pub fn set_operator(&self, operator: Address, expiry: Timestamp) -> Result<Call, ConvertError> {
        Ok(self.registry("setOperator", r::setOperatorCall { operator, expiry: to_u40(expiry)? }))
    }

    /// Voids every outstanding bid.
    pub fn bump_bid_epoch(&self, provider: Address) -> Call {
        self.registry("bumpBidEpoch", r::bumpBidEpochCall { provider })
    }

    /// Adds to the bond. Needs the amount approved for the registry.
    pub fn add_bond(&self, amount: Amount) -> Call {
        self.registry("addBond", r::addBondCall { amount: amount.0 })
    }

    /// Starts to take bond back.
    pub fn start_unbond(&self, amount: Amount) -> Call {
        self.registry("startUnbond", r::startUnbondCall { amount: amount.0 })
    }

    /// Takes bond back after the delay.
    pub fn withdraw_bond(&self, to: Address) -> Call {
        self.registry("withdrawBond", r::withdrawBondCall { to })
    }

    /// Takes slashed bond and penalties that were credited.
    pub fn withdraw_claimable(&self, to: Address) -> Call {
        self.registry("withdrawClaimable", r::withdrawClaimableCall { to })
    }

    /// Attests the attributes behind a hash of a provider, in place of what the sender attested before.
    pub fn attest(
        &self,
        provider: Address,
        claims_hash: B256,
        expiry: Timestamp,
    ) -> Result<Call, ConvertError> {
        let call = r::attestCall { provider, claimsHash: claims_hash, expiry: to_u40(expiry)? };
        Ok(self.registry("attest", call))
    }

    /// Takes the sender's attestation of a provider back.
    pub fn revoke_attestation(&self, provider: Address) -> Call {
        self.registry("revoke", r::revokeCall { provider })
    }

    /// Lets the registry draw a bond.
    pub fn approve_registry(&self, amount: Amount) -> Call {
        self.approve(self.deployment.registry, amount)
    }

    /// Lets the market draw a deposit.
    pub fn approve_market(&self, amount: Amount) -> Call {
        self.approve(self.deployment.market, amount)
    }

    /// Moves tokens out of a wallet.
    pub fn transfer(&self, to: Address, amount: Amount) -> Call {
        self.token("transfer", IToken::transferCall { to, amount: U256::from(amount.0) })
    }

    /// Makes test tokens out of nothing; only the test token has it.
    pub fn mint(&self, to: Address, amount: Amount) -> Call {
        self.token("mint", IToken::mintCall { to, amount: U256::from(amount.0) })
    }

    /// Moves tokens from the wallet into an account of the market. Needs them approved for the market.
    pub fn deposit(&self, owner: Address, amount: Amount) -> Call {
        let call = m::depositCall { token: self.deployment.token, owner, amount: U256::from(amount.0) };
        self.market("deposit", call)
    }

    /// Moves tokens from the account in the market to a wallet.
    pub fn withdraw(&self, to: Address, amount: Amount) -> Call {
        let call = m::withdrawCall { token: self.deployment.token, to, amount: U256::from(amount.0) };
        self.market("withdraw", call)
    }

    /// Announces an order with its encoded requirements.
    pub fn post_order(&self, order: &Order, requirements: Vec<u8>) -> Result<Call, ConvertError> {
        let call = m::postOrderCall { order: order_to_abi(order)?, requirements: requirements.into() };
        Ok(self.market("postOrder", call))
    }

    /// Takes no more bids for an order.
    pub fn cancel_order(&self, nonce: u64) -> Call {
        self.market("cancelOrder", m::cancelOrderCall { nonce })
    }

    /// Publishes a signed bid.
    pub fn post_bid(&self, signed: &SignedBid) -> Result<Call, ConvertError> {
        let bid = bid_to_abi(&signed.bid)?;
        let Signature64 { r, vs } = signed.signature;
        Ok(self.market("postBid", m::postBidCall { bid, r, vs }))
    }

    /// Accepts a bid with money from the account.
    pub fn open_lease(
        &self,
        signed: &SignedBid,
        signer: Address,
        amount: Amount,
    ) -> Result<Call, ConvertError> {
        let bid = bid_to_abi(&signed.bid)?;
        let Signature64 { r, vs } = signed.signature;
        Ok(self.market("openLease", m::openLeaseCall { bid, r, vs, signer, amount: amount.0 }))
    }

    /// Starts the clock of ready leases.
    pub fn confirm(&self, leases: &[LeaseId]) -> Call {
        self.market("confirm", m::confirmCall { leaseIds: raw(leases) })
    }

    /// Adds money from the account to a lease.
    pub fn top_up(&self, lease: LeaseId, amount: Amount) -> Call {
        self.market("topUp", m::topUpCall { leaseId: lease.0, amount: amount.0 })
    }

    /// Gives an unstarted lease back, as its provider.
    pub fn decline(&self, bid: &Bid) -> Result<Call, ConvertError> {
        Ok(self.market("decline", m::declineCall { bid: bid_to_abi(bid)? }))
    }

    /// Leaves a lease that its provider never started, as its tenant.
    pub fn abort(&self, bid: &Bid) -> Result<Call, ConvertError> {
        Ok(self.market("abort", m::abortCall { bid: bid_to_abi(bid)? }))
    }

    /// Pays countersigned statements.
    pub fn settle(&self, statements: &[(Statement, Signature64)]) -> Result<Call, ConvertError> {
        let statements = statements
            .iter()
            .map(|(statement, signature)| signed_statement_to_abi(statement, signature))
            .collect::<Result<_, _>>()?;
        Ok(self.market("settle", m::settleCall { statements }))
    }

    /// Claims without countersignature, subject to dispute.
    pub fn claim(&self, claims: &[(Bid, Usage)]) -> Result<Call, ConvertError> {
        let items = claims.iter().map(|(bid, usage)| claim_to_abi(bid, usage)).collect::<Result<_, _>>()?;
        Ok(self.market("claim", m::claimCall { items }))
    }

    /// Pays claims whose dispute window has passed.
    pub fn mature(&self, leases: &[LeaseId]) -> Call {
        self.market("mature", m::matureCall { leaseIds: raw(leases) })
    }

    /// Ends a lease now, as its tenant or session key.
    pub fn close_lease(&self, lease: LeaseId) -> Call {
        self.market("closeLease", m::closeLeaseCall { leaseId: lease.0 })
    }

    /// Ends a lease with notice, as its provider.
    pub fn reclaim(&self, bid: &Bid) -> Result<Call, ConvertError> {
        Ok(self.market("reclaim", m::reclaimCall { bid: bid_to_abi(bid)? }))
    }

    /// Refunds what is left of ended leases and unlocks their bonds.
    pub fn finalize(&self, bids: &[Bid]) -> Result<Call, ConvertError> {
        let bids = bids.iter().map(bid_to_abi).collect::<Result<_, _>>()?;
        Ok(self.market("finalize", m::finalizeCall { bids }))
    }

    /// Disputes a pending claim beyond what is conceded, as its tenant.
    pub fn dispute(&self, bid: &Bid, conceded: Amount) -> Result<Call, ConvertError> {
        Ok(self.market("dispute", m::disputeCall { bid: bid_to_abi(bid)?, conceded: conceded.0 }))
    }

    /// Decides a dispute, as its arbiter, or applies the agreed split once the arbiter's window has passed.
    pub fn resolve(&self, bid: &Bid, award: Amount, slash: Amount) -> Result<Call, ConvertError> {
        let call = m::resolveCall { bid: bid_to_abi(bid)?, award: award.0, slash: to_u96(slash.0)? };
        Ok(self.market("resolve", call))
    }

    fn approve(&self, spender: Address, amount: Amount) -> Call {
        self.token("approve", IToken::approveCall { spender, amount: U256::from(amount.0) })
    }

    fn market(&self, name: &'static str, call: impl SolCall) -> Call {
        encode(name, self.deployment.market, call)
    }

    fn registry(&self, name: &'static str, call: impl SolCall) -> Call {
        encode(name, self.deployment.registry, call)
    }

    fn token(&self, name: &'static str, call: impl SolCall) -> Call {
        encode(name, self.deployment.token, call)
    }
}

pub(crate) fn encode(name: &'static str, to: Address, call: impl SolCall) -> Call {
    Call { name, to: TxKind::Call(to), data: call.abi_encode().into() }
}

fn raw(leases: &[LeaseId]) -> Vec<B256> {
    leases.iter().map(|lease| lease.0).collect()
}
