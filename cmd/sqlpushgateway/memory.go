package main

import (
	"os"
	"runtime"
	"runtime/debug"
)

const (
	// garbagePercent is the GOGC of a gateway. Most of what it holds is text, which
	// costs the collector nothing to look at, so that collecting twice as often as
	// Go does by itself is cheap.
	garbagePercent = 50
	// ballastBytes count as used, so that the collector lets half as much garbage
	// more come together, however little a gateway holds. They are never touched:
	// the system gives no memory for them.
	ballastBytes = 32 << 20
)

// saveMemory makes the collector run more often, unless the user has said how
// often it is to. The caller calls done at the end of the process.
func saveMemory() (done func()) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	debug.SetGCPercent(garbagePercent)
	ballast := make([]byte, ballastBytes)
	return func() { runtime.KeepAlive(ballast) }
}
