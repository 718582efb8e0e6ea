//! A table's groups in short (`format-spec/rows.md`, Outlines), by which the next backup finds what did
//! not change without reading it. Readers of rows need none of it.

use super::OUTLINE_TAG;
use crate::error::{Error, Result};

/// Digest, end, chunks of the patch, chunks of the group.
const LINE_BYTES: usize = 32 + 8 + 4 + 4;
/// Fewest and most lines of a chunk that is not the last.
const LINES: std::ops::RangeInclusive<usize> = 64..=1024;

/// A group of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutlineLine {
    /// BLAKE3 of its values' chunks and of its own, as if it were stored whole.
    pub digest: [u8; 32],
    /// The hash of the row that it ends with.
    pub end: u64,
    /// Chunks of the patch with its values; 0: none.
    pub patch: u32,
    /// Chunks of the group with its values.
    pub base: u32,
}

/// Gathers lines to chunks.
#[derive(Default)]
pub struct OutlineWriter {
    chunk: Vec<u8>,
}

impl OutlineWriter {
    /// Adds a line; a chunk, where one ends behind it.
    pub fn push(&mut self, line: &OutlineLine) -> Option<Vec<u8>> {
        if self.chunk.is_empty() {
            self.chunk.push(OUTLINE_TAG);
        }
        self.chunk.extend_from_slice(&line.digest);
        self.chunk.extend_from_slice(&line.end.to_le_bytes());
        self.chunk.extend_from_slice(&line.patch.to_le_bytes());
        self.chunk.extend_from_slice(&line.base.to_le_bytes());
        let lines = self.chunk.len() / LINE_BYTES;
        let is_end = lines >= *LINES.start() && line.digest[0] == 0 || lines == *LINES.end();
        if is_end { self.finish() } else { None }
    }

    /// The last chunk, if there is one.
    pub fn finish(&mut self) -> Option<Vec<u8>> {
        Some(std::mem::take(&mut self.chunk)).filter(|chunk| !chunk.is_empty())
    }
}

/// The lines of a chunk that begins with [`OUTLINE_TAG`].
///
/// Errors: [`crate::error::Kind::Damaged`].
pub fn parse_outline(chunk: &[u8]) -> Result<Vec<OutlineLine>> {
    let malformed = || Error::damaged("outline of a table: malformed");
    let (tag, lines) = chunk.split_first().ok_or_else(malformed)?;
    if *tag != OUTLINE_TAG || lines.is_empty() || !lines.len().is_multiple_of(LINE_BYTES) {
        return Err(malformed());
    }
    lines.chunks_exact(LINE_BYTES).map(|line| parse_line(line).ok_or_else(malformed)).collect()
}

fn parse_line(line: &[u8]) -> Option<OutlineLine> {
    let (digest, rest) = line.split_first_chunk()?;
    let (end, rest) = rest.split_first_chunk()?;
    let (patch, base) = rest.split_first_chunk()?;
    let (end, patch) = (u64::from_le_bytes(*end), u32::from_le_bytes(*patch));
    let base = u32::from_le_bytes(*base.first_chunk()?);
    (base > 0).then_some(OutlineLine { digest: *digest, end, patch, base })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_and_end_chunks_by_what_they_say() {
        let line = |n: u32| OutlineLine {
            digest: *blake3::hash(&n.to_le_bytes()).as_bytes(),
            end: u64::from(n),
            patch: n % 3,
            base: 1 + n % 2,
        };
        let chunks = |numbers: &[u32]| {
            let mut writer = OutlineWriter::default();
            let mut chunks: Vec<Vec<u8>> = numbers.iter().filter_map(|&n| writer.push(&line(n))).collect();
            chunks.extend(writer.finish());
            chunks
        };
        let numbers: Vec<u32> = (0..3000).collect();
        let all = chunks(&numbers);
        let back: Vec<OutlineLine> = all.iter().flat_map(|chunk| parse_outline(chunk).unwrap()).collect();
        assert!(back == numbers.iter().map(|&n| line(n)).collect::<Vec<_>>());
        let less = chunks(&numbers[1..]);
        assert!(all.len() > 4 && all[2..] == less[2..], "a line that goes changes its own chunk");
        for chunk in [&[][..], &[OUTLINE_TAG], &all[0][..60], &[1; 49]] {
            assert!(parse_outline(chunk).is_err());
        }
        assert!(chunks(&[]).is_empty());
    }
}
