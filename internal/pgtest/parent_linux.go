package pgtest

import "syscall"

// dieWithParent makes the kernel end the process when this one ends, however
// it does.
func dieWithParent(attr *syscall.SysProcAttr) {
	attr.Pdeathsig = syscall.SIGQUIT
}
