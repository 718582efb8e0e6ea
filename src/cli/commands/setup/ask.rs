//! Questions to whoever sits at the terminal. They promise to repeat a question whose answer makes no
//! sense, with the reason, and to take the usual answer where nobody is asked.

use crate::cli::interrupt;
use crate::error::{Error, Kind, Result};
use std::io::{BufRead, Write};

/// Who answers.
pub struct Asker {
    is_person: bool,
}

impl Asker {
    /// A person at the terminal, or nobody.
    pub fn new(is_person: bool) -> Asker {
        Asker { is_person }
    }

    /// Whether somebody is there to be asked.
    pub fn is_person(&self) -> bool {
        self.is_person
    }

    /// The answer to `question`, as `read` takes it; `usual` is taken where nothing is typed, or where
    /// nobody is asked. `option` names it for those who script.
    pub fn answer<T>(
        &self,
        question: &str,
        option: &str,
        usual: Option<&str>,
        read: impl Fn(&str) -> Result<T>,
    ) -> Result<T> {
        if !self.is_person {
            return match usual {
                Some(usual) => read(usual).map_err(|error| error.at(format!("--{option}"))),
                None => Err(Error::new(Kind::Usage, format!("no answer to: {question}"))
                    .hint(format!("give --{option}"))),
            };
        }
        loop {
            let shown = usual.filter(|usual| !usual.is_empty()).map(|usual| format!(" [{usual}]"));
            let typed = line(&format!("{question}{}: ", shown.unwrap_or_default()))?;
            let text = if typed.is_empty() { usual.unwrap_or_default() } else { &typed };
            match read(text) {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    let hint = error.remedy().map(|hint| format!("; {hint}")).unwrap_or_default();
                    eprintln!("  {error}{hint}");
                }
            }
        }
    }

    /// Whether the answer is yes.
    pub fn yes(&self, question: &str, usual: bool) -> Result<bool> {
        if !self.is_person {
            return Ok(usual);
        }
        let choice = if usual { "Y/n" } else { "y/N" };
        loop {
            match line(&format!("{question} [{choice}] "))?.to_lowercase().as_str() {
                "" => return Ok(usual),
                "y" | "yes" => return Ok(true),
                "n" | "no" => return Ok(false),
                _ => eprintln!("  write y or n"),
            }
        }
    }

    /// Says something on the way.
    pub fn say(&self, text: &str) {
        if self.is_person {
            eprintln!("{text}");
        }
    }
}

fn line(prompt: &str) -> Result<String> {
    let failed = |cause| Error::io(Kind::Failed, "the terminal cannot be read", cause);
    eprint!("{prompt}");
    std::io::stderr().flush().map_err(failed)?;
    let _input = interrupt::at_input();
    let mut typed = String::new();
    match std::io::stdin().lock().read_line(&mut typed).map_err(failed)? {
        0 => Err(Error::new(Kind::Interrupted, "no more answers; nothing was made")),
        _ => Ok(typed.trim().to_owned()),
    }
}
