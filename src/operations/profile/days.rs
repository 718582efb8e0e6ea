//! The days of a year by number. It promises to take no day that the calendar does not have.

fn lengths(year: u16) -> [u16; 12] {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    [31, if is_leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
}

/// The number of a day in its year, from 0; `None`: there is no such day.
pub fn day_of_year(year: u16, month: u16, day: u16) -> Option<u16> {
    let lengths = lengths(year);
    let before = usize::from(month).checked_sub(1)?;
    let length = *lengths.get(before)?;
    (1..=length).contains(&day).then(|| lengths.iter().take(before).sum::<u16>() + day - 1)
}

/// Month and day of the day of that number.
pub fn month_and_day(year: u16, mut number: u16) -> (u16, u16) {
    let mut month = 1;
    for length in lengths(year) {
        if number < length {
            break;
        }
        number -= length;
        month += 1;
    }
    (month, number + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_has_its_number_and_no_other() {
        for (year, days) in [(1984, 366), (1900, 365), (2000, 366), (2023, 365)] {
            for number in 0..days {
                let (month, day) = month_and_day(year, number);
                assert_eq!(day_of_year(year, month, day), Some(number));
            }
        }
        for (month, day) in [(0, 1), (13, 1), (2, 29), (4, 31), (1, 0)] {
            assert_eq!(day_of_year(2023, month, day), None);
        }
    }
}
