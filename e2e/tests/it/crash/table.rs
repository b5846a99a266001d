//! What is reported: how many cases of each fault and action ended the same.

use std::{
    collections::BTreeMap,
    env, fmt, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use e2e::fault_proxy::{Call, Moment};
use serde::Serialize;
use serde_json::json;

use super::{
    action::Action,
    fault::Fault,
    life::{Done, writes},
};

/// Differences that are shown of one case.
const SHOWN: usize = 12;

/// One disturbed action.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Case {
    fault: Fault,
    moment: &'static str,
    /// None of a life that could not be lived.
    action: Option<Action>,
    /// Number of the call at which it was disturbed.
    number: Option<usize>,
    /// That call, if the action made so many.
    stopped: Option<Call>,
    /// Empty if all ended as undisturbed.
    differences: Vec<String>,
    /// Writes that the API server took, of all operators together.
    writes: usize,
    undisturbed_writes: usize,
    seconds: f64,
}

impl Case {
    pub(super) fn of(
        fault: Fault,
        moment: Moment,
        action: Action,
        number: Option<usize>,
        acted: Result<Done>,
        undisturbed: &Done,
        elapsed: Duration,
    ) -> Self {
        let (stopped, differences, writes) = match acted {
            Ok(done) => (done.stopped.clone(), done.differences.clone(), done.writes()),
            Err(error) => (None, vec![format!("{error:#}")], 0),
        };
        Self {
            fault,
            moment: title(moment),
            action: Some(action),
            number,
            stopped,
            differences,
            writes,
            undisturbed_writes: undisturbed.writes(),
            seconds: elapsed.as_secs_f64(),
        }
    }

    /// A life that could not be lived, or not be cleaned up.
    pub(super) fn failed(fault: Fault, moment: Moment, error: &anyhow::Error) -> Self {
        Self {
            fault,
            moment: title(moment),
            action: None,
            number: None,
            stopped: None,
            differences: vec![format!("{error:#}")],
            writes: 0,
            undisturbed_writes: 0,
            seconds: 0.0,
        }
    }

    pub(super) fn is_same(&self) -> bool {
        self.differences.is_empty()
    }

    fn was_disturbed(&self) -> bool {
        self.stopped.is_some()
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fault, moment, action, number, stopped, differences, .. } = self;
        let call = stopped.as_ref().map(|call| format!("{} {}", call.method, call.path)).unwrap_or_default();
        write!(f, "{}, {action:?} call {number:?} ({moment}, {call}):", fault.title())?;
        differences.iter().take(SHOWN).try_for_each(|difference| write!(f, "\n    {difference}"))
    }
}

fn title(moment: Moment) -> &'static str {
    match moment {
        Moment::BeforeRequest => "before the request",
        Moment::BeforeAnswer => "done but not answered",
        Moment::AfterAnswer => "after the answer",
    }
}

/// All cases.
#[derive(Debug)]
pub(super) struct Table {
    cases: Vec<Case>,
    elapsed: Duration,
}

/// How the cases of one field went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Field {
    cases: usize,
    same: usize,
    /// The action made fewer calls this time, so nothing was disturbed.
    not_reached: usize,
    /// The most writes that came on top of those of an undisturbed action.
    most_extra_writes: usize,
}

impl Table {
    pub(super) fn of(mut cases: Vec<Case>, elapsed: Duration) -> Self {
        cases.sort_by_key(|case| (case.fault, case.action, case.number, case.moment));
        Self { cases, elapsed }
    }

    /// One text for each case that ended differently.
    pub(super) fn failures(&self) -> Vec<String> {
        self.cases.iter().filter(|case| !case.is_same()).map(ToString::to_string).collect()
    }

    /// Fields without a case: a matrix that tried nothing must not pass.
    pub(super) fn unmet(&self) -> Vec<String> {
        let fields = self.fields();
        let wanted = Fault::ALL
            .into_iter()
            .flat_map(|fault| Action::ALL.into_iter().map(move |action| (fault, action)))
            .filter(|(fault, action)| fault.applies_to(*action));
        wanted
            .filter(|field| fields.get(field).is_none_or(|field| field.cases == 0))
            .map(|(fault, action)| format!("{} × {action:?}", fault.title()))
            .collect()
    }

    /// Writes everything as JSON, with the calls of an undisturbed life, and the table as text beside it.
    pub(super) fn write<'a>(&self, undisturbed: impl Iterator<Item = (Action, &'a [Call])>) -> Result<()> {
        let path = env::var("LEASEHOLD_CRASH_JSON")
            .map_or_else(|_| Path::new(env!("CARGO_TARGET_TMPDIR")).join("crash-matrix.json"), PathBuf::from);
        let table: Vec<_> = self
            .fields()
            .into_iter()
            .map(|((fault, action), field)| json!({"fault": fault, "action": action, "field": field}))
            .collect();
        let undisturbed: Vec<_> = undisturbed
            .map(|(action, calls)| json!({"action": action, "writes": writes(calls), "calls": calls}))
            .collect();
        let all = json!({
            "seconds": self.elapsed.as_secs_f64(),
            "table": table, "undisturbed": undisturbed, "cases": self.cases,
        });
        let text = path.with_extension("txt");
        fs::write(&path, serde_json::to_vec_pretty(&all)?)
            .and_then(|()| fs::write(text, format!("{self}\n")))
            .with_context(|| format!("failed to write {}", path.display()))
    }

    fn fields(&self) -> BTreeMap<(Fault, Action), Field> {
        let mut fields = BTreeMap::<_, Field>::new();
        for case in &self.cases {
            let Some(action) = case.action else { continue };
            let field = fields.entry((case.fault, action)).or_default();
            if case.was_disturbed() || !case.is_same() {
                field.cases += 1;
                field.same += usize::from(case.is_same());
                let extra = case.writes.saturating_sub(case.undisturbed_writes);
                field.most_extra_writes = field.most_extra_writes.max(extra);
            } else {
                field.not_reached += 1;
            }
        }
        fields
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self.fields();
        write!(f, "{:<26}", "same / cases (extra)")?;
        for action in Action::ALL {
            write!(f, " {:>15}", format!("{action:?}").to_lowercase())?;
        }
        writeln!(f)?;
        for fault in Fault::ALL {
            write!(f, "{:<26}", fault.title())?;
            for action in Action::ALL {
                let text = fields.get(&(fault, action)).map_or_else(
                    || "-".to_owned(),
                    |field| format!("{} / {} (+{})", field.same, field.cases, field.most_extra_writes),
                );
                write!(f, " {text:>15}")?;
            }
            writeln!(f)?;
        }
        let sum = |of: fn(&Field) -> usize| fields.values().map(of).sum::<usize>();
        write!(
            f,
            "{} cases, {} with the same end state, {} not reached, {:.0} s; extra: the most writes beyond an undisturbed run",
            sum(|field| field.cases),
            sum(|field| field.same),
            sum(|field| field.not_reached),
            self.elapsed.as_secs_f64()
        )
    }
}
