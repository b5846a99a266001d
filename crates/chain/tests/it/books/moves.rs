//! What people do: always something that the contracts may well allow, and often something that they refuse.

use alloy::primitives::Address;
use alloy::sol_types::SolCall;
use anyhow::Result;
use chain::At;
use chain::abi::ILeaseMarket as m;
use market::{
    Amount, BasisPoints, Bid, Lease, LeaseState, Limits, OrderHash, Price, Prices, Statement, Usage, cap_cum,
};

use super::world::{Deal, PROVIDERS, World};

#[derive(Clone, Copy, Debug)]
enum Move {
    Deposit,
    Withdraw,
    Open,
    Start,
    LeaveUnstarted,
    Settle,
    Claim,
    Mature,
    Dispute,
    Rule,
    End,
    Finalize,
    TopUp,
    Unbond,
    Bond,
    Compensation,
    Fee,
    Pause,
    Wait,
}

/// Each as often as it stands here.
const MOVES: [Move; 46] = {
    use Move::*;
    [
        Deposit,
        Deposit,
        Deposit,
        Withdraw,
        Open,
        Open,
        Open,
        Open,
        Open,
        Start,
        Start,
        Start,
        Start,
        LeaveUnstarted,
        Settle,
        Settle,
        Settle,
        Settle,
        Settle,
        Claim,
        Claim,
        Claim,
        Claim,
        Mature,
        Mature,
        Dispute,
        Dispute,
        Dispute,
        Rule,
        Rule,
        Rule,
        End,
        End,
        Finalize,
        Finalize,
        TopUp,
        Unbond,
        Unbond,
        Bond,
        Compensation,
        Fee,
        Pause,
        Wait,
        Wait,
        Wait,
        Wait,
    ]
};

impl World {
    pub(super) async fn make_a_move(&mut self) -> Result<()> {
        match self.pick(&MOVES).unwrap_or(Move::Wait) {
            Move::Deposit => self.deposit().await,
            Move::Withdraw => self.withdraw().await,
            Move::Open => self.open().await,
            Move::Start => self.start_or_decline().await,
            Move::LeaveUnstarted => self.leave_unstarted().await,
            Move::Settle => self.settle().await,
            Move::Claim => self.claim().await,
            Move::Mature => self.mature().await,
            Move::Dispute => self.dispute().await,
            Move::Rule => self.rule().await,
            Move::End => self.end().await,
            Move::Finalize => self.finalize().await,
            Move::TopUp => self.top_up().await,
            Move::Unbond => self.unbond().await,
            Move::Bond => self.add_bond().await,
            Move::Compensation => self.take_compensation().await,
            Move::Fee => self.set_fee().await,
            Move::Pause => self.pause().await,
            Move::Wait => {
                let seconds = self.pick(&[1, 10, 30, 60, 120, 200, 301, 901]).unwrap_or(1);
                self.pass(seconds).await
            }
        }
    }

    /// A deal whose lease fits; its place.
    async fn deal(&mut self, fits: impl Fn(&Lease, &Deal) -> bool) -> Result<Option<(usize, Lease)>> {
        let leases = self.leases().await?;
        let fitting: Vec<(usize, Lease)> = leases
            .into_iter()
            .enumerate()
            .filter(|(index, lease)| self.deals.get(*index).is_some_and(|deal| fits(lease, deal)))
            .collect();
        Ok(self.pick(&fitting))
    }

    fn person(&mut self) -> Address {
        let index = usize::try_from(self.below(5)).unwrap_or(0);
        self.people[index].address()
    }

    async fn deposit(&mut self) -> Result<()> {
        let (payer, owner) = (self.person(), self.person());
        let token = self.pick(&self.tokens.clone()).unwrap_or_default();
        let amount = 1 + self.below(9_000_000);
        let data = m::depositCall { token, owner, amount: amount.try_into()? }.abi_encode();
        self.act(payer, self.to_market("deposit", data)).await
    }

