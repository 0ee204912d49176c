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
	ofJob        map[string]*bodyLayout // that of the job's last push that had no known one
	known        map[string]*bodyLayout // by their literals
	last         *bodyLayout            // that was found, or learnt
	bytes        int                    // of all that is kept
	hits, misses int
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
		if l == nil || !l.fits(key, rules) {
			continue
		}
		if json, ok := l.read(body, &p.numbers); ok {
			b.hit(l)
			return nil, &Prepared{json, &l.facts}, nil
		}
	}
	families, err := p.parseAll(rules.Names)
	if err == nil {
		families, err = Normalize(key, families, rules)
	}
	if err == nil {
		b.learn(key, body, families, rules)
	}
	return families, nil, err
}

// of returns the layouts that a body of the job might have.
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

// learn makes a layout of a body that had none, unless there have been too many
// that were of no use.
func (b *Bodies) learn(key GroupingKey, body []byte, families []Family, rules Rules) {
	b.mu.Lock()
	b.misses++
	useless := b.misses > 64+b.hits
	b.mu.Unlock()
	if useless {
		return
	}
	made := newBodyLayout(key, body, families, rules)
	if made == nil {
		return
	}
	job, id := strings.Clone(key.Job()), made.shape+"\n"+strings.Join(made.literals, "\n")
	b.mu.Lock()
	defer b.mu.Unlock()
	size := len(job) + 512 // which is more than what the structures take
	if same, ok := b.known[id]; ok {
		made = same
	} else {
		size += 3 * len(id)
	}
	if b.bytes += size; b.ofJob == nil || b.bytes > maxBodies {
		b.ofJob, b.known, b.bytes = map[string]*bodyLayout{}, map[string]*bodyLayout{}, size+3*len(id)
	}
	b.ofJob[job], b.known[id], b.last = made, made, made
}
