//! An invented practice to try things on: a database dump and a folder of attachments that look
//! and age like the real ones. Everything follows from the seed and the night, times included, so that
//! two machines see the same files; owners, inode numbers and change times are the machine's.
//!
//! About 13 MB of dump and 30 MB in 400 attachments; a night changes about 0.3 % of the rows.

mod calendar;
mod dump;
mod pictures;
mod random;
mod words;

use crate::error::{Error, Kind, Result};
use calendar::Day;
use dump::Database;
use pictures::Form;
use random::Random;
use rustix::fs::{AtFlags, Timespec, Timestamps};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How many attachments of each form a practice begins with, and how many a day brings.
const FORMS: [(Form, u64, u64); 4] =
    [(Form::Photograph, 220, 5), (Form::XRay, 24, 1), (Form::Letter, 60, 1), (Form::Note, 92, 1)];
/// Patients who have a folder.
const FOLDERS: u64 = 60;

/// An invented practice in a folder.
pub struct Practice {
    folder: PathBuf,
    seed: u64,
    night: u32,
    database: Database,
    files: Vec<Attachment>,
    made: u64,
}

/// What one or more days changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Rows that are new.
    pub rows_added: u64,
    /// Updates of rows that were there.
    pub rows_changed: u64,
    /// Attachments that are new.
    pub files_added: u64,
    /// Attachments with other bytes than before.
    pub files_changed: u64,
    /// Attachments that are gone.
    pub files_removed: u64,
}

struct Attachment {
    path: PathBuf,
    form: Form,
    number: u64,
    changes: u64,
}

impl Practice {
    /// Makes the practice of `seed`, on its first night, in `folder`, which must be empty or missing.
    ///
    /// Fails with [`Kind::Usage`] if something is there, with [`Kind::Destination`] or
    /// [`Kind::Full`] if it cannot be written.
    pub fn create(folder: &Path, seed: u64) -> Result<Practice> {
        make_folder(folder)?;
        if fs::read_dir(folder).map_err(|cause| failed(folder, cause))?.next().is_some() {
            return Err(Error::new(Kind::Usage, format!("folder {} is not empty", folder.display()))
                .hint("name one that does not exist yet"));
        }
        let database = Database::new(seed);
        let mut practice =
            Practice { folder: folder.to_owned(), seed, night: 0, database, files: Vec::new(), made: 0 };
        let mut touched = BTreeSet::new();
        for (form, count, _) in FORMS {
            for _ in 0..count {
                practice.add(form, &mut touched)?;
            }
        }
        practice.write_oddities(&mut touched)?;
        practice.write_dump(&mut touched)?;
        practice.settle(&touched)?;
        Ok(practice)
    }

    /// The database dump.
    pub fn dump(&self) -> PathBuf {
        self.folder.join("dump/practice.sql")
    }

    /// The folder of attachments.
    pub fn attachments(&self) -> PathBuf {
        self.folder.join("images")
    }

    /// The night whose state the folder holds; 0 is the first.
    pub fn night(&self) -> u32 {
        self.night
    }

    /// Lets the days until `night` pass, which is not before the present one.
    ///
    /// Fails as [`Practice::create`] does.
    pub fn age(&mut self, night: u32) -> Result<Change> {
        if night < self.night {
            return Err(Error::new(Kind::Usage, format!("night {night} is before night {}", self.night)));
        }
        let mut change = Change::default();
        let mut touched = BTreeSet::new();
        while self.night < night {
            self.night += 1;
            let (added, changed) = self.database.age(self.night);
            change.rows_added += added;
            change.rows_changed += changed;
            self.age_files(&mut change, &mut touched)?;
        }
        self.write_dump(&mut touched)?;
        self.settle(&touched)?;
        Ok(change)
    }

    fn age_files(&mut self, change: &mut Change, touched: &mut BTreeSet<PathBuf>) -> Result<()> {
        let mut random = Random::new(self.seed, &[2, u64::from(self.night)]);
        let removed = self.files.swap_remove(random.below(self.files.len() as u64) as usize);
        fs::remove_file(&removed.path).map_err(|cause| failed(&removed.path, cause))?;
        touched.extend(removed.path.parent().map(Path::to_owned));
        change.files_removed += 1;

        let grows = |file: &Attachment| matches!(file.form, Form::Letter | Form::Note);
        let growing: Vec<usize> = (0..self.files.len()).filter(|&at| grows(&self.files[at])).collect();
        if !growing.is_empty() {
            let at = random.pick(&growing);
            self.files[at].changes += 1;
            self.write(&self.files[at])?;
            change.files_changed += 1;
        }
        for (form, _, daily) in FORMS {
            for _ in 0..daily {
                self.add(form, touched)?;
                change.files_added += 1;
            }
        }
        Ok(())
    }

