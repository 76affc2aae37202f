package answer_test

import (
	"fmt"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/answer"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/rule"
)

// A school denies a name, and says whom to write to if that is wrong to those
// clients that can show it.
func ExampleAnswerer_Reply() {
	a, err := answer.New(answer.Config{Contacts: []string{"mailto:it@school.example"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	query := new(dns.Msg).SetQuestion("www.bad.example.", dns.TypeA)
	query.SetEdns0(1232, false)
	query.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_LOCAL{Code: 26}} // structured errors, please

	m := a.Reply(answer.Request{Msg: query, Size: 1232, UDP: true}, policy.Verdict{
		Action: rule.Block, Reason: policy.Blocked, Trigger: rule.Subtree, Labels: 2, Serial: 7,
	})
	fmt.Println(dns.RcodeToString[m.Rcode])
	fmt.Println(m.Ns[0])
	fmt.Println(m.IsEdns0().Option[0].(*dns.EDNS0_EDE).ExtraText)
	// Output:
	// NXDOMAIN
	// bad.example.	60	IN	SOA	blocked.invalid. hostmaster.blocked.invalid. 7 3600 600 604800 60
	// {"c":["mailto:it@school.example"],"s":5,"j":"This site is blocked by the rules of this network.","l":"en"}
}
