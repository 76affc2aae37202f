package source

import (
	"crypto/rand"
	"fmt"
	"hash/crc32"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// maxVersion bounds a Version that is read, in bytes.
const maxVersion = 512

// entityTag is what an ETag field may hold (RFC 9110 §8.8.3), less what is not
// ASCII, up to a length that fits a Version.
var entityTag = regexp.MustCompile(`^(W/)?"[!#-~]{0,250}"$`)

// oldest is the time before which a Last-Modified field says nothing: tools that
// build the same bytes again and again set all times to one of long ago.
var oldest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// validators are what a server tells versions by (RFC 9110 §8.8). A Version of
// HTTP is
//
//	http URL ETAG MODIFIED
//
// where URL is a check sum of the URL that the validators are from, ETAG the
// field as it was sent, and MODIFIED the field Last-Modified in the one form of
// RFC 9110 §5.6.7; a dash stands for what is missing. Without either, MODIFIED
// is a random text.
type validators struct {
	etag     string    // as it was sent; may be weak
	modified time.Time // to the second, in UTC
}

// readValidators returns what a reply says. A field that is malformed is left
// out, and so is a time in the future: until it has come the server would answer
// that nothing has been modified since.
func readValidators(h http.Header, now time.Time) (v validators) {
	if etag := h.Get("ETag"); entityTag.MatchString(etag) {
		v.etag = etag
	}
	t, err := http.ParseTime(h.Get("Last-Modified"))
	if err == nil && t.After(oldest) && t.Before(now.Add(24*time.Hour)) {
		v.modified = t.UTC().Truncate(time.Second)
	}
	return v
}

// version returns the text of validators from a URL.
func (v validators) version(address string) Version {
	etag, modified := v.etag, "-"
	if etag == "" {
		etag = "-"
	}
	if !v.modified.IsZero() {
		modified = v.modified.Format(http.TimeFormat)
	} else if v.etag == "" {
		modified = rand.Text()
	}
	return Version(fmt.Sprintf("http %s %s %s", checkSum(address), etag, modified))
}

// parseVersion returns the validators that a version holds, those that are
// missing or malformed left out: none of a version of another URL, since another
// mirror may give the same tag to another edition.
func parseVersion(have Version, address string) (v validators) {
	fields := strings.SplitN(string(have), " ", 4)
	if len(have) > maxVersion || len(fields) < 4 || fields[0] != "http" || fields[1] != checkSum(address) {
		return validators{}
	}
	if entityTag.MatchString(fields[2]) {
		v.etag = fields[2]
	}
	if t, err := time.Parse(http.TimeFormat, fields[3]); err == nil && t.After(oldest) {
		v.modified = t.Truncate(time.Second)
	}
	return v
}

// ask adds the fields that ask for another version only (RFC 9110 §13.1).
func (v validators) ask(h http.Header) {
	if v.etag != "" {
		h.Set("If-None-Match", v.etag)
	}
	if !v.modified.IsZero() {
		h.Set("If-Modified-Since", v.modified.Format(http.TimeFormat))
	}
}

// checkSum tells the URLs of mirrors apart. It is too short to find out a
// password by, and the user name and password are not in it.
func checkSum(address string) string {
	if u, err := url.Parse(address); err == nil {
		u.User = nil
		address = u.String()
	}
	return fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(address)))
}
