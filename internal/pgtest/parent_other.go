//go:build !linux

package pgtest

import "syscall"

// dieWithParent does nothing where the kernel has no such service: a test run
// that is killed leaves its server behind.
func dieWithParent(*syscall.SysProcAttr) {}
