//! Spatial reference systems that somebody made on a MySQL: the server's own, beside all databases. It
//! promises that one on which a table's column stands is named, with the statement that makes it again.

use super::{Schema, rows_of};
use crate::error::Result;
use crate::mysql::connection::{Cells, Connection, code_of};
use crate::mysql::identifier::literal;

/// Notes those on which columns of the database's tables stand.
pub fn systems(conn: &mut Connection, name: &str, schema: &mut Schema) -> Result<()> {
    if conn.is_mariadb() {
        return Ok(());
    }
    // A server brings number 0 along, and those of EPSG, whose numbers end at 32767.
    let sql = format!(
        "SELECT g.TABLE_SCHEMA, g.TABLE_NAME, s.SRS_ID, s.SRS_NAME, s.ORGANIZATION, s.ORGANIZATION_COORDSYS_ID, \
         s.DEFINITION, s.DESCRIPTION FROM information_schema.ST_GEOMETRY_COLUMNS AS g \
         JOIN information_schema.ST_SPATIAL_REFERENCE_SYSTEMS AS s ON s.SRS_ID=g.SRS_ID \
         WHERE g.TABLE_SCHEMA={} AND s.SRS_ID<>0 AND (s.ORGANIZATION IS NULL \
         OR s.ORGANIZATION<>'EPSG' OR s.SRS_ID>32767)",
        literal(name)
    );
    let mut rows = match rows_of(conn, &sql, name) {
        // A MySQL before 8.0 has none.
        Err(error) if code_of(&error).is_some() => return Ok(()),
        rows => rows?,
    };
    rows.retain(|row| row.text(1).is_some_and(|table| schema.tables.iter().any(|known| known.name == table)));
    rows.sort_by_key(|row| (row.number(2), row.text(1)));
    for of_one in rows.chunk_by(|a, b| a.number(2) == b.number(2)) {
        let mut tables: Vec<String> =
            of_one.iter().filter_map(|row| row.text(1)).map(|t| format!("`{t}`")).collect();
        tables.dedup();
        let Some(row) = of_one.first() else { continue };
        schema.notes.push(format!(
            "a spatial reference system of the server is not carried, and no server without it makes {} of \
             `{name}`; before a restore elsewhere: {}",
            tables.join(", "),
            statement(row)
        ));
    }
    Ok(())
}

/// What makes the reference system again.
fn statement(row: &Cells) -> String {
    let text = |number| row.text(number).map(|text| literal(&text));
    let mut sql = format!(
        "CREATE SPATIAL REFERENCE SYSTEM {} NAME {}",
        row.number(2).unwrap_or_default(),
        text(3).unwrap_or_default()
    );
    if let (Some(organization), Some(number)) = (text(4), row.number(5)) {
        sql.push_str(&format!(" ORGANIZATION {organization} IDENTIFIED BY {number}"));
    }
    sql.push_str(&format!(" DEFINITION {}", text(6).unwrap_or_default()));
    if let Some(description) = text(7) {
        sql.push_str(&format!(" DESCRIPTION {description}"));
    }
    sql + ";"
}
