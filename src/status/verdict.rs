//! Is everything fine? In one sentence.

use crate::store::PollState;

use super::LAGGING;
use super::account::Account;
use super::fleet::Summary;
use super::task::Concern;

/// How things are, and the sentence that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// How things are.
    pub(crate) mood: Mood,
    /// One sentence for people.
    pub(crate) sentence: String,
}

/// How things are; the last is the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mood {
    /// All is well.
    Fine,
    /// It is too early to tell.
    Waiting,
    /// Something may need attention.
    Attention,
    /// Something has failed.
    Trouble,
}

/// Judges what the counts say.
pub(super) fn verdict(summary: &Summary, accounts: &[Account<'_>]) -> Verdict {
    let total: u64 = summary.states.values().sum();
    let state = |state| summary.states.get(&state).copied().unwrap_or_default();
    let (pending, failing) = (state(PollState::Pending), state(PollState::Failing));
    let problems = problems(summary, failing, accounts);
    let Some(mood) = problems.iter().map(|(mood, _)| *mood).max() else {
        return quiet(summary, total, pending);
    };
    let parts: Vec<String> = problems.into_iter().map(|(_, text)| text).collect();
    Verdict { mood, sentence: sentence(&parts) }
}

/// What is wrong, the worst first.
fn problems(summary: &Summary, failing: u64, accounts: &[Account<'_>]) -> Vec<(Mood, String)> {
    let concern = |concern| summary.concerns.get(&concern).copied().unwrap_or_default();
    let (failed, lately) = (concern(Concern::Failed), summary.failed_lately);
    let backing_off: Vec<_> =
        accounts.iter().filter(|one| one.backing_off.is_some()).map(|one| one.name).collect();
    let mut problems = Vec::new();
    let mut add = |count: u64, mood, text: String| {
        if count > 0 {
            problems.push((mood, text));
        }
    };
    let when = match lately {
        0 => String::new(),
        _ if lately == failed => " in the last 24 hours".to_owned(),
        _ => format!(" ({lately} of them in the last 24 hours)"),
    };
    let text = format!("{} failed{when}", count(failed, "migration task", "migration tasks"));
    add(failed, Mood::Trouble, text);
    match &backing_off[..] {
        [] => {}
        [name] => add(1, Mood::Trouble, format!("the account {name} cannot call the API")),
        names => {
            add(1, Mood::Trouble, format!("{} accounts cannot call the API", names.len()));
        }
    }
    let text = format!("{} cannot be polled", count(failing, "instance", "instances"));
    add(failing, Mood::Trouble, text);
    let lagging = concern(Concern::Lagging);
    let is = if lagging == 1 { "is" } else { "are" };
    let minutes = LAGGING / 60;
    let tasks = count(lagging, "task", "tasks");
    add(lagging, Mood::Attention, format!("{tasks} {is} {minutes} minutes or more behind"));
    let unknown = concern(Concern::UnknownStatus);
    let is = if unknown == 1 { "is" } else { "are" };
    let tasks = count(unknown, "task", "tasks");
    let text = format!("{tasks} {is} in a status that this exporter does not know");
    add(unknown, Mood::Attention, text);
    problems
}

/// Nothing is wrong, as far as is known.
fn quiet(summary: &Summary, total: u64, pending: u64) -> Verdict {
    let tasks: u64 = summary.statuses.values().sum();
    let running = summary.concerns.get(&Concern::Running).copied().unwrap_or_default();
    if total == 0 {
        let sentence = "No instance is being watched yet.".to_owned();
        return Verdict { mood: Mood::Waiting, sentence };
    }
    let instances = count(total, "instance", "instances");
    if pending == total {
        let sentence = format!("Just started: {instances} still to be asked.");
        return Verdict { mood: Mood::Waiting, sentence };
    }
    let what = match (tasks, running) {
        (0, _) => "no migration task".to_owned(),
        (_, 0) => format!("{}, none under way", count(tasks, "migration task", "migration tasks")),
        _ => format!(
            "{}, {running} under way, none failed and none behind",
            count(tasks, "migration task", "migration tasks")
        ),
    };
    let (mood, start) = match pending {
        0 => (Mood::Fine, "Everything is fine"),
        _ => (Mood::Waiting, "All well so far"),
    };
    let rest = match pending {
        0 => String::new(),
        _ => format!(", {} of them still to be asked", number(pending)),
    };
    Verdict { mood, sentence: format!("{start}: {what} on {instances}{rest}.") }
}

/// Joins the parts as people do, with a capital and a full stop.
fn sentence(parts: &[String]) -> String {
    let joined = match parts {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    };
    let mut characters = joined.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), characters.as_str())
}

/// A number with its noun.
fn count(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(n), if n == 1 { one } else { many })
}

