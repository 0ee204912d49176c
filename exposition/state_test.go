package exposition

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	promodel "github.com/prometheus/common/model"
	"google.golang.org/protobuf/proto"
)

func write(t testing.TB, s *Snapshot, enc Encoding) string {
	t.Helper()
	var b bytes.Buffer
	if err := s.WriteExposition(&b, enc); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func gunzip(t testing.TB, written string) string {
	t.Helper()
	r, err := gzip.NewReader(strings.NewReader(written))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var schemes = []promodel.EscapingScheme{
	promodel.NoEscaping, promodel.UnderscoreEscaping, promodel.DotsEscaping, promodel.ValueEncodingEscaping,
}

// changes makes random changes of a state and of the groups it should have.
type changes struct {
	generator
	t       testing.TB
	foreign bool
	state   *State
	groups  map[Digest]Group
}

func newChanges(t testing.TB, seed uint64, foreign bool) *changes {
	c := &changes{newGenerator(seed), t, foreign, NewState(), map[Digest]Group{}}
	c.state.EnableProtobuf()
	c.state.Apply(Change{Reset: true})
	return c
}

func (c *changes) apply() {
	change := Change{Reset: c.chance(2)}
	if change.Reset {
		clear(c.groups)
	}
	for d := range maps.Clone(c.groups) {
		if c.chance(15) {
			change.Deleted = append(change.Deleted, d)
			delete(c.groups, d)
		}
	}
	for range c.IntN(4) {
		g := c.group(c.t, c.foreign)
		if old, ok := c.groups[g.Key.Digest()]; ok && c.chance(50) {
			g.Families = old.Families
		}
		change.Groups = append(change.Groups, g)
		c.groups[g.Key.Digest()] = g
	}
	c.state.Apply(change)
}

// fresh returns a state built from the groups in random order.
func (c *changes) fresh() *State {
	s := NewState()
	s.EnableProtobuf()
	s.Apply(Change{Reset: true})
	for d := range c.groups {
		s.Apply(Change{Groups: []Group{c.groups[d]}})
	}
	return s
}

func TestStateIsAFunctionOfItsGroups(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			c := newChanges(t, seed, seed%2 == 1)
			for i := range 40 {
				before := c.state.Snapshot()
				old := write(t, before, Encoding{})
				c.apply()
				if write(t, before, Encoding{}) != old {
					t.Fatal("a change has changed an older snapshot")
				}
				if i%8 == 7 {
					c.compare(c.fresh())
				}
				c.compareModel()
			}
		})
	}
}

// compare fails unless the state equals another in each byte.
func (c *changes) compare(other *State) {
	c.t.Helper()
	got, want := c.state.Snapshot(), other.Snapshot()
	for _, scheme := range schemes {
		for _, enc := range []Encoding{{}, {Gzip: true}, {Protobuf: true}, {Protobuf: true, Gzip: true}} {
			enc.Escaping = scheme
			if g, w := write(c.t, got, enc), write(c.t, want, enc); g != w {
				c.t.Fatalf("%+v\ngot\n%s\nwant\n%s", enc, g, w)
			}
		}
		text := write(c.t, got, Encoding{Escaping: scheme})
		binary := write(c.t, got, Encoding{Escaping: scheme, Protobuf: true})
		if gunzip(c.t, write(c.t, got, Encoding{Escaping: scheme, Gzip: true})) != text {
			c.t.Fatal("gzip differs from the text")
		}
		families := decodeProto(c.t, []byte(binary))
		if modelText(c.t, families) != text {
			c.t.Fatalf("protobuf differs from the text\n%s\n%s", modelText(c.t, families), text)
		}
		c.valid(text, families, scheme)
	}
	if g, w := fmt.Sprint(got.Stats()), fmt.Sprint(want.Stats()); g != w {
		c.t.Fatalf("stats are %s, want %s", g, w)
	}
	if g, w := fmt.Sprint(got.Groups()), fmt.Sprint(want.Groups()); g != w {
		c.t.Fatalf("groups are %s, want %s", g, w)
	}
	if g, w := names(c.state), names(other); !slices.Equal(g, w) {
		c.t.Fatalf("names are %v, want %v", g, w)
	}
	if g, w := maps.Collect(c.state.Jobs()), maps.Collect(other.Jobs()); fmt.Sprint(g) != fmt.Sprint(w) {
		c.t.Fatalf("jobs are %v, want %v", g, w)
	}
}

