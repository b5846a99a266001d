//! What runs inside the canary's pods: `operator canary listen` and `operator canary dial`.
//!
//! The dialer tells what it found by its exit code alone, which the operator reads in the pod's status.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use telemetry::CancellationToken;
use tokio::net::{TcpListener, TcpStream};

use super::{
    enforcement::{Finding, Open},
    leases::{ALLOWED, EGRESS, INGRESS},
};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(2);
/// Time between two rounds.
const PAUSE: Duration = Duration::from_secs(1);
/// Rounds in a row that must show the same before it counts: plug-ins need moments to take up a new pod.
const SETTLED: usize = 3;
/// Rounds after which what still is open counts as open.
const MOST_ROUNDS: usize = 20;

/// What one round saw. `true` is a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// The connection that both sides allow.
    pub allowed: bool,
    /// The connection that the listener's side forbids.
    pub ingress: bool,
    /// The connection that the dialer's side forbids.
    pub egress: bool,
}

impl Round {
    /// What it shows: nothing where not even the allowed connection works.
    fn open(self) -> Option<Option<Open>> {
        self.allowed.then_some(match (self.ingress, self.egress) {
            (false, false) => None,
            (true, false) => Some(Open::Ingress),
            (false, true) => Some(Open::Egress),
            (true, true) => Some(Open::Both),
        })
    }
}

/// What the dialer says at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Both forbidden connections failed.
    Enforced,
    /// A forbidden one worked.
    Open(Open),
    /// The allowed one failed, or what was seen changed with every round.
    Unsettled,
}

impl Word {
    const ALL: [Self; 5] = [
        Self::Enforced,
        Self::Open(Open::Ingress),
        Self::Open(Open::Egress),
        Self::Open(Open::Both),
        Self::Unsettled,
    ];

    /// The exit code. Those of a process that fails in some other way are others.
    pub fn exit_code(self) -> i32 {
        match self {
            Self::Enforced => 40,
            Self::Open(Open::Ingress) => 41,
            Self::Open(Open::Egress) => 42,
            Self::Open(Open::Both) => 43,
            Self::Unsettled => 44,
        }
    }

    /// Reads it back.
    pub fn of_exit_code(code: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|word| word.exit_code() == code)
    }

    /// What it means for the proof.
    pub fn finding(self) -> Finding {
        match self {
            Self::Enforced => Finding::Enforced,
            Self::Open(open) => Finding::Open(open),
            Self::Unsettled => Finding::Inconclusive {
                why: "the connection that the policies allow did not work either".to_owned(),
            },
        }
    }
}

/// Decides after a round, with all before it. Closed counts once it holds; open only when it has not closed to the end.
fn judge(rounds: &[Round]) -> Option<Word> {
    let last = rounds.len().checked_sub(SETTLED).map(|from| &rounds[from..])?;
    let same = last.iter().all(|round| round == &last[0]);
    match last[0].open().filter(|_| same) {
        Some(None) => Some(Word::Enforced),
        _ if rounds.len() < MOST_ROUNDS => None,
        Some(Some(open)) => Some(Word::Open(open)),
        None => Some(Word::Unsettled),
    }
}

