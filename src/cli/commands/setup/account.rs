//! A database user for backups: made only on request, with the rights that a backup needs and no
//! others, and gone again if setup does not come to its end.

use crate::crypto::{Entropy, SystemEntropy};
use crate::error::{Error, Kind, Result};
use crate::mysql::connection::Connection;
use crate::mysql::facts::ServerFacts;
use crate::mysql::identifier::literal;
use crate::mysql::options::ServerOptions;
use crate::mysql::privileges::{Account, DumpNeeds, Privileges, Purpose, missing, statements};
use crate::operations::doctor::{DatabaseSurvey, survey_databases};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A user to be made.
pub struct NewAccount {
    /// Its name.
    pub user: String,
    /// Where its password will be.
    pub password_file: PathBuf,
    /// The statements that give it its rights.
    pub grants: Vec<String>,
    account: Account,
    server: ServerOptions,
}

impl NewAccount {
    /// Plans one on `server` for `databases`; all of them if none is named.
    ///
    /// Errors: [`Kind::Usage`] if there is a user of that name.
    pub fn plan(
        server: &ServerOptions,
        user: &str,
        databases: &[String],
        password_file: PathBuf,
    ) -> Result<NewAccount> {
        let mut connection = Connection::open(server)?;
        let host = if connection.is_local() { "localhost" } else { "%" };
        let account = Account { user: user.into(), host: host.into() };
        let known =
            connection.value(&format!("SELECT COUNT(*) FROM mysql.user WHERE User = {}", literal(user)))?;
        if known.as_deref() != Some("0") {
            return Err(Error::new(
                Kind::Usage,
                format!("{}: there is a user `{user}` already", server.name()),
            )
            .hint("name that one with --mysql-user and --mysql-password-file, or choose another name"));
        }
        let facts = ServerFacts::read(&mut connection)?;
        let found = survey_databases(&mut connection, databases)?;
        let needs =
            DumpNeeds { has_plain_tables: found.iter().any(DatabaseSurvey::has_plain_tables), users: false };
        let none = Privileges::parse(&format!("{user}@{host}"), [] as [&str; 0]);
        let lacking = missing(&none, &facts, &Purpose::Dump(needs), databases);
        let grants = statements(&lacking, &account);
        Ok(NewAccount { user: user.into(), password_file, grants, account, server: server.clone() })
    }

    /// What is run, without the password.
    pub fn shown(&self) -> Vec<String> {
        let create = format!("CREATE USER {} IDENTIFIED BY '…';", self.account.quoted());
        std::iter::once(create).chain(self.grants.iter().cloned()).collect()
    }

    /// Makes it, and the file with its password.
    pub fn make(self) -> Result<MadeAccount> {
        let mut bytes = Zeroizing::new([0_u8; 24]);
        SystemEntropy.fill(&mut bytes[..])?;
        // Letters of every kind, for servers that ask for them.
        let hex: Zeroizing<String> = Zeroizing::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect());
        let password = Zeroizing::new(format!("C0f-{}", hex.as_str()));
        write_secret(&self.password_file, password.as_bytes())?;
        let file = Some(self.password_file);
        let mut made = MadeAccount { account: self.account, server: self.server, file, is_made: false };
        let mut connection = Connection::open(&made.server)?;
        let create = Zeroizing::new(format!(
            "CREATE USER {} IDENTIFIED BY {}",
            made.account.quoted(),
            literal(&password)
        ));
        // The statement holds the password: the server's own words about it are not repeated.
        connection.execute(&create).map_err(|error| {
            Error::new(Kind::Database, format!("user {} could not be made", made.account.quoted()))
                .hint(error.remedy().unwrap_or("may this user make others (CREATE USER)?"))
        })?;
        made.is_made = true;
        for grant in &self.grants {
            connection.execute(grant.trim_end_matches(';'))?;
        }
        Ok(made)
    }
}

/// A user that was made, and goes away unless it is kept.
pub struct MadeAccount {
    account: Account,
    server: ServerOptions,
    file: Option<PathBuf>,
    is_made: bool,
}

impl MadeAccount {
    /// It stays.
    pub fn keep(mut self) {
        (self.file, self.is_made) = (None, false);
    }
}

impl Drop for MadeAccount {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            let _ = std::fs::remove_file(file);
        }
        if self.is_made
            && let Ok(mut connection) = Connection::open(&self.server)
        {
            let _ = connection.execute(&format!("DROP USER IF EXISTS {}", self.account.quoted()));
        }
    }
}

/// Writes a secret into a new file that only its owner can read.
pub fn write_secret(path: &Path, secret: &[u8]) -> Result<()> {
    let failed = |cause: std::io::Error| match cause.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Error::new(Kind::Usage, format!("{}: exists already", path.display()))
                .hint("a secret is never overwritten")
        }
        _ => Error::io(Kind::Failed, format!("{}: could not be written", path.display()), cause),
    };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    let written = file.write_all(secret).and_then(|()| file.write_all(b"\n")).and_then(|()| file.sync_all());
    // Part of a secret is of no use to anybody, and an empty file would be taken for one.
    written.map_err(failed).inspect_err(|_| _ = std::fs::remove_file(path))
}
