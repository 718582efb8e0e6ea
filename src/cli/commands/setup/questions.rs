//! The questions of `coffer setup`, in order. They promise to make nothing, and to warn of a container
//! that would be lost together with what it keeps.

mod database;

use super::answers::Answers;
use super::ask::Asker;
use super::plan::{Opener, Plan, text};
use super::survey;
use crate::cli::context::Context;
use crate::cli::secrets::{self, Ask};
use crate::cli::server::ServerArgs;
use crate::error::{Error, Kind, Result};
use crate::mysql::connection::Connection;
use crate::schemes::config::Keep;
use crate::schemes::config::edit::{Draft, Setting};
use crate::storage::place;
use crate::values::{format_size, parse_days, parse_month, parse_size};
use std::path::{Path, PathBuf};

/// Who asks, and the folder of the configuration.
struct Questions<'a> {
    context: &'a Context,
    asker: &'a Asker,
    folder: PathBuf,
}

/// Asks everything.
pub fn ask(
    context: &Context,
    asker: &Asker,
    answers: Answers,
    server: ServerArgs,
    mut draft: Draft,
) -> Result<Plan> {
    let folder = draft.path().parent().unwrap_or(Path::new("/")).to_owned();
    let ask = Questions { context, asker, folder };
    let scheme = answers.scheme.clone().unwrap_or_else(|| "nightly".into());
    let name = answers.name.clone().unwrap_or_else(|| "night".into());
    for (kind, name) in [("scheme", &scheme), ("container", &name)] {
        if draft.has(kind, name) {
            return Err(Error::new(
                Kind::Usage,
                format!("{}: there is a {kind} `{name}` already", draft.path().display()),
            )
            .hint("coffer scheme add adds a scheme; or give another --scheme NAME and --name NAME"));
        }
    }
    let practice = ask.practice(&answers, &mut draft)?;
    let mut settings: Vec<(&str, Setting)> = Vec::new();
    let mut data: Vec<PathBuf> = Vec::new();
    let mut account = None;
    let mut images = None;
    let has_database = match ask.server(&answers, server)? {
        None => false,
        Some((args, options)) => {
            let mut connection = Connection::open(&options)?;
            let databases = ask.databases(&answers, &mut connection)?;
            let profile = ask.profile(&answers, &mut connection, &databases)?;
            images = survey::image_folder(&mut connection, &databases);
            if connection.is_local()
                && let Ok(Some(folder)) = connection.value("SELECT @@datadir")
            {
                data.push(folder.into());
            }
            account = ask.account(&answers, &options, &databases)?;
            let user =
                account.as_ref().map(|account| (account.user.as_str(), account.password_file.as_path()));
            draft.put("server", Some("main"), &args.settings(&options, user), "the database server")?;
            settings.push(("server", text("main")));
            settings.push(("databases", Setting::Texts(databases)));
            settings.extend(profile.map(|profile| ("profile", text(profile))));
            true
        }
    };
    let attachments = ask.attachments(&answers, images)?;
    data.extend(attachments.iter().map(|folder| folder_of(folder).to_owned()));
    let source = match (has_database, attachments.is_empty()) {
        (true, false) => "all",
        (true, true) => "database",
        (false, false) => "attachments",
        (false, true) => {
            return Err(Error::new(Kind::Usage, "there is nothing to save")
                .hint("name a database or an attachment folder"));
        }
    };
    settings.insert(0, ("source", text(source)));
    if !attachments.is_empty() {
        settings.push(("attachments", Setting::Texts(attachments)));
    }
    let file = ask.file(&answers, &data)?;
    let (max_size, keep) = ask.keeping(&answers)?;
    let opener = ask.opener(&answers, &file, &name)?;
    let sheet = ask.sheet(&answers)?;
    settings.push(("to", text(&name)));
    settings.extend(ask.times(&answers)?);
    settings.push(("verify-share", Setting::Number(5)));
    settings.push(("drill-every", text("90d")));
    put_container(&mut draft, &name, &file, &opener, max_size.as_deref(), keep.as_ref())?;
    draft.put(
        "scheme",
        Some(&scheme),
        &settings,
        "what is saved, where to and when; coffer scheme edit changes it",
    )?;
    let config = draft.config()?;
    let container = config.container(&name)?;
    let zone = config.practice.zone();
    let group = match config.practice.group.as_deref() {
        None => None,
        Some(group) => Some(place::group_number(group).ok_or_else(|| {
            Error::new(Kind::Usage, format!("there is no group `{group}` on this machine"))
                .hint(format!("groupadd {group}"))
        })?),
    };
    Ok(Plan {
        retention: container.keep.as_ref().map(|keep| Keep::policy(keep, zone)).transpose()?,
        max_bytes: container.max_size.map(|size| size.0),
        first_backup: answers.first_backup,
        file,
        opener,
        sheet,
        group,
        account,
        draft,
        scheme,
        practice,
    })
}

