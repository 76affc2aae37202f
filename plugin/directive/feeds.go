package directive

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/nonudify/nonudify/plugin/builtin"
	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/source"
)

const (
	// settle is how long a file must have been left alone before it is read
	// again.
	settle = time.Second
	// pollInterval is how often files are looked at. Looking, rather than being
	// told by the kernel, works the same on every system, network file system,
	// link and container mount.
	pollInterval = 2 * time.Second
)

// builtinPlan is the schedule of what never changes.
var builtinPlan = feed.Schedule{Every: 30 * 24 * time.Hour}

// filePlan is the schedule of what is found out by a look at the file system.
var filePlan = feed.Schedule{Every: pollInterval, Retry: pollInterval, Most: pollInterval}

// Feed is one list-like source of a Config: a list, or a file of an allow or
// block property.
type Feed struct {
	Key    string // the same for the same source, format and use, whatever Config names it
	List   string // the name of the list, or policy.AllowList or policy.BlockList
	Zone   string // of a zone transfer, canonical
	Remote bool   // it comes over the network: it may take its time
	Open   bool   // and anybody on the way may change it
	Config feed.Config
}

// Idle reports whether the feed is told to honour addresses, and an edition of it is
// in a format that has none.
func (f Feed) Idle(l *feed.List) bool { return f.Config.Load.Addresses && l.Format != list.RPZ }

// Refresher returns a new refresher of the feed.
func (f Feed) Refresher() *feed.Refresher[feed.List] {
	fetcher := feed.NewFeed(f.Config)
	if f.Remote {
		return feed.NewRefresher(fetcher, fetcher.Plan)
	}
	plan := filePlan
	if f.Config.Load.File == builtin.Name {
		plan = builtinPlan
	}
	if f.Config.Refresh > 0 {
		plan.Every, plan.Most = f.Config.Refresh, max(f.Config.Refresh, plan.Most)
	}
	if len(f.Config.Keys) > 0 { // a file is read as a whole to find that its signature does not hold
		plan.Most = max(plan.Most, time.Minute)
	}
	return feed.NewRefresher(fetcher, func(*feed.List) feed.Schedule { return plan })
}

// Feeds returns the feeds of the Config in a fixed order: that in which Policy
// expects what they hold.
func (c *Config) Feeds() ([]Feed, error) {
	guard, err := Guard()
	if err != nil {
		return nil, err
	}
	var feeds []Feed
	for _, l := range c.Lists {
		f, err := c.feed(l)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", l.Name, err)
		}
		f.Config.Load.Check = guard
		feeds = append(feeds, f)
	}
	for _, file := range c.Block.Files {
		feeds = append(feeds, ownFile(policy.BlockList, file, feed.LoadConfig{Check: guard}))
	}
	for _, file := range c.Allow.Files {
		feeds = append(feeds, ownFile(policy.AllowList, file, feed.LoadConfig{Action: rule.Pass}))
	}
	return feeds, nil
}

// ownFile returns the feed of a file of names. It may be empty.
func ownFile(use, file string, load feed.LoadConfig) Feed {
	load.File, load.Empty = file, true
	return Feed{
		Key: fmt.Sprintf("%s %s", use, file), List: use,
		Config: feed.Config{Name: use + " " + file, Mirrors: []feed.Mirror{fileMirror(file, "")}, Load: load, Own: true},
	}
}

// feed returns the feed of a list.
func (c *Config) feed(l List) (Feed, error) {
	f := Feed{List: l.Name, Key: c.key(l), Config: feed.Config{
		Name: l.Name,
		Load: feed.LoadConfig{File: l.Sources[0], Format: l.Format, MaxBytes: l.MaxBytes, Addresses: l.Addresses},
		Keys: l.Keys, ListID: l.ID, Shrink: l.Shrink, Refresh: l.Refresh, Own: true,
	}}
	f.Config.Copy = c.copyOf(l)
	switch {
	case l.Sources[0] == builtin.Name:
		f.Config.Mirrors = []feed.Mirror{{Name: builtin.Name, Opener: source.Bytes{Data: builtin.List()}}}
		return f, nil
	case !isURL(l.Sources[0]):
		f.Config.Mirrors = []feed.Mirror{fileMirror(l.Sources[0], l.Signature)}
		return f, nil
	}
	return f, c.addURLs(&f, l)
}

