package command

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ntpc-smart-community/lobby/drivers/bus"
	"github.com/ntpc-smart-community/lobby/gateway"
)

// maxRecording bounds a file: the largest that a gateway writes is some 10 MB.
const maxRecording = 40 << 20

func gatewayReplay() *cobra.Command {
	var asJSON bool
	var device string
	c := &cobra.Command{
		Use:   "replay FILE",
		Short: "Say what the recording of a line means: what was asked, what came, and what the same driver concludes of it now",
		Long: "Say what the recording of a line means: what was asked, what came, and what the same driver concludes of it now.\n" +
			"A gateway keeps one in DATA/recordings when something goes wrong on a line, and gives one at any time:\n" +
			"curl -O http://127.0.0.1:9100/recordings/LINE\n" +
			"A line with ! is concluded otherwise than when it was recorded; then the exit code is 1.",
		Example: "  lobby-gateway replay /var/lib/lobby/recordings/rs485-a-20260101T120000Z.rec\n  lobby-gateway replay --device meter/m-101 --json FILE",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			text, err := readRecording(args[0])
			if err != nil {
				return badInput{err}
			}
			said, err := gateway.Replay(args[0], text)
			if err != nil {
				if errors.Is(err, gateway.ErrRecording) {
					return badInput{err}
				}
				return err
			}
			said = of(said, device)
			if asJSON {
				err = replayJSON(c.OutOrStdout(), said.Concluded)
			} else {
				err = printReplay(c.OutOrStdout(), said)
			}
			if err == nil && slices.ContainsFunc(said.Concluded, func(c bus.Concluded) bool { return c.Differs }) {
				err = errSaid
			}
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON, an object for each request")
	c.Flags().StringVar(&device, "device", "", "of this device alone: meter/m-101, locker/A, locker/A/board/1")
	return c
}

func readRecording(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxRecording+1))
	if err == nil && len(text) > maxRecording {
		err = fmt.Errorf("%s: more than %d MiB; give a file as the gateway wrote it", path, maxRecording>>20)
	}
	return text, err
}

// of leaves what belongs to one device, or to those below its name; "" is all.
func of(said gateway.Replayed, device string) gateway.Replayed {
	if device == "" {
		return said
	}
	var of gateway.Replayed
	for _, c := range said.Concluded {
		if c.Device == device || strings.HasPrefix(c.Device, device+"/") {
			of.Concluded = append(of.Concluded, c)
		}
	}
	return of
}

// row is one line of what is printed.
type row struct {
	at   time.Duration
	text string
}

func printReplay(w io.Writer, said gateway.Replayed) error {
	var rows []row
	for _, r := range said.Records {
		switch r.Kind {
		case bus.PortOpened:
			rows = append(rows, row{r.At, "  port opened: " + r.Text})
		case bus.PortLost:
			rows = append(rows, row{r.At, "  port lost: " + r.Text})
		}
	}
	differ := 0
	for _, c := range said.Concluded {
		mark, then := " ", ""
		if c.Differs {
			differ++
			mark, then = "!", ", when it was recorded: "+cmp.Or(c.Then.String(), "unknown")
		}
		rows = append(rows, row{c.At, fmt.Sprintf("%s %s: %s (%s%s) % x > %s", mark, c.Device, explained(c), c.Now, then, c.Request, answer(c))})
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.at, b.at) })
	for _, r := range rows {
		if _, err := fmt.Fprintf(w, "%11.6f %s\n", r.at.Seconds(), r.text); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%d requests, %d concluded otherwise than when they were recorded\n", len(said.Concluded), differ)
	return err
}

func explained(c bus.Concluded) string {
	return cmp.Or(c.Explained, "no device of the configuration asks so")
}

func answer(c bus.Concluded) string {
	if len(c.Answer) == 0 {
		return "-"
	}
	return fmt.Sprintf("% x", c.Answer)
}

// concludedJSON is one request as --json has it.
type concludedJSON struct {
	At        float64 `json:"at"` // seconds since the recorder began
	Line      string  `json:"line"`
	Device    string  `json:"device"`
	Request   string  `json:"request"` // hexadecimal
	Answer    string  `json:"answer,omitempty"`
	Then      string  `json:"then,omitempty"`
	Now       string  `json:"now"`
	Told      string  `json:"told,omitempty"`
	Explained string  `json:"explained,omitempty"`
	Differs   bool    `json:"differs"`
}

func replayJSON(w io.Writer, all []bus.Concluded) error {
	e := json.NewEncoder(w)
	for _, c := range all {
		if err := e.Encode(concludedJSON{
			At: c.At.Seconds(), Line: c.Line, Device: c.Device, Request: hex.EncodeToString(c.Request), Answer: hex.EncodeToString(c.Answer),
			Then: c.Then.String(), Now: c.Now.String(), Told: c.Told, Explained: c.Explained, Differs: c.Differs,
		}); err != nil {
			return err
		}
	}
	return nil
}
