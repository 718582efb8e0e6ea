//! Round trips at every level, equal bytes from used and new contexts, and hostile frames.

use super::*;
use crate::error::Kind;

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

/// A picture of 16-bit samples: a wave with noise.
fn image(seed: u64, samples: usize) -> Vec<u8> {
    let noise = noise(seed, samples);
    let wave = |i: usize| 2000.0 + 900.0 * (i as f64 / 80.0).sin();
    (0..samples).flat_map(|i| (wave(i) as u16 + u16::from(noise[i] % 32)).to_le_bytes()).collect()
}

fn packed(level: i32, plain: &[u8]) -> (u8, Vec<u8>) {
    let mut out = Vec::new();
    (Compressor::new(level).unwrap().pack(plain, &mut out), out)
}

#[test]
fn images_are_filtered_in_either_phase() {
    let even = image(1, 60_000);
    let headed = [noise(2, 901), image(3, 60_000)].concat();
    for level in [1, 3, 9] {
        for (plain, codec) in [(&even, SAMPLES16), (&headed, SAMPLES16_ODD)] {
            let (chosen, bytes) = packed(level, plain);
            assert_eq!(chosen, codec);
            assert!(bytes.len() * 5 < plain.len() * 2, "{} of {}", bytes.len(), plain.len());
            let mut back = Vec::new();
            Decompressor::new().unpack(chosen, &bytes, plain.len(), &mut back).unwrap();
            assert!(&back == plain);
        }
    }
}

#[test]
fn other_data_is_not_filtered() {
    let wide: Vec<u8> = text(6, 40_000).iter().flat_map(|&c| [c, 0]).collect();
    let table: Vec<u8> = (0..20_000u32).flat_map(|i| (i / 3 * 7).to_le_bytes()).collect();
    for plain in [text(5, 80_000), vec![0; 80_000], wide] {
        assert_eq!(packed(3, &plain).0, ZSTD);
    }
    assert_eq!(packed(3, &noise(7, 80_000)), (STORED, noise(7, 80_000)));
    assert_ne!(packed(3, &table).0, STORED);
}

#[test]
fn nothing_that_level_3_shrinks_by_three_percent_is_stored() {
    let mixed = (0..30).map(|i| [noise(i, 60_000), text(i, 300 * i as usize)].concat());
    for plain in mixed.chain([[noise(8, 200), noise(8, 200)].concat()]) {
        let shrinks = zstd::bulk::compress(&plain, 3).unwrap().len() * 100 < plain.len() * 97;
        for level in [3, 4, 12] {
            assert!(!shrinks || packed(level, &plain).0 != STORED, "{} bytes", plain.len());
        }
    }
    assert_ne!(packed(3, &[noise(9, 60_000), text(10, 6000)].concat()).0, STORED);
}

#[test]
fn a_faulty_packing_is_noticed() {
    let plain = text(11, 5000);
    let mut compressor = Compressor::new(3).unwrap();
    assert_eq!(compressor.attempt(&plain), ZSTD);
    assert!(compressor.proves(ZSTD, &plain));
    assert!(!compressor.proves(ZSTD, &text(12, 5000)));
    assert!(!compressor.proves(ZSTD, &plain[..4999]));
    assert!(!compressor.proves(SAMPLES16, &plain));
    compressor.packed[20] ^= 1;
    assert!(!compressor.proves(ZSTD, &plain));
}

#[test]
fn damaged_bytes_never_panic_nor_touch_the_output() {
    let mut back = Decompressor::new();
    for plain in [text(13, 3000), image(14, 4000), noise(15, 50)] {
        let (codec, bytes) = packed(3, &plain);
        for at in 0..bytes.len() {
            let mut hurt = bytes.clone();
            hurt[at] ^= 1 << (at % 8);
            for (hurt, length) in [(&hurt[..], plain.len()), (&bytes[..at], plain.len())] {
                let mut out = b"kept".to_vec();
                match back.unpack(codec, hurt, length, &mut out) {
                    Ok(()) => assert_eq!(out.len(), 4 + length),
                    Err(error) => {
                        assert_eq!(out, b"kept", "{error}");
                        assert_eq!(error.kind(), Kind::Damaged);
                    }
                }
            }
        }
    }
}

#[test]
fn published_frames_unpack_or_are_refused() {
    let file = include_str!("../../format-spec/vectors/compression.txt");
    let (mut accepted, mut refused) = (0, 0);
    for line in file.lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (codec, length) = (words[1].parse().unwrap(), words[2].parse().unwrap());
        let bytes = unhex(words[3]);
        let mut out = Vec::new();
        let result = Decompressor::new().unpack(codec, &bytes, length, &mut out);
        match words[0] {
            "accept" => {
                result.unwrap_or_else(|error| panic!("{error}: {line}"));
                assert_eq!(blake3::hash(&out).to_string(), words[4], "{line}");
                accepted += 1;
            }
            "refuse" => {
                assert!(result.is_err() && out.capacity() == 0, "{line}");
                refused += 1;
            }
            other => panic!("unknown word {other}"),
        }
    }
    assert!(accepted >= 5 && refused >= 8, "{accepted} accepted, {refused} refused");
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter_map(|b| (b as char).to_digit(16)).map(|d| d as u8).collect();
    digits.chunks(2).map(|two| two[0] << 4 | two[1]).collect()
}

#[test]
fn compressors_move_between_threads() {
    fn moves<T: Send>() {}
    moves::<Compressor>();
    moves::<Decompressor>();
}
