//! Export: one snapshot in a small container of its own. It promises that the file appears under its
//! name only when it is whole, verified and cut to size; whatever fails leaves nothing.

use super::{COMMIT_BYTES, CopyPlan, CopyReport, copy};
use crate::crypto::Entropy;
use crate::error::{Error, Kind, Result};
use crate::operations::session::{Init, Session, init_related, make_whole};
use crate::progress::Progress;
use crate::snapshot::{Level, SnapshotRecord};
use rayon::ThreadPool;
use std::sync::Arc;

/// Bytes of a snapshot from which its own container has segments of the usual size.
const LARGE_BYTES: u64 = 4 << 30;
/// Size of a segment of a small container.
const SMALL_SEGMENT_BYTES: u64 = 1 << 20;

/// What to export, and into what.
pub struct ExportPlan {
    /// The container to be made; without a size of segments it gets a fitting one.
    pub init: Init,
    /// Whether it begins a family of its own: its secret then says nothing about the source.
    pub new_family: bool,
    /// The snapshot.
    pub snapshot: SnapshotRecord,
}

/// Exports one snapshot of `source`.
///
/// Errors: [`Kind::Damaged`] if the source cannot give it whole or the file does not verify.
pub fn export(
    source: &Session,
    mut plan: ExportPlan,
    pool: &Arc<ThreadPool>,
    entropy: &mut dyn Entropy,
    progress: &Progress,
) -> Result<(Session, CopyReport)> {
    if plan.init.segment_bytes.is_none() && plan.snapshot.restored_bytes() < LARGE_BYTES {
        plan.init.segment_bytes = Some(SMALL_SEGMENT_BYTES);
    }
    let copying = CopyPlan {
        snapshots: Some(vec![plan.snapshot.id]),
        time: plan.init.time,
        verify: Some(Level::Full),
        verify_anyway: false,
        verifications: Vec::new(),
        commit_bytes: COMMIT_BYTES,
    };
    let relative = (!plan.new_family).then_some(source);
    make_whole(&plan.init.path, |storage| {
        let mut session = init_related(&plan.init, relative, storage, pool.clone(), entropy)?;
        let mut report = CopyReport::default();
        copy(&source.store, &mut session.store, &copying, pool, progress, &mut report)?;
        check(&report)?;
        Ok((session, report))
    })
}

fn check(report: &CopyReport) -> Result<()> {
    if let Some(left_out) = report.left_out.first() {
        let what = match &left_out.path {
            Some(path) => path.to_string(),
            None => "its list of files".into(),
        };
        let message = format!("snapshot {}: {what} cannot be read: {}", left_out.snapshot, left_out.reason);
        return Err(Error::damaged(message).hint("coffer verify names all that is lost"));
    }
    match report.verified.as_ref().is_none_or(|found| found.damaged.is_empty() && !found.has_losses()) {
        true => Ok(()),
        false => Err(Error::new(Kind::Destination, "the new container does not verify")
            .hint("the medium is failing: use another disk")),
    }
}
