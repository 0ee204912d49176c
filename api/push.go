package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

const (
	pushRoot = "/metrics/"
	pushName = "push"
)

func (s *Server) pushEndpoints() []endpoint {
	var all []endpoint
	for _, path := range []string{pushRoot + "job/*", pushRoot + "job@base64/*"} {
		all = append(all,
			endpoint{http.MethodPut, path, pushName, s.push(repository.Put)},
			endpoint{http.MethodPost, path, pushName, s.push(repository.Post)},
			endpoint{http.MethodDelete, path, "delete", s.deleteGroup},
		)
	}
	return all
}

func (s *Server) push(method repository.Method) echo.HandlerFunc {
	return func(c echo.Context) error {
		err := s.store(c, method)
		if err != nil {
			if _, reason := meaning(err); reason != "" {
				s.metrics.rejected.WithLabelValues(reason).Inc()
			}
		}
		switch {
		case s.opt.Unchecked && (err == nil || errors.Is(err, exposition.ErrTimestamp)):
			return c.NoContent(http.StatusAccepted)
		case err == nil:
			return c.NoContent(http.StatusOK)
		case refused(err):
			return fmt.Errorf("pushed metrics are invalid or inconsistent with existing metrics: %w", err)
		default:
			return err
		}
	}
}

// store reads a push and stores it. A push that contradicts itself is stored
// too, as a failure of its group. One that cannot be read is in the history, but
// gets the same answer if there is no way to write that.
func (s *Server) store(c echo.Context, method repository.Method) error {
	r := c.Request()
	key, err := s.groupingKey(r.URL.Path)
	if err != nil {
		return err
	}
	rules, err := s.rules()
	if err != nil {
		return err
	}
	p := repository.Push{Request: s.request(r, method), Key: key}
	b, err := s.openBody(c, p.ID != "")
	if err == nil {
		defer b.Close()
		err = s.read(c, b, &p, rules)
	}
	switch {
	case err == nil:
	case refused(err), unreadable(err):
		p.Families, p.Prepared, p.Refused, p.Malformed = nil, nil, err, unreadable(err)
	default:
		return err
	}
	ctx, cancel, err := s.change(r)
	if err != nil {
		return err
	}
	defer cancel()
	if err := s.gateway.Push(ctx, p); !p.Malformed {
		return err
	}
	return p.Refused
}

// read reads the body of a push to the group with p's key.
func (s *Server) read(c echo.Context, b *body, p *repository.Push, rules exposition.Rules) error {
	err := s.parse(c.Request().Header.Get(echo.HeaderContentType), b, p, rules)
	p.Bytes = b.size
	if b.digest != nil {
		b.digest.Sum(p.BodyDigest[:0])
	}
	return err
}

// refused reports whether the error is one that the group remembers.
func refused(err error) bool {
	return errors.Is(err, exposition.ErrTimestamp) || errors.Is(err, exposition.ErrInconsistent)
}

// unreadable reports whether the error is about what the body says. One that is
// too large says nothing.
func unreadable(err error) bool {
	_, reason := meaning(err)
	return reason == "malformed" || reason == "compression"
}

// groupingKey reads the key from the decoded path. A path without a job name
// is the path of nothing.
func (s *Server) groupingKey(path string) (exposition.GroupingKey, error) {
	rest := strings.TrimPrefix(path, pushRoot)
	if _, job, _ := strings.Cut(rest, "/"); job == "" {
		return exposition.GroupingKey{}, echo.ErrNotFound
	}
	return exposition.ParseGroupingKey(rest, s.opt.Names)
}

// rules are those of the configuration. Where the gateway's own metrics are
// part of the scrape, a push must agree with their types.
func (s *Server) rules() (exposition.Rules, error) {
	rules := exposition.Rules{
		Names: s.opt.Names, Timestamps: s.opt.Timestamps, Unchecked: s.opt.Unchecked,
	}
	if !s.opt.MergeSelfMetrics {
		return rules, nil
	}
	var err error
	rules.Own, err = s.own.types()
	return rules, err
}

// deadline is context.WithTimeout where no timeout means forever.
func deadline(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if timeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, timeout)
}
