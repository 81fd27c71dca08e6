package gateway

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/goburrow/modbus"
)

// peer is a device with an address of its own: a gas meter by the profile g4 (Modbus TCP), or a relay module with one door
// behind a converter (RTU). It ends with the test.
type peer struct {
	address string
	serial  atomic.Int64 // digits as a number
	litres  atomic.Int64
	inputs  atomic.Int32
	writes  atomic.Int32
}

func newPeer(t *testing.T, serve func(net.Conn, *peer) error) *peer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{address: l.Addr().String()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if err := serve(c, p); err != nil && !errors.Is(err, io.EOF) && !strings.Contains(err.Error(), "reset") {
				t.Error(err)
			}
			c.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return p
}

// meter answers the six registers of the profile g4.
func meter(c net.Conn, p *peer) error {
	for {
		header := make([]byte, 7)
		if _, err := io.ReadFull(c, header); err != nil {
			return err
		}
		if _, err := io.ReadFull(c, make([]byte, binary.BigEndian.Uint16(header[4:])-1)); err != nil {
			return err
		}
		pdu := []byte{modbus.FuncCodeReadHoldingRegisters, 12}
		pdu = binary.BigEndian.AppendUint32(pdu, uint32(p.litres.Load()))
		pdu = append(pdu, 0, 0, 0, 1)
		var bcd uint32
		for n, shift := p.serial.Load(), 0; n > 0; n, shift = n/10, shift+4 {
			bcd |= uint32(n%10) << shift
		}
		pdu = binary.BigEndian.AppendUint32(pdu, bcd)
		binary.BigEndian.PutUint16(header[4:], uint16(1+len(pdu)))
		if _, err := c.Write(append(header, pdu...)); err != nil {
			return err
		}
	}
}

// relay answers reads of one coil and of discrete inputs, and counts writes.
func relay(c net.Conn, p *peer) error {
	for {
		request := make([]byte, 8)
		if _, err := io.ReadFull(c, request); err != nil {
			return err
		}
		h := &modbus.RTUClientHandler{}
		h.SlaveId = request[0]
		pdu := modbus.ProtocolDataUnit{FunctionCode: request[1], Data: []byte{1, 0}}
		switch request[1] {
		case modbus.FuncCodeReadDiscreteInputs:
			pdu.Data[1] = byte(p.inputs.Load())
		case modbus.FuncCodeWriteSingleCoil:
			p.writes.Add(1)
			pdu.Data = request[2:6]
		}
		answer, err := h.Encode(&pdu)
		if err == nil {
			_, err = c.Write(answer)
		}
		if err != nil {
			return err
		}
	}
}
