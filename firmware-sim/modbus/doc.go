// Package modbus simulates devices that speak Modbus, on a serial line (RTU) or behind a TCP port: gas meters, and relay
// modules with the doors that are wired to them.
//
// Its codec is its own, written from the protocol's description, so that a mistake of the gateway's driver is not
// repeated here. A Bus is all devices of one line; its RTU and TCP give the line's end of it. What physically happened
// (releases, openings, the longest time an output was on) is counted: tests compare what the software believes with it.
// Devices keep time lazily, by the clock at each call, and start no goroutine.
package modbus
