package postgres

import (
	"syscall"
	"time"
)

// tcpUserTimeout is how long what was sent may go unacknowledged before a
// connection counts as dead: keepalives say nothing about that.
const tcpUserTimeout = 15 * time.Second

// control sets what a net.Dialer has no option for.
func control(network, _ string, c syscall.RawConn) error {
	if network != "tcp" && network != "tcp4" && network != "tcp6" {
		return nil
	}
	const option = 18 // TCP_USER_TIMEOUT
	var err error
	if ctrlErr := c.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, option, int(tcpUserTimeout.Milliseconds()))
	}); ctrlErr != nil {
		return ctrlErr
	}
	return err
}
