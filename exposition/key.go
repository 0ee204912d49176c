package exposition

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/prometheus/common/model"
)

const (
	jobLabel      = "job"
	instanceLabel = "instance"
	base64Suffix  = "@base64"
	// separator cannot be part of a name or value: it is no UTF-8.
	separator = "\xff"
)

// Label is a label pair.
type Label struct {
	Name, Value string
}

// NameScheme says which metric and label names are valid in pushes.
type NameScheme uint8

// The name schemes. With UTF8Names, label names in paths may be escaped with
// the U__ form of the Prometheus documentation.
const (
	LegacyNames NameScheme = iota
	UTF8Names
)

// Digest identifies a grouping key: the SHA-256 of its canonical form.
type Digest [sha256.Size]byte

// GroupingKey is the label set that names a group. It is immutable and always
// has a non-empty job; the zero value is no key.
type GroupingKey struct {
	labels    []Label // sorted by name
	canonical string  // job first, so that groups sort by job
	digest    Digest
}

// NewGroupingKey returns the key with the given labels. It returns an
// ErrGroupingKey unless there is a job, all names and values are valid, and
// the key is no longer than 32 KiB.
func NewGroupingKey(labels map[string]string, scheme NameScheme) (GroupingKey, error) {
	if labels[jobLabel] == "" {
		return GroupingKey{}, errNoJob()
	}
	sorted := make([]Label, 0, len(labels))
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		sorted = append(sorted, Label{name, labels[name]})
	}
	return newGroupingKey(sorted, scheme)
}

// newGroupingKey makes a key of sorted labels, of which one is the job. The
// labels' memory becomes the key's, their texts do not.
func newGroupingKey(labels []Label, scheme NameScheme) (GroupingKey, error) {
	size := 0
	for _, l := range labels {
		if !validLabelName(l.Name, scheme) || strings.HasPrefix(l.Name, model.ReservedLabelPrefix) {
			return GroupingKey{}, keyError("improper label name %q in the path%s", l.Name, nameHint(l.Name, scheme))
		}
		if !validText(l.Value) {
			return GroupingKey{}, keyError("the value of label %s, %q, must be UTF-8 without NUL", l.Name, l.Value)
		}
		size += len(l.Name) + len(l.Value) + 2*len(separator)
	}
	job, _ := lookup(labels, jobLabel)
	b := make([]byte, 0, size)
	b = append(b, job...)
	for _, l := range labels {
		if l.Name != jobLabel {
			b = append(append(append(append(b, separator...), l.Name...), separator...), l.Value...)
		}
	}
	if len(b) > maxKeyBytes {
		return GroupingKey{}, keyError("the grouping key has more than %d bytes: each series repeats it, so keep it short", maxKeyBytes)
	}
	k := GroupingKey{labels: labels, canonical: string(b), digest: sha256.Sum256(b)}
	rest := k.canonical[len(job):]
	for i := range labels {
		l := &labels[i]
		if l.Name == jobLabel {
			*l = Label{jobLabel, k.canonical[:len(job)]}
			continue
		}
		name, value := len(separator)+len(l.Name), len(separator)+len(l.Value)
		*l = Label{rest[len(separator):name], rest[name+len(separator) : name+value]}
		rest = rest[name+value:]
	}
	return k, nil
}

// DecodeGroupingKey reads a key's labels, stored as a JSON object. It returns an
// error for everything else and for what is no key.
func DecodeGroupingKey(data []byte) (GroupingKey, error) {
	s := scanner{data: data, text: string(data)}
	labels := make([]Label, 0, 4)
	for more := s.open('{', '}'); more; more = s.more('}') {
		labels = append(labels, Label{s.key(), s.string()})
	}
	if s.peek(); s.pos < len(s.text) {
		s.fail("unexpected text after the labels")
	}
	labels = sortedLabels(labels)
	if name, ok := repeatedName(labels); ok {
		s.fail("label %q occurs twice", excerpt(name))
	}
	if s.err != nil {
		return GroupingKey{}, s.err
	}
	if job, _ := lookup(labels, jobLabel); job == "" {
		return GroupingKey{}, keyError("job name is required")
	}
	return newGroupingKey(labels, UTF8Names)
}

