//! Rules for a whole family.

use std::cmp::Ordering;

use super::page::{Family, Sample};
use super::parser::{Problem, number};

/// Whether a sample's name is one that its family may use.
pub(super) fn belongs(sample: &Sample, family: &Family) -> bool {
    let suffixes: &[&str] =
        if family.kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
    sample.name.strip_prefix(&*family.name).is_some_and(|suffix| suffixes.contains(&suffix))
}

/// Checks a family of which everything was read.
pub(super) fn check(family: &Family) -> Result<(), Problem> {
    let name = &family.name;
    if family.samples.is_empty() {
        return Err(format!("family {name} has no sample"));
    }
    if name.ends_with("_total") != (family.kind == "counter") {
        return Err(format!("{} {name}: counters and only counters end in _total", family.kind));
    }
    if family.kind == "counter" && family.samples.iter().any(|sample| sample.value < 0.0) {
        return Err(format!("counter {name} is negative"));
    }
    let series = match &*family.kind {
        "histogram" => histograms(family)?,
        _ => family.samples.clone(),
    };
    for (before, after) in series.iter().zip(series.iter().skip(1)) {
        even(before, after)?;
        match order(before, after)? {
            Ordering::Less => {}
            Ordering::Equal => return Err(format!("series twice: {name} {:?}", after.labels)),
            Ordering::Greater => {
                return Err(format!("{name} {:?} is not in its place: not sorted", after.labels));
            }
        }
    }
    for sample in &series {
        sample.label("import_id").map_or(Ok(0), import_id)?;
        if sample.label("le").is_some() {
            return Err(format!("label le in {name}, outside a bucket"));
        }
    }
    Ok(())
}

fn names(sample: &Sample) -> Vec<&str> {
    sample.labels.iter().map(|(name, _)| name.as_str()).collect()
}

fn even(one: &Sample, other: &Sample) -> Result<(), Problem> {
    if names(one) == names(other) {
        return Ok(());
    }
    Err(format!("uneven labels in {}: {:?} and {:?}", one.name, names(one), names(other)))
}

/// Compares label values one after another; `import_id` as a number.
fn order(one: &Sample, other: &Sample) -> Result<Ordering, Problem> {
    for ((name, a), (_, b)) in one.labels.iter().zip(&other.labels) {
        let order = match name.as_str() {
            "import_id" => import_id(a)?.cmp(&import_id(b)?),
            _ => a.cmp(b),
        };
        if order.is_ne() {
            return Ok(order);
        }
    }
    Ok(Ordering::Equal)
}

fn import_id(text: &str) -> Result<u64, Problem> {
    let number = text.parse::<u64>().ok().filter(|number| number.to_string() == text);
    number.ok_or_else(|| format!("import_id is not a number: {text:?}"))
}

/// Reads a bound, which has a fraction even if it is whole: so OpenMetrics wants it, and so
/// Prometheus 3 writes it.
fn bound_with_fraction(bound: &str) -> Result<f64, Problem> {
    match bound.strip_suffix(".0") {
        Some(whole) => number(whole),
        None if bound.contains('.') => number(bound),
        None => Err(format!("bound without a fraction: {bound:?}")),
    }
}

/// Checks the histograms of a family and returns the `_count` of each, which stands for it.
fn histograms(family: &Family) -> Result<Vec<Sample>, Problem> {
    let name = &family.name;
    let mut counts = Vec::new();
    let mut rest = family.samples.as_slice();
    while !rest.is_empty() {
        let buckets = rest.iter().take_while(|sample| sample.name.ends_with("_bucket")).count();
        let (buckets, after) = rest.split_at(buckets);
        let [sum, count, after @ ..] = after else {
            return Err(format!("histogram {name} without sum and count behind its buckets"));
        };
        if !sum.name.ends_with("_sum") || !count.name.ends_with("_count") {
            return Err(format!("histogram {name} without sum and count behind its buckets"));
        }
        if sum.labels != count.labels {
            return Err(format!("sum and count of {name} have different labels"));
        }
        check_buckets(buckets, count)?;
        counts.push(count.clone());
        rest = after;
    }
    Ok(counts)
}

fn check_buckets(buckets: &[Sample], count: &Sample) -> Result<(), Problem> {
    let mut bounds = Vec::new();
    for bucket in buckets {
        let Some((("le", bound), others)) =
            bucket.labels.split_last().map(|((name, value), rest)| ((&**name, value), rest))
        else {
            return Err(format!("{} without le as its last label", bucket.name));
        };
        if others != count.labels {
            return Err(format!("buckets and count have different labels: {:?}", bucket.labels));
        }
        if bucket.value < 0.0 || bucket.value.fract() != 0.0 {
            return Err(format!("{} {bound} counts no whole events", bucket.name));
        }
        bounds.push(if bound == "+Inf" { f64::INFINITY } else { bound_with_fraction(bound)? });
    }
    let Some(last) = buckets.last().filter(|_| bounds.last() == Some(&f64::INFINITY)) else {
        return Err(format!("{} has no +Inf bucket at its end", count.name));
    };
    if !bounds.is_sorted_by(|one, other| one < other) {
        return Err(format!("bounds of {} do not grow", last.name));
    }
    if !buckets.is_sorted_by(|one, other| one.value <= other.value) {
        return Err(format!("{} is not cumulative", last.name));
    }
    if last.value.total_cmp(&count.value).is_ne() {
        return Err(format!("{} is not the +Inf bucket", count.name));
    }
    Ok(())
}
