//go:build race

package e2e

// raceEnabled says that the gateway is to be built as these tests are.
const raceEnabled = true