/// A number with its thousands apart.
pub(super) fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::DateTime;

    use crate::domain::TaskStatus;
    use crate::store::history::Failure;

    use super::*;

    fn summary(concerns: &[(Concern, u64)], states: &[(PollState, u64)]) -> Summary {
        let statuses = concerns.iter().map(|(concern, count)| match concern {
            Concern::Failed => (TaskStatus::FAILED, *count),
            Concern::Lagging => (TaskStatus::INCREMENTAL_IMPORTING, *count),
            Concern::UnknownStatus => (TaskStatus::parse("Odd").unwrap(), *count),
            Concern::Running => (TaskStatus::FULL_IMPORTING, *count),
            Concern::Ended => (TaskStatus::SUCCESS, *count),
        });
        Summary {
            statuses: statuses.collect(),
            concerns: concerns.iter().copied().collect(),
            states: states.iter().copied().collect(),
            ..Summary::default()
        }
    }

    #[test]
    fn one_sentence_says_whether_everything_is_fine() {
        use Concern::{Ended, Failed, Lagging, Running, UnknownStatus};
        use PollState::{Active, Failing, Idle, Pending};
        for (concerns, states, mood, sentence) in [
            (&[][..], &[][..], Mood::Waiting, "No instance is being watched yet."),
            (&[], &[(Pending, 3)], Mood::Waiting, "Just started: 3 instances still to be asked."),
            (
                &[(Running, 1)],
                &[(Pending, 1), (Active, 1)],
                Mood::Waiting,
                "All well so far: 1 migration task, 1 under way, none failed and none behind on 2 instances, 1 of them still to be asked.",
            ),
            (&[], &[(Idle, 1)], Mood::Fine, "Everything is fine: no migration task on 1 instance."),
            (
                &[(Ended, 12_345)],
                &[(Idle, 2)],
                Mood::Fine,
                "Everything is fine: 12,345 migration tasks, none under way on 2 instances.",
            ),
            (&[(Failed, 1)], &[(Idle, 1)], Mood::Trouble, "1 migration task failed."),
            (
                &[(Failed, 2), (Lagging, 1), (Running, 7)],
                &[(Active, 1)],
                Mood::Trouble,
                "2 migration tasks failed and 1 task is 5 minutes or more behind.",
            ),
            (
                &[(Lagging, 2)],
                &[(Active, 1)],
                Mood::Attention,
                "2 tasks are 5 minutes or more behind.",
            ),
            (
                &[(UnknownStatus, 1)],
                &[(Active, 1)],
                Mood::Attention,
                "1 task is in a status that this exporter does not know.",
            ),
            (
                &[(Failed, 1), (Lagging, 1)],
                &[(Active, 1), (Failing, 1_000)],
                Mood::Trouble,
                "1 migration task failed, 1,000 instances cannot be polled and 1 task is 5 minutes or more behind.",
            ),
        ] {
            let found = verdict(&summary(concerns, states), &[]);
            assert_eq!((found.mood, found.sentence.as_str()), (mood, sentence));
        }
    }

    #[test]
    fn fresh_failures_are_told_apart_from_old_ones() {
        let old = summary(&[(Concern::Failed, 3)], &[(PollState::Idle, 1)]);
        for (failed_lately, sentence) in [
            (0, "3 migration tasks failed."),
            (1, "3 migration tasks failed (1 of them in the last 24 hours)."),
            (3, "3 migration tasks failed in the last 24 hours."),
        ] {
            let summary = Summary { failed_lately, ..old.clone() };
            assert_eq!(verdict(&summary, &[]).sentence, sentence);
        }
    }

    #[test]
    fn an_account_that_cannot_call_is_named() {
        let failure = Failure {
            code: "SignatureDoesNotMatch".into(),
            message: String::new(),
            request_id: None,
            hint: "",
        };
        let backing_off = Some((DateTime::UNIX_EPOCH, Arc::new(failure)));
        let account = |name, backing_off| Account {
            name,
            instances: 1,
            requests_per_second: 5.0,
            budget: 5.0,
            needed: 0.0,
            throttled: 0,
            backing_off,
        };
        let summary = summary(&[], &[(PollState::Failing, 2)]);
        let one = [account("a", backing_off.as_ref()), account("b", None)];
        let sentence = "The account a cannot call the API and 2 instances cannot be polled.";
        assert_eq!(verdict(&summary, &one).sentence, sentence);
        let both = [account("a", backing_off.as_ref()), account("b", backing_off.as_ref())];
        let sentence = "2 accounts cannot call the API and 2 instances cannot be polled.";
        assert_eq!(verdict(&summary, &both).sentence, sentence);
    }

    #[test]
    fn numbers_have_their_thousands_apart() {
        for (n, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(number(n), text);
        }
    }
}
