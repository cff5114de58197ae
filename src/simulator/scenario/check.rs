//! What a scenario must mean, beyond its form. Code-made scenarios are held to it too.

use std::collections::HashSet;
use std::time::Duration;

use super::{Account, Instance, Problem, Scenario};
use crate::simulator::fault::{Effect, Fault};
use crate::simulator::task::{Generator, Lag, Life};

impl Scenario {
    /// Everything that is wrong with it, with key paths; empty when it can be simulated.
    pub fn problems(&self) -> Vec<Problem> {
        let mut check = Check { scenario: self, problems: Vec::new() };
        if !(self.speed.is_finite() && self.speed > 0.0 && self.speed <= 1e6) {
            check.report("speed", format!("{} is not above 0 and up to 1000000", self.speed));
        }
        check.accounts();
        check.instances();
        for (at, fault) in self.faults.iter().enumerate() {
            check.fault(&format!("faults[{at}]"), fault);
        }
        check.problems
    }

    /// The instances, with copies made.
    pub(crate) fn fleet(&self) -> impl Iterator<Item = Instance> + '_ {
        self.instances.iter().flat_map(|instance| {
            let numbers = instance.copies.map_or(0..=0, |copies| 1..=copies);
            numbers.map(move |number| Instance {
                id: match number {
                    0 => instance.id.clone(),
                    number => format!("{}-{number}", instance.id),
                },
                copies: None,
                ..instance.clone()
            })
        })
    }
}

