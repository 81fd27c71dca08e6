package fleet

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/google/uuid"

	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// CommandState says what became of a command.
type CommandState string

// The states of a command: asked > signed > refused | pulsed | opened | unknown, and asked > lapsed. Lapsed is not stored:
// it is what an asked command is once nothing can be signed for it any more.
const (
	CommandAsked   CommandState = "asked"   // waits for the gateway's challenge
	CommandSigned  CommandState = "signed"  // on its way; nobody sends it again
	CommandRefused CommandState = "refused" // nothing was done
	CommandPulsed  CommandState = "pulsed"  // done, and nothing was seen to open
	CommandOpened  CommandState = "opened"  // done, and seen to open
	CommandUnknown CommandState = "unknown" // nobody knows
	CommandLapsed  CommandState = "lapsed"  // no challenge came in time: nothing was done
)

// Bounds of commands.
const (
	challengeLife   = wire.ChallengeSeconds * time.Second
	commandTime     = 2 * challengeLife // from a person's click: what has not been done then is never done
	commandWindow   = time.Minute
	gatewayCommands = 5  // asked in a commandWindow, as the gateway has it too
	fleetCommands   = 60 // the same, of all gateways together
	commandsShown   = 50
)

// ErrCommands says that too many commands were asked for within a minute. Nothing was asked.
var ErrCommands = errors.New("too many commands within a minute")

// Command is what somebody asked a device to do. Asked and Signed are by the database's clock, Ended by the gateway's.
type Command struct {
	ID      string // given by Ask
	Gateway string
	Device  string // door/ktv
	What    string // open
	Who     string // person/id; empty: asked in a life of the database that was lost
	Why     string // a code
	State   CommandState
	Asked   wire.Micros // 0: as Who
	Signed  wire.Micros // 0: not
	Ended   wire.Micros // 0: no outcome yet
	Code    string      // of the outcome
	Age     time.Duration
}

// Waits tells whether the command's outcome may still come about.
func (c Command) Waits() bool {
	return (c.State == CommandAsked || c.State == CommandSigned) && c.Age < commandTime
}

var code = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)

// Ask keeps a command and gives the request for its challenge, to be published once the transaction has committed. Whether
// the asker may is the caller's to have checked. ErrUnknown: no such gateway; ErrCommands; ErrInput.
func (f *Fleet) Ask(ctx context.Context, tx *store.Tx, c Command) (Command, Message, error) {
	if c.Device == "" || c.What == "" || c.Who == "" || !code.MatchString(c.Why) {
		return Command{}, Message{}, fmt.Errorf("command: device, what, who, and why as a code: %w", ErrInput)
	}
	if _, err := f.Gateway(ctx, tx, c.Gateway); err != nil {
		return Command{}, Message{}, err
	}
	if err := countCommands(ctx, tx, c.Gateway); err != nil {
		f.log.Warn("command not asked", "gateway", c.Gateway, "device", c.Device, "what", c.What, "who", c.Who, "why", c.Why, "err", err)
		return Command{}, Message{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Command{}, Message{}, err
	}
	c.ID, c.State = id.String(), CommandAsked
	err = tx.QueryRow(ctx, `INSERT INTO commands (id, gateway, device, what, who, why, state, asked, signed, timeline, ended, code)
		VALUES ($1, $2, $3, $4, $5, $6, 'asked', `+tx.Clock()+`, 0, `+tx.Timeline()+`, 0, '') RETURNING asked`,
		c.ID, c.Gateway, c.Device, c.What, c.Who, c.Why).Scan(&c.Asked)
	if err != nil {
		return Command{}, Message{}, fmt.Errorf("command: %w", err)
	}
	request, err := json.Marshal(wire.CommandRequest{Doc: "request", ID: c.ID, Device: c.Device, What: c.What})
	if err != nil {
		return Command{}, Message{}, err
	}
	f.log.Info("command asked", "command", c.ID, "gateway", c.Gateway, "device", c.Device, "what", c.What, "who", c.Who, "why", c.Why)
	return c, Message{Topic: wire.CommandTopic(c.Gateway), Payload: request}, nil
}

// countCommands sees that another command may be asked for now. Who counts holds the lock, so that no two askers see the
// same room.
func countCommands(ctx context.Context, tx *store.Tx, gateway string) error {
	if _, err := tx.LockRows(ctx, "command_counter", "id", "fleet"); err != nil {
		return err
	}
	var own, all int
	err := tx.QueryRow(ctx, `SELECT COUNT(*), COUNT(CASE WHEN gateway = $1 THEN 1 END) FROM commands WHERE asked > `+tx.Clock()+` - $2`,
		gateway, commandWindow.Microseconds()).Scan(&all, &own)
	if err != nil {
		return fmt.Errorf("commands: %w", err)
	}
	switch {
	case own >= gatewayCommands:
		return fmt.Errorf("gateway %s: %d: %w", gateway, own, ErrCommands)
	case all >= fleetCommands:
		return fmt.Errorf("fleet: %d: %w", all, ErrCommands)
	}
	return nil
}

// CommandByID finds a command as it is now; ErrUnknown when there is none.
func (f *Fleet) CommandByID(ctx context.Context, tx *store.Tx, id string) (Command, error) {
	all, err := commands(ctx, tx, `id = $1`, id)
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("command: %w", ErrUnknown)
	}
	if err != nil {
		return Command{}, err
	}
	return all[0], nil
}

