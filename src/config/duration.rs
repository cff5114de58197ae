//! Durations as the configuration writes them: `30s`, `5m`, `24h`, `30d`, `1h30m`.

use std::time::Duration;

/// What a duration looks like, for messages.
const ALLOWED: &str = "allowed: whole numbers with their unit (d, h, m or s, the longest first), \
                       from 1s to 3650d, such as 30s or 1h30m";

/// Units and their seconds, the longest first.
const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// Longest duration, in seconds: the API can know nothing older, and times stay far from overflow.
const MAX_SECONDS: u64 = 3_650 * 86_400;

/// Reads a duration from 1s to 3650d.
///
/// # Errors
///
/// What is wrong with the text and what is allowed, to follow the text in a sentence.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let seconds = seconds(text).ok_or_else(|| format!("is not a duration; {ALLOWED}"))?;
    match seconds {
        0 => Err(format!("is too short; {ALLOWED}")),
        1..=MAX_SECONDS => Ok(Duration::from_secs(seconds)),
        _ => Err(format!("is too long; {ALLOWED}")),
    }
}

/// Writes a duration of whole seconds as the configuration would, such as `1h30m`.
pub fn format(duration: Duration) -> String {
    let mut rest = duration.as_secs();
    let mut text = String::new();
    for (unit, seconds) in UNITS {
        if rest >= seconds {
            text.push_str(&(rest / seconds).to_string());
            text.push(unit);
            rest %= seconds;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

fn seconds(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut total = 0_u64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at(digits);
        let unit = tail.chars().next()?;
        let (_, seconds) = units.find(|(name, _)| *name == unit)?;
        if number.is_empty() {
            return None;
        }
        // Saturating: what overflows is too long anyway.
        let number: u64 = number.parse().unwrap_or(u64::MAX);
        total = total.saturating_add(number.saturating_mul(*seconds));
        rest = &tail[unit.len_utf8()..];
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for text in ["1s", "30s", "5m", "24h", "30d", "1h30m", "1d2h3m4s"] {
            let written = format(parse(text).unwrap());
            assert_eq!(parse(&written), parse(text), "{text}");
        }
        assert_eq!(format(Duration::from_secs(5_400)), "1h30m");
        assert_eq!(format(Duration::from_secs(86_400)), "1d");
        assert_eq!(format(Duration::ZERO), "0s");
    }

    #[test]
    fn tells_what_is_wrong() {
        for text in ["", "30", "s", "1.5h", "-1s", "30 s", "30S", "5m1h", "1s1s", "1w", "½d", "1日"]
        {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with("is not a duration; "), "{text}: {error}");
        }
        assert!(parse("0s").unwrap_err().starts_with("is too short; "));
        for text in ["3651d", "99999999999999999999d"] {
            assert!(parse(text).unwrap_err().starts_with("is too long; "), "{text}");
        }
    }
}
