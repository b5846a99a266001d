//! A market deployed from a parameters file: addresses, resumption, refusals, and who has which power afterwards.

use std::path::PathBuf;

use alloy::primitives::{Address, B256, Bytes, TxKind, keccak256};
use alloy::sol_types::SolCall;
use anyhow::{Context, Result};
use chain::abi::ILeaseMarket as m;
use chain::deploy::{
    Action, Administration, Artifacts, Blueprint, ChainState, ContractName, DeployError, FACTORY_COST,
    FACTORY_SIGNER, Guard, IAccessManager as a, Opcode, Params, PlanError, Progress, Record, RecordError,
    ReviewedParams, Runner, Span, bundle, check, first_block, install_factory, plan, test_token,
    transactions,
};
use chain::{At, Call, Deployment, HotKey, SendError, TxSender};
use serde_json::{Value, json};
use testkit::anvil::{Anvil, Mining};
use testkit::contracts;
use testkit::test_market::quick;

const FILE: &str = include_str!("../../../../contracts/deployments/params/anvil.yaml");

/// A chain with a token, and parameters of a market on it with keys for every role.
struct Site {
    anvil: Anvil,
    deployer: HotKey,
    admin: HotKey,
    guardian: HotKey,
    reviewed: ReviewedParams,
    artifacts: Artifacts,
    folder: tempfile::TempDir,
}

impl Site {
    async fn start(anvil: Anvil, out: PathBuf, guard: Guard) -> Result<Self> {
        let [deployer, admin, guardian] = std::array::from_fn(|_| HotKey::random());
        for key in [&deployer, &admin, &guardian] {
            anvil.fund(key.address()).await?;
        }
        let root = contracts::folder();
        let token = test_token(anvil.rpc(), &deployer, &root, &out, quick()).await?;
        let mut reviewed = Params::parse(FILE)?;
        let params = &mut reviewed.params;
        (params.deployer, params.bond_token, params.tokens[0].address) = (deployer.address(), token, token);
        (params.guard, params.rewards) = (guard, true);
        params.administration =
            Administration { admin: admin.address(), admin_delay: Span(600), guardian: guardian.address() };
        let artifacts = Artifacts::read(&root, &out, ContractName::wanted(params))?;
        let folder = tempfile::tempdir()?;
        Ok(Self { anvil, deployer, admin, guardian, reviewed, artifacts, folder })
    }

    async fn transient() -> Result<Self> {
        let out = contracts::artifacts()?;
        Self::start(Anvil::start(Mining::OnDemand)?, out, Guard::Transient).await
    }

    fn blueprint(&self) -> Result<Blueprint> {
        Ok(Blueprint::new(&self.reviewed.params, &self.artifacts)?)
    }

    async fn runner(&self) -> Result<Runner> {
        let rpc = self.anvil.rpc().clone();
        Ok(Runner::start(rpc, self.deployer.clone(), self.blueprint()?, quick()).await?)
    }

    async fn record(&self, runner: &Runner) -> Result<Record> {
        let (rpc, blueprint) = (self.anvil.rpc(), runner.blueprint());
        let first = first_block(rpc, blueprint, 0).await?;
        let sent = transactions(rpc, blueprint, first, runner.sent()).await?;
        let state = ChainState::read(rpc, blueprint).await?;
        Ok(Record::new(&self.reviewed, &self.artifacts, blueprint, &state, first, &sent)?)
    }

    fn sender(&self, key: &HotKey, deployment: Deployment) -> TxSender {
        TxSender::spawn(self.anvil.rpc().clone(), deployment, key.clone(), quick())
    }

    async fn nonce(&self) -> Result<u64> {
        Ok(self.anvil.rpc().pending_nonce(self.deployer.address()).await?)
    }
}

fn call(name: &'static str, to: Address, call: impl SolCall) -> Call {
    Call { name, to: TxKind::Call(to), data: call.abi_encode().into() }
}

