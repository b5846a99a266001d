//! A sender that writes down what it signs: processes die at every call they make, blocks are dropped, other
//! processes take over. Deposits tell: the contract takes the same one as often as it is sent.

mod disk;
mod stuck;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chain::{At, JournalError, Outcome, Rpc, SendError, SenderConfig, TxSender};
use market::Amount;
use testkit::test_market::quick;
use testkit::{Fault, FaultyRpc, Gate, Moment, TestMarket};

use crate::support::until;
use disk::Disk;

/// What each deposit moves.
const SUM: Amount = Amount(7);

fn sender(market: &TestMarket, rpc: Rpc, config: SenderConfig, disk: &Disk) -> TxSender {
    TxSender::spawn_with_journal(rpc, *market.deployment(), market.tenant.clone(), config, disk.journal())
}

async fn deposited(market: &TestMarket) -> Result<Amount> {
    Ok(market.client.available(market.tenant.address(), At::Latest).await?)
}

/// A market whose tenant has approved more than is ever deposited.
async fn approved() -> Result<TestMarket> {
    let market = TestMarket::start().await?;
    market.run(&market.tenant, [market.client.calls().approve_market(Amount(1_000_000))]).await?;
    Ok(market)
}

/// What a process of ours does: waits for what an earlier one sent, looks at the chain, and sends what is missing.
async fn deposit_up_to(market: &TestMarket, sender: &TxSender, rpc: Rpc, wanted: Amount) -> Result<()> {
    let client = chain::ChainClient::unchecked(rpc, *market.deployment());
    loop {
        sender.ready().await?;
        if client.available(market.tenant.address(), At::Latest).await? >= wanted {
            return Ok(());
        }
        sender.execute(market.client.calls().deposit(market.tenant.address(), SUM)).await?;
    }
}

#[tokio::test]
async fn a_transaction_is_written_down_before_it_is_broadcast_and_struck_out_when_it_is_final() -> Result<()>
{
    let market = approved().await?;
    let disk = Disk::default();
    let (rpc, tenant) = (market.client.rpc().clone(), market.tenant.address());
    let nonce = rpc.mined_nonce(tenant).await?;
    disk.gate().arm(2, Moment::Before);
    let sender = sender(&market, rpc.clone(), quick(), &disk);
    let call = market.client.calls().deposit(tenant, SUM);
    let waiting = sender.clone();
    let job = tokio::spawn(async move { waiting.execute(call).await });
    disk.gate().reached().await;
    assert_eq!(rpc.pending_nonce(tenant).await?, nonce, "it was broadcast before it was written down");
    job.abort();
    drop(sender);

    // The next process knows of none, so it may use the nonce.
    disk.gate().disarm();
    let sender = self::sender(&market, rpc.clone(), quick(), &disk);
    let mined = sender.execute(market.client.calls().deposit(tenant, SUM)).await?;
    let entry = disk.entries().pop().context("nothing is written down")?;
    assert_eq!((entry.nonce, entry.call.as_str(), entry.hashes), (nonce, "deposit", vec![mined.tx_hash]));
    market.anvil.mine(5).await?;
    until("the end of the entry", || async { Ok(disk.entries().is_empty()) }).await
}

#[tokio::test]
async fn what_cannot_be_written_down_is_not_sent() -> Result<()> {
    let market = approved().await?;
    let disk = Disk::default();
    let (rpc, tenant) = (market.client.rpc().clone(), market.tenant.address());
    let sender = sender(&market, rpc.clone(), quick(), &disk);
    sender.ready().await?;
    disk.fail_next_write();
    let outcome = sender.send(market.client.calls().deposit(tenant, SUM)).await;
    let Outcome::Rejected(error @ SendError::Journal { .. }) = outcome else {
        anyhow::bail!("sent: {outcome:?}")
    };
    assert!(error.is_retriable());
    assert_eq!(deposited(&market).await?, Amount(0));
    sender.execute(market.client.calls().deposit(tenant, SUM)).await?;
    assert_eq!(deposited(&market).await?, SUM);
    Ok(())
}

