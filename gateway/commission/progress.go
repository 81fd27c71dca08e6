package commission

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/ntpc-smart-community/lobby/gateway/config"
)

// found is one lock that was learnt.
type found struct {
	Lock   int   `json:"lock"` // along the chain, from 1
	Door   int   `json:"door"` // as painted on it
	Closed int   `json:"closed"`
	Item   *bool `json:"item,omitempty"` // a sensor saw a hand inside; missing: nobody asked
}

// progress is what a walk has learnt so far. It is kept after every lock, so that a walk that was broken off goes on there.
type progress struct {
	Wiring string  `json:"wiring"` // what it was learnt of: of another bank, or boards changed since, it says nothing
	Found  []found `json:"found"`  // in the order in which they were learnt

	Skipped []int `json:"skipped,omitempty"` // locks that are walked again only if a door is missing in the end

	path string
}

// wiring says what a bank's locks were counted along.
func wiring(l config.Locker, line config.Line) string {
	codes := config.Codes{}
	if l.Codes != nil {
		codes = *l.Codes
	}
	return fmt.Sprintf("bank %s, %s %+v, boards %v, line %s at %v, %d Bd", l.Bank, l.Protocol, codes, l.Boards, line.Name, line.Ports, line.Baud)
}

// openProgress reads what an earlier walk of the same wiring has learnt. Other says that there is something of another wiring,
// which counts for nothing.
func openProgress(data string, p Plan) (pr progress, other bool, err error) {
	fresh := progress{Wiring: wiring(p.Locker, p.Line), path: filepath.Join(data, "commission-"+p.Locker.Bank+".json")}
	text, err := os.ReadFile(fresh.path)
	if errors.Is(err, fs.ErrNotExist) {
		return fresh, false, nil
	}
	if err != nil {
		return progress{}, false, err
	}
	if json.Unmarshal(text, &pr) != nil || pr.Wiring != fresh.Wiring {
		return fresh, true, nil
	}
	pr.path = fresh.path
	doors := p.numbers()
	pr.Found = slices.DeleteFunc(pr.Found, func(f found) bool { return !slices.Contains(doors, f.Door) }) // taken off the front since
	return pr, false, nil
}

func (p *progress) lock(lock int) (found, bool) {
	return p.first(func(f found) bool { return f.Lock == lock })
}

func (p *progress) door(door int) (found, bool) {
	return p.first(func(f found) bool { return f.Door == door })
}

func (p *progress) first(is func(found) bool) (found, bool) {
	if i := slices.IndexFunc(p.Found, is); i >= 0 {
		return p.Found[i], true
	}
	return found{}, false
}

// closed is what a closed latch reads, once a lock has shown it.
func (p *progress) closed() (int, bool) {
	if len(p.Found) == 0 {
		return 0, false
	}
	return p.Found[0].Closed, true
}

// forget drops a lock, whose door was another's.
func (p *progress) forget(lock int) error {
	p.Found = slices.DeleteFunc(p.Found, func(f found) bool { return f.Lock == lock })
	return p.save()
}

// learn adds a lock.
func (p *progress) learn(f found) error {
	p.Found = append(p.Found, f)
	return p.save()
}

// skip leaves a lock for the end.
func (p *progress) skip(lock int) error {
	p.Skipped = append(p.Skipped, lock)
	return p.save()
}

func (p *progress) save() error {
	text, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	return replace(p.path, append(text, '\n'), 0o600, func(*os.File) error { return nil })
}

// end removes what is no longer needed.
func (p *progress) end() error {
	err := os.Remove(p.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// owner gives a file to whom info's belongs, where that is known.
func owner(info fs.FileInfo) func(*os.File) error {
	return func(f *os.File) error {
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			return f.Chown(int(st.Uid), int(st.Gid))
		}
		return nil
	}
}

// replace writes a file so that a power cut leaves the old one or the new one: written beside it, synced, renamed.
func replace(path string, text []byte, mode fs.FileMode, own func(*os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err := errors.Join(err, f.Chmod(mode), own(f), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