    async fn withdraw(&mut self) -> Result<()> {
        let accounts = self.accounts();
        let (owner, to) = (self.pick(&accounts).unwrap_or_default(), self.person());
        let token = self.pick(&self.tokens.clone()).unwrap_or_default();
        let held = self.client().available_in(owner, token, At::Latest).await?;
        let amount = self.part(Amount(held.0 / 3)).0.try_into()?;
        let data = m::withdrawCall { token, to, amount }.abi_encode();
        self.act(owner, self.to_market("withdraw", data)).await
    }

    async fn open(&mut self) -> Result<()> {
        let provider = usize::try_from(self.below(PROVIDERS.try_into()?))?;
        let tenant = usize::try_from(self.below(5))?;
        let (owner, renter) = (self.people[provider].clone(), self.people[tenant].address());
        let token = self.pick(&self.tokens.clone()).unwrap_or_default();
        let held = self.client().available_in(renter, token, At::Latest).await?;
        let registered = self.client().provider_of(owner.address(), At::Latest).await?;
        let max_slash = self.part(Amount(registered.free_bond().0 / 6));
        let penalty = if self.below(3) == 0 { Amount::ZERO } else { self.part(max_slash) };
        let arbiter = if self.below(4) == 0 { Address::ZERO } else { self.arbiter.address() };
        let rate = 1 + u128::from(self.below(3_000));
        let mut prices = [Price(0); 8];
        prices[0] = Price(rate * 1_000_000_000_000_000_000);
        let bid = Bid {
            provider: owner.address(),
            tenant: renter,
            token,
            order_hash: OrderHash(Default::default()),
            bid_epoch: registered.bid_epoch,
            salt: self.deals.len().try_into()?,
            valid_until: self.clock.saturating_add(1_000),
            start_window: 400,
            max_duration: u32::try_from(600 + self.below(3_000))?,
            notice_period: 100,
            max_slash,
            no_show_penalty: penalty,
            min_deposit: Amount::ZERO,
            split_bps: BasisPoints::new(u16::try_from(self.below(10_001))?)?,
            arbiter,
            prices: Prices(prices),
            limits: Limits([1, 0, 0, 0, 0, 0, 0, 0]),
        };
        let (id, signed) = owner.sign_bid(&self.client().eip712(), bid)?;
        let amount = self.part(Amount(held.0 / 6));
        let open = self.client().calls().open_lease(&signed, self.session.address(), amount)?;
        self.deals.push(Deal { id, bid, provider, tenant, conceded: Amount::ZERO });
        self.act(renter, open).await
    }

    async fn start_or_decline(&mut self) -> Result<()> {
        let Some((index, _)) = self.deal(|lease, _| lease.state == LeaseState::Open).await? else {
            return Ok(());
        };
        let (calls, deal) = (self.client().calls(), &self.deals[index]);
        let (provider, decline) = (self.people[deal.provider].address(), calls.decline(&deal.bid)?);
        // Those that are not open are passed over.
        let theirs = self.deals.iter().filter(|other| other.provider == deal.provider);
        let confirm = calls.confirm(&theirs.map(|other| other.id).collect::<Vec<_>>());
        let call = if self.below(9) == 0 { decline } else { confirm };
        self.act(provider, call).await
    }

    /// Nobody started in time: tenant or provider ends it.
    async fn leave_unstarted(&mut self) -> Result<()> {
        let Some((index, _)) = self.deal(|lease, _| lease.state == LeaseState::Open).await? else {
            return Ok(());
        };
        self.pass(401).await?;
        let (calls, deal) = (self.client().calls(), &self.deals[index]);
        let (provider, tenant) = (self.people[deal.provider].address(), self.people[deal.tenant].address());
        let (abort, decline) = (calls.abort(&deal.bid)?, calls.decline(&deal.bid)?);
        if self.below(2) == 0 { self.act(tenant, abort).await } else { self.act(provider, decline).await }
    }

