//! The emergency sheet: a page to print and to keep away from the office, by which somebody who never
//! saw Coffer gets everything back on a new machine. It promises to hold no secret unless it is given
//! one, and commands that can be typed as they stand.

use super::config::{Config, Scheme};
use crate::container::header::Header;
use crate::crypto::KeyTable;
use crate::storage::FileStorage;
use crate::values::page::{escaped, list, page, table};
use crate::values::{format_size, rfc3339};
use std::collections::BTreeMap;
use std::path::Path;

/// What is seen of a container without its secret.
struct Seen {
    id: String,
    slots: Vec<String>,
    bytes: u64,
    is_encrypted: bool,
}

fn seen(path: &Path) -> Option<Seen> {
    let storage = FileStorage::open(path, false).ok()?;
    let header = Header::read(&storage).ok()?;
    let table = KeyTable::decode(&header.keys.table).ok()?;
    let slots = table.slots().iter().map(|slot| {
        let made = rfc3339(slot.created());
        let label = if slot.label().is_empty() { String::new() } else { format!(" “{}”", slot.label()) };
        format!("slot {}: {}{label}, made {}", slot.number(), slot.kind(), made.get(..10).unwrap_or(&made))
    });
    Some(Seen {
        id: header.prologue.container.to_string(),
        slots: slots.collect(),
        bytes: std::fs::metadata(path).ok()?.len(),
        is_encrypted: table.is_encrypted(),
    })
}

/// The sheet, made at `made`; `codes` are recovery codes by the name of their container.
pub fn html(config: &Config, made: &str, machine: &str, codes: &BTreeMap<String, String>) -> String {
    let practice = config.practice.name.as_deref().unwrap_or("this practice");
    let title = format!("Emergency sheet of {practice}");
    let mut out = format!(
        "<p>Made at {} on {}. Print it, keep it outside of the office, and make it anew when something \
         here changes.</p>\n",
        escaped(made),
        escaped(machine)
    );
    if !config.practice.remarks.is_empty() {
        out += &format!("<h2>Whom to call, and what to know</h2>\n{}", list(&config.practice.remarks));
    }
    containers(&mut out, config, codes);
    schemes(&mut out, config);
    steps(&mut out, config);
    page(&title, &out)
}

fn containers(out: &mut String, config: &Config, codes: &BTreeMap<String, String>) {
    *out += "<h2>Where the backups are</h2>\n";
    for (name, place) in &config.container {
        let mut rows = vec![vec!["File".to_owned(), place.path.display().to_string()]];
        if let Some(mount) = &place.mount {
            rows.push(vec!["On the medium at".into(), mount.display().to_string()]);
        }
        let found = seen(&place.path);
        match &found {
            Some(seen) => {
                rows.push(vec!["Id".into(), seen.id.clone()]);
                rows.push(vec!["Size".into(), format_size(seen.bytes)]);
                let slots =
                    if seen.is_encrypted { seen.slots.join("; ") } else { "it is not encrypted".into() };
                rows.push(vec!["What opens it".into(), slots]);
            }
            None => rows.push(vec!["State".into(), "not connected when this sheet was made".into()]),
        }
        *out += &format!("<h2>{}</h2>\n{}", escaped(name), table(&["", ""], rows));
        if found.is_some_and(|seen| !seen.is_encrypted) {
            continue;
        }
        match codes.get(name) {
            Some(code) => *out += &format!("<p>Recovery code:</p><pre>{}</pre>\n", escaped(code)),
            None => {
                *out += "<p>Where its recovery code, password or key is kept (never with the disk itself):</p>\
                         <div class=\"line\"></div><div class=\"line\"></div>\n";
            }
        }
    }
}

fn schemes(out: &mut String, config: &Config) {
    let rows = config.scheme.iter().map(|(name, scheme)| {
        let folders: Vec<&str> = scheme.attachments.iter().map(|folder| folder.get_ref().as_str()).collect();
        vec![name.clone(), databases(scheme), folders.join(", "), scheme.to.get_ref().clone()]
    });
    *out += "<h2>What is saved</h2>\n";
    *out += &table(&["Scheme", "Databases", "Folders", "Saved to"], rows);
}

fn databases(scheme: &Scheme) -> String {
    match (scheme.has_databases(), scheme.databases.is_empty()) {
        (false, _) => "none".into(),
        (true, true) => "all of the server".into(),
        (true, false) => scheme.databases.join(", "),
    }
}

