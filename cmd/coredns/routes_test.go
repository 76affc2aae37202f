package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/pb"
	"github.com/miekg/dns"
	"github.com/pires/go-proxyproto"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/nonudify/nonudify/plugin/source/sourcetest"
)

// serverName is the name in the certificate of the servers of a scenario.
const serverName = "dns.example"

// errDropped says that a query was left without an answer.
var errDropped = errors.New("no answer")

// route is how a query reaches a server: a transport and an address, and where it
// comes from.
type route struct {
	transport string // one of transports
	server    string // address and port
	from      net.IP // the client's address, nil for any
	proxy     net.IP // the address in a PROXY protocol header, nil for no header
	name      string // that the client asks for in the TLS handshake, "" for serverName
	path      string // of DNS over HTTPS, "" for the usual one
	stranger  bool   // the server's certificate need not be good
	then      []byte // over UDP, TCP and TLS: a query to send behind, whose reply shows that there is none before it
}

// transports carry a message to a server and its reply back, each over what a
// client of that kind uses.
var transports = map[string]func(r route, ctx context.Context, query []byte) ([]byte, error){
	"udp": route.udp, "tcp": route.tcp, "tls": route.dot, "quic": route.doq, "grpc": route.grpc,
	"https": route.dohGet, "https-post": route.dohPost, "https3": route.doh3Get, "https3-post": route.doh3Post,
}

// listeners are the transports that each kind of server has, over UDP and over
// TCP.
var listeners = map[string]struct{ udp, tcp []string }{
	"*dnsserver.Server":       {[]string{"udp"}, []string{"tcp"}},
	"*dnsserver.ServerTLS":    {nil, []string{"tls"}},
	"*dnsserver.ServerHTTPS":  {nil, []string{"https", "https-post"}},
	"*dnsserver.ServerHTTPS3": {[]string{"https3", "https3-post"}, nil},
	"*dnsserver.ServerQUIC":   {[]string{"quic"}, nil},
	"*dnsserver.ServergRPC":   {nil, []string{"grpc"}},
}

// routes returns all routes to the servers of an instance, those over IPv4 first.
// Only caddy knows of what kind a server is, and does not tell: the addresses of
// several kinds look alike.
func routes(i *caddy.Instance) (all []route) {
	for _, s := range i.Servers() {
		name := reflect.ValueOf(s).FieldByName("server").Elem().Type().String()
		kind, known := listeners[name]
		if !known {
			panic("no route leads to a " + name)
		}
		for _, t := range kind.udp {
			all = append(all, route{transport: t, server: s.LocalAddr().String()})
		}
		for _, t := range kind.tcp {
			all = append(all, route{transport: t, server: s.Addr().String()})
		}
	}
	slices.SortStableFunc(all, func(a, b route) int { return strings.Count(a.server, ":") - strings.Count(b.server, ":") })
	return all
}

// allRoutes begins a server block that has them all.
const allRoutes = ".:0 tls://.:0 https://.:0 https3://.:0 quic://.:0 grpc://.:0 {\n tls certificate.pem key.pem\n"

// TestRoutes: none is forgotten, so that +all is all of them.
func TestRoutes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certify(t, dir)
	i := start(t, allRoutes+" bind "+loopback()+"\n root "+dir+"\n whoami\n}\n")
	defer stop(i)
	found := map[string]int{}
	for _, r := range routes(i) {
		found[r.transport]++
	}
	for name := range transports {
		if want := len(strings.Fields(loopback())); found[name] != want {
			t.Errorf("%d routes over %s, want %d", found[name], name, want)
		}
	}
}

func (r route) String() string {
	return fmt.Sprintf("over %s to %s", r.transport, r.server)
}

// ask sends a query and returns the reply. With a secret, the query is signed
// with the key of that TSIG record that it ends with, and the reply must be.
func (r route) ask(q *dns.Msg, secret string) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var mac string
	wire, err := q.Pack()
	if secret != "" {
		wire, mac, err = dns.TsigGenerate(q.Copy(), secret, "", false)
	}
	if err != nil {
		return nil, err
	}
	answer, err := transports[r.transport](r, ctx, wire)
	if r.then != nil && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)) {
		return nil, errDropped
	}
	if err != nil {
		return nil, err
	}
	reply, err := r.read(answer, q)
	if err == nil && secret != "" {
		err = dns.TsigVerify(answer, secret, mac, false)
	}
	return reply, err
}

