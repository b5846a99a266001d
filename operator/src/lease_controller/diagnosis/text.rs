//! Text from strangers, made fit to be shown: printable, bounded, without secrets.

use manifest::ValidManifest;

use crate::lease_controller::build::pull_secret;

/// What stands in the place of a secret.
const HIDDEN: &str = "[hidden]";
/// A shorter secret would hide half of every sentence, and is none.
const SHORTEST_SECRET: usize = 4;
/// A word after `Bearer` of at least this length is a token and not English.
const SHORTEST_TOKEN: usize = 16;
/// Names whose values are hidden.
const SECRET_NAMES: [&str; 10] = [
    "password",
    "passwd",
    "pwd",
    "token",
    "secret",
    "authorization",
    "apikey",
    "api_key",
    "access_key",
    "signature",
];

/// Values that must not be shown, longest first.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Hidden(Vec<String>);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hidden({} values)", self.0.len())
    }
}

impl Hidden {
    /// The secret environments of a manifest, and its registries' passwords, also as they are on the wire.
    pub fn of(manifest: &ValidManifest) -> Self {
        let environments = manifest.services().values().flat_map(|service| service.secrets.values());
        let passwords = manifest.registries().values().map(|credentials| &credentials.password);
        let on_the_wire: Vec<String> = manifest.registries().values().map(pull_secret::auth).collect();
        let values = environments.chain(passwords).map(|secret| secret.expose());
        Self::new(values.chain(on_the_wire.iter().map(String::as_str)))
    }

    /// These values, and each line of those that have several.
    pub fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut all: Vec<String> = values
            .into_iter()
            .flat_map(|value| {
                let value = printable(value);
                let lines: Vec<String> = value.lines().map(|line| line.trim().to_owned()).collect();
                lines.into_iter().chain([value.trim().to_owned()])
            })
            .filter(|value| value.len() >= SHORTEST_SECRET)
            .collect();
        all.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        all.dedup();
        Self(all)
    }

    /// These values and those.
    pub fn and(self, other: Self) -> Self {
        Self::new(self.0.iter().chain(&other.0).map(String::as_str))
    }

    fn hide(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for value in &self.0 {
            text = text.replace(value.as_str(), HIDDEN);
        }
        // The node cuts what it keeps, perhaps through the middle of a secret.
        for value in &self.0 {
            if let Some(cut) = longest_cut(value, |part| text.starts_with(part), Side::End) {
                text = format!("{HIDDEN}{}", &text[cut..]);
            }
            if let Some(cut) = longest_cut(value, |part| text.ends_with(part), Side::Start) {
                text = format!("{}{HIDDEN}", &text[..text.len() - cut]);
            }
        }
        text
    }
}

#[derive(Clone, Copy)]
enum Side {
    Start,
    End,
}

/// Length of the longest part of a value, from its start or up to its end, that is there.
fn longest_cut(value: &str, is_there: impl Fn(&str) -> bool, side: Side) -> Option<usize> {
    let borders = value.char_indices().map(|(at, _)| at).skip(1);
    let mut parts: Vec<&str> = match side {
        Side::Start => borders.map(|at| &value[..at]).collect(),
        Side::End => borders.map(|at| &value[at..]).collect(),
    };
    parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
    parts.into_iter().filter(|part| part.len() >= SHORTEST_SECRET).find(|part| is_there(part)).map(str::len)
}

/// One printable line of at most so many characters; what is too long loses its end.
pub fn line(text: &str, hidden: &Hidden, most: usize) -> String {
    let words = shown(text, hidden).split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() <= most {
        return words;
    }
    let mut cut: String = words.chars().take(most.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// The last lines, as one printable line of at most so many characters.
pub fn last_lines(text: &str, hidden: &Hidden, most: usize) -> String {
    let shown = shown(text, hidden);
    let lines = shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    let joined = lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" | ");
    let count = joined.chars().count();
    if count <= most {
        return joined;
    }
    let tail: String = joined.chars().skip(count - most.saturating_sub(1)).collect();
    format!("…{tail}")
}

/// The last lines, as lines, of at most so many bytes.
pub fn tail(text: &str, hidden: &Hidden, most: usize) -> String {
    let shown = shown(text, hidden);
    let shown = shown.trim_matches('\n');
    let start = shown.len().saturating_sub(most);
    let start = (start..=shown.len()).find(|at| shown.is_char_boundary(*at)).unwrap_or(shown.len());
    shown[start..].to_owned()
}

/// Printable text without secrets; lines are kept.
fn shown(text: &str, hidden: &Hidden) -> String {
    hide_credentials(&hidden.hide(&printable(text)))
}

/// Drops what a terminal would act on: escape sequences, control characters, and characters that turn or hide text.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' if characters.peek() == Some(&'[') => {
                characters.next();
                // A control sequence ends with a letter or one of a few signs.
                while let Some(next) = characters.peek() {
                    let ends = ('@'..='~').contains(next);
                    if !ends && !(' '..='?').contains(next) {
                        break;
                    }
                    characters.next();
                    if ends {
                        break;
                    }
                }
            }
            '\n' => out.push('\n'),
            '\t' | '\u{2028}' | '\u{2029}' => out.push(' '),
            '\r' => {
                if characters.peek() != Some(&'\n') {
                    out.push('\n');
                }
            }
            other if other.is_control() || is_invisible(other) => {}
            other => out.push(other),
        }
    }
    out
}

fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// Hides passwords in addresses, what follows `?` in them, tokens, and values of names that say what they are.
fn hide_credentials(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = String::new();
    for piece in text.split_inclusive(|c: char| c.is_whitespace()) {
        let word = piece.trim_end();
        let space = &piece[word.len()..];
        let follows = before.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_ascii_lowercase();
        let scheme = matches!(follows.as_str(), "bearer" | "basic") && word.len() >= SHORTEST_TOKEN;
        let named = before.ends_with([':', '=']) && is_secret_name(&before[..before.len() - 1]);
        if (scheme || named) && !word.is_empty() && word.len() >= SHORTEST_SECRET && !is_scheme(word) {
            out.push_str(HIDDEN);
        } else {
            out.push_str(&hide_in_word(word));
        }
        out.push_str(space);
        before = word.to_owned();
    }
    out
}

fn is_scheme(word: &str) -> bool {
    word.eq_ignore_ascii_case("bearer") || word.eq_ignore_ascii_case("basic")
}

fn hide_in_word(word: &str) -> String {
    let word = hide_in_address(word);
    let Some(at) = word.find(['=', ':']).filter(|at| is_secret_name(&word[..*at])) else { return word };
    let value = word[at + 1..].trim_matches(['"', '\'']);
    if value.len() < SHORTEST_SECRET { word } else { format!("{}{HIDDEN}", &word[..=at]) }
}

fn is_secret_name(name: &str) -> bool {
    let name = name.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_ascii_lowercase();
    SECRET_NAMES.iter().any(|secret| name.ends_with(secret))
}

/// An address without its user, its password and what follows `?`.
fn hide_in_address(word: &str) -> String {
    let Some(scheme) = word.find("://") else { return word.to_owned() };
    let (head, rest) = word.split_at(scheme + "://".len());
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(authority_end);
    let authority = match authority.rfind('@') {
        Some(at) => format!("{HIDDEN}{}", &authority[at..]),
        None => authority.to_owned(),
    };
    let path = match path.find('?') {
        Some(at) => format!("{}?{HIDDEN}", &path[..at]),
        None => path.to_owned(),
    };
    format!("{head}{authority}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_whole_in_lines_and_where_they_were_cut() {
        let hidden = Hidden::new(["open-sesame", "first line\nsecond line", "abc"]);
        for (text, shown) in [
            ("login with open-sesame failed", "login with [hidden] failed"),
            ("key: second line", "key: [hidden]"),
            ("sesame failed", "[hidden] failed"),
            ("failed with open-ses", "failed with [hidden]"),
            ("abc is too short to be one", "abc is too short to be one"),
        ] {
            assert_eq!(line(text, &hidden, 200), shown);
        }
        assert_eq!(format!("{hidden:?}"), "Hidden(4 values)");
    }

    #[test]
    fn credentials_of_others_are_hidden_too() {
        for (text, shown) in [
            (
                "Get \"https://bob:hunter22@registry.example/v2/\": EOF",
                "Get \"https://[hidden]@registry.example/v2/\": EOF",
            ),
            (
                "fetch https://auth.example/token?account=bob&sig=1234 failed",
                "fetch https://auth.example/token?[hidden] failed",
            ),
            ("Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.e30", "Authorization: Bearer [hidden]"),
            ("PGPASSWORD=hunter22 psql", "PGPASSWORD=[hidden] psql"),
            ("password: hunter22", "password: [hidden]"),
            ("no basic auth credentials", "no basic auth credentials"),
        ] {
            assert_eq!(line(text, &Hidden::default(), 200), shown);
        }
    }

    #[test]
    fn what_a_terminal_would_act_on_is_dropped() {
        assert_eq!(line("\u{1b}[31mred\u{1b}[0m\u{7}\u{202e}x\0", &Hidden::default(), 20), "redx");
        assert_eq!(line("\u{1b}[\u{1b}[1m", &Hidden::default(), 20), "");
        assert_eq!(line("a\r\nb\tc", &Hidden::default(), 20), "a b c");
    }

    #[test]
    fn the_end_of_a_sentence_and_the_beginning_of_a_log_are_cut() {
        assert_eq!(line("äbcdef", &Hidden::default(), 4), "äbc…");
        assert_eq!(last_lines("one\n\ntwo\nthree\n", &Hidden::default(), 40), "one | two | three");
        assert_eq!(last_lines("one\ntwo\nthree", &Hidden::default(), 6), "…three");
        assert_eq!(tail("one\ntwö\nthree\n", &Hidden::default(), 7), "\nthree");
        assert_eq!(tail("one\ntwo\n", &Hidden::default(), 80), "one\ntwo");
    }
}
