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

/// Reads `IncrementalImportingTime`, which is documented with seconds and sampled without.
pub fn parse_position(text: &str) -> Option<DateTime<Utc>> {
    parse_fixed(text.as_bytes()).or_else(|| parse_loose(text))
}

/// Reads the documented forms, of which a poll may read thousands.
fn parse_fixed(text: &[u8]) -> Option<DateTime<Utc>> {
    let (date, time) = text.strip_suffix(b"Z")?.split_at_checked(10)?;
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *date else { return None };
    let (hour, minute, second) = match *time {
        [b'T', h1, h2, b':', m1, m2] => (number(&[h1, h2])?, number(&[m1, m2])?, 0),
        [b'T', h1, h2, b':', m1, m2, b':', s1, s2] => {
            (number(&[h1, h2])?, number(&[m1, m2])?, number(&[s1, s2])?)
        }
        _ => return None,
    };
    let year = i32::try_from(number(&[y1, y2, y3, y4])?).ok()?;
    let date = NaiveDate::from_ymd_opt(year, number(&[m1, m2])?, number(&[d1, d2])?)?;
    Some(date.and_hms_opt(hour, minute, second)?.and_utc())
}

fn number(digits: &[u8]) -> Option<u32> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| u32::from(byte - b'0'));
    digits.iter().try_fold(0, |number, byte| Some(number * 10 + digit(*byte)?))
}

/// Reads what is written a little differently, such as without leading zeros.
fn parse_loose(text: &str) -> Option<DateTime<Utc>> {
    ["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .map(|time| time.and_utc())
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

    #[test]
    fn positions_are_read_with_and_without_seconds() {
        assert_eq!(parse_position("2011-06-11T15:00Z"), Some(utc("2011-06-11T15:00:00Z")));
        assert_eq!(parse_position("2011-06-11T15:00:07Z"), Some(utc("2011-06-11T15:00:07Z")));
        for nonsense in ["", "yesterday", "2011-06-11", "2011-13-11T15:00Z", "2011-06-11T15:00"] {
            assert_eq!(parse_position(nonsense), None, "{nonsense}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            let _ = parse_position(&text);
        }

        #[test]
        fn a_position_survives_being_written_and_read(seconds in 0_i64..4_000_000_000) {
            let time = DateTime::from_timestamp(seconds, 0).unwrap();
            prop_assert_eq!(parse_fixed(to_second(time).as_bytes()), Some(time));
            prop_assert_eq!(parse_loose(&to_second(time)), Some(time));
            prop_assert_eq!(parse_position(&to_second(time)), Some(time));
            prop_assert_eq!(parse_position(&to_minute(time)), Some(floor_minute(time)));
        }
    }
}
