//! The exporter's own families, as text and deflated: made anew when one of their values has changed.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::instruments::{Families, GROUPS, Instruments};

use super::format::Format;
use super::gzip::{Fragment, Press};
use super::registered;
use super::text::written;

/// Makes the text of each group of the instruments' families, and keeps it.
pub(super) struct Own {
    instruments: Instruments,
    kept: Mutex<Kept>,
}

struct Kept {
    press: Press,
    /// By group and format.
    made: [[Option<Made>; Format::ALL.len()]; GROUPS],
}

struct Made {
    /// What the group's [`changes`](Families::changes) were before it was made.
    changes: u64,
    text: Bytes,
    deflated: Option<Fragment>,
}

impl Own {
    pub(super) fn new(instruments: Instruments) -> Self {
        let kept = Kept { press: Press::default(), made: Default::default() };
        Self { instruments, kept: Mutex::new(kept) }
    }

    /// The text of each group at `now`, in the order of the page.
    pub(super) fn texts(&self, format: Format, now: DateTime<Utc>) -> [Bytes; GROUPS] {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let groups = self.instruments.groups(now);
        std::array::from_fn(|group| {
            let kept = &mut kept.made[group][format as usize];
            Made::of(groups[group], format, kept).text.clone()
        })
    }

    /// The same, deflated.
    pub(super) fn fragments(&self, format: Format, now: DateTime<Utc>) -> [Fragment; GROUPS] {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let Kept { press, made } = &mut *kept;
        let mut fragments: [Fragment; GROUPS] = Default::default();
        for (group, families) in self.instruments.groups(now).into_iter().enumerate() {
            let made = Made::of(families, format, &mut made[group][format as usize]);
            fragments[group] = match made.deflated.take() {
                Some(fragment) => fragment,
                None => press.fragment(|text| text.bytes(&made.text)),
            };
            made.deflated = Some(fragments[group].clone());
        }
        fragments
    }
}

impl Made {
    /// What was made of `families`, or what is made now if they have changed.
    fn of<'k>(families: Families<'_>, format: Format, kept: &'k mut Option<Self>) -> &'k mut Self {
        let changes = families.changes();
        let made = match kept.take() {
            Some(made) if made.changes == changes => made,
            _ => {
                let text = written(|text| {
                    for family in families.gather() {
                        registered::write(&family, format, text);
                    }
                });
                Self { changes, text: text.into(), deflated: None }
            }
        };
        kept.insert(made)
    }
}

#[cfg(test)]
mod tests {
    use crate::instruments::Scope;

    use super::*;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    #[test]
    fn a_change_shows_at_once_and_leaves_the_other_groups_as_they_were() {
        let instruments = Instruments::new().unwrap();
        instruments.announce(Scope { account: "default", region_id: "cn-hangzhou" }, 5.0);
        instruments.announce_handler("metrics");
        let own = Own::new(instruments.clone());
        for format in Format::ALL {
            let before = own.texts(format, NOW);
            let fragments = own.fragments(format, NOW);
            instruments.http_request("metrics", 200, std::time::Duration::from_millis(1));

            let after = own.texts(format, NOW);
            let fragments_after = own.fragments(format, NOW);
            for group in 0..GROUPS {
                let is_http = group == 1;
                assert_eq!(before[group] != after[group], is_http, "{group}");
                // Not only the same, but kept.
                let same = before[group].as_ptr() == after[group].as_ptr();
                assert_eq!(same, !is_http, "{group}");
                let (before, after) =
                    (&fragments[group].deflated, &fragments_after[group].deflated);
                assert_eq!(before.as_ptr() == after.as_ptr(), !is_http, "{group}");
                assert_eq!(
                    fragments_after[group].sum.size,
                    own.texts(format, NOW)[group].len() as u64
                );
            }
        }
    }
}