    /// Adds the next attachment, of `form`.
    fn add(&mut self, form: Form, touched: &mut BTreeSet<PathBuf>) -> Result<()> {
        let number = self.made;
        self.made += 1;
        let mut random = Random::new(self.seed, &[3, number]);
        let patient = random.below(FOLDERS);
        let letter = char::from(b'A' + (patient % 26) as u8);
        let folder = self.attachments().join(letter.to_string()).join(format!("{letter}{patient:03}"));
        make_folder(&folder)?;
        let path = folder.join(format!("{}-{number:05}.{}", Day::of_night(self.night).date(), form.ending()));
        let file = Attachment { path, form, number, changes: 0 };
        self.write(&file)?;
        self.files.push(file);
        touched.extend(folder.ancestors().take(3).map(Path::to_owned));
        Ok(())
    }

    fn write(&self, file: &Attachment) -> Result<()> {
        let mut random = Random::new(self.seed, &[4, file.number]);
        let bytes = file.form.bytes(&mut random, file.changes);
        write(&file.path, &bytes, Day::of_night(self.night).evening(file.number % 3600))
    }

    /// What every real folder has: two names for one file, a link, an empty file, an empty folder and
    /// a name from another time (`röntgen` in Latin-1).
    fn write_oddities(&self, touched: &mut BTreeSet<PathBuf>) -> Result<()> {
        let shared = self.attachments().join("shared");
        let empty = shared.join("to be sorted");
        make_folder(&empty)?;
        let evening = Day::of_night(self.night).evening(0);
        let form = shared.join("consent form.pdf");
        let bytes = Form::Letter.bytes(&mut Random::new(self.seed, &[5, 0]), 0);
        write(&form, &bytes, evening)?;
        let second = shared.join("consent form (2).pdf");
        fs::hard_link(&form, &second).map_err(|cause| failed(&second, cause))?;
        let link = shared.join("current form");
        std::os::unix::fs::symlink("consent form.pdf", &link).map_err(|cause| failed(&link, cause))?;
        set_time(&link, evening)?;
        write(&shared.join("desktop.ini"), b"", evening)?;
        let old = shared.join(OsStr::from_bytes(b"r\xf6ntgen \"alt\".jpg"));
        write(&old, &Form::Photograph.bytes(&mut Random::new(self.seed, &[5, 1]), 0), evening)?;
        touched.extend([empty, shared]);
        Ok(())
    }

    fn write_dump(&self, touched: &mut BTreeSet<PathBuf>) -> Result<()> {
        let path = self.dump();
        let folder = self.folder.join("dump");
        make_folder(&folder)?;
        let day = Day::of_night(self.night);
        write(&path, self.database.dump(day).as_bytes(), day.evening(0))?;
        touched.extend([folder, self.folder.clone()]);
        Ok(())
    }

    /// Gives the folders that changed the time of the night, after all that changes them.
    fn settle(&self, touched: &BTreeSet<PathBuf>) -> Result<()> {
        let evening = Day::of_night(self.night).evening(0);
        touched.iter().try_for_each(|folder| set_time(folder, evening))
    }
}

fn failed(path: &Path, cause: io::Error) -> Error {
    Error::io(Kind::Destination, format!("{} could not be written", path.display()), cause)
}

fn make_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(|cause| failed(folder, cause))
}

fn write(path: &Path, bytes: &[u8], time: SystemTime) -> Result<()> {
    fs::write(path, bytes).map_err(|cause| failed(path, cause))?;
    set_time(path, time)
}

/// Sets the time of last change of whatever `path` names, also of a link itself.
fn set_time(path: &Path, time: SystemTime) -> Result<()> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let time = Timespec { tv_sec: since.as_secs() as i64, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(rustix::fs::CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|cause| failed(path, cause.into()))
}

#[cfg(test)]
mod tests;
