//! The arguments that name a database server, with their `COFFER_MYSQL_…` variables. It promises that
//! no password is ever an argument, and that an argument wins over a variable, a variable over an
//! option file, an option file that is named over those that clients usually read.

use super::args::usage;
use super::context::Context;
use super::output::Output;
use super::secrets::{self, Ask, Gathered, Machine, Request, Secret, Surroundings};
use crate::error::{Error, Kind, Result};
use crate::mysql::options::{ServerOptions, Tls};
use crate::mysql::sources::{self, Layer};
use crate::schemes::config;
use crate::schemes::config::edit::Setting;
use clap::Args;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Which server, and who asks.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Database server (or COFFER_MYSQL_…, ~/.my.cnf, the usual socket)")]
pub struct ServerArgs {
    /// The server's socket
    #[arg(long, value_name = "FILE", conflicts_with_all = ["mysql_host", "mysql_port"])]
    mysql_socket: Option<PathBuf>,
    /// The server's name or address
    #[arg(long, value_name = "NAME")]
    mysql_host: Option<String>,
    /// The server's port [default: 3306]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    mysql_port: Option<u16>,
    /// The database user [default: the name of who runs this]
    #[arg(long, value_name = "NAME")]
    mysql_user: Option<String>,
    /// This file holds the database user's password
    #[arg(long, value_name = "FILE", conflicts_with = "mysql_password_command")]
    mysql_password_file: Option<PathBuf>,
    /// The output of this command is the database user's password
    #[arg(long, value_name = "CMD")]
    mysql_password_command: Option<String>,
    /// Take server, user and password from this option file (my.cnf)
    #[arg(long, value_name = "FILE")]
    mysql_defaults_file: Option<PathBuf>,
    /// auto (checked to other machines), off, unverified, verified
    #[arg(long, value_name = "MODE", value_parser = usage(parse_tls))]
    mysql_tls: Option<Tls>,
    /// The server's certificate must be signed by this authority (PEM)
    #[arg(long, value_name = "FILE")]
    mysql_ca: Option<PathBuf>,
}

impl ServerArgs {
    /// The server that a section of the configuration names.
    ///
    /// Errors: [`Kind::Usage`] for a credential without a service manager that gives it.
    pub fn of(server: &config::Server) -> Result<ServerArgs> {
        let credential = server.credential.as_deref().map(secrets::credential_file).transpose()?;
        Ok(ServerArgs {
            mysql_socket: server.socket.clone(),
            mysql_host: server.host.clone(),
            mysql_port: server.port,
            mysql_user: server.user.clone(),
            mysql_password_file: server.password_file.clone().or(credential),
            mysql_password_command: server.password_command.clone(),
            mysql_defaults_file: server.defaults_file.clone(),
            mysql_tls: server.tls.as_deref().map(parse_tls).transpose()?,
            mysql_ca: server.ca.clone(),
        })
    }

    /// The same server, at this socket or on this host.
    pub fn at(mut self, place: &str) -> ServerArgs {
        match place.starts_with('/') {
            true => self.mysql_socket = Some(place.into()),
            false => self.mysql_host = Some(place.to_owned()),
        }
        self
    }

    /// The same server, asked by somebody else.
    pub fn as_user(mut self, user: &str, password_file: Option<PathBuf>) -> ServerArgs {
        self.mysql_user = Some(user.to_owned());
        self.mysql_password_file = password_file;
        self.mysql_password_command = None;
        self
    }

    /// The way that `options` found, in the words of the configuration; `user` with a password file takes
    /// the place of who asked.
    pub fn settings(
        &self,
        options: &ServerOptions,
        user: Option<(&str, &Path)>,
    ) -> Vec<(&'static str, Setting)> {
        let text = |path: &Path| Setting::Text(path.display().to_string());
        let mut found = Vec::new();
        match &options.socket {
            Some(socket) => found.push(("socket", text(socket))),
            None => {
                let host = options.host.clone().unwrap_or_else(|| "localhost".into());
                found.push(("host", Setting::Text(host)));
                found.extend(options.port.map(|port| ("port", Setting::Number(port.into()))));
            }
        }
        match user {
            Some((user, file)) => {
                found.push(("user", Setting::Text(user.to_owned())));
                found.push(("password-file", text(file)));
            }
            None => {
                found.extend(options.user.clone().map(|user| ("user", Setting::Text(user))));
                found.extend(self.mysql_password_file.as_deref().map(|file| ("password-file", text(file))));
                let command = self.mysql_password_command.clone();
                found.extend(command.map(|command| ("password-command", Setting::Text(command))));
                found.extend(self.mysql_defaults_file.as_deref().map(|file| ("defaults-file", text(file))));
            }
        }
        let word = match &self.mysql_tls {
            Some(Tls::Off) => Some("off"),
            Some(Tls::Unchecked) => Some("unverified"),
            Some(Tls::Checked(_)) => Some("verified"),
            Some(Tls::Automatic) | None => None,
        };
        found.extend(word.map(|word| ("tls", Setting::Text(word.to_owned()))));
        found.extend(self.mysql_ca.as_deref().map(|file| ("ca", text(file))));
        found
    }

