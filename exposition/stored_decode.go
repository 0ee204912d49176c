package exposition

import (
	"slices"
	"strconv"
	"unicode/utf8"
)

// DecodeFamilies reads what [AppendFamilies] wrote, also when its keys were
// reordered and spaces added, as jsonb does. The families are sorted by name.
// Members that it does not know are skipped, so that two versions of the
// gateway can share a database. It returns an error for everything else. The
// result does not refer to data.
func DecodeFamilies(data []byte) ([]Family, error) {
	var d Decoder
	return d.DecodeFamilies(data)
}

// Decoder decodes families of many groups into memory that it can use again.
// The zero value is ready.
type Decoder struct {
	// Layouts, if there are any, make groups packed. See [Decoder.DecodeGroup].
	Layouts *Layouts
	slabs

	packedText arena[byte] // of packed groups
	packedEnds arena[uint32]
	numbers    numbers // of the last one
}

// slabs are what decoded families consist of. They grow for a whole group and
// longer, which saves most allocations.
type slabs struct {
	families   []Family
	metrics    []Metric
	labels     []Label
	histograms []HistogramValue
	buckets    []Bucket
}

// DecodeFamilies is the function of that name. What it returns is valid until
// Reset is called.
func (d *Decoder) DecodeFamilies(data []byte) ([]Family, error) {
	text := string(data)
	r := decoder{scanner: scanner{data: data, text: text}, slabs: d.slabs}
	if !utf8.ValidString(text) {
		r.fail("invalid UTF-8")
	}
	r.metrics = room(r.metrics, len(text)/128) // a good guess
	families := r.groupFamilies()
	if r.peek(); r.pos < len(r.text) {
		r.fail("unexpected text after the families")
	}
	if r.err != nil {
		return nil, r.err
	}
	d.slabs = r.slabs
	return families, nil
}

// DecodeFamily reads one family of what [AppendFamilies] wrote, and reports whether
// there is one of that name. Its errors are those of DecodeFamilies, but what
// belongs to other families is looked at only as far as it takes to skip it.
func DecodeFamily(data []byte, name string) (Family, bool, error) {
	d := decoder{scanner: scanner{data: data, text: string(data)}}
	var f Family
	found := false
	for more := d.open('{', '}'); more; more = d.more('}') {
		if key := d.key(); key == name {
			f, found = d.family(key), true
		} else {
			d.skip()
		}
	}
	return f, found && d.err == nil, d.err
}

// DecodeNames reads the names of the families that [AppendFamilies] wrote, in no
// particular order. Its errors are those of DecodeFamily.
func DecodeNames(data []byte) ([]string, error) {
	s := scanner{data: data, text: string(data)}
	var names []string
	for more := s.open('{', '}'); more; more = s.more('}') {
		names = append(names, s.key())
		s.skip()
	}
	return names, s.err
}

// Reset lets the memory of all that was decoded be used again.
func (d *Decoder) Reset() {
	d.families, d.metrics, d.labels = d.families[:0], d.metrics[:0], d.labels[:0]
	d.histograms, d.buckets = d.histograms[:0], d.buckets[:0]
	d.packedText, d.packedEnds = d.packedText[:0], d.packedEnds[:0]
}

// room returns a slab with room for n more elements. What is in the old one
// stays there.
func room[T any](slab []T, n int) []T {
	if cap(slab)-len(slab) >= n {
		return slab
	}
	return make([]T, 0, max(n, min(2*cap(slab), 4096)))
}

// decoder reads the stored families of one group.
type decoder struct {
	scanner
	slabs
}

func (d *decoder) groupFamilies() []Family {
	d.families = room(d.families, len(d.text)/256) // a good guess
	start := len(d.families)
	for more := d.open('{', '}'); more; more = d.more('}') {
		d.families = append(d.families, d.family(d.key()))
	}
	families := d.families[start:len(d.families):len(d.families)]
	if !slices.IsSortedFunc(families, compareFamilies) {
		slices.SortFunc(families, compareFamilies)
	}
	for i := 1; i < len(families); i++ {
		if families[i].Name == families[i-1].Name {
			d.fail("family %q occurs twice", excerpt(families[i].Name))
		}
	}
	return families
}