// read unpacks what came as an answer to a query.
func (r route) read(answer []byte, q *dns.Msg) (*dns.Msg, error) {
	reply := new(dns.Msg)
	if err := reply.Unpack(answer); err != nil {
		return nil, err
	}
	switch {
	case !reply.Response || r.then != nil && reply.Rcode == dns.RcodeBadVers:
		return nil, errDropped // without an answer, the gRPC server sends back what it got
	case reply.Id != q.Id || !slices.Equal(reply.Question, q.Question):
		return nil, fmt.Errorf("%v is the answer to %v", reply, q)
	case r.transport == "udp" && len(answer) > room(q):
		return nil, fmt.Errorf("%d octets, the client takes %d", len(answer), room(q))
	}
	return reply, nil
}

// room returns the longest reply that the sender of a query takes over UDP.
func room(q *dns.Msg) int {
	if o := q.IsEdns0(); o != nil {
		return max(dns.MinMsgSize, int(o.UDPSize()))
	}
	return dns.MinMsgSize
}

// dial opens a connection, which ends with the context.
func (r route) dial(ctx context.Context, network string) (net.Conn, error) {
	d := net.Dialer{}
	if r.from != nil && network == "udp" {
		d.LocalAddr = &net.UDPAddr{IP: r.from}
	} else if r.from != nil {
		d.LocalAddr = &net.TCPAddr{IP: r.from}
	}
	c, err := d.DialContext(ctx, network, r.server)
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	c.SetDeadline(deadline)
	if network == "tcp" {
		c.Write(r.header(&net.TCPAddr{IP: r.proxy, Port: 4242}, &net.TCPAddr{IP: r.proxy, Port: 53})) // what goes wrong, the next one tells
	}
	return c, nil
}

// header returns the PROXY protocol header, version 2, that names a client;
// nothing if there is none to name.
func (r route) header(client, server net.Addr) []byte {
	if r.proxy == nil {
		return nil
	}
	b, err := proxyproto.HeaderProxyFromAddrs(2, client, server).Format()
	if err != nil {
		panic(err) // it is made of two addresses
	}
	return b
}

// packetHeader is the header in front of a datagram.
func (r route) packetHeader() []byte {
	return r.header(&net.UDPAddr{IP: r.proxy, Port: 4242}, &net.UDPAddr{IP: r.proxy, Port: 53})
}

// messages returns what is sent: the query and what is to go behind it.
func (r route) messages(query []byte) [][]byte {
	if r.then == nil {
		return [][]byte{query}
	}
	return [][]byte{query, r.then}
}

// tls returns what a client needs to speak one of the protocols over TLS.
func (r route) tls(protocols ...string) *tls.Config {
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(sourcetest.Authority())
	return &tls.Config{RootCAs: trusted, ServerName: cmp.Or(r.name, serverName), NextProtos: protocols, InsecureSkipVerify: r.stranger}
}

func (r route) udp(ctx context.Context, query []byte) ([]byte, error) {
	c, err := r.dial(ctx, "udp")
	if err != nil {
		return nil, err
	}
	defer c.Close()
	header := r.packetHeader()
	for _, message := range r.messages(query) {
		if _, err := c.Write(append(header, message...)); err != nil {
			return nil, err
		}
		header = nil
	}
	answer := make([]byte, dns.MaxMsgSize)
	n, err := c.Read(answer)
	return answer[:n], err
}

func (r route) tcp(ctx context.Context, query []byte) ([]byte, error) {
	c, err := r.dial(ctx, "tcp")
	if err != nil {
		return nil, err
	}
	return r.stream(c, query)
}

func (r route) dot(ctx context.Context, query []byte) ([]byte, error) {
	c, err := r.dial(ctx, "tcp")
	if err != nil {
		return nil, err
	}
	return r.stream(tls.Client(c, r.tls("dot")), query)
}

// stream sends messages with their lengths in front (RFC 1035 §4.2.2) over a
// connection, reads the first reply and closes the connection.
func (r route) stream(c net.Conn, query []byte) ([]byte, error) {
	defer c.Close()
	conn := &dns.Conn{Conn: c}
	for _, message := range r.messages(query) {
		if _, err := conn.Write(message); err != nil && r.then != nil {
			return nil, errDropped // the server has hung up meanwhile
		} else if err != nil {
			return nil, err
		}
	}
	return conn.ReadMsgHeader(nil)
}

func (r route) dohGet(ctx context.Context, query []byte) ([]byte, error) {
	return r.doh2(r.get(ctx, query))
}

func (r route) dohPost(ctx context.Context, query []byte) ([]byte, error) {
	return r.doh2(r.post(ctx, query))
}

func (r route) doh3Get(ctx context.Context, query []byte) ([]byte, error) {
	return r.doh3(r.get(ctx, query))
}

func (r route) doh3Post(ctx context.Context, query []byte) ([]byte, error) {
	return r.doh3(r.post(ctx, query))
}

