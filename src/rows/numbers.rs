//! Columns whose texts are numbers or times, kept as numbers (`format-spec/rows.md`, Columns of numbers).
//! It promises that each text comes back byte for byte: what has another form is not taken for a number.

use std::ops::Range;

/// What a text of a column looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A decimal number with so many digits behind the point.
    Decimal(u8),
    /// `YYYY-MM-DD`.
    Date,
    /// `YYYY-MM-DD hh:mm:ss` and so many digits of the second.
    DateTime(u8),
}

/// Most digits of a number.
const MAX_DIGITS: usize = 18;
/// Most digits behind the point of a second.
const MAX_FRACTION: u8 = 6;
const DATE: u8 = 32;
const DATE_TIME: u8 = 33;
const DATE_BYTES: usize = 10;
const DATE_TIME_BYTES: usize = 19;
/// First number that is no date: months to 12, days to 31, years of four digits.
const DATES: i64 = 10_000 * 13 * 32;
const DAY_SECONDS: i64 = 86_400;

/// Shape, way, width, start, step.
const HEAD_BYTES: usize = 1 + 1 + 1 + 8 + 8;
/// Each number stands by itself.
const ALONE: u8 = 0;
/// Each number stands by its difference from the one before.
const FOLLOWING: u8 = 1;

impl Shape {
    /// The shape of a text, if it has one.
    fn of(text: &[u8]) -> Option<Shape> {
        let is_date = |text: &[u8]| text.get(4) == Some(&b'-') && text.get(7) == Some(&b'-');
        match text.len() {
            DATE_BYTES if is_date(text) => return Some(Shape::Date),
            DATE_TIME_BYTES if is_date(text) => return Some(Shape::DateTime(0)),
            21..=26 if is_date(text) => return Some(Shape::DateTime((text.len() - 20) as u8)),
            1..=20 => {}
            _ => return None,
        }
        let point = text.iter().position(|&byte| byte == b'.');
        Some(Shape::Decimal(point.map_or(0, |at| (text.len() - at - 1) as u8)))
    }

    fn byte(self) -> u8 {
        match self {
            Shape::Decimal(digits) => digits,
            Shape::Date => DATE,
            Shape::DateTime(digits) => DATE_TIME + digits,
        }
    }

    fn from_byte(byte: u8) -> Option<Shape> {
        match byte {
            DATE => Some(Shape::Date),
            digits if usize::from(digits) <= MAX_DIGITS => Some(Shape::Decimal(digits)),
            digits => {
                let digits = digits.checked_sub(DATE_TIME)?;
                (digits <= MAX_FRACTION).then_some(Shape::DateTime(digits))
            }
        }
    }

    /// The number that `text` is; `None`: it would not come back from the number.
    fn number(self, text: &[u8]) -> Option<i64> {
        match self {
            Shape::Decimal(scale) => decimal(text, usize::from(scale)),
            Shape::Date if text.len() == DATE_BYTES => date(text),
            Shape::DateTime(digits) => date_time(text, digits),
            Shape::Date => None,
        }
    }

    /// Numbers that have a text.
    fn range(self) -> Range<i64> {
        match self {
            Shape::Decimal(_) => -(10i64.pow(MAX_DIGITS as u32)) + 1..10i64.pow(MAX_DIGITS as u32),
            Shape::Date => 0..DATES,
            Shape::DateTime(digits) => 0..DATES * DAY_SECONDS * 10i64.pow(u32::from(digits)),
        }
    }

    /// Appends the text of `number`, which is in range.
    fn text(self, number: i64, out: &mut Vec<u8>) {
        match self {
            Shape::Decimal(scale) => {
                if number < 0 {
                    out.push(b'-');
                }
                let at = out.len();
                push_digits(number.unsigned_abs(), usize::from(scale) + 1, out);
                if scale > 0 {
                    out.insert(out.len() - usize::from(scale), b'.');
                }
                debug_assert!(out.len() > at);
            }
            Shape::Date => date_text(number as u64, out),
            Shape::DateTime(fraction) => {
                let unit = 10u64.pow(u32::from(fraction));
                let (seconds, rest) = (number as u64 / unit, number as u64 % unit);
                date_text(seconds / DAY_SECONDS as u64, out);
                let second = seconds % DAY_SECONDS as u64;
                for (mark, part) in [(b' ', second / 3600), (b':', second / 60 % 60), (b':', second % 60)] {
                    out.push(mark);
                    push_digits(part, 2, out);
                }
                if fraction > 0 {
                    out.push(b'.');
                    push_digits(rest, usize::from(fraction), out);
                }
            }
        }
    }
}