    /// A batch of statements for one provider; in disputes, admissions.
    async fn settle(&mut self) -> Result<()> {
        let provider = usize::try_from(self.below(PROVIDERS.try_into()?))?;
        let leases = self.leases().await?;
        let mut batch = Vec::new();
        for (index, lease) in leases.iter().enumerate() {
            let deal = &self.deals[index];
            if deal.provider != provider || batch.len() == 4 {
                continue;
            }
            let id = deal.id;
            let statement = match (lease.state, lease.pending) {
                (LeaseState::Active, _) => {
                    let latest = self.next_time().min(lease.end_at);
                    let as_of = lease
                        .last_as_of
                        .saturating_add(self.below(latest.seconds_since(lease.last_as_of) + 1));
                    let cap = cap_cum(lease.paid, lease.rate_cap_e6, lease.last_as_of, as_of)?;
                    let more = self.part(cap.saturating_sub(lease.paid));
                    let amount_cum = lease.paid.saturating_add(more);
                    let last = self.below(4) == 0;
                    Statement { lease_id: id, amount_cum, as_of, usage_hash: id.0, last }
                }
                (LeaseState::Disputed, Some(pending)) if self.below(3) == 0 => {
                    let more = self.part(pending.cum.saturating_sub(lease.paid));
                    let amount_cum = lease.paid.saturating_add(more);
                    Statement { lease_id: id, amount_cum, as_of: lease.end_at, usage_hash: id.0, last: false }
                }
                _ => continue,
            };
            let signature = self.session.sign_statement(&self.client().eip712(), &statement)?;
            batch.push((statement, signature));
        }
        let call = self.client().calls().settle(&batch)?;
        self.act(self.people[provider].address(), call).await
    }

    /// A new claim, or what a dispute still allows.
    async fn claim(&mut self) -> Result<()> {
        let may = |lease: &Lease, _: &Deal| matches!(lease.state, LeaseState::Active | LeaseState::Disputed);
        let Some((index, lease)) = self.deal(may).await? else { return Ok(()) };
        let elapsed = lease.elapsed(self.next_time());
        let used = if self.below(3) == 0 { elapsed } else { self.below(elapsed + 1) };
        let usage = Usage([used.into(), 0, 0, 0, 0, 0, 0, 0]);
        let deal = &self.deals[index];
        let provider = self.people[deal.provider].address();
        let call = self.client().calls().claim(&[(deal.bid, usage)])?;
        self.act(provider, call).await
    }

    async fn mature(&mut self) -> Result<()> {
        let leases = self.leases().await?;
        let waiting = self.deals.iter().zip(&leases).filter(|(_, lease)| lease.pending.is_some());
        let waiting: Vec<_> = waiting.map(|(deal, _)| deal.id).collect();
        let (from, call) = (self.person(), self.client().calls().mature(&waiting));
        self.act(from, call).await
    }

    async fn dispute(&mut self) -> Result<()> {
        let now = self.next_time();
        let may = |lease: &Lease, _: &Deal| {
            let is_open = lease.pending.is_some_and(|claim| now.seconds_since(claim.filed_at) < 300);
            lease.state == LeaseState::Active && is_open
        };
        let Some((index, lease)) = self.deal(may).await? else { return self.claim().await };
        let Some(pending) = lease.pending else { return Ok(()) };
        let contestable = pending.cum.saturating_sub(lease.paid);
        let more = if self.below(2) == 0 { Amount::ZERO } else { self.part(contestable) };
        let conceded = lease.paid.saturating_add(more);
        let deal = &mut self.deals[index];
        deal.conceded = conceded;
        let (tenant, bid) = (self.people[deal.tenant].address(), deal.bid);
        let call = self.client().calls().dispute(&bid, conceded)?;
        self.act(tenant, call).await
    }

    /// The arbiter rules, or anybody applies the split.
    async fn rule(&mut self) -> Result<()> {
        let Some((index, lease)) = self.deal(|lease, _| lease.state == LeaseState::Disputed).await? else {
            return Ok(());
        };
        let (Some(pending), Some(disputed_at)) = (lease.pending, lease.disputed_at) else { return Ok(()) };
        let (bid, conceded) = (self.deals[index].bid, self.deals[index].conceded);
        let is_arbiters = bid.arbiter == self.arbiter.address() && self.below(4) > 0;
        let from = disputed_at.saturating_add(if is_arbiters { 302 } else { 901 });
        let wait = from.seconds_since(self.clock);
        self.pass(wait).await?;
        let calls = self.client().calls();
        if self.next_time() >= disputed_at.saturating_add(900) {
            let from = self.person();
            return self.act(from, calls.resolve(&bid, Amount::ZERO, Amount::ZERO)?).await;
        }
        let contested = pending.cum.saturating_sub(conceded);
        let award = if self.below(3) == 0 { contested } else { self.part(contested) };
        let slash = if self.below(3) == 0 { Amount::ZERO } else { self.part(bid.max_slash) };
        self.act(self.arbiter.address(), calls.resolve(&bid, award, slash)?).await
    }

