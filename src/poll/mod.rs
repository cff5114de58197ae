//! Decides what to ask and when, and what the answers mean for the tasks that are shown.
//!
//! The [`poller`] makes [`targets`] from the configuration and from what was found, and each
//! [`account`] takes them over. It polls the [`instance`]s of its [`fleet`] as their [`schedule`] and
//! its [`budget`] allow. Each poll is a [`visit`]: it [`walk`]s the list and brings the [`roster`] of
//! known tasks up to date. Beside that the account repeats its [`searches`]: a [`search`] walks the
//! lists of instances by a [`survey`]. The machines among these are pure; only poller, account,
//! fleet, instance, search and caller touch sockets and time. A [`trial`] asks everything once,
//! without a schedule.

mod account;
mod backoff;
mod budget;
mod caller;
mod fleet;
mod instance;
mod journal;
mod poller;
mod report;
mod roster;
mod schedule;
mod search;
mod searches;
mod survey;
mod sweep;
pub(crate) mod targets;
pub(crate) mod trial;
mod visit;
mod walk;
mod window;

pub use poller::{Poller, Reconfigure, ReconfigureError};
pub use sweep::{FindError, Reach, Sweep, Unreachable};
