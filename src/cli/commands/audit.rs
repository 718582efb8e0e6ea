//! `coffer audit`: who did what. It promises exit code 4 if the log was changed, with the first line
//! that does not hold.

use crate::cli::args::usage;
use crate::cli::context::Context;
use crate::cli::events::{Outcome, Status};
use crate::error::{Error, Kind, Result};
use crate::schemes::audit::{self, AuditLog, Head, Witness};
use crate::schemes::history::History;
use crate::values::{format_count, format_time, parse_time};
use clap::{Args, Subcommand};
use std::path::Path;

/// Arguments of `coffer audit`.
#[derive(Debug, Args)]
pub struct Audit {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Check that no line was changed, taken out, put in or cut off
    Verify(Verify),
    /// List who did what
    List(List),
}

#[derive(Debug, Args)]
struct Verify {
    /// A head from a printed report, which must be part of the log
    #[arg(long, value_name = "NUMBER:HASH", value_parser = usage(parse_head))]
    head: Option<Head>,
}

#[derive(Debug, Args)]
struct List {
    /// Only what was done since this day or time
    #[arg(long, value_name = "DAY")]
    since: Option<String>,
}

fn parse_head(text: &str) -> Result<Head> {
    let head = text.trim().split_once(':').and_then(|(number, hash)| {
        let is_hash = hash.len() == audit::ORIGIN.len() && hash.bytes().all(|b| b.is_ascii_hexdigit());
        let number = number.parse().ok().filter(|number| *number > 0 && is_hash)?;
        Some(Head { number, hash: hash.to_ascii_lowercase() })
    });
    head.ok_or_else(|| {
        Error::new(Kind::Usage, format!("`{text}` is no head of an audit log"))
            .hint("write it as the report shows it: 1234:0123456789abcdef…")
    })
}

impl Audit {
    /// Its name, as events carry it.
    pub fn name(&self) -> &'static str {
        match self.action {
            Action::Verify(_) => "audit verify",
            Action::List(_) => "audit list",
        }
    }

    /// Does it.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        let folder = context.state_folder().ok_or_else(|| {
            Error::new(Kind::NotFound, "there is no folder of state, so no audit log")
                .hint("set COFFER_STATE_DIR or HOME")
        })?;
        let log = AuditLog::at(&folder);
        match self.action {
            Action::Verify(verify) => verify.run(context, &folder),
            Action::List(list) => list.run(context, &log),
        }
    }
}

impl Verify {
    fn run(self, context: &Context, folder: &Path) -> Result<Outcome> {
        let mut witnesses = History::at(folder).witnesses();
        witnesses.extend(self.head.as_ref().map(Witness::given));
        let found = audit::verify(&AuditLog::at(folder), &witnesses)?;
        found.notes.iter().for_each(|note| context.output.warning("audit", note));
        let head = found.head.as_ref().map(|head| format!("{}:{}", head.number, head.hash));
        let count = format_count(found.entries, "entry").replace("entrys", "entries");
        let outcome = |status| Outcome::new(status).with("entries", found.entries).with("head", &head);
        Ok(match &found.broken {
            Some((line, what)) => {
                let summary =
                    format!("the audit log is broken at line {line}, which {what}; {count} before it hold");
                outcome(Status::Damage).with("broken_line", line).with("reason", what).summary(summary)
            }
            None => {
                let head = head.as_deref().unwrap_or("none");
                outcome(Status::Done).summary(format!("{count} hold; head {head}"))
            }
        })
    }
}

impl List {
    fn run(self, context: &Context, log: &AuditLog) -> Result<Outcome> {
        let since = self.since.as_deref().map(super::report::instant).transpose()?;
        let mut count = 0;
        for entry in audit::entries(log)? {
            let time = parse_time(&entry.time).ok();
            if since.is_some_and(|since| time.is_none_or(|time| time < since)) {
                continue;
            }
            count += 1;
            let shown = time.map_or_else(|| entry.time.clone(), format_time);
            let object = entry.object.as_deref().unwrap_or("-");
            let line = format!(
                "{:>6}  {shown}  {}  {}  {object}  {}",
                entry.number, entry.who, entry.what, entry.outcome
            );
            context.output.item(line, &entry);
        }
        Ok(Outcome::done().with("entries", count))
    }
}
