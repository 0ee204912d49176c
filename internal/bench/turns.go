package main

import (
	"context"
	"fmt"
	"time"
)

// Turns are short and many, since the machine is not as fast at all times.
const (
	turnsPerRound = 4
	turnWarmUp    = 200 * time.Millisecond
	turnTime      = 700 * time.Millisecond
)

// contender is a system with pushes to it that are compared with others.
type contender struct {
	system  *system
	traffic traffic
}

// turns says how contenders are measured.
func (b *bench) turns() string {
	return fmt.Sprintf("%d clients, %d turns of %v", b.plan.most(), turnsPerRound*b.plan.rounds, turnTime)
}

// inTurns measures pushes to each of the contenders, in the same order.
func (b *bench) inTurns(ctx context.Context, all []contender) ([][]pushed, error) {
	measured := make([][]pushed, len(all))
	turns := turnsPerRound * b.plan.rounds
	for turn := range turns {
		progress("turn %d of %d", turn+1, turns)
		for n := range all {
			i := (turn + n) % len(all) // none is always first
			l := load{traffic: all[i].traffic, clients: b.plan.most()}
			if err := l.warm(ctx, all[i].system, turnWarmUp); err != nil {
				return nil, err
			}
			l.time, l.first = turnTime, newValues()
			result, err := l.run(ctx, all[i].system)
			if err != nil {
				return nil, err
			}
			measured[i] = append(measured[i], result)
		}
	}
	return measured, nil
}
