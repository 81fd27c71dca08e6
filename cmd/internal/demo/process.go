package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Process is one of the real commands, run as a child with its log in a file. The child dies with the demo.
type Process struct {
	Name string
	args []string
	log  string

	mu      sync.Mutex
	command *exec.Cmd
	done    chan struct{}
	err     error
}

// NewProcess names a command of this binary; its standard output and error go to DIR/NAME.log.
func NewProcess(dir, name string, args ...string) *Process {
	return &Process{Name: name, args: args, log: filepath.Join(dir, name+".log")}
}

// Start runs the command, with further arguments for this once, and waits until it prints "ready". Every command of Lobby prints its addresses before that, one
// a line after a word (kiosk http://…): they are returned by that word. Start fails with the end of the log when the
// command ends instead.
func (p *Process) Start(ctx context.Context, more ...string) (map[string]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	command := exec.Command(self, append(slices.Clone(p.args), more...)...)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	command.Stderr = log
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	if err := command.Start(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	lines := make(chan string, 64)
	done := make(chan struct{})
	p.mu.Lock()
	p.command, p.done, p.err = command, done, nil
	p.mu.Unlock()
	go p.watch(command, out, log, lines, done)
	return p.await(ctx, lines, done)
}

// watch copies the output to the log until the command ends.
func (p *Process) watch(command *exec.Cmd, out io.Reader, log io.WriteCloser, lines chan<- string, done chan<- struct{}) {
	for s := bufio.NewScanner(out); s.Scan(); {
		fmt.Fprintln(log, s.Text())
		select {
		case lines <- s.Text():
		default: // nobody waits for a line any more
		}
	}
	err := errors.Join(command.Wait(), log.Close())
	p.mu.Lock()
	p.err = err
	p.mu.Unlock()
	close(done)
}

func (p *Process) await(ctx context.Context, lines <-chan string, done <-chan struct{}) (map[string]string, error) {
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	said := map[string]string{}
	for {
		select {
		case line := <-lines:
			word, rest, _ := strings.Cut(line, " ")
			if word == "ready" {
				return said, nil
			}
			said[word] = rest
		case <-done:
			return nil, fmt.Errorf("%s ended before it was ready: %w\n%s", p.Name, p.err, p.tail())
		case <-limit.C:
			return nil, fmt.Errorf("%s is not ready after 20s\n%s", p.Name, p.tail())
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (p *Process) tail() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-2000):])
}

// run runs a command of this binary to its end and returns what it printed.
func run(args ...string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	out, err := exec.Command(self, args...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(args[:2], " "), err, exit.Stderr)
	}
	return string(out), err
}

// Running tells whether the command has been started and has not ended.
func (p *Process) Running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.command == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Kill ends the command at once, as a power cut would, and waits for its end.
func (p *Process) Kill() { p.end(syscall.SIGKILL) }

// Stop asks the command to end and waits; after ten seconds it is killed.
func (p *Process) Stop() {
	p.mu.Lock()
	command := p.command
	p.mu.Unlock()
	if command == nil {
		return
	}
	timer := time.AfterFunc(10*time.Second, func() { _ = command.Process.Kill() })
	defer timer.Stop()
	p.end(syscall.SIGTERM)
}

func (p *Process) end(signal syscall.Signal) {
	p.mu.Lock()
	command, done := p.command, p.done
	p.mu.Unlock()
	if command == nil {
		return
	}
	_ = command.Process.Signal(signal) // it may have ended by itself
	<-done
}
