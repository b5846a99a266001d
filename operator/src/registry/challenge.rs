//! The header by which a registry says where to get a token.

use std::str::FromStr;

/// `Bearer realm="…",service="…"`, as far as it matters to us. The scope is our own choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Where to ask.
    pub realm: String,
    /// Whom the token is for.
    pub service: Option<String>,
}

/// Another way to prove oneself, or none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the challenge is not one for a bearer token")]
pub struct ParseChallenge;

impl FromStr for Challenge {
    type Err = ParseChallenge;

    fn from_str(text: &str) -> Result<Self, ParseChallenge> {
        let (scheme, mut rest) = text.trim().split_once(' ').ok_or(ParseChallenge)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(ParseChallenge);
        }
        let (mut realm, mut service) = (None, None);
        while let Some((key, after)) = rest.split_once('=') {
            let (value, after) = match after.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').ok_or(ParseChallenge)?,
                None => after.split_at(after.find(',').unwrap_or(after.len())),
            };
            match key.trim().to_ascii_lowercase().as_str() {
                "realm" => realm = Some(value.to_owned()),
                "service" => service = Some(value.to_owned()),
                _ => {}
            }
            rest = after.trim_start().trim_start_matches(',');
        }
        Ok(Self { realm: realm.ok_or(ParseChallenge)?, service })
    }
}

/// Whether a registry wants user and password with each request.
pub fn is_basic(text: &str) -> bool {
    text.split_whitespace().next().is_some_and(|scheme| scheme.eq_ignore_ascii_case("basic"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn realm_and_service_are_read_and_everything_else_is_left_out() {
        let parse = |text: &str| text.parse::<Challenge>();
        let wanted = |service: Option<&str>| {
            Ok(Challenge {
                realm: "https://auth.example/token".to_owned(),
                service: service.map(str::to_owned),
            })
        };
        assert_eq!(
            parse(
                r#"Bearer realm="https://auth.example/token",service="r.example",scope="repository:a,b:pull,push""#
            ),
            wanted(Some("r.example"))
        );
        assert_eq!(parse(r#"bearer scope="x,y" , realm="https://auth.example/token""#), wanted(None));
        assert_eq!(parse("Bearer realm=https://auth.example/token,service=s"), wanted(Some("s")));
        for text in ["", "Bearer", "Basic realm=\"x\"", "Bearer service=\"s\"", "Bearer realm=\"x"] {
            assert_eq!(parse(text), Err(ParseChallenge), "{text}");
        }
    }
}