fn put_container(
    draft: &mut Draft,
    name: &str,
    file: &Path,
    opener: &Opener,
    max_size: Option<&str>,
    keep: Option<&Setting>,
) -> Result<()> {
    let (key, secret) = opener.setting();
    let mut settings = vec![("path", text(utf8(file)?))];
    if let Some(mount) = survey::mount_of(file) {
        settings.push(("mount", text(utf8(&mount)?)));
    }
    settings.push((key, text(utf8(secret)?)));
    settings.extend(max_size.map(|size| ("max-size", text(size))));
    settings.extend(keep.map(|keep| ("keep", keep.clone())));
    draft.put("container", Some(name), &settings, "where backups are kept, and what opens them")
}

fn utf8(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| Error::new(Kind::Usage, format!("{}: is not UTF-8", path.display())))
}

fn folder_of(attachments: &str) -> &Path {
    match attachments.split_once('=') {
        Some((label, folder)) if !label.contains('/') => Path::new(folder),
        _ => Path::new(attachments),
    }
}

fn absolute(typed: &str) -> Result<PathBuf> {
    match typed.is_empty() {
        true => Err(Error::new(Kind::Usage, "a file is needed")),
        false => std::path::absolute(typed)
            .map_err(|cause| Error::io(Kind::Usage, format!("`{typed}` is no path"), cause)),
    }
}

