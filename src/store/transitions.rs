//! How often tasks of an instance were seen to enter each status.

use std::collections::BTreeMap;
use std::iter::from_fn;

use crate::domain::TaskStatus;

/// A count for each status: of the documented ones from the start, of others once one was entered.
/// There is one of these for every instance, so it is small.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transitions {
    /// By their places.
    documented: [u32; TaskStatus::DOCUMENTED.len()],
    /// Hardly any instance has some.
    others: BTreeMap<TaskStatus, u32>,
}

impl Transitions {
    /// Counts tasks that entered `status`.
    pub fn add(&mut self, status: TaskStatus, tasks: u32) {
        let count = match status.documented_place() {
            Some(place) => &mut self.documented[place],
            None => self.others.entry(status).or_default(),
        };
        *count = count.saturating_add(tasks);
    }

    /// Statuses and their counts, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (TaskStatus, u32)> {
        let mut documented = TaskStatus::DOCUMENTED.into_iter().zip(self.documented).peekable();
        let others = self.others.iter();
        let mut others = others.map(|(status, count)| (*status, *count)).peekable();
        from_fn(move || match (documented.peek(), others.peek()) {
            (Some((documented, _)), Some((other, _))) if other < documented => others.next(),
            (Some(_), _) => documented.next(),
            (None, _) => others.next(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_stands_once_and_in_the_order_of_the_names() {
        let mut transitions = Transitions::default();
        for word in ["Zz", "Aa", "NotStart", "PausedByOperator", "Zz"] {
            transitions.add(TaskStatus::parse(word).unwrap(), 1);
        }
        let counts: Vec<_> = transitions.iter().collect();
        assert!(counts.is_sorted_by(|(one, _), (other, _)| one.as_str() < other.as_str()));
        assert_eq!(counts.len(), TaskStatus::DOCUMENTED.len() + 3);
        let entered = counts.into_iter().filter(|(_, count)| *count > 0);
        let entered: Vec<_> = entered.map(|(status, count)| (status.as_str(), count)).collect();
        let expected = [("Aa", 1), ("NotStart", 1), ("PausedByOperator", 1), ("Zz", 2)];
        assert_eq!(entered, expected);
    }
}
