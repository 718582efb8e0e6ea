//! Sequences. It promises the statement that makes each and those that bring it to the value where
//! it stood.

use super::tables::{Listed, ListedKind};
use super::{Schema, loss, one_row};
use crate::entry::database::{ObjectRecord, SchemaObject};
use crate::error::Result;
use crate::mysql::connection::Connection;
use crate::mysql::identifier::quote;

/// Reads each listed sequence.
pub fn sequences(conn: &mut Connection, listed: &[Listed], schema: &mut Schema) -> Result<()> {
    let names = listed.iter().filter(|t| t.kind == ListedKind::Sequence).map(|t| t.name.as_str());
    for (number, name) in names.enumerate() {
        match statements(conn, name) {
            Ok(statements) => schema.objects.push(ObjectRecord {
                kind: SchemaObject::Sequence,
                name: name.into(),
                order: u32::try_from(number).unwrap_or(u32::MAX),
                statements,
                ..ObjectRecord::default()
            }),
            Err(error) => loss(format!("sequence `{}`.`{name}`", schema.database.name), error, schema)?,
        }
    }
    Ok(())
}

fn statements(conn: &mut Connection, name: &str) -> Result<Vec<Vec<u8>>> {
    let name = quote(name);
    let create = one_row(conn, &format!("SHOW CREATE SEQUENCE {name}"))?;
    let state = one_row(
        conn,
        &format!("SELECT next_not_cached_value, cycle_count, start_value, increment FROM {name}"),
    )?;
    let number = |at| state.text(at).and_then(|text| text.parse::<i128>().ok()).unwrap_or_default();
    let (next, rounds, start, increment) = (number(0), number(1), number(2), number(3));
    // SETVAL only goes forward, RESTART only within the bounds (and not past the last value).
    let is_behind = if increment < 0 { next > start } else { next < start };
    let set = match rounds == 0 && is_behind {
        true => format!("ALTER SEQUENCE {name} RESTART {next}"),
        false => format!("DO SETVAL({name}, {next}, 0, {rounds})"),
    };
    Ok(vec![create.bytes(1).unwrap_or_default().to_vec(), set.into_bytes()])
}