fn list(typed: &str) -> Vec<String> {
    typed.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

impl Questions<'_> {
    fn practice(&self, answers: &Answers, draft: &mut Draft) -> Result<Option<String>> {
        let mut settings = Vec::new();
        let name = match &answers.practice {
            Some(name) => name.clone(),
            None => self
                .asker
                .answer("name of the practice", "practice", Some(""), |typed| Ok(typed.to_owned()))?,
        };
        if !name.is_empty() {
            settings.push(("name", text(&name)));
        }
        settings.extend(answers.time_zone.iter().map(|zone| ("time-zone", text(zone))));
        settings.extend(answers.group.iter().map(|group| ("group", text(group))));
        if !settings.is_empty() {
            draft.put("practice", None, &settings, "")?;
        }
        Ok(Some(name).filter(|name| !name.is_empty()))
    }

    fn attachments(&self, answers: &Answers, images: Option<String>) -> Result<Vec<String>> {
        let check = |folders: Vec<String>| -> Result<Vec<String>> {
            folders
                .into_iter()
                .map(|folder| {
                    let (label, path) = match folder.split_once('=') {
                        Some((label, path)) if !label.contains('/') => (Some(label), path),
                        _ => (None, folder.as_str()),
                    };
                    let path = absolute(path)?;
                    std::fs::read_dir(&path).map_err(|cause| {
                        Error::io(Kind::Source, format!("{}: cannot be read", path.display()), cause)
                    })?;
                    let path = utf8(&path)?;
                    Ok(label.map_or_else(|| path.to_owned(), |label| format!("{label}={path}")))
                })
                .collect()
        };
        let folders = match (&answers.attachments[..], answers.no_attachments) {
            (_, true) => Vec::new(),
            ([], _) => {
                let usual = images.unwrap_or_default();
                self.asker.answer(
                    "folders of images and documents, with commas between, or none",
                    "attachments",
                    Some(&usual),
                    |typed| check(if typed == "none" { Vec::new() } else { list(typed) }),
                )?
            }
            (given, _) => check(given.to_vec())?,
        };
        for folder in folders.iter().filter(|_| self.asker.is_person()) {
            let (bytes, is_all) = survey::size(folder_of(folder));
            let more = if is_all { "" } else { "more than " };
            self.asker.say(&format!("  {folder}: {more}{}", format_size(bytes)));
        }
        Ok(folders)
    }

    fn file(&self, answers: &Answers, data: &[PathBuf]) -> Result<PathBuf> {
        let check = |typed: &str| {
            let path = absolute(typed)?;
            let path = if path.is_dir() { path.join("night.coffer") } else { path };
            survey::is_there(&path)?;
            match path.symlink_metadata().is_ok() {
                true => Err(Error::new(Kind::Usage, format!("{}: exists already", path.display()))
                    .hint("choose another name; coffer never overwrites a container")),
                false => Ok(path),
            }
        };
        let file = match &answers.file {
            Some(file) => check(utf8(file)?)?,
            None => {
                for mount in place::mounts().iter().filter(|_| self.asker.is_person()) {
                    self.asker.say(&format!(
                        "  {} ({}): {} free",
                        mount.folder.display(),
                        mount.kind,
                        format_size(mount.free_bytes)
                    ));
                }
                let usual = survey::best_place(data).display().to_string();
                self.asker.answer("file of the container", "file", Some(&usual), check)?
            }
        };
        if let Some(beside) = data.iter().find(|data| place::same_device(data, &file) == Some(true)) {
            self.context.output.warning("same-disk", format_args!(
                "{} and the container are on one disk: they would be lost together; let a second copy go elsewhere (coffer copy, coffer rotation)", beside.display()
            ));
        }
        Ok(file)
    }

    /// The limit, and what is kept.
    fn keeping(&self, answers: &Answers) -> Result<(Option<String>, Option<Setting>)> {
        let size = match &answers.max_size {
            Some(size) => size.clone(),
            None => self.asker.answer(
                "longest that the container may become, such as 200G, or none",
                "max-size",
                Some("none"),
                |typed| {
                    if typed != "none" {
                        parse_size(typed)?;
                    }
                    Ok(typed.to_owned())
                },
            )?,
        };
        let size = Some(size).filter(|size| size != "none");
        if answers.keep.as_deref() == Some("none") {
            return Ok((size, None));
        }
        let mut keys =
            vec![("policy".to_owned(), text(answers.keep.clone().unwrap_or_else(|| "practice".into())))];
        let question = "old backups: 10 business days, 36 months, 28 quarters and all fiscal years are kept; month with which the fiscal year ends";
        let month = match &answers.fiscal_year_end {
            Some(month) => month.clone(),
            None => self.asker.answer(question, "fiscal-year-end", Some("dec"), |typed| {
                parse_month(typed).map(|_| typed.to_owned())
            })?,
        };
        keys.push(("fiscal-year-end".into(), text(month)));
        Ok((size, Some(Setting::Keys(keys))))
    }

    fn times(&self, answers: &Answers) -> Result<Vec<(&'static str, Setting)>> {
        let days = match &answers.days {
            Some(days) => days.clone(),
            None => self.asker.answer("days of backups", "days", Some("daily"), |typed| {
                if typed != "daily" {
                    parse_days(typed)?;
                }
                Ok(typed.to_owned())
            })?,
        };
        let times = match &answers.times[..] {
            [] => self.asker.answer("times of backups", "times", Some("22:00"), |typed| {
                let times = list(typed);
                times.iter().try_for_each(|time| crate::values::parse_clock(time).map(|_| ()))?;
                match times.is_empty() {
                    true => Err(Error::new(Kind::Usage, "no time is named").hint("write 22:00")),
                    false => Ok(times),
                }
            })?,
            given => given.to_vec(),
        };
        Ok(vec![("days", text(days)), ("times", Setting::Texts(times))])
    }

    fn opener(&self, answers: &Answers, file: &Path, name: &str) -> Result<Opener> {
        let opener = match (&answers.new_key_file, &answers.stored_password) {
            (Some(path), _) => Opener::NewKey(absolute(utf8(path)?)?),
            (None, Some(path)) => {
                let path = absolute(utf8(path)?)?;
                Opener::Stored(self.password(Some(path.clone()), Ask::Never, file)?, path)
            }
            (None, None) => {
                let usual = self.folder.join(format!("{name}.key"));
                let is_key = self.asker.yes("make a key file for it? otherwise it is a password", true)?;
                match is_key {
                    true => {
                        let path = self.asker.answer(
                            "the key file, best on another disk",
                            "new-key-file",
                            Some(&usual.display().to_string()),
                            absolute,
                        )?;
                        Opener::NewKey(path)
                    }
                    false => {
                        let password = self.password(None, Ask::Twice, file)?;
                        Opener::NewPassword(password, usual.with_extension("password"))
                    }
                }
            }
        };
        let (_, secret) = opener.setting();
        if !matches!(opener, Opener::Stored(..)) && secret.symlink_metadata().is_ok() {
            return Err(Error::new(Kind::Usage, format!("{}: exists already", secret.display()))
                .hint("a secret is never overwritten"));
        }
        if place::same_device(secret, file) == Some(true) {
            self.context.output.warning(
                "key-beside",
                format_args!(
                    "{} and the container are on one disk: whoever takes the disk has both",
                    secret.display()
                ),
            );
        }
        Ok(opener)
    }

    fn password(
        &self,
        file: Option<PathBuf>,
        ask: Ask,
        container: &Path,
    ) -> Result<crate::crypto::Credential> {
        let options = secrets::Options { password_file: file, ..secrets::Options::default() };
        loop {
            match self.context.credential(&options, false, ask, &container.display().to_string()) {
                Ok(Some(credential)) => return Ok(credential),
                Ok(None) => {
                    return Err(Error::new(Kind::Usage, "no password is given")
                        .hint("give --stored-password FILE or --new-key-file FILE"));
                }
                Err(error) if ask == Ask::Twice && error.kind() == Kind::Usage => {
                    self.asker.say(&format!("  {error}"))
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn sheet(&self, answers: &Answers) -> Result<Option<PathBuf>> {
        let check = |typed: &str| match typed {
            "screen" => Ok(None),
            typed => {
                let path = absolute(typed)?;
                match path.symlink_metadata().is_ok() {
                    true => Err(Error::new(Kind::Usage, format!("{}: exists already", path.display()))),
                    false => Ok(Some(path)),
                }
            }
        };
        match &answers.recovery_sheet {
            Some(path) => check(utf8(path)?),
            None => self.asker.answer(
                "a recovery code opens it when all else is lost: show it on the screen, or write a sheet to print to this file",
                "recovery-sheet", Some("screen"), check,
            ),
        }
    }
}