struct Check<'a> {
    scenario: &'a Scenario,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn report(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem { path: path.into(), message: message.into() });
    }

    fn accounts(&mut self) {
        let accounts = &self.scenario.accounts;
        if accounts.is_empty() {
            self.report("accounts", "at least one account is needed");
        }
        let (mut names, mut keys) = (HashSet::new(), HashSet::new());
        for (at, account) in accounts.iter().enumerate() {
            let path = format!("accounts[{at}]");
            self.account(&path, account);
            if !names.insert(&account.name) {
                self.report(format!("{path}.name"), format!("`{}` is taken", account.name));
            }
            if let Some(key) = &account.access_key_id
                && !keys.insert(key)
            {
                self.report(format!("{path}.access_key_id"), format!("`{key}` is taken"));
            }
        }
    }

    fn account(&mut self, path: &str, account: &Account) {
        let texts = [
            ("name", Some(&account.name)),
            ("access_key_id", account.access_key_id.as_ref()),
            ("access_key_secret", account.access_key_secret.as_ref()),
        ];
        for (key, text) in texts {
            if text.is_some_and(String::is_empty) {
                self.report(format!("{path}.{key}"), "must not be empty");
            }
        }
        if let Some(throttle) = account.throttle {
            if !(throttle.rate >= 0.001 && throttle.rate <= 1e6) {
                let message = format!("{} is not between 0.001 and 1000000", throttle.rate);
                self.report(format!("{path}.throttle.rate"), message);
            }
            if throttle.burst == 0 {
                self.report(format!("{path}.throttle.burst"), "must be at least 1");
            }
        }
    }

    fn instances(&mut self) {
        let mut ids = HashSet::new();
        for (at, instance) in self.scenario.instances.iter().enumerate() {
            let path = format!("instances[{at}]");
            self.instance(&path, instance);
            if !ids.insert(&instance.id) {
                self.report(format!("{path}.id"), format!("`{}` is taken", instance.id));
            }
        }
    }

    fn instance(&mut self, path: &str, instance: &Instance) {
        if instance.id.is_empty() {
            self.report(format!("{path}.id"), "must not be empty");
        }
        if let Some(account) = &instance.account {
            self.known_account(&format!("{path}.account"), account);
        }
        if instance.copies.is_some_and(|copies| copies == 0 || copies > 1_000_000) {
            self.report(format!("{path}.copies"), "must be between 1 and 1000000");
        }
        let mut ids = HashSet::new();
        for (at, task) in instance.tasks.iter().enumerate() {
            let path = format!("{path}.tasks[{at}]");
            self.life(&format!("{path}.life"), &task.life);
            if !ids.insert(task.import_id) {
                self.report(format!("{path}.import_id"), format!("{} is taken", task.import_id));
            }
        }
        if let Some(generate) = &instance.generate {
            self.generator(&format!("{path}.generate"), generate);
            let first = u64::from(generate.first_id);
            if let Some(id) = ids.iter().find(|id| u64::from(**id) >= first) {
                let message = format!(
                    "must be above the numbers of `tasks`, and {id} is one: generated numbers go up from here"
                );
                self.report(format!("{path}.generate.first_id"), message);
            }
        }
    }

    fn known_account(&mut self, path: &str, account: &str) {
        let names: Vec<_> = self.scenario.accounts.iter().map(|a| a.name.as_str()).collect();
        if !names.contains(&account) {
            let message =
                format!("no account is named `{account}`; there are {}", names.join(", "));
            self.report(path, message);
        }
    }

    fn generator(&mut self, path: &str, generator: &Generator) {
        if !(1..=1_000_000).contains(&generator.count) {
            self.report(format!("{path}.count"), "must be between 1 and 1000000");
        }
        if generator.lives.is_empty() {
            self.report(format!("{path}.lives"), "must hold at least one life");
        }
        for (key, distance) in [("every", generator.every), ("spacing", Some(generator.spacing))] {
            if distance.is_some_and(|distance| distance < Duration::from_millis(1)) {
                self.report(format!("{path}.{key}"), "must be at least 1ms");
            }
        }
        for (at, life) in generator.lives.iter().enumerate() {
            self.life(&format!("{path}.lives[{at}]"), life);
        }
    }

    fn life(&mut self, path: &str, life: &Life) {
        if life.steps.is_empty() {
            self.report(format!("{path}.steps"), "must hold at least one step");
        }
        for (at, step) in life.steps.iter().enumerate() {
            let path = format!("{path}.steps[{at}].for");
            let last = at + 1 == life.steps.len() && !life.repeat;
            match step.lasts {
                Some(lasts) if lasts < Duration::from_millis(1) => {
                    self.report(path, "must be at least 1ms");
                }
                None if !last => {
                    let message = if life.repeat {
                        "is needed: every step of a life that repeats must end"
                    } else {
                        "is needed: only the last step may go without"
                    };
                    self.report(path, message);
                }
                _ => {}
            }
        }
        if let Some(lag) = &life.lag {
            self.lag(&format!("{path}.lag"), lag);
        }
    }

    fn lag(&mut self, path: &str, lag: &Lag) {
        if lag.period < Duration::from_millis(2) {
            self.report(format!("{path}.period"), "must be at least 2ms");
        } else if lag.high < lag.low {
            self.report(format!("{path}.high"), "must not be under `low`");
        } else {
            let half = lag.period.as_secs_f64() / 2.0 / self.scenario.speed;
            if (lag.high - lag.low).as_secs_f64() > half {
                let message = "is too short: lag cannot grow faster than time passes, so it must \
                               be at least twice (high - low) times the speed";
                self.report(format!("{path}.period"), message);
            }
        }
    }

    fn fault(&mut self, path: &str, fault: &Fault) {
        let when = &fault.when;
        if let Some(id) = &when.instance
            && !self.owns(id)
        {
            let message = format!("no instance has the ID `{id}`");
            self.report(format!("{path}.when.instance"), message);
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

    fn owns(&self, id: &str) -> bool {
        self.scenario.instances.iter().any(|instance| match instance.copies {
            None => instance.id == id,
            Some(copies) => id
                .strip_prefix(&instance.id)
                .and_then(|end| end.strip_prefix('-')?.parse().ok())
                .is_some_and(|number: u32| (1..=copies).contains(&number)),
        })
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
