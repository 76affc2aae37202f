//go:build unix

package main

// passageRows says what becomes of every passage of every guide. The first row that
// matches counts; those for a whole language are at the end.
func passageRows() []passageRow {
	return append(guideRows(), []passageRow{
		{language: "corefile", by: "TestEveryCorefileStarts"},
		{language: "json", check: wellFormedJSON},
		{language: "yaml", check: wellFormedYAML},
		{language: "nginx", check: goodNginx},
		{language: "apache", check: goodApache},
		{language: "ini", check: goodUnit},
		{language: "bind", by: "TestPolicyZoneForBIND"},
		{language: "unbound", by: "TestPolicyZoneForUnbound"},
		{language: "recursor", by: "TestPolicyZoneForPowerDNS"},
		{language: "recursor-script", by: "TestPolicyZoneForPowerDNS"},
		{language: "kresd", by: "TestPolicyZoneForKnotResolver"},
		{language: "bird", by: "TestRoute"},
		{language: "dnsdist", by: "TestBehindDnsdist"},
		{language: "dnsmasq", check: goodDnsmasq},
		{text: "table inet ", check: goodRules},
	}...)
}

// guideRows are those for single passages, guide by guide.
func guideRows() []passageRow {
	var rows []passageRow
	for _, of := range [][]passageRow{readmeRows, familyRows, schoolRows, pageRows, otherRows} {
		rows = append(rows, of...)
	}
	return rows
}

var readmeRows = []passageRow{
	{guide: "README.md", text: "$ dig @127.0.0.1", by: "TestTranscript"},
	{guide: "README.md", language: "corefile", walk: &doing{save: "Corefile", after: withoutNetwork}},
	{guide: "README.md", text: "nonudify init", walk: &doing{prints: []string{"wrong  resolver: it is not running"}}},
	{guide: "README.md", text: "nonudify report", why: "needs the totals of a month that is over; testdata/script/report*.txtar has them"},
	{guide: "README.md", text: "nonudify check", walk: &doing{before: listsOfReadme}},
	{guide: "README.md", text: "nonudify fetch", why: "asks publishers over the network; testdata/script/fetch*.txtar has those on loopback, and approve"},
	{guide: "README.md", text: "nonudify page", walk: &doing{serves: "127.0.0.1:8080"}},
	{guide: "README.md", text: "nonudify keygen", walk: &doing{before: listToSign}},
	{guide: "README.md", text: "# List-ID", check: goodList},
}

var familyRows = []passageRow{
	{guide: "docs/family.md", text: "ip -brief address", walk: &doing{prints: []string{"192.168.1.2"}}},
	{guide: "docs/family.md", text: "git clone", why: "fetches Go and the source; TestInstall of deploy/packages makes the package of it, and installs that"},
	{guide: "docs/family.md", text: "git pull", why: "fetches the source; TestInside of deploy/packages installs a newer package over an older one"},
	{guide: "docs/family.md", text: "apt install", walk: &doing{before: household}},
	{guide: "docs/family.md", text: "nonudify doctor", walk: &doing{prints: []string{"\n0 wrong"}}},
	{guide: "docs/family.md", text: "dig @192.168.1.2", walk: &doing{prints: []string{"status: NXDOMAIN", "EDE: 17 (Filtered)"}, after: theRestPasses}},
	{guide: "docs/family.md", text: "$ nslookup", walk: &doing{before: toldByRouter, code: 1, prints: []string{"Server:\t\t192.168.1.2", "can't find example.net: NXDOMAIN"}}},
	{guide: "docs/family.md", text: "> nslookup", why: "for Windows"},
	{guide: "docs/family.md", text: "scp -O", walk: &doing{}},
	{guide: "docs/family.md", text: "sysupgrade.conf", walk: &doing{after: smallRouter}},
	{guide: "docs/family.md", text: "/etc/init.d/nonudify restart", walk: &doing{before: anotherRouter, after: largeRouter}},
	{guide: "docs/family.md", text: "-to pihole", walk: &doing{after: piHole}},
	{guide: "docs/family.md", text: "-to adblock", walk: &doing{after: adGuardHome}},
	{guide: "docs/family.md", text: "action sinkhole", walk: &doing{before: writtenByInit, after: pageInPlace}},
	{guide: "docs/family.md", text: "bypass canary", walk: &doing{after: waysClosed}},
	{guide: "docs/family.md", text: "fine.example", walk: &doing{before: household, prints: []string{"fine.example at .:53: not listed"}}},
	{guide: "docs/family.md", text: "systemctl reload", walk: &doing{prints: []string{"example.net at .:53: blocked"}, after: theRestPasses}},
	{guide: "docs/family.md", text: "uci -q delete", walk: &doing{loose: true, after: routerAsBefore}},
	{guide: "docs/family.md", text: "apt purge", walk: &doing{}},
}

