//! Telling by e-mail. It promises that a password never leaves this machine unencrypted, that each
//! recipient is told whatever becomes of the others, and that one who is refused is named.

use super::{Failure, plain, secret};
use crate::operations::session::host_name;
use crate::schemes::config::{Channel, Encryption};
use crate::schemes::notice::Notice;
use lettre::address::Envelope;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::{Error, SmtpTransport};
use lettre::{Address, Transport};
use std::io::ErrorKind;
use std::time::{Duration, Instant};

/// Sends `notice` to those in `pending`, and takes out who needs no further attempt.
pub(super) fn send(
    channel: &Channel,
    notice: &Notice,
    pending: &mut Vec<String>,
    limit: Duration,
) -> Result<(), Failure> {
    let end = Instant::now() + limit;
    let (from, message) = message(channel, notice)?;
    let mut refused: Vec<String> = Vec::new();
    let mut later: Option<Failure> = None;
    for recipient in std::mem::take(pending) {
        if later.is_some() {
            pending.push(recipient);
            continue;
        }
        let left = end.saturating_duration_since(Instant::now()).max(Duration::from_millis(50));
        match deliver(channel, &from, &recipient, &message, left) {
            Ok(()) => {}
            Err(Ended::Refused(why)) => refused.push(format!("{recipient}: {why}")),
            Err(Ended::Stopped(failure)) => {
                pending.push(recipient);
                later = Some(failure);
            }
        }
    }
    match (later, refused.is_empty()) {
        (None, true) => Ok(()),
        (None, false) => Err(Failure::lasting(format!("not taken for {}", refused.join(", ")))),
        (Some(failure), true) => Err(failure),
        // What was refused is not tried again, so it must not be forgotten over what is.
        (Some(failure), false) => Err(Failure::lasting(format!(
            "not taken for {}; for others: {}",
            refused.join(", "),
            failure.message
        ))),
    }
}

/// Why one recipient was not told.
enum Ended {
    /// The server does not take it for this one.
    Refused(String),
    /// It would be the same for all.
    Stopped(Failure),
}

fn deliver(
    channel: &Channel,
    from: &Address,
    recipient: &str,
    message: &[u8],
    limit: Duration,
) -> Result<(), Ended> {
    let to = address(recipient).map_err(|failure| Ended::Refused(failure.message))?;
    let envelope = Envelope::new(Some(from.clone()), vec![to])
        .map_err(|_| Ended::Stopped(Failure::lasting("the sender is no address")))?;
    let transport = transport(channel, limit).map_err(Ended::Stopped)?;
    transport.send_raw(&envelope, message).map(|_| ()).map_err(|error| ended(&error))
}

/// The kind of the failure of the connection behind `error`: a limit that is over shows as one that would
/// block, a certificate that is not trusted as invalid data.
fn cause(error: &Error) -> Option<ErrorKind> {
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        if let Some(cause) = cause.downcast_ref::<std::io::Error>() {
            return Some(cause.kind());
        }
        next = cause.source();
    }
    None
}

fn ended(error: &Error) -> Ended {
    use ErrorKind::{InvalidData, TimedOut, WouldBlock};
    let code = error.status().map(|code| code.to_string()).unwrap_or_default();
    let stopped = |message: String, is_passing| Ended::Stopped(Failure { message, is_passing });
    match code.as_str() {
        "530" | "534" | "535" | "538" => stopped(format!("the server refuses the login ({code})"), false),
        "421" | "454" => stopped(format!("the server takes nothing now ({code})"), true),
        "" if error.is_timeout() || matches!(cause(error), Some(TimedOut | WouldBlock)) => {
            stopped("the server did not answer within the time limit".into(), true)
        }
        "" if error.is_tls() || cause(error) == Some(InvalidData) => stopped(
            "the encrypted connection failed: the server's certificate is not trusted, or it speaks no TLS"
                .into(),
            false,
        ),
        // These are fixed texts: no STARTTLS, no way to log in.
        "" if error.is_client() => stopped(error.to_string(), false),
        "" => stopped("the server cannot be reached, or went away".into(), true),
        _ if error.is_transient() => {
            stopped(format!("the server does not take it for somebody now ({code})"), true)
        }
        _ => Ended::Refused(format!("refused by the server ({code})")),
    }
}

fn address(text: &str) -> Result<Address, Failure> {
    let mailbox: Result<Mailbox, _> = text.parse();
    mailbox.map(|mailbox| mailbox.email).map_err(|_| Failure::lasting(format!("`{text}` is no address")))
}

/// The sender, and the whole message in bytes.
fn message(channel: &Channel, notice: &Notice) -> Result<(Address, Vec<u8>), Failure> {
    let from = channel.from.as_ref().map(|from| from.get_ref().as_str()).unwrap_or_default();
    let sender: Mailbox = from.parse().map_err(|_| Failure::lasting(format!("`{from}` is no address")))?;
    let automatic =
        HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
    let subject: String = notice.title.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut builder = Message::builder()
        .from(sender.clone())
        .subject(subject)
        .message_id(None)
        .raw_header(automatic)
        .header(ContentType::TEXT_PLAIN);
    for to in &channel.to {
        // One that is no address is named when it is its turn.
        if let Ok(mailbox) = to.get_ref().parse() {
            builder = builder.to(mailbox);
        }
    }
    let text = format!("{}\n-- \nCoffer on {}\n", plain(notice), host_name());
    let whole = builder.body(text).map_err(|_| Failure::lasting("the recipients are no addresses"))?;
    Ok((sender.email, whole.formatted()))
}

fn transport(channel: &Channel, limit: Duration) -> Result<SmtpTransport, Failure> {
    let host = channel.host.as_deref().unwrap_or_default();
    let encryption = channel.encryption.unwrap_or(Encryption::Starttls);
    let parameters = || parameters(channel, host);
    let (port, tls) = match encryption {
        Encryption::Starttls => (587, Tls::Required(parameters()?)),
        Encryption::Tls => (465, Tls::Wrapper(parameters()?)),
        Encryption::None => (25, Tls::None),
    };
    let mut builder = SmtpTransport::builder_dangerous(host)
        .port(channel.port.unwrap_or(port))
        .tls(tls)
        .timeout(Some(limit))
        .hello_name(hello());
    if let Some(user) = &channel.user {
        let is_local = host == "localhost" || host == "::1" || host.starts_with("127.");
        if encryption == Encryption::None && !is_local {
            return Err(Failure::lasting("the password would leave this machine unencrypted"));
        }
        let path = channel.password_file.as_deref();
        let path = path.ok_or_else(|| Failure::lasting("a user is given and no password-file"))?;
        let password = secret(path, "password file")?;
        builder = builder.credentials(Credentials::new(user.clone(), password.as_str().to_owned()));
    }
    Ok(builder.build())
}

fn hello() -> ClientId {
    let name: String =
        host_name().chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.')).collect();
    if name.is_empty() { ClientId::default() } else { ClientId::Domain(name) }
}

fn parameters(channel: &Channel, host: &str) -> Result<TlsParameters, Failure> {
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(path) = &channel.ca {
        let failed = |why: &str| Failure::lasting(format!("authority {}: {why}", path.display()));
        let pem = std::fs::read(path).map_err(|cause| failed(&cause.kind().to_string()))?;
        let certificate = Certificate::from_pem(&pem).map_err(|_| failed("holds no certificate"))?;
        builder = builder.add_root_certificate(certificate);
    }
    builder.build().map_err(|_| Failure::lasting(format!("`{host}` is no name of a server")))
}
