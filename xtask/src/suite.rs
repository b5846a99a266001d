//! `cargo xtask test`: every test there is, in order from the cheapest to the whole story.
//!
//! The contracts' proofs need nothing but processor time, so they run behind the layers that wait for a cluster.
//!
//! A layer is one kind of proof. Its output goes to `target/test/LAYER.log` and is shown when it fails; the run ends
//! with a table of tests by layer and one plain line of totals.

mod alerts;
mod charts;
mod cluster;
mod contracts;
mod count;
mod deep;
mod layers;
mod schemas;

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};

use crate::{step::seconds, tools::repository};
use contracts::{Counted, Part};
use count::Count;
use layers::Layer;

/// Which layers to run.
#[derive(Debug, clap::Args)]
pub(crate) struct TestArgs {
    /// Run this layer alone; may be given several times.
    #[arg(long, value_name = "NAME")]
    layer: Vec<Layer>,
    /// Leave this layer out; may be given several times.
    #[arg(long, value_name = "NAME")]
    skip: Vec<Layer>,
    /// Instead of the layers, the proofs that take hours: of the contracts 10 000 walks of 256 steps on all cores, a million
    /// cases in three languages, and symbolic proofs; of the operator every fault at every API call; of the meter half an hour
    /// beside the kernel.
    #[arg(long, conflicts_with_all = ["layer", "skip"])]
    deep: bool,
}

/// What became of one layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Outcome {
    layer: Layer,
    count: Count,
    elapsed: Duration,
}

impl TestArgs {
    /// Runs the layers and fails if anything in them failed.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let Self { layer, skip, deep } = self;
        if deep {
            return deep::run();
        }
        let chosen: Vec<_> = Layer::ALL
            .into_iter()
            .filter(|candidate| match &layer[..] {
                [] => true,
                named => named.contains(candidate),
            })
            .filter(|candidate| !skip.contains(candidate))
            .collect();
        let logs = repository().join("target/test");
        fs::create_dir_all(&logs).with_context(|| format!("failed to make {}", logs.display()))?;
        let outcomes = run_all(chosen, &logs)?;
        print!("{}", table(&outcomes));
        let total: Count = outcomes.iter().map(|outcome| outcome.count).sum();
        println!("{} passed, {} failed", total.passed, total.failed);
        if total.failed > 0 {
            bail!("{} tests failed", total.failed);
        }
        Ok(())
    }
}

/// Runs the layers in turn, but for those that only need processor time: they fill what the layers after them leave idle.
fn run_all(layers: Vec<Layer>, logs: &Path) -> anyhow::Result<Vec<Outcome>> {
    thread::scope(|scope| {
        let mut behind = Vec::new();
        let mut outcomes: Vec<Outcome> = Vec::new();
        for layer in layers {
            if layer.runs_behind() {
                behind.push(scope.spawn(move || run_layer(layer, logs, &[])));
            } else {
                outcomes.push(run_layer(layer, logs, &outcomes)?);
            }
        }
        for layer in behind {
            outcomes.push(layer.join().expect("a layer panics nowhere")?);
        }
        Ok(outcomes)
    })
}

fn run_layer(layer: Layer, logs: &Path, before: &[Outcome]) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    let broken = before.iter().any(|outcome| outcome.count.failed > 0);
    if layer == Layer::Demo && broken {
        eprintln!("  · {layer}: not run, because a layer before it failed");
        return Ok(Outcome { layer, count: Count::ONE_FAILED, elapsed: started.elapsed() });
    }
    eprintln!("  … {layer}: {}", layer.purpose());
    let mut log = Log::create(logs, layer)?;
    let result = layer.run(&mut log);
    let mut count = count::of_output(&log.text()?) + log.checks;
    if let Err(error) = &result {
        writeln!(log.file, "\n{error:#}")?;
        // A layer may fail without a failing test: something did not compile.
        count.failed = count.failed.max(1);
    }
    let elapsed = started.elapsed();
    if count.failed == 0 {
        eprintln!("  ✓ {layer}: {} passed ({})", count.passed, seconds(elapsed));
    } else {
        eprintln!("{}\n  ✗ {layer}: {} failed ({})", log.text()?, count.failed, seconds(elapsed));
    }
    Ok(Outcome { layer, count, elapsed })
}

/// A layer's output, and the checks that it counts by itself.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    file: File,
    checks: Count,
}

impl Log {
    fn create(folder: &Path, layer: Layer) -> anyhow::Result<Self> {
        let path = folder.join(format!("{layer}.log"));
        let file = File::options().create(true).write(true).truncate(true).open(&path);
        let file = file.with_context(|| format!("failed to open {}", path.display()))?;
        Ok(Self { path, file, checks: Count::default() })
    }