// ParseGroupingKey reads the key from the decoded URL path that follows
// /metrics/, as in "job/backup/instance/db1". The README's section "Push" has
// the rules. It returns an ErrGroupingKey for a path that names no group.
func ParseGroupingKey(path string, scheme NameScheme) (GroupingKey, error) {
	first, rest, _ := strings.Cut(path, "/")
	job, rest, more := strings.Cut(rest, "/")
	switch first {
	case jobLabel:
	case jobLabel + base64Suffix:
		decoded, err := decodeBase64(job)
		if err != nil {
			return GroupingKey{}, keyError("invalid base64 encoding in job name %q: use the URL-safe alphabet", job)
		}
		job = decoded
	default:
		return GroupingKey{}, keyError("the path must start with /metrics/job/<job>, not with /metrics/%s", first)
	}
	labels := make([]Label, 0, 4)
	if more && rest != "" {
		var err error
		if labels, err = parseLabels(labels, rest, scheme); err != nil {
			return GroupingKey{}, err
		}
	}
	if job == "" {
		return GroupingKey{}, errNoJob()
	}
	labels = append(labels, Label{jobLabel, job})
	slices.SortStableFunc(labels, compareNames)
	return newGroupingKey(lastOfEachLabel(labels), scheme)
}

// parseLabels appends the labels of the path. Of those with one name the last one
// counts.
func parseLabels(labels []Label, path string, scheme NameScheme) ([]Label, error) {
	if strings.Count(path, "/")%2 == 0 {
		return nil, keyError("odd number of components in label string %q: give each label a value, or encode values with a slash as <label>@base64/<value>", "/"+path)
	}
	for more := true; more; {
		var name, value string
		name, path, _ = strings.Cut(path, "/")
		value, path, more = strings.Cut(path, "/")
		trimmed := strings.TrimSuffix(name, base64Suffix)
		if strings.HasPrefix(trimmed, model.ReservedLabelPrefix) {
			return nil, keyError("improper label name %q in the path: names that start with __ are reserved", trimmed)
		}
		if trimmed != name {
			decoded, err := decodeBase64(value)
			if err != nil {
				return nil, keyError("invalid base64 encoding for label %s=%q: use the URL-safe alphabet", trimmed, value)
			}
			value = decoded
		}
		if scheme == UTF8Names {
			trimmed = model.UnescapeName(trimmed, model.ValueEncodingEscaping)
		}
		if trimmed == "" {
			return nil, keyError("empty label name in the path")
		}
		labels = append(labels, Label{trimmed, value})
	}
	return labels, nil
}

// decodeBase64 decodes the URL-safe alphabet with any amount of padding.
func decodeBase64(s string) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
	return string(b), err
}

func errNoJob() error { return keyError("job name is required: push to /metrics/job/<job>") }

func keyError(format string, args ...any) error {
	for i, arg := range args {
		if s, ok := arg.(string); ok {
			args[i] = excerpt(s)
		}
	}
	return &refusal{ErrGroupingKey, oneLine(fmt.Sprintf(format, args...))}
}

func nameHint(name string, scheme NameScheme) string {
	if scheme == LegacyNames && model.UTF8Validation.IsValidLabelName(name) && !strings.HasPrefix(name, model.ReservedLabelPrefix) {
		return ": UTF-8 names need --push.enable-utf8-names"
	}
	return ""
}

func validLabelName(name string, scheme NameScheme) bool {
	if scheme == UTF8Names {
		return model.UTF8Validation.IsValidLabelName(name) && validText(name)
	}
	return model.LegacyValidation.IsValidLabelName(name)
}

