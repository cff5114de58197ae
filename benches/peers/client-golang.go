// Serves the series of a text file through client_golang and promhttp: a vector for each family,
// set once, as most exporters in Go have them.
//
// usage: client-golang HOST:PORT FILE
package main

import (
	"log"
	"net/http"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

func main() {
	listen, path := os.Args[1], os.Args[2]
	file, err := os.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	var parser expfmt.TextParser
	families, err := parser.TextToMetricFamilies(file)
	if err != nil {
		log.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	for _, family := range families {
		register(registry, family)
	}
	families = nil
	http.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	log.Fatal(http.ListenAndServe(listen, nil))
}

func register(registry *prometheus.Registry, family *dto.MetricFamily) {
	switch family.GetType() {
	case dto.MetricType_COUNTER:
		counters(registry, family)
	case dto.MetricType_HISTOGRAM:
		histograms(registry, family)
	default:
		gauges(registry, family)
	}
}

func counters(registry *prometheus.Registry, family *dto.MetricFamily) {
	names := labelNames(family)
	options := prometheus.CounterOpts{Name: family.GetName(), Help: family.GetHelp()}
	vector := prometheus.NewCounterVec(options, names)
	registry.MustRegister(vector)
	for _, metric := range family.Metric {
		vector.With(labels(metric)).Add(metric.GetCounter().GetValue())
	}
}

func gauges(registry *prometheus.Registry, family *dto.MetricFamily) {
	options := prometheus.GaugeOpts{Name: family.GetName(), Help: family.GetHelp()}
	vector := prometheus.NewGaugeVec(options, labelNames(family))
	registry.MustRegister(vector)
	for _, metric := range family.Metric {
		vector.With(labels(metric)).Set(metric.GetGauge().GetValue())
	}
}

// Observes what gives the same buckets, not the same sum.
func histograms(registry *prometheus.Registry, family *dto.MetricFamily) {
	buckets := family.Metric[0].GetHistogram().GetBucket()
	var bounds []float64
	for _, bucket := range buckets {
		bounds = append(bounds, bucket.GetUpperBound())
	}
	options := prometheus.HistogramOpts{Name: family.GetName(), Help: family.GetHelp(), Buckets: bounds}
	vector := prometheus.NewHistogramVec(options, labelNames(family))
	registry.MustRegister(vector)
	for _, metric := range family.Metric {
		vector.With(labels(metric)).Observe(bounds[0])
	}
}

func labelNames(family *dto.MetricFamily) []string {
	var names []string
	for _, label := range family.Metric[0].GetLabel() {
		names = append(names, label.GetName())
	}
	return names
}

func labels(metric *dto.Metric) prometheus.Labels {
	labels := prometheus.Labels{}
	for _, label := range metric.GetLabel() {
		labels[label.GetName()] = label.GetValue()
	}
	return labels
}