// copyOf returns the copy that is kept of a list, nil if none is.
func (c *Config) copyOf(l List) *source.Copy {
	if c.State == "" || l.Sources[0] == builtin.Name {
		return nil
	}
	return &source.Copy{Dir: c.State, Source: identity(l.Sources[0]), MaxBytes: l.MaxBytes}
}

// key is what tells the feeds of two lists apart: a hash, because there are
// secrets in it. The list's name and reason do not: they are of the policy.
func (c *Config) key(l List) string {
	keys := make([]string, len(l.Keys))
	for i, k := range l.Keys {
		keys[i] = k.String()
	}
	all := fmt.Sprintf("%q %v %v %q %q %v %v %v %q %v %q %v", l.Sources, l.Format, keys, l.Signature, l.ID,
		l.Refresh, l.Shrink, l.MaxBytes, c.State, c.Bootstrap, c.secretsOf(l), l.Addresses)
	return fmt.Sprintf("%x", sha256.Sum256([]byte(all)))
}

// identity is what names the copy of a list: with another password it is the
// same list.
func identity(s string) string {
	u, err := parseURL(s)
	if err != nil || !isURL(s) {
		return s
	}
	u.User = nil
	return u.String()
}

// secretsOf returns the secrets that the sources of a list need: with another
// one it is another feed.
func (c *Config) secretsOf(l List) []string {
	var secrets []string
	for _, s := range l.Sources {
		if u, err := parseURL(s); err == nil && isURL(s) && isZone(u) {
			secrets = append(secrets, c.Secrets[tsigName(u)])
		}
	}
	return secrets
}

// fileMirror reads a file, and its signature beside it unless that is
// elsewhere.
func fileMirror(path, signature string) feed.Mirror {
	if signature == "" {
		signature = path + SignatureSuffix
	}
	return feed.Mirror{
		Name: path, Opener: source.File{Path: path, Settle: settle},
		Signature: func(ctx context.Context) ([]byte, error) { return readSignature(ctx, signature) },
	}
}

// SignatureSuffix is what minisign puts behind the name of the signed file.
const SignatureSuffix = ".minisig"

// readSignature reads a file with a signature.
func readSignature(ctx context.Context, path string) ([]byte, error) {
	body, err := source.File{Path: path}.Open(ctx, "")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", feed.ErrNoSignature, err)
	}
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(io.LimitReader(body, feed.MaxSignature+1))
}

// addURLs adds the mirrors of a list that comes over the network.
func (c *Config) addURLs(f *Feed, l List) error {
	first, err := parseURL(l.Sources[0])
	if err != nil {
		return err
	}
	f.Remote, f.Config.Own = true, false
	f.Config.Load.File = redact(first)
	client := source.NewClient(source.ClientConfig{Bootstrap: c.Bootstrap, Hosts: addressesOf(l)})
	for _, s := range l.Sources {
		u, err := parseURL(s)
		if err != nil {
			return err
		}
		var m feed.Mirror
		if isZone(u) {
			m, err = c.zoneMirror(u, f)
		} else {
			m = httpMirror(u, l, client)
		}
		if err != nil {
			return err
		}
		f.Config.Mirrors = append(f.Config.Mirrors, m)
	}
	return nil
}

