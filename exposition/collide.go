package exposition

import (
	"cmp"
	"slices"
	"strings"
)

// checkUnique refuses a family that has a series twice. All its metrics get
// the same labels from the key, so comparing their own labels is enough.
func checkUnique(key GroupingKey, f Family) error {
	if len(f.Metrics) < 2 {
		return nil
	}
	sorted := make([][]Label, len(f.Metrics))
	for i := range f.Metrics {
		sorted[i] = f.Metrics[i].Labels
	}
	slices.SortFunc(sorted, compareLabels)
	for i := 1; i < len(sorted); i++ {
		if slices.Equal(sorted[i-1], sorted[i]) {
			return inconsistent("the push has %s twice, once the labels of its group are set: push each series once",
				seriesText(f.Name, key.FinalLabels(nil, sorted[i])))
		}
	}
	return nil
}

func compareLabels(a, b []Label) int {
	for i := range min(len(a), len(b)) {
		if c := strings.Compare(a[i].Name, b[i].Name); c != 0 {
			return c
		}
		if c := strings.Compare(a[i].Value, b[i].Value); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

// suffixes returns the endings of the names under which a family of the type
// is exposed beside its own.
func suffixes(t Type) []string {
	switch {
	case t == Summary:
		return []string{"_count", "_sum"}
	case t.isHistogram():
		return []string{"_bucket", "_count", "_sum"}
	}
	return nil
}

// checkCollisions refuses families that would expose the same name, among each
// other or with the gateway's own.
func checkCollisions(sorted []Family, own map[string]Type) error {
	for _, f := range sorted {
		if len(f.Metrics) == 0 {
			continue
		}
		for _, suffix := range suffixes(f.Type) {
			i, ok := slices.BinarySearchFunc(sorted, f.Name+suffix, func(f Family, name string) int { return cmp.Compare(f.Name, name) })
			if ok && len(sorted[i].Metrics) > 0 {
				return inconsistent("the metric name %s collides with the %s %s, which exposes that name itself: rename one of them",
					excerpt(sorted[i].Name), f.Type, excerpt(f.Name))
			}
		}
		if err := checkOwn(f, own); err != nil {
			return err
		}
	}
	return nil
}

func checkOwn(f Family, own map[string]Type) error {
	if len(own) == 0 {
		return nil
	}
	if t, ok := own[f.Name]; ok && t != f.Type {
		return inconsistent("metric family %s has the type %s, but the gateway's own metric of that name is a %s: rename yours, or run the gateway with --web.self-metrics=separate",
			f.Name, f.Type, t)
	}
	for _, suffix := range suffixes(f.Type) {
		if _, ok := own[f.Name+suffix]; ok {
			return inconsistent("the %s %s exposes %s, which is a metric of the gateway itself: rename yours, or run the gateway with --web.self-metrics=separate",
				f.Type, f.Name, f.Name+suffix)
		}
	}
	for _, suffix := range suffixes(Histogram) {
		base, ok := strings.CutSuffix(f.Name, suffix)
		if t, exists := own[base]; ok && exists && slices.Contains(suffixes(t), suffix) {
			return inconsistent("the metric name %s collides with the gateway's own %s %s: rename yours, or run the gateway with --web.self-metrics=separate",
				f.Name, t, base)
		}
	}
	return nil
}