async fn refusal(sender: &TxSender, call: Call) -> String {
    match sender.execute(call).await {
        Err(SendError::Reverted { reason, .. }) => reason.name().to_owned(),
        other => format!("{other:?}"),
    }
}

/// Everything that tells one finished deployment from another.
async fn end_state(site: &Site) -> Result<ChainState> {
    Ok(ChainState::read(site.anvil.rpc(), &site.blueprint()?).await?)
}

#[tokio::test]
async fn a_market_is_deployed_at_the_planned_addresses_and_a_second_run_does_nothing() -> Result<()> {
    let site = Site::transient().await?;
    let blueprint = site.blueprint()?;
    let before = plan(&blueprint, &end_state(&site).await?)?;
    let planned: Vec<Action> = before.iter().map(|step| step.action).collect();
    assert!(before.iter().all(|step| !step.done));
    let again = plan(&blueprint, &end_state(&site).await?)?;
    assert_eq!(before, again);

    let mut runner = site.runner().await?;
    let mut done = Vec::new();
    runner
        .finish(|progress| {
            if let Progress::Did { step, sent } = progress {
                done.push((step.action, sent.is_some()));
            }
        })
        .await?;
    assert_eq!(done, planned.iter().map(|action| (*action, true)).collect::<Vec<_>>());
    for contract in &blueprint.contracts {
        assert!(!site.anvil.rpc().code(contract.address).await?.is_empty(), "{}", contract.name);
    }

    let nonce = site.nonce().await?;
    let mut second = site.runner().await?;
    assert_eq!(second.advance().await?, Progress::Complete);
    assert_eq!(site.nonce().await?, nonce);

    // The record of the run that sent everything is the record of one that finds everything again.
    let (record, found) = (site.record(&runner).await?, site.record(&second).await?);
    assert_eq!(record, found);
    let details = record.details.as_ref().context("a record has details")?;
    assert!(details.transactions.iter().all(|transaction| transaction.hash.is_some()));
    let path = site.folder.path().join("31337.json");
    record.clone().write(&path)?;
    record.clone().write(&path)?;
    assert_eq!(Record::read(&path)?.as_ref(), Some(&record));
    let text = std::fs::read(&path)?;
    assert_eq!(serde_json::from_slice::<Deployment>(&text)?, blueprint.deployment(record.deployed_block));
    let other = Record { market: Address::repeat_byte(1), ..record.clone() };
    assert!(matches!(other.write(&path), Err(RecordError::OfAnother { .. })));

    let findings = check(site.anvil.rpc(), &record, &site.artifacts).await?;
    let differing: Vec<_> = findings.iter().filter(|finding| !finding.agrees()).collect();
    assert!(differing.is_empty() && findings.len() > 30, "{differing:?}");

    let solc = contracts::folder().canonicalize()?.join("tools/solc");
    let out = site.folder.path().join("bundle");
    let bundled = bundle(&record, &site.artifacts, &contracts::folder(), &solc, &out)?;
    assert_eq!(bundled.len(), 4);
    let index: Value = serde_json::from_slice(&std::fs::read(out.join("bundle.json"))?)?;
    assert_eq!(index["contracts"][2]["qualifiedName"], json!("src/LeaseMarket.sol:LeaseMarket"));
    let mut forged = record.clone();
    let details = forged.details.as_mut().context("a record has details")?;
    details.contracts[0].constructor_arguments = Bytes::from(vec![0; 32]);
    let refused = bundle(&forged, &site.artifacts, &contracts::folder(), &solc, &out);
    assert_eq!(
        refused.unwrap_err().to_string(),
        "the address of AccessManager differs from what was deployed"
    );
    let findings = check(site.anvil.rpc(), &forged, &site.artifacts).await?;
    let differing: Vec<_> =
        findings.iter().filter(|finding| !finding.agrees()).map(|finding| finding.what.as_str()).collect();
    assert_eq!(differing, ["recorded constructor arguments of AccessManager"]);
    Ok(())
}

