//! Telling by HTTP: a webhook, ntfy, and services that expect a sign of life. It promises that neither
//! an address nor a token ever stands in a message, and that a redirect is a failure: whoever follows
//! one loses what was posted, or carries the token to somebody else.

use super::{Failure, json, plain, secret};
use crate::schemes::config::{Channel, ChannelKind, Occasion};
use crate::schemes::notice::Notice;
use std::path::Path;
use std::time::Duration;
use ureq::http::Response;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, Error};
use zeroize::Zeroizing;

/// Longest text that is sent as a sign of life, in characters.
const MAX_SIGN: usize = 2000;

/// Tells `notice` within `limit`.
pub(super) fn send(channel: &Channel, notice: &Notice, limit: Duration) -> Result<(), Failure> {
    let address = address(channel)?;
    let token = channel.token_file.as_deref().map(|path| secret(path, "token file")).transpose()?;
    let agent = agent(channel.ca.as_deref(), limit)?;
    let kind = *channel.kind.get_ref();
    let url = match kind {
        ChannelKind::Ping => Zeroizing::new(signed(&address, sign(notice.occasion).unwrap_or_default())),
        _ => address,
    };
    let mut request = agent.post(url.as_str());
    if let Some(token) = token {
        request = request.header("Authorization", format!("Bearer {}", token.as_str()));
    }
    let text = plain(notice);
    let answer = match kind {
        ChannelKind::Webhook => request.header("Content-Type", "application/json").send(json(notice)),
        ChannelKind::Ntfy => {
            let (priority, tags) = urgency(notice);
            let request = request.header("Title", header(&notice.title)).header("Priority", priority);
            request.header("Tags", tags).send(text)
        }
        _ => request.send(format!("{}\n{text}", notice.title).chars().take(MAX_SIGN).collect::<String>()),
    };
    judge(answer)
}

fn address(channel: &Channel) -> Result<Zeroizing<String>, Failure> {
    match (&channel.url, &channel.url_file) {
        (Some(url), _) => Ok(Zeroizing::new(url.clone())),
        (None, Some(path)) => secret(path, "address file"),
        (None, None) => Err(Failure::lasting("no address is given")),
    }
}

fn agent(ca: Option<&Path>, limit: Duration) -> Result<Agent, Failure> {
    let mut tls = TlsConfig::builder();
    if let Some(path) = ca {
        let failed = |why: &str| Failure::lasting(format!("authority {}: {why}", path.display()));
        let pem = std::fs::read(path).map_err(|cause| failed(&cause.kind().to_string()))?;
        let certificates: Vec<_> = parse_pem(&pem)
            .filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            })
            .collect();
        if certificates.is_empty() {
            return Err(failed("holds no certificate"));
        }
        tls = tls.root_certs(RootCerts::from(certificates));
    }
    let agent = concat!("coffer/", env!("CARGO_PKG_VERSION"));
    let config = Agent::config_builder().timeout_global(Some(limit)).max_redirects(0);
    let config = config.http_status_as_error(false).user_agent(agent).tls_config(tls.build());
    Ok(config.build().new_agent())
}

fn judge(answer: Result<Response<Body>, Error>) -> Result<(), Failure> {
    let status = match answer {
        Ok(response) => response.status().as_u16(),
        Err(error) => return Err(failure(&error)),
    };
    match status {
        200..=299 => Ok(()),
        300..=399 => Err(Failure::lasting(format!(
            "the server redirects (status {status}); write the address that it leads to"
        ))),
        401 | 403 => Err(Failure::lasting(format!("the server refuses the authorisation (status {status})"))),
        404 | 410 => Err(Failure::lasting(format!("the server does not know the address (status {status})"))),
        408 | 429 | 500..=599 => {
            Err(Failure::passing(format!("the server cannot take it now (status {status})")))
        }
        _ => Err(Failure::lasting(format!("the server refuses it (status {status})"))),
    }
}

/// What happened in words of our own: those of the library may quote the address.
fn failure(error: &Error) -> Failure {
    match error {
        Error::Timeout(_) => Failure::passing("the server did not answer within the time limit"),
        Error::HostNotFound => Failure::passing("the server's name leads nowhere"),
        Error::ConnectionFailed => Failure::passing("the server cannot be reached"),
        Error::Io(cause) if cause.kind() == std::io::ErrorKind::InvalidData => {
            Failure::lasting("the encrypted connection failed: the server's certificate is not trusted")
        }
        Error::Io(cause) => Failure::passing(format!("the connection failed: {}", cause.kind())),
        Error::Tls(_) | Error::Rustls(_) | Error::TlsRequired => {
            Failure::lasting("the encrypted connection failed: the server's certificate is not trusted")
        }
        Error::BadUri(_) | Error::Http(_) => Failure::lasting("the address is no address"),
        Error::Protocol(_) => Failure::passing("the server does not speak HTTP"),
        Error::InvalidProxyUrl | Error::ConnectProxyFailed(_) => Failure::passing("the proxy failed"),
        _ => Failure::passing("the request failed"),
    }
}

/// What is added to the address of a service that expects a sign of life; `None`: this is none.
pub(super) fn sign(occasion: Occasion) -> Option<&'static str> {
    match occasion {
        Occasion::Start => Some("/start"),
        // A backup with something missing is kept, and was made.
        Occasion::Success | Occasion::Warning => Some(""),
        Occasion::Failure => Some("/fail"),
        Occasion::Recovery | Occasion::Overdue | Occasion::Space | Occasion::Digest => None,
    }
}

/// `address` with `sign` at the end of its path.
fn signed(address: &str, sign: &str) -> String {
    let (path, query) = address.split_at(address.find('?').unwrap_or(address.len()));
    format!("{}{sign}{query}", path.trim_end_matches('/'))
}

/// ntfy's priority and tags.
fn urgency(notice: &Notice) -> (&'static str, &'static str) {
    match notice.occasion {
        Occasion::Failure => ("5", "rotating_light,coffer"),
        Occasion::Overdue => ("4", "alarm_clock,coffer"),
        Occasion::Warning | Occasion::Space => ("4", "warning,coffer"),
        Occasion::Recovery => ("3", "white_check_mark,coffer"),
        Occasion::Success | Occasion::Start | Occasion::Digest => ("2", "white_check_mark,coffer"),
    }
}

/// `text` as the value of a header: plain if it can be, else as RFC 2047 says; never a second line.
fn header(text: &str) -> String {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) && !text.contains("=?") {
        return text.to_owned();
    }
    let mut out = String::from("=?UTF-8?Q?");
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => out.push(char::from(byte)),
            0..=b' ' | 0x7f => out.push('_'),
            other => out += &format!("={other:02X}"),
        }
    }
    out + "?="
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_stays_one_line_of_ascii() {
        assert_eq!(header("nightly: done"), "nightly: done");
        assert_eq!(header("Zahnärzte"), "=?UTF-8?Q?Zahn=C3=A4rzte?=");
        assert_eq!(header("a\r\nX: b"), "=?UTF-8?Q?a__X=3A_b?=");
        assert_eq!(header("=?UTF-8?Q?x?="), "=?UTF-8?Q?=3D=3FUTF=2D8=3FQ=3Fx=3F=3D?=");
    }

    #[test]
    fn a_sign_ends_the_path() {
        assert_eq!(signed("https://hc.example/ab", "/fail"), "https://hc.example/ab/fail");
        assert_eq!(signed("https://hc.example/ab/", ""), "https://hc.example/ab");
        assert_eq!(signed("https://hc.example/ab?x=1", "/start"), "https://hc.example/ab/start?x=1");
    }
}
