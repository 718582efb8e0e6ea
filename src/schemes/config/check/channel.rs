//! Checks of a way to tell people: each kind has keys of its own, and no address holds a secret.

use super::{check_absolute, check_known};
use crate::schemes::config::wrong::{Checked, Wrong};
use crate::schemes::config::{Channel, ChannelKind, Config};

pub fn check_channel(config: &Config, name: &str, channel: &Channel) -> Checked {
    for scheme in channel.schemes.iter().flatten() {
        check_known(&config.scheme, "scheme", scheme)?;
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
    let wrong = |message: String| Wrong::new(channel.kind.span(), format!("notify `{name}`: {message}"));
    if let Some((key, ..)) = keys.iter().find(|(_, is_given, fits)| *is_given && !fits) {
        return Err(wrong(format!("`{key}` means nothing for its kind")));
    }
    check_addresses(name, channel)?;
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

/// Addresses look like addresses, and an address with a password in it stands in a file of its own.
fn check_addresses(name: &str, channel: &Channel) -> Checked {
    let wrong =
        |key: &str, message: String| Wrong::at(&["notify", name, key], format!("notify `{name}`: {message}"));
    if let Some(url) = &channel.url {
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let Some(rest) = rest.filter(|rest| !rest.is_empty()) else {
            return Err(wrong("url", "it is no address".into()).hint("write https://…"));
        };
        if rest.split('/').next().is_some_and(|host| host.contains('@')) {
            return Err(wrong("url", "a secret never stands here, and this address holds one".into())
                .hint("write the address into a file that only its owner can read: url-file = \"/path\""));
        }
    }
    for address in channel.from.iter().chain(&channel.to) {
        if !address.get_ref().contains('@') {
            let message = format!("notify `{name}`: `{}` is no e-mail address", address.get_ref());
            return Err(Wrong::new(address.span(), message).hint("write office@example.org"));
        }
    }
    for (key, path) in [
        ("url-file", &channel.url_file),
        ("token-file", &channel.token_file),
        ("password-file", &channel.password_file),
        ("ca", &channel.ca),
    ] {
        check_absolute(&["notify", name, key], path.as_deref())?;
    }
    Ok(())
}
