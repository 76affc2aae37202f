package nonudify

import (
	"context"
	"net/netip"
	"reflect"
	"slices"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/cache"
	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/answer"
	"github.com/nonudify/nonudify/plugin/front"
	"github.com/nonudify/nonudify/plugin/policy"
)

// keeperKey is the key of the front.Keeper of a query in its context. The questions that
// plugins have the server answer on the way have that context, too, but no Keeper: it is
// not their reply that is kept, and they may be asked by several goroutines at once.
type keeperKey struct{ query *dns.Msg }

// withKeeper returns the context of a query that the front has passed on. Not kept are
// replies that the front would not ask for, nor what tells who has asked: other queries
// may hold the address of a client (RFC 7871), and a cookie is one client's (RFC 7873).
func withKeeper(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) context.Context {
	if kept, ok := w.(interface{ Keeper() *front.Keeper }); ok {
		if k := kept.Keeper(); k != nil && anybodys(k.Query()) {
			return context.WithValue(ctx, keeperKey{r}, k)
		}
	}
	return ctx
}

// anybodys reports whether a query is one that the front reads, and says nothing of its
// sender.
func anybodys(packet []byte) bool {
	q := queries.Get().(*answer.Query)
	defer queries.Put(q)
	return q.Parse(packet) && !q.Cookie()
}

// keep lets the front keep the reply to a query on which there is no verdict, for
// clients that the same policy is for, or else is not for.
func (n *NoNudify) keep(ctx context.Context, r *dns.Msg, p *policy.Policy, client netip.Addr) {
	if n.repeated.Load() {
		k, _ := ctx.Value(keeperKey{r}).(*front.Keeper)
		k.Keep(p.Stamp(client))
	}
}

// forget takes that back: the reply is a denial, which is counted.
func (n *NoNudify) forget(ctx context.Context, r *dns.Msg) {
	if n.repeated.Load() {
		k, _ := ctx.Value(keeperKey{r}).(*front.Keeper)
		k.Keep(0)
	}
}

// repeatable reports whether what is right behind this plugin in a server block is a
// cache from which any reply of the block could come at any time, with the TTLs that it
// has by then, and nothing in front makes another reply of it each time. Only then may
// one come from the front instead.
func repeatable(c *dnsserver.Config, before, behind []plugin.Handler) bool {
	if len(behind) == 0 || slices.ContainsFunc(before, shuffles) {
		return false
	}
	k, ok := behind[0].(*cache.Cache)
	return ok && plugin.Zones(k.Zones).Matches(c.Zone) != "" && cachesAll(k)
}

// cachesAll reports whether a cache makes no exceptions: names that it does not keep,
// or TTLs that stay as they are. It is not to be asked.
func cachesAll(k *cache.Cache) bool {
	v := reflect.ValueOf(k).Elem()
	for _, name := range []string{"pexcept", "nexcept", "bypass", "keepttl"} {
		if field := v.FieldByName(name); !field.IsValid() || !field.IsZero() && (field.Kind() != reflect.Slice || field.Len() > 0) {
			return false
		}
	}
	return true
}

func shuffles(h plugin.Handler) bool { return h.Name() == "loadbalance" }

// repeat answers a query for a name that is on no list with what was answered a moment
// ago, and counts it as that was counted. 0: it was not.
func (f *fronted) repeat(r *frontRoute, p *policy.Policy, dst []byte, q *answer.Query, client netip.Addr) int {
	size := f.packets.Get(dst, q.Packet(), p.Stamp(client))
	if size == 0 {
		return 0
	}
	p.CountAbsent(q.Name())
	f.counters.Repeated.Add(1)
	r.observer.observe(q, client, dst[:size])
	return size
}
