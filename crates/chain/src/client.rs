//! Typed reads of one deployment. Several reads that must agree are pinned to one block with [`At::Block`].

mod lookup;

use alloy::primitives::{Address, U256};
use alloy::sol_types::SolCall;
use market::{Amount, Bid, Lease, LeaseId, Order, OrderHash, Statement, Timestamp, Usage, Windows};
use url::Url;

use crate::abi::{ILeaseMarket as m, IProviderRegistry as r, IToken};
use crate::calls::Calls;
use crate::convert::{
    ConvertError, bid_to_abi, from_u40, lease_from_abi, order_to_abi, statement_to_abi, to_amount,
};
use crate::deployment::Deployment;
use crate::eip712::Eip712;
use crate::revert::Revert;
use crate::rpc::{At, Block, CallRequest, Rpc, RpcError};
pub use lookup::{Attestation, Payment, ProviderRecord};

/// A read of the contracts failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The node did not answer as it should.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// There is no contract where the deployment says.
    #[error("there is no contract at {0}; the deployment belongs to another chain")]
    NoContract(Address),
    /// The market belongs to another registry than the deployment says.
    #[error("the market belongs to the registry {found}, not {expected}")]
    WrongRegistry {
        /// The deployment's registry.
        expected: Address,
        /// The market's own.
        found: Address,
    },
    /// The contract refused the read.
    #[error("the contract refused {call}: {reason}")]
    Reverted {
        /// The function.
        call: &'static str,
        /// Its reason.
        reason: Revert,
    },
    /// The answer is not what the function returns.
    #[error("the answer to {call} cannot be decoded")]
    Decode {
        /// The function.
        call: &'static str,
        /// The cause.
        #[source]
        source: alloy::sol_types::Error,
    },
    /// The answer or the question holds a value that the other side cannot express.
    #[error("a value cannot be converted")]
    Convert(#[from] ConvertError),
    /// The answer has another length than the question.
    #[error("asked for {asked} leases, got {got}")]
    Count {
        /// How many were asked for.
        asked: usize,
        /// How many came.
        got: usize,
    },
}

impl ClientError {
    /// Whether the same read may well succeed later, on this node.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Rpc(error) => error.is_retriable(),
            Self::Decode { .. } | Self::Count { .. } => true,
            Self::NoContract(_) | Self::WrongRegistry { .. } | Self::Reverted { .. } | Self::Convert(_) => {
                false
            }
        }
    }
}

/// Whether a provider may win leases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderStatus {
    /// Nobody registered.
    None,
    /// It may.
    Active,
    /// Its bond is below the minimum.
    Inactive,
}

/// A provider as the registry keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Provider {
    /// The hot key, or zero.
    pub operator: Address,
    /// The last moment at which the hot key may act.
    pub operator_expiry: Timestamp,
    /// The epoch that a valid bid carries.
    pub bid_epoch: u32,
    /// Whether it may win leases.
    pub status: ProviderStatus,
    /// All of its bond.
    pub bond: Amount,
    /// What leases hold of it.
    pub locked: Amount,
    /// What was asked back of it.
    pub unbonding: Amount,
    /// From when that can be withdrawn.
    pub unbond_at: Timestamp,
}

impl Provider {
    /// What can back new leases.
    pub fn free_bond(&self) -> Amount {
        self.bond.saturating_sub(self.locked).saturating_sub(self.unbonding)
    }
}

/// One deployment, read through one node.
#[derive(Clone, Debug)]
pub struct ChainClient {
    rpc: Rpc,
    deployment: Deployment,
}

impl ChainClient {
    /// Connects, and refuses a node that follows another chain or does not know the contracts.
    pub async fn connect(url: Url, deployment: Deployment) -> Result<Self, ClientError> {
        Self::connect_through(Rpc::dial(url)?, deployment).await
    }

    /// The same through nodes that are dialled already.
    pub async fn connect_through(rpc: Rpc, deployment: Deployment) -> Result<Self, ClientError> {
        let client = Self::unchecked(rpc, deployment);
        client.check().await?;
        Ok(client)
    }

    /// A client whose node is checked later, with [`ChainClient::check`].
    pub fn unchecked(rpc: Rpc, deployment: Deployment) -> Self {
        Self { rpc, deployment }
    }

    /// Refuses a node that follows another chain or does not know the contracts.
    pub async fn check(&self) -> Result<(), ClientError> {
        self.rpc.check_chain(self.deployment.chain_id).await?;
        let Deployment { market, registry: expected, token, .. } = self.deployment;
        for contract in [market, expected, token] {
            if self.rpc.code(contract).await?.is_empty() {
                return Err(ClientError::NoContract(contract));
            }
        }
        let found = self.market("registry", m::registryCall {}, At::Latest).await?;
        if found == expected { Ok(()) } else { Err(ClientError::WrongRegistry { expected, found }) }
    }

    /// The node.
    pub fn rpc(&self) -> &Rpc {
        &self.rpc
    }

