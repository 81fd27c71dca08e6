package bus

import (
	"errors"
	"io"
	"net"
	"strings"
	"time"
)

const (
	tcpScheme = "tcp://"
	dialLimit = 2 * time.Second // to connect; Run cannot end sooner
)

func isTCP(path string) bool { return strings.HasPrefix(path, tcpScheme) }

// tcpPort is a connection that is read like a serial port.
type tcpPort struct{ *net.TCPConn }

// OpenTCP connects to path, tcp://host:port, within 2 s. A peer that is gone without a word is found out after half a
// minute of silence.
func OpenTCP(path string) (io.ReadWriteCloser, error) {
	dialer := net.Dialer{
		Timeout:         dialLimit,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3},
	}
	conn, err := dialer.Dial("tcp", strings.TrimPrefix(path, tcpScheme))
	if err != nil {
		return nil, err
	}
	tcp := conn.(*net.TCPConn)
	// what has not left by the time we close must not leave later, as with a serial port's Flush
	if err := tcp.SetLinger(0); err != nil {
		return nil, errors.Join(err, tcp.Close())
	}
	return tcpPort{tcp}, nil
}

// Nap sleeps in the kernel, as a serial port's does.
func (p tcpPort) Nap(d time.Duration) { nap(d) }

// Read returns nothing after 100 ms. The end of the connection is an error of its own: io.EOF means "nothing yet".
func (p tcpPort) Read(b []byte) (int, error) {
	if err := p.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		return 0, err
	}
	n, err := p.TCPConn.Read(b)
	if errors.Is(err, io.EOF) {
		err = errors.New("closed by the other end")
	}
	return n, err
}
