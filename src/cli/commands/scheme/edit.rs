//! `coffer scheme edit`: with options it changes those, without any it opens an editor. It promises that
//! a configuration which is wrong is never saved, and that what was written into it is not lost.

use super::add::save;
use super::options::SchemeOptions;
use crate::cli::configured;
use crate::cli::context::Context;
use crate::cli::events::Outcome;
use crate::error::{Error, Kind, Result};
use crate::schemes::config::Scheme;
use crate::schemes::config::edit::{Draft, Setting};
use clap::Args;
use std::io::{IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Arguments of `coffer scheme edit`.
#[derive(Debug, Args)]
#[command(after_help = "Without options the configuration is opened in $VISUAL, $EDITOR or vi.")]
pub struct Edit {
    /// The scheme
    name: String,
    /// Take this key out, so that the usual holds: level
    #[arg(long, value_name = "KEY")]
    clear: Vec<String>,
    #[command(flatten)]
    options: SchemeOptions,
}

impl Edit {
    /// Changes it.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        let mut draft = Draft::open(&configured::path(context)?)?;
        let mut settings = self.options.settings();
        if settings.is_empty() && self.clear.is_empty() {
            return self.by_editor(context, draft);
        }
        draft.config()?.scheme(&self.name)?;
        for key in &self.clear {
            Scheme::check_key(key)?;
            if settings.iter().any(|(given, _)| given == key) {
                return Err(Error::new(Kind::Usage, format!("`{key}` is given and taken out")));
            }
            settings.push((key, Setting::Absent));
        }
        draft.put("scheme", Some(&self.name), &settings, "")?;
        let done = if context.globals.dry_run { "would be changed" } else { "changed" };
        save(context, &draft, &self.name, done)
    }

    fn by_editor(&self, context: &Context, mut draft: Draft) -> Result<Outcome> {
        if !draft.has("scheme", &self.name) {
            draft.config()?.scheme(&self.name)?;
        }
        if context.globals.dry_run {
            return Err(
                Error::new(Kind::Usage, "nothing is said to change").hint("give options; --help lists them")
            );
        }
        let editor = editor(draft.path())?;
        let before = draft.text();
        let copy = Copy::make(draft.path(), &before)?;
        loop {
            edit(&editor, &copy.path)?;
            let text = crate::schemes::config::read(&copy.path)?;
            if text == before {
                copy.remove();
                let summary = "nothing was changed";
                return Ok(Outcome::done().with("scheme", &self.name).summary(summary));
            }
            let checked = draft.replace(&text).and_then(|()| draft.config().map(|_| ()));
            match checked.and_then(|()| save(context, &draft, &self.name, "changed")) {
                Ok(outcome) => {
                    copy.remove();
                    return Ok(outcome);
                }
                Err(error) if again(&error) => {}
                Err(error) => {
                    let hint = error.remedy().map(|hint| format!("{hint}; ")).unwrap_or_default();
                    return Err(error.hint(format!(
                        "{hint}nothing was saved; what you wrote is kept in {}",
                        copy.path.display()
                    )));
                }
            }
        }
    }
}

/// What is edited: a copy beside the configuration, private.
struct Copy {
    path: PathBuf,
}

impl Copy {
    fn make(config: &Path, text: &str) -> Result<Copy> {
        let mut name = config.as_os_str().to_owned();
        name.push(format!(".edit-{}.toml", std::process::id()));
        let path = PathBuf::from(name);
        let failed = |cause| Error::io(Kind::Failed, format!("{}: cannot be written", path.display()), cause);
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        Ok(Copy { path })
    }

    fn remove(&self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The editor of choice; the usual one only where somebody sits who can leave it again.
fn editor(config: &Path) -> Result<String> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let chosen = set("VISUAL").or_else(|| set("EDITOR"));
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    match (chosen, terminal) {
        (Some(editor), _) => Ok(editor),
        (None, true) => Ok("vi".into()),
        (None, false) => Err(Error::new(Kind::Usage, "there is no terminal to edit at").hint(format!(
            "give options, --help lists them; or set EDITOR; or change {} with another program",
            config.display()
        ))),
    }
}

fn edit(editor: &str, path: &Path) -> Result<()> {
    // As git and others do: the editor may have arguments of its own.
    let status =
        Command::new("/bin/sh").args(["-c", &format!("{editor} \"$1\""), "editor"]).arg(path).status();
    let failed = |what: String| {
        Error::new(Kind::Failed, format!("editor `{editor}`: {what}"))
            .hint("set EDITOR to the editor of your choice, or give options")
    };
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => {
            let _ = std::fs::remove_file(path);
            Err(failed(format!("ended with {status}; nothing was changed")))
        }
        Err(cause) => {
            let _ = std::fs::remove_file(path);
            Err(failed("cannot be run".into()).because(cause))
        }
    }
}

/// Shows what is wrong and asks whether to go on.
fn again(error: &Error) -> bool {
    if error.kind() != Kind::Usage || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return false;
    }
    let hint = error.remedy().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    eprint!("{error}{hint}\nedit it again? [Y/n] ");
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    read.is_ok_and(|count| count > 0) && !answer.trim().to_lowercase().starts_with('n')
}
