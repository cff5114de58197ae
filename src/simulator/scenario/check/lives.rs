//! Tasks made by rule, lives and lag.

use std::time::Duration;

use super::Check;
use crate::simulator::life::task::{Generator, Lag, Life};

impl Check<'_> {
    pub(super) fn generator(&mut self, path: &str, generator: &Generator) {
        if !(1..=1_000_000).contains(&generator.count) {
            self.report(format!("{path}.count"), "must be between 1 and 1000000");
        }
        if !(1..=1_000_000).contains(&generator.batch) {
            self.report(format!("{path}.batch"), "must be between 1 and 1000000");
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

    pub(super) fn life(&mut self, path: &str, life: &Life) {
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
}
