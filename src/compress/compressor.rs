//! Packing: the choice of a codec and its proof (`format-spec/compression.md`, Choice).

use super::{Decompressor, SAMPLES16, SAMPLES16_ODD, STORED, ZSTD, samples};
use crate::error::{Error, Kind, Result};
use zstd::zstd_safe::{CCtx, CParameter, ErrorCode, compress_bound};

/// The window every frame may use: 8 MiB, so that each chunk is a single segment.
const WINDOW_LOG: u32 = 23;
/// The longest plaintext that is compressed at all.
const MAX_PLAIN_BYTES: usize = 1 << WINDOW_LOG;
/// Levels up to this one give up quickly on data that does not compress, and give the same bytes
/// from a used context as from a new one. Above, zstd 1.5's row match finder carries a hash salt
/// from frame to frame, so that every chunk needs a new context.
const LAST_QUICK_LEVEL: i32 = 3;

/// A chunk is looked at, and its filter tried, in this many pieces, spread evenly.
const PIECES: usize = 4;
/// The bytes looked at in each piece.
const GLANCE_BYTES: usize = 1 << 10;
/// The bytes tried in each piece.
const TRIAL_BYTES: usize = 4 << 10;
/// Chunks whose sample differences are longer than this on average are not tried.
const MAX_SAMPLE_BITS: u64 = 10;

/// Packs chunks at one level; one per thread.
pub struct Compressor {
    level: i32,
    /// For `level` itself if that is quick, else for the trial.
    quick: CCtx<'static>,
    proof: Decompressor,
    pub(super) packed: Vec<u8>,
    unpacked: Vec<u8>,
    trial: Vec<u8>,
    filtered: Vec<u8>,
}

impl Compressor {
    /// A compressor of zstd level `level`, 1 to 22; else [`Kind::Usage`].
    pub fn new(level: i32) -> Result<Compressor> {
        if !(1..=22).contains(&level) {
            return Err(
                Error::new(Kind::Usage, format!("compression level {level}")).hint("levels are 1 to 22")
            );
        }
        Ok(Compressor {
            level,
            quick: context(level.min(LAST_QUICK_LEVEL))?,
            proof: Decompressor::new(),
            packed: Vec::new(),
            unpacked: Vec::new(),
            trial: Vec::new(),
            filtered: Vec::new(),
        })
    }

    /// Appends `plain`, packed, to `out` and returns the codec number.
    ///
    /// The bytes depend on the level and `plain` alone. They were unpacked and compared with
    /// `plain`; if that failed, or nothing worth it is saved, they are `plain` itself.
    pub fn pack(&mut self, plain: &[u8], out: &mut Vec<u8>) -> u8 {
        let codec = self.attempt(plain);
        if codec != STORED && self.proves(codec, plain) {
            out.extend_from_slice(&self.packed);
            return codec;
        }
        out.extend_from_slice(plain);
        STORED
    }

    /// Fills `packed` and names its codec, or says that `plain` is best stored.
    pub(super) fn attempt(&mut self, plain: &[u8]) -> u8 {
        if plain.is_empty() || plain.len() > MAX_PLAIN_BYTES {
            return STORED;
        }
        if let Some(phase) = self.filter_for(plain) {
            samples::separate(plain, phase, &mut self.filtered);
            if compress(&mut self.quick, &self.filtered, &mut self.packed).is_ok()
                && is_worth_it(self.packed.len(), plain.len())
            {
                return if phase == 0 { SAMPLES16 } else { SAMPLES16_ODD };
            }
        }
        if compress(&mut self.quick, plain, &mut self.packed).is_err()
            || !is_worth_it(self.packed.len(), plain.len())
        {
            return STORED;
        }
        if self.level > LAST_QUICK_LEVEL {
            // The parameters are those of a context that exists: only memory can be missing here.
            let slow = context(self.level)
                .and_then(|mut slow| compress(&mut slow, plain, &mut self.packed).map_err(failed));
            if !slow.is_ok_and(|packed| is_worth_it(packed, plain.len())) {
                return STORED;
            }
        }
        ZSTD
    }

    /// The phase of 16-bit samples in `plain`, if a trial says that filtering them pays.
    fn filter_for(&mut self, plain: &[u8]) -> Option<usize> {
        if plain.len() < PIECES * GLANCE_BYTES {
            return None;
        }
        take_pieces(plain, GLANCE_BYTES, &mut self.trial);
        let (phase, bits, count) = samples::glance(&self.trial);
        if bits > MAX_SAMPLE_BITS * count {
            return None;
        }
        take_pieces(plain, TRIAL_BYTES, &mut self.trial);
        samples::separate(&self.trial, phase, &mut self.filtered);
        let with = compress(&mut self.quick, &self.filtered, &mut self.packed).ok()?;
        let without = compress(&mut self.quick, &self.trial, &mut self.packed).ok()?;
        (with + without / 8 < without).then_some(phase)
    }

    /// Whether `packed` gives `plain` again.
    pub(super) fn proves(&mut self, codec: u8, plain: &[u8]) -> bool {
        self.unpacked.clear();
        self.proof.unpack(codec, &self.packed, plain.len(), &mut self.unpacked).is_ok()
            && self.unpacked == plain
    }
}

impl std::fmt::Debug for Compressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Compressor(level {})", self.level)
    }
}

/// Replaces `pieces` by `length` bytes from each of [`PIECES`] evenly spread even offsets.
fn take_pieces(plain: &[u8], length: usize, pieces: &mut Vec<u8>) {
    pieces.clear();
    if plain.len() <= PIECES * length {
        pieces.extend_from_slice(plain);
        return;
    }
    let step = ((plain.len() - length) / (PIECES - 1)) & !1;
    (0..PIECES).for_each(|piece| pieces.extend_from_slice(&plain[piece * step..][..length]));
}

/// Whether at least one byte in 64 is saved.
fn is_worth_it(packed: usize, plain: usize) -> bool {
    packed + plain.div_ceil(64) <= plain
}

/// Replaces `packed` by the frame of `plain`.
fn compress(
    context: &mut CCtx<'static>,
    plain: &[u8],
    packed: &mut Vec<u8>,
) -> std::result::Result<usize, ErrorCode> {
    packed.clear();
    packed.reserve(compress_bound(plain.len()));
    context.compress2(packed, plain)
}

/// A context that writes the frames of the specification.
fn context(level: i32) -> Result<CCtx<'static>> {
    let mut context = CCtx::create();
    let parameters = [
        CParameter::CompressionLevel(level),
        CParameter::WindowLog(WINDOW_LOG),
        CParameter::ContentSizeFlag(true),
        CParameter::ChecksumFlag(false),
        CParameter::DictIdFlag(false),
    ];
    for parameter in parameters {
        context.set_parameter(parameter).map_err(failed)?;
    }
    Ok(context)
}

fn failed(code: ErrorCode) -> Error {
    Error::new(Kind::Failed, format!("zstd: {}", zstd::zstd_safe::get_error_name(code)))
}
