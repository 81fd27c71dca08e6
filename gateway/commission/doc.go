// Package commission walks an installer through a locker bank on a terminal: it opens each lock in turn, asks which door
// moved, learns what the latch bits mean and which lock belongs to which door, and writes that into the configuration.
//
// Bank, doors and boards stand in the configuration before; what it learns is closed_bit and each door's lock, on wish also
// whether item sensors are fitted. Nothing is guessed: a lock counts when exactly its own bit changed by its pulse, the
// installer named the door, and the bit came back when the door was closed. Every pulse is asked for by the installer, has its
// intent in the store before and its outcome after (invariants 1 and 2), and what was learnt is on disk after every lock.
package commission
