//! What a whole examination found. It promises a stable code for each finding, and an exit code that is
//! the worst of them: something that cannot work goes before something that needs a look.

use crate::cli::context::Context;
use crate::cli::events::{Outcome, Status};
use crate::error::{Error, Kind, Result};
use crate::values::format_count;
use serde_json::json;
use std::cell::{Cell, RefCell};

/// The findings so far; each is told at once.
pub struct Findings<'a> {
    context: &'a Context,
    fine: Cell<u64>,
    attention: Cell<u64>,
    broken: RefCell<Vec<Error>>,
}

impl<'a> Findings<'a> {
    /// None yet.
    pub fn new(context: &'a Context) -> Findings<'a> {
        Findings { context, fine: Cell::new(0), attention: Cell::new(0), broken: RefCell::default() }
    }

    /// Something is as it should be.
    pub fn fine(&self, code: &str, message: &str) {
        self.fine.set(self.fine.get() + 1);
        self.tell("fine", "ok", code, message);
    }

    /// Something needs a look.
    pub fn attention(&self, code: &str, message: &str) {
        self.attention.set(self.attention.get() + 1);
        self.tell("attention", "look", code, message);
    }

    /// Something cannot work.
    pub fn broken(&self, code: &str, error: Error) {
        let hint = error.remedy().map(|hint| format!(" ({hint})")).unwrap_or_default();
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        self.tell("broken", "WRONG", code, &format!("{error}{cause}{hint}"));
        self.broken.borrow_mut().push(error);
    }

    fn tell(&self, state: &str, word: &str, code: &str, message: &str) {
        let item = json!({ "check": code, "state": state, "message": message });
        self.context.output.item(format_args!("{word:<5} {message} [{code}]"), item);
    }

    /// The end: what is broken, if anything is, decides.
    pub fn outcome(self) -> Result<Outcome> {
        let (fine, attention, broken) = (self.fine.get(), self.attention.get(), self.broken.into_inner());
        let looks = |count: u64| match count {
            1 => "1 thing needs a look".to_owned(),
            _ => format!("{count} things need a look"),
        };
        let count = broken.len() as u64;
        if let Some(first) = broken.into_iter().next() {
            let kind = match first.kind() {
                Kind::NotFound | Kind::Destination | Kind::Full => Kind::Destination,
                Kind::NoDatabase => Kind::Database,
                kind @ (Kind::Database | Kind::WrongKey | Kind::NotEncrypted | Kind::Damaged) => kind,
                _ => Kind::Failed,
            };
            let message = format!("{} cannot work, the first: {first}", format_count(count, "thing"));
            let error = Error::new(kind, message);
            return Err(match first.remedy() {
                Some(hint) => error.hint(hint),
                None => error,
            });
        }
        let (status, summary) = match attention {
            0 => (Status::Done, "everything is as it should be".to_owned()),
            _ => (Status::Warnings, looks(attention)),
        };
        Ok(Outcome::new(status).with("fine", fine).with("attention", attention).summary(summary))
    }
}
