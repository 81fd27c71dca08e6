package wire

import "encoding/json"

// Head is where one (epoch, stream) of a gateway stands.
type Head struct {
	Epoch   uint64 `json:"epoch"`
	Stream  Stream `json:"stream"`
	Oldest  uint64 `json:"oldest"`  // oldest segment held; 0: none
	Segment uint64 `json:"segment"` // newest segment
	Seq     uint64 `json:"seq"`     // last seq of the newest segment; 0: nothing in it yet
	Hash    Hash   `json:"hash"`    // chain hash there
}

// Run is a stretch of whole, joined segments of one (epoch, stream).
type Run struct {
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
	Hash Hash   `json:"hash"` // chain hash at the end of segment To
}

// Position is how far the cloud has committed one segment.
type Position struct {
	Segment uint64 `json:"segment"`
	Seq     uint64 `json:"seq"`
	Hash    Hash   `json:"hash"`
	End     uint64 `json:"end,omitempty"` // last seq of a sealed segment; 0: not known to be sealed
}

// Row is the cloud's standing for one (epoch, stream); what is not named stands at position 0.
type Row struct {
	Epoch   uint64     `json:"epoch"`
	Stream  Stream     `json:"stream"`
	Whole   []Run      `json:"whole,omitempty"`
	Partial []Position `json:"partial,omitempty"`
}

// StateVersion names one version of the state document.
type StateVersion struct {
	Version uint64 `json:"version"` // 0: none
	Hash    Hash   `json:"hash"`    // SHA-256 of the root's JSON line
}

// Pulse is the gateway's signed sign of life. Context lobby/v1/pulse.
type Pulse struct {
	Gateway    string       `json:"gateway"`
	Will       bool         `json:"will,omitempty"` // the last will, signed at connect
	Nonce      string       `json:"nonce"`
	Boot       uint64       `json:"boot"`
	Counter    uint64       `json:"counter"`              // pulses of this boot; in a will, the connection's first counter
	Connection uint64       `json:"connection,omitempty"` // first counter of this connection: a will of an older one says nothing
	Answer     string       `json:"answer"`               // serial of the last answer accepted
	Version    string       `json:"version"`
	KeySet     uint64       `json:"keyset"` // version of the key set held
	State      StateVersion `json:"state"`  // applied
	Missing    []Hash       `json:"missing,omitempty"`
	Held       []Head       `json:"held"`
	Delivered  []Row        `json:"delivered,omitempty"` // what this box has marked delivered
	Wall       Micros       `json:"wall"`
	Clock      Quality      `json:"clock"`
	Health     Health       `json:"health"`
	RefusedDoc string       `json:"refused,omitempty"` // code of the last state document refused
}

// Health are the figures that a pulse brings along.
type Health struct {
	Devices     []DeviceHealth `json:"devices,omitempty"`
	More        int            `json:"more,omitempty"` // devices for which the message had no room; see Fit
	Undelivered uint64         `json:"undelivered"`    // events
	OldestWall  Micros         `json:"oldest,omitempty"`
	DiskFree    uint64         `json:"disk_free"` // bytes
	StoreSize   uint64         `json:"store_size"`
	Config      string         `json:"config"` // ok, last_good, partly
	Counters    map[string]int `json:"counters,omitempty"`
}

// DeviceHealth is one device as of At.
type DeviceHealth struct {
	ID     string `json:"id"`
	Kind   string `json:"kind"`
	Online bool   `json:"online"`
	At     Micros `json:"at,omitempty"` // last good answer
	Code   string `json:"code,omitempty"`
	Error  string `json:"error,omitempty"` // while it is not online: what is wrong and the remedy, in its driver's words; see Words
}

// Answer is the cloud's signed answer to one pulse: the one authority over positions, wanted state and time.
// It may come in several pages, used only when all are there. Context lobby/v1/answer.
type Answer struct {
	Gateway  string       `json:"gateway"`
	Nonce    string       `json:"nonce"`
	Serial   string       `json:"serial"` // grows in string order; never repeats, not even after a restore
	Page     int          `json:"page"`   // from 1
	Pages    int          `json:"pages"`
	Time     Micros       `json:"time"`
	Key      string       `json:"key"` // id of the answer key
	Epoch    uint64       `json:"epoch"`
	KeySet   uint64       `json:"keyset"`
	State    StateVersion `json:"state"` // wanted
	Rows     []Row        `json:"rows,omitempty"`
	Refusals []Refusal    `json:"refusals,omitempty"`
}

// Refusal says that a block was not taken.
type Refusal struct {
	Name          // first event of the block
	Block  Hash   `json:"block"`  // SHA-256 of the block's decompressed bytes
	Reason string `json:"reason"` // chain, decode, fork, hole
}

// Hint is the unsigned note after a commit: it moves the send window forward and nothing else.
type Hint struct {
	Epoch  uint64 `json:"epoch"`
	Stream Stream `json:"stream"`
	Position
}

// KeySet names the cloud's keys. It is signed by the offline root key alone, context lobby/v1/keys, and is the same for
// the whole fleet it names.
type KeySet struct {
	Doc     string `json:"doc"` // "keys"
	Fleet   string `json:"fleet"`
	Version uint64 `json:"version"`
	Keys    []Key  `json:"keys"`
}