#[tokio::test]
async fn a_run_that_ends_after_any_step_is_taken_up_by_the_next() -> Result<()> {
    let site = Site::transient().await?;
    let steps = site.blueprint()?.actions().len();
    for salt in 0..=steps {
        let mut site_of_salt = site.reviewed.clone();
        site_of_salt.params.salt = B256::with_last_byte(u8::try_from(salt)? + 1);
        let blueprint = Blueprint::new(&site_of_salt.params, &site.artifacts)?;
        let rpc = site.anvil.rpc();
        let mut first = Runner::start(rpc.clone(), site.deployer.clone(), blueprint.clone(), quick()).await?;
        for _ in 0..salt {
            assert!(matches!(first.advance().await?, Progress::Did { sent: Some(_), .. }));
        }
        drop(first);
        let mut second =
            Runner::start(rpc.clone(), site.deployer.clone(), blueprint.clone(), quick()).await?;
        let mut done = 0;
        second.finish(|progress| done += usize::from(*progress != Progress::Complete)).await?;
        assert_eq!(done, steps - salt);
        let state = ChainState::read(rpc, &blueprint).await?;
        assert!(plan(&blueprint, &state)?.iter().all(|step| step.done));
        let first = first_block(rpc, &blueprint, 0).await?;
        let sent = transactions(rpc, &blueprint, first, second.sent()).await?;
        assert_eq!(sent.len(), steps, "every transaction is found again");
        let record = Record::new(&site_of_salt, &site.artifacts, &blueprint, &state, first, &sent)?;
        let findings = check(rpc, &record, &site.artifacts).await?;
        assert!(findings.iter().all(|finding| finding.agrees()), "after {salt} steps: {findings:?}");
    }
    Ok(())
}

#[test]
fn a_run_that_ends_while_its_transaction_is_on_its_way_is_taken_up_by_the_next() -> Result<()> {
    let quiet = tokio::runtime::Runtime::new()?;
    let site = quiet.block_on(Site::transient())?;
    let steps = site.blueprint()?.actions().len();
    quiet.block_on(site.anvil.pause_mining())?;
    let killed = tokio::runtime::Runtime::new()?;
    let (rpc, key, blueprint) = (site.anvil.rpc().clone(), site.deployer.clone(), site.blueprint()?);
    let before = quiet.block_on(site.nonce())?;
    killed.spawn(async move {
        let mut runner = Runner::start(rpc, key, blueprint, quick()).await?;
        runner.advance().await
    });
    quiet.block_on(crate::support::until("the first transaction", async || {
        Ok(site.nonce().await? == before + 1)
    }))?;
    // Ends runner and sender at once, wherever they are.
    killed.shutdown_background();
    quiet.block_on(async {
        site.anvil.resume_mining().await?;
        site.anvil.mine(1).await?;
        let mut runner = site.runner().await?;
        runner.finish(|_| {}).await?;
        assert_eq!(site.nonce().await?, before + u64::try_from(steps)?, "no step was sent twice");
        let record = site.record(&runner).await?;
        assert!(check(site.anvil.rpc(), &record, &site.artifacts).await?.iter().all(|f| f.agrees()));
        Ok(())
    })
}