    /// The contracts.
    pub fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// Makes calls to the contracts.
    pub fn calls(&self) -> Calls {
        Calls::new(self.deployment)
    }

    /// The signing domain of the market.
    pub fn eip712(&self) -> Eip712 {
        Eip712::new(self.deployment.chain_id, self.deployment.market)
    }

    /// A block's header; its timestamp is the chain's time.
    pub async fn block(&self, at: At) -> Result<Block, ClientError> {
        Ok(self.rpc.block(at).await?)
    }

    /// Leases by id, in the order asked. An unknown id gives a lease in [`market::LeaseState::None`].
    pub async fn get_leases(&self, ids: &[LeaseId], at: At) -> Result<Vec<Lease>, ClientError> {
        let call = m::getLeasesCall { leaseIds: ids.iter().map(|id| id.0).collect() };
        let views = self.market("getLeases", call, at).await?;
        if views.len() != ids.len() {
            return Err(ClientError::Count { asked: ids.len(), got: views.len() });
        }
        Ok(views.iter().map(lease_from_abi).collect::<Result<_, _>>()?)
    }

    /// One lease.
    pub async fn lease(&self, id: LeaseId, at: At) -> Result<Lease, ClientError> {
        let mut leases = self.get_leases(&[id], at).await?;
        leases.pop().ok_or(ClientError::Count { asked: 1, got: 0 })
    }

    /// A provider; [`ProviderStatus::None`] if nobody registered.
    pub async fn provider_of(&self, provider: Address, at: At) -> Result<Provider, ClientError> {
        let view = self.registry("providerOf", r::providerOfCall { provider }, at).await?;
        Ok(Provider {
            operator: view.operator,
            operator_expiry: from_u40(view.operatorExpiry),
            bid_epoch: view.bidEpoch,
            status: match view.status {
                0 => ProviderStatus::None,
                1 => ProviderStatus::Active,
                2 => ProviderStatus::Inactive,
                other => return Err(ConvertError::ProviderStatus(other).into()),
            },
            bond: Amount(view.bond),
            locked: Amount(view.locked),
            unbonding: Amount(view.unbonding),
            unbond_at: from_u40(view.unbondAt),
        })
    }

    /// The least bond of a provider that may win leases.
    pub async fn min_bond(&self, at: At) -> Result<Amount, ClientError> {
        Ok(Amount(self.registry("minBond", r::minBondCall {}, at).await?))
    }

    /// Seconds between asking bond back and taking it.
    pub async fn unbond_delay(&self, at: At) -> Result<u64, ClientError> {
        Ok(from_u40(self.registry("unbondDelay", r::unbondDelayCall {}, at).await?).0)
    }

    /// What `owner` can withdraw from its account in the market.
    pub async fn available(&self, owner: Address, at: At) -> Result<Amount, ClientError> {
        let call = m::availableCall { owner, token: self.deployment.token };
        Ok(to_amount(self.market("available", call, at).await?)?)
    }

    /// What `owner` can withdraw of any token.
    pub async fn available_in(&self, owner: Address, token: Address, at: At) -> Result<Amount, ClientError> {
        Ok(to_amount(self.market("available", m::availableCall { owner, token }, at).await?)?)
    }

    /// All fees ever taken off a provider's earnings in a token.
    pub async fn fees_paid(&self, provider: Address, token: Address, at: At) -> Result<Amount, ClientError> {
        Ok(Amount(self.market("feesPaid", m::feesPaidCall { provider, token }, at).await?))
    }

    /// Every token that leases can be paid in.
    pub async fn tokens(&self, at: At) -> Result<Vec<Address>, ClientError> {
        self.market("tokens", m::tokensCall {}, at).await
    }

    /// The token of all bonds.
    pub async fn bond_token(&self, at: At) -> Result<Address, ClientError> {
        self.registry("bondToken", r::bondTokenCall {}, at).await
    }

    /// What `owner` was credited out of bonds.
    pub async fn claimable_bond(&self, account: Address, at: At) -> Result<Amount, ClientError> {
        Ok(to_amount(self.registry("claimable", r::claimableCall { account }, at).await?)?)
    }

    /// What `owner` holds of the token in its wallet.
    pub async fn token_balance(&self, owner: Address, at: At) -> Result<Amount, ClientError> {
        Ok(to_amount(self.token("balanceOf", IToken::balanceOfCall { owner }, at).await?)?)
    }

    /// What `spender` may draw from the wallet of `owner`; more than any balance counts as the most.
    pub async fn allowance(&self, owner: Address, spender: Address, at: At) -> Result<Amount, ClientError> {
        let allowance = self.token("allowance", IToken::allowanceCall { owner, spender }, at).await?;
        Ok(Amount(allowance.saturating_to()))
    }

    /// The token's own short name.
    pub async fn token_symbol(&self) -> Result<String, ClientError> {
        self.token("symbol", IToken::symbolCall {}, At::Latest).await
    }

