//go:build !linux

package main

import "net"

// refuseNew does nothing here: closing the listener may reset a few
// connections that have not been accepted yet.
func refuseNew(*net.TCPListener) {}