func names(s *State) (claims []string) {
	for name, c := range s.Names() {
		claims = append(claims, fmt.Sprint(name, c))
	}
	slices.Sort(claims)
	return claims
}

// valid fails unless an exposition can be parsed and has neither equal series
// nor names that collide.
func (c *changes) valid(text string, families []*dto.MetricFamily, scheme promodel.EscapingScheme) {
	c.t.Helper()
	validation := promodel.LegacyValidation
	if scheme == promodel.NoEscaping {
		validation = promodel.UTF8Validation
	}
	parser := expfmt.NewTextParser(validation)
	if _, err := parser.TextToMetricFamilies(strings.NewReader(text)); err != nil {
		c.t.Fatalf("%v in\n%s", err, text)
	}
	claims := map[string]bool{}
	for i, f := range families {
		if i > 0 && f.GetName() <= families[i-1].GetName() {
			c.t.Fatalf("%s comes after %s", f.GetName(), families[i-1].GetName())
		}
		if ambiguous(f) {
			c.t.Fatalf("equal series or labels in %v", f)
		}
		typ, _ := ParseType(strings.ToLower(f.GetType().String()))
		for _, claim := range Claims(Family{Name: f.GetName(), Type: typ}) {
			if claims[claim.Name] {
				c.t.Fatalf("%s collides", claim.Name)
			}
			claims[claim.Name] = true
		}
	}
}

// compareModel fails unless the state exposes what the model says.
func (c *changes) compareModel() {
	c.t.Helper()
	snapshot := c.state.Snapshot()
	families, hidden := expected(c.groups)
	if got := snapshot.Stats(); !slices.Equal(got.HiddenFamilies, hidden) {
		c.t.Fatalf("hidden are %v, want %v", got.HiddenFamilies, hidden)
	}
	got := decodeProto(c.t, []byte(write(c.t, snapshot, Encoding{Protobuf: true})))
	if len(got) != len(families) {
		c.t.Fatalf("%d families, want %d", len(got), len(families))
	}
	for i := range got {
		if !proto.Equal(got[i], families[i]) {
			c.t.Fatalf("got  %v\nwant %v", got[i], families[i])
		}
	}
	stats := snapshot.Stats()
	if text := write(c.t, snapshot, Encoding{}); stats.Bytes != len(text) || stats.Families != len(families) || stats.Groups != len(c.groups) {
		c.t.Fatalf("stats are %+v of %d bytes, %d families, %d groups", stats, len(text), len(families), len(c.groups))
	}
}

// largeGroup has 10 families of 2 series.
func largeGroup(t testing.TB, i int, value float64) Group {
	g := Group{
		Key:      testKey(t, "job", fmt.Sprintf("batch-%d", i%10), "instance", fmt.Sprintf("host-%05d.example.org", i)),
		PushTime: time.Unix(1.7e9, int64(i)*1e6),
	}
	for f := range 10 {
		family := Family{Name: fmt.Sprintf("app_requests_%d_total", f), Help: "Requests that the application has served.", Type: Counter}
		for s := range 2 {
			family.Metrics = append(family.Metrics, Metric{
				Labels: []Label{{"code", fmt.Sprint(200 + s)}},
				Value:  value*float64(f+1) + float64(i*(s+1)),
			})
		}
		g.Families = append(g.Families, family)
	}
	return g
}

