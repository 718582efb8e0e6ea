//! Test copies: rows changed on their way to a server, as a profile's rules say. It promises that every
//! rule was found to fit every database before anything is loaded, that no database comes through
//! untouched, and a count of what each rule changed.

use super::Profile;
use super::fit;
use super::fold::Fold;
use super::leftover::{self, Leftover};
use super::letters::Alphabet;
use super::permutation::Permuter;
use super::rule::{Action, ScrubRule};
use super::value::{Replacer, Texts, Treatment};
use crate::crypto::Keyring;
use crate::entry::database::TableRecord;
use crate::error::{Error, Kind, Result};
use crate::mysql::identifier::quote;
use crate::mysql::load::{Collations, LoadPlan, LoadSource, RowChange, RowFilter};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::Zeroizing;

mod tied;

/// The secret that replacements depend on: the same for a container and its copies, so that two test
/// copies agree, and known to nobody who cannot open them.
pub struct ScrubKey(Zeroizing<[u8; 32]>);

impl ScrubKey {
    /// The key of the container that `keyring` opens.
    pub fn of(keyring: &Keyring) -> ScrubKey {
        let family = Zeroizing::new(keyring.cutter_key());
        ScrubKey(Zeroizing::new(blake3::derive_key("coffer/v1/test-copy", &*family)))
    }
}

/// What a rule did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleCount {
    /// The table, and the column unless all of it was left out.
    pub name: String,
    /// The word for what the rule does.
    pub word: &'static str,
    /// Tables that it was found in.
    pub tables: u64,
    /// Rows that it changed or left out.
    pub rows: u64,
}

/// The rules of a profile, fitted to the tables that are to be loaded.
pub struct Scrub {
    rules: Vec<Rule>,
    tables: BTreeMap<(String, String), Fitted>,
    notes: Vec<String>,
    leftover: Vec<Leftover>,
    /// The rules as they are written.
    identity: String,
    /// By collation.
    folds: Mutex<HashMap<String, Arc<Fold>>>,
}

struct Rule {
    name: String,
    word: &'static str,
    domain: String,
    permuter: Permuter,
    tables: u64,
    rows: AtomicU64,
}

/// What happens to the rows of a table.
enum Fitted {
    LeftOut(usize),
    /// Number of the column, number of the rule, and how.
    Columns(Vec<(usize, usize, Treatment)>),
}

impl Scrub {
    /// Fits the rules of `profile` to the databases of `source` that are in `names`; to all, if that
    /// is empty.
    ///
    /// Errors: [`Kind::Usage`], naming table and column, if a rule that is not optional misses either in
    /// a database, or if it cannot treat the column; and if the profile has no rules at all.
    pub fn new(profile: &Profile, source: &LoadSource, names: &[String], key: &ScrubKey) -> Result<Scrub> {
        if profile.scrub.is_empty() {
            return Err(Error::new(
                Kind::Usage,
                format!("profile {}: has no rule for test copies", profile.name),
            )
            .hint("a copy made with it would hold everything; write [[scrub]] rules"));
        }
        let rules = profile.scrub.iter().map(|rule| Rule::new(rule, key)).collect();
        let mut scrub = Scrub {
            rules,
            tables: BTreeMap::new(),
            notes: Vec::new(),
            leftover: Vec::new(),
            folds: Mutex::default(),
            identity: format!("{:?}", profile.scrub),
        };
        for database in &source.databases {
            let name = &database.record.name;
            if names.is_empty() || names.contains(name) {
                scrub.fit(profile, name, &database.tables)?;
                scrub.check_ties(name, &database.tables)?;
                let replaced = |table: &TableRecord| scrub.replaced(name, table);
                let left =
                    leftover::of(name, &database.record, &database.tables, &database.objects, &replaced);
                scrub.leftover.push(left);
            }
        }
        scrub.share(source);
        scrub.notes.extend(profile.remarks.iter().cloned());
        Ok(scrub)
    }

    fn fit(&mut self, profile: &Profile, database: &str, tables: &[TableRecord]) -> Result<()> {
        let before = self.tables.len();
        for (number, rule) in profile.scrub.iter().enumerate() {
            let meant: Vec<_> = tables.iter().filter(|t| t.name.eq_ignore_ascii_case(&rule.table)).collect();
            let mut is_found = false;
            for table in &meant {
                is_found |= self.fit_table(rule, number, database, table)?;
            }
            match (is_found, rule.optional) {
                (true, _) => {}
                (false, true) => {
                    self.notes.push(format!("`{database}` has no {}: nothing to replace", rule.name()))
                }
                (false, false) => return Err(missing(profile, rule, database, meant.is_empty())),
            }
        }
        match self.tables.len() == before {
            true => Err(Error::new(
                Kind::Usage,
                format!(
                    "profile {}: none of its rules means anything in database `{database}`",
                    profile.name
                ),
            )
            .hint("it would be loaded as it is: choose the application's databases with --database")),
            false => Ok(()),
        }
    }

