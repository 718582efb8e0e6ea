//! The questions about the database: its server, what to save of it, and who asks.

use super::{Questions, list};
use crate::cli::commands::setup::account::NewAccount;
use crate::cli::commands::setup::answers::Answers;
use crate::cli::commands::setup::survey;
use crate::cli::server::ServerArgs;
use crate::error::{Error, Kind, Result};
use crate::mysql::connection::Connection;
use crate::mysql::options::ServerOptions;
use crate::mysql::sources;
use std::path::PathBuf;

impl Questions<'_> {
    /// The server, reached; `None`: there is no database.
    pub(super) fn server(
        &self,
        answers: &Answers,
        args: ServerArgs,
    ) -> Result<Option<(ServerArgs, ServerOptions)>> {
        if answers.no_database {
            return Ok(None);
        }
        let found = sources::usual_socket();
        if !args.is_given() && found.is_none() && !self.asker.is_person() {
            return match answers.database.is_empty() {
                true => Ok(None),
                false => Err(Error::new(Kind::Database, "no database server was found")
                    .hint("name it: --mysql-socket FILE or --mysql-host NAME")),
            };
        }
        let mut args = args;
        loop {
            if !args.is_given() {
                let usual =
                    found.as_ref().map_or_else(|| "none".to_owned(), |socket| socket.display().to_string());
                let typed = self.asker.answer(
                    "the database server's socket, its host, or none",
                    "mysql-socket",
                    Some(&usual),
                    |typed| Ok(typed.to_owned()),
                )?;
                if typed == "none" {
                    return Ok(None);
                }
                args = args.at(&typed);
            }
            let options = args.options(self.context)?;
            match Connection::open(&options) {
                Ok(connection) => {
                    self.asker.say(&format!("  {}: reached", connection.name()));
                    return Ok(Some((args, options)));
                }
                Err(error) if self.asker.is_person() => {
                    let hint = error.remedy().map(|hint| format!("; {hint}")).unwrap_or_default();
                    self.asker.say(&format!("  {error}{hint}"));
                    let user = options.user.clone().unwrap_or_default();
                    let user = self
                        .asker
                        .answer("database user", "mysql-user", Some(&user), |typed| Ok(typed.to_owned()))?;
                    let file = self.asker.answer(
                        "file with that user's password, or none",
                        "mysql-password-file",
                        Some("none"),
                        |typed| Ok(typed.to_owned()),
                    )?;
                    args = args.as_user(&user, Some(file).filter(|file| file != "none").map(PathBuf::from));
                }
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn databases(&self, answers: &Answers, connection: &mut Connection) -> Result<Vec<String>> {
        let found = survey::databases(connection)?;
        let check = |names: Vec<String>| match names.iter().find(|name| !found.contains(name)) {
            Some(unknown) => Err(Error::new(Kind::Usage, format!("the server has no database `{unknown}`"))
                .hint(format!("there are: {}", found.join(", ")))),
            None if names.is_empty() => Err(Error::new(Kind::Usage, "no database is named")
                .hint(format!("there are: {}", found.join(", ")))),
            None => Ok(names),
        };
        if !answers.database.is_empty() {
            return check(answers.database.clone());
        }
        self.asker
            .answer("databases to save", "database", Some(&found.join(", ")), |typed| check(list(typed)))
    }

    pub(super) fn profile(
        &self,
        answers: &Answers,
        connection: &mut Connection,
        databases: &[String],
    ) -> Result<Option<String>> {
        if let Some(profile) = &answers.profile {
            return Ok(Some(profile.clone()).filter(|profile| profile != "none"));
        }
        let Some(profile) = survey::profile(connection, databases) else { return Ok(None) };
        let is_wanted = self.asker.yes(
            &format!("this looks like {profile}: name attachments that its database lists and nobody has?"),
            true,
        )?;
        Ok(is_wanted.then(|| profile.to_owned()))
    }

    pub(super) fn account(
        &self,
        answers: &Answers,
        options: &ServerOptions,
        databases: &[String],
    ) -> Result<Option<NewAccount>> {
        let is_admin = options.user.as_deref() == Some("root");
        let name = match &answers.new_database_user {
            Some(name) => name.clone(),
            None if self.asker.is_person() && is_admin => {
                let question = "backups as root? a user of their own has the rights that they need and no others: its name, or none";
                self.asker
                    .answer(question, "new-database-user", Some("coffer"), |typed| Ok(typed.to_owned()))?
            }
            None => "none".into(),
        };
        if name == "none" || name.is_empty() {
            return Ok(None);
        }
        let file = self.folder.join(format!("{name}.dbpw"));
        NewAccount::plan(options, &name, databases, file).map(Some)
    }
}