func (d *decoder) family(name string) Family {
	f := Family{Name: name}
	known, deferred := false, 0 // the type; where metrics are that came before it
	for more := d.open('{', '}'); more; more = d.more('}') {
		switch key := d.key(); {
		case key == "type":
			typeName := d.string()
			if f.Type, known = ParseType(typeName); !known {
				d.fail("unknown type %q", excerpt(typeName))
			}
		case key == "help":
			f.Help = d.string()
		case key == "unit":
			f.Unit = d.string()
		case key == "metrics" && known:
			f.Metrics = d.metricList(f.Type)
		case key == "metrics":
			deferred = d.pass()
		default:
			d.skip()
		}
	}
	if !known {
		d.fail("family %q has no type", excerpt(name))
	}
	if deferred > 0 {
		d.at(deferred, func() { f.Metrics = d.metricList(f.Type) })
	}
	return f
}

// at reads a value that pass moved over, because it could not be understood
// before what came after it.
func (d *decoder) at(start int, read func()) {
	if d.err == nil {
		end := d.pos
		d.pos = start
		read()
		d.pos = max(d.pos, end)
	}
}

// later moves over a part of a histogram, and returns where it starts. Metrics of
// other types should not have it.
func (d *decoder) later(t Type) int {
	if !t.isHistogram() {
		d.skip()
		return 0
	}
	return d.pass()
}

func (d *decoder) metricList(t Type) []Metric {
	start := len(d.metrics)
	for more := d.open('[', ']'); more; more = d.more(']') {
		d.metrics = append(d.metrics, d.metric(t))
	}
	return d.metrics[start:len(d.metrics):len(d.metrics)]
}

// rawMetric has the members of a metric that mean something only together.
type rawMetric struct {
	value, count, sum string
	quantiles         []Quantile
	float             bool
	buckets, native   int // for decoder.at
	exemplars         []Exemplar
}

func (d *decoder) metric(t Type) Metric {
	var m Metric
	var raw rawMetric
	for more := d.open('{', '}'); more; more = d.more('}') {
		switch d.key() {
		case "labels":
			m.Labels = d.labelSet()
		case "value":
			raw.value = d.string()
		case "count":
			raw.count = d.string()
		case "sum":
			raw.sum = d.string()
		case "quantiles":
			raw.quantiles = list(d, d.quantile)
		case "float":
			raw.float = d.bool()
		case "buckets":
			raw.buckets = d.later(t)
		case "native":
			raw.native = d.later(t)
		case "exemplars":
			raw.exemplars = list(d, d.exemplar)
		case "exemplar":
			m.Exemplar = d.exemplarPointer()
		case "created":
			m.Created = d.time()
		case "timestamp_ms":
			m.TimestampMs = d.timestamp()
		default:
			d.skip()
		}
	}
	switch {
	case t == Summary:
		m.Summary = &SummaryValue{d.parseUint(raw.count), d.parseFloat(raw.sum), raw.quantiles}
	case t.isHistogram():
		m.Histogram = d.histogram(raw)
	default:
		m.Value = d.parseFloat(raw.value)
	}
	return m
}

// list reads an array. It returns nil for an empty one.
func list[T any](d *decoder, read func() T) []T {
	var l []T
	for more := d.open('[', ']'); more; more = d.more(']') {
		l = append(l, read())
	}
	return l
}

func (d *decoder) labelSet() []Label {
	start := len(d.labels)
	for more := d.open('{', '}'); more; more = d.more('}') {
		d.labels = append(d.labels, Label{d.key(), d.string()})
	}
	if start == len(d.labels) {
		return nil
	}
	labels := sortedLabels(d.labels[start:len(d.labels):len(d.labels)])
	if name, ok := repeatedName(labels); ok {
		d.fail("label %q occurs twice", excerpt(name))
	}
	return labels
}

func (d *decoder) timestamp() *int64 {
	text := d.string()
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		d.fail("expected milliseconds in a string, got %q", excerpt(text))
	}
	return &ms
}

func (d *decoder) quantile() (q Quantile) {
	d.expect('[')
	q.Quantile = d.float()
	d.expect(',')
	q.Value = d.float()
	d.expect(']')
	return q
}

func (d *decoder) exemplar() (e Exemplar) {
	var value string
	for more := d.open('{', '}'); more; more = d.more('}') {
		switch d.key() {
		case "labels":
			e.Labels = d.labelSet()
		case "value":
			value = d.string()
		case "timestamp":
			e.Timestamp = d.time()
		default:
			d.skip()
		}
	}
	e.Value = d.parseFloat(value)
	return e
}

func (d *decoder) exemplarPointer() *Exemplar {
	e := d.exemplar()
	return &e
}
