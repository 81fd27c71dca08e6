// Package modbus drives gas meters and door relays that speak Modbus: RTU on a serial line, RTU over a TCP converter, and
// Modbus TCP (docs/modbus.md).
//
// A Meter reads what its Profile, a register map in YAML, says of its model. A Door is one output, and perhaps two inputs,
// of a relay module. Both are one unit on a line that drivers/bus owns; frames are built and read by goburrow/modbus, cut
// out of what arrives by this package, and carried by the bus.
//
// It writes one thing only, a door's own output (function 05), and it never repeats a request that could let somebody in.
package modbus
