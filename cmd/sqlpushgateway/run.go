package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/prometheus/common/promslog"
	"github.com/prometheus/common/version"
)

// command is something else to do than to run a gateway, which is what the
// program does without a command, like Pushgateway.
type command struct {
	name, help string
	run        func(ctx context.Context, args []string, stdout, stderr io.Writer) error
}

func commands() []command {
	return []command{
		{"import", "store what a Pushgateway holds", importGroups},
		{"copy", "copy everything from one database to another", copyDatabase},
		{"demo", "fill an empty database with invented job runs", fillDemo},
		{"healthcheck", "ask a running gateway whether it is ready", healthcheck},
	}
}

// commandsHelp lists the commands for the program's help.
func commandsHelp() string {
	var b strings.Builder
	b.WriteString("Other commands, each with its own --help:")
	for _, c := range commands() {
		fmt.Fprintf(&b, "\n  %s: %s", c.name, c.help)
	}
	return b.String()
}

// run runs the program and returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	err := dispatch(ctx, args, stdout, stderr)
	if err != nil && !errors.Is(err, errAnswered) {
		fmt.Fprintf(stderr, "%s: error: %v\n", program, err)
		return 1
	}
	return 0
}

// dispatch runs the command that the first argument names, or a gateway.
func dispatch(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	for _, c := range commands() {
		if len(args) > 0 && args[0] == c.name {
			return untilInterrupted(ctx, func(ctx context.Context) error { return c.run(ctx, args[1:], stdout, stderr) })
		}
	}
	c, err := parseFlags(args, stdout)
	if err != nil {
		return err
	}
	return serve(ctx, c, stderr)
}

// untilInterrupted runs a command, whose context ends with the first SIGTERM or
// SIGINT. A second one ends the process at once.
func untilInterrupted(ctx context.Context, run func(context.Context) error) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	err := run(ctx)
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(err, cause) {
		return cause // the error is only what that has led to
	}
	return err
}

// serve runs a gateway until SIGTERM, SIGINT, a request to /-/quit or the end
// of ctx, and then drains it.
func serve(ctx context.Context, c *config, stderr io.Writer) error {
	defer saveMemory()()
	c.log.Writer = stderr
	logger := promslog.New(&c.log)
	logger.Info("starting "+program, "version", version.Info())
	logger.Info("build context", "build_context", version.BuildContext())
	for _, flag := range c.ignored {
		logger.Warn(flag+" is ignored: every push is stored in the database before it is answered; remove the flag", "flag", flag)
	}
	ctx, stop := untilSignal(ctx, logger)
	defer stop()
	a, err := newApp(ctx, c, logger)
	if err != nil {
		return err
	}
	return a.run(ctx)
}

// untilSignal returns a context that ends with the first SIGTERM or SIGINT. A
// second one ends the process at once, however soon it follows. Nothing is
// watched any more after stop.
func untilSignal(parent context.Context, logger *slog.Logger) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	stopped := make(chan struct{})
	go func() {
		select {
		case <-signals:
			cancel()
		case <-stopped:
			return
		}
		select {
		case s := <-signals:
			logger.Warn("asked to stop again: requests in flight are cut", "signal", s)
			os.Exit(1)
		case <-stopped:
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(stopped)
		cancel()
	}
}
