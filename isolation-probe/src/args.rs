//! The command line: one command for each part that the probe plays.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, Subcommand, ValueEnum};
use signal_hook::consts::SIGTERM;
use signal_hook::flag;

use crate::attempt::{self, FROM_INSIDE};
use crate::rows::ROWS;
use crate::targets::Targets;
use crate::work::{self, Shift};
use crate::{load, send, serve};

/// The last line of a run; without it the lines before are not all.
pub const DONE: &str = r#"{"done":true}"#;

/// What a process returns that a signal has ended. With 0, an evicted pod would count as one that has done its work.
const ENDED: i32 = 128 + SIGTERM;

/// Tries what a hostile tenant would try, and says what came of it.
#[derive(Debug, Parser)]
#[command(name = "isolation-probe", version)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Try the rows of the table that can be tried from inside, and print one line of JSON for each attempt.
    Run {
        /// Where to aim, as JSON.
        #[arg(long, env = "ISOLATION_TARGETS")]
        targets: String,
        /// Rows to try; all that can be tried from inside if left out.
        #[arg(long, value_delimiter = ',')]
        rows: Vec<u8>,
        /// What to do afterwards: a workload of a lease is started again when it ends.
        #[arg(long, value_enum, default_value_t = Afterwards::End)]
        afterwards: Afterwards,
    },
    /// Answer whoever connects.
    Serve {
        /// Addresses for connections.
        #[arg(long, value_delimiter = ',', default_value = "0.0.0.0:8080")]
        tcp: Vec<SocketAddr>,
        /// Addresses for questions.
        #[arg(long, value_delimiter = ',')]
        udp: Vec<SocketAddr>,
        /// Addresses for connections that only take what comes.
        #[arg(long, value_delimiter = ',')]
        sink: Vec<SocketAddr>,
    },
    /// Take memory without end.
    Burn {
        /// How much.
        #[arg(long)]
        bytes: usize,
    },
    /// Fill the disk.
    Fill {
        /// How much.
        #[arg(long)]
        bytes: usize,
        /// Where.
        #[arg(long, default_value = "/tmp/fill")]
        path: PathBuf,
    },
    /// Write log lines without end.
    Flood {
        /// How much.
        #[arg(long)]
        bytes: usize,
    },
    /// Send as fast as it goes, and say how fast that was.
    Send {
        /// To whom.
        #[arg(long)]
        to: SocketAddr,
    },
    /// Take a share of a processor for a time.
    Spin {
        /// Hundredths of a processor.
        #[arg(long)]
        percent: u32,
        /// Seconds to wait first.
        #[arg(long, default_value_t = 0)]
        after: u64,
        /// Seconds to work; until the end if left out.
        #[arg(long)]
        seconds: Option<u64>,
    },
    /// Send so many bytes.
    Transfer {
        /// To whom: HOST:PORT.
        #[arg(long)]
        to: String,
        /// How many.
        #[arg(long)]
        bytes: u64,
        /// Seconds to wait first.
        #[arg(long, default_value_t = 0)]
        after: u64,
    },
    /// Print the table as JSON.
    Rows,
}

/// What follows a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Afterwards {
    /// The process ends.
    End,
    /// The process waits to be ended.
    Wait,
}

impl Args {
    /// Does what was asked for.
    ///
    /// # Errors
    /// When the targets cannot be read, or a part cannot be played.
    pub fn run(self) -> anyhow::Result<()> {
        let Self { command } = self;
        // The first process of a container has no handler of its own, so without this one every pod would end late.
        flag::register_conditional_shutdown(SIGTERM, ENDED, Arc::new(AtomicBool::new(true)))
            .context("failed to listen for the end")?;
        match command {
            Command::Run { targets, rows, afterwards } => run(&targets, &rows, afterwards),
            Command::Serve { tcp, udp, sink } => serve::serve(&tcp, &udp, &sink),
            Command::Burn { bytes } => load::memory(bytes),
            Command::Fill { bytes, path } => load::fill(&path, bytes),
            Command::Flood { bytes } => load::flood(bytes),
            Command::Send { to } => send::send(to),
            Command::Spin { percent, after, seconds } => {
                let (after, length) = (Duration::from_secs(after), seconds.map(Duration::from_secs));
                work::spin(percent, Shift { after, length })
            }
            Command::Transfer { to, bytes, after } => work::transfer(&to, bytes, Duration::from_secs(after)),
            Command::Rows => {
                println!("{}", serde_json::to_string(ROWS.as_slice())?);
                Ok(())
            }
        }
    }
}

fn run(targets: &str, rows: &[u8], afterwards: Afterwards) -> anyhow::Result<()> {
    let targets: Targets = serde_json::from_str(targets).context("failed to read the targets")?;
    let wanted = FROM_INSIDE.into_iter().filter(|row| rows.is_empty() || rows.contains(row));
    for row in wanted {
        for observation in attempt::attempt(row, &targets) {
            println!("{}", serde_json::to_string(&observation)?);
        }
    }
    println!("{DONE}");
    std::io::stdout().flush()?;
    match afterwards {
        Afterwards::End => Ok(()),
        Afterwards::Wait => loop {
            thread::park();
        },
    }
}
