//! The exporter's own families, as text and deflated: made anew when one of their values has changed.

use std::sync::{Mutex, MutexGuard, PoisonError};

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

#[derive(Default)]
struct Kept {
    press: Press,
    /// By format and group.
    made: [[Made; GROUPS]; Format::ALL.len()],
}

/// The groups at one time, in the order of the page.
pub(super) type Groups<'a> = [Families<'a>; GROUPS];

#[derive(Default)]
struct Made {
    /// What the group's [`changes`](Families::changes) were when it was made.
    changes: Option<u64>,
    text: Bytes,
    deflated: Option<Fragment>,
}

impl Own {
    pub(super) fn new(instruments: Instruments) -> Self {
        Self { instruments, kept: Mutex::default() }
    }

    /// The groups at `now`.
    pub(super) fn groups(&self, now: DateTime<Utc>) -> Groups<'_> {
        self.instruments.groups(now)
    }

    /// The text of each group.
    pub(super) fn texts(&self, groups: Groups<'_>, format: Format) -> [Bytes; GROUPS] {
        let mut kept = self.kept();
        let made = &mut kept.made[format as usize];
        std::array::from_fn(|group| made[group].refreshed(groups[group], format).text.clone())
    }

    /// The same, deflated.
    pub(super) fn fragments(&self, groups: Groups<'_>, format: Format) -> [Fragment; GROUPS] {
        let Kept { press, made } = &mut *self.kept();
        let made = &mut made[format as usize];
        std::array::from_fn(|group| made[group].refreshed(groups[group], format).deflated(press))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Made {
    /// Makes the text anew if the group has changed.
    fn refreshed(&mut self, families: Families<'_>, format: Format) -> &mut Self {
        let changes = Some(families.changes());
        if self.changes != changes {
            *self = Self { changes, text: gathered(families, format).into(), deflated: None };
        }
        self
    }

    fn deflated(&mut self, press: &mut Press) -> Fragment {
        let Self { text, deflated, .. } = self;
        deflated.get_or_insert_with(|| press.fragment(|into| into.bytes(text))).clone()
    }
}

fn gathered(families: Families<'_>, format: Format) -> Vec<u8> {
    written(|text| {
        for family in families.gather() {
            registered::write(&family, format, text);
        }
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::TimeDelta;

    use crate::instruments::Scope;

    use super::*;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;
    const HTTP: usize = 1;
    const POLLS: usize = 2;

    #[test]
    fn a_change_shows_at_once_and_leaves_the_other_groups_as_they_were() {
        let instruments = Instruments::new().unwrap();
        let scope = Scope { account: "default", region_id: "cn-hangzhou" };
        instruments.announce(scope, 5.0);
        let own = Own::new(instruments.clone());
        for format in Format::ALL {
            let groups = own.groups(NOW);
            let (texts, fragments) = (own.texts(groups, format), own.fragments(groups, format));
            instruments.walk_restart(scope, "count");

            let groups = own.groups(NOW);
            let (texts_after, fragments_after) =
                (own.texts(groups, format), own.fragments(groups, format));
            for group in 0..GROUPS {
                let has_changed = group == POLLS;
                assert_eq!(texts[group] != texts_after[group], has_changed, "{group}");
                // Not only the same, but kept.
                let same = texts[group].as_ptr() == texts_after[group].as_ptr();
                assert_eq!(same, !has_changed, "{group}");
                let (before, after) = (&fragments[group], &fragments_after[group]);
                let same = before.deflated.as_ptr() == after.deflated.as_ptr();
                assert_eq!(same, !has_changed, "{group}");
                assert_eq!(after.sum.size, texts_after[group].len() as u64);
            }
        }
    }

    #[test]
    fn requests_show_after_a_second_at_most() {
        let instruments = Instruments::new().unwrap();
        let own = Own::new(instruments.clone());
        let shown = |milliseconds| {
            let groups = own.groups(NOW + TimeDelta::milliseconds(milliseconds));
            let [_, http, ..] = own.texts(groups, Format::Text);
            let changes = groups[HTTP].changes();
            (changes, String::from_utf8_lossy(&http).into_owned())
        };
        let (changes, _) = shown(0);
        instruments.http_request("metrics", 200, Duration::from_millis(1));
        assert_eq!(shown(999).0, changes);

        let (changes_after, text) = shown(1_000);
        assert!(changes_after > changes);
        assert!(
            text.contains("http_requests_total{code=\"200\",handler=\"metrics\"} 1\n"),
            "{text}"
        );
    }
}
