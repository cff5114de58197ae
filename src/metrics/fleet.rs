//! All instances at one time, and where they differ from those of an earlier time.

use std::iter::from_fn;
use std::ops::Range;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::instruments::catalog::INSTANCE_UP;
use crate::store::InstanceSnapshot;

use super::instances::Row;
use super::text::labels;

/// All instances at one time.
pub(super) struct Fleet {
    /// In the order of their keys.
    pub(super) snapshots: Vec<Arc<InstanceSnapshot>>,
    /// When they were looked at.
    pub(super) at: DateTime<Utc>,
    heads: Arc<Heads>,
}

/// What each instance's series begin with, one behind the other: they are read in this order again
/// and again.
struct Heads {
    text: Box<[u8]>,
    /// Where each one ends.
    ends: Box<[u32]>,
}

/// Where the places of a family differ from those of an earlier fleet. A family has a place for
/// its header and one for each instance.
pub(super) struct Changes {
    /// Where the instance of each place stood then.
    then: Vec<Option<u32>>,
    /// How many before each place, and at last of all, have changed, or follow something else.
    changed: Vec<u32>,
    /// Places of a family then.
    width_then: usize,
}

impl Fleet {
    /// These instances, at this time, after what they were `before`.
    pub(super) fn new(
        snapshots: Vec<Arc<InstanceSnapshot>>,
        at: DateTime<Utc>,
        before: Option<&Self>,
    ) -> Self {
        let are_alike = |before: &&Self| {
            let mut pairs = snapshots.iter().zip(&before.snapshots);
            snapshots.len() == before.snapshots.len()
                && pairs.all(|(now, then)| {
                    Arc::ptr_eq(now, then) || now.identity.revision() == then.identity.revision()
                })
        };
        let heads = match before.filter(are_alike) {
            Some(before) => Arc::clone(&before.heads),
            None => Heads::new(&snapshots).into(),
        };
        Self { snapshots, at, heads }
    }

    pub(super) fn row(&self, instance: usize) -> Row<'_> {
        Row::new(&self.snapshots[instance], self.heads.get(instance), self.at)
    }

    /// Places of a family.
    pub(super) fn width(&self) -> usize {
        self.snapshots.len() + 1
    }
}

impl Heads {
    fn new(snapshots: &[Arc<InstanceSnapshot>]) -> Self {
        let (mut text, mut ends) = (Vec::new(), Vec::with_capacity(snapshots.len()));
        for snapshot in snapshots {
            let key = snapshot.key();
            let values = [&*key.account, &*key.region_id, &*key.db_instance_id];
            text.extend(labels(INSTANCE_UP.labels, &values));
            // A fleet of 4 GiB of labels does not fit elsewhere either.
            ends.push(text.len() as u32);
        }
        Self { text: text.into(), ends: ends.into() }
    }

    fn get(&self, instance: usize) -> &[u8] {
        let start = instance.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start as usize..self.ends[instance] as usize]
    }
}

impl Changes {
    /// What is different about `now`.
    pub(super) fn between(then: &Fleet, now: &Fleet) -> Self {
        let mut places: Vec<Option<u32>> = Vec::with_capacity(now.width());
        let mut changed = Vec::with_capacity(now.width() + 1);
        let mut count = 0;
        changed.push(count);
        let mut note = |place: Option<u32>, has_changed: bool| {
            places.push(place);
            count += u32::from(has_changed);
            changed.push(count);
        };
        // Whether headers follow something else is known at last.
        note(Some(0), false);
        let (mut earlier, mut last) = (0, Some(0));
        for snapshot in &now.snapshots {
            // A key is read only where the snapshot is another one: that of most is not at hand.
            let is_same = |at: usize| {
                then.snapshots.get(at).is_some_and(|other| Arc::ptr_eq(other, snapshot))
            };
            let was_at = |at: usize| {
                is_same(at)
                    || then.snapshots.get(at).is_some_and(|other| other.key() == snapshot.key())
            };
            if !was_at(earlier) {
                let rest = then.snapshots.get(earlier..).unwrap_or_default();
                earlier += rest.partition_point(|other| other.key() < snapshot.key());
            }
            let was_there = was_at(earlier);
            let place = was_there.then_some(earlier as u32 + 1);
            let is_untouched = is_same(earlier) && snapshot.withdrawn_after().is_none();
            let follows = was_there && place == last.map(|last: u32| last + 1);
            note(place, !is_untouched || !follows);
            earlier += usize::from(was_there);
            last = place;
        }
        let header_follows = last == Some(then.snapshots.len() as u32);
        if !header_follows {
            changed[1..].iter_mut().for_each(|count| *count += 1);
        }
        Self { then: places, changed, width_then: then.width() }
    }

