package main

import (
	"log"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/coredns/caddy"
)

// service is the service manager that started the resolver, and is told how it is:
// systemd, by the protocol of sd_notify(3). Without one nothing is told.
type service struct {
	socket string        // where it listens, with '@' for an abstract address
	within time.Duration // it restarts a resolver that says nothing for so long; 0 means never
	once   sync.Once
	done   chan struct{} // closed when the process ends
}

// serviceOf reads the environment. A watchdog may be meant for another process, that
// has passed on its environment.
func serviceOf(getenv func(string) string) *service {
	s := &service{socket: getenv("NOTIFY_SOCKET"), done: make(chan struct{})}
	if pid := getenv("WATCHDOG_PID"); pid == "" || pid == strconv.Itoa(os.Getpid()) {
		if us, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 32); err == nil && us > 0 {
			s.within = time.Duration(us) * time.Microsecond
		}
	}
	return s
}

// watch has the service manager told when all servers listen, from then on that the
// process still runs, and when it ends. A server that a reload starts changes nothing.
func (s *service) watch() {
	if s.socket == "" {
		return
	}
	caddy.RegisterEventHook("service", func(event caddy.EventName, _ any) error {
		if event == caddy.InstanceStartupEvent {
			s.once.Do(s.ready)
		}
		return nil
	})
	caddy.OnProcessExit = append(caddy.OnProcessExit, s.stop)
}

func (s *service) ready() {
	if err := s.tell("READY=1"); err != nil {
		log.Printf("[WARNING] The service manager was not told that the resolver serves: %v", err)
		return
	}
	if s.within > 0 {
		go s.live()
	}
}

// live tells twice as often as it has to, until the process ends.
func (s *service) live() {
	tick := time.NewTicker(s.within / 2)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.tell("WATCHDOG=1") // if it does not arrive, the service manager does what it is there for
		case <-s.done:
			return
		}
	}
}

func (s *service) stop() {
	select {
	case <-s.done: // a second signal
	default:
		close(s.done)
		s.tell("STOPPING=1") // nobody waits for it
	}
}

func (s *service) tell(state string) error {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: s.socket, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Write([]byte(state))
	return err
}
