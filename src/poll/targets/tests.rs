use chrono::TimeDelta;

use super::*;
use crate::config::{Account, Shard};

fn listed(id: &str, account: &str) -> Instance {
    Instance {
        id: id.into(),
        region: "cn-hangzhou".into(),
        engine: Engine::MySQL,
        account: account.into(),
        name: "listed".into(),
        interval: Duration::from_secs(1),
        idle_interval: Duration::from_secs(2),
        lookback: Duration::from_secs(3),
    }
}

fn entry(account: &str, regions: &[&str]) -> Discovery {
    let regions = match regions {
        ["all"] => Regions::All,
        named => Regions::Named(named.iter().copied().map(Arc::from).collect()),
    };
    Discovery {
        account: account.into(),
        regions,
        engines: BTreeSet::from([Engine::MySQL]),
        tags: BTreeMap::new(),
        resource_group_id: None,
        exclude: BTreeSet::new(),
        refresh_interval: Duration::from_secs(600),
    }
}

fn config(instances: Vec<Instance>, discovery: Vec<Discovery>) -> Config {
    let accounts = ["a", "b"].map(|name| (Arc::from(name), Account::default()));
    Config { accounts: accounts.into(), instances, discovery, ..Config::default() }
}

/// What was found by the search of `entry` in a region.
struct Finds<'a>(&'a Discovery, &'a str, &'a [&'a str]);

fn inventory(finds: &[Finds<'_>]) -> Inventory {
    let mut inventory = Inventory::default();
    for Finds(entry, region, ids) in finds {
        let candidate = |id: &&str| Candidate {
            id: Arc::from(*id),
            engine: Engine::SQLServer,
            name: "found".into(),
        };
        let listing = Listing::Instances(ids.iter().map(candidate).collect());
        inventory.put(&entry.account, search(entry, region), listing, at(0));
    }
    inventory
}

fn search(entry: &Discovery, region: &str) -> Search {
    let filter = Filter {
        engines: entry.engines.clone(),
        tags: entry.tags.clone(),
        resource_group_id: entry.resource_group_id.clone(),
    };
    Search::Instances { region: region.into(), filter: Arc::new(filter) }
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

/// The targets of all accounts, as `account/region/id`.
fn targets(config: &Config, inventory: &Inventory) -> Vec<String> {
    let assignments = assign(config, inventory);
    let targets = assignments.values().flat_map(|own| &own.targets);
    targets.map(|t| format!("{}/{}/{}", t.account, t.region, t.id)).collect()
}

#[test]
fn a_listed_instance_is_as_it_is_listed_whoever_finds_it() {
    let entries = vec![entry("a", &["cn-hangzhou"]), entry("b", &["cn-beijing"])];
    let found = inventory(&[
        Finds(&entries[0], "cn-hangzhou", &["rm-1", "rm-2"]),
        Finds(&entries[1], "cn-beijing", &["rm-1"]),
    ]);
    let config = config(vec![listed("rm-1", "a")], entries);

    let assignments = assign(&config, &found);
    let own = &assignments["a"].targets;
    assert_eq!(*own[0], config.instances[0]);
    let expected = Instance {
        engine: Engine::SQLServer,
        name: "found".into(),
        interval: config.polling.interval,
        idle_interval: config.polling.idle_interval,
        lookback: config.polling.lookback,
        ..listed("rm-2", "a")
    };
    assert_eq!(*own[1], expected);
    assert_eq!(own.len(), 2);
    assert!(assignments["b"].targets.is_empty());
}

#[test]
fn an_instance_that_several_searches_find_is_polled_once() {
    let entries = vec![entry("b", &["cn-hangzhou"]), entry("a", &["cn-beijing", "cn-hangzhou"])];
    let found = inventory(&[
        Finds(&entries[0], "cn-hangzhou", &["rm-1"]),
        Finds(&entries[1], "cn-beijing", &["rm-1", "rm-2"]),
        Finds(&entries[1], "cn-hangzhou", &["rm-2", "rm-3"]),
    ]);
    assert_eq!(
        targets(&config(vec![], entries), &found),
        ["a/cn-beijing/rm-2", "a/cn-hangzhou/rm-3", "b/cn-hangzhou/rm-1"]
    );
}

#[test]
fn an_excluded_instance_is_polled_only_if_it_is_wanted_elsewhere() {
    let mut entries = vec![entry("a", &["cn-hangzhou"]), entry("a", &["cn-hangzhou"])];
    entries[0].exclude = BTreeSet::from(["rm-1", "rm-2"].map(Arc::from));
    entries[1].tags = BTreeMap::from([("team".to_owned(), "dba".to_owned())]);
    let found = inventory(&[
        Finds(&entries[0], "cn-hangzhou", &["rm-1", "rm-2", "rm-3"]),
        Finds(&entries[1], "cn-hangzhou", &["rm-2"]),
    ]);
    let hangzhou = |id| format!("a/cn-hangzhou/{id}");

    let with_both = config(vec![], entries.clone());
    assert_eq!(targets(&with_both, &found), [hangzhou("rm-3"), hangzhou("rm-2")]);
    let only_one = config(vec![listed("rm-1", "a")], entries[..1].to_vec());
    assert_eq!(targets(&only_one, &found), [hangzhou("rm-1"), hangzhou("rm-3")]);
}

#[test]
fn all_regions_are_those_that_were_found() {
    let config = config(vec![], vec![entry("a", &["all"])]);
    let mut found = Inventory::default();
    let searches = |found: &Inventory| {
        let assignments = assign(&config, found);
        let searches = assignments["a"].searches.iter();
        searches.map(|(search, repeat)| (search.clone(), repeat.answered)).collect::<Vec<_>>()
    };
    assert_eq!(searches(&found), [(Search::Regions, false)]);

    let regions = ["cn-hangzhou", "cn-beijing"].map(Arc::from).into();
    assert!(found.put(&"a".into(), Search::Regions, Listing::Regions(regions), at(0)));
    let entry = &config.discovery[0];
    let expected = [
        (Search::Regions, true),
        (search(entry, "cn-beijing"), false),
        (search(entry, "cn-hangzhou"), false),
    ];
    assert_eq!(searches(&found), expected);
}

#[test]
fn the_same_search_is_made_once_as_often_as_anyone_wants_it() {
    let mut entries = vec![entry("a", &["cn-hangzhou"]), entry("a", &["cn-hangzhou"])];
    entries[1].refresh_interval = Duration::from_secs(60);
    entries[1].exclude = BTreeSet::from(["rm-1".into()]);
    let config = config(vec![], entries);

    let assignments = assign(&config, &Inventory::default());
    let repeats: Vec<_> = assignments["a"].searches.values().copied().collect();
    assert_eq!(repeats, [Repeat { every: Duration::from_secs(60), answered: false }]);
}

#[test]
fn every_instance_is_the_target_of_one_shard() {
    let ids: Vec<_> = (0..100).map(|n| format!("rm-{n:03}")).collect();
    let entry = entry("a", &["cn-hangzhou"]);
    let names: Vec<_> = ids[50..].iter().map(String::as_str).collect();
    let found = inventory(&[Finds(&entry, "cn-hangzhou", &names)]);
    let listed = ids[..50].iter().map(|id| listed(id, "a")).collect();
    let mut config = config(listed, vec![entry]);
    let whole = targets(&config, &found);
    assert_eq!(whole.len(), 100);

    let mut of_shards = Vec::new();
    for index in 0..3 {
        config.shard = Shard::new(Some(index), 3, "").unwrap();
        let own = targets(&config, &found);
        assert!((20..50).contains(&own.len()), "{}", own.len());
        of_shards.extend(own);
    }
    of_shards.sort();
    assert_eq!(of_shards, whole);
}

#[test]
fn what_is_searched_no_more_is_forgotten() {
    let entry = entry("a", &["cn-hangzhou"]);
    let mut found = inventory(&[Finds(&entry, "cn-hangzhou", &["rm-1"])]);
    let without = config(vec![], vec![]);
    found.keep_only(&assign(&without, &found));

    assert!(targets(&config(vec![], vec![entry]), &found).is_empty());
}

#[test]
fn an_answer_that_says_the_same_changes_its_age_alone() {
    let entry = entry("a", &["cn-hangzhou"]);
    let mut found = inventory(&[Finds(&entry, "cn-hangzhou", &["rm-1"])]);
    let mut put = |ids: &[&str], seconds| {
        let candidate = |id: &&str| Candidate {
            id: Arc::from(*id),
            engine: Engine::SQLServer,
            name: "found".into(),
        };
        let listing = Listing::Instances(ids.iter().map(candidate).collect());
        found.put(&"a".into(), search(&entry, "cn-hangzhou"), listing, at(seconds))
    };
    assert!(!put(&["rm-1"], 10));
    assert!(put(&["rm-1", "rm-2"], 20));
}

#[test]
fn the_summary_counts_each_instance_once_and_tells_the_oldest_answer() {
    let mut entries =
        vec![entry("a", &["cn-hangzhou", "cn-beijing"]), entry("a", &["cn-hangzhou"])];
    entries[1].resource_group_id = Some("rg-1".into());
    entries[1].exclude = BTreeSet::from(["rm-9".into()]);
    let mut found = inventory(&[Finds(&entries[0], "cn-hangzhou", &["rm-1", "rm-2"])]);
    let config = config(vec![listed("rm-1", "a")], entries.clone());
    let place = |region: &str| (Arc::from("a"), Arc::from(region));

    let before = summary(&config, &found);
    assert_eq!(before[&place("cn-hangzhou")], Discovered { instances: 2, since: None });
    assert_eq!(before[&place("cn-beijing")], Discovered::default());

    let candidates = ["rm-2", "rm-3", "rm-9"].map(|id| Candidate {
        id: id.into(),
        engine: Engine::MySQL,
        name: "".into(),
    });
    let listing = Listing::Instances(candidates.into());
    found.put(&"a".into(), search(&entries[1], "cn-hangzhou"), listing, at(50));
    let after = summary(&config, &found);
    let expected = Discovered { instances: 3, since: Some(at(0)) };
    assert_eq!(after[&place("cn-hangzhou")], expected);
}
