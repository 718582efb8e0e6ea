//! Webhooks, ntfy, signs of life and commands.

use crate::servers::{Server, certificates, config, failure, notice, tell, web};
use coffer::schemes::config::Occasion;
use coffer::schemes::notice::Teller;
use coffer::schemes::notify::Channels;
use std::fs;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

fn section(kind: &str, port: u16, more: &str) -> String {
    format!(
        "[notify.way]\nkind = \"{kind}\"\ntimeout = \"3s\"\nurl = \"http://127.0.0.1:{port}/t\"\n{more}\n"
    )
}

#[test]
fn a_webhook_gets_the_notice_and_the_token() {
    let folder = tempfile::tempdir().expect("folder");
    let token = folder.path().join("token");
    fs::write(&token, "t0ken\n").expect("written");
    let server = web(|_| 204);
    let more = format!("token-file = \"{}\"", token.display());
    assert_eq!(failure(&section("webhook", server.port, &more), folder.path()), None);
    let heard = server.heard.lock().expect("whole").clone();
    assert_eq!(heard[0], "POST /t HTTP/1.1");
    assert!(heard.iter().any(|line| line.eq_ignore_ascii_case("authorization: Bearer t0ken")), "{heard:?}");
    let body: serde_json::Value = serde_json::from_str(heard.last().expect("a body")).expect("JSON");
    assert_eq!((&body["code"], &body["version"]), (&"test".into(), &1.into()));
    assert_eq!(body["practice"], "Zahnärzte Müller");
}

#[test]
fn what_fails_for_a_moment_is_tried_again_and_what_lasts_is_not() {
    let folder = tempfile::tempdir().expect("folder");
    let server = web(|number| if number == 0 { 503 } else { 200 });
    assert_eq!(failure(&section("webhook", server.port, ""), folder.path()), None);
    for (status, why) in [
        (302, "the server redirects (status 302); write the address that it leads to"),
        (401, "the server refuses the authorisation (status 401)"),
        (404, "the server does not know the address (status 404)"),
    ] {
        let server = web(move |_| status);
        assert_eq!(failure(&section("webhook", server.port, ""), folder.path()).as_deref(), Some(why));
        assert_eq!(server.text().matches("POST").count(), 1, "{status}");
    }
}

#[test]
fn a_server_that_is_silent_dribbles_or_talks_nonsense_ends_within_the_limit() {
    let folder = tempfile::tempdir().expect("folder");
    let dribbling = Server::start(|mut stream, _, _| {
        loop {
            stream.write_all(b"H")?;
            std::thread::sleep(Duration::from_millis(200));
        }
    });
    for server in [Server::silent(), dribbling] {
        let began = Instant::now();
        assert!(failure(&section("webhook", server.port, ""), folder.path()).is_some());
        assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    }
    let nonsense = Server::start(|mut stream, _, _| {
        let mut some = [0; 10];
        stream.read_exact(&mut some)?;
        stream.write_all(b"220 this is mail\r\n\r\n")
    });
    assert!(failure(&section("ntfy", nonsense.port, ""), folder.path()).is_some());
}

#[test]
fn an_address_that_is_a_secret_stands_in_no_message() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("url");
    let sections =
        format!("[notify.way]\nkind = \"webhook\"\ntimeout = \"2s\"\nurl-file = \"{}\"\n", file.display());
    let silent = Server::silent();
    let redirecting = web(|_| 301);
    for address in [
        "http://127.0.0.1:1/s3cret-path".to_owned(),
        format!("http://127.0.0.1:{}/s3cret-path", silent.port),
        format!("http://127.0.0.1:{}/s3cret-path", redirecting.port),
        "http://s3cret-path.invalid/x".into(),
        "s3cret-path".into(),
        "ftp://s3cret-path/".into(),
        "http://s3cret-path:badport/".into(),
        "https://127.0.0.1:1/s3cret-path".into(),
    ] {
        fs::write(&file, format!("{address}\n")).expect("written");
        let why = failure(&sections, folder.path()).expect(&address);
        assert!(!why.contains("s3cret"), "{address}: {why}");
        let kept = fs::read_to_string(folder.path().join("notify.json")).expect("kept");
        assert!(!kept.contains("s3cret"), "{kept}");
    }
}

#[test]
fn ntfy_gets_a_title_that_is_one_safe_header() {
    let folder = tempfile::tempdir().expect("folder");
    let server = web(|_| 200);
    let channels = Channels::of(&config(&section("ntfy", server.port, "on = [\"failure\"]")), folder.path());
    let mut told = notice();
    told.title = "Zahnärzte\r\nX-Evil: 1".into();
    told.occasion = Occasion::Failure;
    assert_eq!(channels.tell(&told, None), Vec::<String>::new());
    let heard: Vec<String> =
        server.heard.lock().expect("whole").iter().map(|line| line.to_ascii_lowercase()).collect();
    assert!(heard.contains(&"title: =?utf-8?q?zahn=c3=a4rzte__x=2devil=3a_1?=".to_owned()), "{heard:?}");
    assert!(heard.contains(&"priority: 5".to_owned()) && !heard.iter().any(|l| l.starts_with("x-evil")));
}

