//! What holds between the parts of a configuration. It promises that whoever passes it can be run:
//! every name leads somewhere, and nothing is both missing and needed.

use super::{ChannelKind, Config, ContainerPlace, Scheme, Source, VERSION, place};
use crate::error::{Error, Kind};
use std::collections::BTreeMap;
use std::ops::Range;

/// What is wrong, and where.
pub struct Wrong {
    span: Option<Range<usize>>,
    message: String,
    hint: Option<String>,
}

type Checked = Result<(), Wrong>;

impl Wrong {
    fn new(span: Option<Range<usize>>, message: impl Into<String>) -> Wrong {
        Wrong { span, message: message.into(), hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Wrong {
        self.hint = Some(hint.into());
        self
    }

    /// The error for the file `origin` with this `text`.
    pub fn error(self, text: &str, origin: &str) -> Error {
        let place = self.span.map(|span| place(text, span.start)).unwrap_or_default();
        let error = Error::new(Kind::Usage, format!("{origin}{place}: {}", self.message));
        match self.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

/// Checks the whole.
pub fn check(config: &Config) -> Checked {
    if *config.version.get_ref() != VERSION {
        let message = format!("configuration of version {}", config.version.get_ref());
        return Err(Wrong::new(Some(config.version.span()), message)
            .hint(format!("this program knows version {VERSION}")));
    }
    let names = [
        ("server", config.server.keys().collect::<Vec<_>>()),
        ("container", config.container.keys().collect()),
        ("scheme", config.scheme.keys().collect()),
        ("notify", config.notify.keys().collect()),
    ];
    for (what, names) in names {
        names.into_iter().try_for_each(|name| check_name(what, name))?;
    }
    if let Some(zone) = &config.practice.time_zone {
        jiff::tz::TimeZone::get(zone.get_ref()).map_err(|_| {
            Wrong::new(Some(zone.span()), format!("there is no time zone `{}`", zone.get_ref()))
                .hint("write a name such as Europe/Berlin or America/Denver")
        })?;
    }
    config.container.iter().try_for_each(|(name, container)| check_container(config, name, container))?;
    config.scheme.iter().try_for_each(|(name, scheme)| check_scheme(config, name, scheme))?;
    config.notify.iter().try_for_each(|(name, channel)| check_channel(config, name, channel))
}

/// Names become tags, file names and words of messages.
fn check_name(what: &str, name: &str) -> Checked {
    let is_good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    match name.chars().all(is_good) && !name.is_empty() && name.len() <= 64 && !name.starts_with('-') {
        true => Ok(()),
        false => Err(Wrong::new(None, format!("{what} `{name}`: is no name"))
            .hint("names have up to 64 letters of a to z, digits, - and _")),
    }
}

fn check_container(config: &Config, name: &str, container: &ContainerPlace) -> Checked {
    let wrong = |message: String| Wrong::new(None, format!("container `{name}`: {message}"));
    if !container.path.is_absolute() {
        return Err(wrong(format!("path `{}` does not begin with /", container.path.display())));
    }
    if let Some(mount) = &container.mount
        && !container.path.starts_with(mount)
    {
        return Err(wrong(format!("its path is not below its mount `{}`", mount.display())));
    }
    let secrets = [
        container.password_file.is_some(),
        container.password_command.is_some(),
        container.key_file.is_some(),
        container.credential.is_some(),
        container.encryption == Some(false),
    ];
    match secrets.into_iter().filter(|given| *given).count() {
        1 => {}
        0 => {
            return Err(wrong("nothing says what opens it".into()).hint(
                "give password-file, password-command, key-file or credential; or encryption = false",
            ));
        }
        _ => return Err(wrong("more than one thing is said to open it".into())),
    }
    let zone = config.practice.time_zone.as_ref().map(|zone| zone.get_ref().as_str());
    if let Some(keep) = &container.keep {
        keep.policy(zone).map_err(|error| with_hint(wrong(error.message().into()), &error))?;
    }
    Ok(())
}

fn check_scheme(config: &Config, name: &str, scheme: &Scheme) -> Checked {
    check_source(config, name, scheme)?;
    known(&config.container, "container", &scheme.to)?;
    for copying in &scheme.copy {
        match (&copying.to, &copying.rotation) {
            (Some(to), None) if to.get_ref() == scheme.to.get_ref() => {
                return Err(Wrong::new(
                    Some(to.span()),
                    format!("scheme `{name}` copies `{to}` to itself", to = to.get_ref()),
                ));
            }
            (Some(to), None) => known(&config.container, "container", to)?,
            (None, Some(_)) => {}
            _ => {
                return Err(Wrong::new(None, format!("scheme `{name}`: a copy goes to one place"))
                    .hint("write { to = \"CONTAINER\" } or { rotation = \"SET\" }"));
            }
        }
    }
    if let Some(level) = &scheme.level
        && !(1..=22).contains(level.get_ref())
    {
        return Err(Wrong::new(Some(level.span()), format!("level {} is none of zstd's", level.get_ref()))
            .hint("write 1, fast, to 22, small"));
    }
    let zone = config.practice.time_zone.as_ref().map(|zone| zone.get_ref().as_str());
    if let Some(keep) = &scheme.keep {
        let wrong = |error: Error| {
            with_hint(Wrong::new(None, format!("scheme `{name}`: {}", error.message())), &error)
        };
        keep.policy(zone).map_err(wrong)?;
    }
    Ok(())
}

fn check_source(config: &Config, name: &str, scheme: &Scheme) -> Checked {
    let wrong = |message: &str| Wrong::new(Some(scheme.source.span()), format!("scheme `{name}`: {message}"));
    match &scheme.server {
        Some(server) => known(&config.server, "server", server)?,
        None if scheme.has_databases() && config.server.len() != 1 => {
            return Err(wrong("it saves a database, and no server is named").hint("write server = \"NAME\""));
        }
        None => {}
    }
    match scheme.source.get_ref() {
        Source::Tables if scheme.tables.is_empty() => {
            Err(wrong("it saves chosen tables, and none is chosen").hint("write tables = [\"DB.TABLE\"]"))
        }
        Source::Tables if scheme.databases.is_empty() => {
            Err(wrong("it saves tables, and no database is named").hint("write databases = [\"DB\"]"))
        }
        Source::All | Source::Attachments if scheme.attachments.is_empty() => {
            Err(wrong("it saves attachments, and no folder is named")
                .hint("write attachments = [\"/path\"] or [\"LABEL=/path\"]"))
        }
        Source::Database if !scheme.attachments.is_empty() => {
            Err(wrong("it saves the database only, and attachments are named").hint("write source = \"all\""))
        }
        Source::Attachments if !scheme.databases.is_empty() || !scheme.tables.is_empty() => {
            Err(wrong("it saves attachments only, and databases are named").hint("write source = \"all\""))
        }
        _ => Ok(()),
    }
}

fn check_channel(config: &Config, name: &str, channel: &super::Channel) -> Checked {
    for scheme in channel.schemes.iter().flatten() {
        known(&config.scheme, "scheme", scheme)?;
    }
    let kind = *channel.kind.get_ref();
    let is_web = matches!(kind, ChannelKind::Webhook | ChannelKind::Ntfy | ChannelKind::Ping);
    let is_mail = kind == ChannelKind::Email;
    let keys = [
        ("url", channel.url.is_some(), is_web),
        ("url-file", channel.url_file.is_some(), is_web),
        ("token-file", channel.token_file.is_some(), is_web && kind != ChannelKind::Ping),
        ("command", channel.command.is_some(), kind == ChannelKind::Command),
        ("host", channel.host.is_some(), is_mail),
        ("port", channel.port.is_some(), is_mail),
        ("encryption", channel.encryption.is_some(), is_mail),
        ("ca", channel.ca.is_some(), is_mail || is_web),
        ("user", channel.user.is_some(), is_mail),
        ("password-file", channel.password_file.is_some(), is_mail),
        ("from", channel.from.is_some(), is_mail),
        ("to", !channel.to.is_empty(), is_mail),
    ];
    let wrong =
        |message: String| Wrong::new(Some(channel.kind.span()), format!("notify `{name}`: {message}"));
    if let Some((key, ..)) = keys.iter().find(|(_, is_given, fits)| *is_given && !fits) {
        return Err(wrong(format!("`{key}` means nothing for its kind")));
    }
    let is_addressed = match kind {
        ChannelKind::Command => channel.command.is_some(),
        ChannelKind::Email => channel.host.is_some() && channel.from.is_some() && !channel.to.is_empty(),
        _ => channel.url.is_some() != channel.url_file.is_some(),
    };
    match is_addressed {
        true => Ok(()),
        false => Err(wrong("it does not say where to".into()).hint(match kind {
            ChannelKind::Command => "write command",
            ChannelKind::Email => "write host, from and to",
            _ => "write url or url-file",
        })),
    }
}

fn with_hint(wrong: Wrong, error: &Error) -> Wrong {
    Wrong { hint: error.remedy().map(str::to_owned), ..wrong }
}

fn known<T>(names: &BTreeMap<String, T>, what: &str, name: &toml::Spanned<String>) -> Checked {
    match names.contains_key(name.get_ref()) {
        true => Ok(()),
        false => {
            let wrong = Wrong::new(Some(name.span()), format!("there is no {what} `{}`", name.get_ref()));
            let names: Vec<&str> = names.keys().map(String::as_str).collect();
            Err(match names.is_empty() {
                true => wrong.hint(format!("write a section [{what}.{}]", name.get_ref())),
                false => wrong.hint(format!("there are: {}", names.join(", "))),
            })
        }
    }
}