// url is where the server expects DNS over HTTPS.
func (r route) url() string { return "https://" + serverName + cmp.Or(r.path, "/dns-query") }

// get and post make the two requests of RFC 8484 §4.1.
func (r route) get(ctx context.Context, query []byte) (*http.Request, error) {
	values := url.Values{"dns": {base64.RawURLEncoding.EncodeToString(query)}}
	return http.NewRequestWithContext(ctx, http.MethodGet, r.url()+"?"+values.Encode(), http.NoBody)
}

func (r route) post(ctx context.Context, query []byte) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url(), bytes.NewReader(query))
	if err == nil {
		req.Header.Set("Content-Type", "application/dns-message")
	}
	return req, err
}

func (r route) doh2(req *http.Request, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	t := r.http2(req.Context())
	defer t.CloseIdleConnections()
	return overHTTP(t, req, 2)
}

// http2 returns a client that reaches the server whatever a URL says, for as long
// as the context lives.
func (r route) http2(ctx context.Context) *http.Transport {
	return &http.Transport{TLSClientConfig: r.tls(), ForceAttemptHTTP2: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		return r.dial(ctx, "tcp")
	}}
}

func (r route) doh3(req *http.Request, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	t, leave, err := r.http3()
	if err != nil {
		return nil, err
	}
	defer leave()
	return overHTTP(t, req, 3)
}

// http3 returns a client that reaches the server whatever a URL says, until the
// second result is called.
func (r route) http3() (*http3.Transport, func(), error) {
	socket, server, err := r.quic()
	if err != nil {
		return nil, nil, err
	}
	t := &http3.Transport{TLSClientConfig: r.tls(), Dial: func(ctx context.Context, _ string, c *tls.Config, q *quic.Config) (*quic.Conn, error) {
		return socket.DialEarly(ctx, server, c, q)
	}}
	return t, func() {
		t.Close()
		socket.Close()
		socket.Conn.Close()
	}, nil
}

// overHTTP sends an HTTP request and returns the DNS message in the response, which
// must have come over that version of HTTP and be fresh for as long as the
// message in it is (RFC 8484 §5.1).
func overHTTP(t http.RoundTripper, req *http.Request, version int) ([]byte, error) {
	resp, err := t.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, dns.MaxMsgSize))
	switch {
	case err != nil:
		return nil, err
	case resp.ProtoMajor != version:
		return nil, fmt.Errorf("came over %s", resp.Proto)
	case resp.StatusCode == http.StatusInternalServerError:
		return nil, errDropped
	case resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/dns-message":
		return nil, fmt.Errorf("HTTP %s with %q", resp.Status, resp.Header.Get("Content-Type"))
	}
	reply := new(dns.Msg)
	if err := reply.Unpack(answer); err != nil {
		return nil, err
	}
	if ttl, ok := lifetime(reply); ok && resp.Header.Get("Cache-Control") != fmt.Sprintf("max-age=%d", ttl) {
		return nil, fmt.Errorf("Cache-Control is %q, the records live for %d s", resp.Header.Get("Cache-Control"), ttl)
	}
	return answer, nil
}

// lifetime returns the shortest TTL of a message, if it has records and is one
// to be kept, for the hour that CoreDNS allows at most.
func lifetime(m *dns.Msg) (ttl uint32, ok bool) {
	rrs := slices.DeleteFunc(slices.Concat(m.Answer, m.Ns, m.Extra), func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeOPT })
	if len(rrs) == 0 || m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
		return 0, false
	}
	ttl = 3600
	for _, rr := range rrs {
		ttl = min(ttl, rr.Header().Ttl)
	}
	return ttl, true
}

// quic opens a socket for a connection to the server. A PROXY protocol header
// goes before it in a datagram of its own.
func (r route) quic() (*quic.Transport, net.Addr, error) {
	server, err := net.ResolveUDPAddr("udp", r.server)
	if err != nil {
		return nil, nil, err
	}
	from := r.from
	if from == nil && server.IP.IsLoopback() {
		from = server.IP
	}
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: from})
	if err != nil {
		return nil, nil, err
	}
	if header := r.packetHeader(); header != nil {
		socket.WriteTo(header, server)
	}
	return &quic.Transport{Conn: socket}, server, nil
}

