//! The exposition: what the store and the instruments know, as a page for Prometheus.
//!
//! Pure functions: nothing here asks the API, the clock or the store. Compressing the page and
//! sending it is the business of `web`.

mod instances;
mod registered;
mod text;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use prometheus::proto::MetricFamily;

use crate::instruments::catalog::{Family, INSTANCES};
use crate::store::InstanceSnapshot;

use instances::Row;
use text::Text;

pub use text::Page;

/// Media type of the page: the text format 0.0.4 of Prometheus.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Renders the page at `now`: the families of the instances and those of the registry, grouped and
/// sorted by name, each only if it has a sample.
///
/// `snapshots` are in the order of their keys, each key once, as the store hands them out;
/// `gathered` is what `Instruments::gather` says.
pub fn render(
    snapshots: &[Arc<InstanceSnapshot>],
    now: DateTime<Utc>,
    gathered: &[MetricFamily],
) -> Page {
    let rows: Vec<Row<'_>> = snapshots.iter().map(|snapshot| Row::new(snapshot, now)).collect();
    let mut families: Vec<Source<'_>> = gathered.iter().map(Source::Registered).collect();
    families.push(Source::States);
    families.extend(instances::FAMILIES.iter().map(Source::Instances));
    families.sort_by_key(|family| family.name());

    let mut text = Text::new();
    for family in families {
        match family {
            Source::Registered(family) => registered::write(family, &mut text),
            Source::States => instances::write_states(snapshots, &mut text),
            Source::Instances((family, write)) => {
                let mut samples = text.samples(family);
                for row in &rows {
                    write(row, &mut samples);
                }
            }
        }
    }
    text.into_page()
}

/// Where the samples of a family come from.
enum Source<'a> {
    /// The registry of the instruments.
    Registered(&'a MetricFamily),
    /// The states of all instances together.
    States,
    /// Each instance by itself.
    Instances(&'a (Family, instances::Write)),
}

impl<'a> Source<'a> {
    fn name(&self) -> &'a str {
        match self {
            Self::Registered(family) => family.name(),
            Self::States => INSTANCES.name,
            Self::Instances((family, _)) => family.name,
        }
    }
}
