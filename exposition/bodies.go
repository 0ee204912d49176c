package exposition

import (
	"fmt"
	"io"
	"strings"
	"sync"
)

// Prepared is a push ready to be stored, without its families: it differs in
// nothing but its numbers from one that was read before.
type Prepared struct {
	JSON []byte // as of [AppendFamilies]
	*BodyFacts
}

// BodyFacts are what pushes have in common whose numbers alone differ. They are
// shared: nobody may change them.
type BodyFacts struct {
	Claims []Claim // of all families
	Series int     // of all families, as of [SeriesCount]
	Set    Digest  // the [FamilySet]
}

// Families returns the families, which it reads from the JSON.
func (p *Prepared) Families() []Family {
	families, err := DecodeFamilies(p.JSON)
	if err != nil {
		panic(fmt.Sprintf("exposition: JSON of its own making: %v", err))
	}
	return families
}

// Bodies reads bodies in the text format, and remembers how they look: of one
// that differs from a known one in nothing but its numbers, only those are read.
// The zero value is ready. It is safe for concurrent use, and bounded.
type Bodies struct {
	mu           sync.Mutex
	ofJob        map[string]*bodyLayout // the last one that was looked up or learnt for the job
	known        map[string]*bodyLayout // by id
	last         *bodyLayout            // that a body had
	bytes        int                    // of all that is kept
	hits, learnt int
}

// maxBodies is about how many bytes the layouts of bodies may take together.
const maxBodies = 4 << 20

// Read is [ParseText] and [Normalize]. All calls must have the same rules, but for
// those that Own are. What it returns is either families or a Prepared.
func (b *Bodies) Read(r io.Reader, key GroupingKey, rules Rules) ([]Family, *Prepared, error) {
	p := textParsers.Get().(*textParser)
	defer p.release()
	if err := p.readFrom(r); err != nil {
		return nil, nil, err
	}
	body := p.body.Bytes()
	for _, l := range b.of(key.Job()) {
		if prepared := l.prepare(key, body, rules, &p.numbers); prepared != nil {
			b.hit(l)
			return nil, prepared, nil
		}
	}
	useful := len(body) <= maxLayout && b.useful()
	if useful {
		l := b.like(key, body)
		if prepared := l.prepare(key, body, rules, &p.numbers); prepared != nil {
			b.keep(key, l)
			b.hit(l)
			return nil, prepared, nil
		}
	}
	families, err := p.parseAll(rules.Names)
	if err == nil {
		families, err = Normalize(key, families, rules)
	}
	if err == nil && useful {
		b.learn(key, body, families, rules)
	}
	return families, nil, err
}

// of returns the layouts that a body of the job most likely has.
func (b *Bodies) of(job string) [2]*bodyLayout {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l := b.ofJob[job]; l != b.last {
		return [2]*bodyLayout{l, b.last}
	}
	return [2]*bodyLayout{b.last}
}

// hit says that a body had the layout.
func (b *Bodies) hit(found *bodyLayout) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last = found
	b.hits++
}

// useful reports whether bodies have come again so often that it pays to look
// longer for a layout, or to learn one, which takes as long as a few bodies that
// have none.
func (b *Bodies) useful() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.learnt <= 64+b.hits/8
}

// like returns the layout of all that looks like the body, or nil.
func (b *Bodies) like(key GroupingKey, body []byte) *bodyLayout {
	id := layoutID(key.Shape(), cutBody(string(body)))
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.known[id]
}

func layoutID(shape string, literals []string) string {
	return shape + "\n" + strings.Join(literals, "\n")
}

// learn makes a layout of a body that had none.
func (b *Bodies) learn(key GroupingKey, body []byte, families []Family, rules Rules) {
	if l := newBodyLayout(key, body, families, rules); l != nil {
		b.keep(key, l)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.learnt++
}

// keep keeps the layout for further bodies, and those of the key's job first.
func (b *Bodies) keep(key GroupingKey, l *bodyLayout) {
	job, id := strings.Clone(key.Job()), layoutID(l.shape, l.literals)
	b.mu.Lock()
	defer b.mu.Unlock()
	size := 0
	if b.ofJob[job] == nil {
		size += len(job) + 64
	}
	if b.known[id] == nil {
		size += 3*len(id) + 512 // which is more than what the structures take
	}
	if b.bytes += size; b.known == nil || b.bytes > maxBodies {
		b.ofJob, b.known, b.bytes = map[string]*bodyLayout{}, map[string]*bodyLayout{}, len(job)+3*len(id)+576
	}
	b.ofJob[job], b.known[id] = l, l
}
