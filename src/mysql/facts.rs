//! What a server is and allows, read once. It promises that what the server does not tell (an unknown
//! variable, a missing right) is absent, never guessed.

use super::connection::{Connection, code_of};
use crate::error::Result;
use std::collections::{BTreeMap, BTreeSet};

/// Who made the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Vendor {
    /// MariaDB.
    #[default]
    MariaDb,
    /// MySQL, or what speaks as it.
    MySql,
}

impl Vendor {
    /// The word for it, as a snapshot keeps it.
    pub fn word(self) -> &'static str {
        match self {
            Vendor::MariaDb => "MariaDB",
            Vendor::MySql => "MySQL",
        }
    }
}

/// The filters of a binary log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// Databases that alone are logged.
    pub only: String,
    /// Databases that are not logged.
    pub not: String,
}

/// What a server is and allows.
#[derive(Clone, Debug, Default)]
pub struct ServerFacts {
    /// Who made it.
    pub vendor: Vendor,
    /// Major, minor and patch version.
    pub version: (u32, u32, u32),
    /// What `VERSION()` says.
    pub version_text: String,
    /// Global variables by name, in lower case.
    pub settings: BTreeMap<String, String>,
    /// Names of the engines that can be used, in lower case.
    pub engines: BTreeSet<String>,
    /// Names of the collations that the server knows, as `information_schema` lists them.
    pub collations: BTreeSet<String>,
    /// The binary log's filters; `None`: no log, or no right to see them.
    pub log_filter: Option<LogFilter>,
}

/// The variables that are read.
const VARIABLES: [&str; 49] = [
    "binlog_checksum",
    "binlog_format",
    "binlog_row_image",
    "binlog_row_metadata",
    "character_set_server",
    "collation_server",
    "concurrent_insert",
    "datadir",
    "default_storage_engine",
    "event_scheduler",
    "expire_logs_days",
    "explicit_defaults_for_timestamp",
    "foreign_key_checks",
    "ft_min_word_len",
    "gtid_mode",
    "have_ssl",
    "hostname",
    "innodb_file_per_table",
    "innodb_page_size",
    "innodb_strict_mode",
    "key_buffer_size",
    "local_infile",
    "log_bin",
    "log_bin_trust_function_creators",
    "log_slave_updates",
    "lower_case_file_system",
    "lower_case_table_names",
    "max_allowed_packet",
    "max_connections",
    "myisam_use_mmap",
    "old_mode",
    "partial_revokes",
    "performance_schema",
    "port",
    "read_only",
    "secure_timestamp",
    "server_id",
    "server_uid",
    "server_uuid",
    "socket",
    "sql_mode",
    "super_read_only",
    "system_time_zone",
    "system_versioning_alter_history",
    "system_versioning_insert_history",
    "time_zone",
    "tmpdir",
    "userstat",
    "version_comment",
];

impl ServerFacts {
    /// Asks the server.
    pub fn read(connection: &mut Connection) -> Result<ServerFacts> {
        let version_text = connection.value("SELECT VERSION()")?.unwrap_or_default();
        let list = VARIABLES.map(|name| format!("'{name}'")).join(",");
        let mut settings = BTreeMap::new();
        for cells in connection.rows(&format!("SHOW GLOBAL VARIABLES WHERE Variable_name IN ({list})"))? {
            let name = cells.text(0).unwrap_or_default().to_lowercase();
            settings.insert(name, cells.text(1).unwrap_or_default());
        }
        let mut facts = ServerFacts::of(&version_text, settings);
        for cells in connection.rows("SELECT ENGINE, SUPPORT FROM information_schema.ENGINES")? {
            if matches!(cells.text(1).as_deref(), Some("YES" | "DEFAULT")) {
                facts.engines.insert(cells.text(0).unwrap_or_default().to_lowercase());
            }
        }
        facts.collations = collations(connection)?;
        if facts.is_on("log_bin") {
            facts.log_filter = log_filter(connection, &facts)?;
        }
        Ok(facts)
    }

    fn of(version_text: &str, settings: BTreeMap<String, String>) -> ServerFacts {
        let vendor = match version_text.contains("MariaDB") {
            true => Vendor::MariaDb,
            false => Vendor::MySql,
        };
        let version = version(version_text);
        ServerFacts { vendor, version, version_text: version_text.into(), settings, ..ServerFacts::default() }
    }

    /// Facts without a server, for tests.
    #[cfg(test)]
    pub fn for_version(version: &str, settings: &[(&str, &str)]) -> ServerFacts {
        let settings = settings.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        ServerFacts::of(version, settings)
    }

    /// A variable's value; `None`: the server does not know it.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }

    /// Whether a variable is on.
    pub fn is_on(&self, name: &str) -> bool {
        self.setting(name).is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("on"))
    }

    /// A variable as a number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.setting(name)?.parse().ok()
    }

    /// Whether there is a binary log of whole rows of every database, which can be replayed.
    pub fn has_full_row_log(&self) -> bool {
        let is = |name, value: &str| self.setting(name).is_some_and(|v| v.eq_ignore_ascii_case(value));
        self.is_on("log_bin")
            && is("binlog_format", "ROW")
            && is("binlog_row_image", "FULL")
            && self.log_is_unfiltered()
    }

    /// Whether there is a binary log that is known to leave out no database.
    pub fn log_is_unfiltered(&self) -> bool {
        self.log_filter == Some(LogFilter::default())
    }
}

/// `5.5.5-10.11.19-MariaDB-log` and `8.0.36` as numbers; what is missing is 0.
fn version(text: &str) -> (u32, u32, u32) {
    // Old clients were told that a MariaDB 10 is a 5.5.5.
    let text = text.strip_prefix("5.5.5-").unwrap_or(text);
    let plain: String = text.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    let mut parts = plain.split('.').map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next())
}

/// MariaDB 10.10 and later list some collations without the character sets they can serve.
fn collations(connection: &mut Connection) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let full = "SELECT FULL_COLLATION_NAME FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY";
    let plain = "SELECT COLLATION_NAME FROM information_schema.COLLATIONS";
    for (sql, may_fail) in [(full, true), (plain, false)] {
        match connection.rows(sql) {
            Ok(rows) => found.extend(rows.iter().filter_map(|cells| cells.text(0))),
            Err(error) if may_fail && code_of(&error) == Some(UNKNOWN_COLUMN) => {}
            Err(error) => return Err(error),
        }
    }
    add_old_names(&mut found);
    Ok(found)
}

/// Adds the names that older servers have for the same character sets or collations, which newer ones
/// take and do not list: `utf8…` for `utf8mb3…`.
pub fn add_old_names(names: &mut BTreeSet<String>) {
    let old = |name: &String| name.strip_prefix("utf8mb3").map(|rest| format!("utf8{rest}"));
    let old: Vec<String> = names.iter().filter_map(old).collect();
    names.extend(old);
}

fn log_filter(connection: &mut Connection, facts: &ServerFacts) -> Result<Option<LogFilter>> {
    let sql = match facts.vendor == Vendor::MySql && facts.version >= (8, 4, 0) {
        true => "SHOW BINARY LOG STATUS",
        false => "SHOW MASTER STATUS",
    };
    match connection.rows(sql) {
        Ok(rows) => Ok(rows.first().map(|cells| LogFilter {
            only: cells.text(2).unwrap_or_default(),
            not: cells.text(3).unwrap_or_default(),
        })),
        Err(error) if code_of(&error) == Some(SPECIFIC_ACCESS_DENIED) => Ok(None),
        Err(error) => Err(error),
    }
}

/// `ER_BAD_FIELD_ERROR`.
const UNKNOWN_COLUMN: u16 = 1054;
/// `ER_SPECIFIC_ACCESS_DENIED_ERROR`.
const SPECIFIC_ACCESS_DENIED: u16 = 1227;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(version("10.11.19-MariaDB-0+deb12u1-log"), (10, 11, 19));
        assert_eq!(version("5.5.5-10.4.2-MariaDB"), (10, 4, 2));
        assert_eq!(version("8.0.36"), (8, 0, 36));
        assert_eq!(version("8.4"), (8, 4, 0));
        assert_eq!(version("nonsense"), (0, 0, 0));
        assert_eq!(ServerFacts::for_version("8.0.36", &[]).vendor, Vendor::MySql);
    }

    #[test]
    fn old_names_are_known_where_the_new_ones_are() {
        let mut names = BTreeSet::from(["utf8mb3_bin".to_owned(), "utf8mb4_bin".into(), "utf8mb3".into()]);
        add_old_names(&mut names);
        let all: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(all, ["utf8", "utf8_bin", "utf8mb3", "utf8mb3_bin", "utf8mb4_bin"]);
    }

    #[test]
    fn a_log_counts_as_full_only_if_nothing_is_left_out() {
        let settings = [("log_bin", "ON"), ("binlog_format", "row"), ("binlog_row_image", "FULL")];
        let mut facts = ServerFacts::for_version("10.11.19-MariaDB", &settings);
        assert!(!facts.has_full_row_log(), "its filters are not known");
        facts.log_filter = Some(LogFilter::default());
        assert!(facts.has_full_row_log());
        facts.log_filter = Some(LogFilter { only: "shop".into(), not: String::new() });
        assert!(!facts.has_full_row_log());
    }
}