    async fn end(&mut self) -> Result<()> {
        let Some((index, _)) = self.deal(|lease, _| lease.state == LeaseState::Active).await? else {
            return Ok(());
        };
        let (calls, deal) = (self.client().calls(), &self.deals[index]);
        let (provider, tenant) = (self.people[deal.provider].address(), self.people[deal.tenant].address());
        let (close, reclaim) = (calls.close_lease(deal.id), calls.reclaim(&deal.bid)?);
        if self.below(2) == 0 { self.act(tenant, close).await } else { self.act(provider, reclaim).await }
    }

    /// All ended leases at once, of whichever provider.
    async fn finalize(&mut self) -> Result<()> {
        let (leases, now) = (self.leases().await?, self.next_time());
        let ended = self
            .deals
            .iter()
            .zip(&leases)
            .filter(|(_, lease)| lease.state == LeaseState::Active && lease.end_at <= now);
        let ended: Vec<Bid> = ended.map(|(deal, _)| deal.bid).take(8).collect();
        let (from, call) = (self.person(), self.client().calls().finalize(&ended)?);
        self.act(from, call).await
    }

    /// By the tenant or by anybody else.
    async fn top_up(&mut self) -> Result<()> {
        let may = |lease: &Lease, _: &Deal| matches!(lease.state, LeaseState::Active | LeaseState::Open);
        let Some((index, lease)) = self.deal(may).await? else { return Ok(()) };
        let from = self.person();
        let held = self.client().available_in(from, lease.token, At::Latest).await?;
        let amount = self.part(Amount(held.0 / 3));
        let call = self.client().calls().top_up(self.deals[index].id, amount);
        self.act(from, call).await
    }

    async fn unbond(&mut self) -> Result<()> {
        let provider = usize::try_from(self.below(PROVIDERS.try_into()?))?;
        let owner = self.people[provider].address();
        let registered = self.client().provider_of(owner, At::Latest).await?;
        let calls = self.client().calls();
        if registered.unbonding.is_zero() || self.below(3) == 0 {
            let amount = self.part(Amount(registered.bond.0 / 5));
            return self.act(owner, calls.start_unbond(amount)).await;
        }
        let wait = registered.unbond_at.seconds_since(self.clock);
        self.pass(wait).await?;
        let to = self.person();
        self.act(owner, calls.withdraw_bond(to)).await
    }

    async fn add_bond(&mut self) -> Result<()> {
        let provider = usize::try_from(self.below(PROVIDERS.try_into()?))?;
        let amount = Amount(u128::from(self.below(20_000_000)));
        let call = self.client().calls().add_bond(amount);
        self.act(self.people[provider].address(), call).await
    }

    async fn take_compensation(&mut self) -> Result<()> {
        let mut owed = Vec::new();
        for account in self.accounts() {
            if !self.client().claimable_bond(account, At::Latest).await?.is_zero() {
                owed.push(account);
            }
        }
        let Some(account) = self.pick(&owed) else { return Ok(()) };
        let to = self.person();
        let call = self.client().calls().withdraw_claimable(to);
        self.act(account, call).await
    }

    /// Another fee, for another treasury: the administrator, or one of the people.
    async fn set_fee(&mut self) -> Result<()> {
        let treasury = if self.below(3) == 0 { self.admin() } else { self.person() };
        let fee_bps = u16::try_from(self.below(501))?;
        let data = m::setFeeCall { feeBps: fee_bps, treasury }.abi_encode();
        self.act(self.admin(), self.to_market("setFee", data)).await
    }

    /// For a while nothing comes in, and a dispute takes no more than the tenant has.
    async fn pause(&mut self) -> Result<()> {
        let paused = self.below(3) == 0;
        let data = m::setIntakePausedCall { paused }.abi_encode();
        self.act(self.admin(), self.to_market("setIntakePaused", data)).await
    }
}
