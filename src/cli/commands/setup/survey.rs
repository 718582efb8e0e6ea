//! What setup finds by itself: databases, the application they belong to, sizes of folders, and where a
//! container would be safest.

use crate::error::{Error, Kind, Result};
use crate::mysql::connection::Connection;
use crate::mysql::identifier::{literal, qualified};
use crate::storage::place;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Databases that belong to the server itself.
const OWN: [&str; 4] = ["information_schema", "performance_schema", "mysql", "sys"];
/// Tables that only Open Dental has together.
const OPEN_DENTAL: [&str; 5] = ["patient", "securitylog", "document", "procedurelog", "preference"];
/// How long a folder is measured.
const PATIENCE: Duration = Duration::from_secs(5);

/// The databases of the practice.
pub fn databases(connection: &mut Connection) -> Result<Vec<String>> {
    let rows = connection.rows("SHOW DATABASES")?;
    let names = rows.iter().filter_map(|cells| cells.text(0));
    Ok(names.filter(|name| !OWN.contains(&name.to_lowercase().as_str())).collect())
}

/// The profile of the application whose tables they look like.
pub fn profile(connection: &mut Connection, databases: &[String]) -> Option<&'static str> {
    open_dental(connection, databases).map(|_| "open-dental")
}

fn open_dental(connection: &mut Connection, databases: &[String]) -> Option<String> {
    let tables = OPEN_DENTAL.map(literal).join(", ");
    databases.iter().find_map(|database| {
        let count = connection.value(&format!(
            "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} AND LOWER(TABLE_NAME) IN ({tables})",
            literal(database)
        ));
        let count: usize = count.ok()??.parse().ok()?;
        (count == OPEN_DENTAL.len()).then(|| database.clone())
    })
}

/// The folder of images that Open Dental names, if this machine has it.
pub fn image_folder(connection: &mut Connection, databases: &[String]) -> Option<String> {
    let database = open_dental(connection, databases)?;
    let table = qualified(&database, "preference");
    let value =
        connection.value(&format!("SELECT ValueString FROM {table} WHERE PrefName = 'DocPath'")).ok()??;
    value
        .split(';')
        .map(str::trim)
        .find(|path| path.starts_with('/') && Path::new(path).is_dir())
        .map(str::to_owned)
}

/// Bytes in the files below `folder`; `false`: it has more, and was not walked to the end.
pub fn size(folder: &Path) -> (u64, bool) {
    let start = Instant::now();
    let (mut bytes, mut waiting) = (0_u64, vec![folder.to_owned()]);
    while let Some(folder) = waiting.pop() {
        if start.elapsed() > PATIENCE {
            return (bytes, false);
        }
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(meta) = entry.metadata() else { continue };
            match meta.is_dir() {
                true => waiting.push(entry.path()),
                false => bytes = bytes.saturating_add(meta.len()),
            }
        }
    }
    (bytes, true)
}

/// Where a container would be best: on the file system with the most room that holds none of `data`.
pub fn best_place(data: &[PathBuf]) -> PathBuf {
    let devices: Vec<u64> = data.iter().filter_map(|path| place::device(path)).collect();
    let mut mounts = place::mounts();
    mounts.retain(|mount| {
        let is_system =
            ["/boot", "/etc", "/snap", "/run/user"].iter().any(|own| mount.folder.starts_with(own));
        !is_system && place::device(&mount.folder).is_some_and(|device| !devices.contains(&device))
    });
    match mounts.into_iter().max_by_key(|mount| mount.free_bytes) {
        Some(mount) if mount.folder != Path::new("/") => mount.folder.join("coffer/night.coffer"),
        _ => "/var/backups/coffer/night.coffer".into(),
    }
}

/// Where removable and network disks are mounted.
const MEDIA: [&str; 4] = ["/mnt", "/media", "/run/media", "/Volumes"];

/// Fails unless the disk that `file` is to lie on seems to be there: its folder, or the one above, exists,
/// and what lies where media are mounted lies on one.
pub fn is_there(file: &Path) -> Result<()> {
    let folder = file.parent().unwrap_or(file);
    if !folder.is_dir() && !folder.parent().is_some_and(Path::is_dir) {
        let message = format!("{}: there is no such folder, nor the one above it", folder.display());
        return Err(Error::new(Kind::Usage, message)
            .hint("is the disk connected? if it is meant, make the folder first"));
    }
    if MEDIA.iter().any(|top| file.starts_with(top)) && mount_of(file).is_none() {
        let message = format!("{}: no medium is mounted there", folder.display());
        return Err(Error::new(Kind::NotMounted, message)
            .hint("connect and mount the disk first; else the backup would go to this machine's own"));
    }
    Ok(())
}

/// The folder that must be mounted for `file` to be where it belongs; `None` on the system's own disk.
pub fn mount_of(file: &Path) -> Option<PathBuf> {
    let folder = place::existing(file.parent()?)?;
    let found = folder.ancestors().find(|part| place::is_mounted(part))?;
    let is_medium = MEDIA.iter().any(|top| found.starts_with(top));
    (found != Path::new("/") && is_medium).then(|| found.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_folder_is_made_up_for_a_container() {
        let folder = tempfile::tempdir().expect("folder");
        let answer = |path: &str| is_there(&folder.path().join(path)).map_err(|error| error.kind());
        assert_eq!(answer("n.coffer"), Ok(()));
        assert_eq!(answer("new/n.coffer"), Ok(()));
        assert_eq!(answer("not/there/n.coffer"), Err(Kind::Usage));
    }
}
