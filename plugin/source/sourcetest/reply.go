package sourcetest

import (
	"crypto/tls"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"strconv"
	"time"
)

// quiet takes what net/http logs of the faults.
var quiet = log.New(io.Discard, "", 0)

// ServeHTTP answers as Set said.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests[r.URL.Path] = append(s.requests[r.URL.Path], r)
	reply, ok := s.replies[r.URL.Path]
	s.mu.Unlock()
	switch {
	case !ok:
		http.NotFound(w, r)
	case reply.Fault == Silent:
		s.hang(r)
	case reply.has(r):
		w.WriteHeader(http.StatusNotModified)
	default:
		reply.head(w.Header())
		w.WriteHeader(max(reply.Status, http.StatusOK))
		s.body(w, r, reply)
	}
}

// has reports whether the client has this reply (RFC 9110 §13.2.2).
func (reply Reply) has(r *http.Request) bool {
	if tag := r.Header.Get("If-None-Match"); tag != "" {
		return tag == reply.ETag
	}
	since, err := http.ParseTime(r.Header.Get("If-Modified-Since"))
	return err == nil && !reply.Modified.IsZero() && !reply.Modified.Truncate(time.Second).After(since)
}

func (reply Reply) head(h http.Header) {
	h.Set("Content-Type", "text/plain; charset=utf-8")
	if reply.ETag != "" {
		h.Set("ETag", reply.ETag)
	}
	if !reply.Modified.IsZero() {
		h.Set("Last-Modified", reply.Modified.UTC().Format(http.TimeFormat))
	}
	if reply.Fault == Short {
		h.Set("Content-Length", strconv.Itoa(len(reply.Body)))
	}
	maps.Copy(h, reply.Header)
}

// body sends the body as the fault has it.
func (s *Server) body(w http.ResponseWriter, r *http.Request, reply Reply) {
	half := reply.Body[:len(reply.Body)/2]
	switch reply.Fault {
	case None:
		w.Write(reply.Body)
	case Endless:
		for err := error(nil); err == nil; {
			_, err = w.Write(reply.Body)
		}
	case Drip:
		s.drip(w, r, reply.Body)
	case Short:
		w.Write(half)
		flush(w)
		panic(http.ErrAbortHandler)
	case Stall, Reset:
		w.Write(half)
		flush(w)
		if reply.Fault == Reset {
			reset(r)
		}
		s.hang(r)
	}
}

// drip sends a body by bytes, over and over, until the client goes or the test
// ends.
func (s *Server) drip(w http.ResponseWriter, r *http.Request, body []byte) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i = (i + 1) % len(body) {
		select {
		case <-r.Context().Done():
			return
		case <-s.closing:
			return
		case <-tick.C:
			w.Write(body[i : i+1])
			flush(w)
		}
	}
}

func flush(w http.ResponseWriter) { http.NewResponseController(w).Flush() }

// hang waits until the client goes or the test ends.
func (s *Server) hang(r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-s.closing:
	}
	panic(http.ErrAbortHandler)
}

// reset closes the connection without a farewell.
func reset(r *http.Request) {
	c := r.Context().Value(connKey{}).(net.Conn)
	if over, ok := c.(*tls.Conn); ok {
		c = over.NetConn()
	}
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
}
