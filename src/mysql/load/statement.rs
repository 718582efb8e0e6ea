//! What has to change in an object's statement: who it runs as, and whether an event runs. It promises
//! to change the head alone: nothing behind the first word of a body.

use super::Definers;
use crate::entry::database::{ObjectRecord, SchemaObject};

/// Bytes from a statement's start within which its definer stands.
const HEAD_BYTES: usize = 1024;

/// The statement that makes `object`.
pub fn prepared(object: &ObjectRecord, definers: &Definers, events: bool) -> Vec<u8> {
    let statement = object.statements.first().cloned().unwrap_or_default();
    let statement = match definers {
        Definers::Keep => statement,
        Definers::Rewrite(user) => with_definer(statement, &format!("DEFINER={} ", account(user)), None),
        Definers::Invoker => with_definer(statement, "", Some(object.kind)),
    };
    match object.kind == SchemaObject::Event && !events {
        true => disabled(statement),
        false => statement,
    }
}

/// The statement that follows to let a routine run with the rights of its caller.
pub fn invoker(object: &ObjectRecord, definers: &Definers) -> Option<String> {
    let word = match object.kind {
        SchemaObject::Procedure => "PROCEDURE",
        SchemaObject::Function => "FUNCTION",
        _ => return None,
    };
    (*definers == Definers::Invoker).then(|| {
        format!("ALTER {word} {} SQL SECURITY INVOKER", crate::mysql::identifier::quote(&object.name))
    })
}

/// `user@host` as the server wants it; the host is behind the last `@`.
fn account(user: &str) -> String {
    let quote = crate::mysql::identifier::quote;
    match user.rsplit_once('@') {
        Some((name, host)) => format!("{}@{}", quote(name), quote(host)),
        None => quote(user),
    }
}

fn with_definer(mut statement: Vec<u8>, definer: &str, kind: Option<SchemaObject>) -> Vec<u8> {
    let head = &statement[..statement.len().min(HEAD_BYTES)];
    let Some(start) = find(head, b"DEFINER=") else { return statement };
    let mut end = name_end(&statement, start + b"DEFINER=".len());
    if statement.get(end) == Some(&b'@') {
        end = name_end(&statement, end + 1);
    }
    end += usize::from(statement.get(end) == Some(&b' '));
    let end = end.min(statement.len());
    statement.splice(start..end, definer.bytes());
    if kind == Some(SchemaObject::View)
        && let Some(at) = find(&statement[..statement.len().min(HEAD_BYTES)], b"SQL SECURITY DEFINER")
    {
        statement.splice(at..at + b"SQL SECURITY DEFINER".len(), *b"SQL SECURITY INVOKER");
    }
    statement
}

/// Where a quoted or bare name that begins at `start` ends.
fn name_end(statement: &[u8], start: usize) -> usize {
    let Some(&mark) = statement.get(start) else { return statement.len() };
    if !matches!(mark, b'`' | b'"' | b'\'') {
        let bare =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'%' | b'.' | 0x80..);
        return start + statement[start..].iter().take_while(|byte| bare(byte)).count();
    }
    let mut at = start + 1;
    while let Some(&byte) = statement.get(at) {
        at += 1;
        match byte == mark {
            true if statement.get(at) == Some(&mark) => at += 1,
            true => break,
            false => {}
        }
    }
    at
}

fn disabled(mut statement: Vec<u8>) -> Vec<u8> {
    for words in [&b"PRESERVE ENABLE"[..], b"PRESERVE SLAVESIDE_DISABLED", b"PRESERVE DISABLE ON SLAVE"] {
        if let Some(at) = find(&statement, words) {
            statement.splice(at..at + words.len(), *b"PRESERVE DISABLE");
            return statement;
        }
    }
    statement
}

fn find(text: &[u8], words: &[u8]) -> Option<usize> {
    text.windows(words.len()).position(|window| window == words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(kind: SchemaObject, statement: &str) -> ObjectRecord {
        ObjectRecord { kind, statements: vec![statement.as_bytes().to_vec()], ..ObjectRecord::default() }
    }

    #[test]
    fn definers_are_kept_rewritten_or_dropped() {
        let view = object(
            SchemaObject::View,
            "CREATE ALGORITHM=MERGE DEFINER=`a``b`@`%` SQL SECURITY DEFINER VIEW `v` AS select 'DEFINER=`x`'",
        );
        let with = |definers| String::from_utf8(prepared(&view, &definers, true)).unwrap();
        assert_eq!(with(Definers::Keep).as_bytes(), view.statements[0]);
        assert_eq!(
            with(Definers::Rewrite("me@my@host".into())),
            "CREATE ALGORITHM=MERGE DEFINER=`me@my`@`host` SQL SECURITY DEFINER VIEW `v` AS select 'DEFINER=`x`'"
        );
        assert_eq!(
            with(Definers::Invoker),
            "CREATE ALGORITHM=MERGE SQL SECURITY INVOKER VIEW `v` AS select 'DEFINER=`x`'"
        );
        let role = object(SchemaObject::Procedure, "CREATE DEFINER=\"role\" PROCEDURE p() x");
        assert_eq!(prepared(&role, &Definers::Invoker, true), b"CREATE PROCEDURE p() x");
        for cut in ["CREATE DEFINER=", "CREATE DEFINER=`", "CREATE DEFINER=`a`@", "DEFINER=a@b"] {
            prepared(&object(SchemaObject::View, cut), &Definers::Rewrite("u@h".into()), false);
        }
    }

    #[test]
    fn an_event_that_may_not_run_is_made_disabled() {
        let event = object(
            SchemaObject::Event,
            "CREATE EVENT `e` ON SCHEDULE EVERY 1 DAY ON COMPLETION NOT PRESERVE ENABLE DO SELECT 'PRESERVE ENABLE'",
        );
        let made = String::from_utf8(prepared(&event, &Definers::Keep, false)).unwrap();
        assert!(made.contains("NOT PRESERVE DISABLE DO SELECT 'PRESERVE ENABLE'"), "{made}");
        assert_eq!(prepared(&event, &Definers::Keep, true), event.statements[0]);
    }
}
