//! Standard output: one table for people, or one JSON value or CSV for programs. Everything else goes to standard
//! error.

use std::io::Write;

use anyhow::Context as _;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::exit::{Kind, Stop};

/// Form of the result, as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Form {
    /// Aligned text.
    Table,
    /// One JSON value.
    Json,
    /// Comma-separated lines, of the commands that have them.
    Csv,
}

/// Form of a result that has no lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// Aligned text.
    Table,
    /// One JSON value.
    Json,
}

impl Output {
    /// Prints the result in the chosen form.
    pub(crate) fn print<T: Serialize>(
        self,
        value: &T,
        table: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<()> {
        match self {
            Output::Table => print_line(&table(value)),
            Output::Json => print_line(&json(value)?),
        }
    }
}

impl Form {
    /// The form of a result that has no lines; refuses what it cannot have.
    pub(crate) fn without_lines(self) -> Result<Output, Stop> {
        match self {
            Form::Table => Ok(Output::Table),
            Form::Json => Ok(Output::Json),
            Form::Csv => Err(Stop::new(Kind::Usage, "the result of this command has no CSV form").advise(
                "`leasehold provider earnings` and `leasehold usage` have one; use -o table or -o json here",
            )),
        }
    }

    /// Prints a result that has lines.
    pub(crate) fn print<T: Serialize>(
        self,
        value: &T,
        table: impl FnOnce(&T) -> String,
        csv: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<()> {
        match self {
            Form::Table => print_line(&table(value)),
            Form::Json => print_line(&json(value)?),
            Form::Csv => print_line(&csv(value)),
        }
    }
}

fn json(value: &impl Serialize) -> anyhow::Result<String> {
    serde_json::to_string_pretty(value).context("failed to write the result as JSON")
}

/// Writes a line to standard output; a reader that went away is not an error.
pub(crate) fn print_line(text: &str) -> anyhow::Result<()> {
    match writeln!(std::io::stdout().lock(), "{}", text.trim_end()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("failed to write to standard output")
        }
        _ => Ok(()),
    }
}

/// A table with a header row.
pub(crate) fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header);
    for row in rows {
        table.add_row(row);
    }
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// CSV (RFC 4180, but lines end as on Unix) with a header row.
pub(crate) fn csv_lines<'a, R: AsRef<[String]>>(
    header: impl IntoIterator<Item = &'a str>,
    rows: impl IntoIterator<Item = R>,
) -> String {
    let line = |cells: Vec<String>| format!("{}\n", cells.join(","));
    let header = line(header.into_iter().map(csv_cell).collect());
    let rows = rows.into_iter().map(|row| line(row.as_ref().iter().map(|cell| csv_cell(cell)).collect()));
    std::iter::once(header).chain(rows).collect()
}

fn csv_cell(cell: &str) -> String {
    match cell.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.to_owned(),
    }
}

/// Two columns without a header: names and values.
pub(crate) fn fields<const N: usize>(rows: [(&str, String); N]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    rows.iter().map(|(name, value)| format!("{name:width$}  {value}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_that_would_break_a_line_of_csv_are_quoted() {
        let rows = [["a,b".to_owned(), "say \"so\"".to_owned()], [String::new(), "1".to_owned()]];
        assert_eq!(csv_lines(["x", "y"], rows), "x,y\n\"a,b\",\"say \"\"so\"\"\"\n,1\n");
    }
}
