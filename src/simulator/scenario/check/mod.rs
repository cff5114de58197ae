//! What a scenario must mean, beyond its form. Code-made scenarios are held to it too.

mod accounts;
mod faults;
mod instances;
mod lives;
mod roles;

use super::{Instance, Problem, Scenario};

impl Scenario {
    /// Everything that is wrong with it, with key paths; empty when it can be simulated.
    pub fn problems(&self) -> Vec<Problem> {
        let mut check = Check { scenario: self, problems: Vec::new() };
        if !(self.speed.is_finite() && self.speed > 0.0 && self.speed <= 1e6) {
            check.report("speed", format!("{} is not above 0 and up to 1000000", self.speed));
        }
        check.accounts();
        check.regions();
        check.instances();
        check.roles();
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

    pub(super) fn known_account(&mut self, path: &str, account: &str) {
        let names: Vec<_> = self.scenario.accounts.iter().map(|a| a.name.as_str()).collect();
        if !names.contains(&account) {
            let message =
                format!("no account is named `{account}`; there are {}", names.join(", "));
            self.report(path, message);
        }
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
}
