package postgres_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/internal/pgtest"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
	"github.com/sqlpushgateway/sqlpushgateway/repository/postgres"
)

// TestLostAnswer protects a push from being stored twice, the second time over
// newer ones: when the connection is cut after a COMMIT was sent, the outcome
// is unknown, whatever the driver says.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	cluster := pgtest.StartCluster(t, pgtest.Options{TCP: true})
	direct := cluster.URL("postgres")
	if err := postgres.Migrate(t.Context(), direct); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(direct)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = cutCommits(t, u.Host)
	a, b := newReplica(t, u.String()), newReplica(t, direct)
	commits := map[string]func(*repository.Commit) error{
		"shared": func(c *repository.Commit) error {
			tx, _, err := a.BeginJobs(t.Context(), a.epoch, c.Deadline, []string{"a"})
			if err != nil {
				return err
			}
			defer tx.Rollback()
			return tx.Commit(t.Context(), c)
		},
		"structural": func(c *repository.Commit) error {
			tx, err := a.BeginExclusive(t.Context(), c.Deadline)
			if err != nil {
				return err
			}
			defer tx.Rollback()
			return tx.Commit(t.Context(), c)
		},
	}
	for kind, commit := range commits {
		eventually(t, func() error { // a machine that stalls for a second loses the transaction before its COMMIT
			c := a.commit(repository.Put, "m 1\n", "job/a")
			if err := commit(c); !errors.Is(err, repository.ErrUnknown) {
				return fmt.Errorf("%s commit whose answer is lost: %v", kind, err)
			}
			if committed, err := b.Fence(t.Context(), c.ID); err != nil || !committed {
				return fmt.Errorf("fence of the %s commit: %t, %v", kind, committed, err)
			}
			return nil
		})
	}
	deletion := repository.Deletion{Request: repository.Request{Method: repository.Wipe}}
	if err := a.DeleteGroups(t.Context(), [16]byte{1}, time.Now().Add(5*time.Second), deletion); !errors.Is(err, repository.ErrUnknown) {
		t.Errorf("wipe whose answer is lost: %v", err)
	}
}

// cutCommits returns the address of a relay to the server that passes on a
// COMMIT, but cuts the connection in place of its answer.
func cutCommits(t *testing.T, target string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			open.Go(func() { relayUntilCommit(client, target) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		open.Wait()
	})
	return l.Addr().String()
}

func relayUntilCommit(client net.Conn, target string) {
	defer client.Close()
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer server.Close()
	var answers sync.WaitGroup
	answers.Go(func() {
		io.Copy(client, server)
		client.Close()
	})
	buffer := make([]byte, 64<<10)
	for {
		n, err := client.Read(buffer)
		if err != nil {
			break
		}
		isCommit := bytes.Contains(buffer[:n], []byte("commit\x00"))
		if isCommit {
			client.Close()
		}
		if _, err := server.Write(buffer[:n]); err != nil || isCommit {
			break
		}
	}
	server.(*net.TCPConn).CloseWrite() // it ends when it has done what it got
	answers.Wait()
}