    /// Whether an argument or a variable names a server.
    pub fn is_given(&self) -> bool {
        let layer = self.arguments();
        let named = |l: &Layer| l.socket.is_some() || l.host.is_some() || l.port.is_some();
        let variable = |name: &str| Machine.variable(name).is_some();
        named(&layer)
            || self.mysql_defaults_file.is_some()
            || ["SOCKET", "HOST", "PORT", "DEFAULTS_FILE"]
                .iter()
                .any(|n| variable(&format!("COFFER_MYSQL_{n}")))
    }

    /// Whether an argument names a server.
    pub fn is_argument(&self) -> bool {
        let layer = self.arguments();
        let is_named = layer.socket.is_some() || layer.host.is_some() || layer.port.is_some();
        is_named || self.mysql_defaults_file.is_some()
    }

    /// The way to the server; warnings go to the output.
    ///
    /// Errors: [`Kind::Usage`] for what makes no sense, [`Kind::Failed`] for a password that cannot be
    /// read.
    pub fn options(&self, context: &Context) -> Result<ServerOptions> {
        self.options_in(&Machine, &context.output)
    }

    fn options_in(&self, surroundings: &dyn Surroundings, output: &Output) -> Result<ServerOptions> {
        let mut layers = vec![self.with_password(output)?, environment(surroundings, output)?];
        let named = surroundings.variable("COFFER_MYSQL_DEFAULTS_FILE").map(PathBuf::from);
        let warnings = match self.mysql_defaults_file.clone().or(named) {
            Some(path) => {
                let (layer, warnings) = sources::named_file(&path)?;
                layers.push(layer);
                warnings
            }
            None => {
                let home = surroundings.variable("HOME").map(PathBuf::from);
                let (files, warnings) = sources::usual_files(home.as_deref());
                layers.extend(files);
                warnings
            }
        };
        warnings.iter().for_each(|warning| output.warning("option-file", warning));
        let mut options = sources::resolve(&layers, sources::usual_socket);
        options.user = options.user.take().or_else(sources::login_name);
        if let Tls::Checked(Some(authority)) = &options.tls {
            std::fs::File::open(authority).map_err(|cause| {
                Error::io(Kind::Usage, format!("certificate authority {}", authority.display()), cause)
            })?;
        }
        Ok(options)
    }

    fn arguments(&self) -> Layer {
        Layer {
            socket: self.mysql_socket.clone(),
            host: self.mysql_host.clone(),
            port: self.mysql_port,
            port_is_the_way: true,
            user: self.mysql_user.clone(),
            password: None,
            tls: tls(self.mysql_tls.clone(), self.mysql_ca.clone()),
        }
    }

    fn with_password(&self, output: &Output) -> Result<Layer> {
        let options = secrets::Options {
            password_file: self.mysql_password_file.clone(),
            password_command: self.mysql_password_command.clone(),
            ..secrets::Options::default()
        };
        Ok(Layer { password: password(&options, output)?, ..self.arguments() })
    }
}

/// What the environment says.
fn environment(surroundings: &dyn Surroundings, output: &Output) -> Result<Layer> {
    let path = |name: &str| surroundings.variable(&format!("COFFER_MYSQL_{name}")).map(PathBuf::from);
    let text = |name: &str| {
        let value = surroundings.variable(&format!("COFFER_MYSQL_{name}"));
        let wrong = |_| Error::new(Kind::Usage, format!("COFFER_MYSQL_{name} is not UTF-8"));
        value.map(|value| value.into_string().map_err(wrong)).transpose()
    };
    let port = text("PORT")?.map(|port| {
        let wrong = || Error::new(Kind::Usage, format!("COFFER_MYSQL_PORT: `{port}` is no port"));
        port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)
    });
    let mode = text("TLS")?.map(|mode| parse_tls(&mode).map_err(|error| error.at("COFFER_MYSQL_TLS")));
    let credential = surroundings
        .variable("CREDENTIALS_DIRECTORY")
        .map(|folder| PathBuf::from(folder).join("coffer-mysql-password"))
        .filter(|path| path.exists());
    let options = secrets::Options {
        password_file: credential.or_else(|| path("PASSWORD_FILE")),
        password_command: text("PASSWORD_COMMAND")?,
        ..secrets::Options::default()
    };
    let mut secret = password(&options, output)?;
    if secret.is_none()
        && let Some(value) = text("PASSWORD")?
    {
        let warning = "the database password comes from the environment, which other programs of this \
                       user can read; use COFFER_MYSQL_PASSWORD_FILE";
        output.warning("secret", warning);
        secret = Some(Zeroizing::new(value));
    }
    Ok(Layer {
        socket: path("SOCKET"),
        host: text("HOST")?,
        port: port.transpose()?,
        port_is_the_way: true,
        user: text("USER")?,
        password: secret,
        tls: tls(mode.transpose()?, path("CA")),
    })
}

