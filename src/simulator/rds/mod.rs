//! The RDS API, version 2014-08-15: one file an operation.

mod imports;
mod instances;
mod paging;
mod parameters;
mod regions;

use serde_json::Value;

use super::faults::damage::Damage;
use super::gate::Identity;
use super::life::world::{Moment, World};
use super::scenario::Scenario;
use super::wire::call::Call;
use super::wire::refusal::Refusal;
use regions::Regions;

pub(crate) use imports::window;
pub(crate) use paging::page;

/// The version of the API.
pub(crate) const VERSION: &str = "2014-08-15";
/// Its operations.
pub(crate) const ACTIONS: [&str; 3] = [imports::ACTION, instances::ACTION, regions::ACTION];

/// What the operations need beside the world.
#[derive(Debug)]
pub(crate) struct Rds {
    regions: Regions,
}

/// A request that has passed the gate, and what it meets.
pub(crate) struct Request<'a> {
    pub(crate) call: &'a Call,
    pub(crate) identity: &'a Identity<'a>,
    pub(crate) world: &'a World,
    pub(crate) moment: &'a Moment,
    pub(crate) damage: &'a Damage<'a>,
}

impl Rds {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        Self { regions: Regions::new(scenario) }
    }

    /// Answers an operation.
    pub(crate) fn answer(&self, action: &str, request: &Request<'_>) -> Result<Value, Refusal> {
        match action {
            imports::ACTION => imports::answer(request),
            instances::ACTION => instances::answer(request, &self.regions),
            regions::ACTION => Ok(self.regions.answer()),
            _ => Err(Refusal::no_such_api()),
        }
    }
}

impl Request<'_> {
    /// Holds the request to the policies of who signed it.
    fn authorise(&self, action: &str) -> Result<(), Refusal> {
        let action = format!("rds:{action}");
        if self.identity.may(&action) { Ok(()) } else { Err(Refusal::not_authorised(&action)) }
    }
}
