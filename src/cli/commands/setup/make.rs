//! Making what was planned. Secrets, container, recovery code, database user, configuration, in this
//! order: each is taken away again if a later one cannot be.

use super::account::{NewAccount, write_secret};
use super::ask::Asker;
use super::plan::{Opener, Plan};
use crate::cli::commands::new_secret::NewSecret;
use crate::cli::context::Context;
use crate::cli::events::{Outcome, Status};
use crate::container::Access;
use crate::crypto::{Credential, KdfCost, NewSlot, SystemEntropy};
use crate::error::{Error, Kind, Result};
use crate::operations::keys;
use crate::operations::session;
use crate::storage::place;
use crate::storage::state_file::{self, Owner};
use crate::values::format_time;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Files and folders that go away again unless everything was made.
#[derive(Default)]
struct Made {
    files: Vec<PathBuf>,
    folders: Vec<PathBuf>,
}

impl Made {
    /// Makes the folder of `file`, if it is not there.
    fn folder_of(&mut self, file: &Path, group: Option<u32>) -> Result<()> {
        let Some(folder) = file.parent().filter(|folder| !folder.exists()) else { return Ok(()) };
        let failed =
            |cause| Error::io(Kind::Destination, format!("folder {}: not made", folder.display()), cause);
        let missing = folder.ancestors().take_while(|part| !part.exists());
        self.folders.extend(missing.map(Path::to_owned));
        state_file::create_private(folder).map_err(failed)?;
        match group {
            Some(group) => place::share_folder(folder, group).map_err(failed),
            None => Ok(()),
        }
    }

    fn keep(mut self) {
        self.files.clear();
        self.folders.clear();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for file in &self.files {
            let _ = std::fs::remove_file(file);
        }
        // Innermost first; one that somebody uses meanwhile stays.
        for folder in &self.folders {
            let _ = std::fs::remove_dir(folder);
        }
    }
}

/// Makes everything.
pub fn make(context: &Context, asker: &Asker, mut plan: Plan) -> Result<Outcome> {
    let mut made = Made::default();
    made.folder_of(plan.draft.path(), None)?;
    made.folder_of(&plan.file, plan.group)?;
    let credential = secret(&plan.opener, &mut made)?;
    let code = container(context, &plan, credential, &mut made)?;
    let account = plan.account.take().map(NewAccount::make).transpose()?;
    if let Some(sheet) = &plan.sheet {
        made.folder_of(sheet, None)?;
        let text = sheet_text(context, &plan, &code);
        write_secret(sheet, text.as_bytes())?;
        made.files.push(sheet.clone());
    }
    if plan.sheet.is_none() {
        // All is taken back if nobody saw it.
        code.show(context)?;
    }
    plan.draft.save(Owner::readable_by(plan.group)).inspect_err(|_| code.disown(context))?;
    made.keep();
    if let Some(account) = account {
        account.keep();
    }
    if let Some(sheet) = &plan.sheet {
        let sheet = sheet.display();
        context.output.note(format_args!("print {sheet} and delete it: it opens the container"));
    }
    finish(context, asker, &plan)
}

fn secret(opener: &Opener, made: &mut Made) -> Result<Credential> {
    match opener {
        Opener::NewKey(path) => {
            made.folder_of(path, None)?;
            let new = NewSecret::key_file(path)?;
            made.files.push(path.clone());
            let credential = new.credential.clone();
            new.keep();
            Ok(credential)
        }
        Opener::NewPassword(credential, path) => {
            made.folder_of(path, None)?;
            let Credential::Password(password) = credential else {
                return Err(Error::new(Kind::Failed, "the password is none"));
            };
            write_secret(path, password)?;
            made.files.push(path.clone());
            Ok(credential.clone())
        }
        Opener::Stored(credential, _) => Ok(credential.clone()),
    }
}

/// Makes the container with its recovery code, readable by the group.
fn container(context: &Context, plan: &Plan, credential: Credential, made: &mut Made) -> Result<NewSecret> {
    let time = context.time(None);
    let slot = NewSlot {
        credential: Some(credential),
        label: "setup".into(),
        cost: KdfCost::DEFAULT,
        created: time,
    };
    let init = session::Init {
        path: plan.file.clone(),
        segment_bytes: None,
        parity: session::Parity::Normal,
        max_bytes: plan.max_bytes,
        retention: plan.retention.clone(),
        slot,
        time,
    };
    let pool = context.pool()?;
    let mut session = session::init(&init, pool.clone(), &mut SystemEntropy)?;
    made.files.push(plan.file.clone());
    context.recognise(&session, Access::Write)?;
    let code = NewSecret::recovery_code()?;
    let slot = NewSlot {
        credential: Some(code.credential.clone()),
        label: "recovery code".into(),
        cost: KdfCost::DEFAULT,
        created: time,
    };
    keys::add(&mut session, &slot, pool, &mut SystemEntropy)?;
    if let Some(group) = plan.group {
        place::share(&plan.file, group).map_err(|cause| {
            Error::io(Kind::Destination, format!("{}: not given to its group", plan.file.display()), cause)
        })?;
    }
    Ok(code)
}

fn sheet_text(context: &Context, plan: &Plan, code: &NewSecret) -> String {
    let (kind, secret) = plan.opener.setting();
    format!(
        "RECOVERY SHEET: print it, lock it away, delete the file\n\n\
         practice       {}\nmachine        {}\nmade           {}\ncontainer      {}\nopened by      {kind} {}\n\
         recovery code  {}\n\n\
         To restore: install coffer, copy the recovery code into a file, then\n\
         \x20 coffer snapshots {3} --recovery-code-file FILE\n\
         \x20 coffer restore {3} latest --recovery-code-file FILE --to FOLDER\n",
        plan.practice.as_deref().unwrap_or("-"),
        session::host_name(),
        format_time(context.time(None)),
        plan.file.display(),
        secret.display(),
        code.code().unwrap_or_default(),
    )
}

/// The first backup, if it is wanted, and what remains to be done.
fn finish(context: &Context, asker: &Asker, plan: &Plan) -> Result<Outcome> {
    let config = plan.draft.path();
    let wants = plan.first_backup || asker.is_person() && asker.yes("make the first backup now?", true)?;
    let mut status = Status::Done;
    let mut outcome = plan.outcome();
    if wants {
        let code = first_backup(config, &plan.scheme)?;
        if code != Some(0) {
            status = Status::Warnings;
            context.output.warning(
                "first-backup",
                format_args!("the first backup did not end well; again: coffer scheme run {}", plan.scheme),
            );
        }
        outcome = outcome.with("first_backup", code);
    }
    context.output.note("coffer service install lets it run by itself; coffer doctor checks everything");
    let summary = format!("{} and {} are made", config.display(), plan.file.display());
    outcome.status = status;
    Ok(outcome.summary(summary))
}

/// Runs the scheme as a person would; its output goes where ours goes.
fn first_backup(config: &Path, scheme: &str) -> Result<Option<i32>> {
    let failed = |cause| Error::io(Kind::Failed, "the first backup could not be started", cause);
    let program = std::env::current_exe().map_err(failed)?;
    let status = Command::new(program)
        .arg("--config")
        .arg(config)
        .args(["scheme", "run", scheme])
        .stdin(Stdio::null())
        // Standard output may be one of JSON events, which end with one result.
        .stdout(Stdio::from(std::io::stderr()))
        .status()
        .map_err(failed)?;
    Ok(status.code())
}
