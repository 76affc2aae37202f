package directive

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/nonudify/nonudify/plugin/builtin"
	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/source"
)

// Status is what a directive says of the status page. The zero value is none.
type Status struct {
	Addr   netip.AddrPort
	Socket string // path of a socket in the file system; "": it is at the address
	// Password is the path of a file with who may read the page; "": everybody who
	// can connect.
	Password string
	Names    []string // that the page is asked for by, beside its address and localhost
}

// Served reports whether there is a status page.
func (s Status) Served() bool { return s.Addr.IsValid() || s.Socket != "" }

const (
	socketPrefix = "unix:"
	// maxSocket is the length that the path of a socket can have on every system, in
	// bytes.
	maxSocket = 103
	// maxStatusNames bounds the names of the status page.
	maxStatusNames = 8
)

// status reads where the status page is served: at an address with a port, or at a
// socket in the file system. What others than this machine can reach needs a
// password.
func (p *parser) status(args []string) error {
	s := &p.config.Status
	if err := p.statusPlace(s, args[0]); err != nil {
		return err
	}
	for pair := range slices.Chunk(args[1:], 2) {
		if len(pair) < 2 {
			return p.Errf("status option '%s' has no value", show(pair[0]))
		}
		switch option, value := pair[0], pair[1]; {
		case option == "password" && s.Password == "" && value != "":
			s.Password = p.path(value)
		case option == "name" && isHost(value):
			s.Names = append(s.Names, value)
		case option == "name":
			return p.Errf("status name '%s': want the name of a host, or an address", show(value))
		default:
			return p.Errf("status option '%s': want 'password FILE' once, or 'name HOST'", show(option))
		}
	}
	return p.finishStatus(s)
}

// statusPlace reads the first argument.
func (p *parser) statusPlace(s *Status, arg string) (err error) {
	if path, ok := strings.CutPrefix(arg, socketPrefix); ok {
		s.Socket = p.path(path)
		switch {
		case path == "":
			return p.Errf("status '%s': want the path of a socket, such as unix:/run/nonudify/status.sock", arg)
		case len(s.Socket) > maxSocket:
			return p.Errf("status '%.120s': the path of a socket has at most %d bytes", s.Socket, maxSocket)
		}
		return nil
	}
	s.Addr, err = netip.ParseAddrPort(arg)
	switch {
	case err != nil:
		return p.Errf("status '%s': want an address with a port, such as 127.0.0.1:8053, or unix:PATH", show(arg))
	case s.Addr.Port() == 0 || s.Addr.Addr().IsMulticast():
		return p.Errf("status '%s': nobody can connect to such an address", arg)
	}
	return nil
}

// finishStatus checks what the arguments say together.
func (p *parser) finishStatus(s *Status) error {
	if s.Socket == "" && s.Password == "" && !s.Addr.Addr().Unmap().IsLoopback() {
		return p.Errf("status '%v' can be reached from other machines: add 'password FILE', or use 127.0.0.1 or unix:PATH", s.Addr)
	}
	if len(s.Names) > maxStatusNames {
		return p.Errf("more than %d names of the status page", maxStatusNames)
	}
	for i, name := range s.Names {
		if n, err := dnsname.Parse(name); err == nil { // else it is an address
			s.Names[i] = string(n)
		}
	}
	return nil
}

// SourceKind returns what kind of source a list has, builtin, file or the scheme of
// its URL, and where it is, without what may be secret in a URL; "" for builtin.
func SourceKind(of string) (kind, place string) {
	switch scheme, _, _ := strings.Cut(of, "://"); {
	case of == builtin.Name:
		return builtin.Name, ""
	case isURL(of):
		return strings.ToLower(scheme), source.Redact(of)
	}
	return "file", of
}
