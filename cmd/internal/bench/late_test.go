package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers/bus"
	"github.com/ntpc-smart-community/lobby/drivers/modbus"
	"github.com/ntpc-smart-community/lobby/firmware-sim/line"
)

const (
	numbers  = 50                     // registers, each of which holds its own number
	lateRate = 0.01                   // of the answers
	lateFrom = 15 * time.Millisecond  // after their time: some within the wait for them
	lateTo   = 120 * time.Millisecond // and most within that of the next request of a hasty client
)

// ledger is a device whose register n holds 1000 + n. Some of its answers come late.
type ledger struct {
	random *rand.Rand
	rate   float64
	late   int
	heard  []byte
}

// Hear implements line.Device.
func (d *ledger) Hear(b []byte, _ time.Time) (out []line.Heard) {
	d.heard = append(d.heard, b...)
	for len(d.heard) >= 8 {
		ask := d.heard[:8:8]
		d.heard = d.heard[8:]
		answer := binary.BigEndian.AppendUint16([]byte{ask[0], 3, 2}, 1000+binary.BigEndian.Uint16(ask[2:]))
		answer = binary.LittleEndian.AppendUint16(answer, crc16(answer))
		after := turnaround
		if d.random.Float64() < d.rate {
			after += lateFrom + time.Duration(d.random.Int64N(int64(lateTo-lateFrom)))
			d.late++
		}
		out = append(out, line.Heard{Bytes: ask, Answers: []line.Answer{{After: after, Bytes: answer}}})
	}
	return out
}

// Explain implements line.Device.
func (*ledger) Explain([]byte) line.Meaning { return line.Meaning{} }

// crc16 is CRC-16/MODBUS, once more: the other end shares nothing.
func crc16(b []byte) uint16 {
	sum := uint16(0xffff)
	for _, x := range b {
		sum ^= uint16(x)
		for range 8 {
			bit := sum & 1
			sum >>= 1
			if bit == 1 {
				sum ^= 0xa001
			}
		}
	}
	return sum
}

// The registers of one device are read one after the other without a pause; a hundredth of the answers come late, in the
// time for them or in that of the next request. RTU has no numbers of requests: only waiting tells them apart.
// invariant 8
func TestLateAnswersAreNobodyElses(t *testing.T) {
	reads := sized(10_000, 2_000)
	clean, _ := readNumbers(t, reads, 0)
	took, late := readNumbers(t, reads, lateRate)
	if late == 0 {
		t.Fatal("no answer was late")
	}
	rate := func(d time.Duration) float64 { return 60 * float64(reads) / d.Seconds() }
	report(t, Figure{
		Name: "late-answers", Value: rate(took), Unit: "readings/min", Ceiling: rate(clean), Target: 0.95 * rate(clean),
		How: fmt.Sprintf("%d reads of %d registers of one device at %d baud, each of which holds its own number; %d answers came %v to %v late; not one value under another's name (in a bubble: wire time by arithmetic)",
			reads, numbers, meterBaud, late, lateFrom, lateTo),
		Bare: "the same with every answer in time",
	})
}

// readNumbers reads the registers in turn and checks every value. It gives the wire's time and how many answers were late.
func readNumbers(t *testing.T, reads int, rate float64) (took time.Duration, late int) {
	synctest.Test(t, func(t *testing.T) {
		device := &ledger{random: rand.New(rand.NewPCG(5, 5)), rate: rate}
		c := plugged(t, line.NewWire("numbers", line.Format{Baud: meterBaud}, 1, device, line.NewLog(1)), bus.Config{Name: "numbers", Baud: meterBaud})
		defer c.stop()
		var meters []*modbus.Meter
		for n := range numbers {
			profile, err := modbus.ParseProfile("number", fmt.Appendf(nil, "vendor: Lobby\nmodel: numbers\nsources: [test]\nstatus: simulated\nbase: 0\nquantity: actual\n"+
				"registers:\n  - {name: total, function: 3, address: %d, type: uint16, scale: 1}\n", n))
			if err != nil {
				t.Fatal(err)
			}
			m, err := modbus.NewMeter(c, modbus.MeterConfig{Device: "meter/numbers", Address: 1, Profile: profile})
			if err != nil {
				t.Fatal(err)
			}
			meters = append(meters, m)
		}
		began := time.Now()
		for i := range reads {
			r, err := meters[i%numbers].Read(t.Context())
			if err != nil {
				t.Fatalf("read %d: %v", i, err)
			}
			if want := int64(1000 + i%numbers); r.Litres != want {
				t.Fatalf("read %d: register %d reads %d; want %d", i, i%numbers, r.Litres, want)
			}
		}
		took, late = time.Since(began), device.late
	})
	return took, late
}
