package main

import (
	"bytes"
	"context"
	"errors"
	"syscall"
	"testing"
	"time"
)

func TestOnlyTerminalsSeeProgress(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := newProgress(&out, "groups", 2)
	p.add(2)
	p.end()
	if out.Len() > 0 {
		t.Errorf("a file gets %q", out.String())
	}
	p = newProgress(&out, "groups", 2)
	p.out = &out
	p.add(1)
	p.add(1) // too soon to be shown
	p.end()
	if got := out.String(); got != "\r1 of 2 groups\r2 of 2 groups\n" {
		t.Errorf("a terminal gets %q", got)
	}
	out.Reset()
	p = newProgress(&out, "groups", 0)
	p.out = &out
	p.end()
	p.add(3)
	p.end()
	if got := out.String(); got != "\r3 groups\r3 groups\n" {
		t.Errorf("a terminal gets %q", got)
	}
}

// Not parallel: all commands that run in this process get the signal.
func TestASignalIsWhatEndsACommand(t *testing.T) {
	started := make(chan struct{})
	go func() {
		<-started
		syscall.Kill(syscall.Getpid(), syscall.SIGTERM)
	}()
	err := untilInterrupted(t.Context(), func(ctx context.Context) error {
		close(started)
		select {
		case <-ctx.Done():
			return errors.New("what it has led to")
		case <-time.After(time.Minute):
			return nil
		}
	})
	if err == nil || err.Error() != "terminated signal received" {
		t.Errorf("got %v, want the signal", err)
	}
	own := errors.New("its own")
	if err := untilInterrupted(t.Context(), func(context.Context) error { return own }); err != own {
		t.Errorf("got %v, want its own", err)
	}
}
