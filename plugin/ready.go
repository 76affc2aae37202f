package nonudify

// crew are the handlers of one instance. They know each other by it, and not by the
// instance, which would then never be found unused.
type crew struct {
	handlers []*NoNudify // complete before the first of them starts
}

// Ready reports whether queries are judged in every server block: all lists are
// loaded, or the configuration says not to wait for those that are not. The ready
// plugin asks one handler of all that have this name, so each answers for all. From
// the moment that the server is told to end it is not ready any more; the plugin hears
// of that with 'monitor continuously'.
func (n *NoNudify) Ready() bool {
	if n.crew == nil {
		return n.judges()
	}
	for _, h := range n.crew.handlers {
		if !h.judges() || h.ending.Load() {
			return false
		}
	}
	return true
}

// judges reports whether queries are judged in this server block.
func (n *NoNudify) judges() bool {
	p := n.policy.Load()
	return p != nil && p.Ready()
}
