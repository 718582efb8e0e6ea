//! Reading `SHOW GRANTS`: of MariaDB and of MySQL, with roles, patterns, columns and partial revokes.
//! It promises never to read more into a line than it grants: what it does not understand grants
//! nothing.

use crate::error::Result;
use crate::mysql::connection::Connection;
use crate::mysql::identifier::quote;
use std::collections::BTreeSet;

/// Who a connection is, as the server matched it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// The user's name; empty for the anonymous user.
    pub user: String,
    /// The host pattern.
    pub host: String,
}

impl Account {
    /// From `CURRENT_USER()`: `user@host`, where only the user may hold an `@`.
    pub fn parse(text: &str) -> Account {
        let (user, host) = text.rsplit_once('@').unwrap_or((text, "%"));
        Account { user: user.into(), host: host.into() }
    }

    /// As it stands in statements.
    pub fn quoted(&self) -> String {
        format!("{}@{}", quote(&self.user), quote(&self.host))
    }
}

/// What a right holds for, or is needed for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Everything on the server: `*.*`.
    Server,
    /// A database, by its plain name.
    Database(String),
    /// A table, by its plain names.
    Table(String, String),
}

impl Scope {
    /// As it stands behind `ON` in a `GRANT` statement, where a database's name is a pattern.
    pub fn quoted(&self) -> String {
        match self {
            Scope::Server => "*.*".into(),
            Scope::Database(name) => format!("{}.*", quote(&escaped(name))),
            Scope::Table(database, table) => format!("{}.{}", quote(database), quote(table)),
        }
    }
}

/// A name as a pattern that matches only that name.
fn escaped(name: &str) -> String {
    name.replace('\\', "\\\\").replace('_', "\\_").replace('%', "\\%")
}

/// Everything an account was granted.
#[derive(Clone, Debug, Default)]
pub struct Privileges {
    /// Whose they are.
    pub account: Account,
    grants: Vec<Grant>,
}

#[derive(Clone, Debug)]
struct Grant {
    /// In capital letters, single spaces between words.
    names: BTreeSet<String>,
    on: On,
    is_revoke: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum On {
    Server,
    /// A pattern.
    Database(String),
    Table(String, String),
}

impl Privileges {
    /// What the user of `connection` may do now, with the roles that are active.
    pub fn read(connection: &mut Connection) -> Result<Privileges> {
        let account = connection.value("SELECT CURRENT_USER()")?.unwrap_or_default();
        let lines = connection.rows("SHOW GRANTS")?;
        Ok(Privileges::parse(&account, lines.iter().filter_map(|cells| cells.text(0))))
    }

    /// From the lines of `SHOW GRANTS`.
    pub fn parse(account: &str, lines: impl IntoIterator<Item = impl AsRef<str>>) -> Privileges {
        let grants = lines.into_iter().filter_map(|line| parse_line(line.as_ref())).collect();
        Privileges { account: Account::parse(account), grants }
    }

    /// Whether `privilege` (in capital letters) holds for all of `scope`.
    pub fn holds(&self, privilege: &str, scope: &Scope) -> bool {
        let is_revoked = |grant: &&Grant| match (&grant.on, scope) {
            (On::Database(_), Scope::Server) => true,
            (on, scope) => covers(on, scope),
        };
        let (revokes, grants): (Vec<&Grant>, Vec<&Grant>) = self.grants.iter().partition(|g| g.is_revoke);
        let named = |grant: &&Grant| grant.gives(privilege);
        let global = grants.iter().filter(|g| g.on == On::Server).any(named);
        let revoked = revokes.iter().copied().filter(is_revoked).any(|grant| grant.gives(privilege));
        global && !revoked || grants.iter().filter(|g| g.on != On::Server && covers(&g.on, scope)).any(named)
    }
}

impl Grant {
    fn gives(&self, privilege: &str) -> bool {
        let has = |name: &str| self.names.contains(name);
        if has(privilege) {
            return true;
        }
        // Rights of a new kind are not part of old lists of all: only of the server's own word.
        if has("ALL PRIVILEGES") || has("ALL") {
            return true;
        }
        match privilege {
            "BINLOG MONITOR" => has("REPLICATION CLIENT") || has("SUPER"),
            "REPLICATION CLIENT" => has("BINLOG MONITOR") || has("SUPER"),
            "SET USER" | "SET_USER_ID" | "SET_ANY_DEFINER" => has("SUPER"),
            _ => false,
        }
    }
}

fn covers(on: &On, scope: &Scope) -> bool {
    match (on, scope) {
        (On::Server, _) => true,
        (On::Database(pattern), Scope::Database(name) | Scope::Table(name, _)) => matches(pattern, name),
        (On::Table(database, table), Scope::Table(d, t)) => database == d && table == t,
        _ => false,
    }
}

/// Whether a database pattern (`%`, `_`, `\` before either) matches a name.
fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    // The places of the pattern that can be reached after each letter of the name.
    let mut at = BTreeSet::from([0]);
    reach(&pattern, &mut at);
    for letter in name {
        let mut next = BTreeSet::new();
        for place in at {
            match (pattern.get(place), pattern.get(place + 1)) {
                (Some('%'), _) => drop(next.insert(place)),
                (Some('_'), _) => drop(next.insert(place + 1)),
                (Some('\\'), Some(&plain)) => drop((plain == letter).then(|| next.insert(place + 2))),
                (Some(&plain), _) => drop((plain == letter).then(|| next.insert(place + 1))),
                (None, _) => {}
            }
        }
        at = next;
        reach(&pattern, &mut at);
    }
    at.contains(&pattern.len())
}

