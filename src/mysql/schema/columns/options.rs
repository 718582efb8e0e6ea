//! Options of tables, columns and keys that the engine does not know. MariaDB keeps them, and hides them
//! in plain comments, where a new table would lose them: this module promises a statement that gives
//! them back to a MariaDB that takes them (`sql_mode` IGNORE_BAD_TABLE_OPTIONS), and that every other
//! server still reads past.

/// How such options begin: one with a name of its own, or the one that the server knows for Aria.
const HIDDEN: [&[u8]; 2] = [b"/* `", b"/* TRANSACTIONAL="];

/// `create`, the bytes of `SHOW CREATE TABLE`, with its hidden options in comments that MariaDB executes.
pub fn with_hidden_options(create: Vec<u8>) -> Vec<u8> {
    let mut out = Vec::with_capacity(create.len());
    let mut rest = &create[..];
    while let Some(&byte) = rest.first() {
        let taken = match byte {
            b'`' | b'\'' | b'"' => quoted(rest, byte),
            _ if HIDDEN.iter().any(|hidden| rest.starts_with(hidden)) => {
                out.extend_from_slice(b"/*M!100000 ");
                rest = rest.get(3..).unwrap_or_default();
                continue;
            }
            _ => 1,
        };
        let (token, behind) = rest.split_at(taken.min(rest.len()));
        out.extend_from_slice(token);
        rest = behind;
    }
    out
}

/// The length of the name or string that begins here with `mark`; a doubled mark is two of them.
fn quoted(text: &[u8], mark: u8) -> usize {
    let mut at = 1;
    while let Some(&byte) = text.get(at) {
        at += match byte {
            b'\\' if mark != b'`' => 2,
            _ => 1,
        };
        if byte == mark {
            break;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hidden_options_come_to_life() {
        let said = |text: &str| String::from_utf8(with_hidden_options(text.into())).expect("text");
        assert_eq!(
            said(
                "(`a` int /* `x`='b*\\/' `y`='1' */,\n KEY `k` (`a`) /* `z`='' */) /* TRANSACTIONAL=1 */ /* `t`='2' */\n PARTITION"
            ),
            "(`a` int /*M!100000 `x`='b*\\/' `y`='1' */,\n KEY `k` (`a`) /*M!100000 `z`='' */) \
             /*M!100000 TRANSACTIONAL=1 */ /*M!100000 `t`='2' */\n PARTITION"
        );
        for same in [
            "(`/* ``/* ` int DEFAULT 'it''s\\' /* `x` */')",
            "`a` /*!50100 x */ /* mariadb-5.3 */",
            "'/* `",
            "`",
            "'\\",
        ] {
            assert_eq!(said(same), same);
        }
    }
}