// Key is one public key of the cloud with its use and its end.
type Key struct {
	ID     string `json:"id"`
	Use    string `json:"use"`    // state, answer, command, ticket, seal
	Public []byte `json:"public"` // Ed25519, or X25519 for seal
	Until  Micros `json:"until"`
}

// Root is the state document's signed root, at most MaxRoot bytes. Context lobby/v1/state.
type Root struct {
	Doc     string    `json:"doc"` // "root"
	Gateway string    `json:"gateway"`
	Key     string    `json:"key"`
	Version uint64    `json:"version"`
	Issued  Micros    `json:"issued"`
	Parts   []PartRef `json:"parts"`
}

// PartRef names one part by the hash of its uncompressed bytes.
type PartRef struct {
	Name string `json:"name"` // households, couriers, guards, wishes, policy, revocations, notices, …
	Hash Hash   `json:"hash"`
}

// The parts of this version. A part that a gateway does not know is kept and ignored.
const (
	PartHouseholds  = "households" // HouseholdIndex, then one Households for each shard
	PartCouriers    = "couriers"
	PartGuards      = "guards"
	PartWishes      = "wishes"
	PartPolicy      = "policy"
	PartRevocations = "revocations"
	PartNotices     = "notices"
)

// HouseholdIndex lists the shards of households; an absent shard is empty.
type HouseholdIndex struct {
	Shards []PartRef `json:"shards"` // Name is the shard's number, two digits
}

// Households is one shard.
type Households struct {
	Units []Unit `json:"units"`
}

// Unit is one flat with the household that lives there now.
type Unit struct {
	ID        string `json:"id"`
	Label     string `json:"label"`               // as on the door: A-12-3
	Household string `json:"household,omitempty"` // empty: nobody lives there
	Low       bool   `json:"low,omitempty"`       // wants low compartments
}

// Couriers is the part of carriers that may deposit.
type Couriers struct {
	Couriers []Courier `json:"couriers"`
}

// Courier is one carrier at this site. Its code is minted at the gateway on a wish.
type Courier struct {
	ID    string `json:"id"`
	Name  string `json:"name"` // the carrier's name, no person's
	From  int    `json:"from"` // minutes after midnight, Asia/Taipei
	To    int    `json:"to"`
	Until Micros `json:"until"`
}

// Guards is the part of people who may sign in at the desk.
type Guards struct {
	Guards []Guard `json:"guards"`
}

// Guard is one guard, masked.
type Guard struct {
	ID     string `json:"id"`
	Masked string `json:"masked"` // 陳○明
	Until  Micros `json:"until"`
}

// Wishes is what the cloud wants of things that the gateway owns.
type Wishes struct {
	Wishes []Wish `json:"wishes"`
}

// Wish stays in the document until the gateway's event with its id answers it.
type Wish struct {
	ID      string          `json:"id"`
	Kind    string          `json:"kind"`    // mint_code, reassign_parcel
	Subject string          `json:"subject"` // household/ID, courier/ID, guard/ID, parcel/ID
	Version uint64          `json:"version,omitempty"`
	Data    json.RawMessage `json:"data,omitempty"`
}

// Policy is what the community decided about parcels.
type Policy struct {
	StayHours  int      `json:"stay_hours"` // 0 means 72
	Holidays   []string `json:"holidays"`   // 2026-01-01
	GuardPhone string   `json:"guard_phone"`
}

// Revocations lists ended credentials; each stays until its credential's end.
type Revocations struct {
	Revoked []Revocation `json:"revoked"`
}

// Revocation ends one credential.
type Revocation struct {
	ID    string `json:"id"`
	Until Micros `json:"until"`
}

// Notices are texts for the idle screen.
type Notices struct {
	Notices []Notice `json:"notices"`
}

// Notice is one text in both languages.
type Notice struct {
	ZH    string `json:"zh"`
	EN    string `json:"en"`
	Until Micros `json:"until"`
}

// CommandRequest asks a gateway for a challenge. It is not signed: a challenge opens nothing.
type CommandRequest struct {
	Doc    string `json:"doc"` // "request"
	ID     string `json:"id"`
	Device string `json:"device"`
	What   string `json:"what"`
}

// Challenge answers a request; it lives ChallengeSeconds.
type Challenge struct {
	Gateway   string `json:"gateway"`
	ID        string `json:"id"`
	Device    string `json:"device"`
	What      string `json:"what"`
	Challenge string `json:"challenge"` // 256 random bits, base64url
}

// Command is a signed command, fresh by its challenge. Context lobby/v1/command.
type Command struct {
	Doc       string `json:"doc"` // "command"
	Gateway   string `json:"gateway"`
	Key       string `json:"key"`
	ID        string `json:"id"`
	Device    string `json:"device"`
	What      string `json:"what"`
	Challenge string `json:"challenge"`
	Who       string `json:"who"`
	Why       string `json:"why"`
}

// Sealed is a secret under the cloud's sealing key (HPKE: X25519, HKDF-SHA256, ChaCha20-Poly1305).
type Sealed struct {
	Key  string `json:"key"`
	Text []byte `json:"text"`
}
