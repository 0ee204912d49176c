package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	profileTime  = 20 * time.Second
	profileEvery = 3 * time.Second // scrapes
)

// profileSection writes the profile of a busy replica that the compiler looks at
// (https://go.dev/doc/pgo). Nothing is judged.
func (b *bench) profileSection(ctx context.Context) error {
	s, err := b.start(ctx, oneReplica, b.plan.groups)
	if err != nil {
		return err
	}
	defer s.release()
	ctx, stop := context.WithTimeout(ctx, profileTime+time.Minute)
	defer stop()
	var wait sync.WaitGroup
	var scrapeErr, profileErr error
	wait.Go(func() {
		c, err := dial(ctx, s.gateways[0].address)
		if err != nil {
			scrapeErr = err
			return
		}
		defer c.close()
		for range profileTime / profileEvery {
			_, err := c.scrape(textGzip)
			scrapeErr = errors.Join(scrapeErr, err)
			time.Sleep(profileEvery)
		}
	})
	wait.Go(func() { profileErr = saveProfile(ctx, s.gateways[0], b.plan.profile) })
	l := load{traffic: plain(b.plan.groups), clients: 64, time: profileTime + time.Second, first: newValues()}
	_, err = l.run(ctx, s)
	wait.Wait()
	if err = errors.Join(err, scrapeErr, profileErr); err == nil {
		fmt.Println("The profile is in", b.plan.profile)
	}
	return err
}

func saveProfile(ctx context.Context, g *process, path string) error {
	url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", g.address, profileTime/time.Second)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the gateway gives no profile: %s", response.Status)
	}
	unpacked, err := gzip.NewReader(response.Body)
	if err != nil {
		return err
	}
	profile, err := io.ReadAll(unpacked)
	if err != nil {
		return err
	}
	program, err := filepath.EvalSymlinks(fmt.Sprintf("/proc/%d/exe", g.pid()))
	if err != nil {
		return err
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(forgetFolder(profile, program)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return os.WriteFile(path, packed.Bytes(), 0o644)
}

// forgetFolder puts slashes in place of the folder that the program was in: lengths
// stand before strings in a profile, and must stay.
func forgetFolder(profile []byte, program string) []byte {
	name := filepath.Base(program)
	return bytes.ReplaceAll(profile, []byte(program), []byte(strings.Repeat("/", len(program)-len(name))+name))
}
