//! The two ways of paging through instances, by number and by token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::parameters::{LARGEST, integer};
use crate::simulator::wire::call::Call;
use crate::simulator::wire::refusal::Refusal;

/// A page holds up to so many instances, by either way of paging.
const LARGEST_PAGE: u64 = 100;
const DEFAULT_PAGE: u64 = 30;

/// Which page is asked for, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paging {
    /// `PageSize` and `PageNumber`.
    Number { size: u64, number: u64 },
    /// `MaxResults` and `NextToken`.
    Token { size: u64, next: Next },
}

/// Where the next page begins, as its token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Next {
    pub(super) page: u64,
    pub(super) offset: u64,
}

impl Paging {
    pub(super) fn read(call: &Call) -> Result<Self, Refusal> {
        let pages = 1..=LARGEST_PAGE;
        let size = integer(call, "MaxResults", "MaxResults", pages.clone())?;
        let token = call.get("NextToken");
        if size.is_none() && token.is_none() {
            return Ok(Self::Number {
                size: integer(call, "PageSize", "PageSize", pages)?.unwrap_or(DEFAULT_PAGE),
                // The reference spells this code with an s.
                number: integer(call, "PageNumber", "PageNumbers", 1..=LARGEST)?.unwrap_or(1),
            });
        }
        let next = match token {
            None => Next { page: 1, offset: 0 },
            Some(token) => Next::read(token).ok_or_else(|| {
                Refusal::malformed("NextToken", "give the one that the last answer gave")
            })?,
        };
        Ok(Self::Token { size: size.unwrap_or(DEFAULT_PAGE), next })
    }

    /// The page's number and size.
    pub(super) fn page(self) -> (u64, u64) {
        match self {
            Self::Number { size, number } => (number, size),
            Self::Token { size, next } => (next.page, size),
        }
    }
}

impl Next {
    pub(super) fn token(self) -> String {
        URL_SAFE_NO_PAD.encode(format!("page {} from {}", self.page, self.offset))
    }

    fn read(token: &str) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
        let (page, offset) = text.strip_prefix("page ")?.split_once(" from ")?;
        let next = Self { page: page.parse().ok()?, offset: offset.parse().ok()? };
        (next.page >= 1 && next.token() == token).then_some(next)
    }
}

/// The page that a request of any operation asks for, taken at its word; 0 if that makes no sense.
pub(crate) fn page(call: &Call) -> u64 {
    match (call.get("NextToken"), call.get("PageNumber")) {
        (Some(token), _) => Next::read(token).map_or(0, |next| next.page),
        (None, Some(number)) if call.get("MaxResults").is_none() => number.parse().unwrap_or(0),
        _ => 1,
    }
}

/// The members of a list from a place on.
pub(super) fn slice<T: Clone>(list: &[T], offset: u64, size: u64) -> Vec<T> {
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    list.iter().skip(offset).take(size).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_leads_to_its_page_and_no_other_text_does() {
        let next = Next { page: 3, offset: 60 };
        assert_eq!(Next::read(&next.token()), Some(next));
        let encoded = |text: &str| URL_SAFE_NO_PAD.encode(text);
        for other in ["", "page 3 from 60", &encoded("page 0 from 0"), &encoded("page 03 from 60")]
        {
            assert_eq!(Next::read(other), None, "{other}");
        }
    }

    #[test]
    fn a_place_past_the_end_holds_nothing() {
        assert_eq!(slice(&[1, 2, 3], 1, 30), [2, 3]);
        assert!(slice(&[1, 2, 3], u64::MAX, u64::MAX).is_empty());
    }
}
