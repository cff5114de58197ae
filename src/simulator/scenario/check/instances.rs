//! Regions, instances and their tasks.

use std::collections::HashSet;

use super::Check;
use crate::simulator::scenario::Instance;

impl Check<'_> {
    pub(super) fn regions(&mut self) {
        let mut ids = HashSet::new();
        for (at, region) in self.scenario.regions.iter().enumerate() {
            let path = format!("regions[{at}]");
            if region.id.is_empty() {
                self.report(format!("{path}.id"), "must not be empty");
            }
            if !ids.insert(&region.id) {
                self.report(format!("{path}.id"), format!("`{}` is taken", region.id));
            }
        }
    }

    pub(super) fn instances(&mut self) {
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
        let regions = &self.scenario.regions;
        if !regions.is_empty() && !regions.iter().any(|region| region.id == instance.region) {
            let message = format!("`{}` is not among `regions`", instance.region);
            self.report(format!("{path}.region"), message);
        }
        if let (Some(from), Some(until)) = (instance.from, instance.until)
            && from >= until
        {
            self.report(format!("{path}.until"), "must be after `from`");
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
}