/// Adds the places behind every `%` that is reached.
fn reach(pattern: &[char], at: &mut BTreeSet<usize>) {
    let mut place = 0;
    while place < pattern.len() {
        if at.contains(&place) && pattern.get(place) == Some(&'%') {
            at.insert(place + 1);
        }
        place += 1;
    }
}

/// One line; `None`: it grants no right on databases or tables.
fn parse_line(line: &str) -> Option<Grant> {
    let words = words(line)?;
    let mut rest = words.as_slice();
    let (first, after) = rest.split_first()?;
    let is_revoke = match first {
        Word::Plain(word) if word == "GRANT" => false,
        Word::Plain(word) if word == "REVOKE" => true,
        _ => return None,
    };
    rest = after;
    let names = names(&mut rest)?;
    let on = scope(&mut rest)?;
    Some(Grant { names, on, is_revoke })
}

/// The privileges up to `ON`; those for single columns grant nothing here.
fn names(rest: &mut &[Word]) -> Option<BTreeSet<String>> {
    let (mut names, mut name, mut depth, mut has_columns) = (BTreeSet::new(), String::new(), 0_u32, false);
    loop {
        let (word, after) = rest.split_first()?;
        *rest = after;
        let ends = match word {
            Word::Sign('(') => {
                (depth, has_columns) = (depth + 1, true);
                false
            }
            Word::Sign(')') => {
                depth = depth.checked_sub(1)?;
                false
            }
            Word::Sign(',') => depth == 0,
            Word::Plain(word) if depth == 0 && word == "ON" => true,
            Word::Plain(word) if depth == 0 => {
                name = if name.is_empty() { word.clone() } else { format!("{name} {word}") };
                false
            }
            // A role, or a column among others.
            Word::Quoted(_) if depth == 0 => return None,
            _ => false,
        };
        if ends {
            if !name.is_empty() && !has_columns {
                names.insert(std::mem::take(&mut name));
            }
            (name, has_columns) = (String::new(), false);
            if matches!(word, Word::Plain(_)) {
                return Some(names);
            }
        }
    }
}

/// What stands between `ON` and `TO` or `FROM`; `None` for routines and proxies.
fn scope(rest: &mut &[Word]) -> Option<On> {
    if let [Word::Plain(word), after @ ..] = rest
        && word == "TABLE"
        && !matches!(after, [Word::Sign('.'), ..])
    {
        *rest = after;
    }
    let part = |word: &Word| match word {
        Word::Quoted(name) => Some(name.clone()),
        Word::Name(name) => Some(name.clone()),
        _ => None,
    };
    match *rest {
        [Word::Sign('*'), Word::Sign('.'), Word::Sign('*'), ..] => Some(On::Server),
        [database, Word::Sign('.'), Word::Sign('*'), ..] => part(database).map(On::Database),
        [database, Word::Sign('.'), table, ..] => Some(On::Table(part(database)?, part(table)?)),
        _ => None,
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    /// A bare word in capital letters.
    Plain(String),
    /// A bare word that stands beside a dot, as written.
    Name(String),
    /// A name between quotes.
    Quoted(String),
    Sign(char),
}

/// The words of a line; `None` if a quote never ends.
fn words(line: &str) -> Option<Vec<Word>> {
    let mut words = Vec::new();
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '`' | '"' | '\'' => {
                let mut name = String::new();
                loop {
                    match letters.next()? {
                        end if end == letter && letters.peek() == Some(&letter) => {
                            letters.next();
                            name.push(letter);
                        }
                        end if end == letter => break,
                        other => name.push(other),
                    }
                }
                words.push(Word::Quoted(name));
            }
            letter if letter.is_whitespace() => {}
            letter if letter.is_alphanumeric() || matches!(letter, '_' | '$') => {
                let mut word = letter.to_string();
                while let Some(next) = letters.next_if(|c| c.is_alphanumeric() || matches!(c, '_' | '$')) {
                    word.push(next);
                }
                let beside_dot = words.last() == Some(&Word::Sign('.')) || letters.peek() == Some(&'.');
                words.push(if beside_dot { Word::Name(word) } else { Word::Plain(word.to_uppercase()) });
            }
            sign => words.push(Word::Sign(sign)),
        }
    }
    Some(words)
}
