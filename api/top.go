package api

import (
	"container/heap"
	"slices"
)

// top holds the first few of many values.
type top[T any] struct {
	limit   int
	compare func(a, b T) int
	values  []T // a heap with the last one first
}

func newTop[T any](limit int, compare func(a, b T) int) *top[T] {
	return &top[T]{limit: limit, compare: compare}
}

func (t *top[T]) full() bool { return len(t.values) == t.limit }

// has reports whether a value would be among the first, so far.
func (t *top[T]) has(v T) bool { return !t.full() || t.compare(v, t.values[0]) < 0 }

// add adds a value that is among the first. It returns the one that is not any more,
// if there is one.
func (t *top[T]) add(v T) (dropped T, ok bool) {
	if t.full() {
		dropped, ok = t.values[0], true
		t.values[0] = v
		heap.Fix(t, 0)
		return dropped, ok
	}
	heap.Push(t, v)
	return dropped, false
}

// sorted returns the values in their order. The top is not to be used any more.
func (t *top[T]) sorted() []T {
	slices.SortFunc(t.values, t.compare)
	return t.values
}

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (t *top[T]) Len() int           { return len(t.values) }
func (t *top[T]) Less(i, j int) bool { return t.compare(t.values[i], t.values[j]) > 0 }
func (t *top[T]) Swap(i, j int)      { t.values[i], t.values[j] = t.values[j], t.values[i] }
func (t *top[T]) Push(v any)         { t.values = append(t.values, v.(T)) }
func (t *top[T]) Pop() any {
	last := t.values[len(t.values)-1]
	t.values = t.values[:len(t.values)-1]
	return last
}
