//! Faults: that they can be met, and that what they do can be done.

use super::Check;
use crate::simulator::faults::{ACTIONS, Effect, Fault};

impl Check<'_> {
    pub(super) fn fault(&mut self, path: &str, fault: &Fault) {
        let when = &fault.when;
        if let Some(id) = &when.instance
            && !self.owns(id)
        {
            let message = format!("no instance has the ID `{id}`");
            self.report(format!("{path}.when.instance"), message);
        }
        if let Some(action) = &when.action
            && !ACTIONS.contains(&action.as_str())
        {
            let message = format!("`{action}` is no action; there are {}", ACTIONS.join(", "));
            self.report(format!("{path}.when.action"), message);
        }
        if let Some(account) = &when.account {
            self.known_account(&format!("{path}.when.account"), account);
        }
        let numbers =
            [("page", when.page.map(u64::from)), ("first", when.first), ("every", when.every)];
        for (key, number) in numbers {
            if number == Some(0) {
                self.report(format!("{path}.when.{key}"), "counts from 1");
            }
        }
        if when.cycle.is_some_and(|cycle| cycle.is_zero()) {
            self.report(format!("{path}.when.cycle"), "must be above 0s");
        }
        if let (Some(from), Some(until)) = (when.from, when.until)
            && from >= until
        {
            self.report(format!("{path}.when.until"), "must be after `from`");
        }
        self.effect(&format!("{path}.do"), &fault.effect);
    }

    fn effect(&mut self, path: &str, effect: &Effect) {
        let name = effect.name();
        match effect {
            Effect::Http(status) | Effect::Html(status) if !(200..=599).contains(status) => {
                self.report(format!("{path}.{name}"), "must be an HTTP status from 200 to 599");
            }
            Effect::Error(error) if !(400..=599).contains(&error.status) => {
                let path = format!("{path}.{name}.status");
                self.report(path, "must be an HTTP status from 400 to 599");
            }
            Effect::Drip(drip) if drip.bytes == 0 => {
                self.report(format!("{path}.{name}.bytes"), "must be at least 1");
            }
            _ => {}
        }
    }
}
