module github.com/nonudify/nonudify/testdata/adguard

go 1.26.6

require (
	github.com/AdguardTeam/urlfilter v0.23.2
	github.com/miekg/dns v1.1.68
)

require (
	github.com/AdguardTeam/golibs v0.35.16 // indirect
	github.com/c2h5oh/datasize v0.0.0-20231215233829-aa82cc1e6500 // indirect
	golang.org/x/exp v0.0.0-20260611194520-c48552f49976 // indirect
	golang.org/x/mod v0.38.0 // indirect
	golang.org/x/net v0.57.0 // indirect
	golang.org/x/sync v0.22.0 // indirect
	golang.org/x/sys v0.47.0 // indirect
	golang.org/x/text v0.40.0 // indirect
	golang.org/x/tools v0.48.0 // indirect
)
