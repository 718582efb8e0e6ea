//! From the process's arguments to its exit code. It promises that whatever happens, a mistake of
//! the program's own included, a JSON command ends with one `result` and an honest exit code.

use super::allocator;
use super::args::Arguments;
use super::context::Context;
use super::interrupt;
use super::output::{Output, Settings};
use crate::clock::SystemClock;
use crate::error::{Error, Kind};
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;

/// Runs the command that the process's arguments name.
pub fn main() -> ExitCode {
    interrupt::begin();
    interrupt::follow_parent();
    allocator::keep_large_buffers();
    interrupt::survive_size_limits();
    let given: Vec<OsString> = std::env::args_os().collect();
    match Arguments::try_parse_from(&given) {
        Ok(arguments) => run(arguments),
        Err(error) => refuse(&given, error),
    }
}

fn run(arguments: Arguments) -> ExitCode {
    let name = arguments.command.name();
    let context = match Context::new(arguments.globals, name) {
        Ok(context) => Arc::new(context),
        Err((output, error)) => return output.finish(Err(error)),
    };
    let command = arguments.command;
    let own = Arc::clone(&context);
    interrupt::ends(move || {
        own.finish(Err(Error::new(Kind::Interrupted, "interrupted")));
    });
    context.output.start(serde_json::Map::from_iter([("dry_run".into(), context.globals.dry_run.into())]));
    let result = catch_unwind(AssertUnwindSafe(|| command.run(&context))).unwrap_or_else(|_| {
        Err(Error::new(Kind::Failed, "the program stopped through a mistake of its own")
            .hint("what was committed before is intact; please report the message above"))
    });
    interrupt::concludes(result.is_err());
    context.finish(result)
}

/// Ends a command whose arguments make no sense, or shows the help that was asked for.
fn refuse(given: &[OsString], error: clap::Error) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        // A reader who left has seen enough.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let json = given.iter().skip(1).take_while(|word| *word != "--").any(|word| word == "--json")
        || std::env::var_os("COFFER_JSON").is_some_and(|value| value == "1" || value == "true");
    let settings = Settings { json, ..Settings::default() };
    let output = Output::new(settings, &word_of(given), Arc::new(SystemClock));
    output.finish(Err(usage_error(&error)))
}

/// The command among `given`, as far as it can be recognised.
fn word_of(given: &[OsString]) -> String {
    let command = Arguments::command();
    let known = given.iter().skip(1).filter_map(|word| command.find_subcommand(word));
    known.map(|found| found.get_name().to_owned()).next().unwrap_or_else(|| "coffer".into())
}

/// The first paragraph of what clap says is the message, the rest the remedy.
fn usage_error(error: &clap::Error) -> Error {
    let text = error.render().to_string();
    if error.kind() == ErrorKind::MissingSubcommand {
        return Error::new(Kind::Usage, "no command is given").hint("coffer --help lists them");
    }
    let (message, rest) = text.split_once("\n\n").unwrap_or((&text, ""));
    let message = message.trim().trim_start_matches("error: ");
    let lines = message.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    let rest: Vec<&str> =
        rest.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with("For more")).collect();
    let error = Error::new(Kind::Usage, lines);
    match rest.is_empty() {
        true => error,
        false => error.hint(rest.join("\n      ")),
    }
}
