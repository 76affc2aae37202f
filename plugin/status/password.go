package status

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/bcrypt"
)

const (
	// maxPassword is the size of a file with a password, in bytes.
	maxPassword = 1 << 10
	hashLen     = 60 // of bcrypt, in bytes
	// The costs of bcrypt that are taken: a smaller one is no protection, a greater
	// one takes a router seconds.
	minCost, maxCost = 5, 14

	// tries is how many wrong passwords in a row a client has before it must pause.
	tries = 5
	// pause is how long it must then.
	pause = time.Minute
	// trusted is for how long a client that has said the right password is known by
	// it, so that a page does not take the time of bcrypt.
	trusted = time.Hour
	// maxClients is how many clients are remembered.
	maxClients = 1000
	// maxWaiting is how many passwords wait to be looked at, one at a time.
	maxWaiting = 8
)

// Errors of Password.Check.
var (
	errWrong = errors.New("the user or the password is wrong")
	errPause = errors.New("too many wrong passwords: wait a minute")
	errBusy  = errors.New("too many passwords at a time: try again")
)

// Password is who may see the status. It is safe for concurrent use.
type Password struct {
	user, hash []byte
	salt       [16]byte // of this process, for what is kept of passwords

	refused atomic.Uint64
	waiting chan struct{}
	looking chan struct{}

	mu      sync.Mutex
	clients map[netip.Prefix]client
}

// client is what is remembered of those who have said a password: of an IPv4
// address, or of the /64 of an IPv6 one.
type client struct {
	wrong int       // in a row
	proof [32]byte  // of the right password; zero if it has not said it
	at    time.Time // of the last try
}

// ReadPassword reads a file of one line, as 'htpasswd -nB USER' writes it: a user,
// a colon, and a bcrypt hash of cost 5 to 14. Its errors name the file, and never
// show what it holds.
func ReadPassword(path string) (*Password, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPassword+1))
	if err != nil {
		return nil, err
	}
	p, err := parsePassword(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

func parsePassword(text []byte) (*Password, error) {
	line, rest, _ := bytes.Cut(bytes.TrimRight(text, "\r\n"), []byte("\n"))
	user, hash, ok := bytes.Cut(line, []byte(":"))
	switch {
	case len(text) > maxPassword:
		return nil, fmt.Errorf("is larger than %d bytes", maxPassword)
	case len(rest) > 0:
		return nil, errors.New("line 2: want one line only, of one user")
	case !ok || len(user) == 0:
		return nil, errors.New("line 1: want USER:HASH, as 'htpasswd -nB USER' writes it")
	}
	cost, err := bcrypt.Cost(hash)
	switch {
	case err != nil || len(hash) != hashLen:
		return nil, errors.New("line 1: what follows the colon is no bcrypt hash: want what 'htpasswd -nB USER' writes")
	case cost < minCost || cost > maxCost:
		return nil, fmt.Errorf("line 1: the hash has a cost of %d: want %d to %d", cost, minCost, maxCost)
	}
	p := &Password{user: user, hash: hash, waiting: make(chan struct{}, maxWaiting), looking: make(chan struct{}, 1), clients: make(map[netip.Prefix]client)}
	rand.Read(p.salt[:]) // never fails
	return p, nil
}

// Check returns why somebody may not see the status, nil if they may. It takes the
// same time for a wrong user as for a wrong password.
func (p *Password) Check(from netip.Addr, user, password string, now time.Time) error {
	err := p.check(clientOf(from), user, password, now)
	if err != nil {
		p.refused.Add(1)
	}
	return err
}

func (p *Password) check(from netip.Prefix, user, password string, now time.Time) error {
	proof := p.proof(user, password)
	known := p.recall(from, now)
	switch {
	case known.wrong >= tries:
		return errPause
	case known.proof != [32]byte{} && subtle.ConstantTimeCompare(known.proof[:], proof[:]) == 1:
		return nil
	}
	right, err := p.compare(user, password)
	if err != nil {
		return err
	}
	p.note(from, proof, right, now)
	if !right {
		return errWrong
	}
	return nil
}

// compare holds user and password against the file, one at a time: bcrypt takes a
// processor for as long as it does.
func (p *Password) compare(user, password string) (right bool, err error) {
	select {
	case p.waiting <- struct{}{}:
		defer func() { <-p.waiting }()
	default:
		return false, errBusy
	}
	p.looking <- struct{}{}
	defer func() { <-p.looking }()
	match := bcrypt.CompareHashAndPassword(p.hash, []byte(password)) == nil
	return subtle.ConstantTimeCompare(p.user, []byte(user)) == 1 && match, nil
}

// proof returns what is kept of a password.
func (p *Password) proof(user, password string) [32]byte {
	h := sha256.New()
	h.Write(p.salt[:])
	fmt.Fprintf(h, "%q %q", user, password)
	return [32]byte(h.Sum(nil))
}

// recall returns what is known of a client. What is long ago is forgotten.
func (p *Password) recall(from netip.Prefix, now time.Time) client {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.clients[from]
	ago := now.Sub(c.at)
	if c.wrong >= tries && ago >= pause || ago >= trusted || ago < 0 {
		delete(p.clients, from)
		return client{}
	}
	return c
}

// note remembers a try.
func (p *Password) note(from netip.Prefix, proof [32]byte, right bool, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.clients[from]
	c.at = now
	if right {
		c.wrong, c.proof = 0, proof
	} else {
		c.wrong++
	}
	if _, there := p.clients[from]; !there && len(p.clients) >= maxClients {
		p.forgetOldest()
	}
	p.clients[from] = c
}

// forgetOldest makes room for one client.
func (p *Password) forgetOldest() {
	var oldest netip.Prefix
	for from, c := range p.clients {
		if !oldest.IsValid() || c.at.Before(p.clients[oldest].at) {
			oldest = from
		}
	}
	delete(p.clients, oldest)
}

// clientOf returns the addresses that count as one client.
func clientOf(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := 64
	if a.Is4() || a.IsLoopback() {
		bits = a.BitLen()
	}
	prefix, _ := a.Prefix(bits) // that of a socket in the file system is none
	return prefix
}