// Commands are the newest commands of a site, as they are now, at most 50.
func (f *Fleet) Commands(ctx context.Context, tx *store.Tx, site string) ([]Command, error) {
	return commands(ctx, tx, `gateway IN (SELECT id FROM gateways WHERE site = $1)`, site)
}

// CommandsTo are the newest commands to one gateway, as they are now, at most 50.
func (f *Fleet) CommandsTo(ctx context.Context, tx *store.Tx, gateway string) ([]Command, error) {
	return commands(ctx, tx, `gateway = $1`, gateway)
}

func commands(ctx context.Context, tx *store.Tx, where string, args ...any) ([]Command, error) {
	rows, err := tx.Query(ctx, `SELECT id, gateway, device, what, who, why, state, asked, signed, ended, code, `+tx.Clock()+` - asked, `+fresh(tx)+`
		FROM commands WHERE `+where+fmt.Sprintf(` ORDER BY CASE WHEN asked > 0 THEN asked ELSE ended END DESC, id DESC LIMIT %d`, commandsShown), args...)
	if err != nil {
		return nil, fmt.Errorf("commands: %w", err)
	}
	return store.Collect(rows, func(r *sql.Rows) (c Command, err error) {
		var age int64
		var living bool
		err = r.Scan(&c.ID, &c.Gateway, &c.Device, &c.What, &c.Who, &c.Why, &c.State, &c.Asked, &c.Signed, &c.Ended, &c.Code, &age, &living)
		c.Age = time.Duration(age) * time.Microsecond
		if c.State == CommandAsked && !living {
			c.State = CommandLapsed
		}
		return c, err
	})
}

// fresh is the condition under which an asked command may be signed: it is young by the database's own clock, and the
// database is the one that it was asked of, not a copy put back.
func fresh(tx *store.Tx) string {
	age := tx.Clock() + " - asked"
	return fmt.Sprintf("(%s >= 0 AND %s < %d AND timeline = %s)", age, age, challengeLife.Microseconds(), tx.Timeline())
}

// Ended takes in a command's outcome, as the gateway's event says. A command that this database has not heard of is kept
// too: it was asked in a life that was lost, and opened a door all the same. newer replaces an outcome that stands.
func (f *Fleet) Ended(ctx context.Context, tx *store.Tx, gateway, id string, state CommandState, o wire.CommandOutcome, at wire.Micros, newer bool) error {
	r, err := tx.Exec(ctx, `INSERT INTO commands (id, gateway, device, what, who, why, state, asked, signed, timeline, ended, code)
		VALUES ($1, $2, $3, $4, '', '', $5, 0, 0, '', $6, $7)
		ON CONFLICT (id) DO UPDATE SET state = excluded.state, ended = excluded.ended, code = excluded.code
		WHERE commands.gateway = excluded.gateway AND (commands.ended = 0 OR $8 = 1)`,
		id, gateway, o.Device, o.What, string(state), int64(at), o.Code, num(newer))
	if err != nil {
		return fmt.Errorf("command %.80s: %w", id, err)
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return err
	}
	f.log.Info("command ended", "command", id, "gateway", gateway, "device", o.Device, "what", o.What, "state", string(state), "code", o.Code)
	return nil
}
