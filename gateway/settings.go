package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sync"

	"github.com/ntpc-smart-community/lobby/gateway/config"
	"github.com/ntpc-smart-community/lobby/gateway/health"
)

// settings owns the configuration in force: the file, or the last good one when the file cannot be used.
type settings struct {
	path, lastGood string

	mu      sync.Mutex
	text    []byte // of the file as last read
	now     config.Config
	problem []string // why not all of the file is in force
	how     string   // health.ConfigOK, …
	notes   []string // what else is missing
}

// openSettings reads the file, else the last good one. ErrConfig says that neither can be used.
func openSettings(path, data string) (*settings, error) {
	s := &settings{path: path, lastGood: filepath.Join(data, "config.last-good.yaml")}
	_, err := s.read()
	if err == nil {
		return s, nil
	}
	s.how, s.problem = health.ConfigLastGood, []string{err.Error()}
	text, readErr := os.ReadFile(s.lastGood)
	if readErr != nil {
		return nil, fmt.Errorf("%w: %w; and there is no last good one", err, ErrConfig)
	}
	c, faults, err := config.Parse(path, text)
	if err != nil || !config.Usable(faults) {
		return nil, fmt.Errorf("%s: %w: remove it and mend %s", s.lastGood, ErrConfig, path)
	}
	s.now = c
	return s, nil
}

// read takes the file in and reports whether it differs from what was read before. On error nothing has changed but
// what state says.
func (s *settings) read() (changed bool, err error) {
	text, err := os.ReadFile(s.path)
	if err != nil {
		return false, fmt.Errorf("%w: %w", err, config.ErrUnreadable)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c, faults, err := config.Parse(s.path, text)
	if s.how == health.ConfigOK && bytes.Equal(text, s.text) && reflect.DeepEqual(c, s.now) { // register maps are files of their own
		return false, nil
	}
	if err == nil && !config.Usable(faults) {
		var all []error
		for _, f := range faults {
			all = append(all, f)
		}
		err = errors.Join(all...)
	}
	if err != nil {
		s.how, s.problem = health.ConfigLastGood, []string{err.Error()}
		return false, err
	}
	s.text, s.now, s.how, s.problem = text, c, health.ConfigOK, nil
	for _, f := range faults {
		s.how = health.ConfigPartly
		s.problem = append(s.problem, f.Error())
	}
	if len(faults) == 0 {
		return true, writeFile(s.lastGood, text)
	}
	return true, nil
}

func (s *settings) config() config.Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *settings) faults() []string {
	_, faults := s.state()
	return faults
}

// state is what health says of the configuration.
func (s *settings) state() (how string, faults []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	how = s.how
	if how == health.ConfigOK && len(s.notes) > 0 {
		how = health.ConfigPartly
	}
	return how, slices.Concat(s.problem, s.notes)
}

func (s *settings) note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes = append(s.notes, what)
}

// trouble is what the idle screen says in small: empty while the whole file is in force.
func (s *settings) trouble() string {
	if how, _ := s.state(); how != health.ConfigOK {
		return how
	}
	return ""
}
