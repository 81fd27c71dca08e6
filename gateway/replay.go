package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/ntpc-smart-community/lobby/drivers/bus"
	"github.com/ntpc-smart-community/lobby/gateway/config"
)

// ErrRecording says that a file is no recording, or a damaged one.
var ErrRecording = errors.New("no recording")

// damaged is ErrRecording in the words of what is wrong.
type damaged struct{ error }

func (d damaged) Unwrap() error { return d.error }

// Is makes it ErrRecording.
func (damaged) Is(target error) bool { return target == ErrRecording }

// Replayed is what a recording says.
type Replayed struct {
	Records   []bus.Record    // as kept
	Concluded []bus.Concluded // of each request, then and now
}

// Replay reads the recording of a line as a running gateway keeps it, and judges its bytes anew by the drivers that its
// configuration names. It sends nothing. The error is ErrRecording, with the line of text and what to do. path is for errors.
func Replay(path string, text []byte) (Replayed, error) {
	name := filepath.Base(path)
	head, tail, found := bytes.Cut(text, []byte("\n"+separator))
	if !found {
		return Replayed{}, damaged{fmt.Errorf("%s: no line --- between a configuration and what was recorded; give a file as the gateway wrote it", name)}
	}
	head = append(bytes.Clone(head), '\n')
	c, err := recorded(path, head)
	if err != nil {
		return Replayed{}, err
	}
	records, err := bus.ReadRecording(bytes.NewReader(tail))
	if err != nil {
		return Replayed{}, damaged{fmt.Errorf("%s:%s", name, below(bytes.Count(head, []byte("\n"))+1, err))}
	}
	all, err := stills(c)
	if err != nil {
		return Replayed{}, err
	}
	var decoders []bus.Decoder
	for _, s := range all {
		if d, ok := s.driver.(bus.Decoder); ok {
			decoders = append(decoders, d)
		}
	}
	return Replayed{records, bus.Replay(records, decoders)}, nil
}

// recorded is the configuration of a recording. The register maps in it are put into a folder while it is read.
func recorded(path string, head []byte) (c config.Config, err error) {
	if maps := config.ExcerptProfiles(head); len(maps) > 0 {
		dir, err := os.MkdirTemp("", "lobby-replay-")
		if err != nil {
			return c, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		for name, text := range maps {
			if name != filepath.Base(name) {
				return c, damaged{fmt.Errorf("%s: %q is no name of a register map; give a file as the gateway wrote it", filepath.Base(path), name)}
			}
			if err := os.WriteFile(filepath.Join(dir, name+".yaml"), text, 0o600); err != nil {
				return c, err
			}
		}
		head = fmt.Appendf(head, "profiles: %q\n", dir)
	}
	c, faults, err := config.Parse(path, head)
	if err != nil {
		return c, damaged{err}
	}
	if len(faults) > 0 {
		return c, damaged{faults[0]}
	}
	return c, nil
}

// below moves the line that an error names down by n.
func below(n int, err error) string {
	text := err.Error()
	var line int
	if _, scan := fmt.Sscanf(text, "line %d: ", &line); scan != nil {
		return " " + text
	}
	_, rest, _ := strings.Cut(text, ": ")
	return fmt.Sprintf("%d: %s", n+line, rest)
}
