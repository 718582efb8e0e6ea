//! `coffer setup`: a few questions, then a container, a configuration with a scheme and, on request, a
//! database user and a first backup. It promises that nothing is made before the last answer, that what
//! was made goes away again if the rest cannot be, and that every answer can be given beforehand.

mod account;
mod answers;
mod ask;
mod make;
mod plan;
mod questions;
mod survey;

use crate::cli::configured;
use crate::cli::context::Context;
use crate::cli::events::Outcome;
use crate::cli::server::ServerArgs;
use crate::error::{Error, Kind, Result};
use crate::schemes::config::EXAMPLE;
use crate::schemes::config::edit::Draft;
use answers::Answers;
use ask::Asker;
use clap::Args;
use serde_json::json;
use std::io::IsTerminal;
use std::path::PathBuf;

/// Arguments of `coffer setup`.
#[derive(Debug, Args)]
#[command(after_help = "Answers that are not given are asked for on a terminal. With --answers or --yes \
                        the usual ones are taken in their place.")]
pub struct Setup {
    /// Print a configuration with every key, explained
    #[arg(long)]
    example: bool,
    /// Take answers from this file; its keys are the names of the options below, and [server]
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    #[command(flatten)]
    given: Answers,
    #[command(flatten)]
    server: ServerArgs,
}

impl Setup {
    /// Asks, then makes.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        if self.example {
            context.only_looks();
            context.output.item(EXAMPLE.trim_end(), json!({ "example": EXAMPLE }));
            return Ok(Outcome::done());
        }
        let terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        let is_told = self.answers.is_some() || context.globals.yes;
        if !terminal && !is_told {
            return Err(Error::new(Kind::Usage, "setup asks questions, and there is no terminal")
                .hint("give --answers FILE or options with --yes; coffer setup --help lists them"));
        }
        let asker = Asker::new(terminal && !is_told);
        let mut answers = self.given;
        let mut server = self.server;
        if let Some(path) = &self.answers {
            let section = answers.complete(path)?;
            if let Some(section) = section.filter(|_| !server.is_argument()) {
                server = ServerArgs::of(&section)?;
            }
        }
        let path = configured::path(context)?;
        let draft = Draft::begin(&path)?;
        let plan = questions::ask(context, &asker, answers, server, draft)?;
        plan.show(context)?;
        if context.globals.dry_run {
            return Ok(plan.outcome().summary("nothing was made"));
        }
        if !asker.yes("make all this?", true)? {
            return Err(Error::new(Kind::Interrupted, "nothing was made"));
        }
        // What was made goes away again.
        context.progress();
        make::make(context, &asker, plan)
    }
}