    /// The cell that the one at `cell` was then.
    pub(super) fn then(&self, cell: usize) -> Option<usize> {
        let width = self.then.len();
        let place = self.then[cell % width]?;
        Some(cell / width * self.width_then + place as usize)
    }

    /// Whether some of these cells may have changed: if not, they stood then one behind the other.
    pub(super) fn may_touch(&self, cells: Range<usize>) -> bool {
        self.count(cells.start) != self.count(cells.end)
    }

    /// Those of these cells that may have changed, or follow something else.
    pub(super) fn touched(&self, cells: Range<usize>) -> impl Iterator<Item = usize> {
        let mut left = cells;
        from_fn(move || {
            let cell = self.first_touched(left.clone())?;
            left.start = cell + 1;
            Some(cell)
        })
    }

    fn first_touched(&self, cells: Range<usize>) -> Option<usize> {
        let width = self.then.len();
        let mut start = cells.start;
        while start < cells.end {
            let place = start % width;
            let before = self.changed[place];
            let behind = self.changed.partition_point(|count| *count <= before);
            if behind <= width {
                let cell = start - place + behind - 1;
                return (cell < cells.end).then_some(cell);
            }
            start += width - place;
        }
        None
    }

    /// How many of the cells before this one have changed.
    fn count(&self, cell: usize) -> u64 {
        let (width, last) = (self.then.len(), self.changed.len() - 1);
        let of_a_family = u64::from(self.changed[last]);
        (cell / width) as u64 * of_a_family + u64::from(self.changed[cell % width])
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use crate::domain::{Engine, InstanceKey};

    use super::*;

    fn snapshot(number: u32) -> Arc<InstanceSnapshot> {
        let key = InstanceKey {
            account: "default".into(),
            region_id: "cn-hangzhou".into(),
            db_instance_id: format!("rm-{number:03}").into(),
        };
        InstanceSnapshot::pending(key, Engine::MySQL, "".into(), Duration::ZERO).into()
    }

    fn fleet(snapshots: impl IntoIterator<Item = Arc<InstanceSnapshot>>) -> Fleet {
        Fleet::new(snapshots.into_iter().collect(), DateTime::UNIX_EPOCH, None)
    }

    /// The instance of a cell; `None` for a header.
    fn at(fleet: &Fleet, cell: usize) -> Option<&Arc<InstanceSnapshot>> {
        fleet.snapshots.get((cell % fleet.width()).checked_sub(1)?)
    }

    proptest! {
        #[test]
        fn cells_that_are_not_touched_stood_so_before(
            // Of each of these instances: whether it was there, is there, and is another one.
            fates in prop::collection::vec((any::<bool>(), any::<bool>(), 0..8_u8), 0..40),
            (families, range) in (1..4_usize, any::<(prop::sample::Index, prop::sample::Index)>()),
        ) {
            let all: Vec<_> = (0..fates.len() as u32).map(snapshot).collect();
            let of_all = || all.iter().zip(&fates).enumerate();
            let then = of_all().filter(|(_, (_, fate))| fate.0).map(|(_, (old, _))| Arc::clone(old));
            let then = fleet(then);
            let now = of_all().filter(|(_, (_, fate))| fate.1).map(|(number, (old, fate))| {
                if fate.2 == 0 { snapshot(number as u32) } else { Arc::clone(old) }
            });
            let now = fleet(now);
            let changes = Changes::between(&then, &now);

            let cells = families * now.width();
            let (a, b) = (range.0.index(cells + 1), range.1.index(cells + 1));
            let range = a.min(b)..a.max(b);
            let touched: Vec<usize> = changes.touched(range.clone()).collect();
            let expected: Vec<usize> =
                range.clone().filter(|cell| changes.may_touch(*cell..cell + 1)).collect();
            prop_assert_eq!(touched, expected);
            let first = changes.then(range.start.min(cells - 1));
            if !range.is_empty() && !changes.may_touch(range.clone()) {
                let first = first.unwrap();
                for (step, cell) in range.enumerate() {
                    prop_assert_eq!(changes.then(cell), Some(first + step));
                    match (at(&now, cell), at(&then, first + step)) {
                        (Some(now), Some(then)) => prop_assert!(Arc::ptr_eq(now, then)),
                        (now, then) => prop_assert!(now.is_none() && then.is_none()),
                    }
                }
            }
        }
    }

    #[test]
    fn a_change_touches_its_own_cells_only() {
        let then = fleet((0..10).map(snapshot));
        let mut now = fleet(then.snapshots.iter().map(Arc::clone));
        now.snapshots[4] = snapshot(4);
        let changes = Changes::between(&then, &now);
        let touched: Vec<usize> =
            (0..22).filter(|cell| changes.may_touch(*cell..cell + 1)).collect();
        assert_eq!(touched, [5, 16]);
    }
}