#[tokio::test]
async fn foreign_code_other_chains_tokens_and_keys_are_refused() -> Result<()> {
    let site = Site::transient().await?;
    let blueprint = site.blueprint()?;
    let rpc = site.anvil.rpc();
    let wrong = Runner::start(rpc.clone(), site.admin.clone(), blueprint.clone(), quick()).await;
    assert!(matches!(wrong, Err(DeployError::WrongKey { .. })));

    let state = end_state(&site).await?;
    let refused = |change: fn(&mut ChainState)| {
        let mut state = state.clone();
        change(&mut state);
        plan(&blueprint, &state).unwrap_err()
    };
    assert_eq!(refused(|s| s.chain_id = 1), PlanError::WrongChain { expected: 31337, found: 1 });
    assert_eq!(refused(|s| s.factory = None), PlanError::NoFactory);
    assert_eq!(refused(|s| s.factory = Some(B256::ZERO)), PlanError::ForeignFactory);
    let other = Address::repeat_byte(0x55);
    assert_eq!(
        refused(|s| s.market_of_registry = Some(Address::repeat_byte(0x55))),
        PlanError::ForeignMarket(other)
    );
    let missing = vec![Opcode::Transient];
    let error = refused(|s| s.missing_opcodes = vec![Opcode::Transient]);
    assert_eq!(error, PlanError::Opcodes { missing, guard: Guard::Transient });
    let error = refused(|s| s.tokens.values_mut().for_each(|token| token.decimals = 18));
    assert!(matches!(error, PlanError::Token { .. }));

    let foreign = Bytes::from_static(&[0xfe]);
    let address = blueprint.address(ContractName::ProviderRegistry);
    let _: Value = rpc.request("anvil_setCode", json!([address, foreign])).await?;
    let mut runner = site.runner().await?;
    match runner.advance().await {
        Err(DeployError::Plan(PlanError::ForeignCode { name, address: found_at, found, .. })) => {
            assert_eq!((name, found_at), (ContractName::ProviderRegistry, address));
            assert_eq!(found, keccak256(&foreign));
        }
        other => panic!("{other:?}"),
    }
    Ok(())
}

#[tokio::test]
async fn the_admin_waits_the_guardian_only_pauses_and_the_deployer_is_powerless() -> Result<()> {
    let site = Site::transient().await?;
    let mut runner = site.runner().await?;
    runner.finish(|_| {}).await?;
    let deployment = runner.blueprint().deployment(0);
    let manager = runner.blueprint().address(ContractName::AccessManager);
    let market = deployment.market;
    let [admin, guardian, deployer] =
        [&site.admin, &site.guardian, &site.deployer].map(|key| site.sender(key, deployment));
    let fee = || m::setFeeCall { feeBps: 250, treasury: Address::repeat_byte(0x11) };
    let pause = |paused| m::setIntakePausedCall { paused };
    let grant = |account| a::grantRoleCall { roleId: 0, account, executionDelay: 0 };

    // Nobody can do anything at once but the guardian, and it only one thing.
    for sender in [&guardian, &deployer] {
        let name = refusal(sender, call("setFee", market, fee())).await;
        assert_eq!(name, "AccessManagedUnauthorized");
    }
    assert_ne!(refusal(&admin, call("setFee", market, fee())).await, "");
    let state = end_state(&site).await?;
    assert_eq!(state.market.as_ref().map(|market| market.fee_bps), Some(site.reviewed.params.fee_bps));
    for sender in [&guardian, &deployer, &admin] {
        let outcome = sender.execute(call("grantRole", manager, grant(sender.account()))).await;
        assert!(outcome.is_err(), "{outcome:?}");
    }
    let name = refusal(&deployer, call("setIntakePaused", market, pause(true))).await;
    assert_eq!(name, "AccessManagedUnauthorized");
    guardian.execute(call("setIntakePaused", market, pause(true))).await?;
    assert!(end_state(&site).await?.market.context("the market is there")?.intake_paused);
    guardian.execute(call("setIntakePaused", market, pause(false))).await?;
    let schedule =
        a::scheduleCall { target: market, data: fee().abi_encode().into(), when: Default::default() };
    for sender in [&guardian, &deployer] {
        assert!(sender.execute(call("schedule", manager, schedule.clone())).await.is_err());
    }

    // The admin announces, waits, and does.
    admin.execute(call("schedule", manager, schedule)).await?;
    let execute = a::executeCall { target: market, data: fee().abi_encode().into() };
    assert!(admin.execute(call("execute", manager, execute.clone())).await.is_err());
    site.anvil.pass(600).await?;
    admin.execute(call("execute", manager, execute)).await?;
    let changed = end_state(&site).await?.market.context("the market is there")?;
    assert_eq!((changed.fee_bps, changed.treasury), (250, Address::repeat_byte(0x11)));

    // The deployment is no longer as recorded, and the deployer cannot repair it.
    let record = site.record(&runner).await?;
    let findings = check(site.anvil.rpc(), &record, &site.artifacts).await?;
    let differing: Vec<_> =
        findings.iter().filter(|finding| !finding.agrees()).map(|finding| finding.what.as_str()).collect();
    assert_eq!(differing, ["fee", "treasury", "left to do"]);
    let refused = runner.advance().await;
    assert!(matches!(refused, Err(DeployError::Plan(PlanError::HandedOver(_)))), "{refused:?}");
    Ok(())
}

