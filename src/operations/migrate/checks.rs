//! What a new server lacks or does in another way than the old one. It promises to judge by what both
//! say of themselves, and to call nothing an obstacle that the move survives. Pure, but for asking.

use super::facts::Facts;
use crate::error::Result;
use crate::mysql::connection::Connection;
use crate::mysql::facts::ServerFacts;
use std::collections::BTreeSet;

/// Settings whose difference changes what programs see, and what that means.
const SETTINGS: [(&str, &str); 13] = [
    ("character_set_server", "new databases and tables get another character set"),
    ("collation_server", "new databases and tables sort in another way"),
    ("default_storage_engine", "new tables get another engine"),
    ("event_scheduler", "events run on one of the servers only"),
    ("explicit_defaults_for_timestamp", "new TIMESTAMP columns get other defaults"),
    ("ft_min_word_len", "searches in texts find other words"),
    ("innodb_page_size", "long rows of InnoDB may not fit"),
    ("innodb_strict_mode", "statements that make tables may be refused"),
    ("log_bin_trust_function_creators", "making functions may be refused"),
    ("old_mode", "old behaviour that programs count on may be missing"),
    ("sql_mode", "statements of the application may be refused, or taken in another way"),
    ("system_time_zone", "with time_zone=SYSTEM, times of now() and TIMESTAMP are shown in another zone"),
    ("time_zone", "times of now() and TIMESTAMP are shown in another zone"),
];

/// Something that is not as on the old server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Whether it stands against the move.
    pub is_obstacle: bool,
    /// What it is.
    pub sentence: String,
}

/// The new server.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// What it is and allows.
    pub facts: ServerFacts,
    /// Plugins by which users can log in, in lower case.
    pub login_plugins: BTreeSet<String>,
}

impl Surroundings {
    /// Asks the server.
    pub fn read(conn: &mut Connection) -> Result<Surroundings> {
        let facts = ServerFacts::read(conn)?;
        let rows = conn.rows(
            "SELECT LOWER(PLUGIN_NAME) FROM information_schema.PLUGINS \
             WHERE PLUGIN_TYPE='AUTHENTICATION' AND PLUGIN_STATUS='ACTIVE'",
        )?;
        Ok(Surroundings { facts, login_plugins: rows.iter().filter_map(|row| row.text(0)).collect() })
    }
}

/// Holds what the old server was against the new one; `users` move, too.
pub fn check(old: &Facts, new: &Surroundings, users: bool) -> Vec<Check> {
    let mut found = Vec::new();
    versions(old, &new.facts, &mut found);
    names(old, &new.facts, &mut found);
    if users {
        for plugin in old.login_plugins.difference(&new.login_plugins) {
            found.push(Check {
                is_obstacle: true,
                sentence: format!(
                    "users log in by the plugin {plugin}, which the new server lacks: install it, or leave the users with --no-users"
                ),
            });
        }
    }
    for (name, meaning) in SETTINGS {
        let (Some(was), Some(is)) = (old.settings.get(name), new.facts.setting(name)) else { continue };
        if !was.eq_ignore_ascii_case(is) {
            let sentence = format!("{name} was `{was}` and is `{is}`: {meaning}");
            found.push(Check { is_obstacle: false, sentence });
        }
    }
    let packet = |value: Option<&str>| value.and_then(|value| value.parse::<u64>().ok());
    let was = packet(old.settings.get("max_allowed_packet").map(String::as_str));
    let is = packet(new.facts.setting("max_allowed_packet"));
    if let (Some(was), Some(is)) = (was, is)
        && is < was
    {
        let sentence = format!(
            "max_allowed_packet was {was} and is {is}: long rows may be refused; SET GLOBAL max_allowed_packet={was}"
        );
        found.push(Check { is_obstacle: false, sentence });
    }
    found
}

fn versions(old: &Facts, new: &ServerFacts, found: &mut Vec<Check>) {
    let (own, other) = (version(&old.version), new.version);
    let both = format!(
        "the old server is {} {}, the new one {} {}",
        old.vendor,
        old.version,
        new.vendor.word(),
        new.version_text
    );
    if old.vendor != new.vendor.word() {
        let sentence =
            format!("{both}: what only one of them knows is not carried; try the application first");
        found.push(Check { is_obstacle: false, sentence });
    } else if (other.0, other.1) < (own.0, own.1) {
        found.push(Check {
            is_obstacle: true,
            sentence: format!("{both}: an older server is no place to move to"),
        });
    } else if (other.0, other.1) > (own.0, own.1) {
        found.push(Check { is_obstacle: false, sentence: format!("{both}: try the application first") });
    }
}

fn version(text: &str) -> (u32, u32) {
    let text = text.strip_prefix("5.5.5-").unwrap_or(text);
    let mut parts = text.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next())
}

fn names(old: &Facts, new: &ServerFacts, found: &mut Vec<Check>) {
    let name = "lower_case_table_names";
    let (Some(was), Some(is)) = (old.settings.get(name), new.setting(name)) else { return };
    if was == is {
        return;
    }
    // A server that keeps capitals and does not tell them apart, or the other way round.
    let sentence =
        format!("{name} was {was} and is {is}; it can be set only when a server's data folder is made");
    found.push(Check { is_obstacle: old.has_capitals || is == "0", sentence });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn old(version: &str, settings: &[(&str, &str)]) -> Facts {
        Facts {
            vendor: "MariaDB".into(),
            version: version.into(),
            settings: settings.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
            login_plugins: ["ed25519".to_owned()].into(),
            ..Facts::default()
        }
    }

    fn new(version: &str, settings: &[(&str, &str)]) -> Surroundings {
        Surroundings { facts: ServerFacts::for_version(version, settings), login_plugins: BTreeSet::new() }
    }

    fn told(old: &Facts, new: &Surroundings, users: bool) -> Vec<(bool, String)> {
        check(old, new, users).into_iter().map(|check| (check.is_obstacle, check.sentence)).collect()
    }

    #[test]
    fn an_older_server_is_an_obstacle_and_a_newer_one_is_told() {
        let of =
            |was, is| told(&old(was, &[]), &new(is, &[]), false).first().map(|(is_obstacle, _)| *is_obstacle);
        assert_eq!(of("10.11.19-MariaDB", "10.6.2-MariaDB"), Some(true));
        assert_eq!(of("10.11.19-MariaDB", "10.11.2-MariaDB-log"), None);
        assert_eq!(of("10.11.19-MariaDB", "11.4.2-MariaDB"), Some(false));
        assert_eq!(of("10.11.19-MariaDB", "8.0.36"), Some(false));
    }

    #[test]
    fn settings_names_and_plugins_that_differ_are_told() {
        let settings = [("sql_mode", ""), ("lower_case_table_names", "0"), ("max_allowed_packet", "100")];
        let mut facts = old("10.11.1-MariaDB", &settings);
        let server = new(
            "10.11.1-MariaDB",
            &[
                ("sql_mode", "STRICT_ALL_TABLES"),
                ("lower_case_table_names", "1"),
                ("max_allowed_packet", "99"),
            ],
        );
        let found = told(&facts, &server, true);
        assert_eq!(
            found.iter().map(|(is, _)| *is).collect::<Vec<_>>(),
            [false, true, false, false],
            "{found:?}"
        );
        facts.has_capitals = true;
        assert!(told(&facts, &server, false)[0].0, "names with capitals");
        assert!(
            told(&old("10.11.1-MariaDB", &settings), &new("10.11.1-MariaDB", &settings), false).is_empty()
        );
    }
}
