package main

import (
	"fmt"
	"strconv"
)

// seriesPerPush is how many series a body has.
const seriesPerPush = 20

// appendBody appends a push in the text format like that of a batch job: ten
// families with 20 series, of which one is a histogram with seven. All values
// depend on n: an equal body would cost a database less.
func appendBody(dst []byte, n int) []byte {
	v := uint64(n)*2654435761%1_000_003 + 1
	head := func(name, kind, help string) {
		dst = fmt.Appendf(dst, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
	}
	sample := func(series string, value float64) {
		dst = append(append(dst, series...), ' ')
		dst = append(strconv.AppendFloat(dst, value, 'g', -1, 64), '\n')
	}
	x := float64(v)
	head("batch_last_success_timestamp_seconds", "gauge", "When the job last ended well.")
	sample("batch_last_success_timestamp_seconds", 1.7e9+x)
	head("batch_duration_seconds", "gauge", "How long the job took.")
	sample("batch_duration_seconds", x/1000)
	head("batch_peak_memory_bytes", "gauge", "Most memory that the job had at a time.")
	sample("batch_peak_memory_bytes", x*4096)
	head("batch_queue_length", "gauge", "Items that are still to be done.")
	sample("batch_queue_length", float64(v%977))
	head("batch_input_age_seconds", "gauge", "How old the oldest item is.")
	sample("batch_input_age_seconds", x/7)
	head("batch_items_processed_total", "counter", "Items done, by result.")
	sample(`batch_items_processed_total{result="success"}`, x*3)
	sample(`batch_items_processed_total{result="failure"}`, float64(v%31))
	head("batch_bytes_total", "counter", "Bytes moved, by direction.")
	sample(`batch_bytes_total{direction="in"}`, x*1024)
	sample(`batch_bytes_total{direction="out"}`, x*512)
	head("batch_requests_total", "counter", "Requests to other services, by service.")
	sample(`batch_requests_total{service="storage"}`, x+1)
	sample(`batch_requests_total{service="billing"}`, x+2)
	head("batch_retries_total", "counter", "Requests that had to be sent again, by service.")
	sample(`batch_retries_total{service="storage"}`, float64(v%13))
	sample(`batch_retries_total{service="billing"}`, float64(v%17))
	head("batch_item_duration_seconds", "histogram", "How long one item took.")
	for i, bound := range []string{"0.01", "0.1", "1", "10", "+Inf"} {
		sample(`batch_item_duration_seconds_bucket{le="`+bound+`"}`, float64(v)*float64(i+1))
	}
	sample("batch_item_duration_seconds_sum", x*1.7)
	sample("batch_item_duration_seconds_count", x*5)
	return dst
}
