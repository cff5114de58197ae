//! The walk through the pages of a region's instances: a state machine fed with pages.
//!
//! It asks nothing itself: it says which page it wants, and is given it. There is a result only
//! once every list was read to its end; whoever stops before has none.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::api::{Error, InstancesPage, ListInstances};
use crate::config::MAX_NAME;
use crate::domain::Engine;
use crate::poll::targets::{Candidate, Filter};

/// Instances a page: the most that the API gives.
const PAGE_SIZE: u32 = 100;
/// Most pages that one survey reads.
const MAX_PAGES: u32 = 1_000;
/// Engines that the operation for migration tasks knows.
const ENGINES: [Engine; 2] = [Engine::MySQL, Engine::SQLServer];

/// Reads the instances of a region that pass a filter.
///
/// The API lists instances that have any of several tags. So each tag has a list of its own, and
/// the instances that stand in all of them have all tags.
#[derive(Debug)]
pub(crate) struct Survey<'a> {
    region_id: &'a str,
    filter: &'a Filter,
    /// The tags whose lists are still to be read, the current one first.
    tags: Vec<(&'a str, &'a str)>,
    next_token: Option<String>,
    /// Every token of the current list.
    tokens: HashSet<String>,
    current: BTreeMap<String, Candidate>,
    /// Whether the current list says that it is not empty.
    claims_some: bool,
    lists_some: bool,
    /// What stood in all lists that were read to their ends.
    common: Option<BTreeMap<String, Candidate>>,
    pages: u32,
}

/// What the survey wants next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Another page.
    Page,
    /// Nothing more: these are the instances, each once, in the order of their IDs.
    End(Vec<Candidate>),
}

impl<'a> Survey<'a> {
    /// A survey of the instances in `region_id` that pass `filter`.
    pub(crate) fn new(region_id: &'a str, filter: &'a Filter) -> Self {
        let tags = filter.tags.iter();
        Self {
            region_id,
            filter,
            tags: tags.map(|(key, value)| (key.as_str(), value.as_str())).collect(),
            next_token: None,
            tokens: HashSet::new(),
            current: BTreeMap::new(),
            claims_some: false,
            lists_some: false,
            common: None,
            pages: 0,
        }
    }

    /// The page to ask for.
    pub(crate) fn wanted(&self) -> ListInstances<'_> {
        // Several engines are one list, and what is too much is left out here: a list for each
        // would cost more pages.
        let mut engines = self.filter.engines.iter().copied();
        let engine = engines.next().filter(|_| engines.next().is_none());
        ListInstances {
            region_id: self.region_id,
            engine,
            tag: self.tags.first().copied(),
            resource_group_id: self.filter.resource_group_id.as_deref(),
            max_results: PAGE_SIZE,
            next_token: self.next_token.as_deref(),
        }
    }

    /// Takes the page that was [`wanted`](Self::wanted).
    ///
    /// # Errors
    ///
    /// `bad_response` when a list has no end, or says that it holds more than it lists.
    pub(crate) fn take(&mut self, page: InstancesPage) -> Result<Step, Error> {
        self.pages += 1;
        self.claims_some |= page.total.is_some_and(|total| total > 0);
        self.lists_some |= !page.instances.is_empty();
        for found in page.instances {
            let engine = ENGINES.into_iter().find(|engine| engine.as_str() == found.engine);
            let taken = engine.filter(|engine| self.filter.engines.contains(engine));
            let Some(engine) = taken.filter(|_| !found.read_only) else { continue };
            let name = Arc::from(name(&found.description));
            let id = Arc::from(found.id.as_str());
            self.current.insert(found.id, Candidate { id, engine, name });
        }
        if let Some(token) = page.next_token {
            return self.go_on(token);
        }
        if self.claims_some && !self.lists_some {
            // Taken as it is, it would end the series of every instance.
            let problem = "TotalRecordCount says that there are instances, and none is listed";
            return Err(Error::bad_response(problem));
        }
        Ok(self.end_list())
    }

    fn go_on(&mut self, token: String) -> Result<Step, Error> {
        if self.pages >= MAX_PAGES {
            return Err(Error::bad_response(format!("the list did not end in {MAX_PAGES} pages")));
        }
        if !self.tokens.insert(token.clone()) {
            return Err(Error::bad_response("a NextToken came again: the list has no end"));
        }
        self.next_token = Some(token);
        Ok(Step::Page)
    }

    fn end_list(&mut self) -> Step {
        let mut common = std::mem::take(&mut self.current);
        if let Some(before) = self.common.take() {
            common.retain(|id, _| before.contains_key(id));
        }
        self.next_token = None;
        self.tokens.clear();
        (self.claims_some, self.lists_some) = (false, false);
        if self.tags.len() > 1 && !common.is_empty() {
            self.tags.remove(0);
            self.common = Some(common);
            return Step::Page;
        }
        Step::End(common.into_values().collect())
    }
}

/// The owner's name for an instance, fit for a label.
fn name(description: &str) -> String {
    let visible = description.chars().map(|c| if c.is_control() { ' ' } else { c });
    visible.take(MAX_NAME).collect()
}

#[cfg(test)]
mod tests;
