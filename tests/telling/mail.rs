//! E-mail: who is told, over what, and what never leaves.

use crate::servers::{Manners, Server, certificates, config, failure, mail, notice};
use coffer::schemes::notify::{Channels, kept};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

fn section(port: u16, more: &str) -> String {
    format!(
        "[notify.office]\nkind = \"email\"\nhost = \"localhost\"\nport = {port}\ntimeout = \"3s\"\n\
         from = \"Coffer <coffer@example.org>\"\n{more}\n"
    )
}

const PLAIN: &str = "encryption = \"none\"\nto = [\"anna@example.org\", \"Bert <bert@example.org>\"]";

#[test]
fn everybody_is_told_in_plain_text() {
    let folder = tempfile::tempdir().expect("folder");
    let server = mail(Manners::default());
    let mut told = notice();
    told.title = "Zahnärzte: fertig\r\nBcc: evil@example.org".into();
    told.lines = vec!["Grüße".into(), ".".into(), "last".into()];
    let channels = Channels::of(&config(&section(server.port, PLAIN)), folder.path());
    assert_eq!(channels.tell_by(&told, None)[0].failure, None);
    let text = server.text();
    for part in [
        "MAIL FROM:<coffer@example.org>",
        "RCPT TO:<anna@example.org>",
        "RCPT TO:<bert@example.org>",
        "Auto-Submitted: auto-generated",
        "Content-Type: text/plain; charset=utf-8",
        "Message-ID: <",
        "Date: ",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let subject = text.lines().find(|line| line.starts_with("Subject: ")).expect("a subject");
    assert!(subject.contains("=?utf-8?b?"), "{subject}");
    assert!(!text.lines().any(|line| line.starts_with("Bcc:")), "{text}");
}

#[test]
fn one_who_is_refused_is_named_and_the_other_is_told() {
    let folder = tempfile::tempdir().expect("folder");
    let server = mail(Manners { refuses: Some(("anna", 550)), ..Manners::default() });
    let why = failure(&section(server.port, PLAIN), folder.path()).expect("a failure");
    assert_eq!(why, "not taken for anna@example.org: refused by the server (550)");
    assert_eq!(server.text().matches("Subject:").count(), 1, "bert is told, once");
}

#[test]
fn nothing_is_said_unencrypted_to_a_server_that_offers_no_encryption() {
    let folder = tempfile::tempdir().expect("folder");
    fs::write(folder.path().join("pw"), "hidden-word\n").expect("written");
    let server = mail(Manners { login: Some("x"), ..Manners::default() });
    let more = format!(
        "to = [\"anna@example.org\"]\nuser = \"coffer\"\npassword-file = \"{}\"",
        folder.path().join("pw").display()
    );
    let why = failure(&section(server.port, &more), folder.path()).expect("a failure");
    assert!(why.contains("STARTTLS"), "{why}");
    let text = server.text();
    assert!(!text.contains("AUTH") && !text.contains("MAIL"), "{text}");
    // Nor a password to another machine without encryption.
    let more = format!("encryption = \"none\"\n{more}");
    let why = failure(&section(1, &more).replace("localhost", "mail.invalid"), folder.path());
    assert_eq!(why.as_deref(), Some("the password would leave this machine unencrypted"));
}

fn secured(folder: &Path, wrapped: bool, ca: &str, password: &str) -> (Option<String>, String) {
    let (_, tls) = certificates(folder);
    let login = Some("AGNvZmZlcgBzZWNyZXQ="); // coffer, secret
    let server = mail(Manners { tls: Some(tls), wrapped, login, ..Manners::default() });
    fs::write(folder.join("pw"), password).expect("written");
    let encryption = if wrapped { "tls" } else { "starttls" };
    let more = format!(
        "encryption = \"{encryption}\"\nto = [\"anna@example.org\"]\nuser = \"coffer\"\n\
         password-file = \"{}\"\n{ca}",
        folder.join("pw").display()
    );
    (failure(&section(server.port, &more), folder), server.text())
}

#[test]
fn an_encrypted_server_of_ones_own_authority_is_told_with_a_login() {
    for wrapped in [false, true] {
        let folder = tempfile::tempdir().expect("folder");
        let ca = format!("ca = \"{}\"", folder.path().join("ca.pem").display());
        let (why, text) = secured(folder.path(), wrapped, &ca, "secret\n");
        assert_eq!(why, None, "{text}");
        assert!(text.contains("Subject:"), "{text}");
        // A wrong password is lasting, and stands nowhere.
        let (why, text) = secured(folder.path(), wrapped, &ca, "wrong-word\n");
        assert_eq!(why.as_deref(), Some("the server refuses the login (535)"));
        assert_eq!(text.matches("AUTH").count(), 1, "not tried again: {text}");
        // Without the authority nothing is said.
        let (why, text) = secured(folder.path(), wrapped, "", "secret\n");
        assert!(why.as_deref().is_some_and(|why| why.contains("not trusted")), "{why:?}");
        assert!(!text.contains("AUTH"), "{text}");
    }
}

#[test]
fn a_server_that_never_answers_or_is_not_there_ends_within_the_limit() {
    let folder = tempfile::tempdir().expect("folder");
    let silent = Server::silent();
    let began = Instant::now();
    let why = failure(&section(silent.port, PLAIN), folder.path()).expect("a failure");
    assert!(why.contains("time limit"), "{why}");
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    let why = failure(&section(1, PLAIN), folder.path()).expect("a failure");
    assert_eq!(why, "the server cannot be reached, or went away");
    let kept = kept(folder.path());
    assert_eq!(kept["office"].failures, 2);
    assert_eq!(kept["office"].failing_since.as_deref(), Some("2026-10-01T22:00:00Z"));
    let good = mail(Manners::default());
    assert_eq!(failure(&section(good.port, PLAIN), folder.path()), None);
    let kept = coffer::schemes::notify::kept(folder.path());
    assert_eq!((kept["office"].failures, &kept["office"].failing_since), (0, &None));
}

#[test]
fn somebody_who_cannot_be_told_now_is_tried_again() {
    let folder = tempfile::tempdir().expect("folder");
    let server = mail(Manners { refuses: Some(("bert", 451)), ..Manners::default() });
    let section = section(server.port, PLAIN);
    let why = failure(&section, folder.path()).expect("a failure");
    assert_eq!(why, "the server does not take it for somebody now (451)");
    let text = server.text();
    assert_eq!(text.matches("RCPT TO:<anna").count(), 1, "who was told is not told twice: {text}");
    assert!(text.matches("RCPT TO:<bert").count() >= 2, "{text}");
}