#[test]
fn signs_of_life_go_to_their_addresses_and_nothing_else_does() {
    let folder = tempfile::tempdir().expect("folder");
    let server = web(|_| 200);
    let channels = Channels::of(&config(&section("ping", server.port, "")), folder.path());
    for occasion in [
        Occasion::Start,
        Occasion::Success,
        Occasion::Warning,
        Occasion::Recovery,
        Occasion::Overdue,
        Occasion::Failure,
        Occasion::Digest,
    ] {
        let mut told = notice();
        told.occasion = occasion;
        assert_eq!(channels.tell(&told, None), Vec::<String>::new());
    }
    let text = server.text();
    let posts: Vec<&str> = text.lines().filter(|line| line.starts_with("POST")).collect();
    assert_eq!(
        posts,
        ["POST /t/start HTTP/1.1", "POST /t HTTP/1.1", "POST /t HTTP/1.1", "POST /t/fail HTTP/1.1"]
    );
}

#[test]
fn only_what_a_way_is_meant_for_is_told_by_it() {
    let folder = tempfile::tempdir().expect("folder");
    let all = "[server.main]\n[container.night]\npath = \"/n\"\nencryption = false\n\
        [scheme.nightly]\nsource = \"database\"\ndatabases = [\"d\"]\nto = \"night\"\n\
        [scheme.weekly]\nsource = \"database\"\ndatabases = [\"d\"]\nto = \"night\"\n";
    let count = |more: &str, occasion: Occasion, scheme: Option<&str>| {
        let server = web(|_| 200);
        let text = format!("{all}{}", section("webhook", server.port, more));
        let mut told = notice();
        (told.occasion, told.scheme) = (occasion, scheme.map(str::to_owned));
        Channels::of(&config(&text), folder.path()).tell(&told, None);
        server.text().matches("POST").count()
    };
    for (occasion, told) in [
        (Occasion::Start, 0),
        (Occasion::Success, 0),
        (Occasion::Digest, 0),
        (Occasion::Warning, 1),
        (Occasion::Failure, 1),
        (Occasion::Recovery, 1),
        (Occasion::Overdue, 1),
        (Occasion::Space, 1),
    ] {
        assert_eq!(count("", occasion, None), told, "{occasion:?}");
    }
    assert_eq!(count("on = [\"digest\"]", Occasion::Failure, None), 0);
    assert_eq!(count("on = [\"digest\"]", Occasion::Digest, None), 1);
    let own = "schemes = [\"nightly\"]";
    assert_eq!(count(own, Occasion::Failure, Some("nightly")), 1);
    assert_eq!(count(own, Occasion::Failure, Some("weekly")), 0);
    assert_eq!(count(own, Occasion::Space, None), 1, "what concerns no scheme concerns all");
}

#[test]
fn a_command_sees_the_notice_and_is_gone_when_its_time_is_over() {
    let folder = tempfile::tempdir().expect("folder");
    let out = folder.path().join("out");
    let command = |script: String| {
        format!("[notify.way]\nkind = \"command\"\ntimeout = \"2s\"\ncommand = '''{script}'''\n")
    };
    let script =
        format!("cat > {0}; echo \" $COFFER_OCCASION/$COFFER_CODE/$COFFER_TITLE\" >> {0}", out.display());
    assert_eq!(failure(&command(script), folder.path()), None);
    let text = fs::read_to_string(&out).expect("written");
    let (json, words) = text.split_once("} ").expect("both");
    assert!(serde_json::from_str::<serde_json::Value>(&format!("{json}}}")).is_ok(), "{text}");
    assert_eq!(words.trim(), "success/test/Coffer: this is a test");
    assert_eq!(
        failure(&command("exit 3".into()), folder.path()).as_deref(),
        Some("the command ended with exit code 3")
    );
    let late = folder.path().join("late");
    let began = Instant::now();
    let script = format!("(sleep 4; touch {}) & sleep 60", late.display());
    let why = failure(&command(script), folder.path());
    assert_eq!(why.as_deref(), Some("the command did not end within its time limit"));
    assert!(began.elapsed() < Duration::from_secs(5));
    std::thread::sleep(Duration::from_secs(3));
    assert!(!late.exists(), "what it had started is gone, too");
}

#[test]
fn one_dead_way_holds_no_other() {
    let folder = tempfile::tempdir().expect("folder");
    let (good, one, two) = (web(|_| 200), Server::silent(), Server::silent());
    let sections = [("a", one.port), ("b", two.port), ("c", good.port)]
        .map(|(name, port)| section("webhook", port, "").replace("notify.way", &format!("notify.{name}")));
    let began = Instant::now();
    let told = tell(&sections.concat(), folder.path());
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    let failed: Vec<(&str, bool)> = told.iter().map(|t| (t.channel.as_str(), t.failure.is_some())).collect();
    assert_eq!(failed, [("a", true), ("b", true), ("c", false)]);
}

#[test]
fn an_authority_of_ones_own_is_taken_for_an_encrypted_webhook() {
    let folder = tempfile::tempdir().expect("folder");
    let (ca, tls) = certificates(folder.path());
    let server = Server::start(move |stream, _, heard| {
        let connection = rustls::ServerConnection::new(tls.clone()).map_err(std::io::Error::other)?;
        let mut stream = rustls::StreamOwned::new(connection, stream);
        let mut some = [0; 4];
        stream.read_exact(&mut some)?;
        heard.lock().expect("whole").push(String::from_utf8_lossy(&some).into_owned());
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
        stream.flush()
    });
    let sections = |ca: String| {
        let port = server.port;
        format!(
            "[notify.way]\nkind = \"webhook\"\ntimeout = \"3s\"\nurl = \"https://localhost:{port}/t\"\n{ca}\n"
        )
    };
    let why = failure(&sections(String::new()), folder.path()).expect("not trusted");
    assert!(why.contains("not trusted"), "{why}");
    assert_eq!(server.text(), "", "nothing was said to it");
    assert_eq!(failure(&sections(format!("ca = \"{}\"", ca.display())), folder.path()), None);
    assert_eq!(server.text(), "POST");
}
