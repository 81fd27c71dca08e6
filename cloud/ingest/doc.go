// Package ingest takes what gateways send: it logs their events, hands them to projections and moves their positions, all
// in one SQL transaction for many gateways, and has pulses answered by cloud/fleet.
//
// The position of (gateway, epoch, stream, segment), read under the gateway's lock, is the whole deduplication, for one
// replica or fifty. A projection that fails leaves its event logged and marked; Rebuild makes the projections anew from
// the log. The package does not know what events mean, apart from the few by which gateways speak of themselves.
package ingest