    fn text(&self) -> anyhow::Result<String> {
        let bytes =
            fs::read(&self.path).with_context(|| format!("failed to read {}", self.path.display()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Runs a command whose own tests are counted from what it prints.
    pub(crate) fn command(&mut self, command: &mut Command) -> anyhow::Result<()> {
        let mut append = File::options().append(true).open(&self.path)?;
        let name = shown(command);
        writeln!(append, "$ {name}")?;
        let status = command
            .stdin(Stdio::null())
            .stdout(append.try_clone()?)
            .stderr(append)
            .status()
            .with_context(|| format!("failed to start {name}"))?;
        if status.success() { Ok(()) } else { bail!("`{name}` ended with {status}") }
    }

    /// Writes down a part that ran beside others. One that counts as tests may fail without a failing test: something
    /// did not compile.
    fn part(&mut self, part: &Part, output: &Output) -> anyhow::Result<()> {
        let Part { name, counted, command } = part;
        let shown = shown(command);
        let mut append = File::options().append(true).open(&self.path)?;
        writeln!(append, "$ {shown}")?;
        append.write_all(&output.stdout)?;
        append.write_all(&output.stderr)?;
        let result = if output.status.success() {
            Ok(())
        } else {
            Err(anyhow::anyhow!("`{shown}` ended with {}", output.status))
        };
        match counted {
            Counted::AsTests => result,
            Counted::AsOne => self.check(name, |_| result),
        }
    }

    /// Makes one check that counts as one test. A failed check is reported and the layer goes on.
    pub(crate) fn check(
        &mut self,
        name: &str,
        check: impl FnOnce(&mut Self) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let result = check(self);
        let mut append = File::options().append(true).open(&self.path)?;
        match result {
            Ok(()) => {
                writeln!(append, "passed: {name}")?;
                self.checks.passed += 1;
            }
            Err(error) => {
                writeln!(append, "FAILED: {name}: {error:#}")?;
                self.checks.failed += 1;
            }
        }
        Ok(())
    }
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn table(outcomes: &[Outcome]) -> String {
    let mut text = format!("\n{:<12} {:>7} {:>7} {:>13}\n", "layer", "passed", "failed", "time");
    for Outcome { layer, count, elapsed } in outcomes {
        text += &format!(
            "{:<12} {:>7} {:>7} {:>13}\n",
            layer.to_string(),
            count.passed,
            count.failed,
            seconds(*elapsed)
        );
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_line_for_each_layer() {
        let outcomes = [
            Outcome {
                layer: Layer::Tidy,
                count: Count { passed: 1, failed: 0 },
                elapsed: Duration::from_millis(300),
            },
            Outcome {
                layer: Layer::Rust,
                count: Count { passed: 412, failed: 2 },
                elapsed: Duration::from_secs(75),
            },
        ];
        let expected = "
layer         passed  failed          time
tidy               1       0         0.3 s
rust             412       2    1 min 15 s

";
        assert_eq!(table(&outcomes), expected);
    }

    #[test]
    fn a_failing_check_is_counted_and_the_next_one_still_runs() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let mut log = Log::create(folder.path(), Layer::Charts).expect("the log can be made");
        log.check("first", |_| bail!("no chart")).expect("the log can be written");
        log.check("second", |log| log.command(&mut Command::new("true"))).expect("the log can be written");
        assert_eq!(log.checks, Count { passed: 1, failed: 1 });
        let text = log.text().expect("the log can be read");
        assert!(text.starts_with("FAILED: first: no chart"), "{text}");
    }

    #[test]
    fn a_part_counts_as_one_test_or_by_what_its_runner_prints() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let mut log = Log::create(folder.path(), Layer::Contracts).expect("the log can be made");
        let mut run = |counted, script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            let output = command.output().expect("there is a shell");
            log.part(&Part { name: "part", counted, command }, &output).is_ok()
        };
        assert!(run(Counted::AsOne, "exit 1"), "a failed check is counted, and no error");
        assert!(run(Counted::AsOne, "true"));
        let closing = "echo 'Ran 2 test suites in 1s (1s CPU time): 7 tests passed, 2 failed, 0 skipped (9 total tests)'";
        assert!(!run(Counted::AsTests, &format!("{closing}; exit 1")));
        assert!(!run(Counted::AsTests, "exit 1"), "what did not compile is an error");
        let text = log.text().expect("the log can be read");
        assert_eq!(count::of_output(&text) + log.checks, Count { passed: 8, failed: 3 });
    }
}