/// The value of a text of nothing but digits.
fn whole(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0i64, |sum, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then(|| sum * 10 + i64::from(digit))
    })
}

fn decimal(text: &[u8], scale: usize) -> Option<i64> {
    let (is_negative, text) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, text),
    };
    let (whole_part, size) = match scale {
        0 => (text, text.len()),
        _ => (text.get(..text.len().checked_sub(scale + 1)?)?, text.len() - 1),
    };
    // One text for one number: no superfluous zero, no point without a digit before it, no `-0`.
    if whole_part.is_empty() || size > MAX_DIGITS || whole_part.len() > 1 && whole_part[0] == b'0' {
        return None;
    }
    let mut number = whole(whole_part)?;
    if scale > 0 {
        if text[whole_part.len()] != b'.' {
            return None;
        }
        number = number * 10i64.pow(scale as u32) + whole(&text[whole_part.len() + 1..])?;
    }
    match (is_negative, number) {
        (true, 0) => None,
        (true, _) => Some(-number),
        (false, _) => Some(number),
    }
}

fn date(text: &[u8]) -> Option<i64> {
    let &[y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = text else { return None };
    let (year, month, day) = (whole(&[y0, y1, y2, y3])?, whole(&[m0, m1])?, whole(&[d0, d1])?);
    (month < 13 && day < 32).then_some((year * 13 + month) * 32 + day)
}

fn date_time(text: &[u8], fraction: u8) -> Option<i64> {
    let (day, clock) = text.split_at_checked(DATE_BYTES)?;
    let (&[b' ', h0, h1, b':', m0, m1, b':', s0, s1], rest) = clock.split_first_chunk()? else { return None };
    let (hour, minute, second) = (whole(&[h0, h1])?, whole(&[m0, m1])?, whole(&[s0, s1])?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = date(day)? * DAY_SECONDS + hour * 3600 + minute * 60 + second;
    match (fraction, rest.split_first()) {
        (0, None) => Some(seconds),
        (1.., Some((b'.', digits))) if digits.len() == usize::from(fraction) => {
            Some(seconds * 10i64.pow(u32::from(fraction)) + whole(digits)?)
        }
        _ => None,
    }
}

fn date_text(number: u64, out: &mut Vec<u8>) {
    push_digits(number / (13 * 32), 4, out);
    out.push(b'-');
    push_digits(number / 32 % 13, 2, out);
    out.push(b'-');
    push_digits(number % 32, 2, out);
}

/// Appends `number` in at least `width` decimal digits, of at most 20.
#[inline]
pub fn push_digits(mut number: u64, width: usize, out: &mut Vec<u8>) {
    if number < 100 && width == 2 {
        out.extend_from_slice(&[b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]);
        return;
    }
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    while number >= 10 {
        at -= 2;
        let pair = (number % 100) as u8;
        digits[at] = b'0' + pair / 10;
        digits[at + 1] = b'0' + pair % 10;
        number /= 100;
    }
    if number > 0 || at == digits.len() {
        at -= 1;
        digits[at] = b'0' + number as u8;
    }
    out.extend_from_slice(&digits[at.min(digits.len() - width.min(20))..]);
}

/// How a column's texts are written as numbers.
pub(super) struct Plan {
    shape: Shape,
    way: u8,
    width: usize,
    start: i64,
    step: i64,
}

impl Plan {
    /// The plan for a column whose texts these are, `text_bytes` in all, which become `numbers`; `None`:
    /// they are no numbers of one shape, or would be no shorter.
    pub fn make<'a>(
        mut texts: impl Iterator<Item = &'a [u8]>,
        text_bytes: usize,
        numbers: &mut Vec<i64>,
    ) -> Option<Plan> {
        numbers.clear();
        let first = texts.next()?;
        let shape = Shape::of(first)?;
        numbers.push(shape.number(first)?);
        for text in texts {
            numbers.push(shape.number(text)?);
        }
        let bounds = Bounds::of(numbers);
        let (alone, following) =
            (width(bounds.least, bounds.most), width(bounds.least_step, bounds.most_step));
        let (way, width) = if following < alone { (FOLLOWING, following) } else { (ALONE, alone) };
        let (start, step) = match way {
            ALONE => (bounds.least, 0),
            _ => (numbers[0].wrapping_sub(bounds.least_step), bounds.least_step),
        };
        let bytes = HEAD_BYTES + width * numbers.len();
        (bytes <= text_bytes).then_some(Plan { shape, way, width, start, step })
    }

    /// Appends the data of the column to `out`; `numbers` are those of the plan, and no more afterwards.
    pub fn write(&self, numbers: &mut [i64], out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.shape.byte(), self.way, self.width as u8]);
        out.extend_from_slice(&self.start.to_le_bytes());
        out.extend_from_slice(&self.step.to_le_bytes());
        let mut before = self.start;
        for number in numbers.iter_mut() {
            let rest = number.wrapping_sub(before).wrapping_sub(self.step);
            if self.way == FOLLOWING {
                before = *number;
            }
            *number = rest;
        }
        for byte in 0..self.width {
            out.extend(numbers.iter().map(|rest| (rest >> (8 * byte)) as u8));
        }
    }
}

