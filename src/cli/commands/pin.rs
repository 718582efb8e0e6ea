//! `coffer pin` and `coffer unpin`: snapshots that nothing removes until they are let go.

use super::snapshots::short;
use crate::cli::args::places;
use crate::cli::context::{Context, find, selector};
use crate::cli::events::Outcome;
use crate::container::Access;
use crate::error::{Error, Kind, Result};
use crate::ids::SnapshotId;
use crate::operations::pins;
use crate::snapshot::Catalog;
use crate::values::format_count;
use clap::Args;
use serde_json::json;
use std::ffi::OsString;
use std::path::PathBuf;

/// Arguments of `coffer pin`.
#[derive(Debug, Args)]
pub struct Pin {
    #[command(flatten)]
    which: Which,
    /// Why, shown by `snapshots`
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Arguments of `coffer unpin`.
#[derive(Debug, Args)]
pub struct Unpin {
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, Args)]
struct Which {
    /// The container, then the snapshots
    #[arg(value_name = "CONTAINER | SNAPSHOT")]
    places: Vec<OsString>,
}

impl Which {
    /// The container, and what names the snapshots.
    fn places(&self, context: &Context) -> Result<(PathBuf, Vec<OsString>)> {
        let rest = vec!["SNAPSHOT"; self.places.len().max(1)];
        let (path, named) = places(&context.globals, self.places.iter().cloned().map(Some), &rest, 1)?;
        match named.is_empty() {
            true => Err(Error::new(Kind::Usage, "no SNAPSHOT is given")
                .hint("coffer snapshots lists what the container holds")),
            false => Ok((path, named)),
        }
    }

    /// Changes the pins by `change`, which gets the snapshots that were named; says which became `state`.
    fn alter(
        &self,
        context: &Context,
        state: &str,
        change: impl FnOnce(&mut Catalog, &[SnapshotId]) -> Result<Vec<SnapshotId>>,
    ) -> Result<Outcome> {
        let (path, named) = self.places(context)?;
        let dry = context.globals.dry_run;
        let mut session = context.open(&path, if dry { Access::Read } else { Access::Write })?;
        let mut catalog = Catalog::read(&session.store)?;
        let id = |name: &OsString| Ok(catalog.snapshots[find(&catalog, &selector(name)?)?].id);
        let ids: Vec<SnapshotId> = named.iter().map(id).collect::<Result<_>>()?;
        let changed = change(&mut catalog, &ids)?;
        if !changed.is_empty() && !dry {
            pins::commit(&mut session, &catalog, context.time(None), context.pool()?)?;
        }
        for id in &changed {
            let row = json!({ "snapshot": id.to_string(), "short": short(id), "pinned": state == "pinned" });
            context.output.item(format_args!("{}  {state}", short(id)), row);
        }
        let verb = if dry { "would be " } else { "" };
        Ok(Outcome::done().with("changed", changed.len()).with("pins", catalog.pins.len()).summary(format!(
            "{} {verb}{state}, {} in all",
            format_count(changed.len() as u64, "snapshot"),
            format_count(catalog.pins.len() as u64, "pin"),
        )))
    }
}

impl Pin {
    /// Pins.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        let (reason, time) = (self.reason.unwrap_or_default(), context.time(None));
        self.which.alter(context, "pinned", |catalog, ids| pins::pin(catalog, ids, &reason, time))
    }
}

impl Unpin {
    /// Lets go.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        self.which.alter(context, "unpinned", |catalog, ids| Ok(pins::unpin(catalog, ids)))
    }
}
