//! Confirmations that are typed. They promise that nothing is taken for a yes but the word that was
//! asked for or `--yes`, and that who is not at a terminal is told so instead of being asked.

use super::context::Context;
use crate::error::{Error, Kind, Result};
use std::io::{BufRead, IsTerminal, Write};

/// Asks whoever sits at the terminal to type `word` after reading `what`.
///
/// Errors: [`Kind::Usage`] with `hint` if there is nobody, or something else was typed.
pub fn typed(context: &Context, what: &str, word: &str, hint: &str) -> Result<()> {
    if context.globals.yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Error::new(Kind::Usage, format!("{what}: that needs a confirmation")).hint(hint));
    }
    let failed = |cause| Error::io(Kind::Failed, "the confirmation cannot be read", cause);
    let mut error = std::io::stderr();
    write!(error, "{what}; type {word} to go on: ").and_then(|()| error.flush()).map_err(failed)?;
    let mut typed = String::new();
    std::io::stdin().lock().read_line(&mut typed).map_err(failed)?;
    match typed.trim_end_matches(['\n', '\r']) == word {
        true => Ok(()),
        false => Err(Error::new(Kind::Usage, format!("`{word}` was not confirmed")).hint(hint)),
    }
}