/// The password that a file or command gives.
fn password(options: &secrets::Options, output: &Output) -> Result<Option<Zeroizing<String>>> {
    let request = Request { options, environment: false, ask: Ask::Never, object: "the database" };
    let Gathered { secret, origin, warnings } = secrets::gather(&request, &Machine)?;
    warnings.iter().for_each(|warning| output.warning("secret", warning));
    match secret {
        Secret::Password(bytes) => match std::str::from_utf8(&bytes) {
            Ok(text) => Ok(Some(Zeroizing::new(text.to_owned()))),
            Err(_) => {
                Err(Error::new(Kind::Usage, format!("the database password from {origin} is not UTF-8")))
            }
        },
        _ => Ok(None),
    }
}

/// A mode with an authority: naming one means checking.
fn tls(mode: Option<Tls>, authority: Option<PathBuf>) -> Option<Tls> {
    match (mode, authority) {
        (None | Some(Tls::Automatic | Tls::Checked(_)), Some(path)) => Some(Tls::Checked(Some(path))),
        (mode, _) => mode,
    }
}

fn parse_tls(text: &str) -> Result<Tls> {
    match text {
        "auto" => Ok(Tls::Automatic),
        "off" => Ok(Tls::Off),
        "unverified" => Ok(Tls::Unchecked),
        "verified" => Ok(Tls::Checked(None)),
        _ => Err(Error::new(Kind::Usage, format!("`{text}` is no way to encrypt"))
            .hint("one of auto, off, unverified, verified")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::events::Outcome;
    use crate::cli::output::Settings;
    use crate::clock::SystemClock;
    use std::collections::BTreeMap;
    use std::ffi::OsString;
    use std::sync::Arc;

    struct Fake(BTreeMap<&'static str, OsString>);

    impl Surroundings for Fake {
        fn variable(&self, name: &str) -> Option<OsString> {
            self.0.get(name).cloned()
        }

        fn ask(&self, _: &str) -> Option<std::io::Result<Zeroizing<String>>> {
            None
        }
    }

    fn found(args: &ServerArgs, variables: &[(&'static str, &str)]) -> Result<ServerOptions> {
        let mut all = BTreeMap::from([("COFFER_MYSQL_DEFAULTS_FILE", OsString::from("/dev/null/none"))]);
        all.extend(variables.iter().map(|(name, value)| (*name, OsString::from(value))));
        let settings = Settings { quiet: true, ..Settings::default() };
        let output = Output::new(settings, "doctor", Arc::new(SystemClock));
        let found = args.options_in(&Fake(all), &output);
        output.conclude(Ok(Outcome::done()));
        found
    }

    #[test]
    fn arguments_go_before_variables_and_variables_before_files() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("my.cnf");
        std::fs::write(&file, "[client]\nsocket=/file\nuser=file\npassword=secret\n").expect("written");
        let file = file.to_str().expect("path");
        let args = ServerArgs { mysql_host: Some("db".into()), ..ServerArgs::default() };
        let variables = [("COFFER_MYSQL_DEFAULTS_FILE", file), ("COFFER_MYSQL_SOCKET", "/variable")];
        let options = found(&args, &variables).expect("options");
        assert_eq!((options.socket, options.host.as_deref()), (None, Some("db")));
        assert_eq!(options.user.as_deref(), Some("file"));
        let options = found(&ServerArgs::default(), &variables).expect("options");
        assert_eq!(options.socket, Some("/variable".into()));
        assert_eq!(options.password.as_ref().map(|p| p.as_str()), Some("secret"));
        let options = found(&ServerArgs::default(), &variables[..1]).expect("options");
        assert_eq!(options.socket, Some("/file".into()));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let kind = |variables: &[(&'static str, &str)]| {
            found(&ServerArgs::default(), variables).expect_err("refused").kind()
        };
        assert_eq!(kind(&[]), Kind::Usage, "the option file that is named must be there");
        let null = ("COFFER_MYSQL_DEFAULTS_FILE", "/dev/null/none");
        assert_eq!(kind(&[null, ("COFFER_MYSQL_PORT", "0")]), Kind::Usage);
        assert_eq!(kind(&[null, ("COFFER_MYSQL_TLS", "perhaps")]), Kind::Usage);
    }

    #[test]
    fn naming_an_authority_means_checking() {
        let ca = Some(PathBuf::from("/ca"));
        assert_eq!(tls(None, ca.clone()), Some(Tls::Checked(ca.clone())));
        assert_eq!(tls(Some(Tls::Off), ca), Some(Tls::Off));
        assert_eq!(tls(None, None), None);
    }
}