/// Ends a process of two deposits at call `number` of it, and lets another one finish. None if it made fewer calls.
async fn die_at(market: &TestMarket, number: usize, moment: Moment) -> Result<Option<String>> {
    let gate = Gate::default();
    let disk = Disk::behind(gate.clone());
    let proxy = FaultyRpc::start_behind(market.anvil.url(), gate.clone()).await?;
    let (url, before) = (proxy.url(), deposited(market).await?);
    let wanted = Amount(before.0 + 2 * SUM.0);
    gate.arm(number, moment);
    let done = std::thread::scope(|scope| {
        let process = scope.spawn(|| -> Result<bool> {
            // A runtime that ends drops every task where it waits: nothing of it runs on.
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let ended = runtime.block_on(async {
                let rpc = Rpc::dial(url.parse()?)?;
                let sender = sender(market, rpc.clone(), quick(), &disk);
                tokio::select! {
                    biased;
                    () = gate.reached() => anyhow::Ok(false),
                    done = deposit_up_to(market, &sender, rpc, wanted) => done.map(|()| true),
                }
            });
            runtime.shutdown_background();
            ended
        });
        process.join().map_err(|_| anyhow::anyhow!("the process panicked"))?
    })?;
    let calls = gate.calls();
    gate.disarm();
    if done {
        return Ok(None);
    }
    let sender = sender(market, market.client.rpc().clone(), quick(), &disk);
    deposit_up_to(market, &sender, market.client.rpc().clone(), wanted).await?;
    let after = deposited(market).await?;
    ensure!(after == wanted, "{after} instead of {wanted} after dying {moment:?} call {number} of {calls:?}");
    Ok(calls.get(number - 1).cloned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_dies_at_any_call_pays_neither_twice_nor_not_at_all() -> Result<()> {
    let market = approved().await?;
    let mut held = Vec::new();
    for number in 1.. {
        let mut last = true;
        for moment in [Moment::Before, Moment::After] {
            if let Some(call) = die_at(&market, number, moment).await? {
                held.push(call);
                last = false;
            }
        }
        if last {
            break;
        }
    }
    for call in
        ["journal open", "journal write", "eth_call", "eth_sendRawTransaction", "eth_getTransactionReceipt"]
    {
        assert!(held.iter().any(|held| held == call), "no death at {call}: {held:?}");
    }
    assert!(held.len() > 40, "{held:?}");
    Ok(())
}

#[tokio::test]
async fn the_next_process_broadcasts_the_same_bytes_and_outbids_them_under_the_same_nonce() -> Result<()> {
    let market = approved().await?;
    let disk = Disk::default();
    let (rpc, tenant) = (market.client.rpc().clone(), market.tenant.address());
    let nonce = rpc.mined_nonce(tenant).await?;
    market.anvil.pause_mining().await?;
    let first = sender(&market, rpc.clone(), quick(), &disk);
    let call = market.client.calls().deposit(tenant, SUM);
    let job = tokio::spawn(async move { first.execute(call).await });
    until("the first broadcast", || async { Ok(rpc.pending_nonce(tenant).await? == nonce + 1) }).await?;
    let signed = disk.entries();
    job.abort();
    market.anvil.drop_pending().await?;

    let config = SenderConfig { bump_after: Duration::from_millis(300), ..quick() };
    let second = sender(&market, rpc.clone(), config, &disk);
    until("the same transaction", || async {
        let found: Option<serde_json::Value> =
            rpc.request("eth_getTransactionByHash", serde_json::json!([signed[0].hashes[0]])).await?;
        Ok(found.is_some())
    })
    .await?;
    until("a better offer", || async { Ok(disk.entries()[0].hashes.len() > 1) }).await?;
    let raised = disk.entries();
    assert_eq!((raised[0].nonce, raised[0].hashes[0]), (nonce, signed[0].hashes[0]));
    assert_ne!(raised[0].raw, signed[0].raw);
    market.anvil.resume_mining().await?;
    market.anvil.mine(1).await?;
    second.ready().await?;
    assert_eq!(deposited(&market).await?, SUM);
    assert_eq!(rpc.mined_nonce(tenant).await?, nonce + 1);
    Ok(())
}

#[tokio::test]
async fn the_later_of_two_processes_sends_and_the_earlier_one_is_told() -> Result<()> {
    let market = approved().await?;
    let disk = Disk::default();
    let (rpc, tenant) = (market.client.rpc().clone(), market.tenant.address());
    let deposit = || market.client.calls().deposit(tenant, SUM);
    let first = sender(&market, rpc.clone(), quick(), &disk);
    first.execute(deposit()).await?;
    let second = sender(&market, rpc.clone(), quick(), &disk);
    second.ready().await?;
    let outcome = first.send(deposit()).await;
    assert!(matches!(outcome, Outcome::Rejected(SendError::TakenOver)), "{outcome:?}");
    first.taken_over().await;
    second.execute(deposit()).await?;
    assert_eq!(deposited(&market).await?, Amount(2 * SUM.0));
    Ok(())
}

#[tokio::test]
async fn a_nonce_that_somebody_else_used_meanwhile_is_struck_out_and_sending_goes_on() -> Result<()> {
    let market = approved().await?;
    let disk = Disk::default();
    let (rpc, tenant) = (market.client.rpc().clone(), market.tenant.address());
    market.anvil.pause_mining().await?;
    let first = sender(&market, rpc.clone(), quick(), &disk);
    let call = market.client.calls().deposit(tenant, SUM);
    let job = tokio::spawn(async move { first.execute(call).await });
    until("the entry", || async { Ok(disk.entries().len() == 1) }).await?;
    job.abort();
    market.anvil.drop_pending().await?;
    market.anvil.resume_mining().await?;
    market.run(&market.tenant, [market.client.calls().approve_market(Amount(1_000))]).await?;

    let second = sender(&market, rpc.clone(), quick(), &disk);
    second.ready().await?;
    assert_eq!(deposited(&market).await?, Amount(0));
    second.execute(market.client.calls().deposit(tenant, SUM)).await?;
    assert_eq!(deposited(&market).await?, SUM);
    Ok(())
}

#[tokio::test]
async fn entries_that_are_not_of_this_key_are_left_out() -> Result<()> {
    let market = approved().await?;
    let disk = Disk::default();
    let rpc = market.client.rpc().clone();
    let tenant = market.tenant.address();
    market.anvil.pause_mining().await?;
    let first = sender(&market, rpc.clone(), quick(), &disk);
    let call = market.client.calls().deposit(tenant, SUM);
    let job = tokio::spawn(async move { first.execute(call).await });
    until("the entry", || async { Ok(disk.entries().len() == 1) }).await?;
    job.abort();
    market.anvil.resume_mining().await?;
    market.anvil.mine(1).await?;

    let key = market.operator.clone();
    let other = TxSender::spawn_with_journal(rpc, *market.deployment(), key, quick(), disk.journal());
    other.ready().await?;
    other.execute(market.client.calls().approve_market(SUM)).await?;
    let accounts: Vec<_> = disk.entries().into_iter().map(|entry| entry.call).collect();
    assert_eq!(accounts, ["approve"]);
    Ok(())
}

#[tokio::test]
async fn reorganisations_of_every_depth_up_to_64_lose_nothing() -> Result<()> {
    for depth in [1, 2, 3, 5, 8, 13, 21, 34, 48, 64] {
        let market = approved().await?;
        // As deep as this chain may reorganise, it calls nothing final.
        market.anvil.mine(2 * depth).await?;
        let disk = Disk::default();
        disk.keep_everything();
        let (rpc, tenant) = (market.client.rpc().clone(), market.tenant.address());
        let sender = sender(&market, rpc.clone(), quick(), &disk);
        for _ in 0..depth.min(16) {
            sender.execute(market.client.calls().deposit(tenant, SUM)).await?;
        }
        let wanted = Amount(SUM.0 * u128::from(depth.min(16)));
        let height = rpc.head().await?.number;
        market.anvil.mine(depth - depth.min(16)).await?;
        drop(sender);

        // The process that sees the reorganisation is another one than that which sent.
        market.anvil.reorg(depth).await?;
        ensure!(deposited(&market).await? == Amount(0), "nothing was dropped at depth {depth}");
        let second = self::sender(&market, rpc.clone(), quick(), &disk);
        second.ready().await?;
        ensure!(deposited(&market).await? == wanted, "lost at depth {depth}, mined up to {height}");
    }
    Ok(())
}

#[tokio::test]
async fn an_outage_of_half_an_hour_loses_nothing() -> Result<()> {
    let market = approved().await?;
    let proxy = FaultyRpc::start(market.anvil.url()).await?;
    let disk = Disk::default();
    let tenant = market.tenant.address();
    let config = SenderConfig { bump_after: Duration::from_millis(200), ..quick() };
    let sender = sender(&market, Rpc::dial(proxy.url().parse()?)?, config, &disk);
    market.anvil.pause_mining().await?;
    let waiting = sender.clone();
    let call = market.client.calls().deposit(tenant, SUM);
    let job = tokio::spawn(async move { waiting.execute(call).await });
    until("the entry", || async { Ok(disk.entries().len() == 1) }).await?;

    proxy.set(Fault::DropRequests);
    market.anvil.drop_pending().await?;
    let asked = proxy.total();
    // A block each minute, without us, and the base fee moves on.
    for _ in 0..30 {
        market.anvil.pass(60).await?;
    }
    market.anvil.set_next_base_fee(50_000_000_000).await?;
    until("attempts in vain", || async { Ok(proxy.total() > asked + 20) }).await?;
    assert_eq!(deposited(&market).await?, Amount(0));
    let refused = sender.send(market.client.calls().deposit(tenant, SUM)).await;
    assert!(matches!(refused, Outcome::Rejected(SendError::Rpc { .. })), "{refused:?}");

    proxy.set(Fault::None);
    market.anvil.resume_mining().await?;
    until("the deposit", || async { Ok(deposited(&market).await? == SUM) }).await?;
    assert!(job.await??.success);
    Ok(())
}

#[tokio::test]
async fn a_journal_that_is_full_forgets_what_is_in_a_block_before_it_refuses() -> Result<()> {
    let market = approved().await?;
    let disk = Disk::default();
    disk.keep_everything();
    disk.limit_to(3);
    let tenant = market.tenant.address();
    let sender = sender(&market, market.client.rpc().clone(), quick(), &disk);
    for _ in 0..5 {
        sender.execute(market.client.calls().deposit(tenant, SUM)).await?;
    }
    assert_eq!(deposited(&market).await?, Amount(5 * SUM.0));
    market.anvil.pause_mining().await?;
    disk.limit_to(1);
    let rpc = market.client.rpc();
    let waiting = sender.clone();
    let call = market.client.calls().deposit(tenant, SUM);
    let first = tokio::spawn(async move { waiting.execute(call).await });
    until("the only entry", || async {
        Ok(disk.entries().len() == 1 && rpc.pending_nonce(tenant).await? > 6)
    })
    .await?;
    let outcome = sender.send(market.client.calls().deposit(tenant, SUM)).await;
    let full = |error: &SendError| {
        matches!(error, SendError::Journal { source: JournalError::Full { needed: 2, limit: 1 }, .. })
    };
    assert!(matches!(&outcome, Outcome::Rejected(error) if full(error)), "{outcome:?}");
    market.anvil.mine(1).await?;
    assert!(first.await??.success);
    Ok(())
}
