//! Whether a dump is one, and whole, as far as its bytes tell while they pass by. It promises to name
//! a dump that is empty, cut off, torn or does not unpack, in constant memory, and to find no fault
//! with what it does not know.

mod packed;
mod text;

use crate::attachments::problem::ProblemKind;
use packed::{Gzip, Tail, Zstd};
use text::Text;

/// Bytes by which a packing is known.
const MAGIC: usize = 6;

/// What is to be said of a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Nothing is wrong with it, or nothing that can be known.
    Nothing,
    /// It is kept, with this to be said of it.
    Problem(ProblemKind),
    /// It is no dump at all; the words stand after its name.
    NoDump(&'static str),
}

/// Judges one dump.
#[derive(Default)]
pub struct Judge {
    /// The first bytes, until they are enough to know the form.
    begin: Vec<u8>,
    form: Option<Form>,
}

enum Form {
    Plain(Text),
    Gzip(Box<Gzip>),
    Zstd(Box<Zstd>),
    Tail(Tail),
}

impl Judge {
    /// Looks at the next bytes.
    pub fn see(&mut self, bytes: &[u8]) {
        match &mut self.form {
            Some(form) => form.see(bytes),
            None => {
                self.begin.extend_from_slice(bytes);
                if self.begin.len() >= MAGIC {
                    self.form = Some(Form::begun_with(&std::mem::take(&mut self.begin)));
                }
            }
        }
    }

    /// What was found, at the end of the dump.
    pub fn end(self) -> Finding {
        match self.form {
            Some(form) => form.end(),
            None if self.begin.is_empty() => Finding::NoDump("is empty"),
            None => Form::begun_with(&self.begin).end(),
        }
    }
}

impl Form {
    fn begun_with(begin: &[u8]) -> Form {
        let mut form = match begin {
            [0x1f, 0x8b, ..] => Form::Gzip(Box::default()),
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Form::Zstd(Box::default()),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Form::Tail(Tail::xz()),
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Form::Tail(Tail::bzip2()),
            _ => Form::Plain(Text::default()),
        };
        form.see(begin);
        form
    }

    fn see(&mut self, bytes: &[u8]) {
        match self {
            Form::Plain(text) => text.see(bytes),
            Form::Gzip(gzip) => gzip.see(bytes),
            Form::Zstd(zstd) => zstd.see(bytes),
            Form::Tail(tail) => tail.see(bytes),
        }
    }

    fn end(self) -> Finding {
        match self {
            Form::Plain(mut text) => text.end(),
            Form::Gzip(mut gzip) => gzip.end(),
            Form::Zstd(mut zstd) => zstd.end(),
            Form::Tail(tail) => tail.end(),
        }
    }
}

#[cfg(test)]
mod tests;
