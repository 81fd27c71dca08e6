package modbus

import (
	"io"
	"net"
	"testing"

	"github.com/ntpc-smart-community/lobby/drivers/bus"
)

// BenchmarkRead reads a meter over loopback: through driver, goburrow and bus, and, as the ceiling, the same bytes by bare
// writes and reads.
func BenchmarkRead(b *testing.B) {
	address := listen(b, func() *peer {
		p := newPeer(map[byte]*module{7: g4(4200, 0, 100, 0x11223344)})
		p.tcp = true
		return p
	})
	b.Run("driver", func(b *testing.B) {
		line := bus.New(bus.Config{Name: "tcp", Ports: []string{"tcp://" + address}, Direct: true}, quiet())
		defer run(b, line)()
		m := newMeter(b, line, MeterConfig{Protocol: TCP})
		for b.Loop() {
			if _, err := m.Read(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bare", func(b *testing.B) {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close()
		req, answer := unhex("0001 0000 0006 07 03 0000 0006"), make([]byte, 9+12)
		for b.Loop() {
			if _, err := conn.Write(req); err != nil {
				b.Fatal(err)
			}
			if _, err := io.ReadFull(conn, answer); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkRTUAnswer(b *testing.B) {
	req := frameOf(false, nil, 7, []byte{3, 0, 0, 0, 125})
	match, answer := rtuAnswer(req), frameOf(false, nil, 7, append([]byte{3, 250}, make([]byte, 250)...))
	for b.Loop() {
		if v, _ := match(answer); v != bus.Complete {
			b.Fatal(v)
		}
	}
}

func BenchmarkParseProfile(b *testing.B) {
	yaml, err := shipped.ReadFile("profiles/g4.yaml")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := ParseProfile("g4", yaml); err != nil {
			b.Fatal(err)
		}
	}
}
