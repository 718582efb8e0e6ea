//! Names of the databases that stand beside the one that is restored. It promises names that the
//! server allows and that are always the same for the same database.

use xxhash_rust::xxh3::xxh3_64;

/// Most characters of a name on a server.
const MAX_NAME_CHARS: usize = 64;
/// Most bytes of the name of a folder.
const MAX_FILE_NAME_BYTES: usize = 255;
/// Characters that a long name keeps before its hash.
const KEPT_CHARS: usize = 32;

/// The table of the journal, in the staging database.
pub const JOURNAL: &str = "coffer: journal";
/// The table whose existence says that the switch has begun.
pub const MARKER: &str = "coffer: switch";

/// Where `database` is put together.
pub fn staging(database: &str) -> String {
    beside(database, "__restoring")
}

/// Where the tables go that stood in `database` before.
pub fn old(database: &str) -> String {
    beside(database, "__old")
}

/// The name of the server's lock that keeps two restores into `database` apart.
pub fn lock(database: &str) -> String {
    format!("coffer restore {:016x}", xxh3_64(database.to_lowercase().as_bytes()))
}

fn beside(database: &str, suffix: &str) -> String {
    if database.chars().count() + suffix.len() <= MAX_NAME_CHARS
        && file_name_bytes(database) + suffix.len() <= MAX_FILE_NAME_BYTES
    {
        return format!("{database}{suffix}");
    }
    let kept: String = database.chars().take(KEPT_CHARS).collect();
    format!("{kept}_{:016x}{suffix}", xxh3_64(database.as_bytes()))
}

/// Most bytes that the name of the folder of a database has on its server's disk.
fn file_name_bytes(database: &str) -> usize {
    // A server writes all but these as `@` and four digits, a few letters shorter.
    database.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { 1 } else { 5 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_stay_apart_and_within_the_limit() {
        assert_eq!(staging("shop"), "shop__restoring");
        let (first, second) = ("é".repeat(63) + "a", "é".repeat(63) + "b");
        assert_ne!(staging(&first), staging(&second));
        assert!(staging(&first).chars().count() <= MAX_NAME_CHARS);
        assert!(lock(&first).len() <= MAX_NAME_CHARS);
        // Fifty-one of these fill the name of a folder.
        assert!(file_name_bytes(&staging(&"#".repeat(51))) <= MAX_FILE_NAME_BYTES);
        assert!(file_name_bytes(&old(&"\u{8a3a}".repeat(51))) <= MAX_FILE_NAME_BYTES);
    }
}
