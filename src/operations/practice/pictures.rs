//! The bytes of invented attachments: what the real ones are to a backup (compressed, or smooth
//! and noisy, or text), under the right first bytes. No viewer is meant to open them.

use super::random::Random;
use super::words::{FIRST, LAST, NOTES};
use std::fmt::Write;

/// What an attachment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A photograph: bytes that cannot be compressed.
    Photograph,
    /// An X-ray: 512 × 512 grey values of 16 bits, smooth with noise.
    XRay,
    /// A letter: text around compressed streams; grows at its end when changed.
    Letter,
    /// A clinical note: XML; gains an element when changed.
    Note,
}

impl Form {
    /// The ending of its name.
    pub(super) fn ending(self) -> &'static str {
        match self {
            Form::Photograph => "jpg",
            Form::XRay => "dcm",
            Form::Letter => "pdf",
            Form::Note => "xml",
        }
    }

    /// The content after `changes` changes.
    pub(super) fn bytes(self, random: &mut Random, changes: u64) -> Vec<u8> {
        match self {
            Form::Photograph => photograph(random),
            Form::XRay => x_ray(random),
            Form::Letter => letter(random, changes),
            Form::Note => note(random, changes),
        }
    }
}

fn photograph(random: &mut Random) -> Vec<u8> {
    let mut bytes = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x48\x00\x48\x00\x00".to_vec();
    let length = 20_000 + random.below(60_000) as usize;
    random.extend(&mut bytes, length);
    bytes.extend_from_slice(b"\xff\xd9");
    bytes
}

fn x_ray(random: &mut Random) -> Vec<u8> {
    const SIDE: i64 = 512;
    let mut bytes = vec![0; 128];
    bytes.extend_from_slice(b"DICM\x02\x00\x00\x00UL\x04\x00\xc8\x00\x00\x00");
    let name = format!("{}^{}", random.pick(LAST), random.pick(FIRST));
    bytes.extend_from_slice(b"\x10\x00\x10\x00PN");
    bytes.extend_from_slice(&(name.len() as u16).to_le_bytes());
    bytes.extend_from_slice(name.as_bytes());
    let (x0, y0) = (random.below(512) as i64, random.below(512) as i64);
    let slope = 20 + random.below(40) as i64;
    bytes.reserve((SIDE * SIDE * 2) as usize);
    for y in 0..SIDE {
        for x in (0..SIDE).step_by(4) {
            let mut noise = random.next();
            for x in x..x + 4 {
                let distance = (x - x0).pow(2) + (y - y0).pow(2);
                let value = 60_000 - distance * slope / 512 + (noise & 0x3f) as i64;
                noise >>= 16;
                bytes.extend_from_slice(&(value.max(0) as u16).to_le_bytes());
            }
        }
    }
    bytes
}

fn letter(random: &mut Random, changes: u64) -> Vec<u8> {
    let mut bytes =
        b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n".to_vec();
    for object in 3..6 + random.below(4) {
        let length = 4_000 + random.below(24_000) as usize;
        let head = format!("{object} 0 obj\n<< /Length {length} /Filter /FlateDecode >>\nstream\n");
        bytes.extend_from_slice(head.as_bytes());
        random.extend(&mut bytes, length);
        bytes.extend_from_slice(b"\nendstream\nendobj\n");
    }
    bytes.extend_from_slice(b"trailer\n<< /Root 1 0 R >>\n%%EOF\n");
    for change in 0..changes {
        let note = random.pick(NOTES);
        let update = format!("{} 0 obj\n({note})\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n", 20 + change);
        bytes.extend_from_slice(update.as_bytes());
    }
    bytes
}

fn note(random: &mut Random, changes: u64) -> Vec<u8> {
    let (first, last) = (random.pick(FIRST), random.pick(LAST));
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<chart>\n  <patient first=\"{first}\" last=\"{last}\"/>\n"
    );
    for entry in 0..8 + random.below(40) + changes {
        _ = writeln!(
            text,
            "  <entry number=\"{entry}\" tooth=\"{}\">\n    <text>{}</text>\n  </entry>",
            1 + random.below(32),
            random.pick(NOTES).replace('"', "&quot;")
        );
    }
    text.push_str("</chart>\n");
    text.into_bytes()
}