/// Between what numbers, and what differences of neighbours, a column lies.
struct Bounds {
    least: i64,
    most: i64,
    least_step: i64,
    most_step: i64,
}

impl Bounds {
    /// Of at least one number, each below 2^62 in size; without neighbours the steps are 0.
    fn of(numbers: &[i64]) -> Bounds {
        let first = numbers.first().copied().unwrap_or(0);
        let step = numbers.get(1).map_or(0, |second| second - first);
        let mut bounds = Bounds { least: first, most: first, least_step: step, most_step: step };
        let mut before = first;
        for &number in numbers.get(1..).unwrap_or_default() {
            let step = number - before;
            before = number;
            bounds.least = bounds.least.min(number);
            bounds.most = bounds.most.max(number);
            bounds.least_step = bounds.least_step.min(step);
            bounds.most_step = bounds.most_step.max(step);
        }
        bounds
    }
}

/// Bytes that hold whatever lies between `least` and `most`, counted from `least`.
fn width(least: i64, most: i64) -> usize {
    let range = most.wrapping_sub(least) as u64;
    (64 - range.leading_zeros()).div_ceil(8) as usize
}

/// A column of numbers in a group's bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbers {
    shape: Shape,
    way: u8,
    width: usize,
    start: i64,
    step: i64,
    count: usize,
}

impl Numbers {
    /// Parses the data of a column of `count` numbers. `None`: malformed.
    pub fn parse(data: &[u8], count: usize) -> Option<Numbers> {
        let (&[shape, way, width, ref rest @ ..], planes) = data.split_first_chunk::<HEAD_BYTES>()?;
        let (start, step) = rest.split_at(8);
        let number = |bytes: &[u8]| bytes.first_chunk().map(|bytes| i64::from_le_bytes(*bytes));
        let numbers = Numbers {
            shape: Shape::from_byte(shape)?,
            way,
            width: usize::from(width),
            start: number(start)?,
            step: number(step)?,
            count,
        };
        let is_whole = way <= FOLLOWING
            && (way == FOLLOWING || numbers.step == 0)
            && numbers.width <= 8
            && planes.len() == numbers.width.checked_mul(count)?;
        if !is_whole {
            return None;
        }
        let (range, mut before) = (numbers.shape.range(), numbers.start);
        for at in 0..count {
            if !range.contains(&numbers.next(data, at, &mut before)) {
                return None;
            }
        }
        Some(numbers)
    }

    /// Where the numbers begin.
    pub fn start(&self) -> i64 {
        self.start
    }

    /// Number `at`, given the one before it (at first [`Numbers::start`]), which becomes this one.
    fn next(&self, data: &[u8], at: usize, before: &mut i64) -> i64 {
        let mut rest = 0u64;
        for byte in (0..self.width).rev() {
            let place = HEAD_BYTES + byte * self.count + at;
            rest = rest << 8 | data.get(place).map_or(0, |&byte| u64::from(byte));
        }
        let number = before.wrapping_add(self.step).wrapping_add(rest as i64);
        if self.way == FOLLOWING {
            *before = number;
        }
        number
    }