#[tokio::test]
async fn a_chain_without_the_proxy_gets_it_by_the_presigned_transaction() -> Result<()> {
    let out = contracts::artifacts()?;
    let anvil = Anvil::start_with(Mining::OnDemand, &["--disable-default-create2-deployer"])?;
    let site = Site::start(anvil, out, Guard::Transient).await?;
    let rpc = site.anvil.rpc();
    let refused = site.runner().await?.advance().await;
    assert!(matches!(refused, Err(DeployError::Plan(PlanError::NoFactory))), "{refused:?}");
    let poll = quick().poll_interval;
    match install_factory(rpc, poll).await {
        Err(DeployError::FactoryFunds { missing }) => assert_eq!(missing, FACTORY_COST),
        other => panic!("{other:?}"),
    }
    let _: Value = rpc.request("anvil_setBalance", json!([FACTORY_SIGNER, FACTORY_COST])).await?;
    assert!(install_factory(rpc, poll).await?.is_some());
    assert_eq!(install_factory(rpc, poll).await?, None);
    assert!(rpc.native_balance(FACTORY_SIGNER).await? < FACTORY_COST);
    site.runner().await?.finish(|_| {}).await?;
    Ok(())
}

#[tokio::test]
async fn a_chain_without_transient_storage_takes_the_storage_guard_only() -> Result<()> {
    let paris = || Anvil::start_with(Mining::OnDemand, &["--hardfork", "paris"]);
    // The test token is in both trees; only the storage tree's runs before Shanghai.
    let storage = Site::start(paris()?, contracts::storage_guard_artifacts()?, Guard::Storage).await?;
    let out = contracts::artifacts()?;
    let mut params = storage.reviewed.params.clone();
    params.guard = Guard::Transient;
    let artifacts = Artifacts::read(&contracts::folder(), &out, ContractName::wanted(&params))?;
    let blueprint = Blueprint::new(&params, &artifacts)?;
    let state = ChainState::read(storage.anvil.rpc(), &blueprint).await?;
    let missing = vec![Opcode::Push0, Opcode::Mcopy, Opcode::Transient];
    assert_eq!(state.missing_opcodes, missing);
    let refused = plan(&blueprint, &state).unwrap_err();
    assert_eq!(refused, PlanError::Opcodes { missing, guard: Guard::Transient });
    assert!(refused.to_string().contains("set `guard: storage`"));

    let mut runner = storage.runner().await?;
    runner.finish(|_| {}).await?;
    let record = storage.record(&runner).await?;
    let findings = check(storage.anvil.rpc(), &record, &storage.artifacts).await?;
    assert!(findings.iter().all(|finding| finding.agrees()), "{findings:?}");
    let market = testkit::TestMarket::on(
        storage.anvil,
        storage.deployer.clone(),
        runner.blueprint().deployment(record.deployed_block),
    )
    .await?;
    let (lease, signed) = crate::life_cycle::open(&market).await?;
    let calls = market.client.calls();
    market.run(&market.operator, [calls.confirm(&[lease])]).await?;
    market.run(&market.tenant, [calls.close_lease(lease)]).await?;
    market.anvil.pass(301).await?;
    let before = market.client.available(market.tenant.address(), At::Latest).await?;
    market.run(&market.tenant, [calls.finalize(&[signed.bid])?]).await?;
    let after = market.client.available(market.tenant.address(), At::Latest).await?;
    assert_eq!(after.0 - before.0, crate::life_cycle::LOCKED.0);
    Ok(())
}