    /// The numbers of the table's columns that are replaced; `None`: its rows are left out.
    fn replaced(&self, database: &str, table: &TableRecord) -> Option<Vec<usize>> {
        match self.tables.get(&(database.to_owned(), table.name.clone())) {
            Some(Fitted::LeftOut(_)) => None,
            Some(Fitted::Columns(columns)) => Some(columns.iter().map(|(at, ..)| *at).collect()),
            None => Some(Vec::new()),
        }
    }

    /// What the collation of a column holds equal.
    fn fold(
        &self,
        table: &TableRecord,
        at: usize,
        treatment: &Treatment,
        collations: &mut dyn Collations,
    ) -> Result<Arc<Fold>> {
        let Treatment::Text(Texts { alphabet, .. }) = treatment else { return Ok(Arc::new(Fold::none())) };
        let lost = |what: &str| Error::new(Kind::Database, format!("table {}: {what}", table.name));
        let column = table.columns.get(at).ok_or_else(|| lost("a column is gone"))?;
        let (set, collation) = collations
            .of_column(&column.name)?
            .ok_or_else(|| lost(&format!("the server does not say how column {} compares", column.name)))?;
        // One asks and the others wait: the answer is long.
        let mut folds = self.folds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fold) = folds.get(&collation) {
            return Ok(Arc::clone(fold));
        }
        let weights = collations.weights(&set, &collation)?;
        let fold = Arc::new(Fold::of(&weights, *alphabet == Alphabet::Utf8));
        folds.insert(collation, Arc::clone(&fold));
        Ok(fold)
    }

    fn fit_table(
        &mut self,
        rule: &ScrubRule,
        number: usize,
        database: &str,
        table: &TableRecord,
    ) -> Result<bool> {
        let key = (database.to_owned(), table.name.clone());
        let action = rule.action()?;
        let fitted = match action {
            Action::LeaveOut => {
                self.tables.insert(key, Fitted::LeftOut(number));
                true
            }
            Action::Replace(column, _) | Action::Fix(column, _) => {
                let Some(at) = table.columns.iter().position(|c| c.name.eq_ignore_ascii_case(column)) else {
                    return match leftover::generated(table)
                        .any(|name| name.eq_ignore_ascii_case(&quote(column)))
                    {
                        true => Err(Error::new(
                            Kind::Usage,
                            format!("{}.{column} is generated: the server computes it", table.name),
                        )
                        .hint("write rules for the columns that it is computed from")),
                        false => Ok(false),
                    };
                };
                let treatment = fit::treatment(table, at, action)?;
                match self.tables.entry(key).or_insert_with(|| Fitted::Columns(Vec::new())) {
                    Fitted::Columns(columns) => columns.push((at, number, treatment)),
                    // Rules were checked: no table is both left out and replaced.
                    Fitted::LeftOut(_) => return Ok(false),
                }
                true
            }
        };
        if let Some(rule) = self.rules.get_mut(number) {
            rule.tables += 1;
        }
        Ok(fitted)
    }

    /// What each rule did so far.
    pub fn counts(&self) -> Vec<RuleCount> {
        let count = |rule: &Rule| RuleCount {
            name: rule.name.clone(),
            word: rule.word,
            tables: rule.tables,
            rows: rule.rows.load(Ordering::Relaxed),
        };
        self.rules.iter().map(count).collect()
    }

    /// What comes as it is: columns without a rule, and values that stand in definitions.
    pub fn leftover(&self) -> &[Leftover] {
        &self.leftover
    }

    /// What should be known: the profile's remarks, and optional rules that meant nothing.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Looks whether every database of `plan` was fitted.
    ///
    /// Errors: [`Kind::Usage`] for one that was not.
    pub fn check(&self, plan: &LoadPlan) -> Result<()> {
        let is_fitted = |name: &String| self.tables.keys().any(|(database, _)| database == name);
        match plan.parts.iter().find(|part| !is_fitted(&part.database.name)) {
            Some(part) => {
                Err(Error::new(Kind::Usage, format!("no rule was fitted to `{}`", part.database.name)))
            }
            None => Ok(()),
        }
    }
}

impl Rule {
    fn new(rule: &ScrubRule, key: &ScrubKey) -> Rule {
        let domain = rule.domain.as_deref().unwrap_or(rule.word());
        Rule {
            name: rule.name(),
            word: rule.word(),
            domain: domain.to_owned(),
            permuter: Permuter::new(&key.0, domain),
            tables: 0,
            rows: AtomicU64::new(0),
        }
    }

    fn count(&self) {
        self.rows.fetch_add(1, Ordering::Relaxed);
    }
}

