package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/internal/pushgateway"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// importConfig is what the command line of import asks for.
type importConfig struct {
	config
	from     string
	insecure bool
	dryRun   bool
}

const importHelp = `Store what a Pushgateway holds, with the times of its pushes.

The groups come from a running Pushgateway or from its persistence file. A group that was pushed to here at the same time or later stays as it is, so that the import can be repeated, and go on beside running gateways. A group that contradicts another one is refused and named.`

// importGroups stores the groups of a Pushgateway.
func importGroups(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c := &importConfig{}
	app := newApplication("import", importHelp)
	app.Flag("from", "URL of a running Pushgateway, like http://user:password@pushgateway:9091, or the file that it was given as --persistence.file.").
		Required().PlaceHolder("URL|FILE").StringVar(&c.from)
	app.Flag("dry-run", "Only say what would become of the groups.").
		BoolVar(&c.dryRun)
	app.Flag("insecure", "Accept any certificate of the Pushgateway.").
		BoolVar(&c.insecure)
	app.Flag("push.disable-consistency-check", "Import groups that contradict others, too. Families that clash are left out of the exposition.").
		BoolVar(&c.unchecked)
	c.addURLFlag(app)
	c.addPoolFlags(app)
	if err := parse(app, args, stdout); err != nil {
		return err
	}
	if err := cmp.Or(c.validateURL(), c.validatePool()); err != nil {
		return err
	}
	found, err := c.read(ctx, stderr)
	if err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	r, err := c.open(ctx, stderr)
	if err != nil {
		return err
	}
	defer r.Close()
	t := &transfer{to: r.Repository, request: repository.Request{UserAgent: program + " import"}, progress: newProgress(stderr, "groups", len(found))}
	err = t.run(ctx, func(yield func(exposition.Group) error) error {
		for _, g := range found {
			group, err := c.normalize(g)
			if err != nil {
				t.refuse(describe(g), err)
			} else if err := yield(group); err != nil {
				return err
			}
		}
		return nil
	})
	return t.report(err, len(found), c.dryRun, stdout, stderr)
}

// read reads the groups to be imported.
func (c *importConfig) read(ctx context.Context, stderr io.Writer) ([]pushgateway.Group, error) {
	if scheme, _, _ := strings.Cut(c.from, "://"); !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
		found, err := pushgateway.ReadFile(c.from)
		if errors.Is(err, fs.ErrNotExist) && hostPort.MatchString(c.from) {
			err = fmt.Errorf("%w (did you mean http://%s?)", err, c.from)
		}
		return found, err
	}
	u, err := url.Parse(c.from)
	if err != nil {
		return nil, errors.New("must look like http://user:password@pushgateway:9091, with special characters of the password percent-encoded")
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: c.insecure}
	defer transport.CloseIdleConnections()
	return pushgateway.ReadURL(ctx, &http.Client{Transport: transport}, u, func(warning error) {
		fmt.Fprintf(stderr, "warning: --from: %v\n", warning)
	})
}

// hostPort is how a URL begins whose http:// was forgotten.
var hostPort = regexp.MustCompile(`^([\w.-]+|\[[0-9a-fA-F:.]+\]):\d+(/|$)`)

// open opens the database. For a dry run it is a copy of it in memory, so that
// what is found out is what would happen.
func (c *importConfig) open(ctx context.Context, stderr io.Writer) (*database, error) {
	if !c.dryRun {
		return c.openRepository(ctx, stderr)
	}
	inMemory := c.config
	inMemory.databaseURL = secretURL{"sqlite::memory:"}
	to, err := inMemory.openRepository(ctx, stderr)
	if err != nil {
		return nil, err
	}
	if err := c.copyTo(ctx, to.Repository, stderr); err != nil {
		to.Close()
		return nil, err
	}
	return to, nil
}

// copyTo copies the groups of the database, if it exists. Those that contradict
// each other, as some that were pushed unchecked do, cannot be copied to where
// everything is checked.
func (c *importConfig) copyTo(ctx context.Context, to *repository.Repository, stderr io.Writer) error {
	if c.databaseURL.isMissing() {
		return nil
	}
	from, err := c.openRepository(ctx, stderr)
	if err != nil {
		return err
	}
	defer from.Close()
	t := &transfer{to: to, progress: newProgress(stderr, "groups that exist", 0)}
	err = t.run(ctx, func(yield func(exposition.Group) error) error { return from.Groups(ctx, yield) })
	for _, r := range t.refused {
		return fmt.Errorf("what would happen cannot be told, since groups that exist contradict others, like %s: %w (see --push.disable-consistency-check)", r.group, r.reason)
	}
	return err
}

// describe names a group on one line, even one whose labels are impossible here.
func describe(g pushgateway.Group) string {
	key, err := exposition.NewGroupingKey(g.Labels, exposition.UTF8Names)
	if err != nil {
		return fmt.Sprintf("%q", g.Labels)
	}
	return key.String()
}

// normalize makes a group what it would be if it had been pushed here. Times
// are kept to the microsecond.
func (c *importConfig) normalize(g pushgateway.Group) (exposition.Group, error) {
	key, err := exposition.NewGroupingKey(g.Labels, exposition.UTF8Names)
	if err != nil {
		return exposition.Group{}, err
	}
	families, err := exposition.Normalize(key, g.Families, exposition.Rules{
		Names: exposition.UTF8Names, Timestamps: exposition.KeepTimestamps, Unchecked: c.unchecked,
	})
	if err != nil {
		return exposition.Group{}, err
	}
	group := exposition.Group{
		Key: key, Families: families,
		PushTime: g.PushTime.Truncate(time.Microsecond), PushFailureTime: g.PushFailureTime.Truncate(time.Microsecond),
		FamilyTimes: maps.Clone(g.FamilyTimes),
	}
	for name, at := range group.FamilyTimes {
		group.FamilyTimes[name] = at.Truncate(time.Microsecond)
	}
	maps.DeleteFunc(group.FamilyTimes, func(_ string, at time.Time) bool { return !at.Before(group.PushTime) })
	return group, nil
}
