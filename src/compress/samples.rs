//! The filter for 16-bit samples (`format-spec/compression.md`, Sample differences): each sample
//! becomes its difference to the one before, folded so that small differences of either sign are
//! small numbers, and low and high bytes go to planes of their own. It promises that
//! [`restore`] undoes [`separate`] for every input, phase and length.

/// Replaces `out` by the filtered form of `plain`, of the same length. `phase`, 0 or 1, is the
/// number of bytes before the first sample.
pub(super) fn separate(plain: &[u8], phase: usize, out: &mut Vec<u8>) {
    out.clear();
    out.resize(plain.len(), 0);
    let (head, body, tail) = parts(plain, phase);
    let count = body.len() / 2;
    let (out_head, rest) = out.split_at_mut(head.len());
    let (low, rest) = rest.split_at_mut(count);
    let (high, out_tail) = rest.split_at_mut(count);
    out_head.copy_from_slice(head);
    out_tail.copy_from_slice(tail);
    let (samples, _) = body.as_chunks::<2>();
    let before = std::iter::once(&[0, 0]).chain(samples);
    for (((low, high), sample), before) in low.iter_mut().zip(high).zip(samples).zip(before) {
        [*low, *high] = folded_difference(*before, *sample).to_le_bytes();
    }
}

/// Appends to `out` what [`separate`] made `filtered` from.
pub(super) fn restore(filtered: &[u8], phase: usize, out: &mut Vec<u8>) {
    let (head, body, tail) = parts(filtered, phase);
    let (low, high) = body.split_at(body.len() / 2);
    let start = out.len();
    out.extend_from_slice(filtered);
    let body = &mut out[start + head.len()..start + filtered.len() - tail.len()];
    let mut sample = 0u16;
    for ((low, high), place) in low.iter().zip(high).zip(body.as_chunks_mut::<2>().0) {
        let folded = u16::from_le_bytes([*low, *high]);
        sample = sample.wrapping_add((folded >> 1) ^ (folded & 1).wrapping_neg());
        *place = sample.to_le_bytes();
    }
}

/// The phase whose differences are smaller and their summed length in bits, with the number of
/// samples: what tells images from other data at a glance.
pub(super) fn glance(piece: &[u8]) -> (usize, u64, u64) {
    let bits = |phase: usize| {
        let (samples, _) = parts(piece, phase).1.as_chunks::<2>();
        let widths = samples
            .windows(2)
            .map(|two| u64::from(u16::BITS - folded_difference(two[0], two[1]).leading_zeros()));
        widths.sum::<u64>()
    };
    let (even, odd) = (bits(0), bits(1));
    (usize::from(odd < even), odd.min(even), piece.len() as u64 / 2)
}

/// Bytes before the first sample, whole samples, and the byte that may be left.
fn parts(bytes: &[u8], phase: usize) -> (&[u8], &[u8], &[u8]) {
    let (head, rest) = bytes.split_at(phase.min(bytes.len()));
    let (body, tail) = rest.split_at(rest.len() & !1);
    (head, body, tail)
}

/// `sample` minus `before`, modulo 65536, with its sign in the lowest bit.
#[inline(always)]
fn folded_difference(before: [u8; 2], sample: [u8; 2]) -> u16 {
    let difference = u16::from_le_bytes(sample).wrapping_sub(u16::from_le_bytes(before));
    (difference << 1) ^ (difference >> 15).wrapping_neg()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_as_specified() {
        let mut out = Vec::new();
        // Samples 0x0102, 0x0101, 0x0105 after one byte, then one byte that is left.
        separate(&[9, 2, 1, 1, 1, 5, 1, 8], 1, &mut out);
        // Differences +258, -1, +4 fold to 516, 1, 8.
        assert_eq!(out, [9, 4, 1, 8, 2, 0, 0, 8]);
    }

    #[test]
    fn restore_undoes_separate() {
        let mut noise = vec![0; 4000];
        blake3::Hasher::new().finalize_xof().fill(&mut noise);
        for length in (0..40).chain([3999, 4000]) {
            for phase in [0, 1] {
                let (mut filtered, mut back) = (Vec::new(), b"kept".to_vec());
                separate(&noise[..length], phase, &mut filtered);
                assert_eq!(filtered.len(), length);
                restore(&filtered, phase, &mut back);
                assert_eq!(back[4..], noise[..length], "length {length}, phase {phase}");
            }
        }
    }

    #[test]
    fn the_phase_is_found() {
        let ramp: Vec<u8> = (0..500u16).flat_map(|i| (40 * i + i % 7).to_le_bytes()).collect();
        assert_eq!(glance(&ramp).0, 0);
        assert_eq!(glance(&ramp[1..]).0, 1);
    }
}
