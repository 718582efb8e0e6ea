//! Packed dumps: gzip and zstd are followed to their ends, of xz and bzip2 only the end is looked at.
//! It promises that a packing which ends too early is found, and that memory is constant (zstd: the
//! window of a frame, 128 MiB at most).

use super::Finding;
use super::text::Text;
use crate::attachments::problem::ProblemKind;
use flate2::Crc;
use flate2::write::GzDecoder;
use std::io::{self, Write};
use zstd::zstd_safe::{DCtx, InBuffer, OutBuffer, get_error_name};

/// What zstd says of a frame whose window is larger than it takes unasked.
const WINDOW_TOO_LARGE: &str = "Frame requires too much memory for decoding";

impl Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.see(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is to be said of `text`, unpacked, whose packing is as `packing` says.
fn judged(text: &mut Text, packing: Finding) -> Finding {
    match packing {
        Finding::Nothing if text.is_empty() => Finding::NoDump("is empty once unpacked"),
        Finding::Nothing => text.end(),
        problem => problem,
    }
}

/// One gzip member after the other.
pub struct Gzip {
    member: Option<GzDecoder<Text>>,
    /// The text, between members.
    text: Text,
    damaged: bool,
}

impl Default for Gzip {
    fn default() -> Gzip {
        Gzip { member: Some(GzDecoder::new(Text::default())), text: Text::default(), damaged: false }
    }
}

impl Gzip {
    pub fn see(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.damaged {
            let Some(member) = &mut self.member else {
                // Tapes and old tools fill up with zeros.
                let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
                bytes = &bytes[zeros..];
                if !bytes.is_empty() {
                    self.member = Some(GzDecoder::new(std::mem::take(&mut self.text)));
                }
                continue;
            };
            let in_header = member.header().is_none();
            match member.write(bytes) {
                Ok(0) if !in_header => self.end_member(),
                Ok(taken) => bytes = bytes.get(taken..).unwrap_or_default(),
                Err(_) => self.damaged = true,
            }
        }
    }

    fn end_member(&mut self) {
        match self.member.take().map(GzDecoder::finish) {
            Some(Ok(text)) => self.text = text,
            _ => self.damaged = true,
        }
    }

    pub fn end(&mut self) -> Finding {
        if self.damaged {
            return Finding::Problem(ProblemKind::PackingDamaged);
        }
        if let Some(member) = &mut self.member {
            // A member that is over takes no more.
            let whole = member.header().is_some() && matches!(member.write(&[0]), Ok(0));
            if !whole {
                return judged(member.get_mut(), Finding::Problem(ProblemKind::PackingCutOff));
            }
            self.end_member();
            if self.damaged {
                return Finding::Problem(ProblemKind::PackingDamaged);
            }
        }
        judged(&mut self.text, Finding::Nothing)
    }
}

/// One zstd frame after the other.
pub struct Zstd {
    context: DCtx<'static>,
    out: Vec<u8>,
    text: Text,
    /// Whether the last frame is not over.
    within: bool,
    /// Nothing more is unpacked, and this is said.
    given_up: Option<Finding>,
}

impl Default for Zstd {
    fn default() -> Zstd {
        Zstd {
            context: DCtx::create(),
            out: vec![0; DCtx::out_size()],
            text: Text::default(),
            within: true,
            given_up: None,
        }
    }
}

impl Zstd {
    pub fn see(&mut self, bytes: &[u8]) {
        let mut input = InBuffer::around(bytes);
        while self.given_up.is_none() {
            let mut output = OutBuffer::around(self.out.as_mut_slice());
            let left = self.context.decompress_stream(&mut output, &mut input);
            let (written, taken) = (output.pos(), input.pos());
            self.text.see(self.out.get(..written).unwrap_or_default());
            match left {
                Ok(left) => self.within = left != 0,
                Err(code) if get_error_name(code) == WINDOW_TOO_LARGE => {
                    self.given_up = Some(Finding::Nothing);
                }
                Err(_) => self.given_up = Some(Finding::Problem(ProblemKind::PackingDamaged)),
            }
            if taken == bytes.len() && (written < self.out.len() || !self.within) {
                break;
            }
        }
    }

    pub fn end(&mut self) -> Finding {
        match self.given_up {
            Some(finding) => finding,
            None if self.within => judged(&mut self.text, Finding::Problem(ProblemKind::PackingCutOff)),
            None => judged(&mut self.text, Finding::Nothing),
        }
    }
}

/// The end of a packing that is not unpacked here.
pub struct Tail {
    last: Vec<u8>,
    size: u64,
    ends_well: fn(&[u8]) -> bool,
    /// Size of the packing of nothing.
    empty: u64,
}

impl Tail {
    const KEPT: usize = 4096;

    pub fn xz() -> Tail {
        Tail { last: Vec::new(), size: 0, ends_well: ends_as_xz, empty: 32 }
    }

    pub fn bzip2() -> Tail {
        Tail { last: Vec::new(), size: 0, ends_well: ends_as_bzip2, empty: 14 }
    }

    pub fn see(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        self.last.extend_from_slice(&bytes[bytes.len().saturating_sub(Self::KEPT)..]);
        self.last.drain(..self.last.len().saturating_sub(Self::KEPT));
    }

    pub fn end(&self) -> Finding {
        match (self.ends_well)(&self.last) {
            false => Finding::Problem(ProblemKind::PackingCutOff),
            true if self.size == self.empty => Finding::NoDump("is empty once unpacked"),
            true => Finding::Nothing,
        }
    }
}

/// xz: an index, and a footer of CRC32, the index's length, flags and magic; zeros may follow.
fn ends_as_xz(last: &[u8]) -> bool {
    let zeros = last.iter().rev().take_while(|byte| **byte == 0).count() / 4 * 4;
    let Some((before, footer)) = last[..last.len() - zeros].split_last_chunk::<12>() else {
        return false;
    };
    let [c0, c1, c2, c3, b0, b1, b2, b3, _, _, b'Y', b'Z'] = *footer else {
        return false;
    };
    let sum = |bytes: &[u8]| {
        let mut crc = Crc::new();
        crc.update(bytes);
        crc.sum()
    };
    let index = (u64::from(u32::from_le_bytes([b0, b1, b2, b3])) + 1) * 4;
    let index = usize::try_from(index).ok().and_then(|length| before.len().checked_sub(length));
    // An index longer than what is kept is not looked at.
    let index_holds = match index.map(|start| &before[start..]).map(|index| index.split_last_chunk::<4>()) {
        Some(Some((index, crc))) => index.first() == Some(&0) && sum(index) == u32::from_le_bytes(*crc),
        Some(None) => false,
        None => true,
    };
    sum(&footer[4..10]) == u32::from_le_bytes([c0, c1, c2, c3]) && index_holds
}

/// bzip2: the end's 48 bits and a CRC of 32, moved by up to seven bits.
fn ends_as_bzip2(last: &[u8]) -> bool {
    let end = last.iter().rev().take(11).rev().fold(0_u128, |all, byte| all << 8 | u128::from(*byte));
    (0..8).any(|padding| (end >> (32 + padding)) & 0xffff_ffff_ffff == 0x1772_4538_5090)
}
