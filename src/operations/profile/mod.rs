//! What Coffer knows of a practice's application: a TOML file that says where its database lists
//! attachments, what a test copy must not hold and which of its data grows old. It promises that a key it does not know, and a
//! table or column that is not there, is an error and never passed over.

mod days;
mod fit;
mod fold;
mod leftover;
mod letters;
pub mod listed;
mod numbers;
pub mod old;
mod permutation;
mod rule;
pub mod scrub;
mod value;

pub use leftover::Leftover;
pub use rule::{RowsKept, ScrubRule, With};

use crate::error::{Error, Kind, Result};
use crate::operations::old_data::Age;
use old::OldDataRule;
use serde::Deserialize;
use std::path::Path;

/// The profiles that come with Coffer, by name.
const BUILT_IN: [(&str, &str); 2] =
    [("open-dental", include_str!("open-dental.toml")), ("macpractice", include_str!("macpractice.toml"))];

/// A profile.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Profile {
    /// Its name, for people.
    pub name: String,
    /// What whoever uses it should know.
    #[serde(default)]
    pub remarks: Vec<String>,
    /// Where the database lists attachment files.
    #[serde(default)]
    pub attachments: Vec<AttachmentList>,
    /// What a test copy must not hold.
    #[serde(default)]
    pub scrub: Vec<ScrubRule>,
    /// Tables whose old rows may be removed.
    #[serde(default)]
    pub old_data: Vec<OldDataRule>,
    /// From which age on rows are old, unless somebody says otherwise: `3y`.
    #[serde(default)]
    pub old_after: Option<String>,
    /// What whoever removes old data must know first.
    #[serde(default)]
    pub old_data_remarks: Vec<String>,
}

/// A column that names attachment files.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AttachmentList {
    /// The table.
    pub table: String,
    /// The column: each value is a file name, or a path whose last part is one.
    pub column: String,
    /// Label of the attachment folder that the files are in; any, if it is not given.
    #[serde(default)]
    pub label: Option<String>,
}

impl Profile {
    /// The names of the profiles that come with Coffer.
    pub fn names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.into_iter().map(|(name, _)| name)
    }

    /// The built-in profile of that name, or the one in the file at that path.
    ///
    /// Errors: [`Kind::Usage`], with line and column where the file is wrong.
    pub fn find(name: &str) -> Result<Profile> {
        if let Some((_, text)) = BUILT_IN.iter().find(|(built_in, _)| *built_in == name) {
            return Profile::parse(text, name);
        }
        let text = std::fs::read_to_string(Path::new(name)).map_err(|cause| {
            let names = BUILT_IN.map(|(name, _)| name).join(", ");
            Error::io(Kind::Usage, format!("profile {name}: cannot be read"), cause)
                .hint(format!("built in are {names}; anything else is the path of a TOML file"))
        })?;
        Profile::parse(&text, name)
    }

    /// Parses a profile; `origin` names it in errors.
    pub fn parse(text: &str, origin: &str) -> Result<Profile> {
        let profile: Profile = toml::from_str(text).map_err(|cause| {
            Error::new(Kind::Usage, format!("profile {origin}: {}", cause.to_string().trim_end()))
        })?;
        let at = |error: Error| error.at(format!("profile {origin}"));
        rule::check(&profile.scrub).map_err(at)?;
        old::check(&profile.old_data).map_err(at)?;
        profile.old_after.as_deref().map_or(Ok(()), |age| Age::parse(age).map(drop)).map_err(at)?;
        Ok(profile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_profiles_are_profiles() {
        for (name, _) in BUILT_IN {
            assert!(Profile::find(name).is_ok(), "{name}");
        }
        let open_dental = Profile::find("open-dental").expect("built in");
        assert_eq!(open_dental.attachments[0].table, "document");
        assert!(open_dental.scrub.iter().any(|rule| rule.table == "patient" && !rule.optional));
        assert!(open_dental.remarks.iter().any(|remark| remark.contains("SecurityHash")));
    }

    #[test]
    fn a_mistake_is_shown_with_its_place() {
        let error = Profile::parse("name = \"x\"\nattachmens = []\n", "own.toml").expect_err("unknown key");
        assert!(error.kind() == Kind::Usage && error.message().contains("line 2"), "{error}");
        assert!(Profile::find("no-such-profile").is_err());
    }
}
