package etcd

import (
	"context"
	"net"
	"runtime"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
)

func TestAConnectionForAStepIsOpenedOnce(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	dial := dialOnce()
	if _, err := dial(t.Context(), "127.0.0.1:0"); err == nil {
		t.Fatal("connected to nowhere")
	}
	opened, err := dial(t.Context(), listener.Addr().String())
	if err != nil {
		t.Fatalf("the first connection: %v", err)
	}
	if err := opened.Close(); err != nil {
		t.Fatal(err)
	}
	if second, err := dial(t.Context(), listener.Addr().String()); err == nil {
		t.Errorf("a second connection, %v, after the first one ended", second.LocalAddr())
	}
}

// TestDeliveryIsBounded looks at the socket option that DeliveryBound rests on.
func TestDeliveryIsBounded(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("TCP_USER_TIMEOUT is Linux's")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	opts := DefaultOptions()
	opts.Endpoint = "http://" + listener.Addr().String()
	c, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	var opened net.Conn
	client, err := c.newClient(opts.Endpoint, func(ctx context.Context, address string) (net.Conn, error) {
		var err error
		opened, err = new(net.Dialer).DialContext(ctx, "tcp", address)
		return opened, err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	_, _ = c.status(t.Context(), client) // refused, once there is a connection
	raw, err := opened.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	const tcpUserTimeout = 0x12
	var milliseconds int
	if e := raw.Control(func(fd uintptr) {
		milliseconds, err = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout)
	}); e != nil || err != nil {
		t.Fatal(e, err)
	}
	if bound := time.Duration(milliseconds) * time.Millisecond; bound <= 0 || bound >= DeliveryBound {
		t.Errorf("unacknowledged data is kept for %v, want less than the delivery bound of %v", bound, DeliveryBound)
	}
}
