package sinkhole

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
)

// FuzzServer: whatever a client sends, what comes back is well-formed HTTP of
// the statuses that there are, without a forbidden field, and the connection and
// all of the server end.
func FuzzServer(f *testing.F) {
	for _, a := range attacks {
		f.Add([]byte(a.sent))
	}
	f.Add([]byte(strings.Repeat(getPage, 3)))
	f.Fuzz(func(t *testing.T, sent []byte) {
		inMemory(t, ServerConfig{}, nil, func(t *testing.T, l *pipes, s *server) {
			var methods []string // of the requests that were handled
			site := helpSite()
			help := site.Handler
			site.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				methods = append(methods, r.Method)
				help.ServeHTTP(w, r)
			})
			s.site.Store(site)
			c := l.dial()
			written := make(chan struct{})
			go func() {
				defer close(written)
				c.Write(sent) // the server need not take all of it
			}()
			received, err := io.ReadAll(c)
			if err != nil {
				t.Fatal(err)
			}
			c.Close()
			<-written
			synctest.Wait()
			checkReplies(t, received, methods)
		})
	})
}

// checkReplies checks that bytes are a sequence of whole replies to requests with
// these methods, with at most one more, to what was no request.
func checkReplies(t *testing.T, received []byte, methods []string) {
	t.Helper()
	reader := bufio.NewReader(bytes.NewReader(received))
	for n := 0; ; n++ {
		if _, err := reader.Peek(1); err != nil {
			if n < len(methods) {
				t.Errorf("%d requests, %d replies", len(methods), n)
			}
			return
		}
		if n > len(methods) {
			t.Fatalf("%d replies to %d requests: %q", n+1, len(methods), received)
		}
		var request http.Request
		want := []int{400, 417, 431, 501, 505}
		if n < len(methods) {
			request.Method, want = methods[n], []int{403}
		}
		checkReply(t, reader, &request, want)
	}
}

// checkReply reads one reply to a request.
func checkReply(t *testing.T, reader *bufio.Reader, request *http.Request, want []int) *http.Response {
	t.Helper()
	r, err := http.ReadResponse(reader, request)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		t.Fatal(err)
	}
	ok := false
	for _, status := range want {
		ok = ok || r.StatusCode == status
	}
	if !ok {
		t.Errorf("Status %d, want one of %v", r.StatusCode, want)
	}
	for _, name := range forbidden {
		if r.Header[name] != nil {
			t.Errorf("%s: %q", name, r.Header[name])
		}
	}
	return r
}
