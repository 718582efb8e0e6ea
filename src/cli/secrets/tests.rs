//! Each source of a secret, their order, and what is refused.

use super::*;
use std::cell::RefCell;
use std::os::unix::fs::OpenOptionsExt;

/// Variables, and answers to be given at a prompt, last first.
#[derive(Default)]
struct Scene {
    variables: Vec<(&'static str, PathBuf)>,
    answers: RefCell<Vec<&'static str>>,
    prompts: RefCell<Vec<String>>,
    terminal: bool,
}

impl Surroundings for Scene {
    fn variable(&self, name: &str) -> Option<OsString> {
        self.variables.iter().find(|(n, _)| *n == name).map(|(_, value)| value.clone().into_os_string())
    }

    fn ask(&self, prompt: &str) -> Option<io::Result<Zeroizing<String>>> {
        self.prompts.borrow_mut().push(prompt.into());
        let answer = self.answers.borrow_mut().pop();
        self.terminal
            .then(|| answer.map(|a| Zeroizing::new(a.into())).ok_or(io::ErrorKind::UnexpectedEof.into()))
    }
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, bytes: &[u8], mode: u32) -> PathBuf {
        let path = self.0.path().join(name);
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(&path)
            .unwrap();
        io::Write::write_all(&mut file, bytes).unwrap();
        path
    }
}

#[test]
fn the_command_of_a_password_stands_in_no_command_line() {
    // The shell itself, and this as its child.
    let command = "test -z \"$COFFER_COMMAND\" && tr '\\0' ' ' < /proc/$$/cmdline; : hunter2";
    let options = Options { password_command: Some(command.into()), ..Options::default() };
    let gathered = get(options, &Scene::default()).unwrap();
    let line = String::from_utf8_lossy(password(&gathered)).into_owned();
    assert!(line.contains("eval") && !line.contains("hunter2"), "{line}");
}

fn request(options: &Options, ask: Ask) -> Request<'_> {
    Request { options, environment: true, ask, object: "night.coffer" }
}

fn get(options: Options, scene: &Scene) -> Result<Gathered> {
    gather(&request(&options, Ask::Once), scene)
}