func TestManyGroupsAreCutAlikeInAnyOrder(t *testing.T) {
	t.Parallel()
	const n = 1500
	groups := make([]Group, n)
	digests := make([]Digest, n)
	for i := range groups {
		groups[i] = largeGroup(t, i, 1)
		digests[i] = groups[i].Key.Digest()
	}
	one := NewState()
	one.Apply(Change{Groups: groups})

	r := rand.New(rand.NewPCG(3, 4))
	many := NewState()
	for _, batch := range [][]int{r.Perm(n)[:700], r.Perm(n)[:900], r.Perm(n)} {
		var c Change
		for _, i := range batch {
			c.Groups = append(c.Groups, largeGroup(t, i, r.Float64()))
		}
		many.Apply(c)
		many.Apply(Change{Deleted: digests[n/3 : n/2]})
	}
	r.Shuffle(n, func(i, j int) { groups[i], groups[j] = groups[j], groups[i] })
	for batch := range slices.Chunk(groups, 100) {
		many.Apply(Change{Groups: batch})
	}
	for _, enc := range []Encoding{{}, {Gzip: true}} {
		if write(t, one.Snapshot(), enc) != write(t, many.Snapshot(), enc) {
			t.Errorf("%+v depends on the order of changes", enc)
		}
	}
	if len(many.text.shown) < 20 {
		t.Errorf("%d leaves: this tests nothing", len(many.text.shown))
	}
	many.Apply(Change{Deleted: digests})
	if text := write(t, many.Snapshot(), Encoding{}); text != "" || len(many.families)+len(many.names)+len(many.jobs) > 0 {
		t.Errorf("an empty state exposes %q", text)
	}
}

func TestUnchangedFragmentsKeepTheirLeaves(t *testing.T) {
	t.Parallel()
	s := NewState()
	var groups []Group
	for i := range 1000 {
		groups = append(groups, largeGroup(t, i, 1))
	}
	s.Apply(Change{Groups: groups})
	before := s.Snapshot()
	g := largeGroup(t, 500, 1)
	g.PushTime = g.PushTime.Add(time.Hour)
	g.Families[3].Metrics[0].Value++
	s.Apply(Change{Groups: []Group{g}})
	changed := 0
	for _, l := range s.Snapshot().text {
		if !slices.Contains(before.text, l) {
			changed++
		}
	}
	if changed != 2 {
		t.Errorf("%d of %d leaves have changed, want that of the family and that of the push time", changed, len(before.text))
	}
}

func TestSnapshotIsTheSameWhileNothingChanges(t *testing.T) {
	t.Parallel()
	s := NewState()
	s.Apply(Change{Groups: []Group{largeGroup(t, 1, 1)}})
	first := s.Snapshot()
	s.Apply(Change{Deleted: []Digest{{1}}})
	if s.Snapshot() != first {
		t.Error("deleting an unknown group made a new snapshot")
	}
	s.Apply(Change{Reset: true})
	if text := write(t, s.Snapshot(), Encoding{}); text != "" {
		t.Errorf("after a reset the state exposes %q", text)
	}
}

func TestProtobufIsKeptFromTheResetOn(t *testing.T) {
	t.Parallel()
	s := NewState()
	groups := []Group{largeGroup(t, 1, 1)}
	s.Apply(Change{Groups: groups})
	s.EnableProtobuf()
	s.Apply(Change{Groups: groups})
	if err := s.Snapshot().WriteExposition(io.Discard, Encoding{Protobuf: true}); err != ErrNoProtobuf || s.Snapshot().HasProtobuf() || !s.WantProtobuf() {
		t.Errorf("before the reset: %v", err)
	}
	s.Apply(Change{Reset: true, Groups: groups})
	if families := decodeProto(t, []byte(write(t, s.Snapshot(), Encoding{Protobuf: true}))); len(families) != 12 {
		t.Errorf("%d families", len(families))
	}
}

func TestStateDoesNotKeepWhatItWasGiven(t *testing.T) {
	t.Parallel()
	s := NewState()
	g := largeGroup(t, 1, 1)
	s.Apply(Change{Groups: []Group{g}})
	want := write(t, s.Snapshot(), Encoding{})
	for i := range g.Families {
		g.Families[i] = Family{Name: "zzz", Metrics: g.Families[i].Metrics[:1]}
		g.Families[i].Metrics[0].Value = -7
	}
	s.Apply(Change{Groups: []Group{largeGroup(t, 2, 1)}})
	s.Apply(Change{Deleted: []Digest{largeGroup(t, 2, 1).Key.Digest()}})
	if got := write(t, s.Snapshot(), Encoding{}); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
