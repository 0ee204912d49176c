package main

import (
	"io"
	"testing"
)

func TestTheDatabaseCanComeFromTheEnvironment(t *testing.T) {
	t.Setenv("DATABASE_URL", "postgres://u:hunter2@localhost/test")
	c, err := parseFlags(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.shown["database.url"], "postgres://u:xxxxx@localhost/test"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