// validText reports whether s can be exposed and stored: UTF-8 without NUL.
func validText(s string) bool {
	return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0
}

// Labels returns the key's labels, sorted by name. The caller must not change
// them.
func (k GroupingKey) Labels() []Label { return k.labels }

// Job returns the value of the job label.
func (k GroupingKey) Job() string { return k.Get(jobLabel) }

// Get returns the value of the label, or "" if the key does not have it.
func (k GroupingKey) Get(name string) string {
	v, _ := lookup(k.labels, name)
	return v
}

// Map returns the labels in a map that the caller owns.
func (k GroupingKey) Map() map[string]string {
	m := make(map[string]string, len(k.labels))
	for _, l := range k.labels {
		m[l.Name] = l.Value
	}
	return m
}

// Digest identifies the key. Equal label sets have equal digests.
func (k GroupingKey) Digest() Digest { return k.digest }

// Compare orders keys by job and then by the other labels: the order of groups
// within a family of the exposition.
func (k GroupingKey) Compare(other GroupingKey) int {
	return cmp.Compare(k.canonical, other.canonical)
}

// String returns the key in the notation of the text format, job first.
func (k GroupingKey) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "{job=%q", k.Job())
	for _, l := range k.labels {
		if l.Name != jobLabel {
			fmt.Fprintf(&b, ",%s=%q", l.Name, l.Value)
		}
	}
	b.WriteByte('}')
	return b.String()
}

// Shape is the canonical form of the key's label names. Groups of one job can
// expose equal series only if their shapes differ.
func (k GroupingKey) Shape() string {
	names := make([]string, len(k.labels))
	for i, l := range k.labels {
		names[i] = l.Name
	}
	return strings.Join(names, separator)
}

// hasShape reports whether Shape would return the shape.
func (k GroupingKey) hasShape(shape string) bool {
	for i, l := range k.labels {
		rest, ok := strings.CutPrefix(shape, l.Name)
		if i < len(k.labels)-1 && ok {
			rest, ok = strings.CutPrefix(rest, separator)
		}
		if !ok {
			return false
		}
		shape = rest
	}
	return shape == ""
}

// FinalLabels appends to dst the labels with which a metric of the group is
// exposed, sorted by name: its own, the key's (which win), and an empty
// instance where neither has one.
func (k GroupingKey) FinalLabels(dst, own []Label) []Label {
	dst = slices.Grow(dst, len(own)+len(k.labels)+1)
	instance := false
	put := func(l Label) {
		if !instance && l.Name >= instanceLabel {
			instance = true
			if l.Name != instanceLabel {
				dst = append(dst, Label{Name: instanceLabel})
			}
		}
		dst = append(dst, l)
	}
	key := k.labels
	for _, l := range own {
		for len(key) > 0 && key[0].Name < l.Name {
			put(key[0])
			key = key[1:]
		}
		if len(key) > 0 && key[0].Name == l.Name {
			continue // the key's label follows and wins
		}
		put(l)
	}
	for _, l := range key {
		put(l)
	}
	if !instance {
		dst = append(dst, Label{Name: instanceLabel})
	}
	return dst
}

// Project returns the key of the given shape that could expose a series with
// the given final labels, and whether there is one.
func Project(shape string, final []Label) (GroupingKey, bool) {
	labels := map[string]string{}
	for name := range strings.SplitSeq(shape, separator) {
		v, ok := lookup(final, name)
		if !ok {
			return GroupingKey{}, false
		}
		labels[name] = v
	}
	k, err := NewGroupingKey(labels, UTF8Names)
	return k, err == nil
}

func lookup(labels []Label, name string) (string, bool) {
	i, ok := slices.BinarySearchFunc(labels, name, func(l Label, n string) int { return cmp.Compare(l.Name, n) })
	if !ok {
		return "", false
	}
	return labels[i].Value, true
}
