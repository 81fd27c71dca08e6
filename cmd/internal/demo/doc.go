// Package demo puts a whole Lobby on one machine: a simulated building, its gateway, and a cloud, each a process of the
// real commands, joined by a link that can be cut; with a sign-in page and an inbox in place of the outside world.
//
// Tour plays a parcel's life through the same pages and APIs that people use and checks every step.
package demo
