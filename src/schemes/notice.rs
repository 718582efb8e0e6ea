//! What people are told: one notice of one occasion. It promises to name schemes, containers by their
//! names in the configuration, times, counts and sizes; never a file of the practice or a patient.

use super::config::Occasion;
use super::run::RunRecord;
use serde::Serialize;
use serde_json::{Map, Value};

/// A notice.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Notice {
    /// What kind of thing it tells.
    pub occasion: Occasion,
    /// The stable word for it, which documentation, exit codes and messages share: `not-mounted`.
    pub code: String,
    /// The practice.
    pub practice: Option<String>,
    /// The scheme, if it is about one.
    pub scheme: Option<String>,
    /// When (RFC 3339).
    pub time: String,
    /// One line.
    pub title: String,
    /// What happened, what it means and what to do, line by line.
    pub lines: Vec<String>,
    /// The same for programs.
    pub facts: Map<String, Value>,
}

/// Whoever can tell people.
pub trait Teller: Sync {
    /// Tells `notice` by every way that it concerns; `run` is the run that it is about. It never fails:
    /// what could not be told is noted in the run's events and returned, one line for each way.
    fn tell(&self, notice: &Notice, run: Option<&RunRecord>) -> Vec<String>;
}