/// Tries the three connections until it is clear what gets through.
pub async fn dial(listener: IpAddr) -> Word {
    let mut rounds = Vec::new();
    loop {
        let (ingress, egress) = futures::join!(connects(listener, INGRESS), connects(listener, EGRESS));
        // Last, so that a listener which went away meanwhile does not look like a closed door.
        let allowed = connects(listener, ALLOWED).await;
        rounds.push(Round { allowed, ingress, egress });
        if let Some(word) = judge(&rounds) {
            return word;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn connects(address: IpAddr, port: u16) -> bool {
    let connecting = TcpStream::connect(SocketAddr::new(address, port));
    matches!(tokio::time::timeout(CONNECT, connecting).await, Ok(Ok(_)))
}

/// Accepts connections on every port, and closes them, until the shutdown.
pub async fn listen(shutdown: CancellationToken) -> io::Result<()> {
    let listeners = futures::future::try_join_all([ALLOWED, INGRESS, EGRESS].map(bind)).await?;
    let accepting = futures::future::join_all(listeners.iter().map(accept));
    tokio::select! {
        _ = accepting => {}
        () = shutdown.cancelled() => {}
    }
    Ok(())
}

/// Both families where the node has both.
async fn bind(port: u16) -> io::Result<TcpListener> {
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
        Ok(listener) => Ok(listener),
        Err(_) => TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await,
    }
}

async fn accept(listener: &TcpListener) {
    loop {
        if let Err(error) = listener.accept().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "failed to accept a connection");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOSED: Round = Round { allowed: true, ingress: false, egress: false };
    const DEAD: Round = Round { allowed: false, ingress: false, egress: false };

    fn judged(rounds: &[(Round, usize)]) -> (Option<Word>, usize) {
        let rounds: Vec<Round> = rounds.iter().flat_map(|(round, times)| vec![*round; *times]).collect();
        let words = (1..=rounds.len()).map(|count| (judge(&rounds[..count]), count));
        words.clone().find(|(word, _)| word.is_some()).unwrap_or((None, rounds.len()))
    }

    #[test]
    fn closed_counts_when_it_holds_and_open_only_at_the_end() {
        let ingress = Round { ingress: true, ..CLOSED };
        let egress = Round { egress: true, ..CLOSED };
        let both = Round { ingress: true, egress: true, ..CLOSED };
        assert_eq!(judged(&[(CLOSED, 2)]), (None, 2));
        assert_eq!(judged(&[(CLOSED, 3)]), (Some(Word::Enforced), 3));
        assert_eq!(judged(&[(both, 5), (ingress, 1), (CLOSED, 9)]), (Some(Word::Enforced), 9));
        assert_eq!(judged(&[(ingress, 30)]), (Some(Word::Open(Open::Ingress)), MOST_ROUNDS));
        assert_eq!(judged(&[(DEAD, 4), (egress, 30)]), (Some(Word::Open(Open::Egress)), MOST_ROUNDS));
        assert_eq!(judged(&[(CLOSED, 2), (both, 30)]), (Some(Word::Open(Open::Both)), MOST_ROUNDS));
    }

    /// A dead listener refuses everything, and that is no proof.
    #[test]
    fn nothing_is_said_without_the_allowed_connection() {
        assert_eq!(judged(&[(DEAD, 30)]), (Some(Word::Unsettled), MOST_ROUNDS));
        let odd = Round { ingress: true, ..DEAD };
        assert_eq!(judged(&[(odd, 30)]), (Some(Word::Unsettled), MOST_ROUNDS));
        let turns: Vec<(Round, usize)> =
            (0..30).map(|turn| (if turn % 2 == 0 { CLOSED } else { DEAD }, 1)).collect();
        assert_eq!(judged(&turns), (Some(Word::Unsettled), MOST_ROUNDS));
    }

    #[test]
    fn words_are_read_back_from_their_codes_and_other_codes_say_nothing() {
        for word in Word::ALL {
            assert_eq!(Word::of_exit_code(word.exit_code()), Some(word));
        }
        for code in [-1, 0, 1, 2, 101, 126, 127, 137, 139, 143] {
            assert_eq!(Word::of_exit_code(code), None, "{code}");
        }
    }

    #[tokio::test]
    async fn a_listener_is_reached_until_it_is_gone() {
        let here = IpAddr::from(Ipv4Addr::LOCALHOST);
        let listener = bind(0).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::select! {
            () = accept(&listener) => unreachable!("it accepts for ever"),
            reached = connects(here, port) => assert!(reached),
        }
        drop(listener);
        assert!(!connects(here, port).await);
    }
}
