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

// contender is a system with the load of it that is compared with others.
type contender struct {
	system *system
	load   load
}

// startWritten starts replicas beside so many groups, all of which have been pushed
// to twice, through each of the replicas: PostgreSQL writes a page as a whole when
// it changes for the first time after a checkpoint, and a new process has to grow.
func (b *bench) startWritten(ctx context.Context, stored, replicas int) (*system, error) {
	database, err := b.ours.postgres(ctx, stored)
	if err != nil {
		return nil, err
	}
	s, err := b.ours.start(ctx, database, replicas)
	if err != nil {
		return nil, err
	}
	for range 2 {
		for i := range s.gateways {
			if err := pushOnce(ctx, s.gateways[i:i+1], plain(stored), stored, newValues()); err != nil {
				s.release()
				return nil, err
			}
		}
	}
	return s, nil
}

// turns says how contenders are measured.
func (b *bench) turns() string {
	return fmt.Sprintf("%d turns of %v", turnsPerRound*b.plan.rounds, turnTime)
}

// inTurns measures contenders on PostgreSQL, in the same order.
func (b *bench) inTurns(ctx context.Context, all []contender) ([][]pushed, error) {
	measured := make([][]pushed, len(all))
	turns := turnsPerRound * b.plan.rounds
	for turn := range turns {
		progress("turn %d of %d", turn+1, turns)
		for n := range all {
			i := (turn + n) % len(all) // none is always first
			result, err := b.turn(ctx, all[i])
			if err != nil {
				return nil, err
			}
			measured[i] = append(measured[i], result)
		}
	}
	return measured, nil
}

func (b *bench) turn(ctx context.Context, c contender) (pushed, error) {
	if err := c.load.warm(ctx, c.system, turnWarmUp); err != nil {
		return pushed{}, err
	}
	before, err := b.ours.transactions(ctx)
	if err != nil {
		return pushed{}, err
	}
	c.load.time, c.load.first = turnTime, newValues()
	result, err := c.load.run(ctx, c.system)
	if err != nil {
		return pushed{}, err
	}
	after, err := b.ours.transactions(ctx)
	result.perCommit = float64(result.count) / float64(max(after-before, 1))
	return result, err
}
