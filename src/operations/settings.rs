//! Changing settings of a container: checked first, then committed like everything else.

use super::keys::commit;
use super::session::{Session, least_bytes};
use crate::chunk_store::Settings;
use crate::clock::Timestamp;
use crate::error::{Error, Kind, Result};
use rayon::ThreadPool;
use std::sync::Arc;

/// Checks whether `max_bytes` can be the longest that the container may become.
///
/// [`Kind::Usage`] if it is less than the container already is, or than any can be.
pub fn check_max_bytes(session: &Session, max_bytes: Option<u64>) -> Result<()> {
    let container = session.store.container();
    let least = least_bytes(&container.base().geometry).max(container.file_bytes());
    match max_bytes {
        Some(bytes) if bytes < least => {
            Err(Error::new(Kind::Usage, format!("maximum size of {bytes} bytes"))
                .hint(format!("the least that this container can have now is {least} bytes")))
        }
        _ => Ok(()),
    }
}

/// Sets the longest that the file may become in bytes; `None`: as long as the disk allows.
pub fn set_max_bytes(
    session: &mut Session,
    max_bytes: Option<u64>,
    time: Timestamp,
    pool: Arc<ThreadPool>,
) -> Result<()> {
    check_max_bytes(session, max_bytes)?;
    let settings = Settings { max_bytes };
    commit(session, settings, time, pool)
}
