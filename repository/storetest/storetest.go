// Package storetest is what every repository.Store must pass, in the terms of
// the contract. What only one database can do, its own tests show.
package storetest

import (
	"testing"

	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// Run runs the suite. open returns a Store, on an empty database of its own,
// that is closed at the end of the test.
func Run(t *testing.T, open func(testing.TB) repository.Store) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, r *replica)
	}{
		{"migrating again changes nothing", testMigrateAgain},
		{"a PUT replaces the group", testPut},
		{"a POST keeps what it does not name", testPost},
		{"a POST creates its group", testPostCreates},
		{"a refused push marks its group only", testRefused},
		{"several requests are folded", testFolded},
		{"a DELETE removes its group", testDelete},
		{"a recursive delete removes the groups with the labels", testRecursiveDelete},
		{"a wipe removes all groups", testWipe},
		{"one replica sees what another one does", testCatchUp},
		{"a cursor of nothing reads many groups in parts", testCatchUpParts},
		{"a cursor of another database is void", func(t *testing.T, r *replica) { testForeignCursor(t, r, open(t)) }},
		{"reading stops when its reader wants", testReadersStop},
		{"slow readers keep nobody waiting", testSlowReaders},
		{"times of a group do not run backwards", testTimes},
		{"the history has everything of a request", testHistory},
		{"the history is found in the order of time", testFindHistory},
		{"pages are stable while others push", testStablePages},
		{"what is found at once is bounded", testFindLargeRows},
		{"a row of the history is found by its number", testHistoryRow},
		{"the last runs of jobs are found", testLastRuns},
		{"headers are made fit for the history", testHostileHeaders},
		{"a request seen before is answered and not stored", testSeen},
		{"names are registered once", testRegisterNames},
		{"jobs are registered once", testRegisterJobs},
		{"names of several owners do not matter to the unchecked", testMixedNames},
		{"a stale epoch is refused", testStaleEpoch},
		{"what was learned in a claim that is rolled back is not so", testRolledBackClaim},
		{"a structural commit sees and changes the database", testStructural},
		{"a shared commit sees the shapes of its jobs", testShared},
		{"pruning forgets what is not held", testPrune},
		{"data that cannot be stored is refused", testData},
		{"odd text is stored as it is", testOddText},
		{"texts longer than an index entry are stored", testLongText},
		{"large groups are stored", testLarge},
		{"a commit after its deadline is not made", testDeadline},
		{"a commit without time for its turn is not made", testNoTurn},
		{"a commit whose context has ended is not made", testCancelled},
		{"a commit whose context ends is made or not", testCancelledMeanwhile},
		{"a fence settles the fate of a commit", testFence},
		{"a rollback leaves nothing", testRollback},
		{"concurrent commits are all made", testConcurrent},
		{"readers see commits as a whole", testAtomic},
		{"maintenance keeps what is young", testMaintain},
		{"restored groups have their times", testRestored},
		{"history can be copied", func(t *testing.T, r *replica) { testCopiedHistory(t, r, prepare(t, open(t))) }},
		{"history of two databases is not mixed", func(t *testing.T, r *replica) { testForeignHistory(t, r, prepare(t, open(t))) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, prepare(t, open(t)))
		})
	}
}
