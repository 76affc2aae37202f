package answer

import "github.com/miekg/dns"

// optionSDE is the EDNS option by which a client asks for structured errors
// (draft-ietf-dnsop-structured-dns-error §5.1); the DNS library has no type
// for it.
const optionSDE = 26

// client is what a query says of its sender.
type client struct {
	opt     *dns.OPT // the request's own, not to be kept; nil when it speaks no EDNS
	signals bool     // asks for structured errors
	sde     bool     // is given them
	echo    bool     // and asked with the option of the specification
}

// client reads the EDNS part of a query. Earlier drafts had no option of their
// own: an empty extended error of code 0 in the query asks for the same.
func (a *Answerer) client(r Request) client {
	c := client{opt: r.Msg.IsEdns0()}
	if c.opt == nil {
		return c
	}
	option := false
	for _, o := range c.opt.Option {
		if o.Option() == optionSDE { // of any length: data in it is to be ignored
			option = true
		}
		if e, ok := o.(*dns.EDNS0_EDE); ok && e.InfoCode == 0 && e.ExtraText == "" {
			c.signals = true
		}
	}
	c.signals = c.signals || option
	c.sde = c.signals && (a.sde == SDEOn || a.sde == SDEEncrypted && r.Encrypted)
	c.echo = c.sde && option
	return c
}
