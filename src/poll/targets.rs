//! Which instances each account polls, and what it searches to find them: pure rules, from the
//! configuration and from what the searches found last.
//!
//! An instance is polled once, whatever leads to it: a listed one is as it is listed; of several
//! searches that find it, the first one in the configuration counts.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::config::{Config, Discovery, Instance, Regions};
use crate::domain::Engine;

/// Something that an account is asked for, to find instances.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Search {
    /// Which regions there are.
    Regions,
    /// Which instances of a region pass a filter.
    Instances {
        /// Where to look.
        region: Arc<str>,
        /// What to look for.
        filter: Arc<Filter>,
    },
}

/// Which instances a search takes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Filter {
    /// Engines to take.
    pub(crate) engines: BTreeSet<Engine>,
    /// Tags that an instance must have, all of them.
    pub(crate) tags: BTreeMap<String, String>,
    /// Resource group that it must be in.
    pub(crate) resource_group_id: Option<String>,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Listing {
    /// The regions.
    Regions(BTreeSet<Arc<str>>),
    /// The instances, each once, in the order of their IDs.
    Instances(Vec<Candidate>),
}

/// An instance that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Instance ID.
    pub(crate) id: Arc<str>,
    /// Its engine.
    pub(crate) engine: Engine,
    /// Name for people; may be empty.
    pub(crate) name: Arc<str>,
}

/// The last good answer to each search of each account.
#[derive(Debug, Default)]
pub(crate) struct Inventory(BTreeMap<(Arc<str>, Search), Answer>);

#[derive(Debug)]
struct Answer {
    listing: Listing,
    at: DateTime<Utc>,
}

/// What an account is to do.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Assignment {
    /// The instances to poll, each once.
    pub(crate) targets: Vec<Arc<Instance>>,
    /// The searches to repeat.
    pub(crate) searches: BTreeMap<Search, Repeat>,
}

/// How a search is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Repeat {
    /// Time between two times.
    pub(crate) every: Duration,
    /// Whether the inventory has an answer to it: what it found is among the targets then.
    pub(crate) answered: bool,
}

/// What the searches of an account found in a region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Discovered {
    /// How many instances, except for excluded ones.
    pub(crate) instances: usize,
    /// When the oldest of the answers was given; `None` until there is one to each search.
    pub(crate) since: Option<DateTime<Utc>>,
}

impl Inventory {
    /// Keeps an answer, given at `at`. Says whether it changes anything but its age.
    pub(crate) fn put(
        &mut self,
        account: &Arc<str>,
        search: Search,
        listing: Listing,
        at: DateTime<Utc>,
    ) -> bool {
        let answer = Answer { listing, at };
        let before = self.0.get(&(Arc::clone(account), search.clone()));
        let changed = before.is_none_or(|before| before.listing != answer.listing);
        self.0.insert((Arc::clone(account), search), answer);
        changed
    }

    /// Forgets the answers to what is searched no more.
    pub(crate) fn keep_only(&mut self, assignments: &BTreeMap<Arc<str>, Assignment>) {
        self.0.retain(|(account, search), _| {
            assignments.get(account).is_some_and(|own| own.searches.contains_key(search))
        });
    }

    fn get(&self, account: &Arc<str>, search: &Search) -> Option<&Answer> {
        // The key is a pair of owned values, and both are cheap to clone.
        self.0.get(&(Arc::clone(account), search.clone()))
    }

    fn regions(&self, account: &Arc<str>) -> Option<&BTreeSet<Arc<str>>> {
        match &self.get(account, &Search::Regions)?.listing {
            Listing::Regions(regions) => Some(regions),
            Listing::Instances(_) => None,
        }
    }

    fn candidates(&self, account: &Arc<str>, search: &Search) -> &[Candidate] {
        match self.get(account, search).map(|answer| &answer.listing) {
            Some(Listing::Instances(candidates)) => candidates,
            _ => &[],
        }
    }
}

