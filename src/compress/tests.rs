//! Round trips at every level, equal bytes from used and new contexts, and hostile frames.

use super::*;

/// Pseudo-random bytes, the same on every run.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// Text-like bytes: words drawn by noise.
fn text(seed: u64, length: usize) -> Vec<u8> {
    const WORDS: [&[u8]; 8] =
        [b"patient ", b"crown ", b"(1,'2020-", b"NULL,", b"recall ", b"left ", b"\n", b"bone loss "];
    let mut out = Vec::with_capacity(length + 16);
    for byte in noise(seed, length) {
        out.extend_from_slice(WORDS[byte as usize % 8]);
        if out.len() >= length {
            break;
        }
    }
    out.truncate(length);
    out
}

fn samples() -> Vec<Vec<u8>> {
    let mut all = vec![vec![], vec![7], vec![0; 5000], noise(1, 70_000), text(2, 70_001)];
    all.extend((0..40).map(|i| text(i, 37 * i as usize + 1)));
    all.push([noise(3, 9000), noise(3, 9000)].concat());
    all.push([text(4, 150_000), noise(5, 9999)].concat());
    all
}

#[test]
fn every_level_gives_back_what_it_packed() {
    let mut back = Decompressor::new();
    for level in 1..=22 {
        let mut compressor = Compressor::new(level).unwrap();
        for plain in samples() {
            let mut packed = b"before".to_vec();
            let codec = compressor.pack(&plain, &mut packed);
            let mut out = b"kept".to_vec();
            back.unpack(codec, &packed[6..], plain.len(), &mut out).unwrap();
            assert_eq!(out[4..], plain);
            assert_eq!(&out[..4], b"kept");
        }
    }
    assert!(Compressor::new(0).is_err() && Compressor::new(23).is_err());
}

#[test]
fn a_used_compressor_packs_like_a_new_one() {
    for level in 1..=22 {
        let mut used = Compressor::new(level).unwrap();
        for round in 0..3u64 {
            for plain in samples().iter().skip(round as usize).step_by(3) {
                let (mut a, mut b) = (vec![], vec![]);
                let codec = used.pack(plain, &mut a);
                assert_eq!(codec, Compressor::new(level).unwrap().pack(plain, &mut b));
                assert!(a == b, "level {level}, {} bytes", plain.len());
            }
        }
    }
}
