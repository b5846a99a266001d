//! When answers of several nodes make one. Pure.
//!
//! What so many nodes say as are needed is the answer. That something is **not** there counts only when nobody is left to ask: a node that lags
//! says so honestly.

use super::RpcError;
use crate::revert::Revert;

/// What one node says.
#[derive(Debug)]
pub(super) enum Said<T> {
    /// This.
    Value(T),
    /// That it has no such thing.
    Nothing(T),
    /// That the contract refuses, which is an answer.
    Reverted(Revert, RpcError),
    /// Nothing that can be used.
    Failed(RpcError),
}

impl<T: PartialEq> Said<T> {
    fn agrees_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Value(one), Self::Value(other)) => one == other,
            (Self::Nothing(_), Self::Nothing(_)) => true,
            (Self::Reverted(one, _), Self::Reverted(other, _)) => one == other,
            _ => false,
        }
    }

    fn into_error(self) -> Option<RpcError> {
        match self {
            Self::Reverted(_, error) | Self::Failed(error) => Some(error),
            Self::Value(_) | Self::Nothing(_) => None,
        }
    }

    /// Whether it says that the other is wrong, not only that it has not heard of it.
    fn contradicts(&self, other: &Self) -> bool {
        let says_something = |said: &Self| matches!(said, Self::Value(_) | Self::Reverted(..));
        says_something(self) && says_something(other) && !self.agrees_with(other)
    }
}

/// The answers so far, each with the node's number.
#[derive(Debug)]
pub(super) struct Ballot<T> {
    method: &'static str,
    needed: usize,
    heard: Vec<(usize, Said<T>)>,
}

/// What came of a ballot.
#[derive(Debug)]
pub(super) struct Decided<T> {
    pub(super) answer: Result<T, RpcError>,
    /// The nodes that said something else.
    pub(super) contradicting: Vec<usize>,
}

impl<T: PartialEq> Ballot<T> {
    pub(super) fn new(method: &'static str, needed: usize) -> Self {
        Self { method, needed: needed.max(1), heard: Vec::new() }
    }

    pub(super) fn hear(&mut self, node: usize, said: Said<T>) {
        self.heard.push((node, said));
    }

    /// Whether the answers stand, whatever others would say.
    pub(super) fn is_decided(&self) -> bool {
        self.winner(|said| !matches!(said, Said::Nothing(_))).is_some()
    }

    /// How many more of the same are needed at least.
    pub(super) fn missing(&self) -> usize {
        let most = self.heard.iter().map(|(_, said)| self.count(said)).max().unwrap_or(0);
        self.needed.saturating_sub(most)
    }

    /// Ends it: nobody else is asked.
    pub(super) fn close(mut self) -> Decided<T> {
        let winner = self.winner(|said| !matches!(said, Said::Nothing(_))).or_else(|| self.winner(|_| true));
        let Some(winner) = winner else { return self.without_a_winner() };
        let contradicting = self.contradicting(winner);
        let answer = match self.heard.swap_remove(winner).1 {
            Said::Value(value) | Said::Nothing(value) => Ok(value),
            Said::Reverted(_, error) | Said::Failed(error) => Err(error),
        };
        Decided { answer, contradicting }
    }

    /// The error where only so many nodes gave an answer of use.
    pub(super) fn too_few(self, answered: usize) -> RpcError {
        let (method, needed) = (self.method, self.needed);
        match self.heard.into_iter().find_map(|(_, said)| said.into_error()) {
            Some(error) if needed == 1 => error,
            Some(error) => RpcError::TooFew { method, needed, answered, source: Box::new(error) },
            None => RpcError::NoBlock,
        }
    }

    fn winner(&self, may_win: impl Fn(&Said<T>) -> bool) -> Option<usize> {
        self.heard.iter().position(|(_, said)| may_win(said) && self.count(said) >= self.needed)
    }

    fn count(&self, said: &Said<T>) -> usize {
        self.heard.iter().filter(|(_, other)| other.agrees_with(said)).count()
    }

    fn contradicting(&self, winner: usize) -> Vec<usize> {
        let Some((_, winner)) = self.heard.get(winner) else { return Vec::new() };
        self.heard.iter().filter(|(_, said)| said.contradicts(winner)).map(|(node, _)| *node).collect()
    }

    fn without_a_winner(self) -> Decided<T> {
        let (method, needed) = (self.method, self.needed);
        let agreed = needed - self.missing();
        let is_disputed =
            self.heard.iter().any(|(_, one)| self.heard.iter().any(|(_, other)| one.contradicts(other)));
        let answered = self.heard.iter().filter(|(_, said)| !matches!(said, Said::Failed(_))).count();
        let error = match answered == self.heard.len() || is_disputed {
            true => RpcError::Disagreement { method, needed, agreed },
            false => self.too_few(answered),
        };
        // Nobody knows which of them is right.
        Decided { answer: Err(error), contradicting: Vec::new() }
    }
}

#[cfg(test)]
#[path = "ballot/tests.rs"]
mod tests;
