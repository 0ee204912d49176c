package repository_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/internal/model"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// TestScrapesRest protects pushes from scrapers that are too many, without making
// those wait who are not.
func TestScrapesRest(t *testing.T) { onEach(t, testScrapesRest) }

func testScrapesRest(t *testing.T, d database) {
	d.replicas = 1
	replicas, _ := d.start(t)
	r := replicas[0]
	set := func(value string) {
		if err := push(t, r, repository.Put, "job/a", "m "+value+"\n"); err != nil {
			t.Fatal(err)
		}
	}
	set("1")
	scrape(t, r)
	r.Rest(time.Hour)
	var scrapes sync.WaitGroup
	for range 3 {
		scrapes.Go(func() {
			s, err := r.Snapshot(t.Context(), false)
			if err != nil || !strings.Contains(model.Text(s), `m{instance="",job="a"} 2`) {
				t.Errorf("a scrape that has waited does not show what was pushed meanwhile: %v", err)
			}
		})
	}
	awaitWaiting(t, r)
	set("2")
	// To tell that this is refused, the replica has to know what there is.
	if err := push(t, r, repository.Put, "job/b", "# TYPE m counter\nm 1\n"); !errors.Is(err, exposition.ErrInconsistent) {
		t.Errorf("another type: %v", err)
	}
	scrapes.Wait()

	r.Rest(time.Hour)
	scrapes.Go(func() {
		if _, err := r.Snapshot(t.Context(), false); !errors.Is(err, repository.ErrUnavailable) {
			t.Errorf("a scrape of a gateway that stops: %v", err)
		}
	})
	awaitWaiting(t, r)
	r.Close() // hangs if it waits for the hour
	scrapes.Wait()
}

func awaitWaiting(t *testing.T, r *repository.Repository) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !r.CatchUpWaits(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no scrape waits")
		}
	}
}
