//! Families of the registry, as text.

use prometheus::proto::{Metric, MetricFamily, MetricType};

use crate::instruments::catalog::Kind;

use super::format::Format;
use super::text::Text;
use super::value::Value;

/// Writes a family. The registry has sorted its samples by their label values already.
///
/// Summaries and untyped metrics are left out: the catalog has none.
pub(super) fn write(family: &MetricFamily, format: Format, text: &mut Text<'_>) {
    let kind = match family.get_field_type() {
        MetricType::COUNTER => Kind::Counter,
        MetricType::GAUGE => Kind::Gauge,
        MetricType::HISTOGRAM => Kind::Histogram,
        MetricType::SUMMARY | MetricType::UNTYPED => return,
    };
    if family.get_metric().is_empty() {
        return;
    }
    let name = family.name();
    text.header(name, kind, family.help(), format);
    for metric in family.get_metric() {
        match kind {
            Kind::Counter => {
                let value = Value::Float(metric.get_counter().get_value());
                sample(name, "", metric, None, value, text);
            }
            Kind::Gauge => {
                let value = Value::Float(metric.get_gauge().get_value());
                sample(name, "", metric, None, value, text);
            }
            Kind::Histogram => histogram(name, metric, text),
        }
    }
}

fn histogram(name: &str, metric: &Metric, text: &mut Text<'_>) {
    let histogram = metric.get_histogram();
    let count = Value::Integer(histogram.get_sample_count());
    for bucket in histogram.get_bucket().iter().filter(|bucket| bucket.upper_bound().is_finite()) {
        // OpenMetrics wants whole numbers with a fraction, and Prometheus 3 makes them so.
        let bound = format!("{:?}", bucket.upper_bound());
        let within = Value::Integer(bucket.cumulative_count());
        sample(name, "_bucket", metric, Some(&bound), within, text);
    }
    sample(name, "_bucket", metric, Some("+Inf"), count, text);
    sample(name, "_sum", metric, None, Value::Float(histogram.get_sample_sum()), text);
    sample(name, "_count", metric, None, count, text);
}

fn sample(
    name: &str,
    suffix: &str,
    metric: &Metric,
    bound: Option<&str>,
    value: Value,
    text: &mut Text<'_>,
) {
    text.raw(name);
    text.raw(suffix);
    if !metric.get_label().is_empty() || bound.is_some() {
        text.raw("{");
        for label in metric.get_label() {
            text.label(label.name(), label.value());
        }
        if let Some(bound) = bound {
            text.label("le", bound);
        }
        text.raw("}");
    }
    text.value(value);
}
