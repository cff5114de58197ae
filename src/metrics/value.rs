//! Values of samples as decimals.

use std::io::Write as _;

/// The first number of more digits than are written at once.
const EIGHT_DIGITS: u64 = 100_000_000;
/// Eight times the digit 0.
const ZEROS: u64 = u64::from_le_bytes(*b"00000000");

/// The value of a sample. Both are written as the shortest decimal that reads back the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    Integer(u64),
    Float(f64),
}

impl Value {
    pub(super) fn write(self, text: &mut Vec<u8>) {
        match self {
            Self::Integer(integer) => write_integer(integer, text),
            Self::Float(float) => write_float(float, text),
        }
    }
}

/// Writes an integer: there are two in most lines of a page, which takes a fifth longer if this is a
/// call.
#[inline(always)]
pub(super) fn write_integer(integer: u64, text: &mut Vec<u8>) {
    let (above, below) = (integer / EIGHT_DIGITS, integer % EIGHT_DIGITS);
    match above {
        0 => write_short(below, text),
        1..EIGHT_DIGITS => {
            write_short(above, text);
            append_last::<8>(eight_digits(below), text);
        }
        _ => {
            write_short(above / EIGHT_DIGITS, text);
            append_last::<8>(eight_digits(above % EIGHT_DIGITS), text);
            append_last::<8>(eight_digits(below), text);
        }
    }
}

/// Writes an integer below [`EIGHT_DIGITS`].
///
/// The processor foresees how long it will be, since most integers of a family are of one length: it
/// goes on with what follows before it has the digits.
#[inline(always)]
fn write_short(integer: u64, text: &mut Vec<u8>) {
    let digits = eight_digits(integer);
    match integer {
        0..10 => append_last::<1>(digits, text),
        10..100 => append_last::<2>(digits, text),
        100..1_000 => append_last::<3>(digits, text),
        1_000..10_000 => append_last::<4>(digits, text),
        10_000..100_000 => append_last::<5>(digits, text),
        100_000..1_000_000 => append_last::<6>(digits, text),
        1_000_000..10_000_000 => append_last::<7>(digits, text),
        _ => append_last::<8>(digits, text),
    }
}

/// Appends the last `LENGTH` of eight digits.
#[inline(always)]
fn append_last<const LENGTH: usize>(digits: u64, text: &mut Vec<u8>) {
    let last = (digits | ZEROS) >> (8 * (8 - LENGTH));
    text.extend_from_slice(&last.to_le_bytes()[..LENGTH]);
}

/// The digits of a number below [`EIGHT_DIGITS`], a byte each, the first one in the lowest byte.
///
/// Both halves are divided at once, then all quarters, then all eighths: a multiplication and a shift
/// divide what stands in every part of a word, as long as no product reaches the next part (Paul
/// Khuong, "How to print integers really fast", 2017).
#[inline(always)]
fn eight_digits(number: u64) -> u64 {
    let halves = (number / 10_000) | ((number % 10_000) << 32);
    let hundreds = ((halves * 10_486) >> 20) & 0x7f_0000_007f;
    let quarters = hundreds | ((halves - hundreds * 100) << 16);
    let tens = ((quarters * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | ((quarters - tens * 10) << 8)
}

fn write_float(value: f64, text: &mut Vec<u8>) {
    if value.is_nan() {
        text.extend_from_slice(b"NaN");
    } else if value.is_infinite() {
        text.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
    } else {
        // Adding zero turns -0 into 0.
        let value = value + 0.0;
        let mut digits = zmij::Buffer::new();
        let digits = digits.format_finite(value);
        if digits.contains('e') {
            // Writing into memory cannot fail.
            let _ = write!(text, "{value}");
        } else {
            text.extend_from_slice(digits.strip_suffix(".0").unwrap_or(digits).as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(value: Value) -> String {
        let mut text = Vec::new();
        value.write(&mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn writes_numbers_in_their_shortest_form_without_exponent() {
        let cases = [
            (Value::Integer(u64::MAX), "18446744073709551615"),
            (Value::Integer(0), "0"),
            (Value::Float(1_700_000_000.0), "1700000000"),
            (Value::Float(1_700_000_000.125), "1700000000.125"),
            (Value::Float(0.1), "0.1"),
            (Value::Float(1e-7), "0.0000001"),
            (Value::Float(0.000_123), "0.000123"),
            (Value::Float(0.1 + 0.2), "0.30000000000000004"),
            (Value::Float(100.0), "100"),
            (Value::Float(9_007_199_254_740_993.0), "9007199254740992"),
            (Value::Float(1e21), "1000000000000000000000"),
            (Value::Float(-0.0), "0"),
            (Value::Float(-2.5), "-2.5"),
            (Value::Float(f64::NAN), "NaN"),
            (Value::Float(f64::INFINITY), "+Inf"),
            (Value::Float(f64::NEG_INFINITY), "-Inf"),
        ];
        for (value, expected) in cases {
            assert_eq!(written(value), expected);
        }
    }

    #[test]
    fn writes_both_halves_of_eight_digits_whatever_they_are() {
        for half in 0..10_000 {
            for integer in [half, half * 10_000, half * 10_001] {
                assert_eq!(written(Value::Integer(integer)), integer.to_string());
            }
        }
    }

    #[test]
    fn writes_integers_of_every_length() {
        for length in 1..20 {
            let power = 10_u64.pow(length);
            for integer in [power - 1, power, power + 1] {
                assert_eq!(written(Value::Integer(integer)), integer.to_string());
            }
        }
    }

    proptest! {
        #[test]
        fn writes_any_integer_behind_what_stands_there(integer: u64, shift in 0..64_u32) {
            let integer = integer >> shift;
            let mut text = b"before".to_vec();
            write_integer(integer, &mut text);
            prop_assert_eq!(String::from_utf8(text).unwrap(), format!("before{integer}"));
        }
    }
}