fn steps(out: &mut String, config: &Config) {
    let target = config.scheme.values().map(|scheme| scheme.to.get_ref()).next();
    let place = target.and_then(|name| config.container.get(name)).or(config.container.values().next());
    let path = place.map_or_else(|| "/media/backup/practice.coffer".into(), |c| c.path.display().to_string());
    let path = quoted(&path);
    let database = config.scheme.values().find_map(|scheme| scheme.databases.first());
    let database = quoted(database.map_or("DATABASE", String::as_str));
    let version = env!("CARGO_PKG_VERSION");
    let steps: [(String, Vec<String>); 7] = [
        (
            format!("Take a machine with Linux and enough room, and put the program `coffer` (version {version} or newer) on it. Connect the disk with the backups. If the file is at another place there, write that place below. Never work on the only copy: make one first if you can."),
            vec![],
        ),
        (
            "Write the recovery code into a file that only you can read (or use the password or key file).".into(),
            vec!["umask 077; cat > code.txt      # type the code, then Enter and Ctrl-D".into()],
        ),
        (
            "See which backups there are, and check that they are whole.".into(),
            vec![
                format!("coffer snapshots {path} --recovery-code-file code.txt"),
                format!("coffer verify {path} --recovery-code-file code.txt"),
            ],
        ),
        (
            "Bring the files back, database dumps and folders, into an empty folder. If it is interrupted, run it again: it goes on.".into(),
            vec![format!("coffer restore {path} latest --recovery-code-file code.txt --to /restore --compare")],
        ),
        (
            "Bring the database back: install MariaDB or MySQL of the same or a newer version, and load it. It is loaded beside what is there, compared, and only then put in its place.".into(),
            vec![format!("coffer restore {path} latest --recovery-code-file code.txt --to-server --database {database}")],
        ),
        (
            "Put the folders where the practice's program expects them (see “What is saved”), start the program, and look at patients of whom you know what must be there.".into(),
            vec![],
        ),
        (
            "Take an earlier backup in the same way if the newest is not the right one: latest~1, latest~2, or a day such as 2026-10-01.".into(),
            vec![format!("coffer restore {path} latest~1 --recovery-code-file code.txt --to /restore-earlier")],
        ),
    ];
    *out += "<h2>How to get everything back on a new machine</h2>\n<ol>\n";
    for (text, commands) in &steps {
        *out += &format!("<li>{}", escaped(text));
        if !commands.is_empty() {
            *out += &format!("<pre>{}</pre>", escaped(&commands.join("\n")));
        }
        *out += "</li>\n";
    }
    *out += "</ol>\n<p>Without recovery code, password or key nobody can open the backups, the makers of the \
             program included. What the file looks like inside is written down in the program's \
             `format-spec`, so that it can be read even without the program.</p>\n";
}

/// `text` for a shell: as it is if it means itself, else in quotes.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@%".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"
version = 1
[practice]
name = "Smith & <Sons>"
remarks = ["Call Anna: 555-1234"]
[server.main]
[container.night]
path = "/srv/my backup/night.coffer"
password-file = "/etc/coffer/night.password"
[scheme.nightly]
source = "database"
databases = ["opendental"]
to = "night"
"#;

    #[test]
    fn a_sheet_has_the_commands_and_a_secret_only_if_it_is_given_one() {
        let config = Config::parse(CONFIG, "coffer.toml").expect("good");
        let page = html(&config, "2026-10-01T00:00:00Z", "office", &BTreeMap::new());
        assert!(page.contains("Smith &amp; &lt;Sons&gt;") && page.contains("Call Anna: 555-1234"));
        assert!(page.contains("--to-server --database opendental"), "{page}");
        assert!(page.contains("coffer snapshots &#39;/srv/my backup/night.coffer&#39;"), "{page}");
        assert!(page.contains("not connected when this sheet was made") && page.contains("class=\"line\""));
        let codes = BTreeMap::from([("night".to_owned(), "ABCD-EFGH".to_owned())]);
        let with = html(&config, "2026-10-01T00:00:00Z", "office", &codes);
        assert!(with.contains("<pre>ABCD-EFGH</pre>") && !page.contains("ABCD-EFGH"));
    }
}
