package exposition

import (
	"fmt"
	"time"
)

// CheckNames reports whether a push would give one name two types, or make a
// histogram's or summary's name plus suffix collide with another family, with
// the groups as they would be after it: replace says whether the push drops
// the group's families that it does not name. A family without metrics
// removes the group's. Families are what Normalize returned. The error is an
// ErrInconsistent that names the other group and when it was pushed.
func (s *State) CheckNames(key GroupingKey, replace bool, families []Family) error {
	g := s.groups[key.Digest()]
	kept := s.keptClaims(g, replace, families)
	for i := range families {
		f := &families[i]
		if len(f.Metrics) == 0 || isPushTime(f.Name) {
			continue
		}
		for _, c := range Claims(*f) {
			if other, ok := kept[c.Name]; ok && other.Owner != c.Owner {
				return clashWithin(c, other)
			}
			kept[c.Name] = c
			for _, other := range s.names[c.Name] {
				if (other.Owner != c.Owner || other.Type != c.Type) && s.heldByOthers(other, g) {
					return s.clashWith(c, other, g)
				}
			}
		}
	}
	return nil
}

// keptClaims returns the claims of the families that the group has and that
// the push leaves alone, by name.
func (s *State) keptClaims(g *group, replace bool, families []Family) map[string]Claim {
	kept := map[string]Claim{}
	if g == nil || replace {
		return kept
	}
	named := make(map[string]bool, len(families))
	for i := range families {
		named[families[i].Name] = true
	}
	for _, m := range g.record.members {
		if named[m.meta.name] || isPushTime(m.meta.name) {
			continue
		}
		for _, c := range Claims(Family{Name: m.meta.name, Type: m.meta.typ}) {
			kept[c.Name] = c
		}
	}
	return kept
}

// heldByOthers reports whether groups other than g have the claim. What g has
// is replaced by the push, or is among what it keeps.
func (s *State) heldByOthers(c Claim, g *group) bool {
	n := s.families[c.Owner].types[c.Type]
	if m := g.member(c.Owner); m != nil && m.meta.typ == c.Type {
		n--
	}
	return n > 0
}

func clashWithin(c, other Claim) error {
	return &refusal{ErrInconsistent, fmt.Sprintf(
		"%s exposes %s, which collides with %s of the same group: rename one of them, or push without the other",
		describe(c), c.Name, describe(other))}
}

func (s *State) clashWith(c, other Claim, g *group) error {
	holder := s.holder(other, g)
	where := fmt.Sprintf("group %s, last pushed at %s,", holder.key, holder.record.pushTime.UTC().Format(time.RFC3339))
	if c.Owner == other.Owner {
		return &refusal{ErrInconsistent, fmt.Sprintf("metric %s is pushed as %s but %s has it as %s: push it as %s, or delete that group",
			c.Owner, c.Type, where, other.Type, other.Type)}
	}
	return &refusal{ErrInconsistent, fmt.Sprintf("%s exposes %s, which collides with %s that %s has: rename one of them, or delete that group",
		describe(c), c.Name, describe(other), where)}
}

func describe(c Claim) string { return fmt.Sprintf("%s %s", c.Type, c.Owner) }

// holder returns the first group in key order, other than g, with the claim.
// There must be one.
func (s *State) holder(c Claim, g *group) *group {
	s.settle()
	f := s.families[c.Owner]
	for e := range s.text.of(f.hidden).family(f.name) {
		if e.group != nil && e.group != g && e.group.member(f.name).meta.typ == c.Type {
			return e.group
		}
	}
	return nil
}
