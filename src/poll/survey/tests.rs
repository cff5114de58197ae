use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::api::ListedInstance;

/// An instance as the cloud has it.
#[derive(Clone, Debug)]
struct Instance {
    number: usize,
    engine: &'static str,
    read_only: bool,
    tags: BTreeSet<(&'static str, &'static str)>,
}

const TAGS: [(&str, &str); 3] = [("team", "dba"), ("env", "prod"), ("env", "test")];

impl Instance {
    fn id(&self) -> String {
        format!("rm-{:05}", self.number)
    }

    fn listed(&self) -> ListedInstance {
        ListedInstance {
            id: self.id(),
            engine: self.engine.to_owned(),
            read_only: self.read_only,
            description: format!("number {}", self.number),
        }
    }

    fn passes(&self, filter: &Filter) -> bool {
        let engine = filter.engines.iter().any(|engine| engine.as_str() == self.engine);
        let tag = |(key, value): (&String, &String)| self.tags.contains(&(&**key, &**value));
        engine && !self.read_only && filter.tags.iter().all(tag)
    }
}

/// A list in pages, as the API gives it.
#[derive(Debug)]
struct Cloud {
    instances: Vec<Instance>,
    /// Sizes of pages, taken in turn.
    sizes: Vec<usize>,
    /// How many instances of a page come again on the next one.
    repeats: usize,
    totals: Vec<Option<u64>>,
}

impl Cloud {
    fn answer(&self, request: &ListInstances<'_>) -> InstancesPage {
        let engine = request.engine.map(Engine::as_str);
        let fits = |instance: &&Instance| {
            engine.is_none_or(|engine| engine == instance.engine)
                && request.tag.is_none_or(|tag| instance.tags.iter().any(|own| *own == tag))
        };
        let list: Vec<_> = self.instances.iter().filter(fits).collect();
        // A token tells where a page begins and which one it is.
        let (begin, page) = request.next_token.map_or((0, 0), |token| {
            let (begin, page) = token.split_once('/').unwrap();
            (begin.parse().unwrap(), page.parse().unwrap())
        });
        let size = self.sizes[page % self.sizes.len()].min(request.max_results as usize);
        let end = (begin + size).min(list.len());
        let shown = &list[begin.saturating_sub(self.repeats)..end];
        InstancesPage {
            instances: shown.iter().map(|instance| instance.listed()).collect(),
            total: self.totals[page % self.totals.len()].filter(|_| !shown.is_empty()),
            next_token: (end < list.len()).then(|| format!("{end}/{}", page + 1)),
        }
    }
}

fn filter(engines: &[Engine], tags: &[(&str, &str)]) -> Filter {
    let owned = |(key, value): &(&str, &str)| (key.to_string(), value.to_string());
    Filter {
        engines: engines.iter().copied().collect(),
        tags: tags.iter().map(owned).collect(),
        resource_group_id: None,
    }
}

/// What a survey of the cloud finds, and how many pages it asks for.
fn survey(cloud: &Cloud, filter: &Filter) -> (Vec<Candidate>, usize) {
    let mut survey = Survey::new("cn-hangzhou", filter);
    for pages in 1.. {
        let page = cloud.answer(&survey.wanted());
        if let Step::End(found) = survey.take(page).unwrap() {
            return (found, pages);
        }
    }
    unreachable!()
}

fn cloud(instances: Vec<Instance>) -> Cloud {
    Cloud { instances, sizes: vec![100], repeats: 0, totals: vec![None] }
}

fn mysql(numbers: std::ops::Range<usize>) -> Vec<Instance> {
    let instance =
        |number| Instance { number, engine: "MySQL", read_only: false, tags: BTreeSet::new() };
    numbers.map(instance).collect()
}

fn page(ids: &[&str], total: Option<u64>, token: Option<&str>) -> InstancesPage {
    let listed = |id: &&str| ListedInstance {
        id: id.to_string(),
        engine: "MySQL".into(),
        read_only: false,
        description: String::new(),
    };
    InstancesPage {
        instances: ids.iter().map(listed).collect(),
        total,
        next_token: token.map(str::to_owned),
    }
}