func (r route) doq(ctx context.Context, query []byte) ([]byte, error) {
	conn, leave, err := r.doqConn(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	return overQUIC(ctx, conn, query)
}

// doqConn opens a connection for DNS over QUIC, until the second result is called.
func (r route) doqConn(ctx context.Context) (*quic.Conn, func(), error) {
	socket, server, err := r.quic()
	if err != nil {
		return nil, nil, err
	}
	leave := func() {
		socket.Close()
		socket.Conn.Close()
	}
	conn, err := socket.Dial(ctx, server, r.tls("doq"), nil)
	if err != nil {
		leave()
		return nil, nil, err
	}
	return conn, func() {
		conn.CloseWithError(0, "")
		leave()
	}, nil
}

// overQUIC asks as RFC 9250 §4.2 has it: with id 0, on a stream of its own, which
// ends on both sides after one message.
func overQUIC(ctx context.Context, conn *quic.Conn, query []byte) ([]byte, error) {
	s, err := conn.OpenStreamSync(ctx)
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	s.SetDeadline(deadline)
	s.Write([]byte{byte(len(query) >> 8), byte(len(query)), 0, 0})
	s.Write(query[2:])
	s.Close()
	answer, err := io.ReadAll(io.LimitReader(s, 2+dns.MaxMsgSize))
	if err != nil {
		return nil, err
	}
	if len(answer) < 4 || len(answer) != 2+int(answer[0])<<8+int(answer[1]) || answer[2] != 0 || answer[3] != 0 {
		return nil, fmt.Errorf("%d octets that begin with %x", len(answer), answer[:min(4, len(answer))])
	}
	copy(answer[2:4], query)
	return answer[2:], nil
}

func (r route) grpc(ctx context.Context, query []byte) ([]byte, error) {
	conn, err := r.grpcConn(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return overGRPC(ctx, conn, query)
}

// grpcConn returns a client that reaches the server for as long as the context
// lives.
func (r route) grpcConn(ctx context.Context) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///"+r.server, grpc.WithTransportCredentials(credentials.NewTLS(r.tls())),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return r.dial(ctx, "tcp") }))
}

func overGRPC(ctx context.Context, conn *grpc.ClientConn, query []byte) ([]byte, error) {
	answer, err := pb.NewDnsServiceClient(conn).Query(ctx, &pb.DnsPacket{Msg: query})
	return answer.GetMsg(), err
}

// overQUICToo reports whether DNS over QUIC leads to an instance, too.
func overQUICToo(i *caddy.Instance) bool {
	return slices.ContainsFunc(routes(i), func(r route) bool { return r.transport == "quic" })
}

// tsigName and tsigSecret are the key that signs the queries of scenarios.
const (
	tsigName   = "client.example."
	tsigSecret = "NoTCJU+DMqFWywaPyxSijrDEA/eC3nK0xi3AMEZuPVk="
)

// dropped stands for the response code where a query gets no answer.
const dropped = "DROPPED"

// routes returns the routes that a query is to take: all that lead to the server
// from where it comes, or the first one of its transport.
func (q *query) routes(i *caddy.Instance) (all []route) {
	for _, r := range routes(i) {
		host, _, _ := net.SplitHostPort(r.server)
		local := net.ParseIP(host)
		if q.from != nil && !local.IsUnspecified() && (q.from.To4() == nil) != (local.To4() == nil) || !q.all && r.transport != q.transport {
			continue
		}
		r.from, r.proxy, r.name, r.path, r.then = q.from, q.proxy, q.name, q.path, q.then
		all = append(all, r)
	}
	if !q.all {
		all = all[:min(1, len(all))]
	}
	return all
}

// impassable says that no route leads to the server. From an address of IPv6 on a
// machine without it, this is as it must be.
func (s *scenario) impassable(q query) error {
	if q.from != nil && q.from.To4() == nil && !hasIPv6() {
		s.t.Logf("Not asked from %v: this machine has no IPv6", q.from)
		return nil
	}
	return fmt.Errorf("no route leads there over %s from %v", q.transport, q.from)
}

// certify puts the certificate of a server and its key into a folder.
func certify(t *testing.T, dir string) {
	t.Helper()
	certificate, key := sourcetest.Certificate(serverName, "*."+serverName)
	for name, data := range map[string][]byte{"certificate.pem": certificate, "key.pem": key} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// loopback is what a server binds to that is to be reached over IPv4 and IPv6,
// where there is IPv6.
func loopback() string {
	if hasIPv6() {
		return "127.0.0.1 ::1"
	}
	return "127.0.0.1"
}

// hasIPv6 reports whether the machine has the IPv6 loopback address.
func hasIPv6() bool {
	l, err := net.Listen("tcp", "[::1]:0")
	if err == nil {
		l.Close()
	}
	return err == nil
}

// ecs returns the client subnet option (RFC 7871) of a network.
func ecs(subnet *net.IPNet) *dns.EDNS0_SUBNET {
	family := uint16(1)
	if subnet.IP.To4() == nil {
		family = 2
	}
	ones, _ := subnet.Mask.Size()
	return &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: family, SourceNetmask: uint8(ones), Address: subnet.IP}
}
