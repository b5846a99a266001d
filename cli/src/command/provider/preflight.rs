//! `leasehold provider preflight`.

use std::path::PathBuf;

use anyhow::Context as _;
use preflight::{Outcome, Values, Verdict};

use crate::context::Context;

/// How many columns a mark takes.
const MARK: usize = 14;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The values that `helm install` will get [default: the chart's own]
    #[arg(long, value_name = "FILE")]
    values: Option<PathBuf>,
    /// File that says how to reach the cluster [default: KUBECONFIG, or ~/.kube/config]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context of that file [default: its current one]
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// Namespace that the release will go to [default: the context's]
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,
}

pub(crate) async fn run(context: &Context, args: Args) -> anyhow::Result<()> {
    let Args { values, kubeconfig, context: chosen, namespace } = args;
    let values = match values {
        Some(path) => {
            let text = std::fs::read_to_string(&path);
            let text = text.with_context(|| format!("failed to read {}", path.display()))?;
            Values::parse(&text).with_context(|| format!("failed to use {}", path.display()))?
        }
        None => Values::default(),
    };
    let (client, usual) = preflight::gather::connect(kubeconfig.as_deref(), chosen).await?;
    let namespace = namespace.unwrap_or(usual);
    let facts = preflight::gather::cluster(&client, &namespace, &values).await;
    let outcomes = preflight::cluster(&facts, &values);
    context.output.print(&outcomes, |outcomes| outcomes.iter().map(line).collect())?;
    let failed = outcomes.iter().filter(|outcome| outcome.verdict.is_fail()).count();
    anyhow::ensure!(failed == 0, "{failed} of {} checks failed", outcomes.len());
    Ok(())
}

/// One line for a check, and one more for the fix of a failed one.
fn line(outcome: &Outcome) -> String {
    let name = outcome.check;
    let row = |mark: &str, text: &str| format!("{mark:MARK$}  {name:15}  {}\n", printable(text));
    match &outcome.verdict {
        Verdict::Pass { message } => row("pass", message),
        Verdict::NotApplicable { message } => row("not applicable", message),
        Verdict::Fail { message, fix } => {
            format!("{}{:MARK$}  {:15}  fix: {}\n", row("fail", message), "", "", printable(fix))
        }
    }
}

/// Names and messages come out of the cluster: control characters in them must not reach the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_one_line_and_a_failed_one_has_its_fix_below() {
        let shown = |verdict| line(&Outcome { check: "clock", verdict });
        assert_eq!(
            shown(Verdict::Pass { message: "on\u{1b}[2J time".to_owned() }),
            "pass            clock            on [2J time\n"
        );
        assert_eq!(
            shown(Verdict::NotApplicable { message: "no clock".to_owned() }),
            "not applicable  clock            no clock\n"
        );
        let late = Verdict::Fail { message: "late".to_owned(), fix: "set it".to_owned() };
        assert_eq!(
            shown(late),
            "fail            clock            late\n                                 fix: set it\n"
        );
    }
}