fn instance() -> impl Strategy<Value = Instance> {
    let engines = ["MySQL", "SQLServer", "PostgreSQL", "MariaDB"];
    let tags = proptest::sample::subsequence(TAGS.to_vec(), 0..=3);
    (0_usize..300, proptest::sample::select(engines.to_vec()), any::<bool>(), tags).prop_map(
        |(number, engine, read_only, tags)| {
            let tags = tags.into_iter().collect();
            Instance { number, engine, read_only, tags }
        },
    )
}

proptest! {
    #[test]
    fn finds_every_instance_that_passes_and_no_other(
        instances in proptest::collection::vec(instance(), 0..200),
        sizes in proptest::collection::vec(1_usize..120, 1..5),
        repeats in 0_usize..3,
        totals in proptest::collection::vec(proptest::option::of(1_u64..400), 1..4),
        engines in proptest::sample::subsequence(ENGINES.to_vec(), 1..=2),
        tags in proptest::sample::subsequence(vec![TAGS[0], TAGS[1]], 0..=2),
    ) {
        // One of several with the same number, so that none has two engines.
        let unique: BTreeMap<_, _> =
            instances.into_iter().map(|instance| (instance.number, instance)).collect();
        let cloud = Cloud { instances: unique.into_values().collect(), sizes, repeats, totals };
        let filter = filter(&engines, &tags);

        let (found, _) = survey(&cloud, &filter);

        let found: Vec<_> = found.iter().map(|found| found.id.to_string()).collect();
        let passing = cloud.instances.iter().filter(|instance| instance.passes(&filter));
        prop_assert_eq!(found, passing.map(Instance::id).collect::<Vec<_>>());
    }
}

#[test]
fn ten_thousand_instances_cost_a_hundred_pages() {
    for (count, pages) in [(0, 1), (1, 1), (100, 1), (101, 2), (10_000, 100)] {
        let (found, asked) = survey(&cloud(mysql(0..count)), &filter(&ENGINES, &[]));
        assert_eq!((found.len(), asked), (count, pages), "{count}");
    }
}

#[test]
fn each_tag_has_a_list_of_its_own_until_one_leaves_nothing() {
    let mut instances = mysql(0..300);
    for instance in &mut instances {
        instance.tags = BTreeSet::from([TAGS[0]]);
    }
    let cloud = cloud(instances);
    assert_eq!(survey(&cloud, &filter(&ENGINES, &TAGS[..1])).1, 3);
    // "env" comes before "team", and no instance has it.
    assert_eq!(survey(&cloud, &filter(&ENGINES, &TAGS[..2])).1, 1);
}

#[test]
fn only_a_lone_engine_is_asked_for_by_name() {
    let (one, both) = (filter(&[Engine::SQLServer], &[]), filter(&ENGINES, &[]));
    assert_eq!(Survey::new("r", &one).wanted().engine, Some(Engine::SQLServer));
    assert_eq!(Survey::new("r", &both).wanted().engine, None);
}

#[test]
fn a_list_without_end_is_refused() {
    let filter = filter(&ENGINES, &[]);
    let mut again = Survey::new("r", &filter);
    assert_eq!(again.take(page(&["rm-1"], None, Some("a"))), Ok(Step::Page));
    assert_eq!(again.take(page(&["rm-2"], None, Some("b"))), Ok(Step::Page));
    assert!(again.take(page(&["rm-3"], None, Some("a"))).is_err());

    let mut long = Survey::new("r", &filter);
    let taken = (0..MAX_PAGES).map(|n| long.take(page(&[], None, Some(&n.to_string()))));
    let errors: Vec<_> = taken.filter_map(Result::err).collect();
    assert_eq!(errors.len(), 1);
    assert!(errors[0].message().contains("1000 pages"), "{}", errors[0]);
}

#[test]
fn a_list_that_hides_its_instances_is_refused() {
    let filter = filter(&ENGINES, &[]);
    assert!(Survey::new("r", &filter).take(page(&[], Some(7), None)).is_err());
    let mut with_some = Survey::new("r", &filter);
    assert_eq!(with_some.take(page(&["rm-1"], Some(7), Some("a"))), Ok(Step::Page));
    assert!(with_some.take(page(&[], Some(7), None)).is_ok());
}

#[test]
fn a_description_becomes_a_name_that_can_be_a_label() {
    for (description, expected) in [
        ("orders", "orders".to_owned()),
        ("订单\n\t\u{7f}x", "订单   x".to_owned()),
        (&"é".repeat(500), "é".repeat(128)),
        ("", String::new()),
    ] {
        assert_eq!(name(description), expected);
    }
}
