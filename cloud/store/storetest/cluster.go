package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	ready   = 30 * time.Second // for a new cluster to answer
	stopped = 10 * time.Second // for it to end
)

// debian is where Debian's packages keep initdb.
const debian = "/usr/lib/postgresql/*/bin/initdb"

// cluster is one running PostgreSQL that listens on a socket in its own folder.
type cluster struct {
	dir    string
	server *os.Process
	ended  chan error // of the server, once
	said   *bytes.Buffer
}

// binaries finds the folder of initdb: Debian keeps it out of the path.
func binaries(pattern string) (string, error) {
	found, err := filepath.Glob(pattern)
	if err == nil && len(found) > 0 {
		return filepath.Dir(found[len(found)-1]), nil
	}
	if p, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(p), nil
	}
	return "", errors.New("no initdb on this machine: apt-get install postgresql, or set " + without + "=1")
}

// identity is who runs the server: PostgreSQL refuses root.
func identity() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("%w: apt-get install postgresql makes it", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

func start() (*cluster, error) {
	bin, err := binaries(debian)
	if err != nil {
		return nil, err
	}
	who, err := identity()
	if err != nil {
		return nil, err
	}
	// Not t.TempDir, which is closed to other users.
	dir, err := os.MkdirTemp("", "lobby-pg-")
	if err != nil {
		return nil, err
	}
	c := &cluster{dir: dir, ended: make(chan error, 1), said: new(bytes.Buffer)}
	if err := errors.Join(os.Chmod(dir, 0o755), c.own(who), c.init(bin, who)); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	started := make(chan error, 1)
	go c.serve(bin, who, started)
	if err := <-started; err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := c.await(); err != nil {
		return nil, errors.Join(err, c.stop())
	}
	return c, nil
}

func (c *cluster) own(who *syscall.Credential) error {
	if who == nil {
		return nil
	}
	return os.Chown(c.dir, int(who.Uid), int(who.Gid))
}

func (c *cluster) init(bin string, who *syscall.Credential) error {
	cmd := exec.Command(filepath.Join(bin, "initdb"), "-N", "-D", filepath.Join(c.dir, "data"), "-U", "lobby",
		"-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
	cmd.Dir = c.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return nil
}

// serve runs the server to its end. Its thread stays its own: Linux sends the death signal when the thread that started
// a child ends, not when the process does.
func (c *cluster) serve(bin string, who *syscall.Credential, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// What a crash would lose is of no interest here: these databases end with the test.
	cmd := exec.Command(filepath.Join(bin, "postgres"), "-D", filepath.Join(c.dir, "data"), "-k", c.dir,
		"-c", "listen_addresses=", "-c", "unix_socket_permissions=0700", "-c", "shared_buffers=32MB",
		"-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "max_connections=200",
		"-c", "deadlock_timeout=100ms")
	cmd.Dir = c.dir
	cmd.Stdout, cmd.Stderr = c.said, c.said
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who, Pdeathsig: syscall.SIGQUIT}
	err := cmd.Start()
	c.server = cmd.Process
	started <- err
	if err == nil {
		c.ended <- cmd.Wait()
	}
}

// await waits until the server answers.
func (c *cluster) await() error {
	ctx, cancel := context.WithTimeoutCause(context.Background(), ready, errors.New("no answer in 30s"))
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, c.dsn("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case end := <-c.ended:
			c.ended <- end
			return fmt.Errorf("the server ended: %v: %s", end, c.said)
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}

func (c *cluster) dsn(database string) string {
	q := url.Values{"host": {c.dir}, "user": {"lobby"}, "sslmode": {"disable"}}
	return "postgres:///" + database + "?" + q.Encode()
}

func (c *cluster) create(ctx context.Context, database string) error {
	conn, err := pgx.Connect(ctx, c.dsn("postgres"))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{database}.Sanitize()+" TEMPLATE template0 STRATEGY file_copy")
	return errors.Join(err, conn.Close(ctx))
}

// stop ends the server without waiting for its clients, and removes its folder.
func (c *cluster) stop() error {
	err := c.server.Signal(syscall.SIGINT)
	select {
	case <-c.ended:
	case <-time.After(stopped):
		err = errors.Join(errors.New("not stopped after 10s"), c.server.Signal(syscall.SIGQUIT))
		<-c.ended
	}
	return errors.Join(err, os.RemoveAll(c.dir))
}
