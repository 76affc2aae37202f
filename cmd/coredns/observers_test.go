package main

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tap "github.com/dnstap/golang-dnstap"
	framestream "github.com/farsightsec/golang-framestream"
	"github.com/miekg/dns"
	"google.golang.org/protobuf/proto"
)

// TestLogOfQueries: the log plugin writes of a denied name what the operator's
// format asks for, and nobody writes more. TestMain looks for the names that
// were asked for.
func TestLogOfQueries(t *testing.T) {
	t.Parallel()
	mark, dir, client := fresh("logged"), t.TempDir(), net.IPv4(127, 0, 87, 3)
	certify(t, dir)
	i := start(t, allRoutes+fmt.Sprintf(`    bind 127.0.0.1
    root %s
    metadata
    errors
    log . "%s {type} {rcode} {/nonudify/action}"
    nonudify {
        block badsite.example
        action nodata
    }
    forward . %s
}
`, dir, mark, newUpstream(t).addr))
	defer stop(i)
	n := 0
	for _, r := range routes(i) {
		r.from = client
		for _, name := range []string{unsaid + ".badsite.example.", unsaid + ".good.example."} {
			if _, err := r.ask(new(dns.Msg).SetQuestion(name, dns.TypeA), ""); err != nil {
				t.Fatalf("%v: %v", r, err)
			}
			n++
		}
	}
	denied := logged.with(mark + " A NOERROR nodata")
	passed := logged.with(mark + " A NOERROR -")
	if all := logged.with(mark); len(all) != n || len(denied) != n/2 || len(passed) != n/2 {
		t.Errorf("%d queries, and in the log: %q", n, all)
	}
	if lines := logged.with(client.String()); len(lines) != 0 {
		t.Errorf("The client is in the log: %q", lines)
	}
}

// tapped returns the messages that come over the next connection to a listener.
func tapped(l net.Listener, messages chan<- *tap.Message) error {
	defer close(messages)
	c, err := l.Accept()
	if err != nil {
		return err
	}
	defer c.Close()
	r, err := framestream.NewReader(c, &framestream.ReaderOptions{ContentTypes: [][]byte{tap.FSContentType}, Bidirectional: true})
	if err != nil {
		return err
	}
	frame := make([]byte, 128<<10)
	for {
		n, err := r.ReadFrame(frame)
		if err != nil {
			return err
		}
		m := new(tap.Dnstap)
		if err := proto.Unmarshal(frame[:n], m); err != nil {
			return err
		}
		messages <- m.Message
	}
}

// TestTap: what the dnstap plugin hears of a denial is the denial as it was sent,
// whatever the route.
func TestTap(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certify(t, dir)
	socket := filepath.Join(dir, "tap")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	messages, ended := make(chan *tap.Message, 100), make(chan error, 1)
	go func() { ended <- tapped(l, messages) }()
	i := start(t, allRoutes+" bind 127.0.0.1\n root "+dir+"\n dnstap "+socket+" full\n nonudify {\n  block badsite.example\n }\n}\n")
	replies := map[uint16]*dns.Msg{}
	for _, r := range routes(i) {
		m := new(dns.Msg).SetQuestion("www.badsite.example.", dns.TypeA).SetEdns0(1232, false)
		m.Id = uint16(1 + len(replies))
		reply, err := r.ask(m, "")
		if err != nil {
			t.Fatalf("%v: %v", r, err)
		}
		if r.transport == "quic" { // over which there are no ids
			reply.Id = 0
		}
		replies[reply.Id] = reply
	}
	deadline := time.After(20 * time.Second)
	for heard := 0; heard < len(replies); {
		select {
		case m, open := <-messages:
			if !open {
				t.Fatalf("The tap ended after %d responses: %v", heard, <-ended)
			}
			if m.GetType() == tap.Message_CLIENT_RESPONSE {
				heard++
				same(t, m.ResponseMessage, replies)
			}
		case <-deadline:
			t.Fatalf("%d responses, want %d", heard, len(replies))
		}
	}
	stop(i)
	l.Close()
	for range messages { // until the tap has ended
	}
}

// same checks that a response is one of these replies.
func same(t *testing.T, response []byte, replies map[uint16]*dns.Msg) {
	t.Helper()
	m := new(dns.Msg)
	if err := m.Unpack(response); err != nil {
		t.Error(err)
		return
	}
	if want := replies[m.Id]; want == nil || m.Rcode != dns.RcodeNameError || !strings.Contains(m.String(), "EDE: 17") || m.String() != want.String() {
		t.Errorf("The tap heard\n%v\nwhere this was sent:\n%v", m, want)
	}
}
