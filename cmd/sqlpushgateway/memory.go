package main

import (
	"os"
	"runtime/debug"
)

// garbagePercent is the GOGC of a gateway. Most of what it holds is text, which
// costs the collector nothing to look at, so that collecting twice as often as
// Go does by itself is cheap.
const garbagePercent = 50

// saveMemory makes the collector run more often, unless the user has said how
// often it is to.
func saveMemory() {
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetGCPercent(garbagePercent)
	}
}
