//! Configuration files with `${NAME}` in place of what differs between sites.

use anyhow::{Context, Result, bail};

/// Fills a template. A name without a value and a value without a name are both errors.
pub(crate) fn render(template: &str, values: &[(&str, &str)]) -> Result<String> {
    let mut text = String::with_capacity(template.len());
    let mut used = vec![false; values.len()];
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').context("a `${` is not closed")?;
        let Some(index) = values.iter().position(|(known, _)| *known == name) else {
            bail!("nothing is known to put in place of ${{{name}}}");
        };
        used[index] = true;
        text.push_str(before);
        text.push_str(values[index].1);
        rest = after;
    }
    text.push_str(rest);
    match used.iter().position(|used| !used) {
        Some(index) => bail!("the template has no ${{{}}}", values[index].0),
        None => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_wherever_they_stand() {
        let text = render("${A}-${B}-${A}$", &[("A", "1"), ("B", "${A}")]).unwrap();
        assert_eq!(text, "1-${A}-1$");
    }

    #[test]
    fn unknown_unused_and_unclosed_names_are_errors() {
        let error = |template, values: &[(&str, &str)]| render(template, values).unwrap_err().to_string();
        assert_eq!(
            [error("${B}", &[("A", "1")]), error("", &[("A", "1")]), error("${A", &[("A", "1")])],
            ["nothing is known to put in place of ${B}", "the template has no ${A}", "a `${` is not closed"]
        );
    }
}
