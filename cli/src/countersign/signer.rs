//! One exchange with the provider: fetch what it proposes, judge it, sign it or tell why not.

use chain::rpc::At;
use chain::{ChainClient, HotKey};
use gateway_api::{ErrorCode, SeriesQuery, SignedStatementBody, StatementProposal, UsageReport};
use market::{Bid, LeaseId, Statement};

use super::{Own, Refusal, Terms, check, check_series};
use crate::gateway::Gateway;
use crate::home::{Home, SignedRecord};
use crate::own_view::Observed;

/// Signs statements of one lease.
pub(crate) struct Countersigner<'a> {
    pub(crate) home: &'a Home,
    pub(crate) chain: &'a ChainClient,
    pub(crate) gateway: &'a Gateway,
    pub(crate) key: &'a HotKey,
    pub(crate) lease: LeaseId,
    pub(crate) bid: &'a Bid,
    pub(crate) terms: Terms,
    pub(crate) observed: Option<Observed<'a>>,
}

/// What came of one look.
#[derive(Debug)]
pub(crate) enum Look {
    /// Checked, signed and sent.
    Signed(Statement),
    /// The same as was signed before; the provider has it.
    Unchanged,
    /// The provider has nothing to sign.
    Nothing,
    /// The provider wants too much.
    Refused(Refusal),
}

/// What is to be sent.
enum Judged {
    Known(SignedStatementBody),
    Right(Statement, SignedStatementBody),
    Wrong(Refusal),
}

impl Countersigner<'_> {
    /// Fetches the proposal, and signs it if it is right.
    pub(crate) async fn look(&self) -> anyhow::Result<Look> {
        match self.gateway.proposal_if_any(self.lease).await? {
            Some(proposal) => self.decide(&proposal).await,
            None => Ok(Look::Nothing),
        }
    }

    /// Signs a proposal if it is right. The signature is remembered before it is sent.
    pub(crate) async fn decide(&self, proposal: &StatementProposal) -> anyhow::Result<Look> {
        let alone = self.home.lock_signing(self.lease).await?;
        let judged = self.judge(proposal).await?;
        drop(alone);
        match judged {
            Judged::Known(signed) => {
                // It may not have arrived the first time; sending it twice is harmless.
                self.gateway.upload_statement(self.lease, &signed).await?;
                Ok(Look::Unchanged)
            }
            Judged::Right(statement, signed) => {
                self.gateway.upload_statement(self.lease, &signed).await?;
                Ok(Look::Signed(statement))
            }
            Judged::Wrong(refusal) => {
                self.tell(&refusal).await;
                Ok(Look::Refused(refusal))
            }
        }
    }

    async fn judge(&self, proposal: &StatementProposal) -> anyhow::Result<Judged> {
        let previous = self.home.signed(self.lease)?;
        if let Some(previous) = previous.as_ref().filter(|previous| is_same(&previous.proposal, proposal)) {
            return Ok(Judged::Known(previous.signed));
        }
        let block = self.chain.block(At::Latest).await?;
        let lease = self.chain.lease(self.lease, At::Block(block.hash)).await?;
        let own = Own {
            bid: self.bid,
            lease: &lease,
            now: block.timestamp,
            previous: previous.as_ref().map(|previous| &previous.proposal),
            terms: self.terms,
            observed: self.observed,
        };
        let statement = match check(self.lease, &own, proposal) {
            Ok(statement) => statement,
            Err(refusal) => return Ok(Judged::Wrong(refusal)),
        };
        let since = own.previous.map(|previous| previous.as_of);
        if let Err(refusal) = check_series(&own, &self.series(since).await?, proposal) {
            return Ok(Judged::Wrong(refusal));
        }
        let signature = self.key.sign_statement(&self.chain.eip712(), &statement)?;
        let signed = SignedStatementBody::new(&statement, signature);
        self.home.save_signed(self.lease, &SignedRecord { proposal: *proposal, signed })?;
        Ok(Judged::Right(statement, signed))
    }

    /// The provider's series from a moment on; nothing where it keeps none or cannot read it now, which is no reason to
    /// leave it unpaid.
    async fn series(&self, since: Option<u64>) -> anyhow::Result<Vec<UsageReport>> {
        let query = SeriesQuery { from: since, ..SeriesQuery::default() };
        match self.gateway.usage_series(self.lease, &query).await {
            Err(error) if error.code().is_some() => Ok(Vec::new()),
            found => Ok(found?.unwrap_or_default()),
        }
    }

    /// Tells the provider. It is owed an answer, but the refusal stands without it.
    async fn tell(&self, refusal: &Refusal) {
        match self.gateway.upload_refusal(self.lease, &refusal.document()).await {
            Ok(()) => {}
            // A provider of an earlier version takes no refusals.
            Err(error) if matches!(error.code(), Some(ErrorCode::UnknownRoute)) => {}
            Err(error) => {
                let error = anyhow::Error::new(error);
                eprintln!("the provider of {} was not told of the refusal: {error:#}", self.lease);
            }
        }
    }
}

/// Whether two proposals lead to the same statement.
fn is_same(one: &StatementProposal, two: &StatementProposal) -> bool {
    (one.amount_cum, one.as_of, one.usage_hash, one.last)
        == (two.amount_cum, two.as_of, two.usage_hash, two.last)
}