var schoolRows = []passageRow{
	{guide: "docs/school.md", text: "apt install", walk: &doing{before: schoolhouse}},
	{guide: "docs/school.md", text: "dig @192.0.2.53", walk: &doing{prints: []string{"status: NXDOMAIN", "EDE: 15 (Blocked)"}, after: theRestPasses}},
	{guide: "docs/school.md", language: "corefile", by: "TestGroupsOfASchool"},
	{guide: "docs/school.md", language: "powershell", why: "for Windows Server"},
	{guide: "docs/school.md", text: "> reg import", by: "TestDeviceRegistry"},
	{guide: "docs/school.md", text: "chrome.json", walk: &doing{before: settingsOfDevices}},
	{guide: "docs/school.md", text: "nonudify page", walk: &doing{before: groupsOfSchool, after: pageAsFiles}},
	{guide: "docs/school.md", text: "www.example.net", walk: &doing{prints: []string{"www.example.net at .:53, view pupils: passed, allowed by the operator"}, after: letThrough}},
	{guide: "docs/school.md", text: "nonudify check -conf", walk: &doing{prints: []string{"0 wrong", "builtin  100", "example.net at .:53, view pupils: blocked"}}},
	{guide: "docs/school.md", text: "nonudify doctor", walk: &doing{prints: []string{"\n0 wrong"}}},
}

var pageRows = []passageRow{
	{guide: "docs/help-page.md", text: "iptables ", why: "changes the firewall of the machine; sh and shellcheck read it"},
	{guide: "docs/help-page.md", text: "block return", why: "pf is not on Linux"},
	{guide: "docs/help-page.md", text: "config rule", why: "Debian has no uci"},
	{guide: "docs/help-page.md", language: "corefile", walk: &doing{save: "Corefile"}},
	{guide: "docs/help-page.md", text: "curl -sS -D", by: "TestFromBlockedNameToHelp"},
	{guide: "docs/help-page.md", text: "tls /etc/nonudify/help.pem", by: "TestPageOwn"},
	{guide: "docs/help-page.md", text: "reverse_proxy", check: goodCaddy},
	{guide: "docs/help-page.md", text: "-organization 'Example ISP'", walk: &doing{serves: "127.0.0.1:8080"}},
	{guide: "docs/help-page.md", language: "console", walk: &doing{}},
	{guide: "docs/help-page.md", language: "cron", why: "cron reads it, at night; TestGuideTool knows its flags"},
	{guide: "docs/help-page.md", text: "# country", check: goodHelplines},
}

var otherRows = []passageRow{
	{guide: "docs/bypass.md", text: "00 24", why: "octets of a DHCP option, for a DHCP server"},
	{guide: "docs/helplines.md", by: "TestGuide"},
	{guide: "docs/isp.md", text: "nonudify keygen -nopass", by: "TestSeeItRefuse"},
	{guide: "docs/isp.md", text: "nonudify-check: exit 0", by: "TestRouteCheck"},
	{guide: "docs/isp.md", text: "nonudify-route: announces", by: "TestRoute"},
	{guide: "docs/isp.md", text: "nonudify fetch -tsig", by: "TestPolicyZoneForKnotResolver"},
	{guide: "docs/managed-ca.md", language: "sh", by: "TestGuide"},
	{guide: "docs/managed-ca.md", text: "read -rs", why: "asks the person at the keyboard; TestGuide of package authority sets the variable"},
	{guide: "docs/managed-ca.md", text: "icacls", why: "for Windows"},
	{guide: "docs/managed-ca.md", text: "authority /etc/nonudify/page.pem", by: "TestPageManaged"},
	{guide: "docs/performance.md", text: "make bench", why: "takes ten minutes; TestGuideTargets finds what it names"},
	{guide: "docs/publisher.md", text: "# Title", walk: &doing{save: "list.txt"}},
	{guide: "docs/publisher.md", text: "nonudify publish", walk: &doing{after: published}},
	{guide: "docs/sources.md", text: "go generate", why: "writes into the repository; TestGuideTargets finds what it names"},
	{guide: "docs/translating.md", text: "go generate", why: "writes into the repository; TestGuideTargets finds what it names"},
	{guide: "plugin/README.md", language: "txt", why: "a grammar"},
	{guide: "deploy/kubernetes/README.md", text: "kubectl", why: "needs a cluster; the tests in deploy/kubernetes hold the secrets that it makes against the manifests"},
	{guide: "CONTRIBUTING.md", by: "TestContributing"},
	{guide: "docs/security.md", language: "sh", by: "TestCeremony"},
	{guide: "docs/status.md", language: "txt", why: "a line of a Corefile, not all of it"},
	{guide: "docs/transparency.md", language: "console", why: "needs the totals of a month; testdata/script/report*.txtar has some"},
	{guide: "docs/transparency.md", language: "handled", by: "TestTransparencyGuide"},
	{guide: "deploy/coredns.io/nonudify.md", language: "txt", by: "TestPluginPage"},
	{guide: "deploy/packages/README.md", text: "podman", why: "needs a container engine; TestImageRuns does without"},
}
