//! Puts the questions of a search to the API until it is answered.

use std::sync::Arc;
use std::time::Duration;

use crate::api::{Error, Kind};
use crate::domain::{LIST_INSTANCES, LIST_REGIONS};
use crate::instruments::Scope;
use crate::poll::caller::Caller;
use crate::poll::survey::{Step, Survey};
use crate::poll::targets::{Listing, Search};

impl Search {
    /// The operation that it calls.
    pub(crate) fn action(&self) -> &'static str {
        match self {
            Self::Regions => LIST_REGIONS,
            Self::Instances { .. } => LIST_INSTANCES,
        }
    }

    /// The account and region that its calls count for.
    pub(crate) fn scope<'a>(&'a self, account: &'a str) -> Scope<'a> {
        let region_id = match self {
            Self::Regions => "",
            Self::Instances { region, .. } => region,
        };
        Scope { account, region_id }
    }

    /// What the operator can do about an error.
    pub(crate) fn hint(&self, kind: Kind) -> &'static str {
        match kind {
            Kind::Forbidden => "grant the RAM action rds:DescribeDBInstances",
            Kind::NotFound => "check the region of this discovery",
            Kind::Rejected => "check regions, tags and resource_group_id of this discovery",
            _ => kind.hint(),
        }
    }

    /// Searches once. A call that fails is tried again until `deadline`.
    ///
    /// # Errors
    ///
    /// That of the first call that failed for good: a part of the answer is no answer.
    pub(crate) async fn run(&self, caller: &Caller, deadline: Duration) -> Result<Listing, Error> {
        let Self::Instances { region, filter } = self else {
            let ask = || caller.client.list_regions();
            return Ok(Listing::Regions(caller.persist(deadline, None, ask).await?));
        };
        let mut survey = Survey::new(region, filter);
        loop {
            let request = survey.wanted();
            let ask = || caller.client.list_instances(&request);
            let page = caller.persist(deadline, None, ask).await?;
            if let Step::End(candidates) = survey.take(page)? {
                return Ok(Listing::Instances(candidates));
            }
        }
    }
}

/// A search that ended.
#[derive(Debug)]
pub(crate) struct Searched {
    pub(crate) account: Arc<str>,
    pub(crate) search: Search,
    pub(crate) listing: Listing,
}
