//! Where in a manifest something is: `services.web.ports[0].port`.

use std::fmt;

/// A path of fields and indices. The root prints as `.`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Path(Vec<Segment>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Segment {
    Field(String),
    Index(usize),
}

impl Path {
    /// The whole document.
    pub fn root() -> Self {
        Path(Vec::new())
    }

    /// A field or map entry below this one.
    #[must_use]
    pub fn field(&self, name: &str) -> Self {
        self.with(Segment::Field(name.to_owned()))
    }

    /// An element of this list.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.with(Segment::Index(index))
    }

    /// The path one step up; nothing above the root.
    pub fn parent(&self) -> Option<Self> {
        let (_, above) = self.0.split_last()?;
        Some(Path(above.to_vec()))
    }

    /// Whether the last step is the field `name`.
    pub(crate) fn ends_with(&self, name: &str) -> bool {
        matches!(self.0.last(), Some(Segment::Field(last)) if last == name)
    }

    fn with(&self, segment: Segment) -> Self {
        let mut segments = self.0.clone();
        segments.push(segment);
        Path(segments)
    }
}

impl From<&serde_path_to_error::Path> for Path {
    fn from(path: &serde_path_to_error::Path) -> Self {
        use serde_path_to_error::Segment as Other;
        let segments = path.iter().filter_map(|segment| match segment {
            Other::Seq { index } => Some(Segment::Index(*index)),
            Other::Map { key } => Some(Segment::Field(key.clone())),
            Other::Enum { variant } => Some(Segment::Field(variant.clone())),
            Other::Unknown => None,
        });
        Path(segments.collect())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return formatter.write_str(".");
        }
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(formatter, "[{index}]")?,
                Segment::Field(name) if position == 0 => formatter.write_str(name)?,
                Segment::Field(name) => write!(formatter, ".{name}")?,
            }
        }
        Ok(())
    }
}
