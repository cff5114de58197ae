// Serves the series of a text file through client_golang and promhttp: a collector makes constant
// metrics at each scrape, as the guide to writing exporters has it. Vectors that are set once take
// more of both memory and time.
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

type family struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	rows []row
}

type row struct {
	labels []string
	value  float64
	// Only of histograms.
	count   uint64
	buckets map[float64]uint64
}

type collector []family

func (families collector) Describe(descs chan<- *prometheus.Desc) {
	for _, family := range families {
		descs <- family.desc
	}
}

func (families collector) Collect(metrics chan<- prometheus.Metric) {
	for _, family := range families {
		for _, row := range family.rows {
			if row.buckets != nil {
				metrics <- prometheus.MustNewConstHistogram(
					family.desc, row.count, row.value, row.buckets, row.labels...)
				continue
			}
			metrics <- prometheus.MustNewConstMetric(
				family.desc, family.kind, row.value, row.labels...)
		}
	}
}

func main() {
	listen, path := os.Args[1], os.Args[2]
	registry := prometheus.NewRegistry()
	registry.MustRegister(read(path))
	http.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	log.Fatal(http.ListenAndServe(listen, nil))
}

func read(path string) collector {
	file, err := os.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	var parser expfmt.TextParser
	parsed, err := parser.TextToMetricFamilies(file)
	if err != nil {
		log.Fatal(err)
	}
	// Every label value is in memory once, as it would be in an exporter.
	words := map[string]string{}
	var families collector
	for _, family := range parsed {
		families = append(families, compact(family, words))
	}
	return families
}

func compact(parsed *dto.MetricFamily, words map[string]string) family {
	var names []string
	for _, label := range parsed.Metric[0].GetLabel() {
		names = append(names, label.GetName())
	}
	desc := prometheus.NewDesc(parsed.GetName(), parsed.GetHelp(), names, nil)
	compacted := family{desc: desc, kind: prometheus.GaugeValue}
	if parsed.GetType() == dto.MetricType_COUNTER {
		compacted.kind = prometheus.CounterValue
	}
	for _, metric := range parsed.Metric {
		row := row{labels: make([]string, 0, len(names))}
		for _, label := range metric.GetLabel() {
			word, ok := words[label.GetValue()]
			if !ok {
				word = label.GetValue()
				words[word] = word
			}
			row.labels = append(row.labels, word)
		}
		switch parsed.GetType() {
		case dto.MetricType_COUNTER:
			row.value = metric.GetCounter().GetValue()
		case dto.MetricType_HISTOGRAM:
			histogram := metric.GetHistogram()
			row.value, row.count = histogram.GetSampleSum(), histogram.GetSampleCount()
			row.buckets = map[float64]uint64{}
			for _, bucket := range histogram.GetBucket() {
				row.buckets[bucket.GetUpperBound()] = bucket.GetCumulativeCount()
			}
		default:
			row.value = metric.GetGauge().GetValue()
		}
		compacted.rows = append(compacted.rows, row)
	}
	return compacted
}
