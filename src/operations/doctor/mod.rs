//! What stands between a server and a good backup: rights that are missing, the consistency that is
//! possible and what it would cost, and what a restore would meet. It promises to change nothing on
//! the server, and to hold no lock of a table longer than a fraction of a second.

mod consistency;
mod restoring;
mod survey;

pub use consistency::{Consistency, Sequence, Way};
pub use restoring::Restoring;
pub use survey::{DatabaseSurvey, EngineCount, survey as survey_databases};

use crate::error::{Error, Kind, Result};
use crate::mysql::facts::ServerFacts;
use crate::mysql::opener::Opener;
use crate::mysql::options::ServerOptions;
use crate::mysql::privileges::{DumpNeeds, Missing, Need, Privileges, Purpose, missing, refusal, statements};
use crate::mysql::schema::is_definition_only;

/// What is asked about.
#[derive(Clone, Debug)]
pub struct Question {
    /// The server.
    pub server: ServerOptions,
    /// The databases; empty: all of them.
    pub databases: Vec<String>,
    /// Users and grants are to be saved, too.
    pub users: bool,
    /// The server is to be restored to, too: rights for that count.
    pub load: bool,
}

/// Something a person should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// A stable word for it.
    pub code: &'static str,
    /// What it is.
    pub message: String,
}

/// The answer.
#[derive(Debug)]
pub struct Diagnosis {
    /// The server's name.
    pub server: String,
    /// What the server is.
    pub facts: ServerFacts,
    /// Who asked, as the server sees it.
    pub account: String,
    /// Rights that are missing, those first that stop the work.
    pub missing: Vec<Missing>,
    /// The fewest statements that grant them.
    pub statements: Vec<String>,
    /// What each database holds.
    pub databases: Vec<DatabaseSurvey>,
    /// How all tables can be of one instant.
    pub consistency: Consistency,
    /// What a restore to this server would meet.
    pub restoring: Restoring,
    /// What a person should know; none: all is well.
    pub findings: Vec<Finding>,
    /// Why a backup would refuse, if it would.
    pub refusal: Option<Error>,
}

/// Asks the server.
///
/// Errors: [`Kind::Database`] if it cannot be reached, [`Kind::Usage`] for a database it has not.
pub fn diagnose(question: &Question) -> Result<Diagnosis> {
    let (_, mut connection) = Opener::new(question.server.clone())?;
    let facts = ServerFacts::read(&mut connection)?;
    let privileges = Privileges::read(&mut connection)?;
    for database in &question.databases {
        survey::check_known(&mut connection, database)?;
    }
    let databases = survey::survey(&mut connection, &question.databases)?;
    let needs = DumpNeeds {
        has_plain_tables: databases.iter().any(DatabaseSurvey::has_plain_tables),
        users: question.users,
    };
    let mut lacking = missing(&privileges, &facts, &Purpose::Dump(needs), &question.databases);
    if question.load {
        for more in missing(&privileges, &facts, &Purpose::Load, &question.databases) {
            if !lacking.iter().any(|known| (known.privilege, &known.scope) == (more.privilege, &more.scope)) {
                lacking.push(more);
            }
        }
        lacking.sort_by_key(|missing| missing.need);
    }
    let consistency = consistency::judge(&facts, &databases, &lacking);
    let restoring = restoring::judge(&mut connection, &facts, &databases)?;
    let mut findings = findings(&facts, &databases, &lacking);
    findings.extend(consistency.findings());
    findings.extend(restoring.findings());
    let server = connection.name().to_owned();
    let refusal = refusal(&lacking, &privileges.account, &server).map(|refusal| refusal.error);
    let refusal = refusal.or_else(|| consistency.refusal(&server));
    Ok(Diagnosis {
        server,
        account: privileges.account.quoted(),
        statements: statements(&lacking, &privileges.account),
        facts,
        missing: lacking,
        databases,
        consistency,
        restoring,
        findings,
        refusal,
    })
}

fn findings(facts: &ServerFacts, databases: &[DatabaseSurvey], lacking: &[Missing]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |code, message: String| findings.push(Finding { code, message });
    for one in lacking.iter().filter(|missing| missing.need == Need::Useful) {
        add("privilege", format!("{} on {} is missing: {}", one.privilege, one.scope.quoted(), one.gives));
    }
    for database in databases {
        for table in &database.unreadable {
            add(
                "table",
                format!("{}.{table} cannot be read: it is broken or its engine is missing", database.name),
            );
        }
        for (engine, count) in database.engines.iter().filter(|(engine, _)| is_definition_only(engine)) {
            let of = format!("{} of {}", count.tables, database.name);
            add(
                "engine",
                format!(
                    "tables of engine {engine} ({of}) keep their rows elsewhere: only definitions are saved"
                ),
            );
        }
    }
    if facts.is_on("read_only") || facts.is_on("super_read_only") {
        add("read-only", "the server is read-only, a replica perhaps: is it the one that is meant?".into());
    }
    findings
}

/// A database that the server has not.
fn unknown(database: &str, server: &str) -> Error {
    Error::new(Kind::NoDatabase, format!("{server} has no database `{database}`"))
        .hint("SHOW DATABASES lists them; upper and lower case may count")
}