fn password(gathered: &Gathered) -> &[u8] {
    match &gathered.secret {
        Secret::Password(bytes) => bytes,
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_line_end_is_taken_off_a_password_and_none_off_a_key() {
    let folder = Folder::new();
    for (content, expected) in [
        ("x", "x"),
        ("x\n", "x"),
        ("x\r\n", "x"),
        ("x\n\n", "x\n"),
        ("x\r", "x\r"),
        (" x ", " x "),
        ("x\ny\n", "x\ny"),
    ] {
        let path = folder.file("password", content.as_bytes(), 0o600);
        let options = Options { password_file: Some(path), ..Options::default() };
        let gathered = get(options, &Scene::default()).unwrap();
        assert_eq!(password(&gathered), expected.as_bytes(), "{content:?}");
        assert!(gathered.warnings.is_empty() && gathered.origin.starts_with("--password-file /"));
    }
    let path = folder.file("key", b"\x00\xff\n", 0o600);
    let gathered = get(Options { key_file: Some(path), ..Options::default() }, &Scene::default()).unwrap();
    assert!(matches!(gathered.secret, Secret::KeyFile(bytes) if *bytes == *b"\x00\xff\n"));
}

#[test]
fn a_secret_everybody_can_read_is_warned_about() {
    let folder = Folder::new();
    for (mode, count) in [(0o600, 0), (0o640, 0), (0o644, 1)] {
        let path = folder.file(&format!("{mode:o}"), b"x", mode);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let gathered =
            get(Options { key_file: Some(path), ..Options::default() }, &Scene::default()).unwrap();
        assert_eq!(gathered.warnings.len(), count, "{mode:o}");
    }
}

#[test]
fn empty_enormous_and_missing_secrets_are_refused() {
    let folder = Folder::new();
    for (content, words) in
        [("", "is empty"), ("\n", "is empty"), (&*"x".repeat(MAX_SECRET_BYTES + 1), "longer")]
    {
        let path = folder.file("password", content.as_bytes(), 0o600);
        let error =
            get(Options { password_file: Some(path), ..Options::default() }, &Scene::default()).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        assert!(error.message().contains(words), "{error}");
    }
    let missing = Options { password_file: Some("/nonexistent".into()), ..Options::default() };
    let error = get(missing, &Scene::default()).unwrap_err();
    assert_eq!(error.kind(), Kind::Failed);
    assert_eq!(error.message(), "password file /nonexistent could not be read");
    let scene = Scene { terminal: true, answers: vec![""].into(), ..Scene::default() };
    assert_eq!(
        get(Options::default(), &scene).unwrap_err().message(),
        "the secret from the terminal is empty"
    );
}

#[test]
fn a_command_gives_its_output_or_its_failure() {
    let run = |command: &str| {
        get(Options { password_command: Some(command.into()), ..Options::default() }, &Scene::default())
    };
    assert_eq!(password(&run("printf 'a b\\r\\n'").unwrap()), b"a b");
    assert_eq!(password(&run("cat; echo no input").unwrap()), b"no input");
    let error = run("echo secret-word; exit 3").unwrap_err();
    assert_eq!(error.message(), "the password command failed: exit status: 3");
    assert!(run("true").unwrap_err().message().contains("is empty"));
}

#[test]
fn a_recovery_code_is_trimmed_text() {
    let folder = Folder::new();
    let get = |path| get(Options { recovery_code_file: Some(path), ..Options::default() }, &Scene::default());
    let gathered = get(folder.file("code", b" ABCD-EFGH \n", 0o600)).unwrap();
    assert!(matches!(gathered.secret, Secret::Recovery(code) if *code == "ABCD-EFGH"));
    assert!(get(folder.file("code", b"\xff\xfe", 0o600)).unwrap_err().message().contains("is not text"));
    assert!(get(folder.file("code", b" \n", 0o600)).unwrap_err().message().contains("is empty"));
}

#[test]
fn the_command_line_comes_first_and_names_one() {
    let folder = Folder::new();
    let one = folder.file("one", b"one", 0o600);
    let two = folder.file("two", b"two", 0o600);
    let scene = Scene { variables: vec![("COFFER_PASSWORD_FILE", two.clone())], ..Scene::default() };
    let options = Options { password_file: Some(one.clone()), ..Options::default() };
    assert_eq!(password(&get(options.clone(), &scene).unwrap()), b"one");
    let error = get(Options { key_file: Some(two), ..options }, &scene).unwrap_err();
    assert_eq!(error.message(), "more than one secret is given: --password-file and --key-file");
}

#[test]
fn the_environment_in_its_order() {
    let folder = Folder::new();
    let file = |name: &str| folder.file(name, name.as_bytes(), 0o600);
    let (a, b) = (file("a"), file("b"));
    let credentials = folder.0.path().to_owned();
    let mut scene = Scene {
        variables: vec![
            ("COFFER_PASSWORD", "plain".into()),
            ("COFFER_KEY_FILE", b.clone()),
            ("COFFER_PASSWORD_FILE", a),
            ("CREDENTIALS_DIRECTORY", credentials),
        ],
        ..Scene::default()
    };
    assert_eq!(password(&get(Options::default(), &scene).unwrap()), b"a", "no credential of ours is there");
    file("coffer-key");
    let gathered = get(Options::default(), &scene).unwrap();
    assert!(matches!(&gathered.secret, Secret::KeyFile(key) if **key == *b"coffer-key"));
    file("coffer-password");
    assert_eq!(password(&get(Options::default(), &scene).unwrap()), b"coffer-password");
    scene.variables.truncate(2);
    assert!(matches!(get(Options::default(), &scene).unwrap().secret, Secret::KeyFile(key) if *key == *b"b"));
    scene.variables.truncate(1);
    let gathered = get(Options::default(), &scene).unwrap();
    assert_eq!((password(&gathered), gathered.warnings.len()), (&b"plain"[..], 1));
    let options = Options::default();
    let second = Request { environment: false, ..request(&options, Ask::Never) };
    assert!(matches!(gather(&second, &scene).unwrap().secret, Secret::None));
}

#[test]
fn an_unreadable_source_is_not_passed_over() {
    let scene = Scene {
        variables: vec![("COFFER_PASSWORD_FILE", "/nonexistent".into()), ("COFFER_PASSWORD", "plain".into())],
        ..Scene::default()
    };
    assert_eq!(get(Options::default(), &scene).unwrap_err().kind(), Kind::Failed);
}

#[test]
fn prompts_ask_once_or_twice_or_not() {
    let scene = |answers: &[&'static str]| Scene {
        terminal: true,
        answers: answers.iter().rev().copied().collect::<Vec<_>>().into(),
        ..Scene::default()
    };
    let options = Options::default();
    let once = scene(&["pass word"]);
    assert_eq!(password(&gather(&request(&options, Ask::Once), &once).unwrap()), b"pass word");
    assert_eq!(*once.prompts.borrow(), ["password for night.coffer: "]);
    let twice = scene(&["a", "a"]);
    assert_eq!(password(&gather(&request(&options, Ask::Twice), &twice).unwrap()), b"a");
    assert_eq!(*twice.prompts.borrow(), ["new password for night.coffer: ", "the same again: "]);
    let differ = gather(&request(&options, Ask::Twice), &scene(&["a", "b"])).unwrap_err();
    assert_eq!((differ.kind(), differ.message()), (Kind::Usage, "the two passwords differ"));
    let never = scene(&["a"]);
    assert!(matches!(gather(&request(&options, Ask::Never), &never).unwrap().secret, Secret::None));
    assert!(never.prompts.borrow().is_empty());
    let nobody = Scene::default();
    assert!(matches!(gather(&request(&options, Ask::Once), &nobody).unwrap().secret, Secret::None));
}

#[test]
fn debug_output_shows_no_secret() {
    let secret = Secret::Password(Zeroizing::new(b"hunter2".to_vec()));
    assert_eq!(format!("{secret:?}"), "Password(…)");
}

#[test]
fn a_password_command_that_gives_none_is_ended() {
    let began = Instant::now();
    for command in ["sleep 97.5", "echo late; exec >&-; sleep 97.5", "sleep 97.5 & echo early"] {
        let error = password_command_within(command, Duration::from_millis(300)).expect_err(command);
        assert!(error.to_string().starts_with("the password command gave no password"), "{error}");
    }
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert!(password_command_within("echo right", Duration::from_secs(20)).is_ok());
}
