//! Several nodes, asked as one.
//!
//! | What is asked | Whom | What counts |
//! |---|---|---|
//! | facts that do not change: blocks, logs, calls at a block, receipts | as many as needed, others when these fail, differ or are slow | what so many of them say alike |
//! | numbers of the moment: heads, pending nonces | all that did not fail lately | the highest that so many have reached |
//! | opinions: gas, tips | the same | the same, so that no one node decides alone |
//! | a signed transaction | all | that one of them takes it |

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use super::RpcError;
use super::ballot::{Ballot, Said};
use super::node::Node;

/// After how long without a decision one more node is asked.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long the slower nodes are waited for once enough have answered.
const GRACE: Duration = Duration::from_millis(250);

/// What a node did, as far as an operator wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NodeDeed {
    /// It answered.
    Answered,
    /// It did not answer, or with something that cannot be used.
    Failed,
    /// It answered something else than the nodes that were believed.
    Contradicted,
}

const NO_NODE: RpcError = RpcError::Nodes("no node is configured");

/// A node's position and its answer.
type Heard = (usize, Result<Value, RpcError>);

/// Told the position of a node, as configured, and what it did.
pub type NodeWatch = Arc<dyn Fn(usize, NodeDeed) + Send + Sync>;

/// The nodes, and how many of them must agree.
#[derive(Clone)]
pub(super) struct Panel {
    nodes: Arc<[Node]>,
    needed: usize,
    watch: Option<NodeWatch>,
}

impl std::fmt::Debug for Panel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the nodes: an address may hold the key to its use.
        write!(f, "Panel({} of {})", self.needed, self.nodes.len())
    }
}

/// An answer that several nodes can be compared by.
pub(super) trait Answer: DeserializeOwned + PartialEq + Send + 'static {
    /// Whether it says that there is no such thing.
    fn is_nothing(&self) -> bool {
        false
    }

    /// Without what nodes add or leave out as they like.
    fn comparable(self) -> Self {
        self
    }
}

impl Panel {
    pub(super) fn new(nodes: Vec<Node>, needed: usize) -> Self {
        Self { nodes: nodes.into(), needed, watch: None }
    }

    pub(super) fn watched(mut self, watch: NodeWatch) -> Self {
        self.watch = Some(watch);
        self
    }

    /// Whether there is anybody to compare with.
    pub(super) fn has_one(&self) -> bool {
        self.nodes.len() == 1
    }

    /// A fact.
    pub(super) async fn agreed<T: Answer>(&self, method: &'static str, params: Value) -> Result<T, RpcError> {
        if self.has_one() {
            return self.alone(method, params).await;
        }
        let (order, awake) = self.order_and_awake();
        let (mut ballot, mut asked, mut next) = (Ballot::new(method, self.needed), JoinSet::new(), 0);
        let mut hurry = 0;
        while !ballot.is_decided() {
            let missing = ballot.missing();
            // That something is not there is believed without those that failed lately.
            let last = if missing == 0 { awake } else { order.len() };
            let wanted = missing.max(1) + std::mem::take(&mut hurry);
            while asked.len() < wanted && next < last {
                order.get(next).into_iter().for_each(|node| self.ask(&mut asked, *node, method, &params));
                next += 1;
            }
            tokio::select! {
                heard = asked.join_next() => match heard {
                    // A task that was cut off by a panic has nothing to say.
                    Some(Err(_)) => {}
                    Some(Ok((node, answer))) => ballot.hear(node, self.said(method, node, answer)),
                    None => break,
                },
                () = sleep(PATIENCE), if next < last => hurry = asked.len(),
            }
        }
        let decided = ballot.close();
        for node in decided.contradicting {
            self.tell(node, NodeDeed::Contradicted);
            tracing::warn!(node, method, "a node says something else than the others");
        }
        decided.answer
    }

    /// Something that moves and is only ever too low where a node lags: the highest that as many as needed have reached.
    pub(super) async fn reached<T: Answer, K: Ord>(
        &self,
        method: &'static str,
        params: Value,
        key: impl Fn(&T) -> K,
    ) -> Result<T, RpcError> {
        if self.has_one() {
            return self.alone(method, params).await;
        }
        let said = self.gathered(method, &params, |_: &T| true).await;
        let mut values = Vec::new();
        let mut ballot = Ballot::new(method, self.needed);
        for (node, said) in said {
            match said {
                Said::Value(value) => values.push(value),
                other => ballot.hear(node, other),
            }
        }
        if values.len() < self.needed {
            return Err(ballot.too_few(values.len()));
        }
        values.sort_by_key(|value| std::cmp::Reverse(key(value)));
        Ok(values.swap_remove(self.needed - 1))
    }

    /// Leaves nodes alone for a while that do not say what they must; an error if too few are left.
    pub(super) async fn expected<T: Answer>(
        &self,
        method: &'static str,
        params: Value,
        check: impl Fn(&T) -> Result<(), RpcError>,
    ) -> Result<(), RpcError> {
        if self.has_one() {
            return check(&self.alone(method, params).await?);
        }
        let said = self.gathered(method, &params, |value: &T| check(value).is_ok()).await;
        let (mut right, mut wrong, mut ballot) = (0, None, Ballot::<T>::new(method, self.needed));
        for (node, said) in said {
            match said {
                Said::Value(value) => match check(&value) {
                    Ok(()) => right += 1,
                    Err(error) => {
                        tracing::warn!(node, %error, "a node is left alone for a while");
                        self.fail(node);
                        wrong = Some(error);
                    }
                },
                other => ballot.hear(node, other),
            }
        }
        match wrong {
            _ if right >= self.needed => Ok(()),
            Some(wrong) => Err(wrong),
            None => Err(ballot.too_few(right)),
        }
    }