/// What every account of `config` is to do, given what was found so far.
pub(crate) fn assign(config: &Config, inventory: &Inventory) -> BTreeMap<Arc<str>, Assignment> {
    let names = config.accounts.keys();
    let mut assignments: BTreeMap<_, _> =
        names.map(|name| (Arc::clone(name), Assignment::default())).collect();
    let mut seen: HashSet<Arc<str>> = HashSet::new();
    let listed = config.instances.iter().cloned().map(Arc::new);
    let found = config.discovery.iter().flat_map(|entry| found_by(config, entry, inventory));
    for instance in listed.chain(found) {
        let is_new = seen.insert(Arc::clone(&instance.id));
        if is_new
            && config.shard.owns(&instance.account, &instance.region, &instance.id)
            && let Some(own) = assignments.get_mut(&instance.account)
        {
            own.targets.push(instance);
        }
    }
    for entry in &config.discovery {
        let Some(own) = assignments.get_mut(&entry.account) else { continue };
        let to_learn = (entry.regions == Regions::All).then_some(Search::Regions);
        for search in to_learn.into_iter().chain(searches(entry, inventory)) {
            let answered = inventory.get(&entry.account, &search).is_some();
            let every = entry.refresh_interval;
            let repeat = own.searches.entry(search).or_insert(Repeat { every, answered });
            repeat.every = repeat.every.min(every);
        }
    }
    assignments
}

/// What the searches found, by account and region; the region is empty for that of the regions.
pub(crate) fn summary(
    config: &Config,
    inventory: &Inventory,
) -> BTreeMap<(Arc<str>, Arc<str>), Discovered> {
    let mut ids: BTreeMap<_, BTreeSet<Arc<str>>> = BTreeMap::new();
    let mut since: BTreeMap<_, Option<DateTime<Utc>>> = BTreeMap::new();
    for entry in &config.discovery {
        let to_learn = (entry.regions == Regions::All).then_some(Search::Regions);
        for search in to_learn.into_iter().chain(searches(entry, inventory)) {
            let region = match &search {
                Search::Regions => Arc::from(""),
                Search::Instances { region, .. } => Arc::clone(region),
            };
            let place = (Arc::clone(&entry.account), region);
            let candidates = inventory.candidates(&entry.account, &search).iter();
            let taken = candidates.filter(|found| !entry.exclude.contains(&found.id));
            ids.entry(place.clone()).or_default().extend(taken.map(|found| Arc::clone(&found.id)));
            let at = inventory.get(&entry.account, &search).map(|answer| answer.at);
            since.entry(place).and_modify(|oldest| *oldest = (*oldest).min(at)).or_insert(at);
        }
    }
    let found = ids.into_iter().map(|(place, ids)| {
        let since = since.get(&place).copied().flatten();
        (place, Discovered { instances: ids.len(), since })
    });
    found.collect()
}

/// The searches for the instances of an entry, as far as its regions are known.
fn searches<'a>(
    entry: &'a Discovery,
    inventory: &'a Inventory,
) -> impl Iterator<Item = Search> + 'a {
    let filter = Arc::new(Filter {
        engines: entry.engines.clone(),
        tags: entry.tags.clone(),
        resource_group_id: entry.resource_group_id.clone(),
    });
    let regions = match &entry.regions {
        Regions::Named(regions) => Some(regions),
        Regions::All => inventory.regions(&entry.account),
    };
    regions.into_iter().flatten().map(move |region| Search::Instances {
        region: Arc::clone(region),
        filter: Arc::clone(&filter),
    })
}

fn found_by<'a>(
    config: &'a Config,
    entry: &'a Discovery,
    inventory: &'a Inventory,
) -> impl Iterator<Item = Arc<Instance>> + 'a {
    searches(entry, inventory).flat_map(move |search| {
        let Search::Instances { region, .. } = &search else { return Vec::new() };
        let candidates = inventory.candidates(&entry.account, &search).iter();
        let taken = candidates.filter(|found| !entry.exclude.contains(&found.id));
        let instances = taken.map(|found| {
            Arc::new(Instance {
                id: Arc::clone(&found.id),
                region: Arc::clone(region),
                engine: found.engine,
                account: Arc::clone(&entry.account),
                name: Arc::clone(&found.name),
                interval: config.polling.interval,
                idle_interval: config.polling.idle_interval,
                lookback: config.polling.lookback,
            })
        });
        instances.collect()
    })
}

#[cfg(test)]
mod tests;
