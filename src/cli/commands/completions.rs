//! `coffer completions` and `coffer man`: what shells and `man` need to know, made from the same
//! definition of arguments that the program runs by.

use crate::cli::args::Arguments;
use crate::cli::context::Context;
use crate::cli::events::Outcome;
use crate::error::{Error, Kind, Result};
use crate::values::format_count;
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Arguments of `coffer completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    /// Prints the script.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "coffer", &mut script);
        let script = String::from_utf8_lossy(&script);
        let shell = self.shell.to_string();
        context.output.item(script.trim_end(), json!({ "shell": shell, "script": script }));
        Ok(Outcome::done().with("shell", shell))
    }
}

/// Arguments of `coffer man`.
#[derive(Debug, Args)]
pub struct ManPages {
    /// Write a page for each command into this folder; without it, the first page goes to standard
    /// output
    folder: Option<PathBuf>,
}

impl ManPages {
    /// Prints the page, or writes all of them.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        let mut root = Arguments::command();
        root.build();
        let Some(folder) = self.folder else {
            let page = render(&root, Path::new("standard output"))?;
            context.output.item(page.trim_end(), json!({ "name": "coffer.1", "page": page }));
            return Ok(Outcome::done().with("pages", 1));
        };
        let mut pages = Vec::new();
        collect(&root, "coffer", &mut pages);
        if !context.globals.dry_run {
            std::fs::create_dir_all(&folder).map_err(|cause| failed(&folder, cause))?;
        }
        for (name, command) in &pages {
            let path = folder.join(format!("{name}.1"));
            if !context.globals.dry_run {
                let page = render(command, &path)?;
                std::fs::write(&path, page).map_err(|cause| failed(&path, cause))?;
            }
            context.output.item(path.display(), json!({ "path": path.display().to_string() }));
        }
        let would = if context.globals.dry_run { "would be written" } else { "written" };
        let summary = format!("{} {would}", format_count(pages.len() as u64, "page"));
        Ok(Outcome::done().with("pages", pages.len()).summary(summary))
    }
}

/// Every command below `command`, itself first, with the name of its page.
fn collect<'a>(command: &'a clap::Command, name: &str, pages: &mut Vec<(String, &'a clap::Command)>) {
    pages.push((name.to_owned(), command));
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        collect(below, &format!("{name}-{}", below.get_name()), pages);
    }
}

fn render(command: &clap::Command, path: &Path) -> Result<String> {
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page).map_err(|cause| failed(path, cause))?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

fn failed(path: &Path, cause: std::io::Error) -> Error {
    Error::io(Kind::Failed, format!("{} could not be written", path.display()), cause)
}