    /// Gives something to every node. The first that takes it is the answer; the others are given it all the same.
    pub(super) async fn given<T: Answer>(&self, method: &'static str, params: Value) -> Result<T, RpcError> {
        if self.has_one() {
            return self.alone(method, params).await;
        }
        let mut asked = self.ask_all(&self.order(), method, &params);
        let mut refused: Option<RpcError> = None;
        while let Some(heard) = asked.join_next().await {
            let Ok((node, answer)) = heard else { continue };
            match self.said(method, node, answer) {
                Said::Value(taken) | Said::Nothing(taken) => {
                    asked.detach_all();
                    return Ok(taken);
                }
                // A node's words say more than a connection that failed.
                Said::Reverted(_, error) | Said::Failed(error)
                    if refused.as_ref().is_none_or(|earlier| earlier.message().is_none()) =>
                {
                    refused = Some(error);
                }
                Said::Reverted(..) | Said::Failed(_) => {}
            }
        }
        Err(refused.unwrap_or(NO_NODE))
    }

    /// What all nodes say, or those that are not much slower than as many as needed whose word is good.
    async fn gathered<T: Answer>(
        &self,
        method: &'static str,
        params: &Value,
        is_good: impl Fn(&T) -> bool,
    ) -> Vec<(usize, Said<T>)> {
        let (order, awake) = self.order_and_awake();
        let (awake, resting) = order.split_at_checked(awake).unwrap_or((&order, &[]));
        let mut asked = self.ask_all(awake, method, params);
        // Those that failed lately only where the others are too few.
        let mut in_reserve = Some(resting);
        let (mut said, mut good, mut deadline) = (Vec::new(), 0, None);
        loop {
            if good + asked.len() < self.needed
                && let Some(resting) = in_reserve.take()
            {
                resting.iter().for_each(|node| self.ask(&mut asked, *node, method, params));
            }
            let heard = match deadline {
                None => asked.join_next().await,
                Some(deadline) => timeout_at(deadline, asked.join_next()).await.unwrap_or(None),
            };
            match heard {
                None => return said,
                Some(Err(_)) => {}
                Some(Ok((node, answer))) => {
                    let heard = self.said(method, node, answer);
                    good += usize::from(matches!(&heard, Said::Value(value) if is_good(value)));
                    said.push((node, heard));
                }
            }
            if good >= self.needed && deadline.is_none() {
                deadline = Some(Instant::now() + GRACE);
            }
        }
    }

    async fn alone<T: Answer>(&self, method: &'static str, params: Value) -> Result<T, RpcError> {
        let answer = self.first(method, params).await;
        match self.said(method, 0, answer) {
            Said::Value(value) | Said::Nothing(value) => Ok(value),
            Said::Reverted(_, error) | Said::Failed(error) => Err(error),
        }
    }

    /// The first node's own answer, to anything.
    pub(super) async fn first(&self, method: &'static str, params: Value) -> Result<Value, RpcError> {
        match self.nodes.first() {
            Some(node) => node.ask(method, params).await,
            None => Err(NO_NODE),
        }
    }

    /// Nodes in the order in which they are asked: those that failed lately come last.
    fn order(&self) -> Vec<usize> {
        self.order_and_awake().0
    }

    /// The same, and how many of them did not fail lately.
    fn order_and_awake(&self) -> (Vec<usize>, usize) {
        let is_resting = |node: &usize| self.nodes.get(*node).is_some_and(Node::is_resting);
        let (resting, mut order): (Vec<_>, Vec<_>) = (0..self.nodes.len()).partition(is_resting);
        let awake = order.len();
        order.extend(resting);
        (order, awake)
    }

    fn ask_all(&self, nodes: &[usize], method: &'static str, params: &Value) -> JoinSet<Heard> {
        let mut asked = JoinSet::new();
        nodes.iter().for_each(|node| self.ask(&mut asked, *node, method, params));
        asked
    }

    fn ask(&self, asked: &mut JoinSet<Heard>, node: usize, method: &'static str, params: &Value) {
        let (nodes, params) = (Arc::clone(&self.nodes), params.clone());
        asked.spawn(async move {
            let answer = match nodes.get(node) {
                Some(asked) => asked.ask(method, params).await,
                None => Err(NO_NODE),
            };
            (node, answer)
        });
    }

    fn said<T: Answer>(&self, method: &'static str, node: usize, answer: Result<Value, RpcError>) -> Said<T> {
        let parsed = answer.and_then(|answer| {
            serde_json::from_value::<T>(answer).map_err(|source| RpcError::Answer { method, source })
        });
        let said = match parsed {
            Ok(value) if value.is_nothing() => Said::Nothing(value),
            Ok(value) => Said::Value(value.comparable()),
            Err(error) => match error.revert() {
                Some(revert) => Said::Reverted(revert, error),
                None => Said::Failed(error),
            },
        };
        match &said {
            Said::Failed(error) if !error.is_refused() => self.fail(node),
            Said::Failed(_) => self.tell(node, NodeDeed::Failed),
            _ => {
                if let Some(node) = self.nodes.get(node) {
                    node.answered();
                }
                self.tell(node, NodeDeed::Answered);
            }
        }
        said
    }

    fn fail(&self, node: usize) {
        if let Some(node) = self.nodes.get(node) {
            node.failed();
        }
        self.tell(node, NodeDeed::Failed);
    }

    fn tell(&self, node: usize, deed: NodeDeed) {
        if let Some(watch) = &self.watch {
            watch(node, deed);
        }
    }
}
