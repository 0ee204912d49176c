package main

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// handshakeTime is how long a connection that a client has begun to open
	// may take to get into the listener's queue.
	handshakeTime = 200 * time.Millisecond
	// acceptTime is how long the queue may take to be emptied.
	acceptTime = time.Second
)

// refuseNew keeps new connections from a listener that is about to be closed,
// and waits until those that exist have been accepted. Closing a listener
// resets the connections in its queue, on which a client, or a proxy that must
// not send a request twice, may have sent its request already.
//
// The kernel drops requests for new connections from then on: who asks does
// so again a second later, and is refused since the listener is closed.
func refuseNew(l *net.TCPListener) {
	raw, err := l.SyscallConn()
	if err != nil {
		return
	}
	var attachErr error
	if err := raw.Control(func(fd uintptr) { attachErr = dropSYNs(int(fd)) }); err != nil || attachErr != nil {
		return // not every kernel has it: then closing cuts a few connections
	}
	time.Sleep(handshakeTime)
	for deadline := time.Now().Add(acceptTime); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		queued := 0
		err := raw.Control(func(fd uintptr) { queued = acceptQueue(int(fd)) })
		if err != nil || queued == 0 {
			return
		}
	}
}

// dropSYNs attaches a filter to a listening socket: segments that ask for a
// connection are dropped, all others pass.
func dropSYNs(fd int) error {
	const (
		flagsByte = 13 // of the TCP header, where the filter's view begins
		syn       = 0x02
	)
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: flagsByte},
		{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, Jt: 0, Jf: 1, K: syn},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0xffffffff},
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{
		Len:    uint16(len(filter)),
		Filter: &filter[0],
	})
}

// acceptQueue is the number of connections that wait to be accepted, which
// the kernel reports in this field for listening sockets.
func acceptQueue(fd int) int {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0
	}
	return int(info.Unacked)
}