// httpMirror fetches a list, and its signature from beside it unless that is
// elsewhere.
func httpMirror(u *url.URL, l List, client *source.Client) feed.Mirror {
	signature := l.Signature
	if signature == "" {
		beside := *u
		beside.Path += SignatureSuffix
		if beside.RawPath != "" {
			beside.RawPath += SignatureSuffix
		}
		signature = beside.String()
	}
	return feed.Mirror{
		Name: redact(u), Opener: source.HTTP{URL: u.String(), Client: client, MaxBytes: l.MaxBytes},
		Signature: func(ctx context.Context) ([]byte, error) {
			if !isURL(signature) {
				return readSignature(ctx, signature)
			}
			text, err := client.ReadFile(ctx, signature, feed.MaxSignature)
			switch {
			case errors.Is(err, source.ErrStatus), errors.Is(err, source.ErrContent):
				return nil, fmt.Errorf("%w: %w", feed.ErrNoSignature, err)
			case errors.Is(err, source.ErrTooLarge):
				return nil, fmt.Errorf("%w: %w", feed.ErrSignature, err)
			}
			return text, err
		},
	}
}

// zoneMirror transfers a zone. What the primary had before is in the copy.
func (c *Config) zoneMirror(u *url.URL, f *Feed) (feed.Mirror, error) {
	zone, err := zoneOf(u)
	if err != nil {
		return feed.Mirror{}, err
	}
	t := source.Transfer{
		Primary: hostPort(u), Zone: zone, Resolver: source.NewResolver(c.Bootstrap), MaxBytes: f.Config.Load.MaxBytes,
	}
	if u.Scheme == "axfrs" {
		t.TLS = &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS13}
	}
	if u.Query().Has("tsig") {
		if t.Key, err = c.tsigKey(u); err != nil {
			return feed.Mirror{}, err
		}
	}
	if f.Config.Copy != nil {
		t.Previous = f.Config.Copy.Previous
	}
	f.Zone = zone
	f.Open = f.Open || t.Key == nil && t.TLS == nil
	return feed.Mirror{Name: redact(u), Opener: t, Space: "zone " + zone, Addresses: t.Addresses}, nil
}

// tsigName returns the canonical name of the key in the URL of a transfer.
func tsigName(u *url.URL) string {
	return strings.ToLower(strings.TrimSuffix(u.Query().Get("tsig"), ".")) + "."
}

// tsigKey returns the key that the URL of a transfer names, with its secret.
func (c *Config) tsigKey(u *url.URL) (*source.TSIGKey, error) {
	k := &source.TSIGKey{Name: tsigName(u), Algorithm: cmp.Or(u.Query().Get("algorithm"), "hmac-sha256")}
	k.Secret = c.Secrets[k.Name]
	if k.Secret == "" {
		return nil, fmt.Errorf("the tsig directive of this server block has no secret for the key %q", k.Name)
	}
	return k, k.Validate()
}

// Hosts returns the names of the servers that the lists come from.
func (c *Config) Hosts() []dnsname.Name {
	var names []dnsname.Name
	for _, l := range c.Lists {
		for _, u := range urlsOf(l) {
			if name, err := dnsname.Parse(u.Hostname()); err == nil {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// urlsOf returns the URLs of a list and of its signature.
func urlsOf(l List) []*url.URL {
	var urls []*url.URL
	for _, s := range append(slices.Clone(l.Sources), l.Signature) {
		if u, err := parseURL(s); err == nil && isURL(s) {
			urls = append(urls, u)
		}
	}
	return urls
}

// addressesOf returns the hosts that the URLs of a list name, with their ports.
func addressesOf(l List) []string {
	var addresses []string
	for _, u := range urlsOf(l) {
		addresses = append(addresses, hostPort(u))
	}
	return addresses
}

// Copies returns where the copies of the lists are, and the keys of the feeds
// that keep them.
func (c *Config) Copies() (paths, keys []string) {
	for _, l := range c.Lists {
		if keep := c.copyOf(l); keep != nil {
			paths, keys = append(paths, keep.Path()), append(keys, c.key(l))
		}
	}
	return paths, keys
}

// First returns the value of a refresher, which it has loaded if need be.
func First[T any](ctx context.Context, r *feed.Refresher[T]) (*T, error) {
	_, err := r.Refresh(ctx)
	if v := r.Value(); v != nil {
		return v, nil
	}
	return nil, err
}