    /// Appends the text of number `at` to `out`.
    pub fn text(&self, data: &[u8], at: usize, before: &mut i64, out: &mut Vec<u8>) {
        self.shape.text(self.next(data, at, before), out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn back(texts: &[&str]) -> Option<Vec<String>> {
        let bytes: usize = texts.iter().map(|t| t.len()).sum::<usize>() + HEAD_BYTES + 8 * texts.len();
        let mut numbers = Vec::new();
        let plan = Plan::make(texts.iter().map(|t| t.as_bytes()), bytes, &mut numbers)?;
        let mut data = Vec::new();
        plan.write(&mut numbers, &mut data);
        let numbers = Numbers::parse(&data, texts.len()).expect("parsed");
        let mut before = numbers.start();
        let text = |at| {
            let mut out = Vec::new();
            numbers.text(&data, at, &mut before, &mut out);
            String::from_utf8(out).expect("text")
        };
        Some((0..texts.len()).map(text).collect())
    }

    #[test]
    fn numbers_and_times_come_back() {
        let columns: [&[&str]; 8] = [
            &["0", "-1", "999999999999999999", "-999999999999999999", "17"],
            &["5", "6", "7", "8", "10"],
            &["9", "8", "7", "3"],
            &["0.00", "-0.01", "1234.56", "9999999999999999.99"],
            &["0000-00-00", "9999-12-31", "2020-02-31", "0001-01-01"],
            &["0000-00-00 00:00:00", "2024-05-06 07:08:09", "9999-12-31 23:59:59"],
            &["2024-05-06 07:08:09.120", "2024-05-06 07:08:09.000"],
            &["2024-05-06 07:08:09.000001", "9999-12-31 23:59:59.999999"],
        ];
        for texts in columns {
            assert_eq!(
                back(texts).as_deref(),
                Some(&texts.iter().map(|t| t.to_string()).collect::<Vec<_>>()[..])
            );
        }
    }

    #[test]
    fn texts_of_another_form_are_no_numbers() {
        for text in [
            "",
            "-",
            "-0",
            "00",
            "01",
            "+1",
            "1.",
            ".5",
            "-.5",
            "0x1",
            "1e5",
            " 1",
            "1234567890123456789",
            "-0.00",
            "00.5",
            "2020-13-01",
            "2020-01-32",
            "2020-1-011",
            "20200-01-1",
            "2020-01-01T00:00:00",
            "2020-01-01 24:00:00",
            "2020-01-01 00:60:00",
            "2020-01-01 00:00:00.",
            "12345678901234567.89",
        ] {
            assert_eq!(back(&[text]), None, "{text}");
        }
        assert_eq!(back(&["1.5", "2"]), None, "one shape for a column");
        assert_eq!(back(&["1.5", "2.25"]), None);
    }

    #[test]
    fn what_is_not_shorter_stays_text() {
        let texts: [&[u8]; 3] = [b"1", b"2", b"300000000000000000"];
        assert!(Plan::make(texts.into_iter(), 20, &mut Vec::new()).is_none());
    }

    proptest! {
        #[test]
        fn any_text_comes_back_or_stays(texts in prop::collection::vec("-?[0-9]{1,19}(\\.[0-9]{0,3})?|[0-9]{4}-[0-9]{2}-[0-3][0-9]( [0-2][0-9]:[0-5][0-9]:[0-9]{2}(\\.[0-9]{1,7})?)?", 1..6)) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            if let Some(back) = back(&texts) {
                prop_assert_eq!(back, texts.clone());
            }
            for text in texts {
                prop_assert!(back(&[text]).is_none_or(|back| back == [text]));
            }
        }

        #[test]
        fn whatever_the_bytes_parsing_ends(bytes in prop::collection::vec(any::<u8>(), 0..60), count in 0usize..6) {
            if let Some(numbers) = Numbers::parse(&bytes, count) {
                let mut before = numbers.start();
                (0..count).for_each(|at| numbers.text(&bytes, at, &mut before, &mut Vec::new()));
            }
        }
    }
}