impl RowFilter for Scrub {
    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn table<'a>(
        &'a self,
        database: &str,
        table: &'a TableRecord,
        collations: &mut dyn Collations,
    ) -> Result<Option<RowChange<'a>>> {
        let fitted = match self.tables.get(&(database.to_owned(), table.name.clone())) {
            Some(fitted) => fitted,
            None => return Ok(None),
        };
        let rule = |number: usize| {
            let lost = || Error::new(Kind::Failed, format!("table {}: its rule is gone", table.name));
            self.rules.get(number).ok_or_else(lost)
        };
        let columns = match fitted {
            Fitted::LeftOut(number) => {
                let rule = rule(*number)?;
                return Ok(Some(Box::new(move |_| {
                    rule.count();
                    Ok(false)
                })));
            }
            Fitted::Columns(columns) => columns,
        };
        let mut replacers = Vec::with_capacity(columns.len());
        for (at, number, treatment) in columns {
            let rule = rule(*number)?;
            let fold = self.fold(table, *at, treatment, collations)?;
            replacers.push((*at, rule, Replacer::new(treatment, &rule.permuter, fold)));
        }
        Ok(Some(Box::new(move |cells| {
            for (at, rule, replacer) in &mut replacers {
                let cell = cells
                    .get_mut(*at)
                    .ok_or_else(|| Error::damaged(format!("table {}: a row lacks cells", table.name)))?;
                if replacer.replace(cell) {
                    rule.count();
                }
            }
            Ok(true)
        })))
    }
}

fn missing(profile: &Profile, rule: &ScrubRule, database: &str, is_table: bool) -> Error {
    let what =
        if is_table { format!("no table {}", rule.table) } else { format!("no column {}", rule.name()) };
    Error::new(Kind::Usage, format!("profile {}: database `{database}` has {what}", profile.name)).hint(
        "nothing was touched; is it the profile of another application or version? a rule with \
         `optional = true` may mean nothing",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::database::{ColumnForm, ColumnRecord, DatabaseRecord};
    use crate::mysql::load::{Collation, DatabaseEntries, exact};

    /// A server whose columns all compare exactly.
    struct Exact;

    impl Collations for Exact {
        fn of_column(&mut self, _: &str) -> Result<Option<(String, String)>> {
            Ok(Some(("utf8mb4".into(), "utf8mb4_bin".into())))
        }

        fn weights(&mut self, _: &str, _: &str) -> Result<Collation> {
            Ok(exact())
        }
    }

    const RULES: &str = "name = 'p'\n\
        [[scrub]]\ntable = 'Patient'\ncolumn = 'phone'\nwith = 'phone'\n\
        [[scrub]]\ntable = 'sms'\ncolumn = 'to'\nwith = 'phone'\n\
        [[scrub]]\ntable = 'queue'\nrows = 'none'\n\
        [[scrub]]\ntable = 'later'\nrows = 'none'\noptional = true\n";

    fn table(name: &str, column: &str) -> TableRecord {
        let column = ColumnRecord {
            name: column.into(),
            column_type: "varchar(30)".into(),
            form: ColumnForm::Text,
            character_set: "utf8mb4".into(),
        };
        TableRecord { name: name.into(), columns: vec![column], ..TableRecord::default() }
    }

    fn source(tables: Vec<TableRecord>) -> LoadSource {
        let record = DatabaseRecord { name: "shop".into(), ..DatabaseRecord::default() };
        LoadSource {
            databases: vec![DatabaseEntries { record, tables, objects: Vec::new() }],
            ..LoadSource::default()
        }
    }

    fn scrub(rules: &str, tables: Vec<TableRecord>) -> Result<Scrub> {
        let profile = Profile::parse(rules, "p.toml")?;
        Scrub::new(&profile, &source(tables), &[], &ScrubKey(Zeroizing::new([1; 32])))
    }

    #[test]
    fn equal_values_of_two_tables_become_equal_and_are_counted() {
        let tables = vec![table("patient", "Phone"), table("sms", "to"), table("queue", "x")];
        let scrub = scrub(RULES, tables.clone()).expect("fits");
        let mut new = Vec::new();
        for table in &tables {
            let mut change = scrub.table("shop", table, &mut Exact).expect("no error").expect("a change");
            let mut row = vec![Some(b"555-0100".to_vec())];
            let is_kept = change(&mut row).expect("changed");
            assert_eq!(is_kept, table.name != "queue");
            assert!(change(&mut vec![None]).is_ok() && change(&mut Vec::new()).is_err() == is_kept);
            new.push(row);
        }
        assert!(new[0] == new[1] && new[0] != new[2]);
        let counts: Vec<u64> = scrub.counts().iter().map(|c| c.rows).collect();
        assert_eq!(counts, [1, 1, 3, 0]);
        assert!(scrub.notes()[0].contains("later"), "{:?}", scrub.notes());
        assert!(scrub.table("shop", &table("other", "x"), &mut Exact).expect("no error").is_none());
    }

    #[test]
    fn what_is_missing_is_named_before_anything_happens() {
        let message = |tables| scrub(RULES, tables).err().map(|e| (e.kind(), e.message().to_owned()));
        let (kind, told) = message(vec![table("sms", "to")]).expect("refused");
        assert!(kind == Kind::Usage && told.contains("no table Patient"), "{told}");
        let (_, told) = message(vec![table("patient", "name"), table("sms", "to")]).expect("refused");
        assert!(told.contains("no column Patient.phone"), "{told}");
        let optional = "name='p'\n[[scrub]]\ntable='x'\nrows='none'\noptional=true\n";
        assert!(scrub(optional, vec![table("a", "b")]).is_err(), "a database is never loaded as it is");
        assert!(scrub("name='p'\n", vec![table("a", "b")]).is_err());
    }
}
