//! Times as the API writes them.

use chrono::{
    DateTime, DurationRound as _, NaiveDate, NaiveDateTime, SecondsFormat, TimeDelta, Utc,
};

/// Formats a request's `StartTime` or `EndTime`: UTC, to the minute, rounded down.
pub fn to_minute(time: DateTime<Utc>) -> String {
    let mut text = to_second(time);
    text.truncate(text.len() - ":00Z".len());
    text.push('Z');
    text
}

/// Formats a time as positions are written: UTC, to the second.
pub fn to_second(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Rounds down to the minute, the API's precision for windows.
pub fn floor_minute(time: DateTime<Utc>) -> DateTime<Utc> {
    // Only times hundreds of years away cannot be rounded; they stay as they are.
    time.duration_trunc(TimeDelta::minutes(1)).unwrap_or(time)
}

/// Reads `IncrementalImportingTime`, of which a page has a hundred, mostly of the same day.
#[derive(Debug, Default)]
pub struct Positions {
    /// The last day read, as it was written, and when it began in Unix seconds.
    day: Option<([u8; 10], i64)>,
}

impl Positions {
    /// Reads a position, which is documented with seconds and sampled without. In Unix seconds.
    pub fn read(&mut self, text: &str) -> Option<i64> {
        self.read_fixed(text.as_bytes()).or_else(|| read_loose(text.trim()))
    }

    /// Reads the documented forms.
    fn read_fixed(&mut self, text: &[u8]) -> Option<i64> {
        let (date, time) = text.split_first_chunk()?;
        let (hour, minute, second) = match *time {
            [b'T', h1, h2, b':', m1, m2, b'Z'] => (number(&[h1, h2])?, number(&[m1, m2])?, 0),
            [b'T', h1, h2, b':', m1, m2, b':', s1, s2, b'Z'] => {
                (number(&[h1, h2])?, number(&[m1, m2])?, number(&[s1, s2])?)
            }
            _ => return None,
        };
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let midnight = match self.day {
            Some((day, midnight)) if day == *date => midnight,
            _ => self.day.insert((*date, midnight(date)?)).1,
        };
        Some(midnight + i64::from(hour * 3_600 + minute * 60 + second))
    }
}

/// When the day began, in Unix seconds.
fn midnight(date: &[u8; 10]) -> Option<i64> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *date else { return None };
    let year = i32::try_from(number(&[y1, y2, y3, y4])?).ok()?;
    let date = NaiveDate::from_ymd_opt(year, number(&[m1, m2])?, number(&[d1, d2])?)?;
    Some(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp())
}

fn number(digits: &[u8]) -> Option<u32> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| u32::from(byte - b'0'));
    digits.iter().try_fold(0, |number, byte| Some(number * 10 + digit(*byte)?))
}

/// Reads what is written a little differently, such as without leading zeros.
fn read_loose(text: &str) -> Option<i64> {
    ["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .map(|time| time.and_utc().timestamp())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn windows_are_rounded_down_to_the_minute() {
        assert_eq!(to_minute(utc("2026-11-24T04:05:59.999Z")), "2026-11-24T04:05Z");
        assert_eq!(floor_minute(utc("2026-11-24T04:05:59.999Z")), utc("2026-11-24T04:05:00Z"));
    }

    fn read(text: &str) -> Option<i64> {
        Positions::default().read(text)
    }

    #[test]
    fn positions_are_read_with_and_without_seconds() {
        let written = |text: &str| Some(utc(text).timestamp());
        assert_eq!(read("2011-06-11T15:00Z"), written("2011-06-11T15:00:00Z"));
        assert_eq!(read("2011-06-11T15:00:07Z"), written("2011-06-11T15:00:07Z"));
        assert_eq!(read(" 2011-6-11T15:00Z\n"), written("2011-06-11T15:00:00Z"));
        for nonsense in [
            "",
            "yesterday",
            "2011-06-11",
            "2011-13-11T15:00Z",
            "2011-06-31T15:00Z",
            "2011-06-11T24:00Z",
            "2011-06-11T15:60Z",
            "2011-06-11T15:00",
            "\0\0\0\0\0\0\0\0\0\0T15:00Z",
        ] {
            assert_eq!(read(nonsense), None, "{nonsense}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            let _ = read(&text);
        }

        #[test]
        fn a_position_survives_being_written_and_read(
            // Of one day, and of any.
            times in prop::collection::vec(
                prop_oneof![1_795_478_400_i64..1_795_564_800, 0_i64..4_000_000_000],
                1..20,
            ),
        ) {
            let mut positions = Positions::default();
            for seconds in times {
                let time = DateTime::from_timestamp(seconds, 0).unwrap();
                let (written, minute) = (to_second(time), floor_minute(time).timestamp());
                prop_assert_eq!(positions.read_fixed(written.as_bytes()), Some(seconds));
                prop_assert_eq!(positions.read(&written), Some(seconds));
                prop_assert_eq!(read_loose(&written), Some(seconds));
                prop_assert_eq!(positions.read(&to_minute(time)), Some(minute));
            }
        }
    }
}
