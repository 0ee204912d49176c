//go:build !unix

package api

import "net"

func closedByClient(net.Conn) bool { return false }
