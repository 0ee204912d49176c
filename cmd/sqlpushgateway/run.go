package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"syscall"

	"github.com/prometheus/common/promslog"
	"github.com/prometheus/common/version"
)

// run runs the program and returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c, err := parseFlags(args, stdout)
	if errors.Is(err, errAnswered) {
		return 0
	}
	if err == nil {
		err = serve(ctx, c, stderr)
	}
	if err != nil {
		fmt.Fprintf(stderr, "%s: error: %v\n", program, err)
		return 1
	}
	return 0
}

// serve runs a gateway until SIGTERM, SIGINT, a request to /-/quit or the end
// of ctx, and then drains it. A second signal ends the process at once.
func serve(ctx context.Context, c *config, stderr io.Writer) error {
	c.log.Writer = stderr
	logger := promslog.New(&c.log)
	logger.Info("starting "+program, "version", version.Info())
	logger.Info("build context", "build_context", version.BuildContext())
	for _, flag := range c.ignored {
		logger.Warn(flag+" is ignored: every push is stored in the database before it is answered; remove the flag", "flag", flag)
	}
	ctx, restore := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer restore()
	context.AfterFunc(ctx, restore)
	a, err := newApp(ctx, c, logger)
	if err != nil {
		return err
	}
	return a.run(ctx)
}
