//! Checks that parameters of several operations share.

use std::ops::RangeInclusive;

use crate::simulator::wire::call::Call;
use crate::simulator::wire::refusal::Refusal;

/// The reference's integers have 32 bits.
pub(super) const LARGEST: u64 = i32::MAX as u64;

/// An optional integer; `code` is the name in its error code.
pub(super) fn integer(
    call: &Call,
    name: &str,
    code: &str,
    range: RangeInclusive<u64>,
) -> Result<Option<u64>, Refusal> {
    let Some(text) = call.get(name) else { return Ok(None) };
    let number = text.parse().ok().filter(|number| range.contains(number) && is_digits(text));
    let allowed = || format!("it must be an integer from {} to {}", range.start(), range.end());
    number.map(Some).ok_or_else(|| Refusal::malformed(code, &allowed()))
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `ClientToken`.
pub(super) fn check_token(call: &Call) -> Result<(), Refusal> {
    let token = call.get("ClientToken").unwrap_or_default();
    if token.is_ascii() && token.len() <= 64 {
        return Ok(());
    }
    Err(Refusal::malformed("ClientToken", "at most 64 characters, all of them ASCII"))
}

/// The parameters that name an owner, one way or another.
pub(super) fn check_owners(call: &Call) -> Result<(), Refusal> {
    for name in ["OwnerId", "ResourceOwnerId"] {
        integer(call, name, name, 0..=i64::MAX as u64)?;
    }
    if call.get("OwnerId").is_some() && call.get("OwnerAccount").is_some() {
        let message = "OwnerId and OwnerAccount can not be used together.";
        return Err(Refusal::new(400, "InvalidOwner", message));
    }
    Ok(())
}

/// A page of a list, from 1.
pub(super) fn page_of<T>(list: &[T], size: u64, number: u64) -> &[T] {
    let index = |place: u64| usize::try_from(place).map_or(list.len(), |at| at.min(list.len()));
    &list[index((number - 1).saturating_mul(size))..index(number.saturating_mul(size))]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pages_partition_the_list(length in 0..500_u64, size in prop::sample::select(vec![30_u64, 50, 100])) {
            let list: Vec<_> = (0..length).collect();
            let pages = length.div_ceil(size);
            let ids = (1..=pages).flat_map(|number| {
                let page = page_of(&list, size, number);
                assert_eq!(page.len() as u64, if number < pages { size } else { length - size * (pages - 1) });
                page.iter().copied()
            });
            prop_assert_eq!(ids.collect::<Vec<_>>(), (0..length).collect::<Vec<_>>());
            prop_assert!(page_of(&list, size, pages + 1).is_empty());
            prop_assert!(page_of(&list, size, u64::MAX).is_empty());
        }
    }
}
