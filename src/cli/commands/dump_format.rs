//! `coffer dump-format`: the file shown by the names of its specification, for people who doubt it.

use crate::cli::args::places;
use crate::cli::context::Context;
use crate::cli::events::Outcome;
use crate::container::Access;
use crate::container::header::Header;
use crate::crypto::KeyTable;
use crate::error::Result;
use crate::operations::dump_format::{DumpOptions, Field, Section, describe};
use crate::storage::FileStorage;
use clap::Args;
use serde_json::{Value, json};
use std::ffi::OsString;

/// Arguments of `coffer dump-format`.
#[derive(Debug, Args)]
pub struct DumpFormat {
    /// The container
    container: Option<OsString>,
    /// Only the segment in this slot, in full
    #[arg(long, value_name = "N")]
    slot: Option<u32>,
    /// Most lines of any table
    #[arg(long, value_name = "N", default_value_t = DumpOptions::default().most)]
    most: usize,
    /// Only what lies in clear: no secret is asked for
    #[arg(long)]
    clear: bool,
}

impl DumpFormat {
    /// Shows it.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        let (path, _) = places(&context.globals, [self.container], &[], 0)?;
        let storage = FileStorage::open(&path, false)?;
        let name = path.display();
        let options = DumpOptions { slot: self.slot, most: self.most };
        let header = Header::read(&storage).map_err(|e| e.at(&name))?;
        let session = match self.clear {
            true => None,
            // A file that is too damaged to open is just what one wants to look at.
            false => match context.open(&path, Access::Read) {
                Err(error) if error.kind() == crate::error::Kind::Damaged => {
                    context.output.problem(&error);
                    None
                }
                other => Some(other?),
            },
        };
        let keyring = session.as_ref().map(|session| session.store.container().base().keyring());
        let sections = describe(&storage, keyring, &options).map_err(|e| e.at(&name))?;
        sections.iter().for_each(|section| context.output.item(text(section), item(section)));
        let encrypted = KeyTable::decode(&header.keys.table).map_or(true, |table| table.is_encrypted());
        Ok(Outcome::done().with("sections", sections.len()).with("encrypted", encrypted))
    }
}

fn text(section: &Section) -> String {
    let mut text = format!("{} at {:#x} ({})", section.title, section.at, section.specification);
    for Field { offset, size, name, value } in &section.fields {
        text += &format!("\n  {offset:>6} {size:>6}  {name:<28} {value}");
    }
    text
}

fn item(section: &Section) -> Value {
    let field = |f: &Field| json!({ "offset": f.offset, "size": f.size, "name": f.name, "value": f.value });
    json!({
        "title": section.title,
        "specification": section.specification,
        "at": section.at,
        "fields": section.fields.iter().map(field).collect::<Vec<_>>(),
    })
}