    /// Decimals and name of any token.
    pub async fn token_terms(&self, token: Address) -> Result<(u8, String), ClientError> {
        let decimals = read(&self.rpc, token, "decimals", IToken::decimalsCall {}, At::Latest).await?;
        let symbol = read(&self.rpc, token, "symbol", IToken::symbolCall {}, At::Latest).await?;
        Ok((decimals, symbol))
    }

    /// What an account holds of the chain's own coin, which pays for gas.
    pub async fn native_balance(&self, account: Address) -> Result<U256, ClientError> {
        Ok(self.rpc.native_balance(account).await?)
    }

    /// What the market owes to everybody together.
    pub async fn liabilities(&self, at: At) -> Result<Amount, ClientError> {
        let call = m::liabilitiesCall { token: self.deployment.token };
        Ok(to_amount(self.market("liabilities", call, at).await?)?)
    }

    /// The fee of new leases and who receives it.
    pub async fn fee_terms(&self, at: At) -> Result<(market::BasisPoints, Address), ClientError> {
        let terms = self.market("feeTerms", m::feeTermsCall {}, at).await?;
        let fee = market::BasisPoints::new(terms.feeBps).map_err(ConvertError::BasisPoints)?;
        Ok((fee, terms.treasury))
    }

    /// The market's windows.
    pub async fn windows(&self, at: At) -> Result<Windows, ClientError> {
        let windows = self.market("windows", m::windowsCall {}, at).await?;
        Ok(Windows {
            claim: windows.claim.to(),
            dispute: windows.dispute.to(),
            arbiter: windows.arbiter.to(),
        })
    }

    /// The contract's own rate cap of a bid, for comparing.
    pub async fn rate_cap(&self, bid: &Bid, at: At) -> Result<u128, ClientError> {
        Ok(self.market("rateCap", m::rateCapCall { bid: bid_to_abi(bid)? }, at).await?.to())
    }

    /// The contract's own price of usage, for comparing.
    pub async fn amount_of(
        &self,
        bid: &Bid,
        usage: &Usage,
        elapsed: u64,
        at: At,
    ) -> Result<U256, ClientError> {
        let elapsed = U256::from(elapsed);
        self.market("amountOf", m::amountOfCall { bid: bid_to_abi(bid)?, usage: usage.0, elapsed }, at).await
    }

    /// The contract's own id of a bid, for comparing.
    pub async fn lease_id_of(&self, bid: &Bid, at: At) -> Result<LeaseId, ClientError> {
        Ok(LeaseId(self.market("leaseIdOf", m::leaseIdOfCall { bid: bid_to_abi(bid)? }, at).await?))
    }

    /// The contract's own hash of an order, for comparing.
    pub async fn order_hash_of(&self, order: &Order, at: At) -> Result<OrderHash, ClientError> {
        let call = m::orderHashOfCall { order: order_to_abi(order)? };
        Ok(OrderHash(self.market("orderHashOf", call, at).await?))
    }

    /// The contract's own digest of a statement, for comparing.
    pub async fn statement_digest_of(
        &self,
        statement: &Statement,
        at: At,
    ) -> Result<alloy::primitives::B256, ClientError> {
        let call = m::statementDigestCall { statement: statement_to_abi(statement)? };
        self.market("statementDigest", call, at).await
    }

    /// Until when an active lease's balance lasts at its full rate; none if it is not active.
    pub async fn funded_until(&self, lease: LeaseId, at: At) -> Result<Option<Timestamp>, ClientError> {
        let until = self.market("fundedUntil", m::fundedUntilCall { leaseId: lease.0 }, at).await?;
        Ok((!until.is_zero()).then(|| from_u40(until)))
    }

    async fn market<C: SolCall>(
        &self,
        name: &'static str,
        call: C,
        at: At,
    ) -> Result<C::Return, ClientError> {
        read(&self.rpc, self.deployment.market, name, call, at).await
    }

    async fn registry<C: SolCall>(
        &self,
        name: &'static str,
        call: C,
        at: At,
    ) -> Result<C::Return, ClientError> {
        read(&self.rpc, self.deployment.registry, name, call, at).await
    }

    async fn token<C: SolCall>(&self, name: &'static str, call: C, at: At) -> Result<C::Return, ClientError> {
        read(&self.rpc, self.deployment.token, name, call, at).await
    }
}

pub(crate) async fn read<C: SolCall>(
    rpc: &Rpc,
    contract: Address,
    name: &'static str,
    call: C,
    at: At,
) -> Result<C::Return, ClientError> {
    let request = CallRequest::anonymous(contract, call.abi_encode());
    let answer = rpc.call(&request, at).await.map_err(|error| match error.revert() {
        Some(reason) => ClientError::Reverted { call: name, reason },
        None => ClientError::Rpc(error),
    })?;
    C::abi_decode_returns_validate(&answer).map_err(|source| ClientError::Decode { call: name, source })
}
